"""Which of a server's hosts to connect to, and how: directly or through a SOCKS proxy.

A host that does not answer must not use up the time of the others: when one is silent for a while the next is tried
beside it, and the first connection that stands is taken. Onion hosts are reached through the proxy only, where they
come first: they are the server without an exit from Tor.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import ssl
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any

from simplex_calls.smp.address import ServerAddress
from simplex_calls.smp.errors import NetworkError, NotAnSMPServerError
from simplex_calls.smp.socks import Credentials, SocksProxy, open_socket
from simplex_calls.smp.tls import SHUTDOWN_TIMEOUT, STREAM_LIMIT, TLSConnection, client_context, keep_alive

NEXT_HOST_AFTER = 2.0
"""Seconds that a host may be silent before the next is tried beside it."""
NEXT_HOST_AFTER_BY_PROXY = 8.0
"""The same through a proxy: Tor takes seconds to build a circuit."""
_NEXT_ADDRESS_AFTER = 0.25  # seconds, between the addresses of one host name (RFC 8305)

_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class TLSConnector:
    """Opens connections to servers; see ``connection.Connector``."""

    proxy: SocksProxy | None = None
    credentials: Credentials | None = field(default=None, repr=False)
    prefer_onion: bool = True
    context: ssl.SSLContext | None = field(default=None, repr=False)

    async def __call__(self, server: ServerAddress) -> TLSConnection:
        """Connect to the first of the server's hosts that answers; raises :class:`NetworkError`."""
        hosts = usable_hosts(server, by_proxy=self.proxy is not None, prefer_onion=self.prefer_onion)
        if not hosts:
            raise NetworkError("server can be reached through Tor only: set up its SOCKS proxy in the settings")
        context = client_context() if self.context is None else self.context
        pause = NEXT_HOST_AFTER if self.proxy is None else NEXT_HOST_AFTER_BY_PROXY
        port = server.effective_port
        return await first_of([partial(self._connect, host, port, context) for host in hosts], pause)

    async def _connect(self, host: str, port: int, context: ssl.SSLContext) -> TLSConnection:
        # No host name is sent in the clear (no SNI): servers that also serve web pages on the port tell the protocols
        # apart by it.
        try:
            if self.proxy is None:
                reader, writer = await asyncio.open_connection(
                    host,
                    port,
                    ssl=context,
                    server_hostname="",
                    limit=STREAM_LIMIT,
                    ssl_shutdown_timeout=SHUTDOWN_TIMEOUT,
                    happy_eyeballs_delay=_NEXT_ADDRESS_AFTER,
                )
            else:
                sock = await open_socket(self.proxy, self.credentials, host, port)
                reader, writer = await asyncio.open_connection(
                    sock=sock,
                    ssl=context,
                    server_hostname="",
                    limit=STREAM_LIMIT,
                    ssl_shutdown_timeout=SHUTDOWN_TIMEOUT,
                )
        except ssl.SSLError:
            raise NotAnSMPServerError("server does not speak TLS as SMP servers do") from None
        except (OSError, UnicodeError) as error:  # the latter for a name that is no host name
            _log.debug("a host of a server was not reached: %s", type(error).__name__)
            raise NetworkError("server was not reached: is it running, and is this computer online?") from None
        keep_alive(writer)
        return TLSConnection(reader, writer)


connect_tls = TLSConnector()
"""Connects directly."""


def usable_hosts(server: ServerAddress, *, by_proxy: bool, prefer_onion: bool = True) -> list[str]:
    """The hosts of a server that can be reached, in the order in which to try them."""
    onion = [host for host in server.hosts if is_onion(host)]
    public = [host for host in server.hosts if not is_onion(host)]
    if not by_proxy:
        return public
    return onion + public if prefer_onion else public + onion


def is_onion(host: str) -> bool:
    """Whether a host is in Tor's network."""
    return host.lower().rstrip(".").endswith(".onion")


async def first_of(
    attempts: Sequence[Callable[[], Awaitable[TLSConnection]]],
    pause: float,
    *,
    sleep: Callable[[float], Awaitable[object]] = asyncio.sleep,
) -> TLSConnection:
    """The first connection that stands. Each attempt starts when the one before failed, or after ``pause`` seconds.

    Raises the last attempt's :class:`NetworkError` if none succeeds; nothing is left open.
    """
    loop = asyncio.get_running_loop()
    waiting = list(attempts)
    running: set[asyncio.Future[TLSConnection]] = set()
    timer: asyncio.Task[object] | None = None
    failure = NetworkError("server has no host to connect to")
    try:
        while waiting or running:
            if waiting and timer is None:
                running.add(asyncio.ensure_future(waiting.pop(0)()))
                timer = loop.create_task(_wait(sleep, pause)) if waiting else None
            awaited: set[asyncio.Future[Any]] = {*running, timer} if timer else {*running}
            await asyncio.wait(awaited, return_when=asyncio.FIRST_COMPLETED)
            for attempt in [attempt for attempt in running if attempt.done()]:
                error = attempt.exception()
                if error is None:
                    running.discard(attempt)
                    return attempt.result()
                if not isinstance(error, NetworkError):
                    raise error
                running.discard(attempt)
                failure = error
                if timer is not None:
                    timer.cancel()
                timer = None
            if timer is not None and timer.done():
                timer = None
        raise failure.with_traceback(None)
    finally:
        if timer is not None:
            timer.cancel()
        for attempt in running:
            attempt.cancel()
            attempt.add_done_callback(_discard)


async def _wait(sleep: Callable[[float], Awaitable[object]], seconds: float) -> object:
    return await sleep(seconds)


def _discard(attempt: asyncio.Future[TLSConnection]) -> None:
    """Close a connection that came too late."""
    if not attempt.cancelled() and attempt.exception() is None:
        with contextlib.suppress(OSError):
            attempt.result().close()
