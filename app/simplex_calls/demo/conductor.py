"""Lets two sides call each other: starts relay and sides, tells them what to do, and keeps the account."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import signal
import sys
import time
from asyncio.subprocess import Process
from collections.abc import AsyncIterator, Callable, Coroutine
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from simplex_calls.catalogue import text
from simplex_calls.demo.report import SIDES, Account
from simplex_calls.relay import Relay, RelayConfig

START_SECONDS = 60.0
CONNECT_SECONDS = 30.0
CALL_SECONDS = 60.0
MEDIA_SECONDS = 30.0
STOP_SECONDS = 15.0
LAST_LINES = 12
"""So many lines of what a process wrote are told when it dies."""

Say = Callable[[str], None]
Happened = Callable[[str, dict[str, Any]], None]


class DemoError(Exception):
    """The demo cannot go on; the text says why."""


class Interrupted(Exception):  # noqa: N818 - not an error
    """The demo was ended before its call had begun."""


@dataclass(frozen=True)
class Options:
    """What the demo was asked for."""

    media: str
    headless: bool
    duration: float | None
    """Seconds from connected to hang-up; ``None``: until somebody hangs up or closes a window."""
    manual: bool
    screenshots: Path | None


class Side:
    """One of the two people: a process with a profile and windows, spoken to in lines of JSON."""

    def __init__(self, name: str, process: Process, chatter: Path, happened: Happened):
        """``chatter``: the file that gets what the browser engine writes."""
        self.name = name
        if process.stdin is None or process.stdout is None:
            raise ValueError("a side needs pipes")
        self._process, self._input, self._output = process, process.stdin, process.stdout
        self._chatter = chatter
        self._happened = happened
        self._news = asyncio.Condition()
        self._seen: dict[str, dict[str, Any]] = {}
        self._reader = asyncio.create_task(self._read())

    async def _read(self) -> None:
        while line := await self._output.readline():
            await self._note(json.loads(line))
        status = await self._process.wait()
        await self._note({"event": "gone", "status": status, "text": self._how_it_ended(status)})

    async def _note(self, event: dict[str, Any]) -> None:
        async with self._news:
            self._seen[event["event"]] = event
            self._happened(self.name, event)
            self._news.notify_all()

    def _how_it_ended(self, status: int) -> str:
        if status == 0:
            return text("cli.demo.gone")
        how = text("cli.demo.died", status=_status_text(status))
        try:
            lines = self._chatter.read_text("utf-8", errors="replace").splitlines()[-LAST_LINES:]
        except OSError:
            lines = []
        return "\n  ".join([how, *lines])

    async def tell(self, order: str, **values: Any) -> None:
        """Give an order; its answer is an event."""
        with contextlib.suppress(ConnectionError):
            self._input.write(json.dumps({"order": order, **values}).encode() + b"\n")
            await self._input.drain()

    def forget(self) -> None:
        """Forget what happened so far: a call is over, and another follows."""
        self._seen.clear()

    async def seen(self, *names: str, seconds: float | None) -> dict[str, Any]:
        """Wait for the first of these events (or one that came already); raises :class:`DemoError` in time."""
        try:
            async with asyncio.timeout(seconds), self._news:
                while True:
                    for name in names:
                        if name in self._seen:
                            return self._seen[name]
                    for name in ("error", "gone"):
                        if name in self._seen:
                            reason = self._seen[name]["text"]
                            raise DemoError(text("cli.demo.side_failed", name=self.name, reason=reason))
                    await self._news.wait()
        except TimeoutError:
            raise DemoError(text("cli.demo.too_late", name=self.name, what=" / ".join(names))) from None

    async def stop(self) -> None:
        """Let the process end, and end it if it does not."""
        try:
            async with asyncio.timeout(STOP_SECONDS):
                await self.tell("quit")
                self._input.close()
                await self._process.wait()
        except TimeoutError:
            pass
        finally:
            self._kill()
        await self._reader

    def _kill(self) -> None:
        """End what is left of the process and of those that it started: they are a group of their own."""
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self._process.pid, signal.SIGKILL)


def _status_text(status: int) -> str:
    if status >= 0:
        return str(status)
    try:
        return signal.Signals(-status).name
    except ValueError:
        return str(status)


@contextlib.asynccontextmanager
async def _side(name: str, folder: Path, address: str, options: Options, happened: Happened) -> AsyncIterator[Side]:
    # One camera serves one program only, and two microphones beside one loudspeaker howl: the caller gets the real
    # ones, the called side shows the browser's test picture and tone.
    fake = options.headless or name != SIDES[0] or not _has_camera_and_microphone()
    chatter = folder / f"{name}.log"
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        "simplex_calls.demo.side",
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        # Ctrl-C is the conductor's to handle: it hangs up first
        start_new_session=True,
    )
    side = Side(name, process, chatter, happened)
    try:
        await side.tell(
            "begin",
            name=name.capitalize(),
            folder=str(folder / name),
            chatter=str(chatter),
            server=address,
            offscreen=options.headless,
            fake_devices=fake,
            column=SIDES.index(name),
        )
        yield side
    finally:
        await side.stop()


def _has_camera_and_microphone() -> bool:
    cameras = any(Path("/dev").glob("video*"))
    microphones = any(Path("/dev/snd").glob("pcm*c")) if Path("/dev/snd").is_dir() else False
    return cameras and microphones


async def conduct(options: Options, account: Account, folder: Path, say: Say, interrupted: asyncio.Event) -> None:
    """Run the whole demo in ``folder`` and keep its account; raises :class:`DemoError`.

    ``interrupted`` ends a call that has begun as hanging up does, and the demo before that (:class:`Interrupted`).
    """

    def happened(name: str, event: dict[str, Any]) -> None:
        _note(account, name, event, say)

    began = time.time()
    async with contextlib.AsyncExitStack() as stack:
        relay = await stack.enter_async_context(Relay(RelayConfig(host="127.0.0.1", port=0, data=folder / "relay")))
        say(text("cli.demo.relay"))
        # one after the other only until its process is there: the windows open at once
        alice, bob = sides = [
            await stack.enter_async_context(_side(name, folder, str(relay.address), options, happened))
            for name in SIDES
        ]

        async def call() -> None:
            await _both(sides, lambda side: side.seen("ready", seconds=START_SECONDS))
            say(text("cli.demo.ready", seconds=f"{time.time() - began:.1f}"))
            await alice.tell("invite")
            link = (await alice.seen("invitation", seconds=CONNECT_SECONDS))["link"]
            await bob.tell("connect", link=link)
            await _both(sides, lambda side: side.seen("contact", seconds=CONNECT_SECONDS))
            say(text("cli.demo.contacts"))
            if not options.manual:
                await _connect(options, sides)

        await _unless(interrupted, call())
        if options.manual:
            say(text("cli.demo.manual.running"))
            await _until(interrupted, sides, "gone", seconds=None)
        else:
            await _talk(options, account, sides, say, interrupted)


async def _connect(options: Options, sides: list[Side]) -> None:
    """Let the one call and the other accept."""
    alice, bob = sides
    await alice.tell("call", media=options.media)
    await bob.seen("ringing", seconds=CALL_SECONDS)
    await bob.tell("accept")


async def _see(sides: list[Side]) -> None:
    """Wait until both are connected, see and hear; if they are but do not in time, the account will say so."""
    await _both(sides, lambda side: side.seen("connected", "ended", seconds=CALL_SECONDS))
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(MEDIA_SECONDS):
            await _both(sides, lambda side: side.seen("first_frame", "ended", seconds=None))


async def _talk(options: Options, account: Account, sides: list[Side], say: Say, interrupted: asyncio.Event) -> None:
    """Let the call go on until the time is over, a user hangs up or closes a window, or Ctrl-C; then end it."""
    with contextlib.suppress(Interrupted):
        await _unless(interrupted, _see(sides))
    if options.duration is None:
        say(text("cli.demo.running"))
    await _until(interrupted, sides, "ended", "gone", seconds=options.duration)
    if options.screenshots is not None:
        for side in sides:
            path = options.screenshots / f"{side.name}.png"
            await side.tell("screenshot", path=str(path))
            if (await side.seen("screenshot", "gone", seconds=STOP_SECONDS)).get("saved"):
                account.screenshots.append(str(path))
    await sides[0].tell("hang_up")
    await _both(sides, lambda side: side.seen("ended", "gone", seconds=STOP_SECONDS))
    say(text("cli.demo.ended"))


async def _unless(interrupted: asyncio.Event, work: Coroutine[Any, Any, None]) -> None:
    """Do ``work``, or raise :class:`Interrupted`."""
    task = asyncio.create_task(work)
    stop = asyncio.create_task(interrupted.wait())
    try:
        await asyncio.wait({task, stop}, return_when=asyncio.FIRST_COMPLETED)
        if not task.done():
            raise Interrupted
        await task
    finally:
        for each in (task, stop):
            each.cancel()
        await asyncio.gather(task, stop, return_exceptions=True)


async def _until(interrupted: asyncio.Event, sides: list[Side], *names: str, seconds: float | None) -> None:
    """Wait until one of the sides has seen one of these, but no longer than ``seconds`` or until the interrupt."""
    waits: set[asyncio.Task[Any]] = {asyncio.create_task(side.seen(*names, seconds=None)) for side in sides}
    waits.add(asyncio.create_task(interrupted.wait()))
    try:
        await asyncio.wait(waits, timeout=seconds, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for wait in waits:
            wait.cancel()
        await asyncio.gather(*waits, return_exceptions=True)


async def _both(sides: list[Side], wait: Callable[[Side], Coroutine[Any, Any, Any]]) -> None:
    """Wait for something at all sides; the first that fails ends the waiting."""
    waits = [asyncio.create_task(wait(side)) for side in sides]
    try:
        await asyncio.gather(*waits)
    finally:
        for task in waits:
            task.cancel()
        await asyncio.gather(*waits, return_exceptions=True)


_SAID = {"called", "ringing", "accepted", "connected"}


def _note(account: Account, name: str, event: dict[str, Any], say: Say) -> None:
    """Enter an event of a side into the account, and tell the user of the ones that matter."""
    kind = event["event"]
    if kind in {"called", "ringing", "accepted", "offered", "answered", "connected"}:
        if account.mark(kind, event["at"]) and kind in _SAID:
            say(text(f"cli.demo.{kind}", name=name.capitalize(), media=text(f"cli.demo.media.{account.media}")))
        if kind == "connected":
            account.encrypted[name] = bool(event["encrypted"])
    elif kind == "first_frame":
        if account.mark(f"first_frame_{name}", event["first_frame_at"]):
            kind = "first_frame" if account.media == "video" else "first_frame.audio"
            say(text(f"cli.demo.{kind}", name=name.capitalize()))
    elif kind == "stats":
        account.count(name, event["counters"])
        account.path[name] = event["path"]
    elif kind == "history":
        account.history[name] = event["items"]
    elif kind == "failed" or (kind == "gone" and event["status"] != 0):
        account.failures.append(f"{name}: {event['text']}")
