"""Contact addresses: asked, accepted, rejected, changed and deleted; full and short links."""

from __future__ import annotations

import pytest

from simplex_calls.agent import own_links, receiving
from simplex_calls.agent.connection import ConnectionState
from simplex_calls.agent.details import LinkKind, LinkPreview
from simplex_calls.agent.errors import AgentError, LargeMessage, LinkUsed, UnknownConnection, UnknownRequest, WrongState
from simplex_calls.agent.events import (
    AgentEvent,
    ConnectionFailed,
    ContactRequestReceived,
    FailureReason,
    MessageRejected,
)
from simplex_calls.agent.links import ContactAddress, LinkError, parse_link
from simplex_calls.agent.own_links import USER_DATA_LIMIT
from simplex_calls.crypto import PublicKey
from simplex_calls.smp.address import ServerAddress
from simplex_calls.smp.errors import NetworkError, SMPError
from tests.agent.fake_network import FakeServers
from tests.agent.peers import Person, until


async def ask_and_accept(alice: Person, bob: Person, link: str) -> None:
    """Alice has the address, Bob asks."""
    await bob.join(link)
    await until(lambda: bool(alice.requests))
    await alice.accept()
    await until(lambda: bool(alice.connected and bob.connected and alice.servers.idle))


def state(person: Person) -> ConnectionState:
    return person.agent.connection_state(person.contact)


@pytest.mark.parametrize("short", [True, False])
async def test_connecting_through_an_address(alice: Person, bob: Person, short: bool) -> None:
    link = await alice.publish(short=short)
    assert link.startswith("https://127.0.0.1/a#" if short else "simplex:/contact#/?v=2-7&smp=")
    await bob.join(link)
    assert state(bob) is ConnectionState.ASKED
    await until(lambda: bool(alice.requests))
    assert alice.requests[0][1] == b"info of bob"
    await alice.accept()
    assert not alice.requests
    await until(lambda: bool(alice.connected and bob.connected and alice.servers.idle))
    assert (alice.info, bob.info) == (b"info of bob", b"info of alice")
    # Bob's invitation proposed KEM keys, so it is on at once
    assert bob.agent.is_quantum_resistant(bob.contact)
    alice.send(b"to bob")
    bob.send(b"to alice")
    await until(lambda: (alice.received, bob.received) == ([b"to alice"], [b"to bob"]))
    assert alice.agent.is_quantum_resistant(alice.contact)
    assert alice.outbox_empty
    assert bob.outbox_empty
    # nothing of the address is left with the contact
    assert alice.agent.connection_ids() == [alice.contact]
    assert alice.agent.addresses() == [alice.address]
    assert bob.agent.connection_details(bob.contact).snd_servers == (alice.servers.queues.popitem()[1].server,)


@pytest.mark.parametrize("securable", [True, False], ids=["fast", "slow"])
async def test_several_people_ask(securable: bool) -> None:
    servers = FakeServers(sender_can_secure=securable)
    alice, bob, carol = (Person(name, servers) for name in ("alice", "bob", "carol"))
    people = (alice, bob, carol)
    for person in people:
        await person.start()
    link = await alice.publish()
    await bob.join(link)
    await carol.join(link)
    await until(lambda: len(alice.requests) == 2)
    await alice.restart()
    for other in [bob, carol] if alice.requests[0][1] == b"info of bob" else [carol, bob]:
        await alice.accept()
        await until(lambda: bool(alice.connected and other.connected and servers.idle))  # noqa: B023
        alice.send(b"hello " + other.name.encode())
        await until(lambda: other.received == [b"hello " + other.name.encode()])  # noqa: B023
    for person in people:
        await person.end()


async def test_the_same_request_comes_once(alice: Person, bob: Person) -> None:
    link = await alice.publish()
    await bob.join(link)
    await until(lambda: bool(alice.requests) and alice.servers.idle)
    (address_queue,) = (queue for queue in alice.servers.queues.values() if queue.link is not None)
    (body,) = address_queue.bodies
    for _ in range(2):
        # as after a lost answer, while it waits and when it is accepted
        alice.servers.send(address_queue.sender_id, None, body)
        await until(lambda: alice.servers.idle)
        assert len(alice.requests) <= 1
        if alice.requests:
            await alice.accept()
    # and when it is forgotten that this very message came
    alice.database.execute("DELETE FROM rcv_messages")
    alice.servers.send(address_queue.sender_id, None, body)
    await until(lambda: alice.servers.idle)
    assert not alice.requests
    await until(lambda: bool(alice.connected and bob.connected))


