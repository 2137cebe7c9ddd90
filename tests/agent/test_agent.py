from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import Callable
from dataclasses import replace

import pytest

from simplex_calls.agent import envelopes
from simplex_calls.agent.agent import Agent
from simplex_calls.agent.connection import ConnectionState
from simplex_calls.agent.errors import AgentError, LargeMessage, LinkUsed, UnknownConnection, WrongState
from simplex_calls.agent.events import (
    AgentEvent,
    ConfirmationReceived,
    Connected,
    ConnectionFailed,
    FailureReason,
    InfoReceived,
    IntegrityKind,
    MessageDelivered,
    MessageReceived,
    MessageRejected,
    RejectionReason,
    ServerConnected,
    ServerDisconnected,
    SubscriptionTaken,
)
from simplex_calls.agent.joining import INFO_LIMIT
from simplex_calls.agent.links import Invitation, LinkError
from simplex_calls.crypto import X448PublicKey, X25519PublicKey
from simplex_calls.database import Database
from simplex_calls.smp.encoding import VersionRange
from simplex_calls.smp.errors import NetworkError
from tests.agent.fake_network import FakeNetwork, FakeQueue, FakeServers, Faults
from tests.agent.peers import Person, connect, until


def kinds(person: Person) -> list[type[AgentEvent]]:
    quiet = (ServerConnected, ServerDisconnected)
    return [type(event) for event in person.events if not isinstance(event, quiet)]


async def test_two_agents_connect_and_talk(servers: FakeServers, alice: Person, bob: Person) -> None:
    await connect(alice, bob)
    assert (alice.info, bob.info) == (b"info of bob", b"info of alice")
    assert kinds(alice) == [ConfirmationReceived, Connected]
    assert kinds(bob) == [InfoReceived, Connected]
    # what each side asked of the servers, as in the fast handshake of official agents
    assert [call for call in bob.network.calls if call != "acknowledge"] == ["secure by sender", "create", "send"]
    assert [call for call in alice.network.calls if call != "acknowledge"] == ["create", "secure by sender", "send"]

    number = alice.send(b"hello")
    assert number == 2  # the confirmation was number 1
    await until(lambda: bob.received == [b"hello"] and alice.undelivered == 0)
    bob.send(b"and to you")
    alice.send(b"more")
    await until(lambda: alice.received == [b"and to you"] and bob.received == [b"hello", b"more"])
    await until(lambda: servers.idle)
    assert not alice.broken_chain
    assert not bob.broken_chain
    assert MessageDelivered(alice.contact, 2) in alice.events


async def test_a_link_is_for_one_person(alice: Person, bob: Person, person: Callable[..., Person]) -> None:
    link = await alice.invite()
    await bob.join(link)
    with pytest.raises(LinkUsed, match="You used this link already"):
        await bob.join(link)
    with pytest.raises(LinkUsed, match="your own link"):
        await alice.join(link)
    carol = person("carol")
    await carol.start()
    with pytest.raises(LinkUsed, match="ask for a new one"):
        await carol.join(link)
    assert carol.agent.connection_ids() == []
    with pytest.raises(LinkError):
        await carol.join("simplex:/invitation#/?v=2-7")


async def test_an_id_that_the_server_gives_twice(
    alice: Person, servers: FakeServers, monkeypatch: pytest.MonkeyPatch
) -> None:
    await alice.invite()
    (taken,) = servers.queues
    create = servers.create
    monkeypatch.setattr(servers, "create", lambda *given: replace(create(*given), recipient_id=taken))
    with pytest.raises(AgentError, match="choose another server"):
        await alice.agent.create_connection()
    assert len(alice.agent.connection_ids()) == 1


