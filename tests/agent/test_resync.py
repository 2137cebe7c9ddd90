from __future__ import annotations

import asyncio

import pytest

from simplex_calls.agent import envelopes, ratchet
from simplex_calls.agent.errors import RatchetNotReady, WrongState
from simplex_calls.agent.events import (
    MessageReceived,
    MessageRejected,
    RatchetOutOfStep,
    RatchetSync,
    RejectionReason,
    SecurityCodeChanged,
)
from simplex_calls.agent.resync import SyncEvent, judge_failure, sync_step
from simplex_calls.agent.resynchronizing import KEYS_SECONDS, MAX_KEYS
from simplex_calls.agent.x3dh import E2EPrivateKeys
from tests.agent.fake_network import FakeServers, Killed
from tests.agent.peers import Person, connect, until

S, E = RatchetSync, SyncEvent


@pytest.mark.parametrize(
    ("error", "event"),
    [
        (ratchet.DuplicateMessageError("x"), None),
        (ratchet.EarlierMessageError("x"), E.BODY_FAILED),
        (ratchet.MessageError("x"), E.BODY_FAILED),
        (ratchet.HeaderError("x"), E.CHAIN_FAILED),
        (ratchet.TooManySkippedError(600), E.CHAIN_FAILED),
        (ratchet.UnsupportedRatchetError("x"), None),
    ],
)
def test_what_a_failure_means(error: ratchet.RatchetError, event: SyncEvent | None) -> None:
    assert judge_failure(error) is event


@pytest.mark.parametrize(
    ("state", "event", "target"),
    [
        (S.OK, E.BODY_FAILED, S.ALLOWED),
        (S.OK, E.CHAIN_FAILED, S.REQUIRED),
        (S.ALLOWED, E.CHAIN_FAILED, S.REQUIRED),
        (S.REQUIRED, E.BODY_FAILED, None),
        (S.STARTED, E.CHAIN_FAILED, None),
        (S.AGREED, E.CHAIN_FAILED, None),
        (S.STARTED, E.DECRYPTED, None),
        (S.REQUIRED, E.DECRYPTED, S.OK),
        (S.AGREED, E.DECRYPTED, S.OK),
        (S.OK, E.ASK, None),
        (S.ALLOWED, E.ASK, S.STARTED),
        (S.OK, E.FORCE, S.STARTED),
        (S.OK, E.THEIR_KEYS, S.AGREED),
        (S.STARTED, E.THEIR_KEYS, S.AGREED),
        (S.AGREED, E.THEIR_KEYS, S.AGREED),
    ],
)
def test_steps(state: RatchetSync, event: SyncEvent, target: RatchetSync | None) -> None:
    step = sync_step(state, event)
    assert (step.state if step else None) is target


def states(person: Person) -> list[RatchetSync]:
    return [event.state for event in person.events if isinstance(event, RatchetOutOfStep)]


def sync(person: Person) -> RatchetSync:
    return person.agent.ratchet_sync(person.contact)


def lose_step(person: Person, saved: bytes) -> None:
    """Put an old ratchet back, as somebody does who restores an old backup."""
    with person.database.transaction():
        person.database.execute("UPDATE ratchets SET state = ?", (saved,))
        person.agent._store.ratchets.skipped_keys(person.contact).clear()


def saved_ratchet(person: Person) -> bytes:
    (state,) = person._rows("SELECT state FROM ratchets")[0]
    assert isinstance(state, bytes)
    return state


async def talk(alice: Person, bob: Person, words: bytes) -> None:
    alice.send(words + b" a")
    bob.send(words + b" b")
    await until(lambda: alice.received[-1:] == [words + b" b"] and bob.received[-1:] == [words + b" a"])
    await until(lambda: alice.outbox_empty and bob.outbox_empty and alice.servers.idle)


async def out_of_step(alice: Person, bob: Person) -> None:
    """Alice restores an old backup."""
    await connect(alice, bob)
    await talk(alice, bob, b"0")
    old = saved_ratchet(alice)
    for words in (b"1", b"2", b"3"):
        await talk(alice, bob, words)
    lose_step(alice, old)
    bob.send(b"not read")
    await until(lambda: bob.outbox_empty and alice.servers.idle)


