"""What is behind a short link: the data that its server keeps, encrypted and signed.

The *fixed* data hold the connection request and the root key; their SHA3-256 is the link key, so they cannot be
exchanged. The *user* data (a profile to show before connecting) can be changed by their owner, who signs them with the
root key or with a key that it authorised. Both are encrypted with a key that follows from the link key, which the
server never sees. Source: agent-protocol.md ("Short invitation links", "Short link data"), rfcs/2025-03-16-smp-queues,
and the official agent for the binary forms.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import TypeVar

from simplex_calls.agent.link_errors import LinkError, LinkFault
from simplex_calls.agent.links import ContactAddress, Invitation
from simplex_calls.agent.short_link_uri import ShortLink, ShortLinkKind
from simplex_calls.agent.versions import AGENT_VERSIONS
from simplex_calls.crypto import (
    BoxKey,
    CryptoError,
    Ed25519PrivateKey,
    Ed25519PublicKey,
    Random,
    hkdf,
    pad,
    unpad,
)
from simplex_calls.smp.address import ServerAddress
from simplex_calls.smp.encoding import Reader, VersionRange, boolean, items, large, public_key, short
from simplex_calls.smp.errors import DecodeError

FIXED_DATA_SIZE = 2048
"""Size of the encrypted fixed data."""

USER_DATA_SIZE = 13_824
"""Size of the encrypted user data."""

_NONCE_SIZE = 24
_TAG_SIZE = 16
_LINK_ID_SIZE = 24
_LARGE_DATA = b"\xff"
_MAX_SHORT_DATA = 254

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class FixedData:
    """What never changes of a link."""

    versions: VersionRange
    """Agent versions of its maker."""
    root_key: Ed25519PublicKey
    request: Invitation | ContactAddress
    entity_id: bytes | None = None
    """What applications may name the link's object by (groups do)."""

    def encode(self) -> bytes:
        """The binary form."""
        entity_id = b"" if self.entity_id is None else short(self.entity_id)
        return self.versions.encode() + public_key(self.root_key) + self.request.encode() + entity_id

    @classmethod
    def read(cls, reader: Reader) -> FixedData:
        """Read the binary form, with whatever later versions add; raises :class:`DecodeError`."""
        versions, root_key = reader.version_range(), reader.key(Ed25519PublicKey)
        read = Invitation.read if reader.peek() == b"I" else ContactAddress.read
        request: Invitation | ContactAddress = read(reader)
        entity_id = reader.short() if reader.remaining and reader.remaining > reader.peek()[0] else None
        return cls(versions, root_key, request, entity_id)


@dataclass(frozen=True, slots=True)
class Owner:
    """Another key that may sign an address's user data, authorised by the root key or by an owner before."""

    owner_id: bytes
    key: Ed25519PublicKey
    signature: bytes = field(repr=False)

    def encode(self) -> bytes:
        """The binary form."""
        return short(short(self.owner_id) + public_key(self.key) + short(self.signature))

    @classmethod
    def read(cls, reader: Reader) -> Owner:
        """Read the binary form; raises :class:`DecodeError`."""
        inner = Reader(reader.short())
        return cls(inner.short(), inner.key(Ed25519PublicKey), inner.short())


@dataclass(frozen=True, slots=True)
class UserData:
    """What the owner of a link may change. All but ``versions`` and ``data`` belongs to addresses only."""

    versions: VersionRange
    data: bytes = field(repr=False)
    """The application's: official apps put a profile here."""
    is_direct: bool = True
    """Whether the address itself may be connected to (else its relays only)."""
    owners: tuple[Owner, ...] = ()
    relays: tuple[ShortLink, ...] = ()

    def encode(self, kind: ShortLinkKind) -> bytes:
        """The binary form."""
        data = short(self.data) if len(self.data) <= _MAX_SHORT_DATA else _LARGE_DATA + large(self.data)
        if kind is ShortLinkKind.INVITATION:
            return b"I" + self.versions.encode() + data
        owners = items(owner.encode() for owner in self.owners)
        relays = items(relay.encode() for relay in self.relays)
        return b"C" + self.versions.encode() + boolean(self.is_direct) + owners + relays + data

    @classmethod
    def read(cls, reader: Reader, kind: ShortLinkKind) -> UserData:
        """Read the binary form, with whatever later versions add; raises :class:`DecodeError`."""
        if kind is ShortLinkKind.INVITATION:
            reader.literal(b"I")
            return cls(reader.version_range(), _read_data(reader))
        reader.literal(b"C")
        versions, is_direct = reader.version_range(), reader.boolean()
        owners = tuple(reader.items(lambda: Owner.read(reader)))
        relays = tuple(reader.items(lambda: ShortLink.read(reader)))
        return cls(versions, _read_data(reader), is_direct, owners, relays)


def _read_data(reader: Reader) -> bytes:
    if reader.peek() != _LARGE_DATA:
        return reader.short()
    reader.take(1)
    return reader.large()


@dataclass(frozen=True, slots=True)
class LinkKeys:
    """What follows from a link key: the key of the data, and for addresses their id on the server."""

    box: BoxKey
    link_id: bytes = field(repr=False)
    """Empty for invitations, whose id the server makes."""

    @classmethod
    def of(cls, kind: ShortLinkKind, link_key: bytes) -> LinkKeys:
        """Derive them."""
        if kind is ShortLinkKind.INVITATION:
            return cls(BoxKey.from_secret(hkdf(b"", link_key, b"SimpleXInvLink", 32)), b"")
        keys = hkdf(b"", link_key, b"SimpleXContactLink", _LINK_ID_SIZE + 32)
        return cls(BoxKey.from_secret(keys[_LINK_ID_SIZE:]), keys[:_LINK_ID_SIZE])