async def test_unsafe_keys_are_refused(alice: Person, bob: Person, servers: FakeServers) -> None:
    invitation = Invitation.parse(await alice.invite())
    queue = replace(invitation.queues[0], dh_key=X25519PublicKey(bytes(32)))
    ratchet_key = replace(invitation.e2e, key2=X448PublicKey(bytes(56)))
    for bad in (replace(invitation, queues=(queue,)), replace(invitation, e2e=ratchet_key)):
        with pytest.raises(LinkError, match="not safe"):
            await bob.join(str(bad))
    assert bob.network.calls == []
    for versions in (VersionRange(8, 9), VersionRange(1, 1)):
        with pytest.raises(LinkError, match="no version in common"):
            await bob.join(str(replace(invitation, versions=versions)))
    assert len(servers.queues) == 1


async def test_a_link_that_is_being_joined_is_not_joined_twice(alice: Person, bob: Person) -> None:
    link = await alice.invite()
    results = await asyncio.gather(bob.join(link), bob.join(link), return_exceptions=True)
    assert [type(result) for result in results] == [type(None), LinkUsed]
    assert len(bob.agent.connection_ids()) == 1


async def test_join_survives_loss_with_the_same_key(alice: Person, bob: Person, servers: FakeServers) -> None:
    link = await alice.invite()
    bob.faults.lose_answer = 1.0
    with pytest.raises(NetworkError):
        await bob.join(link)  # the queue is secured, but Bob did not learn it
    bob.faults.lose_answer = 0.0
    assert bob.agent.connection_ids() == []
    await bob.restart()
    await bob.join(link)
    await until(lambda: bool(bob.connected and alice.connected and servers.idle))


async def test_a_queue_whose_connection_cannot_be_stored_is_deleted(alice: Person, servers: FakeServers) -> None:
    def refuse(_: int) -> None:
        raise KeyError

    with pytest.raises(KeyError):
        await alice.agent.create_connection(created=refuse)
    await until(lambda: not servers.queues and alice.outbox_empty)
    assert alice.agent.connection_ids() == []


async def test_a_fault_after_the_commit_of_a_connection_keeps_it(alice: Person, bob: Person) -> None:
    link = await alice.invite()

    def divide() -> None:
        raise ZeroDivisionError

    def created(connection_id: int) -> None:
        bob._add_contact(connection_id)
        bob.database.after_commit(divide)

    await bob.agent.join_connection(link, b"info of bob", created=created)
    await until(lambda: bool(alice.connected and bob.connected))
    assert len(alice.servers.queues) == 2


async def test_sending_needs_a_connection(alice: Person, bob: Person) -> None:
    link = await alice.invite()
    with pytest.raises(WrongState):
        alice.agent.send(alice.contact, b"too early")
    with pytest.raises(WrongState):
        alice.agent.allow_connection(alice.contact, b"nobody is there")
    with pytest.raises(UnknownConnection):
        alice.agent.send(999, b"to nobody")
    with pytest.raises(LargeMessage):
        await bob.agent.join_connection(link, bytes(INFO_LIMIT + 1))
    await bob.join(link)
    with pytest.raises(WrongState):
        bob.agent.send(bob.contact, b"too early")


async def test_a_large_message_changes_nothing(alice: Person, bob: Person) -> None:
    await connect(alice, bob)
    limit = alice.agent.message_limit(alice.contact)
    with alice.database.transaction():
        with pytest.raises(LargeMessage):
            alice.agent.send(alice.contact, bytes(limit + 1))
        # the transaction that caught the error goes on
        assert alice.agent.send(alice.contact, bytes(limit)) == 2
    await until(lambda: bob.received == [bytes(limit)])
    assert not bob.broken_chain


async def test_no_server_no_connection(alice: Person) -> None:
    agent = Agent(Database(), [], alice.handle, network=lambda handler: FakeNetwork(alice.servers, handler))
    with pytest.raises(AgentError, match="no server"):
        await agent.create_connection()
    agent._database.close()