async def test_an_old_ratchet_is_started_again(alice: Person, bob: Person) -> None:
    await out_of_step(alice, bob)
    assert states(alice) == [S.REQUIRED]
    assert sync(alice) is S.REQUIRED
    code = alice.agent.security_code(alice.contact) if hasattr(alice.agent, "security_code") else None
    with pytest.raises(RatchetNotReady):
        alice.send(b"refused")
    alice.agent.synchronize_ratchet(alice.contact)
    assert sync(alice) is S.STARTED
    with pytest.raises(WrongState):
        alice.agent.synchronize_ratchet(alice.contact)
    await until(lambda: sync(alice) is sync(bob) is S.OK and alice.outbox_empty and bob.outbox_empty)
    assert states(alice) == [S.REQUIRED, S.STARTED, S.AGREED, S.OK]
    assert states(bob) == [S.AGREED, S.OK]
    for one in (alice, bob):
        assert one.events.count(SecurityCodeChanged(one.contact)) == 1
    if code is not None:
        assert alice.agent.security_code(alice.contact) == bob.agent.security_code(bob.contact) != code
    await talk(alice, bob, b"again")
    last = [event for event in alice.events if isinstance(event, MessageReceived)][-1]
    assert last.integrity.ok


async def test_both_ask_at_once(alice: Person, bob: Person) -> None:
    await connect(alice, bob)
    await talk(alice, bob, b"0")
    for one in (alice, bob):
        one.agent.synchronize_ratchet(one.contact, force=True)
    await until(lambda: sync(alice) is sync(bob) is S.OK)
    assert states(alice) == states(bob) == [S.STARTED, S.AGREED, S.OK]
    await talk(alice, bob, b"again")


async def test_post_quantum_encryption_comes_back(alice: Person, bob: Person) -> None:
    await connect(alice, bob)
    for words in (b"0", b"1", b"2"):
        await talk(alice, bob, words)
    assert alice.agent.is_quantum_resistant(alice.contact)
    alice.agent.synchronize_ratchet(alice.contact, force=True)
    await until(lambda: sync(alice) is sync(bob) is S.OK)
    for words in (b"3", b"4", b"5", b"6"):
        await talk(alice, bob, words)
    assert alice.agent.is_quantum_resistant(alice.contact)
    assert bob.agent.is_quantum_resistant(bob.contact)


async def test_more_missing_messages_than_a_ratchet_skips_need_a_new_one(alice: Person, bob: Person) -> None:
    await connect(alice, bob)
    await talk(alice, bob, b"0")
    with alice.database.transaction():
        for _ in range(514):
            alice.agent._outgoing.message(alice.agent._store.connection(alice.contact), b"lost", notify=False)
        alice.database.execute("DELETE FROM outbox WHERE kind = 'message'")
    alice.send(b"far ahead")
    await until(lambda: sync(bob) is S.REQUIRED)
    bob.agent.synchronize_ratchet(bob.contact)
    await until(lambda: sync(alice) is sync(bob) is S.OK)
    await talk(alice, bob, b"again")


async def test_what_the_peer_sent_before_it_got_our_keys_is_read(alice: Person, bob: Person) -> None:
    await connect(alice, bob)
    bob.network.go_offline()
    bob.send(b"before")
    alice.agent.synchronize_ratchet(alice.contact, force=True)
    await until(lambda: alice.outbox_empty)
    bob.network.go_online()
    await until(lambda: alice.received == [b"before"])
    await until(lambda: sync(alice) is sync(bob) is S.OK)
    await talk(alice, bob, b"after")


def silence(person: Person) -> None:
    """Let a person's answers to new keys be lost."""
    outgoing = person.agent._outgoing
    outgoing.ratchet_keys = outgoing.ready = lambda *_: None  # type: ignore[method-assign, assignment]


async def _keys(alice: Person, keys: E2EPrivateKeys, version: int = 3) -> None:
    with alice.database.transaction():
        connection = alice.agent._store.connection(alice.contact)
        alice.agent._outgoing.ratchet_keys(connection, keys.public_at(version))
    await until(lambda: alice.outbox_empty and alice.servers.idle)


async def test_repeated_and_unknown_keys_are_refused(alice: Person, bob: Person) -> None:
    await connect(alice, bob)
    silence(bob)
    keys = E2EPrivateKeys.generate()
    await _keys(alice, keys)
    assert sync(bob) is S.AGREED
    await _keys(alice, keys)
    assert sync(bob) is S.AGREED
    await _keys(alice, E2EPrivateKeys.generate(), version=9)
    assert sync(bob) is S.AGREED
    assert states(bob) == [S.AGREED]