async def test_the_address_is_gone_after_it_took_the_request(alice: Person, bob: Person) -> None:
    """The server's answer to the request was lost; when it is sent again, the address is deleted, Bob accepted."""
    link = await alice.publish()
    taken = alice.servers.send

    def lose_answer(sender_id: bytes, key: PublicKey | None, body: bytes) -> None:
        taken(sender_id, key, body)
        if key is None:
            raise NetworkError("answer lost")

    alice.servers.send = lose_answer  # type: ignore[method-assign]
    await bob.join(link)
    await until(lambda: bool(alice.requests))
    await alice.accept()
    await until(lambda: bool(alice.connected and bob.connected))
    await alice.agent.delete_address(alice.address or 0)
    await until(lambda: alice.outbox_empty and bob.outbox_empty)
    assert not any(isinstance(event, ConnectionFailed) for event in bob.events)
    bob.send(b"still here")
    await until(lambda: alice.received == [b"still here"])
    assert not bob._rows("SELECT 1 FROM snd_queues WHERE is_address")


async def test_rejecting(alice: Person, bob: Person) -> None:
    await bob.join(await alice.publish())
    await until(lambda: bool(alice.requests))
    ((request_id, _),) = alice.requests
    alice.agent.reject_request(request_id)
    with pytest.raises(UnknownRequest):
        alice.agent.reject_request(request_id)
    with pytest.raises(UnknownRequest):
        await alice.agent.accept_request(request_id, b"")
    assert alice.agent.connection_ids() == []
    assert state(bob) is ConnectionState.ASKED
    with pytest.raises(WrongState):
        bob.send(b"too early")


async def test_the_one_who_asked_is_gone(alice: Person, bob: Person) -> None:
    await bob.join(await alice.publish())
    await until(lambda: bool(alice.requests))
    await bob.agent.delete_connection(bob.contact)
    await until(lambda: bob.outbox_empty)
    with pytest.raises(LinkUsed):
        await alice.accept()
    # it can be rejected still
    alice.agent.reject_request(alice.requests[0][0])