async def test_deleting_forgets_at_once_and_deletes_the_queue(alice: Person, bob: Person, servers: FakeServers) -> None:
    await connect(alice, bob)
    servers.down = True
    await alice.agent.delete_connection(alice.contact)
    assert alice.agent.connection_ids() == []
    with pytest.raises(UnknownConnection):
        await alice.agent.delete_connection(1)
    assert len(servers.queues) == 2
    await alice.restart()
    servers.down = False
    await until(lambda: len(servers.queues) == 1 and alice.outbox_empty)
    # the other side learns it from its server
    number = bob.send(b"are you there?")
    await until(lambda: isinstance(bob.events[-1], ConnectionFailed))
    assert bob.events[-1] == ConnectionFailed(bob.contact, FailureReason.QUEUE_GONE)
    assert repr(bob.events[-2]).startswith(f"MessageFailed(connection_id={bob.contact}, number={number}")
    with pytest.raises(WrongState):
        bob.send(b"hello?")
    assert bob.agent.connection_state(bob.contact) is ConnectionState.FAILED


async def test_a_deleted_own_queue_fails_the_connection(alice: Person, bob: Person, servers: FakeServers) -> None:
    await connect(alice, bob)
    for queue in list(servers.queues.values()):
        if queue.subscriber is alice.network:
            servers.delete(queue.recipient_id)
    alice.network.go_offline()
    alice.network.go_online()
    await until(lambda: ConnectionFailed(alice.contact, FailureReason.QUEUE_GONE) in alice.events)


async def test_server_state_is_told(alice: Person, bob: Person) -> None:
    await connect(alice, bob)
    alice.network.go_offline()
    assert isinstance(alice.events[-1], ServerDisconnected)
    bob.send(b"while you were out")
    alice.network.go_online()
    await until(lambda: alice.received == [b"while you were out"])
    assert [event for event in alice.events if isinstance(event, ServerConnected)][-1].connection_ids == (
        alice.contact,
    )


async def test_another_subscriber_takes_the_connection(alice: Person, bob: Person) -> None:
    await connect(alice, bob)
    queue = next(iter(alice.network.subscriptions.values()))
    other = FakeNetwork(alice.servers, alice.network.handler)
    other._subscribe(queue)
    assert SubscriptionTaken(alice.contact) in alice.events


# what goes wrong with messages


def queue_of(person: Person) -> FakeQueue:
    """The queue that ``person`` receives from."""
    return next(queue for queue in person.servers.queues.values() if queue.subscriber is person.network)


async def test_the_same_message_again_from_the_server(alice: Person, bob: Person) -> None:
    await connect(alice, bob)
    bob.faults.lose_request = 1.0  # acknowledgements get lost
    alice.send(b"once")
    await until(lambda: bob.received == [b"once"])
    await until(lambda: bob.network.calls[-1] == "acknowledge")
    assert not alice.servers.idle
    bob.faults.lose_request = 0.0
    bob.network.go_offline()
    bob.network.go_online()
    await until(lambda: alice.servers.idle)
    assert bob.received == [b"once"]
    assert MessageRejected not in kinds(bob)


async def test_a_lost_acknowledgement_is_repeated(alice: Person, bob: Person) -> None:
    await connect(alice, bob)
    for faults in ({"lose_request": 1.0}, {"lose_answer": 1.0}):
        for name, chance in faults.items():
            setattr(bob.faults, name, chance)
        alice.send(b"one")
        alice.send(b"two")
        await until(lambda: alice.undelivered == 0)
        for _ in range(20):
            await asyncio.sleep(0)
        bob.faults.lose_request = bob.faults.lose_answer = 0.0
        await until(lambda: alice.servers.idle)
        assert bob.received[-2:] == [b"one", b"two"]
    assert len(bob.received) == 4
    assert MessageRejected not in kinds(bob)


