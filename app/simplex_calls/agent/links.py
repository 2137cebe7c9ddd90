"""Connection links: one-time invitations and contact addresses, as full links, and short links to either.

``simplex:/invitation#/?v=…&smp=…&e2e=…`` or the same after ``https://simplex.chat``. What follows ``#`` never leaves
the user's machine when a browser opens it. Short links: :mod:`.short_link_uri`. Source: agent-protocol.md
("Connection request", "Connection link").
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field, replace
from typing import Self

from simplex_calls.agent.kem import KemProposed
from simplex_calls.agent.link_errors import LinkError, LinkFault
from simplex_calls.agent.queue_address import (
    QueueAddress,
    QueueInfo,
    QueueUri,
    read_query,
    required,
    write_query,
)
from simplex_calls.agent.short_link_uri import ShortLink, ShortLinkKind
from simplex_calls.agent.versions import AGENT_VERSIONS, POST_QUANTUM_VERSION
from simplex_calls.agent.x3dh import E2EParamsRange
from simplex_calls.crypto import CryptoError, KemPublicKey, X448PublicKey
from simplex_calls.smp.commands import QueueMode
from simplex_calls.smp.encoding import (
    Reader,
    VersionRange,
    base64url,
    from_base64url,
    items,
    large,
    maybe,
)
from simplex_calls.smp.errors import DecodeError

__all__ = [
    "MAX_LINK_LENGTH",
    "ConnectionLink",
    "ContactAddress",
    "Invitation",
    "Link",
    "LinkError",
    "LinkFault",
    "QueueAddress",
    "QueueInfo",
    "QueueMode",
    "QueueUri",
    "ShortLink",
    "ShortLinkKind",
    "parse_link",
]

MAX_LINK_LENGTH = 0xFFFF
"""Longest text that is looked at (what an agent message could carry)."""

_SIMPLEX = "simplex:"
_HTTPS = "https://simplex.chat"
_LINK = re.compile(
    r"(?:simplex:|https://[^:#,;/\s]+(?::[0-9]+)?)/(?P<kind>invitation|contact)/?#/?\?(?P<query>[^ \n]*)"
)


@dataclass(frozen=True, slots=True)
class ConnectionLink:
    """A link to give away: in full, and short if the server keeps its data."""

    full: str = field(repr=False)
    short: str | None = field(default=None, repr=False)

    def __str__(self) -> str:
        return self.short or self.full


@dataclass(frozen=True, slots=True)
class Invitation:
    """A one-time invitation: whoever uses it first is connected."""

    versions: VersionRange
    """Agent versions that its maker speaks."""
    queues: tuple[QueueUri, ...]
    e2e: E2EParamsRange
    client_data: str | None = field(default=None, repr=False)
    """Text that applications may add."""

    def __str__(self) -> str:
        """The link as official apps write it, starting with ``simplex:``."""
        return _write("invitation", self._parameters(), _SIMPLEX)

    @property
    def https(self) -> str:
        """The same link starting with ``https://simplex.chat``."""
        return _write("invitation", self._parameters(), _HTTPS)

    def _parameters(self) -> list[tuple[str, str]]:
        return _parameters(self.versions, self.queues, self.e2e, self.client_data)

    @classmethod
    def parse(cls, text: str) -> Self:
        """Parse a link, in either form; raises :class:`LinkError`, also for links of another kind."""
        link = parse_link(text)
        if isinstance(link, ShortLink):
            raise LinkError(LinkFault.SHORT_LINK)
        if not isinstance(link, cls):
            raise LinkError(LinkFault.CONTACT_ADDRESS)
        return link

    def encode(self) -> bytes:
        """The binary form, as in the data of short links."""
        return b"I" + _encode_common(self.versions, self.queues, self.client_data) + self.e2e.encode()

    @classmethod
    def decode(cls, data: bytes) -> Self:
        """Decode the binary form; raises :class:`DecodeError`."""
        reader = Reader(data)
        link = cls.read(reader)
        reader.end()
        return link

    @classmethod
    def read(cls, reader: Reader) -> Self:
        """Read the binary form; raises :class:`DecodeError`."""
        reader.literal(b"I")
        versions, queues, client_data = _read_common(reader)
        return cls(versions, queues, E2EParamsRange.read(reader), client_data)


