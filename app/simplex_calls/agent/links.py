"""Connection links: one-time invitations and contact addresses, as full links.

``simplex:/invitation#/?v=…&smp=…&e2e=…`` or the same after ``https://simplex.chat``. What follows ``#`` never leaves
the user's machine when a browser opens it. Source: agent-protocol.md ("Connection request", "Connection link").
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from enum import Enum
from typing import Self

from simplex_calls.agent.queue_address import (
    QueueAddress,
    QueueInfo,
    QueueMode,
    QueueUri,
    read_query,
    required,
    write_query,
)
from simplex_calls.agent.x3dh import E2EParamsRange
from simplex_calls.crypto import CryptoError, X448PublicKey
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
    "LinkError",
    "LinkFault",
    "QueueAddress",
    "QueueInfo",
    "QueueMode",
    "QueueUri",
    "parse_link",
]

MAX_LINK_LENGTH = 0xFFFF
"""Longest text that is looked at (what an agent message could carry)."""

_SIMPLEX = "simplex:"
_HTTPS = "https://simplex.chat"
_LINK = re.compile(
    r"(?:simplex:|https://[^:#,;/\s]+(?::[0-9]+)?)/(?P<kind>invitation|contact)/?#/?\?(?P<query>[^ \n]*)"
)
_SHORT_LINK = re.compile(r"(?:simplex:|https://[^#?/\s]+)/(?:i|a|c|g|r)/?#.+")


class LinkFault(Enum):
    """Why a text is not a link that can be used here."""

    NOT_A_LINK = "not a link"
    DAMAGED = "damaged"
    SHORT_LINK = "short link"
    CONTACT_ADDRESS = "contact address"
    INCOMPATIBLE = "incompatible"


class LinkError(ValueError):
    """A link cannot be used. The text says why and what to do; it never holds any part of the link."""

    def __init__(self, fault: LinkFault, detail: str = "") -> None:
        super().__init__(_TEXTS[fault] + (f" ({detail})" if detail else ""))
        self.fault = fault


_TEXTS = {
    LinkFault.NOT_A_LINK: "This is not a SimpleX invitation link: copy the whole link, from simplex: or https: on.",
    LinkFault.DAMAGED: "This invitation link is incomplete or damaged: ask for it again and copy all of it.",
    LinkFault.SHORT_LINK: "This is a short link, which is not supported yet: ask for the full one-time invitation"
    " link (SimpleX apps call it the link for old clients).",
    LinkFault.CONTACT_ADDRESS: "This is a contact address, which is not supported yet: ask for a one-time invitation"
    " link.",
    LinkFault.INCOMPATIBLE: "This link was made by an app that speaks no version in common with this one: update both.",
}


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
        if not isinstance(link, cls):
            raise LinkError(LinkFault.CONTACT_ADDRESS)
        return link

    def encode(self) -> bytes:
        """The binary form, without the KEM keys that it may have had."""
        return b"I" + _encode_common(self.versions, self.queues, self.client_data) + self.e2e.encode()

    @classmethod
    def decode(cls, data: bytes) -> Self:
        """Decode the binary form; raises :class:`DecodeError`."""
        reader = Reader(data)
        reader.literal(b"I")
        versions, queues, client_data = _read_common(reader)
        e2e = E2EParamsRange.read(reader)
        reader.end()
        return cls(versions, queues, e2e, client_data)


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


ConnectionLink = Invitation | ContactAddress


def parse_link(text: str) -> ConnectionLink:
    """Parse a full link of either kind, with space around it or not; raises :class:`LinkError`.

    Parameters come in any order, unknown ones are ignored, and there may be several queues.
    """
    text = text.strip()
    # lone surrogates, which JSON may hold, are not text
    readable = len(text) <= MAX_LINK_LENGTH and text.isprintable()
    match = _LINK.fullmatch(text) if readable else None
    if match is None:
        if _SHORT_LINK.fullmatch(text[:MAX_LINK_LENGTH]):
            raise LinkError(LinkFault.SHORT_LINK)
        raise LinkError(LinkFault.NOT_A_LINK)
    try:
        query = read_query(match["query"])
        versions = VersionRange.parse(required(query, "v"))
        queues = tuple(QueueUri.parse(queue) for queue in required(query, "smp").split(";"))
        if match["kind"] == "contact":
            return ContactAddress(versions, queues, query.get("data"))
        return Invitation(versions, queues, _parse_e2e(required(query, "e2e")), query.get("data"))
    except DecodeError as error:
        raise LinkError(LinkFault.DAMAGED, str(error)) from None


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
    return f"v={e2e.versions}&x3dh={base64url(e2e.key1.der)},{base64url(e2e.key2.der)}"


def _parse_e2e(text: str) -> E2EParamsRange:
    query = read_query(text)
    keys = required(query, "x3dh").split(",")
    if len(keys) != 2:
        raise DecodeError("the e2e parameter must have two keys")
    try:
        key1, key2 = (X448PublicKey.from_der(from_base64url(key)) for key in keys)
    except CryptoError as error:
        raise DecodeError(f"the e2e parameter: {error}") from None
    return E2EParamsRange(VersionRange.parse(required(query, "v")), key1, key2)


def _encode_common(versions: VersionRange, queues: tuple[QueueUri, ...], client_data: str | None) -> bytes:
    data = None if client_data is None else large(client_data.encode())
    return versions.encode() + items(queue.encode() for queue in queues) + maybe(data)


def _read_common(reader: Reader) -> tuple[VersionRange, tuple[QueueUri, ...], str | None]:
    versions = reader.version_range()
    queues = tuple(reader.nonempty(lambda: QueueUri.read(reader)))
    data = reader.maybe(reader.large)
    return versions, queues, None if data is None else data.decode("utf-8", "replace")
