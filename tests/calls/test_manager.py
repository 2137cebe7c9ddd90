from __future__ import annotations

import asyncio
import base64
import logging
from collections import deque
from collections.abc import AsyncIterator, Callable
from datetime import UTC, datetime
from typing import Any

import pytest

from simplex_calls.calls import attached
from simplex_calls.calls.attached import MAX_COMMANDS, MAX_NONSENSE
from simplex_calls.calls.call import CallFailure, CallProgress
from simplex_calls.calls.ice import IceConfig, IceServer
from simplex_calls.calls.manager import CallManager, _Stored
from simplex_calls.calls.page import MediaSource
from simplex_calls.calls.state import CallState, EndReason
from simplex_calls.calls.store import CallStore
from simplex_calls.calls.switchboard import CallMissingError, CallStateError, Switchboard, UnencryptedError
from simplex_calls.calls.views import (
    CallChanged,
    CallDirection,
    CallMediaChanged,
    CallPhase,
    CallsEvent,
    CallStats,
    CallView,
    Consent,
    PageWanted,
)
from simplex_calls.chat.events import CallMessageReceived
from simplex_calls.chat.history import CallDetails, CallStatus
from simplex_calls.chat.messages import CallEnd, CallInvitation, CallMedia, CallOffer, RtcSession
from simplex_calls.database import Database
from tests.calls.pages import CAPABILITIES, OFFER, ScriptedPage
from tests.chat.fake_agent import Person, Wire, befriend

NOW = 1_800_000_000.0


class FakeTimer:
    def __init__(self, delay: float, action: Callable[[], None]) -> None:
        self.delay = delay
        self.action = action
        self.is_cancelled = False

    def cancel(self) -> None:
        self.is_cancelled = True


class LiveWire(Wire):
    """Moves by itself, in the event loop."""

    def __init__(self) -> None:
        super().__init__()
        wire = self

        class Moving(deque[Callable[[], object]]):
            def append(self, action: Callable[[], object], /) -> None:
                super().append(action)
                asyncio.get_running_loop().call_soon(wire.run)

        self.moving = Moving()


class Party:
    """A person with calls."""

    def __init__(self, world: World, name: str, database: Database | None = None, person: Person | None = None) -> None:
        self.world = world
        self.person = person or Person(world.wire, name, database)
        self.person.call_handler = self.take
        self.timers: list[FakeTimer] = []
        self.told: list[CallsEvent] = []
        self.pages: dict[str, ScriptedPage] = {}
        self.answers: dict[str, Any] = {}
        self.opens_pages = True
        self.connects = True
        self.tasks: list[asyncio.Task[None]] = []
        self.now = NOW
        self.friend_id = 0
        self.manager = CallManager(
            self.person.database,
            self.person.chat,
            handler=self.hear,
            ice=lambda: IceConfig((IceServer("stun:stun.example:1"),)),
            clock=lambda: self.now,
            schedule=self.schedule,
        )

    def schedule(self, delay: float, action: Callable[[], None]) -> FakeTimer:
        self.timers.append(FakeTimer(delay, action))
        return self.timers[-1]

    def take(self, event: CallMessageReceived) -> None:
        self.manager.message_received(event.contact_id, event.message, datetime.fromtimestamp(self.now, UTC))

    def hear(self, event: CallsEvent) -> None:
        self.told.append(event)
        if isinstance(event, PageWanted) and self.opens_pages:
            self.open_page(event.call_id)
        self.world.happened.set()

    def open_page(self, call_id: str) -> ScriptedPage:
        page = self.pages[call_id] = ScriptedPage(
            self.answers, happened=self.world.happened.set, connects=self.connects
        )
        task = asyncio.create_task(self.manager.attach_page(call_id, page))
        task.add_done_callback(lambda _: self.world.happened.set())
        self.tasks.append(task)
        return page

    @property
    def call(self) -> CallView:
        return self.manager.calls()[0]

    @property
    def page(self) -> ScriptedPage:
        return self.pages[self.call.id]

    def history(self) -> list[CallDetails]:
        items = self.person.chat.history(self.friend_id)
        return [item.details for item in items if isinstance(item.details, CallDetails)]

    def let_time_pass(self) -> None:
        (timer,) = [timer for timer in self.timers if not timer.is_cancelled]
        timer.is_cancelled = True
        self.now += timer.delay
        timer.action()


class World:
    def __init__(self) -> None:
        self.happened = asyncio.Event()
        self.wire = LiveWire()
        self.alice = Party(self, "alice")
        self.bob = Party(self, "bob")

    async def until(self, condition: Callable[[], object]) -> None:
        async with asyncio.timeout(20):
            while not condition():
                self.happened.clear()
                await self.happened.wait()

    async def connect(self) -> None:
        self.alice.manager.start_call(self.alice.friend_id, CallMedia.VIDEO)
        await self.until(lambda: self.bob.manager.calls() and self.bob.call.state is CallPhase.RINGING)
        self.bob.manager.accept(self.bob.call.id)
        await self.until(lambda: {self.alice.call.state, self.bob.call.state} == {CallPhase.CONNECTED})


