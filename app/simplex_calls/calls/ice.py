"""The servers that help two pages find a way to each other, as the user writes them and as WebRTC wants them. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from enum import Enum
from typing import Any, Self
from urllib.parse import unquote

from simplex_calls.crypto import Random
from simplex_calls.stun import Transport, time_limited

DEFAULT_ICE_SERVERS = ("stun:stun.simplex.im:443",)
"""The STUN server that the official apps use (their pages' ``defaultIceServers``); no TURN server of others."""

MAX_SERVERS = 16
CREDENTIAL_SECONDS = 24 * 3600
"""How long credentials made of a shared secret are taken: longer than a call, as a relay is asked anew within it."""
_MAX_LENGTH = 512
_NAME_SIZE = 8
_PORT, _TLS_PORT = 3478, 5349

_SERVER = re.compile(
    r"(?P<scheme>stuns?|turns?):(?://)?"
    r"(?:(?P<username>[^:@/?\s]*):(?P<credential>[^@/?\s]+)@)?"
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
    secret: str | None = field(default=None, repr=False)
    """Shared with the server: :meth:`fresh` makes user and password of it."""

    @classmethod
    def parse(cls, text: str) -> Self:
        """Parse ``stun:host[:port]`` or ``turn:user:password@host[:port][?transport=udp|tcp]``.

        ``turn::secret@host`` has a secret that is shared with the server in the place of a password
        (``docs/protocol.md``, "A code of servers"). ``stuns`` and ``turns`` go over TLS. Special characters in user,
        password and secret are percent-encoded. Raises :class:`IceServerError`.
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
        credential = unquote(found["credential"])
        if not found["username"]:
            return cls(url, secret=credential)
        return cls(url, unquote(found["username"]), credential)

    @property
    def is_relay(self) -> bool:
        """Whether media can go through it (TURN)."""
        return self.url.startswith("turn")

    @property
    def host(self) -> str:
        """Its name or address, an IPv6 address without brackets."""
        return self._parts()["host"].strip("[]")

    @property
    def port(self) -> int:
        """Its port; those of RFC 7064 and 7065 where none is written."""
        written = self._parts()["port"]
        if written:
            return int(written)
        return _TLS_PORT if self.transport is Transport.TLS else _PORT

    @property
    def transport(self) -> Transport:
        """How it is spoken to."""
        parts = self._parts()
        if parts["scheme"].endswith("s"):
            return Transport.TLS
        return Transport.TCP if parts["query"] == "?transport=tcp" else Transport.UDP

    def _parts(self) -> dict[str, str]:
        found = _SERVER.fullmatch(self.url)
        if found is None:
            raise IceServerError("a server is written stun:host:port or turn:user:password@host:port")
        return {name: value or "" for name, value in found.groupdict().items()}

    def fresh(self, now: float, random: Random) -> Self:
        """With user and password for one call: those of a shared secret are made anew, for a random name."""
        if self.secret is None:
            return self
        made = time_limited(self.secret, random(_NAME_SIZE).hex(), now + CREDENTIAL_SECONDS)
        return replace(self, username=made.username, credential=made.password, secret=None)

    def to_page(self) -> dict[str, Any]:
        """The RTCIceServer of the page."""
        value: dict[str, Any] = {"urls": [self.url]}
        if self.username is not None:
            value |= {"username": self.username, "credential": self.credential}
        return value


class RelayPolicy(Enum):
    """Which calls go through TURN servers only, so that the contact does not learn the user's IP address."""

    ALWAYS = "always"
    UNVERIFIED = "unverified"
    """Those with contacts whose security code was not compared."""
    NEVER = "never"

    def hides(self, *, is_verified: bool) -> bool:
        """Whether calls with such a contact go through relays only."""
        return self is RelayPolicy.ALWAYS or (self is RelayPolicy.UNVERIFIED and not is_verified)


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
        config = cls(servers, relay_only)
        if relay_only and not config.has_relay:
            raise IceServerError("calls through relays only need a TURN server")
        return config

    @property
    def has_relay(self) -> bool:
        """Whether media can go through one of the servers."""
        return any(server.is_relay for server in self.servers)

    def fresh(self, now: float, random: Random) -> Self:
        """With credentials for one call."""
        return replace(self, servers=tuple(server.fresh(now, random) for server in self.servers))

    def to_page(self) -> dict[str, Any]:
        """``iceServers`` and ``relay`` of the page's commands.

        Where everything goes through relays, servers that only tell addresses are left out: nobody asks them.
        """
        servers = [server.to_page() for server in self.servers if server.is_relay or not self.relay_only]
        return {"iceServers": servers, "relay": self.relay_only}