async def test_the_same_message_again_from_the_peer(alice: Person, bob: Person) -> None:
    await connect(alice, bob)
    alice.send(b"one")
    alice.send(b"two")
    await until(lambda: bob.received == [b"one", b"two"])
    queue = queue_of(bob)
    for body in queue.bodies[-2:]:  # an older one is recognised, too
        alice.servers.send(queue.sender_id, queue.sender_key, body)
    await until(lambda: alice.servers.idle)
    assert bob.received == [b"one", b"two"]
    rejected = [event for event in bob.events if isinstance(event, MessageRejected)]
    assert [event.reason for event in rejected] == [RejectionReason.DUPLICATE] * 2
    # and so is the handshake's
    alice.servers.send(queue.sender_id, queue.sender_key, queue.bodies[0])
    await until(lambda: alice.servers.idle)
    assert bob.connected == 1
    alice.send(b"three")
    await until(lambda: bob.received[-1] == b"three")
    assert not bob.broken_chain


async def test_garbage_and_changed_messages_are_passed_over(alice: Person, bob: Person) -> None:
    await connect(alice, bob)
    queue = queue_of(bob)
    alice.send(b"good")
    await until(lambda: bob.received == [b"good"])
    good = queue.bodies[-1]
    for body in (b"", b"garbage", good[:-1] + bytes([good[-1] ^ 1]), good[:40]):
        alice.servers.send(queue.sender_id, queue.sender_key, body)
    await until(lambda: alice.servers.idle)
    rejected = [event for event in bob.events if isinstance(event, MessageRejected)]
    assert [event.reason for event in rejected] == [RejectionReason.MALFORMED] * 4
    alice.send(b"still here")
    await until(lambda: bob.received == [b"good", b"still here"])
    assert not bob.broken_chain


async def test_a_lost_message_is_a_gap(alice: Person, bob: Person) -> None:
    await connect(alice, bob)
    bob.network.go_offline()
    for body in (b"lost 1", b"lost 2", b"arrives"):
        alice.send(body)
    await until(lambda: alice.undelivered == 0)
    queue = next(queue for queue in alice.servers.queues.values() if len(queue.messages) == 3)
    queue.messages.popleft()
    queue.messages.popleft()
    bob.network.go_online()
    await until(lambda: bob.received == [b"arrives"])
    message = next(event for event in bob.events if isinstance(event, MessageReceived))
    assert (message.integrity.first_missing, message.integrity.last_missing) == (2, 3)
    alice.send(b"next")
    await until(lambda: bob.received == [b"arrives", b"next"])
    assert isinstance(bob.events[-1], MessageReceived)
    assert bob.events[-1].integrity.ok


async def test_messages_out_of_order_are_read_all_the_same(alice: Person, bob: Person) -> None:
    await connect(alice, bob)
    bob.network.go_offline()
    for body in (b"late", b"early", b"last"):
        alice.send(body)
    await until(lambda: alice.undelivered == 0)
    queue = next(queue for queue in alice.servers.queues.values() if len(queue.messages) == 3)
    late, early, last = queue.messages
    queue.messages.clear()
    queue.messages.extend((early, late, last))
    await bob.restart()
    await until(lambda: bob.received == [b"early", b"late", b"last"])
    received = [event.integrity.kind for event in bob.events if isinstance(event, MessageReceived)]
    assert received == [IntegrityKind.GAP, IntegrityKind.BAD_NUMBER, IntegrityKind.GAP]
    assert bob.disk.connection is not None
    assert bob.disk.connection.execute("SELECT COUNT(*) FROM skipped_keys").fetchone()[0] == 0


async def test_connections_do_not_mix(alice: Person, person: Callable[..., Person]) -> None:
    """One agent, several contacts, all talking at once while connections drop."""
    friends = [person(name, faults=Faults(seed)) for seed, name in enumerate(("bob", "carol", "dave"))]
    connections = {}
    for friend in friends:
        await friend.start()
        await connect(alice, friend)
        connections[friend.name] = alice.contact
        friend.faults.drop = 0.05
    for number in range(10):
        for friend in friends:
            alice.agent.send(connections[friend.name], b"%d for " % number + friend.name.encode())
            friend.send(b"%d from " % number + friend.name.encode())
        await asyncio.sleep(0)
    for friend in friends:
        name = friend.name.encode()
        expected = [b"%d for " % number + name for number in range(10)]
        await until(lambda friend=friend, expected=expected: friend.received == expected)  # type: ignore[misc]
        await until(lambda friend=friend: friend.undelivered == 0)  # type: ignore[misc]
        assert not friend.broken_chain
        ours = [event for event in alice.events if isinstance(event, MessageReceived)]
        assert [event.body for event in ours if event.connection_id == connections[friend.name]] == [
            b"%d from " % number + name for number in range(10)
        ]
    assert not alice.broken_chain