@pytest.fixture
async def world() -> AsyncIterator[World]:
    world = World()
    world.alice.friend_id, world.bob.friend_id = await befriend(world.wire, world.alice.person, world.bob.person)
    yield world
    for party in (world.alice, world.bob):
        await party.manager.stop()
        await asyncio.gather(*party.tasks)


async def test_a_call_from_the_first_ring_to_the_history(world: World) -> None:
    alice, bob = world.alice, world.bob
    await world.connect()
    assert alice.call.direction is CallDirection.OUTGOING
    assert bob.call.direction is CallDirection.INCOMING
    assert alice.call.contact_name == "bob"
    assert alice.call.encrypted
    assert alice.call.has_page
    assert alice.call.is_active
    assert alice.page.types() == ["capabilities", "offer"]
    assert bob.page.types() == ["start", "answer"]
    start, offer = bob.page.commands[-3:], alice.page.commands
    key = next(command["aesKey"] for command in bob.page.commands if command["type"] == "start")
    given = next(command for command in offer if command["type"] == "offer")
    assert given["aesKey"] == key
    assert given["iceServers"] == [{"urls": ["stun:stun.example:1"]}]
    assert given["relay"] is False
    assert (given["offer"], given["iceCandidates"]) == (OFFER["offer"], OFFER["iceCandidates"])
    assert start
    assert alice.page.shown()["state"] == "connected"
    assert alice.page.shown()["connectedAt"] == NOW * 1000
    assert alice.history() == [CallDetails(CallMedia.VIDEO, CallStatus.ACTIVE)]

    alice.now += 65
    bob.now += 65
    bob.manager.hang_up(bob.call.id)
    await world.until(lambda: alice.call.state is CallPhase.ENDED)
    assert alice.call.end_reason is bob.call.end_reason is EndReason.ENDED
    assert alice.call.duration == 65
    assert alice.history() == bob.history() == [CallDetails(CallMedia.VIDEO, CallStatus.ENDED, 65)]
    await asyncio.gather(*alice.tasks, *bob.tasks)
    assert alice.page.types()[-1] == "end"
    assert alice.page.closed
    assert alice.page.shown()["reason"] == "ended"
    assert [event.call.state for event in alice.told if isinstance(event, CallChanged)][:2] == [CallPhase.CALLING] * 2


async def test_pages_learn_each_others_features(world: World) -> None:
    capabilities = {"encryption": True, "features": ["channel", "of alice"]}
    world.alice.answers |= {"capabilities": {"type": "capabilities", "capabilities": capabilities}}
    world.bob.answers |= {"start": OFFER | {"capabilities": {"encryption": True, "features": ["channel", "code"]}}}
    await world.connect()
    start = next(command for command in world.bob.page.commands if command["type"] == "start")
    offer = next(command for command in world.alice.page.commands if command["type"] == "offer")
    assert start["features"] == ["channel"]  # a name has no spaces
    assert offer["features"] == ["channel", "code"]
    assert start["binding"] == offer["binding"]
    assert len(base64.urlsafe_b64decode(start["binding"])) == 32


async def test_the_page_learns_whether_the_conversation_is_quantum_resistant(world: World) -> None:
    for resists in (True, False):
        contact = world.alice.person.chat.contact(world.alice.friend_id)
        assert contact.connection_id is not None
        world.alice.person.agent.set_pq(contact.connection_id, on=resists)
        world.alice.manager.start_call(world.alice.friend_id, CallMedia.AUDIO)
        await world.until(lambda: world.alice.call.detail is CallState.CALLING)
        page = world.alice.page
        assert page.shown()["isQuantumResistant"] is resists
        world.alice.manager.hang_up(world.alice.call.id)
        await world.until(lambda: page.closed)  # noqa: B023 - awaited here


async def test_an_official_app_says_no_features_and_gets_none(world: World) -> None:
    world.alice.answers |= {
        "capabilities": {"type": "capabilities", "capabilities": {"encryption": True, "features": ["channel"]}}
    }
    await world.connect()
    offer = next(command for command in world.alice.page.commands if command["type"] == "offer")
    assert set(offer) == {"type", "offer", "iceCandidates", "media", "aesKey", "iceServers", "relay"}


