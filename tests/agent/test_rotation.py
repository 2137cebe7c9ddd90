from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from simplex_calls.agent import envelopes
from simplex_calls.agent.errors import RatchetNotReady, WrongState
from simplex_calls.agent.events import (
    ConnectionFailed,
    MessageRejected,
    QueueDirection,
    QueueDrained,
    QueueFull,
    QueueSwitched,
    RatchetSync,
    RejectionReason,
    SwitchPhase,
)
from simplex_calls.agent.queue_address import QueueAddress, QueueUri
from simplex_calls.agent.receiving import HOLD_SECONDS
from simplex_calls.agent.rotation import RcvRotation, SndRotation
from simplex_calls.agent.versions import CLIENT_VERSIONS
from simplex_calls.crypto import X25519PrivateKey
from simplex_calls.smp.commands import QueueMode
from simplex_calls.smp.encoding import VersionRange
from simplex_calls.smp.errors import NetworkError, SMPError
from tests.agent.fake_network import FakeServers, Faults, Killed
from tests.agent.peers import SERVER, Person, connect, until

P = SwitchPhase
RECEIVING, SENDING = QueueDirection.RECEIVING, QueueDirection.SENDING


def phases(person: Person, direction: QueueDirection) -> list[SwitchPhase]:
    return [event.phase for event in person.events if isinstance(event, QueueSwitched) and event.direction is direction]


def is_switching(person: Person) -> bool:
    return person.agent.connection_details(person.contact).is_switching


def quiet(*people: Person) -> bool:
    return all(person.outbox_empty for person in people) and people[0].servers.idle


async def talk(alice: Person, bob: Person, words: bytes) -> None:
    alice.send(words + b" a")
    bob.send(words + b" b")
    await until(lambda: alice.received[-1:] == [words + b" b"] and bob.received[-1:] == [words + b" a"])
    await until(lambda: quiet(alice, bob))


def address_of(person: Person) -> QueueAddress:
    """Where a person receives."""
    queue = person.agent._store.queues.rcv_queues(person.contact)[0]
    return QueueAddress(queue.server, queue.sender_id)


async def test_a_queue_is_replaced(alice: Person, bob: Person) -> None:
    await connect(alice, bob)
    before = address_of(alice)
    await alice.agent.switch_receiving_queue(alice.contact)
    assert is_switching(alice)
    with pytest.raises(WrongState):
        await alice.agent.switch_receiving_queue(alice.contact)
    await until(lambda: phases(alice, RECEIVING)[-1:] == [P.COMPLETED] and quiet(alice, bob))
    assert phases(alice, RECEIVING) == [P.STARTED, P.CONFIRMED, P.SECURED, P.COMPLETED]
    assert phases(bob, SENDING) == [P.STARTED, P.SECURED, P.COMPLETED]
    assert not is_switching(alice)
    assert not is_switching(bob)
    assert address_of(alice) != before
    assert before.sender_id not in alice.servers.by_sender
    assert len(alice.servers.queues) == 2
    await talk(alice, bob, b"after")
    assert not alice.broken_chain
    assert not bob.broken_chain
    for one in (alice, bob):
        await one.restart()
    await talk(alice, bob, b"later")


async def test_both_replace_their_queues_again_and_again_while_they_talk(alice: Person, bob: Person) -> None:
    await connect(alice, bob)
    for count in range(3):
        for one in (alice, bob):
            await one.agent.switch_receiving_queue(one.contact)
        for number in range(5):
            for one in (alice, bob):
                one.send(b"%d %d" % (count, number))
            await asyncio.sleep(0)
        await until(lambda: not is_switching(alice) and not is_switching(bob) and quiet(alice, bob))
    assert alice.received == bob.sent
    assert bob.received == alice.sent
    assert not alice.broken_chain
    assert not bob.broken_chain
    assert phases(alice, RECEIVING).count(P.COMPLETED) == phases(alice, SENDING).count(P.COMPLETED) == 3


