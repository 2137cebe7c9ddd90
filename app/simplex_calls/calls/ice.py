"""The servers that help two pages find a way to each other, as the user writes them and as WebRTC wants them. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any, Self
from urllib.parse import unquote

DEFAULT_ICE_SERVERS = ("stun:stun.simplex.im:443",)
"""The STUN server that the official apps use (their pages' ``defaultIceServers``); no TURN server of others."""

MAX_SERVERS = 16
_MAX_LENGTH = 512

_SERVER = re.compile(
    r"(?P<scheme>stuns?|turns?):(?://)?"
    r"(?:(?P<username>[^:@/?\s]+):(?P<credential>[^@/?\s]+)@)?"
    r"(?P<host>[A-Za-z0-9.-]+|\[[0-9A-Fa-f:.]+\])"
    r"(?::(?P<port>[0-9]{1,5}))?"
    r"(?P<query>\?transport=(?:udp|tcp))?",
    re.ASCII,
)


class IceServerError(ValueError):
    """A server's text is not understood; the error does not hold it, as it may have a password."""


@dataclass(frozen=True, slots=True)
class IceServer:
    """One STUN or TURN server."""

    url: str
    username: str | None = field(default=None, repr=False)
    credential: str | None = field(default=None, repr=False)

    @classmethod
    def parse(cls, text: str) -> Self:
        """Parse ``stun:host[:port]`` or ``turn:user:password@host[:port][?transport=udp|tcp]``.

        ``stuns`` and ``turns`` go over TLS. Special characters in user and password are percent-encoded. Raises
        :class:`IceServerError`.
        """
        found = _SERVER.fullmatch(text.strip()) if len(text) <= _MAX_LENGTH else None
        if found is None:
            raise IceServerError("a server is written stun:host:port or turn:user:password@host:port")
        port = found["port"]
        if port is not None and not 0 < int(port) < 65536:
            raise IceServerError("a server's port is a number from 1 to 65535")
        is_turn = found["scheme"].startswith("turn")
        if is_turn and found["credential"] is None:
            raise IceServerError("a TURN server needs a user and a password: turn:user:password@host:port")
        if not is_turn and (found["credential"] is not None or found["query"] is not None):
            raise IceServerError("a STUN server has no user, password or transport: stun:host:port")
        url = f"{found['scheme']}:{found['host']}" + (f":{port}" if port else "") + (found["query"] or "")
        if not is_turn:
            return cls(url)
        return cls(url, unquote(found["username"]), unquote(found["credential"]))

    @property
    def is_relay(self) -> bool:
        """Whether media can go through it (TURN)."""
        return self.url.startswith("turn")

    def to_page(self) -> dict[str, Any]:
        """The RTCIceServer of the page."""
        value: dict[str, Any] = {"urls": [self.url]}
        if self.username is not None:
            value |= {"username": self.username, "credential": self.credential}
        return value


@dataclass(frozen=True, slots=True)
class IceConfig:
    """Servers, and whether media may go through relays only (which hides one's IP address from the contact)."""

    servers: tuple[IceServer, ...] = ()
    relay_only: bool = False

    @classmethod
    def parse(cls, texts: Iterable[str], *, relay_only: bool = False) -> Self:
        """Parse the settings; raises :class:`IceServerError`."""
        servers = tuple(IceServer.parse(text) for text in texts)
        if len(servers) > MAX_SERVERS:
            raise IceServerError(f"there can be at most {MAX_SERVERS} servers")
        if relay_only and not any(server.is_relay for server in servers):
            raise IceServerError("calls through relays only need a TURN server")
        return cls(servers, relay_only)

    def to_page(self) -> dict[str, Any]:
        """``iceServers`` and ``relay`` of the page's commands."""
        return {"iceServers": [server.to_page() for server in self.servers], "relay": self.relay_only}