async def test_settings_of_a_page_come_to_the_next_one(world: World) -> None:
    await world.connect()
    told = {
        "settings": {"resolution": 1080, "isLowData": True, "isBackgroundBlurred": True},
        "devices": {"microphone": {"id": "m", "label": "Headset"}, "camera": None, "speaker": None},
    }
    world.alice.page.say({"type": "settings", **told})
    world.alice.page.say({"type": "settings", "settings": {"resolution": 4000}, "devices": {}})
    world.alice.page.say({"type": "end"})
    await world.until(lambda: world.alice.call.state is CallPhase.ENDED)
    await asyncio.gather(*world.alice.tasks)
    assert "settings" not in world.alice.page.types()
    world.alice.manager.start_call(world.alice.friend_id, CallMedia.AUDIO)
    await world.until(lambda: len(world.alice.pages) == 2 and world.alice.page.commands)
    assert world.alice.page.commands[0] == {"type": "settings", **told}


async def test_settings_that_cannot_be_read_are_none(world: World) -> None:
    database = world.alice.person.database
    for value in ("", "[]", "1", '{"settings": {"resolution": "large"}, "devices": {}}'):
        with database.transaction():
            database.execute("INSERT OR REPLACE INTO calls_page_settings VALUES (1, ?)", (value,))
        assert CallStore(database).page_settings() is None


async def test_candidates_travel_both_ways(world: World) -> None:
    await world.connect()
    world.alice.page.say({"type": "ice", "iceCandidates": "YWxpY2U="})
    world.bob.page.say({"type": "ice", "iceCandidates": "Ym9i"})
    await world.until(lambda: "ice" in world.alice.page.types() and "ice" in world.bob.page.types())
    assert world.alice.page.commands[-1]["iceCandidates"] == "Ym9i"
    assert world.bob.page.commands[-1]["iceCandidates"] == "YWxpY2U="


async def test_nobody_answers(world: World) -> None:
    world.alice.manager.start_call(world.alice.friend_id, CallMedia.AUDIO)
    await world.until(lambda: world.bob.manager.calls())
    world.alice.let_time_pass()
    assert world.alice.call.end_reason is EndReason.NO_ANSWER
    await world.until(lambda: world.bob.call.state is CallPhase.ENDED)
    assert world.bob.call.end_reason is EndReason.MISSED
    assert world.alice.history() == [CallDetails(CallMedia.AUDIO, CallStatus.NO_ANSWER)]
    assert world.bob.history() == [CallDetails(CallMedia.AUDIO, CallStatus.MISSED)]
    assert all(timer.is_cancelled for timer in world.alice.timers)


@pytest.mark.parametrize(
    ("progress", "gives_receipts", "reason"),
    [
        (CallProgress.SENT, True, EndReason.UNREACHABLE),
        (CallProgress.RINGING, True, EndReason.NO_ANSWER),
        (CallProgress.SENT, False, EndReason.NO_ANSWER),
    ],
)
async def test_not_reached_or_not_answered(
    world: World, monkeypatch: pytest.MonkeyPatch, progress: CallProgress, gives_receipts: bool, reason: EndReason
) -> None:
    alice = world.alice
    monkeypatch.setattr(alice.person.chat, "gives_receipts", lambda _: gives_receipts)
    alice.manager.start_call(alice.friend_id, CallMedia.AUDIO)
    await world.until(lambda: world.bob.manager.calls())
    (call,) = alice.manager._board.calls.values()
    alice.manager.invitation_progressed(alice.friend_id, b"another call", CallProgress.RINGING)
    assert alice.call.progress is CallProgress.NONE
    alice.manager.invitation_progressed(alice.friend_id, call.wire_id, progress)
    alice.manager.invitation_progressed(alice.friend_id, call.wire_id, CallProgress.SENT)
    assert alice.call.progress is progress
    alice.let_time_pass()
    assert alice.call.end_reason is reason
    status = CallStatus.UNREACHABLE if reason is EndReason.UNREACHABLE else CallStatus.NO_ANSWER
    assert alice.history() == [CallDetails(CallMedia.AUDIO, status)]
    await world.until(lambda: world.bob.call.state is CallPhase.ENDED)


async def test_a_call_is_rejected(world: World) -> None:
    world.alice.manager.start_call(world.alice.friend_id, CallMedia.AUDIO)
    await world.until(lambda: world.bob.manager.calls())
    world.bob.manager.reject(world.bob.call.id)
    await world.until(lambda: world.alice.call.state is CallPhase.ENDED)
    assert world.alice.call.end_reason is world.bob.call.end_reason is EndReason.DECLINED
    with pytest.raises(CallMissingError):
        world.bob.manager.accept(world.bob.call.id)


async def test_a_page_that_closes_or_breaks_hangs_up(world: World) -> None:
    await world.connect()
    world.alice.page.leave()
    await world.until(lambda: world.bob.call.state is CallPhase.ENDED)
    assert world.alice.call.end_reason is EndReason.ENDED
    assert not world.alice.call.has_page

    await world.connect()
    world.bob.page.broken = ConnectionResetError()
    world.alice.page.say({"type": "ice", "iceCandidates": "YWxpY2U="})
    await world.until(lambda: world.alice.call.state is CallPhase.ENDED)
    assert world.bob.call.end_reason is EndReason.ENDED