async def test_the_replacement_is_stopped(alice: Person, bob: Person) -> None:
    await connect(alice, bob)
    before = address_of(alice)
    with pytest.raises(WrongState):
        alice.agent.abort_switching_queue(alice.contact)
    alice.network.go_offline()
    alice.network.online = True  # our commands go, but nothing comes
    await alice.agent.switch_receiving_queue(alice.contact)
    alice.agent.abort_switching_queue(alice.contact)
    with pytest.raises(WrongState):
        alice.agent.abort_switching_queue(alice.contact)
    assert phases(alice, RECEIVING) == [P.STARTED, P.ABORTED]
    await alice.restart()
    # Bob's key comes for a queue that is gone
    await until(lambda: phases(bob, SENDING) == [P.STARTED] and quiet(alice, bob))
    assert address_of(alice) == before
    assert len(alice.servers.queues) == 2
    await talk(alice, bob, b"between")
    await alice.agent.switch_receiving_queue(alice.contact)
    await until(lambda: not is_switching(alice) and not is_switching(bob) and quiet(alice, bob))
    assert phases(bob, SENDING) == [P.STARTED, P.STARTED, P.SECURED, P.COMPLETED]
    await talk(alice, bob, b"after")
    assert not alice.broken_chain


async def test_it_needs_a_connection_whose_ratchet_is_in_step(alice: Person, bob: Person) -> None:
    await alice.invite()
    with pytest.raises(WrongState):
        await alice.agent.switch_receiving_queue(alice.contact)
    await connect(alice, bob)
    with alice.database.transaction():
        alice.agent._store.set_ratchet_sync(alice.contact, RatchetSync.REQUIRED)
    with pytest.raises(RatchetNotReady):
        await alice.agent.switch_receiving_queue(alice.contact)


async def test_what_waited_for_the_old_queue_is_not_lost(alice: Person, bob: Person) -> None:
    await connect(alice, bob)
    await alice.agent.switch_receiving_queue(alice.contact)
    await until(
        lambda: RcvRotation.USED in [queue.rotation for queue in alice.agent._store.queues.rcv_queues(alice.contact)]
    )
    bob.network.go_offline()
    for number in range(4):
        bob.send(b"%d" % number)
    bob.network.go_online()
    await until(lambda: not is_switching(alice) and not is_switching(bob) and quiet(alice, bob))
    assert alice.received == bob.sent
    assert not alice.broken_chain


async def test_a_test_that_overtakes_waits_for_the_messages_before(alice: Person, bob: Person) -> None:
    await connect(alice, bob)
    store = alice.agent._store
    (old,) = store.queues.rcv_queues(alice.contact)
    fake = alice.servers.own(old.recipient_id)
    await alice.agent.switch_receiving_queue(alice.contact)
    await until(lambda: store.queues.rcv_queues(alice.contact)[0].rotation is RcvRotation.SECURING)
    # from here on nothing comes from the old queue
    fake.subscriber = None
    bob.send(b"in the old one")
    bob.send(b"and another")
    await until(
        lambda: SndRotation.TESTING in [queue.rotation for queue in bob.agent._store.queues.snd_queues(bob.contact)]
    )
    bob.send(b"in the new one")
    await until(lambda: bob.outbox_empty)
    for _ in range(50):
        await asyncio.sleep(0)
    assert alice.received == []
    fake.subscriber = alice.network
    alice.servers.deliver(fake)
    await until(lambda: not is_switching(alice) and quiet(alice, bob))
    assert alice.received == bob.sent
    assert not alice.broken_chain


