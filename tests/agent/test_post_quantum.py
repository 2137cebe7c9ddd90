"""Post-quantum encryption between two agents: from the start, turned on and off, with older peers and old stores."""

from __future__ import annotations

import pytest

from simplex_calls.agent import joining, outgoing, own_links, receiving
from simplex_calls.agent.errors import LargeMessage, UnknownConnection
from simplex_calls.agent.events import QuantumResistanceChanged
from simplex_calls.agent.kem import KemKeys
from simplex_calls.agent.links import Invitation
from simplex_calls.agent.ratchet import RatchetState
from simplex_calls.agent.x3dh import E2EPrivateKeys
from simplex_calls.smp.encoding import VersionRange
from tests.agent.peers import Person, connect, until
from tests.agent.pooled_kem import PooledKem

OLDER = VersionRange(2, 2)


async def exchange(alice: Person, bob: Person, count: int = 1) -> None:
    """Messages each way, Alice's first."""
    for _ in range(count):
        for sender, receiver in ((alice, bob), (bob, alice)):
            before = len(receiver.received)
            sender.send(b"text")
            await until(lambda: len(receiver.received) == before + 1)  # noqa: B023


def resistant(*people: Person) -> list[bool]:
    return [person.agent.is_quantum_resistant(person.contact) for person in people]


def changes(person: Person) -> list[bool]:
    return [event.on for event in person.events if isinstance(event, QuantumResistanceChanged)]


def state(person: Person) -> RatchetState:
    ratchet = person.agent._store.ratchets.ratchet(person.contact)
    assert ratchet is not None
    return ratchet


async def test_it_is_on_by_default(alice: Person, bob: Person) -> None:
    await connect(alice, bob)
    # Bob proposed in his confirmation, Alice accepted in hers
    assert resistant(alice, bob) == [False, True]
    await exchange(alice, bob)
    assert resistant(alice, bob) == [True, True]
    # who was told to be connected before it was on is told of it
    assert (changes(alice), changes(bob)) == ([True], [])
    await exchange(alice, bob, 3)
    assert (changes(alice), changes(bob)) == ([True], [])
    assert not alice.broken_chain
    assert not bob.broken_chain


async def test_the_link_need_not_propose(alice: Person) -> None:
    link = Invitation.parse(await alice.invite())
    assert link.e2e.kem is None
    assert link.e2e.versions == VersionRange(2, 3)


async def test_proposed_in_the_invitation(alice: Person, bob: Person) -> None:
    """As the data of short links do it: protected from the first message on."""
    link = Invitation.parse(await alice.invite())
    plain = alice.agent._store.ratchets.invitation_keys(alice.contact)
    assert plain is not None
    keys = E2EPrivateKeys(plain.key1, plain.key2, KemKeys.propose(PooledKem()))
    with alice.database.transaction():
        alice.agent._store.ratchets.delete_invitation_keys(alice.contact)
        alice.agent._store.ratchets.add_invitation_keys(alice.contact, keys)
    proposing = Invitation(link.versions, link.queues, keys.public(link.e2e.versions))
    await bob.join(str(proposing))
    assert state(bob).sending_kem
    await until(lambda: bool(alice.connected and bob.connected and alice.servers.idle))
    assert resistant(alice, bob) == [True, True]
    assert (changes(alice), changes(bob)) == ([], [])


async def test_turned_off_and_on(alice: Person, bob: Person) -> None:
    await connect(alice, bob)
    await exchange(alice, bob)
    assert resistant(alice, bob) == [True, True]
    alice.agent.set_pq(alice.contact, on=False)
    await exchange(alice, bob, 3)
    assert resistant(alice, bob) == [False, False]
    assert (changes(alice), changes(bob)) == ([True, False], [False])
    # one wish is not enough, and neither side's messages get the larger size back
    limit = alice.agent.message_limit(alice.contact)
    await exchange(alice, bob, 2)
    assert resistant(alice, bob) == [False, False]
    assert alice.agent.message_limit(alice.contact) == limit
    alice.agent.set_pq(alice.contact, on=True)
    await exchange(alice, bob, 3)
    assert resistant(alice, bob) == [True, True]
    assert (changes(alice), changes(bob)) == ([True, False, True], [False, True])


async def test_off_from_the_start_and_on_later(alice: Person, bob: Person) -> None:
    _, link = await alice.agent.create_connection(created=alice._add_contact, pq=False)
    await bob.agent.join_connection(link.full, b"info of bob", created=bob._add_contact, pq=False)
    await until(lambda: bool(alice.connected and bob.connected and alice.servers.idle))
    await exchange(alice, bob, 2)
    assert resistant(alice, bob) == [False, False]
    assert not state(alice).supports_kem
    larger = alice.agent.message_limit(alice.contact)
    assert larger == 15_840 - 45
    alice.send(bytes(larger))
    await until(lambda: bytes(larger) in bob.received)
    for person in (alice, bob):
        person.agent.set_pq(person.contact, on=True)
    assert alice.agent.message_limit(alice.contact) == 13_618 - 45
    await exchange(alice, bob, 3)
    assert resistant(alice, bob) == [True, True]