async def test_a_full_queue_waits_for_its_reader(servers: FakeServers, alice: Person, bob: Person) -> None:
    await connect(alice, bob)
    await until(lambda: servers.idle)
    servers.quota = 3
    bob.network.go_offline()
    bodies = [b"%d" % number for number in range(8)]
    for body in bodies:
        alice.send(body)
    await until(lambda: any(queue.full for queue in servers.queues.values()))
    assert alice.undelivered == 5
    bob.network.go_online()
    await until(lambda: bob.received == bodies and alice.undelivered == 0)
    assert not bob.broken_chain
    assert not alice.received


async def test_messages_expire_where_no_server_is(servers: FakeServers, alice: Person, bob: Person) -> None:
    await connect(alice, bob)
    servers.down = True
    number = alice.send(b"never")
    await asyncio.sleep(0)
    alice.now += 3 * 86_400
    await until(lambda: alice.outbox_empty)
    assert f"number={number}, reason=<FailureReason.EXPIRED" in repr(alice.events[-1])
    servers.down = False
    alice.send(b"later")
    await until(lambda: bob.received == [b"later"])
    assert bob.broken_chain  # the gap is told


async def test_a_failing_floor_above_loses_one_message_only(alice: Person, bob: Person) -> None:
    await connect(alice, bob)

    def fail(event: AgentEvent) -> None:
        if isinstance(event, MessageReceived) and event.body == b"poison":
            bob.agent.send(bob.contact, b"never leaves")
            raise ValueError("secret text")

    bob.on_event = fail
    for body in (b"before", b"poison", b"after"):
        alice.send(body)
    await until(lambda: bob.received == [b"before", b"after"])
    await until(lambda: alice.servers.idle)
    assert [event.reason for event in bob.events if isinstance(event, MessageRejected)] == [
        RejectionReason.NOT_PROCESSED
    ]
    assert not bob.broken_chain
    bob.on_event = None
    bob.send(b"all well")
    await until(lambda: alice.received == [b"all well"])
    assert not alice.broken_chain


async def test_a_fault_after_the_commit_loses_nothing(alice: Person, bob: Person) -> None:
    await connect(alice, bob)
    failed = 0

    def break_down() -> None:
        nonlocal failed
        failed += 1
        raise ValueError

    def fail(event: AgentEvent) -> None:
        if isinstance(event, MessageReceived | MessageDelivered) and failed < 4:
            bob.database.after_commit(break_down)

    bob.on_event = fail
    alice.send(b"one")
    bob.send(b"1")
    alice.send(b"two")
    bob.send(b"2")
    await until(lambda: bob.received == [b"one", b"two"] and alice.received == [b"1", b"2"])
    await until(lambda: bob.undelivered == 0 and alice.undelivered == 0 and alice.servers.idle)
    assert failed == 4
    assert MessageRejected not in kinds(bob)


@pytest.mark.parametrize("kind", [sqlite3.OperationalError, sqlite3.DatabaseError])
async def test_a_full_or_damaged_disk_leaves_the_message_on_its_server(
    alice: Person, bob: Person, kind: type[sqlite3.Error]
) -> None:
    await connect(alice, bob)

    def fail(event: AgentEvent) -> None:
        if isinstance(event, MessageReceived):
            raise kind("database or disk is full")

    bob.on_event = fail
    alice.send(b"later")
    alice.send(b"and more")
    await until(lambda: alice.undelivered == 0)
    await until(lambda: isinstance(bob.events[-1], MessageReceived))
    assert bob.received == []
    assert not alice.servers.idle
    bob.on_event = None
    await until(lambda: bob.received == [b"later", b"and more"])
    assert not bob.broken_chain


