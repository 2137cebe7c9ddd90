"""Short links as text and as bytes: where to get a link's data, and the key to read it.

``https://HOST/i#ID/KEY?…`` for a one-time invitation, ``https://HOST/a#KEY?…`` for a contact address, or the same
after ``simplex:`` with the host in the query. The query has the server's other hosts, port and fingerprint; servers
that every app knows (preset ones) are named by their first host alone. What is behind a link: :mod:`.short_links`.
Source: agent-protocol.md ("Short invitation links"), and the official agent for the server's part.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from enum import Enum
from typing import Self

from simplex_calls.agent.link_errors import LinkError, LinkFault
from simplex_calls.agent.queue_address import read_query, write_query
from simplex_calls.smp.address import FINGERPRINT_SIZE, ServerAddress
from simplex_calls.smp.encoding import Reader, base64url, from_base64url, items, short
from simplex_calls.smp.errors import DecodeError

LINK_KEY_SIZE = 32

# what a server without a port can be reached at, for apps that know it
_PRESET_PORTS = (None, 443, 5223)

_URI = re.compile(
    r"(?:simplex:|https://(?P<host>\[[0-9A-Fa-f:.]+\]|[^:#,;/?\s]+))/(?P<kind>[A-Za-z])/?#"
    r"(?P<parts>[A-Za-z0-9_=/-]+)(?:\?(?P<query>[^ \n]*))?"
)


class ShortLinkKind(Enum):
    """What a short link is of, by its letter."""

    INVITATION = "i"
    CONTACT = "a"
    CHANNEL = "c"
    GROUP = "g"
    RELAY = "r"


@dataclass(frozen=True, slots=True)
class LinkServer:
    """A server as short links name it: in full, or by its host alone if every app knows it."""

    hosts: tuple[str, ...]
    port: int | None = None
    fingerprint: bytes | None = None

    def __post_init__(self) -> None:
        # the same rules as everywhere
        ServerAddress(self.hosts, self.port, self.fingerprint or bytes(FINGERPRINT_SIZE))
        if self.fingerprint == b"":
            raise DecodeError("server address: the fingerprint must have 32 bytes")

    @classmethod
    def of(cls, address: ServerAddress) -> Self:
        """A server in full."""
        return cls(address.hosts, address.port, address.fingerprint)

    @property
    def is_name_only(self) -> bool:
        """Whether this is only the name of a preset server."""
        return len(self.hosts) == 1 and self.port is None and self.fingerprint is None

    def shortened(self, presets: Iterable[ServerAddress]) -> Self:
        """The name alone if this is one of ``presets``, else as it is."""
        preset = _find(self, presets)
        if (
            preset is not None
            and set(self.hosts) <= set(preset.hosts)
            and (self.port == preset.port or (preset.port is None and self.port in _PRESET_PORTS))
            and self.fingerprint == preset.fingerprint
        ):
            return type(self)(self.hosts[:1])
        return self

    def address(self, presets: Iterable[ServerAddress]) -> ServerAddress:
        """The server in full; raises :class:`LinkError` for a name that is none of ``presets``."""
        if self.fingerprint is not None:
            return ServerAddress(self.hosts, self.port, self.fingerprint)
        preset = _find(self, presets) if self.is_name_only else None
        if preset is None:
            raise LinkError(LinkFault.UNKNOWN_SERVER)
        return ServerAddress(preset.hosts, preset.port, preset.fingerprint)

    def encode(self) -> bytes:
        """The binary form: that of server addresses, where the fingerprint may be empty."""
        hosts = items(short(host.encode()) for host in self.hosts)
        return hosts + short(b"" if self.port is None else str(self.port).encode()) + short(self.fingerprint or b"")

    @classmethod
    def read(cls, reader: Reader) -> Self:
        """Read the binary form; raises :class:`DecodeError`."""
        hosts, port, fingerprint = reader.nonempty(reader.short), reader.short(), reader.short()
        whole = items(short(host) for host in hosts) + short(port) + short(fingerprint or bytes(FINGERPRINT_SIZE))
        address = ServerAddress.decode(whole)
        return cls(address.hosts, address.port, address.fingerprint if fingerprint else None)


def _find(server: LinkServer, presets: Iterable[ServerAddress]) -> ServerAddress | None:
    return next((preset for preset in presets if preset.hosts[0] == server.hosts[0]), None)


@dataclass(frozen=True, slots=True)
class ShortLink:
    """A short link. ``link_id`` is empty but for invitations: that of an address follows from its key."""

    kind: ShortLinkKind
    server: LinkServer
    link_key: bytes = field(repr=False)
    link_id: bytes = field(default=b"", repr=False)

    def __post_init__(self) -> None:
        if len(self.link_key) != LINK_KEY_SIZE:
            raise DecodeError("short link has no valid key")
        if bool(self.link_id) != (self.kind is ShortLinkKind.INVITATION) or len(self.link_id) > 0xFF:
            raise DecodeError("short link has no valid id")

    def __str__(self) -> str:
        """The link as official apps write it, ``https://`` and the server's first host."""
        host = self.server.hosts[0]
        return self._write(f"https://{f'[{host}]' if ':' in host else host}", self.server.hosts[1:])

    @property
    def simplex(self) -> str:
        """The same link starting with ``simplex:``."""
        return self._write("simplex:", self.server.hosts)

    def _write(self, authority: str, hosts: tuple[str, ...]) -> str:
        query = [("h", ",".join(hosts))] if hosts else []
        if self.server.port is not None:
            query.append(("p", str(self.server.port)))
        if self.server.fingerprint is not None:
            query.append(("c", _unpadded(self.server.fingerprint)))
        link_id = f"{_unpadded(self.link_id)}/" if self.link_id else ""
        text = f"{authority}/{self.kind.value}#{link_id}{_unpadded(self.link_key)}"
        return f"{text}?{write_query(query)}" if query else text

    @classmethod
    def looks_like(cls, text: str) -> bool:
        """Whether ``text`` means to be a short link, a whole one or not."""
        return re.match(r"(?:simplex:|https://[^#?/\s]+)/[iacgrACGR]/?#.", text) is not None

    @classmethod
    def parse(cls, text: str) -> Self:
        """Parse the text in either form; raises :class:`DecodeError`. Unknown parameters are ignored."""
        match = _URI.fullmatch(text)
        if match is None:
            raise DecodeError("short link must look like https://HOST/i#ID/KEY or https://HOST/a#KEY")
        kind = _parse_kind(match["kind"])
        link_id, slash, key = match["parts"].rpartition("/")
        if bool(slash) != (kind is ShortLinkKind.INVITATION):
            raise DecodeError("short link must have an id if it is an invitation, and only then")
        server = _parse_server(match["host"], read_query(match["query"]) if match["query"] is not None else {})
        return cls(kind, server, from_base64url(key), from_base64url(link_id))

    def shortened(self, presets: Iterable[ServerAddress]) -> Self:
        """The link with a server that every app knows by its name alone."""
        return replace(self, server=self.server.shortened(presets))

    def encode(self) -> bytes:
        """The binary form."""
        if self.kind is ShortLinkKind.INVITATION:
            return b"I" + self.server.encode() + short(self.link_id) + short(self.link_key)
        return b"C" + str(self.kind.value).upper().encode() + self.server.encode() + short(self.link_key)

    @classmethod
    def read(cls, reader: Reader) -> Self:
        """Read the binary form; raises :class:`DecodeError`."""
        match reader.take(1):
            case b"I":
                server, link_id = LinkServer.read(reader), reader.short()
                return cls(ShortLinkKind.INVITATION, server, reader.short(), link_id)
            case b"C":
                kind = reader.take(1).decode("latin-1")
                if kind not in ("A", "C", "G", "R"):
                    raise DecodeError("short link is of an unknown kind")
                return cls(ShortLinkKind(kind.lower()), LinkServer.read(reader), reader.short())
        raise DecodeError("short link is neither an invitation nor an address")


def _unpadded(data: bytes) -> str:
    return base64url(data).rstrip("=")


def _parse_kind(letter: str) -> ShortLinkKind:
    # capital letters are read where official apps read them
    if letter == "I":
        raise DecodeError("short link is of an unknown kind")
    try:
        return ShortLinkKind(letter.lower())
    except ValueError:
        raise DecodeError("short link is of an unknown kind") from None


def _parse_server(host: str | None, query: dict[str, str]) -> LinkServer:
    hosts = [] if host is None else [_unbracket(host)]
    hosts += [_unbracket(other) for other in query.get("h", "").split(",") if other]
    if not hosts:
        raise DecodeError("short link has no server")
    port = query.get("p")
    if port is not None and re.fullmatch(r"[0-9]{1,5}", port, re.ASCII) is None:
        raise DecodeError("short link: the port is not a number")
    # an empty fingerprint is as none
    fingerprint = from_base64url(query.get("c", "")) or None
    return LinkServer(tuple(hosts), None if port is None else int(port), fingerprint)


def _unbracket(host: str) -> str:
    return host[1:-1] if host.startswith("[") and host.endswith("]") else host
