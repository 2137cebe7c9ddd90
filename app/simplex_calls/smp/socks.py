"""Connections through a SOCKS5 proxy, such as Tor: which one, and with which credentials.

The proxy looks the names up itself, so that no name leaves this computer otherwise. Tor keeps streams with different
credentials on different circuits: with :attr:`SocksProxy.isolate` every queue has credentials of its own, made at
random, and so cannot be told by its address to be another queue's neighbour.
"""

from __future__ import annotations

import os
import re
import socket
from dataclasses import dataclass, field
from typing import Self

import python_socks
from python_socks.async_.asyncio import Proxy

from simplex_calls.crypto import Random
from simplex_calls.smp.errors import AddressError, NetworkError

DEFAULT_HOST, DEFAULT_PORT = "127.0.0.1", 9050
"""Where Tor listens."""

_TEXT = re.compile(r"(?:([^\s:@/]+):([^\s:@/]+)@)?(\[[0-9A-Fa-f:.]+\]|[A-Za-z0-9_.-]+)?(?::([0-9]{1,5}))?", re.ASCII)
_CREDENTIAL_SIZE = 16


@dataclass(frozen=True, slots=True)
class SocksProxy:
    """A SOCKS5 proxy. Its own user name, if it has one, excludes isolation."""

    host: str = DEFAULT_HOST
    port: int = DEFAULT_PORT
    username: str | None = field(default=None, repr=False)
    password: str | None = field(default=None, repr=False)
    isolate: bool = True
    """Whether every queue has a connection and credentials of its own."""

    def __post_init__(self) -> None:
        if not 0 < self.port <= 0xFFFF:
            raise AddressError("proxy address: the port must be between 1 and 65535")
        if (self.username is None) != (self.password is None):
            raise AddressError("proxy address: a user name and a password belong together")

    @classmethod
    def parse(cls, text: str) -> Self:
        """Parse ``[user:password@]host[:port]``, or ``:port`` on this computer; raises :class:`AddressError`."""
        match = _TEXT.fullmatch(text.strip())
        if match is None or not text.strip():
            raise AddressError("proxy address must look like HOST:PORT")
        username, password, host, port = match.groups()
        return cls(
            (host or DEFAULT_HOST).strip("[]"),
            DEFAULT_PORT if port is None else int(port),
            username,
            password,
            isolate=username is None,
        )

    def __str__(self) -> str:
        """The address, without user name and password."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"{host}:{self.port}"

    @property
    def is_isolating(self) -> bool:
        """Whether connections are told apart by their credentials."""
        return self.isolate and self.username is None


@dataclass(frozen=True, slots=True)
class Credentials:
    """What a connection shows to the proxy."""

    username: str = field(repr=False)
    password: str = field(repr=False)

    @classmethod
    def make(cls, random: Random = os.urandom) -> Self:
        """New ones, that nobody else has."""
        return cls(random(_CREDENTIAL_SIZE).hex(), random(_CREDENTIAL_SIZE).hex())


async def open_socket(proxy: SocksProxy, credentials: Credentials | None, host: str, port: int) -> socket.socket:
    """A connection to ``host`` through the proxy; raises :class:`NetworkError`.

    ``credentials`` stand in for the proxy's own.
    """
    shown = credentials if credentials is not None and proxy.is_isolating else None
    client = Proxy(
        python_socks.ProxyType.SOCKS5,
        proxy.host,
        proxy.port,
        username=shown.username if shown else proxy.username,
        password=shown.password if shown else proxy.password,
        rdns=True,
    )
    try:
        return await client.connect(host, port)
    except python_socks.ProxyConnectionError:
        raise NetworkError("the SOCKS proxy was not reached: is it running?") from None
    except (python_socks.ProxyError, python_socks.ProxyTimeoutError, OSError, UnicodeError):
        raise NetworkError("the SOCKS proxy did not reach the server") from None
