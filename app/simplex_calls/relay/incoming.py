"""Connections that come in, from their first moment: TLS starts when they have been counted."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import Callable
from typing import cast

from simplex_calls.smp.errors import NetworkError
from simplex_calls.smp.tls import SHUTDOWN_TIMEOUT, STREAM_LIMIT, TLSConnection, keep_alive


class Incoming(asyncio.Protocol):
    """An open connection before TLS; handed to ``accept``, which calls :meth:`start_tls` or :meth:`abort`."""

    def __init__(self, accept: Callable[[Incoming], None]) -> None:
        self._accept = accept
        self._transport: asyncio.Transport | None = None
        self.place = ""
        """Where it came from, as far as clients are told apart: the address, or an IPv6 network's."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """asyncio: it is open. Nothing is read before TLS."""
        self._transport = cast("asyncio.Transport", transport)
        self._transport.pause_reading()
        self.place = _place(self._transport.get_extra_info("peername"))
        self._accept(self)

    def abort(self) -> None:
        """Close it at once."""
        if self._transport is not None:
            self._transport.abort()

    async def start_tls(self, context: ssl.SSLContext, seconds: float) -> TLSConnection:
        """Shake hands as a TLS server, within a time; raises :class:`NetworkError`, :class:`OSError`."""
        if self._transport is None or self._transport.is_closing():
            raise NetworkError("connection is closed")
        loop = asyncio.get_running_loop()
        reader = asyncio.StreamReader(limit=STREAM_LIMIT, loop=loop)
        protocol = asyncio.StreamReaderProtocol(reader, loop=loop)
        try:
            transport = await loop.start_tls(
                self._transport,
                protocol,
                context,
                server_side=True,
                ssl_handshake_timeout=seconds,
                ssl_shutdown_timeout=SHUTDOWN_TIMEOUT,
            )
        except BaseException:
            self._transport.abort()
            raise
        if transport is None:
            raise NetworkError("connection is closed")
        protocol.connection_made(transport)
        writer = asyncio.StreamWriter(transport, protocol, reader, loop)
        try:
            keep_alive(writer)
            return TLSConnection(reader, writer)
        except (NetworkError, OSError):
            transport.abort()
            raise


def _place(peer: object) -> str:
    host = str(peer[0]) if isinstance(peer, tuple) and peer else ""
    # whoever has one IPv6 address has the 2^64 beside it
    return ":".join(host.split(":")[:4]) if host.count(":") > 3 else host
