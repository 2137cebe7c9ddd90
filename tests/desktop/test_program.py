from __future__ import annotations

import asyncio
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any, cast

import pytest

from simplex_calls.bridge.server import Bridge
from simplex_calls.catalogue import text
from simplex_calls.chat.messages import Profile
from simplex_calls.chat.requests import Request
from simplex_calls.client import CallDirection, CallMedia, CallPhase, CallSettings, CallView, Client
from simplex_calls.desktop.homes import SingleHome
from simplex_calls.desktop.notifications import Notifications, Ring
from simplex_calls.desktop.program import Program, follow
from simplex_calls.events import CallChanged, ContactRequestAdded, ContactRequestRemoved
from tests.bridge.people import FakeShell

DORA = Request(7, "Dora", Profile("Dora"), datetime(2026, 11, 22, tzinfo=UTC))


class FakeNotifications:
    """Keeps what is shown."""

    def __init__(self) -> None:
        self.rings: asyncio.Queue[Ring] = asyncio.Queue()
        self.withdrawn: asyncio.Queue[str] = asyncio.Queue()

    def ring(self, ring: Ring) -> None:
        self.rings.put_nowait(ring)

    def withdraw(self, call_id: str) -> None:
        self.withdrawn.put_nowait(call_id)

    async def stop(self) -> None:
        pass


async def no_call(call_id: str, *, from_page: bool) -> None:
    raise AssertionError(call_id, from_page)


def program_of(client: Client, bridge: Bridge, notifications: FakeNotifications) -> Program:
    shown: Callable[[], None] = lambda: None  # noqa: E731
    return Program(client, bridge, cast("Notifications", notifications), open_call=no_call, show=shown)


async def test_who_asks_to_connect_is_told_and_answered(
    alice: Client, bridge: Bridge, monkeypatch: pytest.MonkeyPatch
) -> None:
    answers: asyncio.Queue[tuple[str, int]] = asyncio.Queue()

    async def accept(request_id: int) -> Any:
        answers.put_nowait(("accept", request_id))

    monkeypatch.setattr(alice, "accept_request", accept)
    monkeypatch.setattr(alice, "reject_request", lambda request_id: answers.put_nowait(("reject", request_id)))
    notifications = FakeNotifications()
    task = asyncio.create_task(program_of(alice, bridge, notifications).run())
    try:
        async with asyncio.timeout(10):
            alice._emit(ContactRequestAdded(DORA))
            ring = await notifications.rings.get()
            assert (ring.title, ring.message) == ("Dora", text("desktop.request"))
            ring.accept()
            assert await answers.get() == ("accept", 7)
            ring.reject()
            assert await answers.get() == ("reject", 7)
            alice._emit(ContactRequestRemoved(7))
            assert await notifications.withdrawn.get() == ring.call_id
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


async def test_whoever_is_not_to_be_disturbed_gets_no_notification_of_calls(alice: Client, bridge: Bridge) -> None:
    notifications = FakeNotifications()
    task = asyncio.create_task(program_of(alice, bridge, notifications).run())
    moment = datetime(2026, 11, 22, tzinfo=UTC)

    def rings(call_id: str) -> CallChanged:
        incoming = CallDirection.INCOMING
        return CallChanged(
            CallView(call_id, 1, "Bob", CallMedia.AUDIO, incoming, CallPhase.RINGING, False, None, moment)
        )

    try:
        async with asyncio.timeout(10):
            alice.set_call_settings(CallSettings(do_not_disturb=True))
            alice._emit(rings("quiet"))
            # events are taken in order
            alice._emit(ContactRequestAdded(DORA))
            assert (await notifications.rings.get()).title == "Dora"
            alice.set_call_settings(CallSettings())
            alice._emit(rings("loud"))
            assert (await notifications.rings.get()).call_id == "loud"
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


async def test_a_call_that_is_not_encrypted_is_not_taken_by_its_notification(
    alice: Client, bob: Client, bridge: Bridge, monkeypatch: pytest.MonkeyPatch
) -> None:
    alice.confirm_ip_exposure(1)
    call = CallView(
        "plain",
        1,
        "Bob",
        CallMedia.AUDIO,
        CallDirection.INCOMING,
        CallPhase.RINGING,
        False,
        False,
        datetime(2026, 11, 22, tzinfo=UTC),
    )
    taken: list[str] = []
    pushed: asyncio.Queue[Any] = asyncio.Queue()

    async def accept(call_id: str) -> None:
        taken.append(call_id)

    monkeypatch.setattr(alice, "accept", accept)
    monkeypatch.setattr(alice, "call", lambda _: call)
    monkeypatch.setattr(bridge, "push_to_latest", pushed.put_nowait)
    notifications = FakeNotifications()
    task = asyncio.create_task(program_of(alice, bridge, notifications).run())
    try:
        async with asyncio.timeout(10):
            alice._emit(CallChanged(call))
            (await notifications.rings.get()).accept()
            assert await pushed.get() == {"event": "accept_wanted", "callId": "plain"}
            assert taken == []
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


class TwoHomes(SingleHome):
    """A home whose client is exchanged when a test says so."""

    def __init__(self, first: Client, second: Client) -> None:
        super().__init__(first)
        self.second = second
        self.wanted = asyncio.Event()
        self.followed = asyncio.Event()

    async def changed(self) -> None:
        await self.wanted.wait()
        self.wanted.clear()

    async def follow(self) -> None:
        self.client = self.second
        self.followed.set()


async def test_the_page_of_a_call_that_rings_is_prepared_one_at_a_time(alice: Client, bridge: Bridge) -> None:
    prepared: list[str] = []

    async def prepare(call_id: str) -> None:
        prepared.append(call_id)

    program = Program(alice, bridge, None, open_call=no_call, show=lambda: None, prepare_call=prepare)
    moment = datetime(2026, 11, 22, tzinfo=UTC)

    async def tell(call_id: str, phase: CallPhase) -> None:
        incoming = CallDirection.INCOMING
        call = CallView(call_id, 1, "Bob", CallMedia.AUDIO, incoming, phase, False, None, moment)
        program._happened(CallChanged(call))
        await asyncio.gather(*program._work)

    for call_id in ("first", "first", "second"):
        await tell(call_id, CallPhase.RINGING)
    await tell("first", CallPhase.ENDED)
    await tell("third", CallPhase.RINGING)
    await tell("third", CallPhase.ENDED)
    alice.set_call_settings(CallSettings(do_not_disturb=True))
    await tell("quiet", CallPhase.RINGING)
    assert prepared == ["first", "third"]


async def test_programs_follow_the_home(alice: Client, bob: Client, shell: FakeShell) -> None:
    home = TwoHomes(alice, bob)
    begun: asyncio.Queue[Client] = asyncio.Queue()
    async with Bridge(alice, shell) as bridge:

        def program(client: Client) -> Program:
            begun.put_nowait(client)
            return program_of(client, bridge, FakeNotifications())

        task = asyncio.create_task(follow(home, bridge, program))
        try:
            async with asyncio.timeout(10):
                assert await begun.get() is alice
                home.wanted.set()
                await home.followed.wait()
                assert await begun.get() is bob
        finally:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)