async def test_a_page_with_an_error_stays_open_to_show_it(world: World) -> None:
    world.alice.answers = {"capabilities": {"type": "error", "message": "no microphone", "code": "no-microphone"}}
    world.alice.manager.start_call(world.alice.friend_id, CallMedia.AUDIO)
    await world.until(lambda: world.alice.call.state is CallPhase.ENDED and "end" in world.alice.page.types())
    assert world.alice.call.failure is CallFailure.NO_MICROPHONE
    assert not world.alice.page.closed
    assert not world.alice.tasks[0].done()
    assert world.bob.manager.calls() == []
    assert world.alice.history() == [CallDetails(CallMedia.AUDIO, CallStatus.FAILED)]
    world.alice.page.leave()
    await world.alice.tasks[0]


async def test_a_page_that_lost_its_connection_stays_open_to_tell(world: World) -> None:
    await world.connect()
    world.alice.page.say({"type": "error", "message": "lost", "code": "connection-failed"})
    await world.until(lambda: world.alice.call.state is CallPhase.ENDED and "end" in world.alice.page.types())
    assert world.alice.call.failure is CallFailure.CONNECTION_LOST
    assert not world.alice.page.closed
    assert not world.alice.tasks[0].done()


async def test_nonsense_from_a_page_ends_the_call(world: World, caplog: pytest.LogCaptureFixture) -> None:
    await world.connect()
    for _ in range(MAX_NONSENSE):
        world.alice.page.say({"type": "stats", "stats": "many"})
    world.alice.page.say({"type": "stats", "stats": {"framesSent": 1}})
    await world.until(lambda: any(isinstance(event, CallStats) for event in world.alice.told))
    assert world.alice.call.state is CallPhase.CONNECTED
    world.alice.page.say({"type": "stats", "stats": "secret"})
    await world.until(lambda: world.bob.call.state is CallPhase.ENDED)
    assert world.alice.call.failure is CallFailure.PAGE

    world.alice.answers = {"capabilities": {**CAPABILITIES, "capabilities": "secret"}}
    world.alice.manager.start_call(world.alice.friend_id, CallMedia.AUDIO)
    await world.until(lambda: world.alice.call.failure is CallFailure.PAGE)
    assert "secret" not in caplog.text


async def test_an_answer_to_an_earlier_command_is_ignored(world: World) -> None:
    world.alice.answers = {"capabilities": None}
    world.alice.manager.start_call(world.alice.friend_id, CallMedia.AUDIO)
    await world.until(lambda: "capabilities" in world.alice.page.types())
    world.alice.page.say(CAPABILITIES, corrId=77)
    world.alice.page.say({"type": "stats", "stats": {}})
    await world.until(lambda: any(isinstance(event, CallStats) for event in world.alice.told))
    assert world.alice.call.detail is CallState.PREPARING
    world.alice.page.say(CAPABILITIES)
    await world.until(lambda: world.bob.manager.calls())


async def test_an_official_page_is_told_in_its_own_words(world: World) -> None:
    world.alice.answers = {"call": {"type": "error", "message": "unknown command"}}
    await world.connect()
    await world.until(lambda: world.alice.page.commands[-1]["type"] == "description")
    await world.until(lambda: world.alice.page.commands[-1]["state"] == "Connected")
    assert world.alice.page.commands[-1]["description"] == "End-to-end encrypted"
    assert sum(command["type"] == "call" for command in world.alice.page.commands) < 3
    assert all(command["type"] != "description" for command in world.bob.page.commands)


async def test_what_pages_see_is_told(world: World) -> None:
    await world.connect()
    call_id = world.alice.call.id
    world.alice.page.say({"type": "peerMedia", "source": "mic", "enabled": False})
    world.alice.page.say({"type": "ok"}, command={"type": "media", "source": "camera", "enable": True})
    await world.until(lambda: sum(isinstance(event, CallMediaChanged) for event in world.alice.told) == 2)
    assert [event for event in world.alice.told if isinstance(event, CallMediaChanged)] == [
        CallMediaChanged(call_id, is_ours=False, source=MediaSource.MICROPHONE, enabled=False),
        CallMediaChanged(call_id, is_ours=True, source=MediaSource.CAMERA, enabled=True),
    ]


