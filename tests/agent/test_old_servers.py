"""Servers of old versions of the protocol, over TLS: two people connect, talk, replace queues, through restarts.

The relay here is limited to what such a server offers; one of version 6 has no session key and shows its certificates
in the TLS handshake only.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path

import pytest

from simplex_calls.agent.events import (
    Connected,
    ContactRequestReceived,
    MessageDelivered,
    QueueDirection,
    QueueSwitched,
    SwitchPhase,
)
from simplex_calls.agent.port import NetworkPort
from simplex_calls.crypto import X25519PrivateKey, X25519PublicKey, decode_public_key
from simplex_calls.relay import Relay, RelayConfig
from simplex_calls.relay import client as relay_client
from simplex_calls.relay.certificates import Identity
from simplex_calls.smp.encoding import VersionRange
from simplex_calls.smp.handshake import ClientHello
from simplex_calls.smp.network import Network
from simplex_calls.smp.probe import probe_server
from simplex_calls.smp.queues import NetworkHandler, PrivateRouting
from simplex_calls.smp.sender_keys import decode_sender_key
from simplex_calls.smp.transmission import Session
from tests.agent.test_over_relay import QUICK, Side

NEWEST = VersionRange(6, 18)


class Versions:
    """What each relay offers, and what its clients took."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.offered: dict[bytes, VersionRange] = {}
        self.agreed: dict[bytes, set[int]] = {}
        real = relay_client.Client.handshake

        async def handshake(
            client: relay_client.Client, identity: Identity, session_key: X25519PrivateKey
        ) -> tuple[Session, ClientHello]:
            offered = self.offered.get(identity.fingerprint, NEWEST)
            # read before the first thing that is waited for
            monkeypatch.setattr(relay_client, "SUPPORTED_VERSIONS", offered)
            session, hello = await real(client, identity, session_key)
            self.agreed.setdefault(identity.fingerprint, set()).add(session.version)
            return session, hello

        monkeypatch.setattr(relay_client.Client, "handshake", handshake)

    def limit(self, relay: Relay, newest: int) -> None:
        self.offered[relay.address.fingerprint] = VersionRange(6, newest)


@pytest.fixture
def versions(monkeypatch: pytest.MonkeyPatch) -> Versions:
    return Versions(monkeypatch)


def over_tls(handler: NetworkHandler) -> NetworkPort:
    return Network(handler=handler, config=QUICK)


@asynccontextmanager
async def two_people(relay: Relay, folder: Path) -> AsyncIterator[tuple[Side, Side]]:
    alice, bob = (Side(relay.address, folder / f"{name}.db", over_tls) for name in ("alice", "bob"))
    await alice.start()
    await bob.start()
    try:
        yield alice, bob
    finally:
        await alice.stop()
        await bob.stop()


async def say(one: Side, from_one: int, other: Side, *bodies: bytes) -> None:
    """Send, until the other has it and the server's answer is here."""
    before = len(other.bodies), one.count(MessageDelivered)
    for body in bodies:
        one.agent.send(from_one, body)
    await other.until(lambda: len(other.bodies) >= before[0] + len(bodies))
    await one.until(lambda: one.count(MessageDelivered) >= before[1] + len(bodies))
    assert other.bodies[before[0] :] == list(bodies)
    assert other.intact


def sender_keys(side: Side) -> list[bool]:
    """Whether the keys of the queues that are sent to are deniable."""
    rows = side.database.execute("SELECT auth_key FROM snd_queues ORDER BY id").fetchall()
    return [isinstance(decode_sender_key(row["auth_key"]), X25519PrivateKey) for row in rows]


@pytest.mark.parametrize("newest", [6, 8, 9])
async def test_an_invitation_and_restarts(newest: int, versions: Versions, tmp_path: Path) -> None:
    """Bob's process ends before he is answered, Alice's before she is, the relay once both are connected."""
    relay = Relay(RelayConfig(port=0, data=tmp_path / "relay"))
    await relay.start()
    versions.limit(relay, newest)
    try:
        verdict = await probe_server(relay.address)
        assert verdict.is_ok
        assert verdict.version == newest
        async with two_people(relay, tmp_path) as (alice, bob):
            from_alice, link = await alice.agent.create_connection()
            assert link.short is None
            from_bob = await bob.agent.join_connection(str(link), b"from the joiner")
            await bob.stop()
            await alice.stop()
            await bob.start()
            await alice.start()
            await alice.until(lambda: alice.count(Connected) == 1)
            await bob.until(lambda: bob.count(Connected) == 1)
            await say(alice, from_alice, bob, b"one", b"two")
            await say(bob, from_bob, alice, b"three", b"four")
            assert sender_keys(alice) == sender_keys(bob) == [newest >= 9]

            port = relay.address.port
            assert port is not None
            await relay.stop()
            alice.agent.send(from_alice, b"five")
            await bob.stop()
            await bob.start()
            relay = Relay(RelayConfig(port=port, data=tmp_path / "relay"))
            await relay.start()
            await bob.until(lambda: bob.bodies == [b"one", b"two", b"five"])
            await alice.until(lambda: alice.count(MessageDelivered) == 3)
            await say(bob, from_bob, alice, b"six")
            assert alice.agent.security_code(from_alice) == bob.agent.security_code(from_bob)
            assert versions.agreed == {relay.address.fingerprint: {newest}}
    finally:
        await relay.stop()


