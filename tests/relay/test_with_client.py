"""The relay and the real client, over TLS and in memory, through restarts."""

from __future__ import annotations

import asyncio
import os
from collections import defaultdict
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

import pytest

from simplex_calls.crypto import BoxKey, Ed25519PrivateKey, X25519PrivateKey
from simplex_calls.relay import Limits, Relay, RelayConfig
from simplex_calls.relay import client as relay_client
from simplex_calls.smp.address import ServerAddress
from simplex_calls.smp.body import QuotaReached, Received, decrypt_received
from simplex_calls.smp.commands import LinkData, LinkRequest, QueueMode, sender_id_for
from simplex_calls.smp.connecting import connect_tls
from simplex_calls.smp.connection import Connection
from simplex_calls.smp.encoding import VersionRange
from simplex_calls.smp.errors import BrokerError, ErrorCode, NetworkError, SMPError
from simplex_calls.smp.messages import Msg
from simplex_calls.smp.network import Network
from simplex_calls.smp.queues import NetworkConfig, RecipientQueue
from simplex_calls.smp.sender_keys import new_sender_key

CONFIG = NetworkConfig(reconnect_first=0.01, reconnect_max=0.05, retry_pause=0.0, command_timeout=10)


@dataclass
class Mailbox:
    """A queue that a client receives from."""

    queue: RecipientQueue
    sender_id: bytes
    box: BoxKey
    sender_key: X25519PrivateKey


class Person:
    """A client that receives and acknowledges; what came is in :attr:`inbox`, by queue."""

    def __init__(self, connector: Callable[[ServerAddress], Awaitable[Connection]] = connect_tls) -> None:
        self.network = Network(handler=self, config=CONFIG, connector=connector)
        self.inbox: dict[bytes, list[bytes]] = defaultdict(list)
        self.boxes: dict[bytes, Mailbox] = {}
        self.lost: set[bytes] = set()
        self._early: list[tuple[ServerAddress, bytes, Msg]] = []
        self._tasks: set[asyncio.Task[None]] = set()
        self._changed = asyncio.Condition()

    async def create_queue(self, server: ServerAddress) -> Mailbox:
        key, dh_key = Ed25519PrivateKey.generate(), X25519PrivateKey.generate()
        ids = await self.network.create_queue(server, key, dh_key.public)
        queue = RecipientQueue(server, ids.recipient_id, key)
        received = Mailbox(queue, ids.sender_id, BoxKey.agree(dh_key, ids.server_dh_key), X25519PrivateKey.generate())
        self.boxes[ids.recipient_id] = received
        return received

    async def expect(self, queue: Mailbox, count: int) -> list[bytes]:
        """Wait until ``count`` different messages of a queue came."""
        recipient_id = queue.queue.recipient_id
        async with asyncio.timeout(20), self._changed:
            await self._changed.wait_for(lambda: len(self.inbox[recipient_id]) >= count)
        return self.inbox[recipient_id]

    async def expect_loss(self, queue: Mailbox) -> None:
        async with asyncio.timeout(20), self._changed:
            await self._changed.wait_for(lambda: queue.queue.recipient_id in self.lost)

    def message(self, server: ServerAddress, recipient_id: bytes, message: Msg) -> None:
        task = asyncio.create_task(self._receive(recipient_id, message))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _receive(self, recipient_id: bytes, message: Msg) -> None:
        received = self.boxes[recipient_id]
        content = decrypt_received(message, received.box)
        async with self._changed:
            body = content.body if isinstance(content, Received) else b"QUOTA"
            assert isinstance(content, Received | QuotaReached)
            if body not in self.inbox[recipient_id]:
                self.inbox[recipient_id].append(body)
            self._changed.notify_all()
        with suppress(NetworkError):  # then it comes again
            await self.network.acknowledge(received.queue, message.message_id)

    def ended(self, queue: RecipientQueue) -> None:
        task = asyncio.create_task(self._lose(queue))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _lose(self, queue: RecipientQueue) -> None:
        async with self._changed:
            self.lost.add(queue.recipient_id)
            self._changed.notify_all()

    def subscribed(self, queues: list[RecipientQueue]) -> None: ...

    def subscription_failed(self, queue: RecipientQueue, error: SMPError) -> None:
        raise AssertionError(error)

    def connected(self, server: ServerAddress) -> None: ...

    def disconnected(self, server: ServerAddress) -> None: ...


@asynccontextmanager
async def people(count: int, relay: Relay, *, in_memory: bool) -> AsyncIterator[list[Person]]:
    async def connect(_: ServerAddress) -> Connection:
        return relay.connect_in_memory()

    everybody = [Person(connect if in_memory else connect_tls) for _ in range(count)]
    try:
        yield everybody
    finally:
        for person in everybody:
            await person.network.close()


async def send(person: Person, queue: Mailbox, body: bytes) -> None:
    """Send until the relay has it."""
    async with asyncio.timeout(20):
        while True:
            try:
                await person.network.send(queue.queue.server, queue.sender_id, queue.sender_key, body, notify=False)
                return
            except NetworkError:
                await asyncio.sleep(0)


