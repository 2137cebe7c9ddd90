"""A SOCKS5 proxy that forwards everything to one port of this computer, and remembers what it was asked."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator
from dataclasses import dataclass, field

from simplex_calls.smp.socks import SocksProxy


@dataclass
class SocksServer:
    target: int
    """The port that every connection ends at."""
    refused: set[str] = field(default_factory=set)
    asked: list[tuple[str, int, str | None]] = field(default_factory=list)
    """(host, port, user name) of every connection."""
    _tasks: set[asyncio.Task[None]] = field(default_factory=set)

    @contextlib.asynccontextmanager
    async def listening(self) -> AsyncIterator[SocksProxy]:
        def on_connection(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            task = asyncio.get_running_loop().create_task(self._serve(reader, writer))
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)

        server = await asyncio.start_server(on_connection, "127.0.0.1", 0)
        try:
            yield SocksProxy("127.0.0.1", server.sockets[0].getsockname()[1])
        finally:
            server.close()
            for task in self._tasks:
                task.cancel()
            await asyncio.gather(*self._tasks, return_exceptions=True)
            await server.wait_closed()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        ends = [writer]
        try:
            _, count = await reader.readexactly(2)
            methods = await reader.readexactly(count)
            username: str | None = None
            if 2 in methods:
                writer.write(b"\x05\x02")
                _, size = await reader.readexactly(2)
                username = (await reader.readexactly(size)).decode()
                (size,) = await reader.readexactly(1)
                assert await reader.readexactly(size) != username.encode()
                writer.write(b"\x01\x00")
            else:
                writer.write(b"\x05\x00")
            _, _, _, kind = await reader.readexactly(4)
            if kind == 1:
                host = ".".join(str(byte) for byte in await reader.readexactly(4))
            else:
                (size,) = await reader.readexactly(1)
                host = (await reader.readexactly(size)).decode()
            port = int.from_bytes(await reader.readexactly(2), "big")
            self.asked.append((host, port, username))
            if host in self.refused:
                writer.write(b"\x05\x04\x00\x01\x00\x00\x00\x00\x00\x00")
                return
            there, back = await asyncio.open_connection("127.0.0.1", self.target)
            ends.append(back)
            writer.write(b"\x05\x00\x00\x01\x00\x00\x00\x00\x00\x00")
            await asyncio.gather(_pump(reader, back), _pump(there, writer))
        except (OSError, EOFError):
            pass
        finally:
            for end in ends:
                end.close()
            for end in ends:
                with contextlib.suppress(OSError):
                    await end.wait_closed()


async def _pump(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    while data := await reader.read(65536):
        writer.write(data)
        await writer.drain()
    writer.close()
