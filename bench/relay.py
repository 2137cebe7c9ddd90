"""Messages through a relay in a process of its own, over TLS on 127.0.0.1: how many a second, and how soon.

The relay has the first core for itself and its clients, sender and recipient in this process, the second one. What the
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
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path

from bench.relay_clients import Peer, Traffic, make_queues
from bench.relay_parts import measure_parts
from simplex_calls.smp.address import ServerAddress
from simplex_calls.smp.commands import Ping

SIZE = 16_000
MESSAGES = 6_000
QUEUES = (1, 100, 10_000)
CALM_MESSAGES = 200
AT_ONCE = 64
"""Messages that are sent before the first of them is received."""
STARTS = 7


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


_BOUNDS = """\
What bounds it with 100 queues is its core. About two fifths of a message's time there are boxes and chains of keys of
its blocks, which version 18 asks for, a fifth the authorisations of SEND and ACK, a tenth TLS and the system's calls, a
tenth SQLite and its thread, the rest Python. With one queue it is the round trip: a queue delivers its next message
after the ACK of the one before, so relay and recipient take turns, and no two commands share a block. A message that is
stored only, because its recipient is away, is cheaper than one that is delivered."""
# found by a profile of the relay with 100 queues


async def measure_relay() -> str:
    rows = [
        "| queues | messages/s, saturated | relay's core in use | its CPU, µs a message | calm, p50 ms | p95 ms "
        "| recipient away, messages/s | relay's memory, MiB |",
        "|---|---|---|---|---|---|---|---|",
    ]
    load = os.getloadavg()[0]
    for count in QUEUES:
        async with relay_process() as (server, pid):
            rows.append(await measure_queues(count, server, pid))
    start = await measure_start()
    head = (
        "Version 18 of the protocol, with encrypted blocks; the relay pinned to one core, its clients to the other. "
        f"Load of the machine by other programs before it began: {load:.1f}."
    )
    foot = (
        f"{SIZE:,} random bytes a message, {AT_ONCE} on their way; calm: one message at a time, from the sender's call "
        "to the recipient's handler; recipient away: all are stored, on the disk before each OK; the memory is that of "
        "the whole process, after its queues were made. From the command to the first answer over TLS: "
        f"{start * 1000:.0f} ms."
    )
    return "\n\n".join((head, "\n".join(rows), foot, measure_parts(), _BOUNDS))


async def measure_queues(count: int, server: ServerAddress, pid: int) -> str:
    recipient, sender = await Peer.connect(server), await Peer.connect(server)
    queues = await make_queues(count, recipient, sender)
    memory = resident_mib(pid)
    traffic = Traffic(recipient, sender, queues, SIZE)
    async with asyncio.TaskGroup() as group:
        tasks = [group.create_task(traffic.receive()), group.create_task(traffic.hear_answers())]
        calm = await _calm(traffic)
        used, begun = cpu_seconds(pid), time.perf_counter()
        await _flood(traffic, MESSAGES, arrival=True)
        seconds, used = time.perf_counter() - begun, cpu_seconds(pid) - used
        tasks[0].cancel()
        await recipient.close()
        stored = len(queues) * 100 if count < 100 else MESSAGES // 2
        begun = time.perf_counter()
        await _flood(traffic, stored, arrival=False)
        away = stored / (time.perf_counter() - begun)
        tasks[1].cancel()
    await sender.close()
    return (
        f"| {count:,} | {MESSAGES / seconds:,.0f} | {used / seconds:.0%} | {used / MESSAGES * 1e6:,.0f} | "
        f"{statistics.median(calm):.1f} | {sorted(calm)[int(len(calm) * 0.95)]:.1f} | {away:,.0f} | {memory:.0f} |"
    )


async def _calm(traffic: Traffic) -> list[float]:
    times = []
    for _ in range(CALM_MESSAGES):
        arrived = asyncio.Event()
        traffic.on_arrival = arrived.set
        begun = time.perf_counter()
        traffic.send()
        await arrived.wait()
        times.append((time.perf_counter() - begun) * 1000)
        await asyncio.sleep(0.005)
    return times


async def _flood(traffic: Traffic, count: int, *, arrival: bool) -> None:
    over = asyncio.Event()
    sent = done = 0

    def send() -> None:
        nonlocal sent
        if sent < count:
            sent += 1
            traffic.send()

    def went_through() -> None:
        nonlocal done
        done += 1
        send()
        if done == count:
            over.set()

    nothing: Callable[[], None] = lambda: None  # noqa: E731 (the other of two)
    traffic.on_arrival, traffic.on_stored = (went_through, nothing) if arrival else (nothing, went_through)
    for _ in range(AT_ONCE):
        send()
    await over.wait()
    traffic.on_arrival = traffic.on_stored = nothing


async def measure_start() -> float:
    times = []
    for _ in range(STARTS):
        begun = time.perf_counter()
        async with relay_process() as (server, _):
            peer = await Peer.connect(server)
            peer.send(Ping())
            await peer.read()
            times.append(time.perf_counter() - begun)
            await peer.close()
    return statistics.median(times)
