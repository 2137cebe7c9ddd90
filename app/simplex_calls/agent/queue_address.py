"""Addresses of queues as agents tell them to one another: in links (text) and in agent messages (binary).

Sources: simplex-messaging.md ("SMP queue URI"), agent-protocol.md ("SMPQueueInfo"), and for what changed between
client versions the version history of the official client.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Self
from urllib.parse import quote, unquote_to_bytes

from simplex_calls.crypto import CryptoError, X25519PublicKey
from simplex_calls.smp.address import ServerAddress
from simplex_calls.smp.commands import QueueMode
from simplex_calls.smp.encoding import (
    Reader,
    VersionRange,
    base64url,
    boolean,
    from_base64url,
    public_key,
    short,
    word16,
)
from simplex_calls.smp.errors import DecodeError

_HOST_LIST_VERSION = 2
_SENDER_CAN_SECURE_VERSION = 3
_QUEUE_MODE_VERSION = 4

_URI = re.compile(
    r"(?P<server>smp://[^/#?\s]+)/(?P<sender>[A-Za-z0-9_-]+=*)/?#"
    r"(?P<key>[A-Za-z0-9_-]+=*)?(?:/?\?(?P<query>[^ \n]*))?"
)


@dataclass(frozen=True, slots=True)
class QueueInfo:
    """A queue to send to, at one SMP client version. ``mode`` is None where the other side did not tell it."""

    version: int
    server: ServerAddress
    sender_id: bytes = field(repr=False)
    dh_key: X25519PublicKey
    mode: QueueMode | None

    @property
    def sender_can_secure(self) -> bool:
        """Whether the sender secures the queue by itself (``SKEY``)."""
        return self.mode is QueueMode.MESSAGING

    @property
    def address(self) -> QueueAddress:
        """What names the queue."""
        return QueueAddress(self.server, self.sender_id)

    def encode(self) -> bytes:
        """The binary form of its version."""
        # version 1 knows one host only
        server = _single_host(self.server).encode()[1:] if self.version < _HOST_LIST_VERSION else self.server.encode()
        encoded = word16(self.version) + server + short(self.sender_id) + public_key(self.dh_key)
        if self.version >= _QUEUE_MODE_VERSION:
            return encoded + _encode_mode(self.mode)
        if self.version >= _SENDER_CAN_SECURE_VERSION and self.sender_can_secure:
            return encoded + boolean(True)  # noqa: FBT003
        return encoded

    @classmethod
    def read(cls, reader: Reader) -> Self:
        """Read the binary form; raises :class:`DecodeError`."""
        version = reader.word16()
        server = ServerAddress.read(reader) if version >= _HOST_LIST_VERSION else _read_single_host(reader)
        sender_id, key = _read_id(reader), reader.x25519_key()
        return cls(version, server, sender_id, key, _read_mode(reader, version))


@dataclass(frozen=True, slots=True)
class QueueUri:
    """A queue to send to, with the SMP client versions that its recipient speaks."""

    versions: VersionRange
    server: ServerAddress
    sender_id: bytes = field(repr=False)
    dh_key: X25519PublicKey
    mode: QueueMode | None

    @property
    def sender_can_secure(self) -> bool:
        """Whether the sender secures the queue by itself (``SKEY``)."""
        return self.mode is QueueMode.MESSAGING

    @property
    def address(self) -> QueueAddress:
        """What names the queue."""
        return QueueAddress(self.server, self.sender_id)

    def at(self, version: int) -> QueueInfo:
        """The same queue at one version."""
        return QueueInfo(version, self.server, self.sender_id, self.dh_key, self.mode)

    def __str__(self) -> str:
        """The ``smp://…`` text, the same as the official client writes."""
        one_host = self.versions.minimum < _HOST_LIST_VERSION
        server = _single_host(self.server) if one_host else self.server
        query = [("v", str(self.versions)), ("dh", base64url(self.dh_key.der))]
        if self.mode is not None:
            query.append(("q", self.mode.value.lower()))
        if self.sender_can_secure and self.versions.minimum < _QUEUE_MODE_VERSION:
            query.append(("k", "s"))
        if one_host and len(self.server.hosts) > 1:
            query.append(("srv", ",".join(self.server.hosts[1:])))
        return f"{server}/{base64url(self.sender_id)}#/?{write_query(query)}"

    @classmethod
    def parse(cls, text: str) -> Self:
        """Parse the text; parameters come in any order and unknown ones are ignored. Raises :class:`DecodeError`."""
        match = _URI.fullmatch(text)
        if match is None:
            raise DecodeError("queue address must look like smp://SERVER/QUEUE#/?v=…&dh=…")
        server = ServerAddress.parse(match["server"])
        sender_id = _checked_id(from_base64url(match["sender"]))
        if match["query"] is None:
            # the form of version 1: nothing but the key
            return cls(VersionRange(1, 1), server, sender_id, _parse_key(match["key"]), None)
        query = read_query(match["query"])
        versions = VersionRange.parse(required(query, "v"))
        key = _parse_key(match["key"] or query.get("dh"))
        if "srv" in query:
            hosts = (*server.hosts, *query["srv"].split(","))
            server = ServerAddress(hosts, server.port, server.fingerprint, server.password)
        return cls(versions, server, sender_id, key, _parse_mode(query))

    def encode(self) -> bytes:
        """The binary form."""
        encoded = self.versions.encode() + self.server.encode() + short(self.sender_id) + public_key(self.dh_key)
        if self.versions.minimum >= _QUEUE_MODE_VERSION:
            return encoded + _encode_mode(self.mode)
        # older readers know only "sender can secure", and the oldest not even that: they get it where it matters
        if self.versions.minimum >= _SENDER_CAN_SECURE_VERSION or (
            self.versions.maximum >= _SENDER_CAN_SECURE_VERSION and self.sender_can_secure
        ):
            return encoded + boolean(self.sender_can_secure)
        return encoded

    @classmethod
    def read(cls, reader: Reader) -> Self:
        """Read the binary form; raises :class:`DecodeError`."""
        versions, server = reader.version_range(), ServerAddress.read(reader)
        sender_id, key = _read_id(reader), reader.x25519_key()
        return cls(versions, server, sender_id, key, _read_mode(reader, versions.maximum))


