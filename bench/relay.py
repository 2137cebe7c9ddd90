"""Messages through a relay in a process of its own, over TLS on 127.0.0.1: how many a second, and how soon.

The relay has the first core for itself and its clients, sender and receiver in this process, the second one. What the
relay used of its core while it was saturated says how many messages a second it could carry if clients were quicker.
"""

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
from pathlib import Path

from simplex_calls.crypto import Ed25519PrivateKey, X25519PrivateKey
from simplex_calls.smp.address import ServerAddress
from simplex_calls.smp.client import Network, RecipientQueue
from simplex_calls.smp.errors import SMPError
from simplex_calls.smp.messages import Msg

BODY = os.urandom(16_000)
MESSAGES = 6_000
QUEUES = (1, 100, 10_000)
CALM_MESSAGES = 200
AT_ONCE = 64
"""Messages that are sent before the first of them is received."""


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
async def relay_process() -> AsyncIterator[tuple[ServerAddress, int]]:
    with tempfile.TemporaryDirectory() as folder:
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "simplex_calls", "relay", "--port", "0", "--data", folder),
            stdout=asyncio.subprocess.PIPE,
        )
        cores = sorted(os.sched_getaffinity(0))
        if len(cores) > 1:
            os.sched_setaffinity(process.pid, cores[:1])
            os.sched_setaffinity(0, cores[1:])
        assert process.stdout is not None
        try:
            while not (found := re.search(rb"smp://\S+", await process.stdout.readline())):
                pass
            yield ServerAddress.parse(found[0].decode()), process.pid
        finally:
            os.sched_setaffinity(0, cores)
            process.terminate()
            await process.communicate()


def cpu_seconds(pid: int) -> float:
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def resident_mib(pid: int) -> float:
    found = re.search(r"VmRSS:\s+(\d+) kB", Path(f"/proc/{pid}/status").read_text())
    assert found
    return int(found[1]) / 1024


async def measure_relay() -> str:
    rows = [
        "| queues | messages/s, saturated | relay's CPU, µs a message | calm, p50 ms | p95 ms | relay's memory, MiB |",
        "|---|---|---|---|---|---|",
    ]
    for count in QUEUES:
        async with relay_process() as (server, pid):
            rows.append(await measure_queues(count, server, pid))
    return "\n".join(rows) + (
        "\n\nSixteen thousand random bytes a message; calm: one message at a time, from the call of send to the "
        "receiver's handler; the memory is that of the whole process, after its queues were made.\n"
    )


async def measure_queues(count: int, server: ServerAddress, pid: int) -> str:
    receiver, sender = Receiver(), Receiver()
    keys = [X25519PrivateKey.generate() for _ in range(count)]
    queues: list[bytes] = []

    while len(queues) < count:
        size = min(100, count - len(queues))
        queues += await asyncio.gather(*(receiver.create_queue(server) for _ in range(size)))
    memory = resident_mib(pid)
    for start in range(0, count, 100):
        pairs = list(zip(queues[start : start + 100], keys[start : start + 100], strict=True))
        await asyncio.gather(*(sender.network.secure_queue_by_sender(server, *pair) for pair in pairs))

    async def send(number: int) -> None:
        at = number % count
        await sender.network.send(server, queues[at], keys[at], BODY, notify=False)

    calm = []
    for number in range(CALM_MESSAGES):
        begun = time.perf_counter()
        await send(number)
        calm.append((await receiver.arrived.get() - begun) * 1000)
        await asyncio.sleep(0.005)

    room = asyncio.Semaphore(AT_ONCE)
    numbers = iter(range(MESSAGES))

    async def flood() -> None:
        for number in numbers:
            await room.acquire()
            await send(number)

    begun, used = time.perf_counter(), cpu_seconds(pid)
    async with asyncio.TaskGroup() as group:
        for _ in range(AT_ONCE):
            group.create_task(flood())
        for _ in range(MESSAGES):
            last = await receiver.arrived.get()
            room.release()
    speed, used = MESSAGES / (last - begun), cpu_seconds(pid) - used
    await receiver.close()
    await sender.close()
    calm.sort()
    return (
        f"| {count:,} | {speed:,.0f} | {used / MESSAGES * 1e6:,.0f} | {statistics.median(calm):.1f} | "
        f"{calm[int(len(calm) * 0.95)]:.1f} | {memory:.0f} |"
    )