@pytest.mark.parametrize("wanted", [(True, False), (False, True)])
async def test_one_side_does_not_want_it(alice: Person, bob: Person, wanted: tuple[bool, bool]) -> None:
    _, link = await alice.agent.create_connection(created=alice._add_contact, pq=wanted[0])
    await bob.agent.join_connection(link.full, b"info of bob", created=bob._add_contact, pq=wanted[1])
    await until(lambda: bool(alice.connected and bob.connected and alice.servers.idle))
    await exchange(alice, bob, 3)
    assert resistant(alice, bob) == [False, False]
    assert not alice.broken_chain
    assert not bob.broken_chain


async def test_a_peer_of_version_2(alice: Person, bob: Person, monkeypatch: pytest.MonkeyPatch) -> None:
    # Alice's link says that she speaks version 2 only
    monkeypatch.setattr(own_links, "E2E_VERSIONS", OLDER)
    link = await alice.invite()
    monkeypatch.undo()
    await bob.join(link)
    assert (state(bob).version, state(bob).max_version) == (2, 3)
    await until(lambda: bool(alice.connected and bob.connected))
    # both have spoken 3 all the time: the ratchet rises, and KEM comes with it
    assert state(alice).version == 3
    await exchange(alice, bob, 4)
    assert resistant(alice, bob) == [True, True]


async def test_an_agent_that_cannot(alice: Person, bob: Person, monkeypatch: pytest.MonkeyPatch) -> None:
    for module in (own_links, joining, receiving, outgoing):
        monkeypatch.setattr(module, "AGENT_VERSIONS", VersionRange(2, 4))
    await connect(alice, bob)
    await exchange(alice, bob, 3)
    assert resistant(alice, bob) == [False, False]
    assert not state(alice).supports_kem
    assert alice.agent.message_limit(alice.contact) == 15_840 - 45


async def test_a_connection_from_before_it(alice: Person, bob: Person) -> None:
    """What version 0.1 stored: no KEM in the ratchet, no columns for it, e2e version 2."""
    _, link = await alice.agent.create_connection(created=alice._add_contact, pq=False)
    await bob.agent.join_connection(link.full, b"info of bob", created=bob._add_contact, pq=False)
    await until(lambda: bool(alice.connected and bob.connected and alice.servers.idle))
    await exchange(alice, bob)
    for person in (alice, bob):
        stored = state(person).to_bytes()
        assert stored[-5:] == b"0FFFF"
        before = b"\x01\x00\x02\x00\x02" + stored[5:-5]
        with person.database.transaction():
            person.database.execute("UPDATE ratchets SET state = ?", (before,))
            # as the migration leaves a row that was there
            person.database.execute("UPDATE connections SET pq_wanted = 1, pq_supported = 0")
        await person.restart()
        assert (state(person).version, state(person).max_version) == (2, 2)
    await exchange(alice, bob, 4)
    assert (state(alice).version, state(bob).version) == (3, 3)
    assert resistant(alice, bob) == [True, True]
    assert not alice.broken_chain
    assert not bob.broken_chain


async def test_it_is_kept_across_restarts(alice: Person, bob: Person) -> None:
    await connect(alice, bob)
    await exchange(alice, bob)
    alice.agent.set_pq(alice.contact, on=False)
    await alice.restart()
    await bob.restart()
    assert resistant(alice, bob) == [True, True]
    await exchange(alice, bob, 3)
    assert resistant(alice, bob) == [False, False]


async def test_the_size_of_connection_info(alice: Person, bob: Person) -> None:
    link = await alice.invite()
    with pytest.raises(LargeMessage):
        await bob.agent.join_connection(link, bytes(11_000))
    # without room for KEM keys more fits
    await bob.agent.join_connection(link, bytes(11_000), created=bob._add_contact, pq=False)
    await until(lambda: bool(alice.connected and bob.connected))
    assert alice.info == bytes(11_000)


async def test_unknown_connections(alice: Person) -> None:
    for ask in (alice.agent.is_quantum_resistant, alice.agent.message_limit):
        with pytest.raises(UnknownConnection):
            ask(7)
    with pytest.raises(UnknownConnection):
        alice.agent.set_pq(7, on=True)
    await alice.invite()
    assert resistant(alice) == [False]
