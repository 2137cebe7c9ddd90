"""Messages through a relay in a process of its own, over TLS on 127.0.0.1: how many a second, and how soon."""

from __future__ import annotations

import asyncio
import os
import re
import statistics
import sys
import tempfile
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from simplex_calls.crypto import Ed25519PrivateKey, X25519PrivateKey
from simplex_calls.smp.address import ServerAddress
from simplex_calls.smp.client import Network, RecipientQueue
from simplex_calls.smp.errors import SMPError
from simplex_calls.smp.messages import Msg

BODY = os.urandom(16_000)
MESSAGES = 3_000
QUEUES = (1, 100)
CALM_MESSAGES = 200


class Receiver:
    """Acknowledges what comes and notes when it came."""

    def __init__(self) -> None:
        self.network = Network(handler=self)
        self.queues: dict[bytes, RecipientQueue] = {}
        self.arrived: asyncio.Queue[float] = asyncio.Queue()
        self._tasks: set[asyncio.Task[None]] = set()

    async def create_queue(self, server: ServerAddress) -> bytes:
        key = Ed25519PrivateKey.generate()
        ids = await self.network.create_queue(server, key, X25519PrivateKey.generate().public)
        self.queues[ids.recipient_id] = RecipientQueue(server, ids.recipient_id, key)
        return ids.sender_id

    def message(self, server: ServerAddress, recipient_id: bytes, message: Msg) -> None:
        self.arrived.put_nowait(time.perf_counter())
        task = asyncio.create_task(self.network.acknowledge(self.queues[recipient_id], message.message_id))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def close(self) -> None:
        await asyncio.gather(*self._tasks)
        await self.network.close()

    def subscribed(self, queues: list[RecipientQueue]) -> None: ...

    def subscription_failed(self, queue: RecipientQueue, error: SMPError) -> None:
        raise error

    def ended(self, queue: RecipientQueue) -> None: ...

    def connected(self, server: ServerAddress) -> None: ...

    def disconnected(self, server: ServerAddress) -> None: ...


@asynccontextmanager
async def relay_process() -> AsyncIterator[ServerAddress]:
    with tempfile.TemporaryDirectory() as folder:
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "simplex_calls", "relay", "--port", "0", "--data", folder),
            stdout=asyncio.subprocess.PIPE,
        )
        assert process.stdout is not None
        try:
            while not (found := re.search(rb"smp://\S+", await process.stdout.readline())):
                pass
            yield ServerAddress.parse(found[0].decode())
        finally:
            process.terminate()
            await process.communicate()


async def measure_relay() -> str:
    rows = ["| queues | messages/s, saturated | send to receive when calm, p50 ms | p95 ms |", "|---|---|---|---|"]
    for count in QUEUES:
        async with relay_process() as server:
            receiver, sender = Receiver(), Receiver()
            queues = [await receiver.create_queue(server) for _ in range(count)]
            keys = [X25519PrivateKey.generate() for _ in queues]
            for queue, key in zip(queues, keys, strict=True):
                await sender.network.secure_queue_by_sender(server, queue, key)

            calm = []
            for number in range(CALM_MESSAGES):
                at = number % count
                start = time.perf_counter()
                await sender.network.send(server, queues[at], keys[at], BODY, notify=False)
                calm.append((await receiver.arrived.get() - start) * 1000)

            async def flood(
                at: int,
                *,
                queues: list[bytes] = queues,
                keys: list[X25519PrivateKey] = keys,
                sender: Receiver = sender,
                server: ServerAddress = server,
                each: int = MESSAGES // count,
            ) -> None:
                for _ in range(each):
                    await sender.network.send(server, queues[at], keys[at], BODY, notify=False)

            start = time.perf_counter()
            async with asyncio.TaskGroup() as group:
                for at in range(count):
                    group.create_task(flood(at))
                for _ in range(MESSAGES // count * count):
                    last = await receiver.arrived.get()
            speed = MESSAGES // count * count / (last - start)
            calm.sort()
            rows.append(
                f"| {count:,} | {speed:,.0f} | {statistics.median(calm):.1f} | {calm[int(len(calm) * 0.95)]:.1f} |"
            )
            await receiver.close()
            await sender.close()
    return "\n".join(rows)
