"""Set-up: from accepting a call to the first decoded frame on both sides, in the real windows, five ways."""

from __future__ import annotations

import asyncio
import contextlib
import sys
import tempfile
from collections.abc import AsyncIterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from simplex_calls.demo.conductor import Side
from simplex_calls.demo.report import SIDES
from simplex_calls.relay import Relay, RelayConfig

CALLS = 20
RINGS = 2.0
"""Seconds from ringing to accepting: nobody accepts at once."""
SECONDS = 60.0
SILENT_STUN = "stun:127.0.0.1:{port}"

MOMENTS = ("accepted", "offered", "answered", "connected", "first frame")
"""Parts of the timeline are from one of these to the next; the last is that of the later side."""


@dataclass(frozen=True)
class Way:
    """One of the ways that are measured."""

    name: str
    delay: float = 0.0
    """Seconds that a message takes from one side to the other, besides what the programs need."""
    ice_servers: tuple[str, ...] = ()
    relay_only: bool = False


@dataclass
class Timeline:
    """When what happened in one call, in seconds from accepting."""

    moments: dict[str, float] = field(default_factory=dict)

    @property
    def total(self) -> float:
        return self.moments["first frame"]


class Delay:
    """A TCP way to a server that takes ``seconds`` for each direction, without limiting how much is on its way."""

    def __init__(self, host: str, port: int, seconds: float) -> None:
        self._host, self._port, self._seconds = host, port, seconds
        self._tasks: set[asyncio.Task[None]] = set()

    async def __aenter__(self) -> int:
        """The port that stands for the server's."""
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        port: int = self._server.sockets[0].getsockname()[1]
        return port

    async def __aexit__(self, *_: object) -> None:
        self._server.close()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        other_reader, other_writer = await asyncio.open_connection(self._host, self._port)
        for source, sink in ((reader, other_writer), (other_reader, writer)):
            task = asyncio.create_task(self._pump(source, sink))
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)

    async def _pump(self, source: asyncio.StreamReader, sink: asyncio.StreamWriter) -> None:
        loop = asyncio.get_running_loop()
        with contextlib.suppress(ConnectionError):
            while data := await source.read(65536):
                loop.call_later(self._seconds, sink.write, data)
        loop.call_later(self._seconds, sink.close)


@contextlib.asynccontextmanager
async def _person(name: str, folder: Path, server: str, way: Way) -> AsyncIterator[tuple[Side, dict[str, float]]]:
    """One side in its own process, and the moments that it has told."""
    moments: dict[str, float] = {}

    def happened(_: str, event: dict[str, Any]) -> None:
        at = event.get("first_frame_at" if event["event"] == "first_frame" else "at")
        if at is not None:
            moments.setdefault(event["event"], at)

    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        "simplex_calls.demo.side",
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        start_new_session=True,
    )
    chatter = folder / f"{name}.log"
    side = Side(name, process, chatter, happened)
    try:
        await side.tell(
            "begin",
            name=name.capitalize(),
            folder=str(folder / name),
            chatter=str(chatter),
            server=server,
            offscreen=True,
            fake_devices=True,
            column=SIDES.index(name),
            ice_servers=way.ice_servers,
            relay_only=way.relay_only,
        )
        yield side, moments
    finally:
        await side.stop()


async def _call(alice: Side, bob: Side, seen: dict[str, dict[str, float]]) -> Timeline:
    """One call from dialling to hanging up."""
    for side in (alice, bob):
        seen[side.name].clear()
        side.forget()
    await alice.tell("call", media="video")
    await bob.seen("ringing", seconds=SECONDS)
    await asyncio.sleep(RINGS)
    await bob.tell("accept")
    for side in (alice, bob):
        await side.seen("first_frame", seconds=SECONDS)
    await alice.tell("hang_up")
    for side in (alice, bob):
        await side.seen("ended", seconds=SECONDS)
    a, b = seen["alice"], seen["bob"]
    start = b["accepted"]
    return Timeline(
        {
            "accepted": 0.0,
            "offered": b["offered"] - start,
            "answered": a["answered"] - start,
            "connected": max(a["connected"], b["connected"]) - start,
            "first frame": max(a["first_frame"], b["first_frame"]) - start,
        }
    )


async def measure_way(way: Way, calls: int) -> list[Timeline]:
    """So many calls, one after the other, between the same two people."""
    with tempfile.TemporaryDirectory(prefix="simplex-calls-bench-") as name:
        folder = Path(name)
        async with contextlib.AsyncExitStack() as stack:
            relay = await stack.enter_async_context(Relay(RelayConfig(port=0, data=folder / "relay")))
            # from a sender to the relay and from there to the recipient: half of it each
            port = await stack.enter_async_context(Delay("127.0.0.1", relay.address.effective_port, way.delay / 2))
            server = str(replace(relay.address, port=port))
            people = [await stack.enter_async_context(_person(side, folder, server, way)) for side in SIDES]
            (alice, _), (bob, _) = people
            seen = {side.name: moments for side, moments in people}
            for side in (alice, bob):
                await side.seen("ready", seconds=SECONDS)
            await alice.tell("invite")
            await bob.tell("connect", link=(await alice.seen("invitation", seconds=SECONDS))["link"])
            for side in (alice, bob):
                await side.seen("contact", seconds=SECONDS)
            timelines = []
            for number in range(calls + 1):
                timeline = await _call(alice, bob, seen)
                # the first call of a program pays for what later ones find done
                if number:
                    timelines.append(timeline)
            return timelines