@pytest.mark.parametrize("newest", [6, 8, 9])
async def test_a_contact_address(newest: int, versions: Versions, tmp_path: Path) -> None:
    async with Relay(RelayConfig(port=0)) as relay:
        versions.limit(relay, newest)
        async with two_people(relay, tmp_path) as (alice, bob):
            address, link = await alice.agent.create_address(b"alice")
            assert link.short is None
            from_bob = await bob.agent.join_connection(str(link), b"from who asks")
            await alice.until(lambda: alice.count(ContactRequestReceived) == 1)
            await bob.stop()
            from_alice = await alice.agent.accept_request(1, b"from the owner")
            await alice.stop()
            await bob.start()
            await alice.start()
            await alice.until(lambda: alice.count(Connected) == 1)
            await bob.until(lambda: bob.count(Connected) == 1)
            await say(alice, from_alice, bob, b"one")
            await say(bob, from_bob, alice, b"two")
            await alice.agent.delete_address(address)
            await say(alice, from_alice, bob, b"three")


@pytest.mark.parametrize(("before", "after"), [(6, 18), (18, 6), (6, 8)])
async def test_queues_move_between_servers_of_different_versions(
    before: int, after: int, versions: Versions, tmp_path: Path
) -> None:
    async with Relay(RelayConfig(port=0)) as old, Relay(RelayConfig(port=0)) as new:
        versions.limit(old, before)
        versions.limit(new, after)
        async with two_people(old, tmp_path) as (alice, bob):
            from_alice, link = await alice.agent.create_connection()
            from_bob = await bob.agent.join_connection(str(link), b"from the joiner")
            sides = ((alice, from_alice), (bob, from_bob))
            for side, _ in sides:
                await side.until(lambda side=side: side.count(Connected) == 1)  # type: ignore[misc]
                side.agent.use_servers([old.address, new.address])
            for side, connection_id in sides:
                await side.agent.switch_receiving_queue(connection_id)
                side.agent.send(connection_id, b"moving")
            for side, connection_id in sides:
                for direction in QueueDirection:
                    done = QueueSwitched(connection_id, direction, SwitchPhase.COMPLETED)
                    await side.until(lambda side=side, done=done: done in side.events)  # type: ignore[misc]
            for side, connection_id in sides:
                await side.until(lambda side=side: side.bodies == [b"moving"])  # type: ignore[misc]
                assert side.agent.servers_of(connection_id) == ((new.address,), (new.address,))
                assert sender_keys(side) == [after >= 9]
                (secured,) = side.database.execute("SELECT sender_key FROM rcv_queues").fetchone()
                assert isinstance(decode_public_key(secured), X25519PublicKey) is (after >= 9)
            await say(alice, from_alice, bob, b"moved")
            await say(bob, from_bob, alice, b"moved, too")
            assert versions.agreed == {old.address.fingerprint: {before}, new.address.fingerprint: {after}}


@pytest.mark.parametrize(
    ("newest", "routing"),
    [(8, PrivateRouting.UNKNOWN), (9, PrivateRouting.UNKNOWN), (6, PrivateRouting.NEVER)],
)
async def test_people_on_servers_of_their_own(
    newest: int, routing: PrivateRouting, versions: Versions, tmp_path: Path
) -> None:
    """From version 8 on a server forwards, and is forwarded to; with an older one it has to go directly."""
    config = replace(QUICK, private_routing=routing)
    async with Relay(RelayConfig(port=0)) as old, Relay(RelayConfig(port=0)) as new:
        versions.limit(old, newest)
        alice, bob = (
            Side(relay.address, tmp_path / f"{relay.address.port}.db", lambda to: Network(handler=to, config=config))
            for relay in (old, new)
        )
        await alice.start()
        await bob.start()
        try:
            from_alice, link = await alice.agent.create_connection()
            from_bob = await bob.agent.join_connection(str(link), b"from the joiner")
            for side in (alice, bob):
                await side.until(lambda side=side: side.count(Connected) == 1)  # type: ignore[misc]
            await bob.stop()
            await bob.start()
            await say(alice, from_alice, bob, b"one")
            await say(bob, from_bob, alice, b"two")
            assert sender_keys(alice) == [True]
            assert sender_keys(bob) == [newest >= 9]
            assert versions.agreed == {old.address.fingerprint: {newest}, new.address.fingerprint: {18}}
        finally:
            await alice.stop()
            await bob.stop()