async def test_it_does_not_wait_for_ever(alice: Person, bob: Person) -> None:
    await connect(alice, bob)
    store = alice.agent._store
    (old,) = store.queues.rcv_queues(alice.contact)
    fake = alice.servers.own(old.recipient_id)
    await alice.agent.switch_receiving_queue(alice.contact)
    await until(lambda: store.queues.rcv_queues(alice.contact)[0].rotation is RcvRotation.SECURING)
    fake.subscriber = None
    bob.send(b"lost")
    await until(lambda: bob.outbox_empty and not is_switching(bob))
    bob.send(b"there")
    for _ in range(20):
        await asyncio.sleep(0)
    assert alice.received == []
    alice.now += HOLD_SECONDS
    await until(lambda: alice.received == [b"there"])
    await until(lambda: not is_switching(alice))


@pytest.mark.parametrize("is_known", [False, True], ids=["by its subscription", "by securing it"])
async def test_a_new_queue_that_its_server_forgets_is_given_up(alice: Person, bob: Person, is_known: bool) -> None:
    await connect(alice, bob)
    bob.network.go_offline()
    await alice.agent.switch_receiving_queue(alice.contact)
    new = alice.agent._store.queues.rcv_queues(alice.contact)[1].recipient_id
    if is_known:
        secure = alice.network.secure_queue

        async def forget(*arguments: Any) -> None:
            alice.servers.delete(new)
            await secure(*arguments)

        alice.network.secure_queue = forget  # type: ignore[method-assign, assignment]
    else:
        alice.servers.delete(new)
        alice.network.go_offline()
        alice.network.go_online()
    bob.network.go_online()
    await until(lambda: phases(alice, RECEIVING)[-1] is P.ABORTED)
    await until(lambda: quiet(alice, bob))
    await talk(alice, bob, b"after")
    assert not any(isinstance(event, ConnectionFailed) for event in alice.events + bob.events)


async def test_a_new_queue_that_is_gone_leaves_the_old_one(alice: Person, bob: Person) -> None:
    await connect(alice, bob)
    send = bob.network.send

    async def forget(server: object, sender_id: bytes, *arguments: object, **more: object) -> None:
        queue = alice.servers.by_sender.get(sender_id)
        known = [own.sender_id for own in alice.agent._store.queues.rcv_queues(alice.contact)]
        if queue is not None and known.index(sender_id) == 1:
            alice.servers.delete(queue.recipient_id)
        await send(server, sender_id, *arguments, **more)  # type: ignore[arg-type]

    bob.network.send = forget  # type: ignore[method-assign]
    await alice.agent.switch_receiving_queue(alice.contact)
    await until(lambda: phases(bob, SENDING)[-1:] == [P.ABORTED])
    bob.network.send = send  # type: ignore[method-assign]
    bob.send(b"still there")
    for _ in range(50):
        await asyncio.sleep(0)
    assert alice.received == []  # the lost test may still come
    alice.now += HOLD_SECONDS
    await until(lambda: alice.received == [b"still there"])
    alice.network.go_offline()
    alice.network.go_online()
    await until(lambda: phases(alice, RECEIVING)[-1] is P.ABORTED)
    bob.send(b"and there")
    await until(lambda: b"and there" in alice.received)
    assert not any(isinstance(event, ConnectionFailed) for event in alice.events + bob.events)


@pytest.mark.parametrize("askers", ["alice", "bob", "both"])
async def test_a_replacement_survives_new_ratchet_keys(alice: Person, bob: Person, askers: str) -> None:
    await connect(alice, bob)
    await alice.agent.switch_receiving_queue(alice.contact)
    for name, person in (("alice", alice), ("bob", bob)):
        if askers in (name, "both"):
            person.agent.synchronize_ratchet(person.contact, force=True)
    await until(
        lambda: alice.agent.ratchet_sync(alice.contact) is bob.agent.ratchet_sync(bob.contact) is RatchetSync.OK
    )
    await until(lambda: not is_switching(alice) and not is_switching(bob) and quiet(alice, bob))
    await talk(alice, bob, b"after")
    # the keys are a part of the chain: nothing waits for what would be missing otherwise
    assert not alice.broken_chain
    assert not bob.broken_chain


