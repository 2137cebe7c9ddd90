"""What the relay needs of a client's connection, and that of a connection within this process."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Protocol

from simplex_calls.smp.connection import Connection, MemoryConnection
from simplex_calls.smp.errors import NetworkError


class Wire(Connection, Protocol):
    """A connection that hands on its blocks, once the handshake is done."""

    def receive(
        self, on_block: Callable[[bytes], None], on_lost: Callable[[], None], on_drained: Callable[[], None]
    ) -> None:
        """From now on call ``on_block`` with every block, ``on_drained`` when all that waited has left.

        ``on_lost`` is called once, when the connection is closed by either end, never before this returns.
        """
        ...

    def pause(self) -> None:
        """Hand on nothing for now."""
        ...

    def resume(self) -> None:
        """Hand on blocks again."""
        ...

    @property
    def backlog(self) -> int:
        """Blocks that were written and are not on their way yet."""
        ...

    def stuck_for(self, now: float) -> float:
        """For how many seconds a block, in or out, has been waiting for its rest; ``now`` is the loop's time."""
        ...

    def abort(self) -> None:
        """Close at once; what was written may be lost."""
        ...


class MemoryWire:
    """A :class:`Wire` of one end of a connection in memory."""

    def __init__(self, connection: MemoryConnection) -> None:
        self._connection = connection
        self.session_id = connection.session_id
        self.peer_chain = connection.peer_chain
        self.alpn = connection.alpn
        self._outbox: list[bytes] = []
        self._blocked_at = 0.0
        self._may_read = asyncio.Event()
        self._may_read.set()
        self._tasks: list[asyncio.Task[None]] = []
        self._has_output = asyncio.Event()
        self._on_lost: Callable[[], None] | None = None

    async def read_block(self) -> bytes:
        """See :class:`Connection`; for the handshake."""
        return await self._connection.read_block()

    def write_block(self, block: bytes) -> None:
        """Send a block, after those that wait."""
        if not self._outbox and self._connection.takes_more:
            self._connection.write_block(block)
            return
        if not self._outbox:
            self._blocked_at = asyncio.get_running_loop().time()
        self._outbox.append(block)
        self._has_output.set()

    @property
    def takes_more(self) -> bool:
        """Whether all that was written is on its way."""
        return not self._outbox and self._connection.takes_more

    @property
    def backlog(self) -> int:
        """Blocks that wait."""
        return len(self._outbox)

    async def drain(self) -> None:
        """See :class:`Connection`; for the handshake."""
        await self._connection.drain()

    def receive(
        self, on_block: Callable[[bytes], None], on_lost: Callable[[], None], on_drained: Callable[[], None]
    ) -> None:
        """See :class:`Wire`."""
        self._on_lost = on_lost
        self._tasks = [
            asyncio.create_task(self._read(on_block), name="relay: client in memory"),
            asyncio.create_task(self._write(on_drained), name="relay: output in memory"),
        ]

    def pause(self) -> None:
        """See :class:`Wire`."""
        self._may_read.clear()

    def resume(self) -> None:
        """See :class:`Wire`."""
        self._may_read.set()

    def stuck_for(self, now: float) -> float:
        """See :class:`Wire`."""
        return now - self._blocked_at if self._outbox else 0.0

    def close(self) -> None:
        """Close at once; the other end reads what is on its way."""
        self._connection.close()
        self._outbox.clear()
        self._may_read.set()
        for task in self._tasks[1:]:
            task.cancel()

    def abort(self) -> None:
        """See :meth:`close`."""
        self.close()

    async def wait_closed(self) -> None:
        """Wait until nothing is running."""
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _read(self, on_block: Callable[[bytes], None]) -> None:
        try:
            while True:
                await self._may_read.wait()
                on_block(await self._connection.read_block())
        except NetworkError:
            self.close()
        finally:
            if self._on_lost is not None:
                self._on_lost()

    async def _write(self, on_drained: Callable[[], None]) -> None:
        try:
            while True:
                await self._has_output.wait()
                self._has_output.clear()
                while self._outbox:
                    await self._connection.drain()
                    self._connection.write_block(self._outbox.pop(0))
                    self._blocked_at = asyncio.get_running_loop().time()
                on_drained()
        except NetworkError:
            self.close()