@dataclass(frozen=True, slots=True)
class NewLink:
    """A link's data for its server, and what our side keeps of it."""

    link_key: bytes = field(repr=False)
    link_id: bytes = field(repr=False)
    """Empty for invitations, whose id the server makes."""
    fixed: bytes = field(repr=False)
    user: bytes = field(repr=False)


def make_link(
    root: Ed25519PrivateKey,
    request: Invitation | ContactAddress,
    data: bytes,
    *,
    random: Random = os.urandom,
    versions: VersionRange = AGENT_VERSIONS,
) -> NewLink:
    """Sign and encrypt what is behind a new link. Raises :class:`ValueError` if ``data`` are too large for it."""
    kind = ShortLinkKind.INVITATION if isinstance(request, Invitation) else ShortLinkKind.CONTACT
    fixed = FixedData(versions, root.public, request).encode()
    link_key = hashlib.sha3_256(fixed).digest()
    keys = LinkKeys.of(kind, link_key)
    return NewLink(
        link_key,
        keys.link_id,
        _seal(keys.box, _signed(root, fixed), FIXED_DATA_SIZE, random),
        seal_user_data(root, kind, link_key, UserData(versions, data), random=random),
    )


def seal_user_data(
    key: Ed25519PrivateKey, kind: ShortLinkKind, link_key: bytes, user: UserData, *, random: Random = os.urandom
) -> bytes:
    """Sign and encrypt new user data of a link. Raises :class:`ValueError` if they are too large for it."""
    return _seal(LinkKeys.of(kind, link_key).box, _signed(key, user.encode(kind)), USER_DATA_SIZE, random)


@dataclass(frozen=True, slots=True)
class OpenedLink:
    """What is behind a link, checked."""

    fixed: FixedData
    user: UserData

    @property
    def request(self) -> Invitation | ContactAddress:
        """What to connect by."""
        return self.fixed.request


def open_link(link: ShortLink, server: ServerAddress, sender_id: bytes, fixed: bytes, user: bytes) -> OpenedLink:
    """Decrypt and check what ``server`` gave for ``link``; raises :class:`LinkError`.

    ``sender_id`` is the queue's, as the server tells it: it must be the one in the data. The request that comes out
    names the server as it was found (``server``), which may know more hosts than when the link was made.
    """
    box = LinkKeys.of(link.kind, link.link_key).box
    (fixed_signature, fixed_data), (user_signature, user_data) = _unseal(box, fixed), _unseal(box, user)
    if hashlib.sha3_256(fixed_data).digest() != link.link_key:
        raise LinkError(LinkFault.FORGED, "the data's hash is another one")
    opened_fixed = _decode(fixed_data, FixedData.read)
    opened_user = _decode(user_data, lambda reader: UserData.read(reader, link.kind))
    is_invitation = isinstance(opened_fixed.request, Invitation)
    if is_invitation is not (link.kind is ShortLinkKind.INVITATION):
        raise LinkError(LinkFault.FORGED, "the data are of a link of the other kind")
    root = opened_fixed.root_key
    if not root.verify(fixed_signature, fixed_data):
        raise LinkError(LinkFault.FORGED, "the data are not signed by their maker")
    _check_owners(root, opened_user.owners)
    signers = (root, *(owner.key for owner in opened_user.owners))
    if not any(signer.verify(user_signature, user_data) for signer in signers):
        raise LinkError(LinkFault.FORGED, "the profile is not signed by the link's owner")
    request = _at_server(opened_fixed.request, server, sender_id)
    return OpenedLink(replace(opened_fixed, request=request), opened_user)


def _at_server(
    request: Invitation | ContactAddress, server: ServerAddress, sender_id: bytes
) -> Invitation | ContactAddress:
    queue, *others = request.queues
    if server.hosts[0] not in queue.server.hosts or queue.sender_id != sender_id:
        raise LinkError(LinkFault.FORGED, "the data are of another address")
    bare = ServerAddress(server.hosts, server.port, server.fingerprint)
    return replace(request, queues=(replace(queue, server=bare), *others))


def _check_owners(root: Ed25519PublicKey, owners: tuple[Owner, ...]) -> None:
    authorised: list[Owner] = []
    for owner in owners:
        twice = any(owner.owner_id == other.owner_id or owner.key == other.key for other in authorised)
        signed = owner.owner_id + owner.key.der
        signers = (root, *(other.key for other in authorised))
        if owner.key == root or twice or not any(signer.verify(owner.signature, signed) for signer in signers):
            raise LinkError(LinkFault.FORGED, "one of the owners is not authorised")
        authorised.append(owner)


def _signed(key: Ed25519PrivateKey, data: bytes) -> bytes:
    return short(key.sign(data)) + data


def _seal(box: BoxKey, data: bytes, size: int, random: Random) -> bytes:
    nonce = random(_NONCE_SIZE)
    return nonce + box.seal(nonce, pad(data, size - _NONCE_SIZE - _TAG_SIZE))


def _unseal(box: BoxKey, sealed: bytes) -> tuple[bytes, bytes]:
    """The signature and what is signed."""
    try:
        data = unpad(box.open(sealed[:_NONCE_SIZE], sealed[_NONCE_SIZE:]))
    except CryptoError:
        raise LinkError(LinkFault.FORGED, "the data do not decrypt") from None
    return _decode(data, lambda reader: (reader.short(), reader.tail()))


def _decode(data: bytes, read: Callable[[Reader], T]) -> T:
    try:
        return read(Reader(data))
    except DecodeError as error:
        raise LinkError(LinkFault.DAMAGED, f"the data do not decode: {error}") from None
