"""The processes of the torture tests, seen from the one that kills them."""

from __future__ import annotations

import asyncio
import itertools
import json
import os
import signal
import sys
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import Any, Self

ROOT = Path(__file__).parent.parent.parent
PATIENCE = 30.0


class Died(Exception):  # noqa: N818
    """The process is gone."""


class Process:
    """One process: orders go in, answers and events come out."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.events: list[str] = []
        self.sent: list[str] = []
        """Texts that the process has stored, it says."""
        self.address, self.port = "", 0
        self._numbers = itertools.count(1)
        self._answers: dict[int, asyncio.Future[dict[str, Any]]] = {}
        self.changed = asyncio.Event()
        self.ready = asyncio.Event()
        self.over = asyncio.Event()
        self.pid = 0
        self._writer: asyncio.StreamWriter | None = None

    async def ask(self, do: str, **order: Any) -> dict[str, Any]:
        """Give an order; raises :class:`Died` when the process dies before it has answered."""
        async with asyncio.timeout(PATIENCE):
            answer = await self._begin(do, **order)
        if "fault" in answer:
            raise AssertionError(f"{self.name} cannot {do}: {answer['fault']}")
        return answer

    def _begin(self, do: str, **order: Any) -> asyncio.Future[dict[str, Any]]:
        """Give an order, and let the answer come."""
        number = next(self._numbers)
        future: asyncio.Future[dict[str, Any]] = asyncio.get_running_loop().create_future()
        if self.over.is_set() or self._writer is None:
            future.set_exception(Died(self.name))
            return future
        self._answers[number] = future
        self._writer.write(json.dumps({"do": do, "number": number, **order}).encode() + b"\n")
        return future

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Read what the process says, until it is gone."""
        self._writer = writer
        try:
            while line := await reader.readline():
                if not line.endswith(b"\n"):
                    break
                self._heard(json.loads(line))
        except ConnectionError:
            pass
        finally:
            self.over.set()
            self.ready.set()
            self.changed.set()
            for answer in self._answers.values():
                if not answer.done():
                    answer.set_exception(Died(self.name))
                    answer.exception()  # it may be that nobody waits
            writer.close()

    def _heard(self, message: dict[str, Any]) -> None:
        if (number := message.get("answer")) is not None:
            answer = self._answers.pop(number)
            if not answer.done():
                answer.set_result(message)
        elif "ready" in message:
            self.ready.set()
        elif "sent" in message:
            self.sent.append(message["sent"])
        else:
            self.events.append(message["event"])
        self.changed.set()

    async def kill(self) -> None:
        """SIGKILL, unless it is dead."""
        if not self.over.is_set():
            assert self.pid > 0  # 0 would be this process and all of its relatives
            with suppress(ProcessLookupError):
                os.kill(self.pid, signal.SIGKILL)
            await self.over.wait()


class World:
    """A zygote, a relay and the people."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._socket = str(folder / "socket")
        self._starting: dict[str, asyncio.Future[Process]] = {}
        self._all: list[Process] = []
        self._forking = asyncio.Lock()
        self.relay = Process("relay")

    async def __aenter__(self) -> Self:
        self._server = await asyncio.start_unix_server(self._came, self._socket, limit=1 << 24)
        self._zygote = await asyncio.create_subprocess_exec(
            sys.executable,
            "-m",
            "tests.torture.zygote",
            cwd=ROOT,
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
        )
        await self.start_relay()
        return self

    async def __aexit__(
        self, _kind: type[BaseException] | None, _error: BaseException | None, _trace: TracebackType | None
    ) -> None:
        for process in self._all:
            await process.kill()
        if self._zygote.stdin is not None:
            self._zygote.stdin.close()
        await self._zygote.wait()
        self._server.close()
        await self._server.wait_closed()

    async def start_relay(self) -> None:
        """Start the relay, always at the same port."""
        order = {"role": "relay", "name": "relay", "folder": str(self.folder / "relay"), "port": self.relay.port}
        self.relay = await self._start(order)

    async def person(self, name: str, *, kill_at: int | None = None) -> Process:
        """Start the client of a person; it is over or ready when this returns."""
        order = {
            "role": "person",
            "name": name,
            "folder": str(self.folder / name),
            "key": (name[0].encode() * 32).hex(),
            "server": self.relay.address,
            "kill_at": kill_at,
        }
        process = await self._start(order)
        async with asyncio.timeout(PATIENCE):
            await process.ready.wait()
        return process

    async def _start(self, order: dict[str, Any]) -> Process:
        name = order["name"]
        self._starting[name] = asyncio.get_running_loop().create_future()
        order |= {"socket": self._socket, "log": str(self.folder / f"{name}.log")}
        stdin, stdout = self._zygote.stdin, self._zygote.stdout
        assert stdin is not None
        assert stdout is not None
        async with self._forking:
            stdin.write(json.dumps(order).encode() + b"\n")
            pid = int(await stdout.readline())
        async with asyncio.timeout(PATIENCE):
            process = await self._starting[name]
        process.pid = pid
        self._all = [*(other for other in self._all if not other.over.is_set()), process]
        return process

    async def _came(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        hello = json.loads(await reader.readline())
        process = Process(hello["name"])
        process.address, process.port = hello.get("uri", ""), hello.get("port", 0)
        self._starting[hello["name"]].set_result(process)
        await process.serve(reader, writer)


async def until(condition: Callable[[], Any], *processes: Process, seconds: float = PATIENCE) -> Any:
    """Ask ``condition`` (which gives an awaitable) again with everything that happens, until it is true."""
    async with asyncio.timeout(seconds):
        while True:
            for process in processes:
                process.changed.clear()
            if result := await condition():
                return result
            waits = [asyncio.ensure_future(process.changed.wait()) for process in processes]
            try:
                # some facts (a delivery that needs no event) are looked for anyway
                await asyncio.wait(waits, timeout=0.1, return_when=asyncio.FIRST_COMPLETED)
            finally:
                for wait in waits:
                    wait.cancel()