@pytest.mark.parametrize("in_memory", [True, False])
async def test_two_recipients(in_memory: bool) -> None:
    async with Relay(RelayConfig(port=0)) as relay, people(3, relay, in_memory=in_memory) as (alice, carol, bob):
        first, second = await alice.create_queue(relay.address), await carol.create_queue(relay.address)
        for queue in (first, second):
            await bob.network.secure_queue_by_sender(relay.address, queue.sender_id, queue.sender_key)
        bodies = [str(number).encode() for number in range(40)]
        await asyncio.gather(*(send(bob, queue, body) for body in bodies for queue in (first, second)))
        assert sorted(await alice.expect(first, 40)) == sorted(bodies)
        assert sorted(await carol.expect(second, 40)) == sorted(bodies)
        assert (await alice.network.queue_info(first.queue))["qiSnd"] is True
        await alice.network.delete_queue(first.queue)
        with pytest.raises(BrokerError) as refused:
            await bob.network.send(relay.address, first.sender_id, first.sender_key, b"late", notify=False)
        assert refused.value.error.code is ErrorCode.AUTH


async def test_a_second_subscriber_takes_over() -> None:
    async with Relay(RelayConfig(port=0)) as relay, people(3, relay, in_memory=False) as (old, new, bob):
        queue = await old.create_queue(relay.address)
        await bob.network.secure_queue_by_sender(relay.address, queue.sender_id, queue.sender_key)
        new.boxes[queue.queue.recipient_id] = queue
        new.network.subscribe(queue.queue)
        await old.expect_loss(queue)
        await send(bob, queue, b"one")
        assert await new.expect(queue, 1) == [b"one"]
        assert old.inbox == {}


async def test_a_full_queue_refuses_and_goes_on_later() -> None:
    config = RelayConfig(port=0, limits=Limits(messages_per_queue=2))
    async with Relay(config) as relay, people(2, relay, in_memory=False) as (alice, bob):
        queue = await alice.create_queue(relay.address)
        alice.network.unsubscribe(queue.queue)
        await bob.network.secure_queue_by_sender(relay.address, queue.sender_id, queue.sender_key)
        await send(bob, queue, b"one")
        await send(bob, queue, b"two")
        with pytest.raises(BrokerError) as refused:
            await send(bob, queue, b"three")
        assert refused.value.error.code is ErrorCode.QUOTA
        alice.network.subscribe(queue.queue)
        assert await alice.expect(queue, 3) == [b"one", b"two", b"QUOTA"]
        await send(bob, queue, b"four")
        assert (await alice.expect(queue, 4))[-1] == b"four"


async def test_the_client_goes_on_after_a_restart(tmp_path: Path) -> None:
    relay = Relay(RelayConfig(port=0, data=tmp_path))
    await relay.start()
    async with people(2, relay, in_memory=False) as (alice, bob):
        address = relay.address
        queue = await alice.create_queue(address)
        await bob.network.secure_queue_by_sender(address, queue.sender_id, queue.sender_key)
        bodies = [str(number).encode() for number in range(30)]
        sending = [asyncio.create_task(send(bob, queue, body)) for body in bodies]
        await alice.expect(queue, 3)
        await relay.stop()
        relay = Relay(RelayConfig(port=address.effective_port, data=tmp_path))
        await relay.start()
        try:
            await asyncio.gather(*sending)
            assert sorted(await alice.expect(queue, 30)) == sorted(bodies)
        finally:
            await relay.stop()


@pytest.mark.parametrize("version", range(6, 19))
async def test_the_client_speaks_every_version(version: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(relay_client, "SUPPORTED_VERSIONS", VersionRange(6, version))
    async with Relay(RelayConfig(port=0)) as relay, people(2, relay, in_memory=version % 2 == 1) as (alice, bob):
        address = relay.address
        queue = await alice.create_queue(address)
        sender_key = new_sender_key(os.urandom, sender_can_secure=version >= 9)
        if version >= 9:
            await bob.network.secure_queue_by_sender(address, queue.sender_id, sender_key)
        else:
            await alice.network.secure_queue(queue.queue, sender_key.public)
        for body in (b"one", b"two"):
            await bob.network.send(address, queue.sender_id, sender_key, body, notify=True)
        assert await alice.expect(queue, 2) == [b"one", b"two"]
        assert (await alice.network.queue_info(queue.queue))["qiSnd"] is True
        if version >= 15:
            corr_id = os.urandom(24)
            key, data = Ed25519PrivateKey.generate(), LinkData(b"fixed", b"user")
            link = LinkRequest(sender_id_for(corr_id), data, b"L" * 24)
            ids = await alice.network.create_queue(
                address,
                key,
                X25519PrivateKey.generate().public,
                mode=QueueMode.CONTACT,
                link=link,
                corr_id=corr_id,
            )
            assert ids.link_id == b"L" * 24
            assert await bob.network.get_link_data(address, b"L" * 24) == (ids.sender_id, data)
        await alice.network.delete_queue(queue.queue)