async def test_too_many_requests(alice: Person, bob: Person, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(receiving, "MAX_REQUESTS", 1)
    link = await alice.publish()
    for _ in range(2):
        await bob.join(link)
        await until(lambda: bob.outbox_empty and alice.servers.idle)
    assert len(alice.requests) == 1


async def test_the_floor_above_fails(alice: Person, bob: Person) -> None:
    def fail(event: AgentEvent) -> None:
        assert not isinstance(event, ContactRequestReceived)

    link = await alice.publish()
    alice.on_event = fail
    await bob.join(link)
    await until(lambda: any(isinstance(event, MessageRejected) for event in alice.events))
    assert not alice._rows("SELECT 1 FROM contact_requests")
    alice.on_event = None
    await bob.join(link)
    await until(lambda: bool(alice.requests))


async def test_what_does_not_belong_there(alice: Person, bob: Person, carol: Person) -> None:
    """A confirmation sent to an address, and a request sent to a connection."""
    link = await alice.publish()
    (address,) = alice.servers.queues.values()
    await carol.join(await bob.invite())
    await until(lambda: bool(bob.connected and carol.connected))
    confirmations = [queue for queue in alice.servers.queues.values() if queue is not address]
    alice.servers.send(address.sender_id, None, confirmations[0].bodies[0])
    await until(lambda: any(isinstance(event, MessageRejected) for event in alice.events))
    await carol.join(link)
    await until(lambda: bool(alice.requests))
    invited = await bob.invite()
    (queue,) = (queue for queue in alice.servers.queues.values() if not queue.bodies and queue.link is not None)
    alice.servers.send(queue.sender_id, None, address.bodies[-1])
    await until(lambda: any(isinstance(event, MessageRejected) for event in bob.events))
    assert bob.agent.connection_state(bob.contact) is ConnectionState.INVITED
    await carol.agent.join_connection(invited, b"")


async def test_deleting_an_address(alice: Person, bob: Person) -> None:
    link = await alice.publish()
    await ask_and_accept(alice, bob, link)
    full = alice.agent.address_link(alice.address or 0).full
    await bob.join(full)
    await until(lambda: bool(alice.requests))
    with pytest.raises(UnknownConnection):
        await alice.agent.delete_address(alice.contact)
    await alice.agent.delete_address(alice.address or 0)
    await until(lambda: alice.outbox_empty)
    with pytest.raises(UnknownConnection):
        alice.agent.address_link(alice.address or 0)
    with pytest.raises(UnknownRequest):
        alice.agent.reject_request(alice.requests[0][0])
    # who was accepted stays
    assert alice.agent.connection_ids() == [alice.contact]
    with pytest.raises(LinkUsed):
        await bob.join(link)
    # a full link does not tell, until it is used
    await bob.join(full)
    await until(lambda: ConnectionFailed(bob.contact, FailureReason.QUEUE_GONE) in bob.events)


async def test_the_server_forgot_the_address(alice: Person) -> None:
    await alice.publish()
    address = alice.address or 0
    alice.servers.queues.clear()
    await alice.restart()
    await until(lambda: ConnectionFailed(address, FailureReason.QUEUE_GONE) in alice.events)
    assert alice.agent.addresses() == [address]
    assert alice.agent.connection_ids() == []
    await alice.agent.delete_address(address)
    assert alice.agent.addresses() == []


async def test_ones_own_address(alice: Person) -> None:
    link = await alice.publish()
    for text in (link, alice.agent.address_link(alice.address or 0).full):
        with pytest.raises(LinkUsed):
            await alice.join(text)
        preview = await alice.agent.look_up_link(text)
        assert (preview.is_own, preview.kind, preview.connection_id) == (True, LinkKind.CONTACT, alice.address)


async def test_looking_at_an_address(alice: Person, bob: Person) -> None:
    link = await alice.publish()
    full = alice.agent.address_link(alice.address or 0).full
    assert await bob.agent.look_up_link(link) == LinkPreview(
        LinkKind.CONTACT, b"alice", is_own=False, connection_id=None
    )
    await bob.join(link)
    for text, data in ((link, b"alice"), (full, None)):
        assert await bob.agent.look_up_link(text) == LinkPreview(
            LinkKind.CONTACT, data, is_own=False, connection_id=bob.contact
        )


async def test_changing_what_an_address_shows(alice: Person, bob: Person) -> None:
    link = await alice.publish()
    address = alice.address or 0
    await alice.agent.set_address_data(address, b"new name")
    assert (await bob.agent.look_up_link(link)).user_data == b"new name"
    # what the server cannot be told now is sent when it is there again
    alice.servers.down = True
    await alice.agent.set_address_data(address, b"newer name")
    alice.servers.down = False
    assert (await bob.agent.look_up_link(link)).user_data == b"new name"
    alice.network.go_offline()
    alice.network.go_online()
    await until(lambda: alice.network.calls.count("set link") >= 3)
    await until(lambda: not alice._rows("SELECT 1 FROM own_links WHERE NOT is_on_server"))
    assert (await bob.agent.look_up_link(link)).user_data == b"newer name"
    with pytest.raises(LargeMessage):
        await alice.agent.set_address_data(address, bytes(USER_DATA_LIMIT + 1))
    await alice.agent.set_address_data(address, bytes(USER_DATA_LIMIT))
    assert (await bob.agent.look_up_link(link)).user_data == bytes(USER_DATA_LIMIT)
    invited, _ = await alice.agent.create_connection()
    with pytest.raises(UnknownConnection):
        await alice.agent.set_address_data(invited, b"")


async def test_it_is_sent_after_a_restart(alice: Person, bob: Person) -> None:
    link = await alice.publish()
    alice.servers.down = True
    await alice.agent.set_address_data(alice.address or 0, b"new name")
    alice.servers.down = False
    await alice.restart()
    await until(lambda: not alice._rows("SELECT 1 FROM own_links WHERE NOT is_on_server"))
    assert (await bob.agent.look_up_link(link)).user_data == b"new name"


async def test_a_server_without_short_links(alice: Person, bob: Person) -> None:
    alice.servers.short_links = False
    link = await alice.publish()
    address = alice.address or 0
    assert link.startswith("simplex:/contact#")
    assert alice.agent.address_link(address).short is None
    await ask_and_accept(alice, bob, link)
    # the server was updated
    alice.servers.short_links = True
    await alice.agent.set_address_data(address, b"alice now")
    short = alice.agent.address_link(address).short
    assert short is not None
    assert (await bob.agent.look_up_link(short)).user_data == b"alice now"


async def test_what_cannot_be_used(alice: Person, bob: Person, monkeypatch: pytest.MonkeyPatch) -> None:
    link = await alice.publish(short=False)
    with pytest.raises(LinkError):
        await bob.agent.join_connection(link.replace("v=2-7", "v=8-9", 1), b"")
    with pytest.raises(LargeMessage):
        await bob.agent.join_connection(link, bytes(15_000))
    with pytest.raises(LinkError):
        await bob.agent.join_connection("https://127.0.0.1/g#" + "A" * 43, b"")
    # a message's queue is no address
    address = parse_link(link)
    assert isinstance(address, ContactAddress)
    monkeypatch.setattr(own_links, "USER_DATA_LIMIT", 3)
    with pytest.raises(LargeMessage):
        await alice.publish()


@pytest.mark.parametrize(("versions", "limit"), [("7-7", 11_106 - 400), ("4-4", 14_832 - 400)])
async def test_the_largest_info(alice: Person, bob: Person, versions: str, limit: int) -> None:
    """It fits whatever our server is called."""
    bob.agent.use_servers([ServerAddress(("a" * 60 + ".example", "b" * 56 + ".onion"), 52_233, bytes(32))])
    link = (await alice.publish(short=False)).replace("v=2-7", f"v={versions}", 1)
    with pytest.raises(LargeMessage):
        await bob.agent.join_connection(link, bytes(limit + 1))
    await bob.agent.join_connection(link, bytes(limit), created=bob._add_contact)
    await until(lambda: [info for _, info in alice.requests] == [bytes(limit)])


async def test_asking_while_the_server_is_away(alice: Person, bob: Person) -> None:
    link = await alice.publish(short=False)
    bob.network.faults.lose_answer = 1.0
    with pytest.raises(SMPError):
        await bob.join(link)
    assert not bob.has_contact
    bob.network.faults.lose_answer = 0.0
    await bob.join(link)
    await until(lambda: bool(alice.requests))
    assert isinstance(UnknownRequest(1), AgentError)
