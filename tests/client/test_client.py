from __future__ import annotations

import asyncio
import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from simplex_calls import client_errors
from simplex_calls import events as events_module
from simplex_calls.agent.events import FailureReason, ServerConnected, ServerDisconnected
from simplex_calls.agent.links import LinkError, LinkFault
from simplex_calls.calls.call import CallFailure
from simplex_calls.calls.state import EndReason
from simplex_calls.catalogue import texts
from simplex_calls.chat.history import CallDetails, CallStatus
from simplex_calls.client import PLAIN, CallMedia, CallPhase, Client, ClientError, ServerStatus, Settings
from simplex_calls.events import CallChanged, ContactConnected, ItemAdded, MessageReceived, PageWanted
from simplex_calls.events import ServerConnected as ServerConnectedEvent
from simplex_calls.events import ServerDisconnected as ServerDisconnectedEvent
from simplex_calls.relay import Relay, RelayConfig
from simplex_calls.smp.address import ServerAddress
from simplex_calls.smp.errors import NetworkError, ServerIdentityError
from tests.calls.pages import ScriptedPage
from tests.linked import SERVER, Agents


def refused(caught: pytest.ExceptionInfo[ClientError]) -> str:
    return caught.value.message_id


async def next_event(
    events: events_module.Events, kind: type[Any], test: Callable[[Any], bool] = lambda _: True
) -> Any:
    async with asyncio.timeout(30):
        async for event in events:
            if isinstance(event, kind) and test(event):
                return event
    raise AssertionError(f"no {kind.__name__}")


def call_items(client: Client) -> list[CallDetails]:
    items = client.history(client.contacts()[0].id)
    return [item.details for item in items if isinstance(item.details, CallDetails)]


async def test_texts_and_events(alice: Client, bob: Client, agents: Agents) -> None:
    first, second = alice.events(), alice.events()
    item = bob.send_text(bob.contacts()[0].id, "Hello")
    agents.wire.run()
    added = await anext(first)
    assert isinstance(added, ItemAdded)
    assert await anext(first) == MessageReceived(added.item)
    assert await anext(second) == added
    assert alice.contacts()[0].name == "Bob"
    edited = bob.edit_text(item.id, "Hello there")
    assert edited.details.text == "Hello there"  # type: ignore[union-attr]
    bob.delete_item(item.id, for_everyone=True)
    agents.wire.run()
    assert [found.details.deleted for found in alice.history(alice.contacts()[0].id)] == [True]  # type: ignore[union-attr]
    alice.clear_history(alice.contacts()[0].id)
    assert alice.history(alice.contacts()[0].id) == []
    await alice.stop()
    rest = [event async for event in second]
    assert len(rest) == 4
    with pytest.raises(StopAsyncIteration):
        await anext(second)


