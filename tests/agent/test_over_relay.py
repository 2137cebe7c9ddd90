"""Agents, network and relay together: nothing is fake here."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from simplex_calls.agent import Agent, AgentEvent, DeliveryConfig
from simplex_calls.agent.details import LinkKind
from simplex_calls.agent.errors import LinkUsed
from simplex_calls.agent.events import (
    ConfirmationReceived,
    Connected,
    ContactRequestReceived,
    InfoReceived,
    MessageDelivered,
    MessageReceived,
    QueueDirection,
    QueueSwitched,
    RatchetOutOfStep,
    RatchetSync,
    ServerConnected,
    ServerDisconnected,
    SwitchPhase,
)
from simplex_calls.agent.port import NetworkPort
from simplex_calls.database import Database
from simplex_calls.relay import Relay, RelayConfig
from simplex_calls.relay import client as relay_client
from simplex_calls.smp.address import ServerAddress
from simplex_calls.smp.encoding import VersionRange
from simplex_calls.smp.network import Network
from simplex_calls.smp.queues import NetworkConfig, NetworkHandler

QUICK = NetworkConfig(reconnect_first=0.02, reconnect_max=0.2, retry_pause=0.02)
SOON = DeliveryConfig(first_pause=0.02, longest_pause=0.2)


class Side:
    """One person: answers confirmations and remembers what happened."""

    def __init__(self, server: ServerAddress, path: Path, network: Callable[[NetworkHandler], NetworkPort]) -> None:
        self._server, self._path, self._network = server, path, network
        self.events: list[AgentEvent] = []
        self._changed = asyncio.Event()

    async def start(self) -> None:
        self.database = Database(self._path)
        self.agent = Agent(self.database, [self._server], self._handle, network=self._network, delivery=SOON)
        await self.agent.start()

    async def stop(self) -> None:
        await self.agent.stop()
        self.database.close()

    def _handle(self, event: AgentEvent) -> None:
        if isinstance(event, ConfirmationReceived):
            self.agent.allow_connection(event.connection_id, b"from the inviter")
        self.events.append(event)
        self._changed.set()

    @property
    def bodies(self) -> list[bytes]:
        return [event.body for event in self.events if isinstance(event, MessageReceived)]

    @property
    def intact(self) -> bool:
        return all(event.integrity.ok for event in self.events if isinstance(event, MessageReceived))

    def count(self, kind: type[AgentEvent]) -> int:
        return sum(isinstance(event, kind) for event in self.events)

    async def until(self, condition: Callable[[], bool]) -> None:
        async with asyncio.timeout(60):
            while not condition():
                self._changed.clear()
                await self._changed.wait()


@asynccontextmanager
async def two_sides(
    server: ServerAddress, folder: Path, network: Callable[[NetworkHandler], NetworkPort]
) -> AsyncIterator[tuple[Side, Side, int, int]]:
    """Two people who are connected."""
    alice, bob = (Side(server, folder / f"{name}.db", network) for name in ("alice", "bob"))
    await alice.start()
    await bob.start()
    try:
        from_alice, link = await alice.agent.create_connection()
        from_bob = await bob.agent.join_connection(str(link), b"from the joiner")
        await alice.until(lambda: alice.count(Connected) == 1)
        await bob.until(lambda: bob.count(Connected) == 1)
        assert InfoReceived(from_bob, b"from the inviter", 7, pq_supported=True) in bob.events
        assert ConfirmationReceived(from_alice, b"from the joiner", 7, pq_supported=True) in alice.events
        yield alice, bob, from_alice, from_bob
    finally:
        await alice.stop()
        await bob.stop()


async def test_in_memory(tmp_path: Path) -> None:
    async with Relay(RelayConfig(port=0)) as relay:

        async def connector(*_: object) -> object:
            return relay.connect_in_memory()

        def network(handler: NetworkHandler) -> NetworkPort:
            return Network(handler=handler, config=QUICK, connector=connector)  # type: ignore[arg-type]

        async with two_sides(relay.address, tmp_path, network) as (alice, bob, from_alice, from_bob):
            for number in range(20):
                alice.agent.send(from_alice, b"a%d" % number)
                bob.agent.send(from_bob, b"b%d" % number)
            await alice.until(lambda: len(alice.bodies) == 20)
            await bob.until(lambda: len(bob.bodies) == 20)
            assert alice.bodies == [b"b%d" % number for number in range(20)]
            assert bob.bodies == [b"a%d" % number for number in range(20)]
            await alice.agent.delete_connection(from_alice)
            # the deletion and bob's next message are on ways of their own
            async with asyncio.timeout(60):
                while relay._core.queue_count > 1:
                    await asyncio.sleep(0.001)
            # the relay tells that message that nobody reads it any more
            bob.agent.send(from_bob, b"gone?")
            await bob.until(lambda: "QUEUE_GONE" in repr(bob.events[-1]))


@asynccontextmanager
async def people_on(relay: Relay, folder: Path) -> AsyncIterator[list[Side]]:
    """Alice and Bob on a relay in memory."""

    async def connector(*_: object) -> object:
        return relay.connect_in_memory()

    def make(handler: NetworkHandler) -> NetworkPort:
        return Network(handler=handler, config=QUICK, connector=connector)  # type: ignore[arg-type]

    sides = [Side(relay.address, folder / f"{name}.db", make) for name in ("alice", "bob")]
    for side in sides:
        await side.start()
    try:
        yield sides
    finally:
        for side in sides:
            await side.stop()


async def talk(alice: Side, bob: Side, from_alice: int, from_bob: int) -> None:
    """Wait until both are connected, and send one message each way."""
    await alice.until(lambda: alice.count(Connected) == 1)
    await bob.until(lambda: bob.count(Connected) == 1)
    alice.agent.send(from_alice, b"to bob")
    bob.agent.send(from_bob, b"to alice")
    await alice.until(lambda: alice.bodies == [b"to alice"])
    await bob.until(lambda: bob.bodies == [b"to bob"])
    assert alice.agent.security_code(from_alice) == bob.agent.security_code(from_bob)


async def test_a_short_invitation(tmp_path: Path) -> None:
    async with Relay(RelayConfig(port=0)) as relay, people_on(relay, tmp_path) as (alice, bob):
        from_alice, link = await alice.agent.create_connection(user_data=b"alice")
        assert link.short is not None
        preview = await bob.agent.look_up_link(link.short)
        assert (preview.kind, preview.user_data) == (LinkKind.INVITATION, b"alice")
        from_bob = await bob.agent.join_connection(link.short, b"from the joiner")
        await talk(alice, bob, from_alice, from_bob)
        assert bob.agent.is_quantum_resistant(from_bob)


async def test_a_contact_address(tmp_path: Path) -> None:
    async with Relay(RelayConfig(port=0)) as relay, people_on(relay, tmp_path) as (alice, bob):
        address, link = await alice.agent.create_address(b"alice")
        assert link.short is not None
        await alice.agent.set_address_data(address, b"alice now")
        preview = await bob.agent.look_up_link(link.short)
        assert (preview.kind, preview.user_data) == (LinkKind.CONTACT, b"alice now")
        from_bob = await bob.agent.join_connection(link.short, b"from who asks")
        await alice.until(lambda: alice.count(ContactRequestReceived) == 1)
        (request,) = (event for event in alice.events if isinstance(event, ContactRequestReceived))
        assert (request.address_id, request.info) == (address, b"from who asks")
        from_alice = await alice.agent.accept_request(request.request_id, b"from the owner")
        await talk(alice, bob, from_alice, from_bob)
        await alice.agent.delete_address(address)
        while alice.database.execute("SELECT 1 FROM queue_deletions").fetchall():
            await asyncio.sleep(0.01)
        with pytest.raises(LinkUsed):
            await bob.agent.look_up_link(link.short)


@pytest.mark.parametrize("through_address", [False, True], ids=["invitation", "address"])
@pytest.mark.parametrize("newest", [8, 14, 18])
async def test_servers_of_all_versions(
    newest: int, through_address: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Below 9 nobody can secure a queue by SKEY, so both say HELLO; below 15 there are no short links."""
    monkeypatch.setattr(relay_client, "SUPPORTED_VERSIONS", VersionRange(6, newest))
    async with Relay(RelayConfig(port=0)) as relay, people_on(relay, tmp_path) as (alice, bob):
        if through_address:
            _, link = await alice.agent.create_address(b"alice")
            from_bob = await bob.agent.join_connection(str(link), b"from who asks")
            await alice.until(lambda: alice.count(ContactRequestReceived) == 1)
            from_alice = await alice.agent.accept_request(1, b"from the owner")
        else:
            from_alice, link = await alice.agent.create_connection()
            from_bob = await bob.agent.join_connection(str(link), b"from the joiner")
        assert (link.short is not None) is (newest >= 15)
        await talk(alice, bob, from_alice, from_bob)
        for side in (alice, bob):
            (secured,) = side.database.execute("SELECT sender_can_secure FROM snd_queues").fetchone()
            assert bool(secured) is (newest >= 9)