async def test_keys_that_come_while_others_were_agreed_are_answered_too(alice: Person, bob: Person) -> None:
    await connect(alice, bob)
    silence(bob)
    for _ in range(2):
        await _keys(alice, E2EPrivateKeys.generate())
        assert sync(bob) is S.AGREED
    assert states(bob) == [S.AGREED, S.AGREED]


async def test_endless_requests_are_refused(alice: Person, bob: Person) -> None:
    await connect(alice, bob)
    silence(bob)
    for _ in range(MAX_KEYS + 3):
        await _keys(alice, E2EPrivateKeys.generate())
    refused = [event for event in bob.events if isinstance(event, MessageRejected)]
    assert [event.reason for event in refused] == [RejectionReason.NOT_EXPECTED] * 3
    assert len(states(bob)) == MAX_KEYS
    bob.now += KEYS_SECONDS + 1
    await _keys(alice, E2EPrivateKeys.generate())
    assert len(states(bob)) == MAX_KEYS + 1


async def test_old_peers_and_unfinished_connections_cannot(alice: Person, bob: Person) -> None:
    await alice.invite()
    with pytest.raises(WrongState):
        alice.agent.synchronize_ratchet(alice.contact, force=True)
    await bob.join(await alice.invite())
    await until(lambda: bool(alice.connected and bob.connected))
    with alice.database.transaction():
        alice.agent._store.set_agent_version(alice.contact, 2)
    with pytest.raises(WrongState):
        alice.agent.synchronize_ratchet(alice.contact, force=True)


async def test_an_unexpected_ready_changes_nothing(alice: Person, bob: Person) -> None:
    await connect(alice, bob)
    with alice.database.transaction():
        alice.agent._outgoing.service(alice.agent._store.connection(alice.contact), envelopes.RatchetReady(1))
    await talk(alice, bob, b"0")
    assert states(bob) == []


async def _story(victim: str, kill_at: int | None, *, kill_after: bool, both: bool) -> int:
    """New keys with one death on the way; how many commits the victim made."""
    servers = FakeServers()
    people = {name: Person(name, servers) for name in ("alice", "bob")}
    alice, bob = people.values()
    try:
        for one in people.values():
            await one.start()
        await connect(alice, bob)
        await talk(alice, bob, b"0")
        one = people[victim]
        await one.restart(kill_at=kill_at, kill_after=kill_after)
        for asking in people.values() if both else (alice,):
            try:
                if asking.alive and sync(asking) is S.OK:
                    asking.agent.synchronize_ratchet(asking.contact, force=True)
            except Killed:
                pass
        for _ in range(20_000):
            for each in people.values():
                if not each.alive:
                    await each.restart()
            if sync(alice) is sync(bob) is S.OK and alice.outbox_empty and bob.outbox_empty and servers.idle:
                break
            await asyncio.sleep(0)
        commits, one.disk.kill_at = one.disk.commits, None
        await talk(alice, bob, b"again")
        assert not any(
            isinstance(event, MessageRejected) and event.reason is not RejectionReason.DUPLICATE
            for event in alice.events + bob.events
        )
        return commits
    finally:
        for one in people.values():
            await one.end()


@pytest.mark.parametrize("both", [False, True], ids=["one asks", "both ask"])
@pytest.mark.parametrize("victim", ["alice", "bob"])
async def test_killed_at_every_commit(victim: str, both: bool) -> None:
    total = await _story(victim, None, kill_after=False, both=both)
    assert total > 5
    for kill_at in range(1, total + 1):
        for kill_after in (False, True):
            await _story(victim, kill_at, kill_after=kill_after, both=both)


async def test_keys_that_are_renewed_again_before_the_first_are_used(alice: Person, bob: Person) -> None:
    await connect(alice, bob)
    # who starts as the joiner is by chance
    for _ in range(6):
        alice.agent.synchronize_ratchet(alice.contact, force=True)
        await until(lambda: bob.agent.ratchet_sync(bob.contact) is RatchetSync.AGREED)
        bob.agent.synchronize_ratchet(bob.contact, force=True)
        await until(
            lambda: alice.agent.ratchet_sync(alice.contact) is bob.agent.ratchet_sync(bob.contact) is RatchetSync.OK
        )
        await until(lambda: alice.outbox_empty and bob.outbox_empty and alice.servers.idle)
    assert not [event for event in alice.events + bob.events if isinstance(event, MessageRejected)]
    assert not alice.broken_chain
    assert not bob.broken_chain