@pytest.mark.parametrize("case", range(9))
async def test_what_a_strange_peer_says_is_refused(alice: Person, bob: Person, case: int) -> None:
    await connect(alice, bob)
    key = X25519PrivateKey.generate().public
    own = address_of(bob)
    uri = QueueUri(CLIENT_VERSIONS, SERVER, bytes(24), key, QueueMode.MESSAGING)
    info = uri.at(4)
    bodies: list[envelopes.MessageBody] = [
        envelopes.QueueAdd(((uri, None),)),
        envelopes.QueueAdd(((uri, uri.address),)),
        envelopes.QueueAdd(((replace(uri, versions=VersionRange(4, 4), mode=QueueMode.CONTACT), own),)),
        envelopes.QueueAdd(((replace(uri, sender_id=own.sender_id), own),)),
        envelopes.QueueKeys(((info, key),)),
        envelopes.QueueKeys(((replace(info, sender_id=own.sender_id), key),)),
        envelopes.QueueUse(((info.address, True),)),
        envelopes.QueueUse(((own, True),)),
        envelopes.QueueTest((own,)),
    ]
    # what Bob's agent says is about the queues of Alice's agent
    theirs = address_of(alice)
    with bob.database.transaction():
        bob.agent._outgoing.service(bob.agent._store.connection(bob.contact), bodies[case])
    await until(lambda: quiet(alice, bob))
    rejected = [event.reason for event in alice.events if isinstance(event, MessageRejected)]
    assert rejected == ([] if case == 8 else [RejectionReason.NOT_EXPECTED])
    assert not is_switching(alice)
    assert address_of(alice) == theirs
    await talk(alice, bob, b"after")
    assert not alice.broken_chain


async def test_endless_additions_leave_one_queue(alice: Person, bob: Person) -> None:
    await connect(alice, bob)
    own = address_of(bob)
    for count in range(20):
        key = X25519PrivateKey.generate().public
        uri = QueueUri(CLIENT_VERSIONS, SERVER, bytes((count,)) * 24, key, QueueMode.MESSAGING)
        with bob.database.transaction():
            bob.agent._outgoing.service(bob.agent._store.connection(bob.contact), envelopes.QueueAdd(((uri, own),)))
    await until(lambda: quiet(alice, bob))
    assert len(alice.agent._store.queues.snd_queues(alice.contact)) == 2
    await talk(alice, bob, b"after")


async def test_a_full_queue_is_told(alice: Person, bob: Person) -> None:
    await connect(alice, bob)
    alice.servers.quota = 2
    bob.network.go_offline()
    for number in range(5):
        alice.send(b"%d" % number)
    await until(lambda: QueueFull(alice.contact) in alice.events)
    bob.network.go_online()
    await until(lambda: len(bob.received) == 5)
    await until(lambda: alice.events.count(QueueDrained(alice.contact)) == alice.events.count(QueueFull(alice.contact)))
    assert not bob.broken_chain


