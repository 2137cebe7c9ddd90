"""One of the demo's two people: a client with windows, which does what it is told in lines of JSON.

Orders come on standard input, events go to standard output; both are pipes of the conductor
(:mod:`simplex_calls.demo.conductor`), so that links never appear on a command line. Python's log and tracebacks go to
standard error; what the browser engine writes there goes to a file, of which the conductor tells the last lines when
the process dies.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import logging
import os
import sys
import time
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

from simplex_calls.catalogue import text
from simplex_calls.client import (
    CallDetails,
    CallDirection,
    CallPhase,
    CallState,
    CallView,
    ChatItem,
    Client,
    ClientError,
    PageStats,
    Settings,
)
from simplex_calls.database import DatabaseKey
from simplex_calls.desktop.app import Desktop, DesktopError
from simplex_calls.events import CallChanged, CallStats, ContactConnected, Event

_MOMENTS = {
    CallState.OFFERED: "offered",
    CallState.CONNECTING: "answered",
    CallState.CONNECTED: "connected",
}


class Side:
    """Turns orders into calls of the public API, and its events into lines."""

    def __init__(self, output: int) -> None:
        self._output = os.fdopen(output, "w", encoding="utf-8")
        self._contact_id: int | None = None
        self._call_id: str | None = None
        self._told: set[str] = set()

    def tell(self, event: str, **values: Any) -> None:
        """Write an event."""
        json.dump({"event": event, "at": time.time(), **values}, self._output)
        self._output.write("\n")
        self._output.flush()

    @contextlib.asynccontextmanager
    async def open_client(self, begin: dict[str, Any]) -> AsyncIterator[Client]:
        """Open the client; when the windows are gone, end the call and tell what the history says."""
        # On one machine nothing needs a STUN server, and nothing is asked of one that was not named.
        settings = Settings(ice_servers=tuple(begin.get("ice_servers", ())), relay_only=begin.get("relay_only", False))
        # the profile is gone with the demo: nobody needs its key again
        key = DatabaseKey.generate()
        async with Client(
            Path(begin["folder"]), begin["name"], [begin["server"]], key=key, settings=settings
        ) as client:
            yield client
            if self._call_id is not None:
                # it may be over, or end at this moment
                with contextlib.suppress(ClientError):
                    await client.hang_up(self._call_id)
            if self._contact_id is not None:
                self.tell("history", items=[_entry(item) for item in client.history(self._contact_id)])

    async def run(self, client: Client, desktop: Desktop) -> None:
        """Follow orders until told to quit, or until the conductor is gone."""
        events = asyncio.create_task(self._watch(client))
        reader = asyncio.StreamReader()
        await asyncio.get_running_loop().connect_read_pipe(
            lambda: asyncio.StreamReaderProtocol(reader), os.fdopen(os.dup(sys.stdin.fileno()), "rb", buffering=0)
        )
        self.tell("ready")
        try:
            while line := await reader.readline():
                order = json.loads(line)
                if order["order"] == "quit":
                    break
                try:
                    await self._follow(order, client, desktop)
                except ClientError as error:
                    self.tell("error", text=str(error))
        finally:
            events.cancel()
            desktop.quit()

    async def _follow(self, order: dict[str, Any], client: Client, desktop: Desktop) -> None:
        match order["order"]:
            case "invite":
                self.tell("invitation", link=str(await client.create_invitation()))
            case "connect":
                await client.connect(order["link"])
            case "call" if self._contact_id is not None:
                await client.start_call(self._contact_id, order["media"])
            case "accept" if self._call_id is not None:
                self.tell("accepted")
                await client.accept(self._call_id)
            case "hang_up" if self._call_id is not None:
                await client.hang_up(self._call_id)
            case "screenshot":
                self.tell("screenshot", saved=await desktop.screenshot("call", Path(order["path"])))
            case name:
                self.tell("error", text=f"cannot follow the order {name} now")

    async def _watch(self, client: Client) -> None:
        async for event in client.events():
            self._happened(event)

    def _happened(self, event: Event) -> None:
        match event:
            case ContactConnected(contact):
                self._contact_id = contact.id
                self.tell("contact")
            case CallChanged(call):
                self._call_changed(call)
            case CallStats(call_id, stats) if call_id == self._call_id:
                self._counted(stats)

    def _call_changed(self, call: CallView) -> None:
        is_going_on = call.is_active or call.state is CallPhase.RINGING
        if call.id != self._call_id and (self._call_id is None or is_going_on):
            self._call_id = call.id
            self._told.clear()
        if call.id != self._call_id:
            return
        if call.state is CallPhase.CALLING:
            self._tell_once("called")
        elif call.state is CallPhase.RINGING:
            self._tell_once("ringing")
        elif call.state is CallPhase.ENDED:
            reason = call.end_reason.value if call.end_reason else ""
            if call.failure is not None:
                self.tell("failed", text=text(f"client.failure.{call.failure.value}"))
            self._tell_once("ended", reason=reason)
        # both sides pass "connecting"; the caller's is the answer
        moment = _MOMENTS.get(call.detail)
        if moment is not None and (moment != "answered" or call.direction is CallDirection.OUTGOING):
            self._tell_once(moment, encrypted=call.encrypted)

    def _counted(self, stats: PageStats) -> None:
        self.tell(
            "stats",
            path=stats.path.value if stats.path else None,
            counters={
                "frames_sent": stats.frames_sent,
                "frames_encrypted": stats.frames_encrypted,
                "frames_decrypted": stats.frames_decrypted,
                "frames_decoded": stats.frames_decoded,
                "audio_packets_received": stats.audio_packets_received,
            },
        )
        if stats.first_frame_at is not None and "first_frame" not in self._told:
            self._told.add("first_frame")
            self.tell("first_frame", first_frame_at=stats.first_frame_at)

    def _tell_once(self, event: str, **values: Any) -> None:
        if event not in self._told:
            self._told.add(event)
            self.tell(event, **values)


def _entry(item: ChatItem) -> dict[str, Any]:
    entry: dict[str, Any] = {"direction": item.direction.value, "kind": item.kind.value}
    if isinstance(item.details, CallDetails):
        entry |= {
            "media": item.details.media.value,
            "status": item.details.status.value,
            "duration": item.details.duration,
        }
    return entry


def main() -> int:
    """Read the first order, which says who this is, open the windows and follow the others."""
    output = os.dup(sys.stdout.fileno())
    first = _first_line()
    if not first:
        # the conductor is gone already
        return 1
    begin = json.loads(first)
    _part_from_chatter(Path(begin["chatter"]))
    logging.basicConfig(
        level=os.environ.get("SIMPLEX_CALLS_LOG", "WARNING").upper(),
        format=f"%(asctime)s {begin['name']}: %(levelname)s %(name)s: %(message)s",
        datefmt="%H:%M:%S",
    )
    side = Side(output)
    desktop = Desktop(
        lambda: side.open_client(begin),
        offscreen=begin["offscreen"],
        fake_devices=begin["fake_devices"],
        column=begin["column"],
        on_ready=side.run,
    )
    try:
        return desktop.run()
    except DesktopError as error:
        side.tell("error", text=str(error))
        return 1


def _part_from_chatter(file: Path) -> None:
    """Leave standard error to Python; what the engine, its processes and C libraries write there goes to ``file``."""
    sys.stderr = os.fdopen(os.dup(sys.stderr.fileno()), "w", buffering=1, encoding="utf-8", errors="backslashreplace")
    sys.stdout = sys.stderr
    chatter = os.open(file, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_APPEND, 0o600)
    os.dup2(chatter, 1)
    os.dup2(chatter, 2)
    os.close(chatter)


def _first_line() -> bytes:
    # byte by byte: what follows is for the event loop's own reader
    line = b""
    while not line.endswith(b"\n"):
        byte = os.read(sys.stdin.fileno(), 1)
        if not byte:
            return b""
        line += byte
    return line


if __name__ == "__main__":
    sys.exit(main())