async def test_another_call_is_shown_on_the_page_and_taken_from_there(world: World) -> None:
    carol = Party(world, "carol")
    at_alice, carol.friend_id = await befriend(world.wire, world.alice.person, carol.person)
    await world.connect()
    first = world.alice.call.id
    for accept in (False, True):
        carol.manager.start_call(carol.friend_id, CallMedia.AUDIO)
        await world.until(lambda: world.alice.page.shown()["others"])
        (other,) = world.alice.page.shown()["others"]
        assert other == {"callId": other["callId"], "contactName": "carol", "media": "audio", "encrypted": True}
        world.alice.page.say({"type": "accept" if accept else "reject", "callId": other["callId"]})
        if not accept:
            await world.until(lambda: carol.call.state is CallPhase.ENDED)
            await world.until(lambda: world.alice.page.shown()["others"] == [])
    await world.until(lambda: carol.call.state is CallPhase.CONNECTED)
    assert world.bob.call.state is CallPhase.ENDED
    assert world.alice.call.contact_id == at_alice
    assert world.alice.manager.call(first).end_reason is EndReason.ENDED
    # a page that answers a call that is gone does no harm
    world.alice.page.say({"type": "accept", "callId": other["callId"]})
    world.alice.page.say({"type": "stats", "stats": {}})
    await world.until(lambda: any(isinstance(event, CallStats) for event in world.alice.told))
    await carol.manager.stop()
    await asyncio.gather(*carol.tasks)


UNABLE = {"type": "capabilities", "capabilities": {"encryption": False}}


async def test_who_cannot_encrypt_calls_after_a_yes_on_the_page(world: World) -> None:
    world.alice.answers = {"capabilities": UNABLE}
    world.alice.manager.start_call(world.alice.friend_id, CallMedia.VIDEO)
    await world.until(lambda: world.alice.call.consent_wanted is Consent.OURS)
    await world.until(lambda: world.alice.page.shown()["consentWanted"] == "ours")
    assert world.alice.call.state is CallPhase.CALLING
    assert world.bob.manager.calls() == []
    world.alice.page.say({"type": "consent"})
    await world.until(lambda: world.bob.manager.calls())
    assert world.alice.call.consent_wanted is None
    with pytest.raises(UnencryptedError):
        world.bob.manager.accept(world.bob.call.id)
    world.bob.manager.accept(world.bob.call.id, unencrypted=True)
    await world.until(lambda: {world.alice.call.state, world.bob.call.state} == {CallPhase.CONNECTED})
    for party in (world.alice, world.bob):
        assert party.call.encrypted is False
        assert not any("aesKey" in command for command in party.page.commands)


@pytest.mark.parametrize("end", ["no", "time", "kill"])
async def test_a_peer_that_does_not_encrypt_is_asked_about(world: World, end: str) -> None:
    alice, bob = world.alice, world.bob
    alice.manager.start_call(alice.friend_id, CallMedia.AUDIO)
    await world.until(lambda: bob.manager.calls())
    # bob's is another app, which does not do what his manager would do
    (wire_id,) = (call.wire_id for call in bob.manager._board.calls.values())
    session = RtcSession("b2ZmZXI=", "aWNl")
    offer = CallOffer(wire_id, CallMedia.AUDIO, False, session, None)
    bob.person.chat.send_call_message(bob.friend_id, offer)
    await world.until(lambda: alice.call.consent_wanted is Consent.THEIRS)
    assert "offer" not in alice.page.types()
    match end:
        case "no":
            alice.manager.hang_up(alice.call.id)
        case "time":
            alice.let_time_pass()
        case "kill":
            alice = killed(alice)
            alice.manager.start()
    await world.until(lambda: bob.call.state is CallPhase.ENDED)
    is_failure = end != "kill"
    assert alice.call.failure is (CallFailure.PEER_NO_ENCRYPTION if is_failure else None)
    status = CallStatus.FAILED if is_failure else CallStatus.CANCELLED
    assert alice.history() == [CallDetails(CallMedia.AUDIO, status)]
    assert alice.person.database.execute("SELECT count(*) FROM calls").fetchone()[0] == 0


async def test_the_next_start_closes_a_call_that_waited_for_a_yes(world: World) -> None:
    world.alice.answers = {"capabilities": UNABLE}
    world.alice.manager.start_call(world.alice.friend_id, CallMedia.VIDEO)
    await world.until(lambda: world.alice.call.consent_wanted)
    again = killed(world.alice)
    again.manager.start()
    assert again.history() == [CallDetails(CallMedia.VIDEO, CallStatus.CANCELLED)]
    assert world.bob.manager.calls() == []