async def test_over_tls_with_restarts_of_the_relay_and_of_one_side(tmp_path: Path) -> None:
    """Two hundred messages each way; the relay is restarted in the middle, and one agent, too."""
    total = 200
    relay = Relay(RelayConfig(port=0, data=tmp_path / "relay"))
    await relay.start()
    address = relay.address

    def network(handler: NetworkHandler) -> NetworkPort:
        return Network(handler=handler, config=QUICK)

    async with two_sides(address, tmp_path, network) as (alice, bob, from_alice, from_bob):
        expected_by_bob = [b"a%d" % number for number in range(total)]
        expected_by_alice = [b"b%d" % number for number in range(total)]
        for number in range(total // 2):
            alice.agent.send(from_alice, expected_by_bob[number])
            bob.agent.send(from_bob, expected_by_alice[number])
        await bob.until(lambda: len(bob.bodies) >= 10)

        await relay.stop()
        await alice.until(lambda: alice.count(ServerDisconnected) > 0)
        for number in range(total // 2, total):
            alice.agent.send(from_alice, expected_by_bob[number])
            bob.agent.send(from_bob, expected_by_alice[number])
        # Bob's process ends while nobody can be reached, and starts again
        await bob.stop()
        await bob.start()
        assert address.port is not None
        relay = Relay(RelayConfig(port=address.port, data=tmp_path / "relay"))
        await relay.start()
        assert relay.address == address

        await alice.until(lambda: len(alice.bodies) >= total and alice.count(MessageDelivered) == total)
        await bob.until(lambda: len(bob.bodies) >= total and bob.count(MessageDelivered) == total)
        assert alice.bodies == expected_by_alice
        assert bob.bodies == expected_by_bob
        assert alice.intact
        assert bob.intact
        assert alice.count(ServerConnected) >= 2
    await relay.stop()


async def test_queues_and_keys_are_replaced_while_both_talk(tmp_path: Path) -> None:
    async with Relay(RelayConfig(port=0)) as relay, people_on(relay, tmp_path) as (alice, bob):
        from_alice, link = await alice.agent.create_connection()
        from_bob = await bob.agent.join_connection(str(link), b"from the joiner")
        sides = ((alice, from_alice), (bob, from_bob))
        for side, _ in sides:
            await side.until(lambda side=side: side.count(Connected) == 1)  # type: ignore[misc]
        code = alice.agent.security_code(from_alice)
        for side, connection_id in sides:
            await side.agent.switch_receiving_queue(connection_id)
        for number in range(10):
            for side, connection_id in sides:
                side.agent.send(connection_id, b"%d" % number)
        for side, connection_id in sides:
            for direction in QueueDirection:
                done = QueueSwitched(connection_id, direction, SwitchPhase.COMPLETED)
                await side.until(lambda side=side, done=done: done in side.events)  # type: ignore[misc]
        alice.agent.synchronize_ratchet(from_alice, force=True)
        for side, connection_id in sides:
            step = RatchetOutOfStep(connection_id, RatchetSync.OK)
            await side.until(lambda side=side, step=step: step in side.events)  # type: ignore[misc]
        for side, connection_id in sides:
            side.agent.send(connection_id, b"10")
        for side, _ in sides:
            await side.until(lambda side=side: len(side.bodies) == 11)  # type: ignore[misc]
            assert side.bodies == [b"%d" % number for number in range(11)]
            assert side.intact
        assert alice.agent.security_code(from_alice) == bob.agent.security_code(from_bob) != code
