"""Lets two sides call each other: starts relay and sides, tells them what to do, and keeps the account."""

from __future__ import annotations

import asyncio
import contextlib
import json
import sys
import time
from collections.abc import AsyncIterator, Awaitable, Callable
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

Say = Callable[[str], None]


class DemoError(Exception):
    """The demo cannot go on; the text says why."""


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

    def __init__(self, name: str, process: asyncio.subprocess.Process, happened: Callable[[str, dict[str, Any]], None]):
        self.name = name
        if process.stdin is None or process.stdout is None:
            raise ValueError("a side needs pipes")
        self._process, self._input, self._output = process, process.stdin, process.stdout
        self._happened = happened
        self._news = asyncio.Condition()
        self._seen: dict[str, dict[str, Any]] = {}
        self._reader = asyncio.create_task(self._read())

    async def _read(self) -> None:
        while line := await self._output.readline():
            event = json.loads(line)
            async with self._news:
                self._seen[event["event"]] = event
                self._happened(self.name, event)
                self._news.notify_all()
        async with self._news:
            self._seen["gone"] = {"event": "gone"}
            self._happened(self.name, self._seen["gone"])
            self._news.notify_all()

    async def tell(self, order: str, **values: Any) -> None:
        """Give an order; its answer is an event."""
        self._input.write(json.dumps({"order": order, **values}).encode() + b"\n")
        with contextlib.suppress(ConnectionError):
            await self._input.drain()

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
                            reason = self._seen[name].get("text") or text("cli.demo.gone")
                            raise DemoError(text("cli.demo.side_failed", name=self.name, reason=reason))
                    await self._news.wait()
        except TimeoutError:
            raise DemoError(text("cli.demo.too_late", name=self.name, what=" / ".join(names))) from None

    async def stop(self) -> None:
        """Let the process end, and end it if it does not."""
        await self.tell("quit")
        try:
            async with asyncio.timeout(STOP_SECONDS):
                await self._process.wait()
        except TimeoutError:
            self._process.kill()
            await self._process.wait()
        await self._reader


@contextlib.asynccontextmanager
async def _side(
    name: str, folder: Path, address: str, options: Options, happened: Callable[[str, dict[str, Any]], None]
) -> AsyncIterator[Side]:
    # One camera serves one program only, and two microphones beside one loudspeaker howl: the caller gets the real
    # ones, the called side shows the browser's test picture and tone.
    fake = options.headless or name != SIDES[0] or not _has_camera_and_microphone()
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        "simplex_calls.demo.side",
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        # Ctrl-C is the conductor's to handle: it hangs up first
        start_new_session=True,
    )
    side = Side(name, process, happened)
    try:
        await side.tell(
            "begin",
            name=name.capitalize(),
            folder=str(folder),
            server=address,
            offscreen=options.headless,
            fake_devices=fake,
            column=SIDES.index(name),
            interactive=options.manual,
        )
        yield side
    finally:
        await side.stop()


def _has_camera_and_microphone() -> bool:
    cameras = any(Path("/dev").glob("video*"))
    microphones = any(Path("/dev/snd").glob("pcm*c")) if Path("/dev/snd").is_dir() else False
    return cameras and microphones


async def conduct(options: Options, folder: Path, say: Say) -> Account:
    """Run the whole demo in ``folder`` and give its account; raises :class:`DemoError`."""
    account = Account(options.media)

    def happened(name: str, event: dict[str, Any]) -> None:
        _note(account, name, event, say)

    began = time.time()
    async with contextlib.AsyncExitStack() as stack:
        relay = await stack.enter_async_context(Relay(RelayConfig(host="127.0.0.1", port=0, data=folder / "relay")))
        say(text("cli.demo.relay"))
        sides = await asyncio.gather(
            *(
                stack.enter_async_context(_side(name, folder / name, str(relay.address), options, happened))
                for name in SIDES
            )
        )
        alice, bob = sides
        await _both(sides, lambda side: side.seen("ready", seconds=START_SECONDS))
        say(text("cli.demo.ready", seconds=f"{time.time() - began:.1f}"))

        await alice.tell("invite")
        link = (await alice.seen("invitation", seconds=CONNECT_SECONDS))["link"]
        await bob.tell("connect", link=link)
        await _both(sides, lambda side: side.seen("contact", seconds=CONNECT_SECONDS))
        say(text("cli.demo.contacts"))

        if options.manual:
            say(text("cli.demo.manual.running"))
            await _any_of(sides, "gone")
            return account
        await _call(options, account, sides, say)
        for side in sides:
            await side.tell("history")
            account.history[side.name] = (await side.seen("history", seconds=STOP_SECONDS))["items"]
    return account


async def _call(options: Options, account: Account, sides: list[Side], say: Say) -> None:
    alice, bob = sides
    await alice.tell("call", media=options.media)
    await bob.seen("ringing", seconds=CALL_SECONDS)
    await bob.tell("accept")
    await _both(sides, lambda side: side.seen("connected", "ended", seconds=CALL_SECONDS))
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(MEDIA_SECONDS):
            await _both(sides, lambda side: side.seen("first_frame", "ended", seconds=None))

    if options.duration is None:
        say(text("cli.demo.running"))
    # until the time is over, or a user hangs up or closes a window
    ended = asyncio.create_task(_any_of(sides, "ended", "gone"))
    try:
        await asyncio.wait({ended}, timeout=options.duration)
        if options.screenshots is not None:
            for side in sides:
                path = options.screenshots / f"{side.name}.png"
                await side.tell("screenshot", path=str(path))
                if (await side.seen("screenshot", seconds=STOP_SECONDS)).get("saved"):
                    account.screenshots.append(str(path))
        if not ended.done():
            await alice.tell("hang_up")
        await _both(sides, lambda side: side.seen("ended", "gone", seconds=STOP_SECONDS))
    finally:
        ended.cancel()
    say(text("cli.demo.ended"))


async def _both(sides: list[Side], wait: Callable[[Side], Awaitable[Any]]) -> None:
    async def one(side: Side) -> None:
        await wait(side)

    try:
        async with asyncio.TaskGroup() as group:
            for side in sides:
                group.create_task(one(side))
    except* DemoError as errors:
        raise errors.exceptions[0] from None


async def _any_of(sides: list[Side], *names: str) -> None:
    waits = [asyncio.create_task(side.seen(*names, seconds=None)) for side in sides]
    try:
        await asyncio.wait(waits, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for wait in waits:
            wait.cancel()
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
    elif kind == "failed":
        account.failures.append(f"{name}: {event['text']}")