async def test_another_call_that_is_not_encrypted_is_taken_from_the_page_after_a_yes_only(world: World) -> None:
    carol = Party(world, "carol")
    at_alice, carol.friend_id = await befriend(world.wire, world.alice.person, carol.person)
    carol.answers = {"capabilities": UNABLE}
    await world.connect()
    carol.manager.start_call(carol.friend_id, CallMedia.AUDIO)
    await world.until(lambda: carol.call.consent_wanted)
    carol.manager.consent(carol.call.id)
    await world.until(lambda: world.alice.page.shown()["others"])
    (other,) = world.alice.page.shown()["others"]
    assert other["encrypted"] is False
    world.alice.page.say({"type": "accept", "callId": other["callId"]})
    world.alice.page.say({"type": "stats", "stats": {}})
    await world.until(lambda: any(isinstance(event, CallStats) for event in world.alice.told))
    assert world.alice.manager.call(other["callId"]).state is CallPhase.RINGING
    world.alice.page.say({"type": "accept", "callId": other["callId"], "unencrypted": True})
    await world.until(lambda: carol.call.state is CallPhase.CONNECTED)
    assert world.alice.call.contact_id == at_alice
    await carol.manager.stop()


async def test_both_call_each_other(world: World) -> None:
    world.alice.manager.start_call(world.alice.friend_id, CallMedia.AUDIO)
    world.bob.manager.start_call(world.bob.friend_id, CallMedia.VIDEO)
    await world.until(lambda: {world.alice.call.state, world.bob.call.state} == {CallPhase.CONNECTED})
    assert len(world.alice.manager.calls()) == len(world.bob.manager.calls()) == 1
    assert len(world.alice.history()) == len(world.bob.history()) == 1
    assert (world.alice.call.media, world.bob.call.media) == (CallMedia.AUDIO, CallMedia.VIDEO)


def killed(party: Party) -> Party:
    """The same person's next start, after a kill: nothing of the first one does anything any more."""
    for task in party.tasks:
        task.cancel()
    party.manager._stored = lambda: _Stored(Switchboard(), {})  # type: ignore[method-assign]
    again = Party(party.world, "", person=party.person)
    again.friend_id = party.friend_id
    party.manager, party.tasks = again.manager, again.tasks
    return again


async def test_a_killed_process_closes_its_calls_at_the_next_start(world: World) -> None:
    alice = world.alice
    await world.connect()
    again = killed(alice)
    again.now += 5
    again.manager.start()
    await world.until(lambda: world.bob.call.state is CallPhase.ENDED)
    assert again.history() == [CallDetails(CallMedia.VIDEO, CallStatus.ENDED, 5)]
    assert again.call.end_reason is EndReason.ENDED
    again.manager.start()
    assert len(again.manager.calls()) == 1


@pytest.mark.parametrize(
    ("state", "is_caller"),
    [
        *((state, True) for state in ("dialling", "preparing", "calling", "answering", "connecting", "connected")),
        *((state, False) for state in ("ringing", "accepted", "offering", "offered", "connecting", "connected")),
    ],
)
async def test_a_kill_in_any_state_ends_the_call_on_both_sides(world: World, state: str, is_caller: bool) -> None:
    caller, called = (world.alice, world.bob) if is_caller else (world.bob, world.alice)
    # alice's page does what leads to the state, and nothing after that; bob's is slow where his comes next
    silent: dict[str, Any] = {"preparing": "capabilities", "answering": "offer", "offering": "start"}
    world.alice.opens_pages = state not in {"dialling", "accepted"}
    world.alice.answers = {silent[state]: None} if state in silent else {}
    world.bob.answers = {"offer": None} if state == "offered" else {}
    if state == "connecting":
        world.alice.connects = False
    caller.manager.start_call(caller.friend_id, CallMedia.AUDIO)
    if state not in {"dialling", "preparing"}:
        await world.until(lambda: called.manager.calls())
        if state not in {"calling", "ringing"}:
            called.manager.accept(called.call.id)
    await world.until(lambda: world.alice.call.detail.value == state)
    again = killed(world.alice)
    again.manager.start()
    assert again.call.state is CallPhase.ENDED
    if state not in {"dialling", "preparing"}:
        await world.until(lambda: world.bob.call.state is CallPhase.ENDED)
    assert len(again.history()) == 1
    assert again.history()[0].status not in {CallStatus.RINGING, CallStatus.ACTIVE}
    assert again.person.database.execute("SELECT count(*) FROM calls").fetchone()[0] == 0


async def test_a_killed_process_that_rang_has_missed_a_call(world: World) -> None:
    world.bob.manager.start_call(world.bob.friend_id, CallMedia.AUDIO)
    await world.until(lambda: world.alice.manager.calls())
    again = killed(world.alice)
    again.manager.start()
    await world.until(lambda: world.bob.call.state is CallPhase.ENDED)
    assert again.history() == [CallDetails(CallMedia.AUDIO, CallStatus.MISSED)]