@dataclass(frozen=True, slots=True)
class QueueAddress:
    """A queue by its server and the sender's id."""

    server: ServerAddress
    sender_id: bytes = field(repr=False)

    def encode(self) -> bytes:
        """The binary form."""
        return self.server.encode() + short(self.sender_id)

    @classmethod
    def read(cls, reader: Reader) -> Self:
        """Read the binary form; raises :class:`DecodeError`."""
        return cls(ServerAddress.read(reader), _read_id(reader))


def write_query(parameters: Iterable[tuple[str, str]]) -> str:
    """Write the query of a link: everything but letters, digits and ``-_.~`` is escaped."""
    return "&".join(f"{quote(name, safe='')}={quote(value, safe='')}" for name, value in parameters)


def read_query(text: str) -> dict[str, str]:
    """Read the query of a link: the first of parameters with the same name counts. Raises :class:`DecodeError`."""
    query: dict[str, str] = {}
    for part in re.split("[&;]", text):
        name, _, value = part.partition("=")
        query.setdefault(_unescape(name), _unescape(value))
    return query


def required(query: dict[str, str], name: str) -> str:
    """A parameter that must be there; raises :class:`DecodeError`."""
    if name not in query:
        raise DecodeError(f"link has no {name} parameter")
    return query[name]


def _unescape(text: str) -> str:
    try:
        return unquote_to_bytes(text.replace("+", " ")).decode("utf-8", "replace")
    except UnicodeEncodeError:
        # lone surrogates are not text
        raise DecodeError("link is not text") from None


def _single_host(server: ServerAddress) -> ServerAddress:
    return ServerAddress(server.hosts[:1], server.port, server.fingerprint)


def _read_single_host(reader: Reader) -> ServerAddress:
    host, port, fingerprint = short(reader.short()), short(reader.short()), short(reader.short())
    return ServerAddress.decode(b"\x01" + host + port + fingerprint)


def _read_id(reader: Reader) -> bytes:
    return _checked_id(reader.short())


def _checked_id(sender_id: bytes) -> bytes:
    if not 0 < len(sender_id) <= 0xFF:
        raise DecodeError("queue address has no valid queue id")
    return sender_id


def _parse_key(text: str | None) -> X25519PublicKey:
    if text is None:
        raise DecodeError("queue address has no key")
    try:
        return X25519PublicKey.from_der(from_base64url(text))
    except CryptoError as error:
        raise DecodeError(f"queue address: {error}") from None


def _parse_mode(query: dict[str, str]) -> QueueMode | None:
    match query.get("q"):
        case "m":
            return QueueMode.MESSAGING
        case "c":
            return QueueMode.CONTACT
    return QueueMode.MESSAGING if query.get("k") == "s" else None


def _encode_mode(mode: QueueMode | None) -> bytes:
    return b"" if mode is None else mode.value.encode()


def _read_mode(reader: Reader, version: int) -> QueueMode | None:
    """Read a mode (version 4), "sender can secure" (version 3), or nothing (before, or if nothing is said).

    What follows may start with the same letters, so nothing is looked for where nothing can be.
    """
    if version < _SENDER_CAN_SECURE_VERSION:
        return None
    match reader.peek():
        case b"M" | b"T":
            mode = QueueMode.MESSAGING
        case b"C" | b"F":
            mode = QueueMode.CONTACT
        case _:
            return None
    reader.take(1)
    return mode
