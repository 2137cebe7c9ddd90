"""The relay's ports, and how many connections are let in: in all, and from one place."""

from __future__ import annotations

import asyncio
import contextlib
import errno
import ipaddress
import logging
import os
import socket
from collections import Counter
from collections.abc import Callable, Sequence

from simplex_calls.relay.config import RelayError

_log = logging.getLogger(__name__)

_BACKLOG = 128
"""Connections that the system keeps until they are accepted."""
_AT_ONCE = 16
"""Connections that are accepted before others have their turn."""
_PAUSE = 1.0
"""Seconds without accepting after the system had no file or memory left for a connection."""
_BUFFER = 256 << 10
"""Bytes that the system keeps of a connection, each way."""


class Listening:
    """Ports that are open until :meth:`close`; each new socket goes to ``accept`` with its place."""

    def __init__(self, sockets: Sequence[socket.socket], accept: Callable[[socket.socket, str], None]) -> None:
        self._sockets = list(sockets)
        self._accept = accept
        self._loop = asyncio.get_running_loop()
        self._timer: asyncio.TimerHandle | None = None
        self.port: int = sockets[0].getsockname()[1]
        """The port that all of them have."""
        self._start()

    @classmethod
    async def open(cls, hosts: Sequence[str], port: int, accept: Callable[[socket.socket, str], None]) -> Listening:
        """Listen at every address of ``hosts``, all at the same port (0: any); raises :class:`RelayError`."""
        loop = asyncio.get_running_loop()
        sockets: list[socket.socket] = []
        try:
            for host in hosts:
                found = await loop.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
                for family, kind, protocol, _, address in dict.fromkeys(found):
                    at = (address[0], sockets[0].getsockname()[1] if sockets else port, *address[2:])
                    sockets.append(_listen(family, kind, protocol, at))
        except (OSError, UnicodeError) as error:
            for opened in sockets:
                opened.close()
            raise RelayError(f"port {port} of {host} cannot be opened: {_reason(error)}; choose another one") from None
        return cls(sockets, accept)

    def close(self) -> None:
        """Close the ports. May be called again."""
        self._stop()
        for listening in self._sockets:
            listening.close()
        self._sockets.clear()

    def _start(self) -> None:
        self._timer = None
        for listening in self._sockets:
            self._loop.add_reader(listening.fileno(), self._incoming, listening)

    def _stop(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        for listening in self._sockets:
            self._loop.remove_reader(listening.fileno())

    def _incoming(self, listening: socket.socket) -> None:
        for _ in range(_AT_ONCE):
            try:
                sock, peer = listening.accept()
            except (BlockingIOError, InterruptedError, ConnectionError):
                return
            except OSError as error:
                # most of all: no file is left. Others may close some meanwhile; the system keeps those who wait
                _log.warning("connections cannot be accepted for now: %s", os.strerror(error.errno or 0))
                self._stop()
                self._timer = self._loop.call_later(_PAUSE, self._start)
                return
            self._accept(sock, place_of(peer))


class Places:
    """Counts connections by their places: ``limit`` in all, a part of them from one place other than this machine."""

    def __init__(self, limit: int, share: int) -> None:
        self._limit = limit
        self._share = share
        self._total = 0
        self._by_place: Counter[str] = Counter()

    def __len__(self) -> int:
        return self._total

    @property
    def is_full(self) -> bool:
        """Whether no more are let in, wherever they come from."""
        return self._total >= self._limit

    def enter(self, place: str) -> bool:
        """Count a connection, if it may come in."""
        if self.is_full or (self._by_place[place] >= self._share and not is_local(place)):
            self._forget(place)
            return False
        self._total += 1
        self._by_place[place] += 1
        return True

    def leave(self, place: str) -> None:
        """A connection that was let in is closed."""
        self._total -= 1
        self._by_place[place] -= 1
        self._forget(place)

    def _forget(self, place: str) -> None:
        if not self._by_place[place]:
            del self._by_place[place]


def place_of(peer: object) -> str:
    """Where a connection came from, as far as clients are told apart: the address, or an IPv6 network's."""
    host = str(peer[0]) if isinstance(peer, tuple) and peer else ""
    # whoever has one IPv6 address has the 2^64 beside it
    try:
        address = ipaddress.IPv6Address(host.partition("%")[0])
    except ValueError:
        return host
    if address.ipv4_mapped is not None:
        return str(address.ipv4_mapped)
    return host if address.is_loopback else str(ipaddress.IPv6Network((int(address) >> 64 << 64, 64)))


def is_local(place: str) -> bool:
    """Whether it is this machine, whose programs (or a Tor daemon) speak for many people."""
    with contextlib.suppress(ValueError):
        return not place or ipaddress.ip_address(place).is_loopback
    return False


def _listen(family: int, kind: int, protocol: int, address: tuple[object, ...]) -> socket.socket:
    listening = socket.socket(family, kind, protocol)
    try:
        listening.settimeout(0)
        listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if family == socket.AF_INET6:
            listening.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
        # accepted sockets inherit these; a client that does not read takes no more of the system's memory
        for option in (socket.SO_SNDBUF, socket.SO_RCVBUF):
            listening.setsockopt(socket.SOL_SOCKET, option, _BUFFER)
        listening.bind(address)
        listening.listen(_BACKLOG)
    except OSError:
        listening.close()
        raise
    return listening


def _reason(error: OSError | UnicodeError) -> str:
    """What the system says, without the address."""
    if not isinstance(error, OSError) or isinstance(error, socket.gaierror):
        return "there is no such address"
    if error.errno == errno.EADDRINUSE:
        return "it is in use"
    return os.strerror(error.errno) if error.errno else "there is no such address"