async def test_a_transaction_that_fails_takes_the_call_with_it(world: World) -> None:
    alice = world.alice
    database = alice.person.database
    invitation = CallInvitation(b"i" * 16, CallMedia.AUDIO, encryption=False)
    moment = datetime.fromtimestamp(NOW, UTC)
    with pytest.raises(KeyError), database.transaction():
        alice.manager.message_received(alice.friend_id, invitation, moment)
        assert len(alice.manager.calls()) == 1
        raise KeyError
    assert alice.manager.calls() == []
    assert alice.told == []
    with database.transaction():
        with pytest.raises(KeyError), database.savepoint():
            alice.manager.message_received(alice.friend_id, invitation, moment)
            raise KeyError
        alice.manager.message_received(alice.friend_id, invitation, moment)
        alice.manager.message_received(alice.friend_id, CallEnd(b"i" * 16), moment)
    assert alice.call.end_reason is EndReason.MISSED
    assert alice.history() == [CallDetails(CallMedia.AUDIO, CallStatus.MISSED)]


async def test_a_description_that_does_not_fit_ends_the_call(world: World) -> None:
    huge = "A" * 9000
    world.bob.answers = {"start": {**OFFER, "offer": huge, "iceCandidates": huge}}
    world.alice.manager.start_call(world.alice.friend_id, CallMedia.VIDEO)
    await world.until(lambda: world.bob.manager.calls())
    world.bob.manager.accept(world.bob.call.id)
    await world.until(lambda: world.alice.call.state is CallPhase.ENDED)
    assert world.bob.call.failure is CallFailure.TOO_LARGE
    changes = [event.call.state for event in world.bob.told if isinstance(event, CallChanged)]
    assert changes[-1] is CallPhase.ENDED


async def test_messages_that_never_arrive_end_the_call(world: World) -> None:
    world.alice.manager.start_call(world.alice.friend_id, CallMedia.VIDEO)
    await world.until(lambda: world.alice.call.detail is CallState.CALLING)
    wire_id = next(iter(world.alice.manager._board.calls.values())).wire_id
    world.alice.manager.message_failed(world.alice.friend_id, wire_id, CallEnd)
    assert world.alice.call.state is CallPhase.CALLING
    world.alice.manager.message_failed(world.alice.friend_id, wire_id, CallInvitation)
    assert world.alice.call.failure is CallFailure.NOT_SENT
    world.alice.manager.message_failed(world.alice.friend_id, wire_id, CallInvitation)


async def test_calls_end_with_their_contact(world: World) -> None:
    await world.connect()
    world.alice.manager.contact_lost(world.alice.friend_id)
    await world.until(lambda: world.bob.call.state is CallPhase.ENDED)
    assert world.alice.call.end_reason is EndReason.FAILED
    await world.alice.person.chat.delete_contact(world.alice.friend_id)
    world.alice.manager.start_call(world.bob.friend_id + 99, CallMedia.AUDIO)
    assert world.alice.call.contact_name == ""


async def test_no_page_opens(world: World) -> None:
    world.alice.opens_pages = False
    call = world.alice.manager.start_call(world.alice.friend_id, CallMedia.VIDEO)
    world.alice.let_time_pass()
    assert world.alice.call.failure is CallFailure.NO_PAGE
    with pytest.raises(CallMissingError):
        await world.alice.manager.attach_page(call.id, ScriptedPage())


async def test_what_was_chosen_in_the_preview_is_called_with(world: World) -> None:
    alice, bob = world.alice, world.bob
    for party in (alice, bob):
        party.manager._preview = lambda: True
    alice.answers["capabilities"] = {**CAPABILITIES, "media": "audio"}
    call = alice.manager.start_call(alice.friend_id, CallMedia.VIDEO)
    await world.until(lambda: bob.told)
    assert bob.call.media is alice.call.media is CallMedia.AUDIO
    bob.manager.accept(bob.call.id)
    await world.until(lambda: {alice.call.state, bob.call.state} == {CallPhase.CONNECTED})
    wanted = {command["type"] for party in (alice, bob) for command in party.page.commands if command.get("preview")}
    assert wanted == {"capabilities", "start"}
    assert call.id == alice.call.id


async def test_a_page_that_comes_while_it_rings_waits_for_the_user(world: World) -> None:
    alice, bob = world.alice, world.bob
    bob.opens_pages = False
    alice.manager.start_call(alice.friend_id, CallMedia.VIDEO)
    await world.until(lambda: bob.told)
    page = bob.open_page(bob.call.id)
    await world.until(lambda: len(page.commands) == 2)
    assert not bob.call.has_page
    assert [command["type"] for command in page.commands] == ["call", "prepare"]
    assert page.commands[1]["iceServers"] == [{"urls": ["stun:stun.example:1"]}]
    bob.manager.accept(bob.call.id)
    await world.until(lambda: {alice.call.state, bob.call.state} == {CallPhase.CONNECTED})
    assert bob.manager.call(bob.call.id).has_page
    assert [command["type"] for command in page.commands if command["type"] != "call"] == ["prepare", "start", "answer"]
    start = next(command for command in page.commands if command["type"] == "start")
    assert {**page.commands[1], "type": "start"} == start
    with pytest.raises(CallStateError):
        await bob.manager.attach_page(bob.call.id, ScriptedPage())