async def test_a_full_disk_lets_the_outbox_wait(alice: Person, bob: Person) -> None:
    await connect(alice, bob)
    failures = 0

    def fail(event: AgentEvent) -> None:
        nonlocal failures
        if isinstance(event, MessageDelivered) and failures < 3:
            failures += 1
            raise sqlite3.OperationalError("database or disk is full")

    alice.on_event = fail
    alice.send(b"once")
    alice.send(b"then")
    await until(lambda: alice.undelivered == 0)
    await until(lambda: bob.received == [b"once", b"then"])
    assert failures == 3
    assert not bob.broken_chain


async def test_a_failing_floor_above_ends_a_handshake(alice: Person, bob: Person) -> None:
    def fail(event: AgentEvent) -> None:
        if isinstance(event, ConfirmationReceived):
            raise TypeError

    alice.on_event = fail
    await bob.join(await alice.invite())
    await until(lambda: ConnectionFailed(alice.contact, FailureReason.NOT_PROCESSED) in alice.events)
    assert not alice.connected


async def test_receipts_and_unknown_messages_are_acknowledged(
    alice: Person, bob: Person, caplog: pytest.LogCaptureFixture
) -> None:
    await connect(alice, bob)
    bodies: tuple[envelopes.MessageBody, ...] = (
        envelopes.Receipts((envelopes.Receipt(2, bytes(32)),)),
        envelopes.Unknown(b"Zsecret"),
        envelopes.Hello(),
        envelopes.RatchetReady(1),
    )
    with caplog.at_level("INFO"):
        for body in bodies:
            with alice.database.transaction():
                alice.agent._outgoing.service(alice.agent._store.connection(alice.contact), body)
        alice.send(b"then")
        await until(lambda: bob.received == [b"then"])
    assert not bob.broken_chain
    assert bob.connected == 1
    assert "a receipt is of no message" in caplog.text
    assert "secret" not in caplog.text


@pytest.mark.parametrize("securable", ["both", "none"])
async def test_queues_that_their_recipient_secures(
    servers: FakeServers, alice: Person, bob: Person, securable: str
) -> None:
    """The slow handshake: keys travel in the confirmations, HELLO goes both ways."""
    servers.sender_can_secure = securable == "both"
    link = await alice.invite()
    assert Invitation.parse(link).queues[0].sender_can_secure == servers.sender_can_secure
    servers.sender_can_secure = False
    await bob.join(link)
    await until(lambda: bool(alice.connected and bob.connected))
    assert "secure" in bob.network.calls
    assert ("secure" in alice.network.calls) == (securable == "none")
    alice.send(b"a")
    bob.send(b"b")
    await until(lambda: alice.received == [b"b"] and bob.received == [b"a"])
    assert not alice.broken_chain
    assert not bob.broken_chain
    assert (alice.connected, bob.connected) == (1, 1)


async def test_nothing_secret_is_shown(alice: Person, bob: Person, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level("DEBUG"):
        await connect(alice, bob)
        alice.send(b"very secret text")
        await until(lambda: bob.received == [b"very secret text"])
    shown = caplog.text + repr(alice.events) + repr(bob.events) + repr(alice.agent._store.queues.rcv_queues())
    shown += repr(alice.agent._store.queues.snd_queue_of(alice.contact))
    assert "secret text" not in shown
    for queue in alice.servers.queues.values():
        assert repr(queue.sender_id) not in shown
        assert repr(queue.recipient_id) not in shown


async def test_a_connection_of_another_floor_shares_the_transaction(alice: Person, bob: Person) -> None:
    await connect(alice, bob)
    database: Database = alice.database
    with pytest.raises(RuntimeError):
        with database.transaction():
            alice.agent.send(alice.contact, b"rolled back")
            raise RuntimeError
    assert alice.agent.send(alice.contact, b"first") == 2
    await until(lambda: bob.received == [b"first"])
    assert not bob.broken_chain