async def _story(victim: str, kill_at: int | None, *, kill_after: bool) -> int:
    """Alice's queue is replaced while both talk, with one death on the way; how many commits the victim made."""
    servers = FakeServers()
    people = {name: Person(name, servers) for name in ("alice", "bob")}
    alice, bob = people.values()
    try:
        for one in people.values():
            await one.start()
        await connect(alice, bob)
        one = people[victim]
        await one.restart(kill_at=kill_at, kill_after=kill_after)

        async def revive() -> None:
            for each in people.values():
                if not each.alive:
                    await each.restart()

        async def attempt(action: Callable[[], object]) -> None:
            try:
                result = action()
                if asyncio.iscoroutine(result):
                    await result
            except (Killed, SMPError, WrongState):
                pass
            await revive()

        async def reached(condition: Callable[[], bool]) -> None:
            for _ in range(20_000):
                await revive()
                if condition():
                    return
                await asyncio.sleep(0)
            raise AssertionError("it did not come to pass")

        def done() -> bool:
            return (
                not is_switching(alice)
                and not is_switching(bob)
                and quiet(alice, bob)
                and len(alice._rows("SELECT 1 FROM rcv_queues")) == 1
                and address_of(alice).sender_id != first
            )

        await revive()
        first = address_of(alice).sender_id
        for count in range(100):
            if not is_switching(alice) and address_of(alice).sender_id == first:
                await attempt(lambda: alice.agent.switch_receiving_queue(alice.contact))
            if count < 4:
                for each in (alice, bob):
                    await attempt(lambda each=each, count=count: each.send(b"%d" % count))  # type: ignore[misc]
            for _ in range(3):
                await asyncio.sleep(0)
                await revive()
            if count >= 4 and done():
                break
        await reached(done)
        commits, one.disk.kill_at = one.disk.commits, None
        await talk(alice, bob, b"after")
        assert alice.received == bob.sent
        assert bob.received == alice.sent
        assert not alice.broken_chain
        assert not bob.broken_chain
        assert alice.undelivered == bob.undelivered == 0
        return commits
    finally:
        for one in people.values():
            await one.end()


@pytest.mark.parametrize("victim", ["alice", "bob"])
async def test_killed_at_every_commit(victim: str) -> None:
    total = await _story(victim, None, kill_after=False)
    assert total > 10
    for kill_at in range(1, total + 1):
        for kill_after in (False, True):
            await _story(victim, kill_at, kill_after=kill_after)


@pytest.mark.parametrize("seed", range(6))
async def test_lost_requests_and_answers(seed: int) -> None:
    servers = FakeServers()
    alice, bob = (
        Person(name, servers, Faults(seed * 2 + index, lose_request=0.2, lose_answer=0.2, drop=0.05))
        for index, name in enumerate(("alice", "bob"))
    )

    async def switch(person: Person) -> None:
        while not is_switching(person):
            try:
                await person.agent.switch_receiving_queue(person.contact)
            except SMPError:
                await asyncio.sleep(0)

    try:
        for one in (alice, bob):
            faults, one.faults = one.faults, Faults()
            await one.start()
            one.faults = faults
        await connect(alice, bob)
        for one in (alice, bob):
            one.network.faults = one.faults
            await switch(one)
        for number in range(6):
            for one in (alice, bob):
                one.send(b"%d" % number)
            await asyncio.sleep(0)
        await until(lambda: not is_switching(alice) and not is_switching(bob))
        await until(lambda: alice.received == bob.sent and bob.received == alice.sent)
        assert not alice.broken_chain
        assert not bob.broken_chain
    finally:
        for one in (alice, bob):
            await one.end()


async def test_a_disk_that_is_full_does_not_stop_a_full_queue(alice: Person, bob: Person) -> None:
    await connect(alice, bob)
    alice.servers.quota = 1
    told = []

    def fail(event: object) -> None:
        if isinstance(event, QueueFull):
            told.append(event)
            raise sqlite3.OperationalError("database or disk is full")

    alice.on_event = fail
    bob.network.go_offline()
    for number in range(3):
        alice.send(b"%d" % number)
    await until(lambda: bool(told))
    bob.network.go_online()
    await until(lambda: bob.received == alice.sent)


async def test_a_server_that_is_away_holds_no_messages_up(alice: Person, bob: Person) -> None:
    await connect(alice, bob)
    secure = alice.network.secure_queue
    attempts = 0

    async def away(*arguments: Any) -> None:
        nonlocal attempts
        attempts += 1
        if attempts < 5:
            raise NetworkError("the new server is away")
        await secure(*arguments)

    alice.network.secure_queue = away  # type: ignore[method-assign, assignment]
    await alice.agent.switch_receiving_queue(alice.contact)
    await until(lambda: attempts > 0)
    alice.send(b"meanwhile")
    await until(lambda: bob.received == [b"meanwhile"])
    await until(lambda: phases(alice, RECEIVING)[-1] is P.COMPLETED)
