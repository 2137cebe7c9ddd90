"""A connection that carries blocks, whatever is under it: TLS, or nothing at all in tests.

Both ends, client and relay, see the same interface.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Protocol

from simplex_calls.smp.address import ServerAddress
from simplex_calls.smp.errors import NetworkError
from simplex_calls.smp.transmission import BLOCK_SIZE


class Connection(Protocol):
    """One end of an open connection."""

    @property
    def session_id(self) -> bytes:
        """The channel binding (tls-unique), the same at both ends and different in every connection."""
        ...

    @property
    def peer_chain(self) -> tuple[bytes, ...]:
        """The other end's DER certificates, that whose key it proved to have first; none at the server, in memory."""
        ...

    @property
    def alpn(self) -> str | None:
        """The protocol name that both ends confirmed."""
        ...

    async def read_block(self) -> bytes:
        """The next block (16,384 bytes); raises :class:`NetworkError` once the connection is closed."""
        ...

    def write_block(self, block: bytes) -> None:
        """Queue a block for sending. On a closed connection it is dropped: the reader learns of it."""
        ...

    @property
    def takes_more(self) -> bool:
        """Whether the other end keeps up, so that :meth:`drain` would return at once."""
        ...

    async def drain(self) -> None:
        """Wait until the other end keeps up; raises :class:`NetworkError` if the connection is lost."""
        ...

    def close(self) -> None:
        """Close at once; a waiting :meth:`read_block` ends. May be called again."""
        ...

    async def wait_closed(self) -> None:
        """Wait until everything is released; raises nothing."""
        ...


Connector = Callable[[ServerAddress], Awaitable[Connection]]
"""Opens a connection to a server; raises :class:`NetworkError` or :class:`ServerIdentityError`."""

_MEMORY_LIMIT = 64  # blocks; as a socket's buffers, so that a reader that stops is noticed


class MemoryConnection:
    """One end of a connection within this process; see :func:`connect_in_memory`."""

    def __init__(self, session_id: bytes, alpn: str | None) -> None:
        self.session_id = session_id
        self.peer_chain: tuple[bytes, ...] = ()
        self.alpn = alpn
        self._peer: MemoryConnection = self
        self._incoming: asyncio.Queue[bytes | None] = asyncio.Queue()
        self._room = asyncio.Event()
        self._room.set()
        self._closed = False

    def join(self, peer: MemoryConnection) -> None:
        """Make ``peer`` the other end."""
        self._peer = peer

    async def read_block(self) -> bytes:
        """The next block; raises :class:`NetworkError`."""
        block = None if self._closed else await self._incoming.get()
        if block is None or self._closed:
            self._incoming.put_nowait(None)
            raise NetworkError("connection is closed")
        if self._incoming.qsize() < _MEMORY_LIMIT:
            self._room.set()
        return block

    def write_block(self, block: bytes) -> None:
        """Hand a block to the other end."""
        if len(block) != BLOCK_SIZE:
            raise ValueError(f"a block has {BLOCK_SIZE} bytes")
        if self._closed or self._peer._closed:
            return
        self._peer._incoming.put_nowait(bytes(block))
        if self._peer._incoming.qsize() >= _MEMORY_LIMIT:
            self._peer._room.clear()

    @property
    def takes_more(self) -> bool:
        """Whether the other end has room."""
        return self._peer._room.is_set() and not self._closed and not self._peer._closed

    async def drain(self) -> None:
        """Wait until the other end has room; raises :class:`NetworkError`."""
        if not self._closed:
            await self._peer._room.wait()
        if self._closed or self._peer._closed:
            raise NetworkError("connection is closed")

    def close(self) -> None:
        """Close; the other end reads what is on its way, then finds the end."""
        if self._closed:
            return
        self._closed = True
        self._room.set()
        self._peer._room.set()
        self._incoming.put_nowait(None)
        self._peer._incoming.put_nowait(None)

    async def wait_closed(self) -> None:
        """Return at once: nothing is left to release."""


def connect_in_memory(session_id: bytes, *, alpn: str | None = "smp/1") -> tuple[MemoryConnection, MemoryConnection]:
    """Two ends, back to back, without sockets or TLS: (client's, server's)."""
    client, server = MemoryConnection(session_id, alpn), MemoryConnection(session_id, alpn)
    client.join(server)
    server.join(client)
    return client, server