async def test_a_reader_that_sleeps_is_told_that_it_lost_events(
    alice: Client, bob: Client, agents: Agents, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(events_module, "MAX_EVENTS", 3)
    events = alice.events()
    for number in range(3):
        bob.send_text(bob.contacts()[0].id, str(number))
    agents.wire.run()
    assert [type(await anext(events)) for _ in range(3)] == [ItemAdded, MessageReceived, ItemAdded]
    for _ in range(2):
        with pytest.raises(ClientError) as caught:
            await anext(events)
        assert refused(caught) == "client.error.events-lost"


async def test_a_call(alice: Client, bob: Client, agents: Agents) -> None:
    events = bob.events()
    call = await alice.start_call(alice.contacts()[0].id, "video")
    assert (call.state, call.contact_name, call.media) == (CallPhase.CALLING, "Bob", CallMedia.VIDEO)
    page = ScriptedPage()
    task = asyncio.create_task(alice.attach_page(call.id, page))
    while not agents.wire.moving:
        await asyncio.sleep(0)
    agents.wire.run()
    changed = await next_event(events, CallChanged)
    assert changed.call.state is CallPhase.RINGING
    assert (await bob.accept(changed.call.id)).state is CallPhase.CONNECTING
    assert (await next_event(events, PageWanted)).call_id == changed.call.id
    with pytest.raises(ClientError) as caught:
        await alice.start_call(alice.contacts()[0].id, "audio")
    assert refused(caught) == "client.error.line-busy"
    with pytest.raises(ClientError) as caught:
        await alice.accept(call.id)
    assert refused(caught) == "client.error.call-state"
    assert (await bob.hang_up(changed.call.id)).end_reason is EndReason.ENDED
    agents.wire.run()
    await task
    assert alice.call(call.id).end_reason is EndReason.DECLINED
    assert [found.id for found in alice.calls()] == [call.id]
    with pytest.raises(ClientError) as caught:
        await alice.attach_page(call.id, page)
    assert refused(caught) == "client.error.call-gone"
    assert call_items(alice) == [CallDetails(CallMedia.VIDEO, CallStatus.DECLINED)]
    with pytest.raises(ClientError) as caught:
        alice.delete_item(alice.history(alice.contacts()[0].id)[-1].id)
    assert refused(caught) == "client.error.not-possible"


async def test_rejecting_and_messages_that_never_arrive(alice: Client, bob: Client, agents: Agents) -> None:
    call = await alice.start_call(alice.contacts()[0].id, CallMedia.AUDIO)
    page = ScriptedPage()
    task = asyncio.create_task(alice.attach_page(call.id, page))
    while not agents.wire.moving:
        await asyncio.sleep(0)
    agents.made[0].next_failure = FailureReason.QUEUE_GONE
    agents.wire.run()
    await task
    assert alice.call(call.id).failure is CallFailure.NOT_SENT

    call = await bob.start_call(bob.contacts()[0].id, CallMedia.AUDIO)
    task = asyncio.create_task(bob.attach_page(call.id, ScriptedPage()))
    while not agents.wire.moving:
        await asyncio.sleep(0)
    agents.wire.run()
    assert (await alice.reject(alice.calls()[0].id)).end_reason is EndReason.DECLINED
    agents.wire.run()
    await task
    assert bob.call(call.id).end_reason is EndReason.DECLINED


async def test_a_contact_who_is_removed_takes_calls_along(alice: Client, bob: Client, agents: Agents) -> None:
    call = await alice.start_call(alice.contacts()[0].id, "audio")
    task = asyncio.create_task(alice.attach_page(call.id, ScriptedPage()))
    while not agents.wire.moving:
        await asyncio.sleep(0)
    agents.wire.run()
    assert bob.calls()[0].state is CallPhase.RINGING
    await alice.delete_contact(alice.contacts()[0].id)
    assert alice.call(call.id).state is CallPhase.ENDED
    agents.wire.run()
    assert bob.calls()[0].end_reason is EndReason.MISSED
    assert alice.contacts() == []
    assert not bob.contacts()[0].is_connected
    await task
    for refuse in (
        lambda: bob.send_text(bob.contacts()[0].id, "are you there?"),
        lambda: alice.contact(1),
        lambda: alice.history(1),
        lambda: alice.send_text(1, "x"),
        lambda: alice.send_text(1, " "),
        lambda: alice.edit_text(1, ""),
        lambda: alice.set_profile("\u200b"),
        lambda: alice.call("nothing"),
    ):
        with pytest.raises(ClientError):
            refuse()
    with pytest.raises(ClientError) as caught:
        await bob.start_call(bob.contacts()[0].id, "audio")
    assert refused(caught) == "client.error.not-connected"


async def test_a_contact_who_takes_no_calls(alice: Client, bob: Client, agents: Agents) -> None:
    profile = {"displayName": "Bob", "fullName": "", "preferences": {"calls": {"allow": "no"}}}
    body = json.dumps({"event": "x.info", "params": {"profile": profile}}).encode()
    connection = alice.contacts()[0].connection_id
    assert connection is not None
    assert agents.made[0].receive(connection, body)
    with pytest.raises(ClientError) as caught:
        await alice.start_call(alice.contacts()[0].id, "audio")
    assert refused(caught) == "client.error.calls-not-allowed"
    with pytest.raises(ClientError) as caught:
        await alice.start_call(alice.contacts()[0].id, "smell")
    assert refused(caught) == "client.error.media"


async def test_what_is_stored_survives(tmp_path: Path, agents: Agents) -> None:
    client = Client(tmp_path / "deep" / "alice", "Alice", [SERVER], agent=agents, key=PLAIN)
    async with client:
        await client.start()
        client.set_profile("Alicia")
        link = await client.create_invitation()
        contact_id = client.contacts()[0].id
        assert client.invitation_link(contact_id) == link
        assert client.call_route(contact_id).needs_warning
        client.confirm_ip_exposure(contact_id)
        with pytest.raises(ClientError, match="in use"):
            await Client(tmp_path / "deep" / "alice", agent=agents, key=PLAIN).start()
    await client.stop()
    for use in (client.contacts, client.events, client.calls, lambda: client.call_route(contact_id)):
        with pytest.raises(ClientError) as caught:
            use()
        assert refused(caught) == "client.error.closed"
    async with Client(tmp_path / "deep" / "alice", "Somebody", agent=agents, key=PLAIN) as again:
        assert again.profile is not None
        assert again.profile.display_name == "Alicia"
        assert not again.call_route(contact_id).needs_warning
        assert len(again.contacts()) == 1
    assert (tmp_path / "deep" / "alice" / "profile.db").stat().st_mode & 0o077 == 0


async def test_what_a_client_cannot_start_with(tmp_path: Path, agents: Agents) -> None:
    for arguments, message_id in (
        ({"servers": ["smp://nonsense"]}, "client.error.server-address"),
        ({"settings": Settings(ice_servers=("nonsense",))}, "client.error.ice-servers"),
        ({"settings": Settings(("stun:a.example",), relay_only=True)}, "client.error.ice-servers"),
    ):
        with pytest.raises(ClientError) as caught:
            Client(tmp_path, **arguments, key=PLAIN)
        assert refused(caught) == message_id
    (tmp_path / "file").write_text("x")
    with pytest.raises(ClientError) as caught:
        await Client(tmp_path / "file" / "x", agent=agents, key=PLAIN).start()
    assert refused(caught) == "client.error.profile"
    async with Client(tmp_path / "nameless", agent=agents, key=PLAIN) as client:
        assert client.profile is None
        for work in (client.create_invitation(), client.connect("simplex:/")):
            with pytest.raises(ClientError) as caught:
                await work
            assert refused(caught) == "client.error.no-profile"
        client.set_profile("Carol")
        for work in (client.create_invitation(), client.connect("simplex:/")):
            with pytest.raises(ClientError) as caught:
                await work
            assert refused(caught) == "client.error.no-server"


@pytest.mark.parametrize(
    ("error", "message_id"),
    [
        *((LinkError(fault), f"client.error.link.{fault.value.replace(' ', '-')}") for fault in LinkFault),
        (NetworkError("x"), "client.error.server.unreachable"),
        (ServerIdentityError("x"), "client.error.server.identity"),
    ],
)
async def test_errors_below_become_texts_for_users(
    alice: Client, agents: Agents, monkeypatch: pytest.MonkeyPatch, error: Exception, message_id: str
) -> None:
    async def fail(*_: object, **__: object) -> int:
        raise error

    monkeypatch.setattr(agents.made[0], "join_connection", fail)
    with pytest.raises(ClientError) as caught:
        await alice.connect("simplex:/secret")
    assert refused(caught) == message_id
    assert "secret" not in str(caught.value)


async def test_server_status(alice: Client, agents: Agents) -> None:
    events = alice.events()
    address = ServerAddress.parse(SERVER)
    with alice._opened().transaction():
        agents.made[0].handler(ServerConnected(address, ()))
    assert alice.server_status() == [ServerStatus(address.uri(), is_connected=True)]
    assert await anext(events) == ServerConnectedEvent(address.uri(), ())
    with alice._opened().transaction():
        agents.made[0].handler(ServerDisconnected(address, ()))
    assert alice.server_status() == [ServerStatus(address.uri(), is_connected=False)]
    assert await anext(events) == ServerDisconnectedEvent(address.uri(), ())


def test_every_text_exists() -> None:
    known = texts("en")
    for reason in EndReason:
        assert f"client.end.{reason.value}" in known
    for failure in CallFailure:
        assert f"client.failure.{failure.value}" in known
    for phase in CallPhase:
        assert f"client.state.{phase.value}" in known
    for fault in LinkFault:
        assert f"client.error.link.{fault.value.replace(' ', '-')}" in known
    for _, message_id in client_errors._MESSAGES:
        assert message_id in known


CHILD = """
import asyncio, sys
from datetime import UTC, datetime
from pathlib import Path
sys.path.insert(0, sys.argv[3])
from simplex_calls.client import PLAIN, CallPhase, Client
from simplex_calls.events import CallChanged, ContactConnected, PageWanted
from tests.calls.pages import ScriptedPage

async def main():
    tasks = []
    async with Client(Path(sys.argv[1]), "Bob", [sys.argv[2]], key=PLAIN) as bob:
        events = bob.events()
        await bob.connect(sys.stdin.readline())
        async for event in events:
            if isinstance(event, PageWanted):
                tasks.append(asyncio.create_task(bob.attach_page(event.call_id, ScriptedPage())))
            elif isinstance(event, CallChanged) and event.call.state is CallPhase.RINGING:
                await bob.accept(event.call.id)

asyncio.run(main())
"""


async def test_a_killed_peer_ends_its_call_at_the_next_start(tmp_path: Path) -> None:
    root = str(Path(__file__).parents[2])
    async with Relay(RelayConfig(port=0)) as relay:
        server = relay.address.uri()
        async with Client(tmp_path / "alice", "Alice", [server], key=PLAIN) as alice:
            events = alice.events()
            child = await asyncio.create_subprocess_exec(
                sys.executable, "-c", CHILD, tmp_path / "bob", server, root, stdin=asyncio.subprocess.PIPE
            )
            assert child.stdin is not None
            try:
                child.stdin.write(str(await alice.create_invitation()).encode() + b"\n")
                await next_event(events, ContactConnected)
                call = await alice.start_call(alice.contacts()[0].id, "video")
                page = asyncio.create_task(alice.attach_page(call.id, ScriptedPage()))
                await next_event(events, CallChanged, lambda event: event.call.state is CallPhase.CONNECTED)
            finally:
                child.kill()
                await child.wait()
                child.stdin.close()
            async with Client(tmp_path / "bob", key=PLAIN) as bob:
                ended = await next_event(events, CallChanged, lambda event: event.call.state is CallPhase.ENDED)
                assert ended.call.end_reason is EndReason.ENDED
                await page
                (details,) = call_items(bob)
                assert (details.status, details.media) == (CallStatus.ENDED, CallMedia.VIDEO)


async def test_a_full_disk(alice: Client, bob: Client) -> None:
    contact = alice.contacts()[0].id
    alice.send_text(contact, "x")
    assert alice._database is not None
    pages = alice._database.execute("PRAGMA page_count").fetchone()[0]
    alice._database.execute(f"PRAGMA max_page_count={pages}")
    with pytest.raises(ClientError) as caught:
        for _ in range(200):
            alice.send_text(contact, "x" * 10_000)
    assert refused(caught) == "client.error.storage.full"
    stored = [item.id for item in alice.history(contact)]
    alice._database.execute("PRAGMA max_page_count=1000000")
    item = alice.send_text(contact, "there is room again")
    assert [entry.id for entry in alice.history(contact)][-1] == item.id
    assert item.id > stored[-1]


async def test_a_damaged_file(tmp_path: Path, agents: Agents) -> None:
    async with Client(tmp_path, "Alice", [SERVER], agent=agents, key=PLAIN) as client:
        await client.create_invitation()
    path = tmp_path / "profile.db"
    damaged = bytearray(path.read_bytes())
    damaged[4096:] = b"\xa5" * (len(damaged) - 4096)
    path.write_bytes(damaged)
    with pytest.raises(ClientError) as caught:
        await Client(tmp_path, "Alice", [SERVER], agent=agents, key=PLAIN).start()
    assert refused(caught) in ("client.error.storage.damaged", "client.error.profile")


def test_passwords_of_call_servers_do_not_show_in_repr() -> None:
    assert "sesame" not in repr(Settings(ice_servers=("turn:me:sesame@example.org",)))


async def test_a_relay_that_is_not_there_at_the_start(tmp_path: Path) -> None:
    async with Relay(RelayConfig(port=0)) as relay:
        servers = [relay.address.uri()]
        async with Client(tmp_path, "Alice", servers, key=PLAIN) as client:
            await client.create_invitation()
    async with Client(tmp_path, servers=servers, key=PLAIN) as client:
        events = client.events()
        lost = await next_event(events, ServerDisconnectedEvent)
        assert lost.contact_ids == (client.contacts()[0].id,)
        assert client.server_status() == [ServerStatus(lost.server, False)]