@dataclass(frozen=True, slots=True)
class ContactAddress:
    """A contact address: anybody may ask to connect through it."""

    versions: VersionRange
    queues: tuple[QueueUri, ...]
    client_data: str | None = field(default=None, repr=False)

    def __str__(self) -> str:
        """The link as official apps write it, starting with ``simplex:``."""
        return _write("contact", self._parameters(), _SIMPLEX)

    @property
    def https(self) -> str:
        """The same link starting with ``https://simplex.chat``."""
        return _write("contact", self._parameters(), _HTTPS)

    def _parameters(self) -> list[tuple[str, str]]:
        return _parameters(self.versions, self.queues, None, self.client_data)

    def is_same(self, other: ContactAddress) -> bool:
        """Whether both are of the same address, whatever else they say."""
        return [queue.address for queue in self.queues] == [queue.address for queue in other.queues]

    def encode(self) -> bytes:
        """The binary form, as in the data of short links."""
        return b"C" + _encode_common(self.versions, self.queues, self.client_data)

    @classmethod
    def read(cls, reader: Reader) -> Self:
        """Read the binary form; raises :class:`DecodeError`."""
        reader.literal(b"C")
        return cls(*_read_common(reader))


Link = Invitation | ContactAddress | ShortLink


def parse_link(text: str) -> Link:
    """Parse a link of any kind, with space around it or not; raises :class:`LinkError`.

    Parameters come in any order, unknown ones are ignored, and there may be several queues.
    """
    text = text.strip()
    # lone surrogates, which JSON may hold, are not text
    if len(text) > MAX_LINK_LENGTH or not text.isprintable():
        raise LinkError(LinkFault.NOT_A_LINK)
    try:
        match = _LINK.fullmatch(text)
        if match is not None:
            return _parse_full(match["kind"], read_query(match["query"]))
        if ShortLink.looks_like(text):
            return ShortLink.parse(text)
    except DecodeError as error:
        raise LinkError(LinkFault.DAMAGED, str(error)) from None
    raise LinkError(LinkFault.NOT_A_LINK)


def _parse_full(kind: str, query: dict[str, str]) -> Invitation | ContactAddress:
    versions = VersionRange.parse(required(query, "v"))
    queues = tuple(QueueUri.parse(queue) for queue in required(query, "smp").split(";"))
    if kind == "contact":
        # addresses stay published for years: what they say of versions that nobody speaks any more is lifted
        minimum = max(versions.minimum, AGENT_VERSIONS.minimum)
        return ContactAddress(VersionRange(minimum, max(minimum, versions.maximum)), queues, query.get("data"))
    return Invitation(versions, queues, _parse_e2e(required(query, "e2e")), query.get("data"))


def _parameters(
    versions: VersionRange, queues: tuple[QueueUri, ...], e2e: E2EParamsRange | None, client_data: str | None
) -> list[tuple[str, str]]:
    # hosts of one server are separated by commas, so queues are by semicolons
    parameters = [("v", str(versions)), ("smp", ";".join(map(str, queues)))]
    if e2e is not None:
        parameters.append(("e2e", _write_e2e(e2e)))
    if client_data is not None:
        parameters.append(("data", client_data))
    return parameters


def _write(kind: str, parameters: list[tuple[str, str]], scheme: str) -> str:
    return f"{scheme}/{kind}#/?{write_query(parameters)}"


def _write_e2e(e2e: E2EParamsRange) -> str:
    text = f"v={e2e.versions}&x3dh={base64url(e2e.key1.der)},{base64url(e2e.key2.der)}"
    if e2e.kem is None or e2e.versions.maximum < POST_QUANTUM_VERSION:
        return text
    return f"{text}&kem_key={base64url(e2e.kem.key.raw)}"


def _parse_e2e(text: str) -> E2EParamsRange:
    query = read_query(text)
    keys = required(query, "x3dh").split(",")
    if len(keys) != 2:
        raise DecodeError("the e2e parameter must have two keys")
    versions = VersionRange.parse(required(query, "v"))
    kem = None
    try:
        key1, key2 = (X448PublicKey.from_der(from_base64url(key)) for key in keys)
        if "kem_key" in query and versions.maximum >= POST_QUANTUM_VERSION:
            kem = KemProposed(KemPublicKey(from_base64url(query["kem_key"])))
    except CryptoError as error:
        raise DecodeError(f"the e2e parameter: {error}") from None
    if kem is not None and "kem_ct" in query:
        raise DecodeError("the e2e parameter accepts a KEM key where it can only propose one")
    return E2EParamsRange(versions, key1, key2, kem)


def _encode_common(versions: VersionRange, queues: tuple[QueueUri, ...], client_data: str | None) -> bytes:
    data = None if client_data is None else large(client_data.encode())
    return versions.encode() + items(queue.encode() for queue in queues) + maybe(data)


def _read_common(reader: Reader) -> tuple[VersionRange, tuple[QueueUri, ...], str | None]:
    versions = reader.version_range()
    queues = tuple(reader.nonempty(lambda: _read_queue(reader)))
    data = reader.maybe(reader.large)
    return versions, queues, None if data is None else data.decode("utf-8", "replace")


def _read_queue(reader: Reader) -> QueueUri:
    # a range of versions that starts below 4 has no way to say "contact": what does not say "messaging" is
    queue = QueueUri.read(reader)
    return queue if queue.mode is not None else replace(queue, mode=QueueMode.CONTACT)
