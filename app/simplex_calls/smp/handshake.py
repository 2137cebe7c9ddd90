"""The handshake inside TLS: the server says who it is and what it speaks, the client chooses.

Source: simplex-messaging.md, "Transport handshake". Both messages may grow: bytes after what is known are ignored.
"""

from __future__ import annotations

import datetime as dt
import hmac
from dataclasses import dataclass, field

from simplex_calls.crypto import CryptoError, X25519PublicKey, pad
from simplex_calls.smp import encoding
from simplex_calls.smp.certificates import verify_chain, verify_key
from simplex_calls.smp.encoding import Reader, VersionRange
from simplex_calls.smp.errors import DecodeError, EncodeError, ServerIdentityError, VersionError
from simplex_calls.smp.transmission import BLOCK_SIZE, Session, unpad_block

ALPN = "smp/1"
SUPPORTED_VERSIONS = VersionRange(9, 9)
LEGACY_VERSIONS = VersionRange(6, 6)
"""All that a server may offer to a client that did not confirm the ALPN name."""

_KEYS = 7  # from this version on the handshake carries keys
_PROXY = 14  # …whether the client is a proxy
_SERVICE = 16  # …and whether it is a service


@dataclass(frozen=True, slots=True)
class SignedServerKey:
    """The server's certificates (DER, the online one first) and its session key, signed with the first one's key.

    What is in ``signed_key`` see ``certificates.sign_key``.
    """

    chain: tuple[bytes, ...] = field(repr=False)
    signed_key: bytes = field(repr=False)


@dataclass(frozen=True, slots=True)
class ServerHello:
    """The first block of a connection. ``server_key`` is absent from servers of version 6 only."""

    versions: VersionRange
    session_id: bytes = field(repr=False)
    server_key: SignedServerKey | None = None

    def encode(self) -> bytes:
        """Encode, without padding; raises :class:`EncodeError`."""
        hello = self.versions.encode() + encoding.short(self.session_id)
        if self.server_key is None or self.versions.maximum < _KEYS:
            return hello
        chain = encoding.items(encoding.large(certificate) for certificate in self.server_key.chain)
        return hello + chain + encoding.large(self.server_key.signed_key)

    @classmethod
    def decode(cls, data: bytes) -> ServerHello:
        """Decode; raises :class:`DecodeError`."""
        reader = Reader(data)
        versions, session_id = reader.version_range(), reader.short()
        server_key: SignedServerKey | None = None
        if versions.maximum >= _KEYS and reader.remaining:
            chain = reader.nonempty(reader.large)
            server_key = SignedServerKey(tuple(chain), reader.large())
        return cls(versions, session_id, server_key)


@dataclass(frozen=True, slots=True)
class ClientHello:
    """The client's answer: the version, and the fingerprint of the server that it means to talk to.

    ``client_key`` is used by proxies and, from version 11, for the encryption of blocks; others leave it out.
    """

    version: int
    fingerprint: bytes
    client_key: X25519PublicKey | None = None

    def encode(self) -> bytes:
        """Encode, without padding; raises :class:`EncodeError`."""
        hello = encoding.word16(self.version) + encoding.short(self.fingerprint)
        if self.version >= _KEYS and self.client_key is not None:
            hello += encoding.public_key(self.client_key)
        if self.version >= _PROXY:
            hello += encoding.boolean(False)  # noqa: FBT003
        if self.version >= _SERVICE:
            hello += encoding.maybe(None)
        return hello

    @classmethod
    def decode(cls, data: bytes) -> ClientHello:
        """Decode; raises :class:`DecodeError`."""
        reader = Reader(data)
        version, fingerprint = reader.word16(), reader.short()
        client_key: X25519PublicKey | None = None
        if version >= _KEYS and reader.remaining:
            try:
                client_key = reader.x25519_key()
            except DecodeError:
                client_key = None  # what is there instead is one of the ignored additions
        return cls(version, fingerprint, client_key)


def encode_hello(hello: ServerHello | ClientHello) -> bytes:
    """The block of 16,384 bytes that carries a handshake message; raises :class:`EncodeError`."""
    try:
        return pad(hello.encode(), BLOCK_SIZE)
    except CryptoError:
        raise EncodeError("handshake does not fit into a block") from None


def decode_server_hello(block: bytes) -> ServerHello:
    """Decode the first block from a server; raises :class:`DecodeError`."""
    return ServerHello.decode(unpad_block(block))


def decode_client_hello(block: bytes) -> ClientHello:
    """Decode the first block from a client; raises :class:`DecodeError`."""
    return ClientHello.decode(unpad_block(block))


def accept_server(
    block: bytes,
    *,
    fingerprint: bytes,
    session_id: bytes,
    peer_certificate: bytes | None,
    now: dt.datetime,
    versions: VersionRange = SUPPORTED_VERSIONS,
) -> tuple[Session, bytes]:
    """Check a server's first block, at the client: the agreed session, and the block to answer with.

    ``fingerprint`` is the one in the server's address, ``session_id`` the TLS connection's own, ``peer_certificate``
    what TLS proved (None where there is no TLS, in memory). Raises :class:`DecodeError`, :class:`VersionError`, and
    :class:`ServerIdentityError` if the server is another one or somebody stands between.
    """
    hello = decode_server_hello(block)
    if not hmac.compare_digest(hello.session_id, session_id):
        raise ServerIdentityError("server's handshake belongs to another connection")
    common = hello.versions.intersect(versions)
    if common is None:
        raise VersionError(f"server speaks versions {hello.versions} of the protocol, this program {versions}")
    if hello.server_key is None:
        raise ServerIdentityError("server did not show its certificates")
    leaf_key = verify_chain(hello.server_key.chain, fingerprint, now)
    if peer_certificate is not None and not hmac.compare_digest(hello.server_key.chain[0], peer_certificate):
        raise ServerIdentityError("server's certificate is not the one that TLS proved")
    server_key = verify_key(hello.server_key.signed_key, leaf_key)
    session = Session(common.maximum, session_id, server_key)
    return session, encode_hello(ClientHello(common.maximum, fingerprint))