@pytest.mark.parametrize("end", ["reject", "hang up"])
async def test_a_page_of_a_call_that_nobody_accepts_is_closed(world: World, end: str) -> None:
    alice, bob = world.alice, world.bob
    alice.manager.start_call(alice.friend_id, CallMedia.AUDIO)
    await world.until(lambda: bob.told)
    page = bob.open_page(bob.call.id)
    await world.until(lambda: page.commands)
    if end == "reject":
        bob.manager.reject(bob.call.id)
    else:
        alice.manager.hang_up(alice.call.id)
    await world.until(lambda: not bob.manager._pages)
    assert page.closed == 1
    assert bob.call.state is CallPhase.ENDED


async def test_a_page_that_goes_while_it_rings_ends_nothing(world: World) -> None:
    alice, bob = world.alice, world.bob
    alice.manager.start_call(alice.friend_id, CallMedia.AUDIO)
    await world.until(lambda: bob.told)
    page = bob.open_page(bob.call.id)
    await world.until(lambda: page.commands)
    page.leave()
    await world.until(bob.tasks[-1].done)
    assert bob.call.state is CallPhase.RINGING
    bob.manager.accept(bob.call.id)
    await world.until(lambda: {alice.call.state, bob.call.state} == {CallPhase.CONNECTED})


async def test_one_page_a_call(world: World) -> None:
    await world.connect()
    with pytest.raises(CallStateError):
        await world.alice.manager.attach_page(world.alice.call.id, ScriptedPage())
    assert world.alice.call.state is CallPhase.CONNECTED


async def test_a_page_that_takes_no_commands_is_closed(world: World) -> None:
    await world.connect()
    page = world.alice.manager._pages[world.alice.call.id]
    for _ in range(MAX_COMMANDS + 1):
        page.command({"type": "ice", "iceCandidates": "YQ=="})
    await world.until(lambda: world.alice.call.state is CallPhase.ENDED)
    assert world.alice.page.closed


async def test_stopping_ends_all_calls(world: World) -> None:
    await world.connect()
    await world.alice.manager.stop()
    await world.until(lambda: world.bob.call.state is CallPhase.ENDED)
    await asyncio.gather(*world.alice.tasks)
    assert world.alice.page.closed


async def test_no_secret_is_logged(world: World, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    await world.connect()
    key = next(command["aesKey"] for command in world.bob.page.commands if command["type"] == "start")
    wire_ids = [call.wire_id for call in world.alice.manager._board.calls.values()]
    shown = caplog.text + repr(world.alice.told) + repr(list(world.alice.manager._board.calls.values()))
    for secret in (key, OFFER["offer"], repr(wire_ids[0]), wire_ids[0].hex(), "bob"):
        assert str(secret) not in shown


async def test_a_page_that_does_not_close_does_not_hold_anything_up(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(attached, "CLOSE_SECONDS", 0.01)
    await world.connect()

    async def hang() -> None:
        await asyncio.Event().wait()

    monkeypatch.setattr(world.alice.page, "close", hang)
    world.alice.manager.hang_up(world.alice.call.id)
    await world.alice.tasks[0]
    assert not world.alice.call.has_page


async def test_a_page_that_takes_no_message_in_time_is_gone(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    await world.connect()
    monkeypatch.setattr(attached, "SEND_SECONDS", 0.01)

    async def hang(_message: dict[str, Any]) -> None:
        await asyncio.Event().wait()

    monkeypatch.setattr(world.alice.page, "send", hang)
    world.bob.page.say({"type": "ice", "iceCandidates": "Ym9i"})
    await world.alice.tasks[0]
    assert world.alice.call.end_reason is EndReason.ENDED
    assert world.alice.page.closed


async def test_a_cancelled_page_hangs_up(world: World) -> None:
    await world.connect()
    world.alice.tasks[0].cancel()
    await world.until(lambda: world.bob.call.state is CallPhase.ENDED)
    assert world.alice.page.closed
    world.alice.tasks.clear()


async def test_a_call_that_comes_while_the_profile_closes_is_closed_at_the_next_start(world: World) -> None:
    alice = world.alice
    await alice.manager.stop()
    invitation = CallInvitation(b"i" * 16, CallMedia.AUDIO, encryption=False)
    alice.manager.message_received(alice.friend_id, invitation, datetime.fromtimestamp(NOW, UTC))
    assert alice.timers == []
    again = killed(alice)
    again.manager.start()
    assert again.history() == [CallDetails(CallMedia.AUDIO, CallStatus.MISSED)]
