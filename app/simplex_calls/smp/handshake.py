"""The handshake inside TLS: the server says who it is and what it speaks, the client chooses.

Source: simplex-messaging.md, "Transport handshake". Both messages may grow: bytes after what is known are ignored.
"""

from __future__ import annotations

import datetime as dt
import hmac
from collections.abc import Sequence
from dataclasses import dataclass, field

from simplex_calls.crypto import CryptoError, X25519PrivateKey, X25519PublicKey, pad
from simplex_calls.smp import encoding
from simplex_calls.smp.blocks import ENCRYPTED_BLOCKS, BlockCipher
from simplex_calls.smp.certificates import verify_chain, verify_key
from simplex_calls.smp.encoding import Reader, VersionRange
from simplex_calls.smp.errors import DecodeError, EncodeError, ServerIdentityError, VersionError
from simplex_calls.smp.transmission import BLOCK_SIZE, Session, unpad_block

ALPN = "smp/1"
SUPPORTED_VERSIONS = VersionRange(6, 18)
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

    def encode(self) -> bytes:
        """A list of certificates and the signed key, all large strings."""
        return encoding.items(encoding.large(certificate) for certificate in self.chain) + encoding.large(
            self.signed_key
        )

    @classmethod
    def read(cls, reader: Reader) -> SignedServerKey:
        """Read what :meth:`encode` made; raises :class:`DecodeError`."""
        return cls(tuple(reader.nonempty(reader.large)), reader.large())


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
        return hello + self.server_key.encode()

    @classmethod
    def decode(cls, data: bytes) -> ServerHello:
        """Decode; raises :class:`DecodeError`."""
        reader = Reader(data)
        versions, session_id = reader.version_range(), reader.short()
        server_key: SignedServerKey | None = None
        if versions.maximum >= _KEYS and reader.remaining:
            server_key = SignedServerKey.read(reader)
        return cls(versions, session_id, server_key)


@dataclass(frozen=True, slots=True)
class ClientHello:
    """The client's answer: the version, and the fingerprint of the server that it means to talk to.

    ``client_key`` is used by proxies and, from version 11, for the encryption of blocks; others leave it out.
    """

    version: int
    fingerprint: bytes
    client_key: X25519PublicKey | None = None
    is_proxy: bool = False
    """Whether the client is a server that forwards; blocks are not encrypted once more for it."""
    is_service: bool = False
    """Whether the client brought a service's certificate (ours never does)."""

    def encode(self) -> bytes:
        """Encode, without padding; raises :class:`EncodeError`."""
        hello = encoding.word16(self.version) + encoding.short(self.fingerprint)
        if self.version >= _KEYS and self.client_key is not None:
            hello += encoding.public_key(self.client_key)
        if self.version >= _PROXY:
            hello += encoding.boolean(self.is_proxy)
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
        is_proxy = version >= _PROXY and reader.remaining > 0 and reader.boolean()
        is_service = version >= _SERVICE and reader.peek() == b"1"
        return cls(version, fingerprint, client_key, is_proxy, is_service)


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
    peer_chain: Sequence[bytes],
    client_key: X25519PrivateKey,
    now: dt.datetime,
    versions: VersionRange = SUPPORTED_VERSIONS,
    is_proxy: bool = False,
) -> tuple[Session, bytes]:
    """Check a server's first block, at the client: the agreed session, and the block to answer with.

    ``fingerprint`` is the one in the server's address, ``session_id`` the TLS connection's own, ``peer_chain`` the
    certificates of the TLS handshake, the one that it proved first (none where there is no TLS, in memory).
    ``client_key`` is made for this connection alone. Raises :class:`DecodeError`, :class:`VersionError`, and
    :class:`ServerIdentityError` if the server is another one or somebody stands between.
    """
    hello = decode_server_hello(block)
    if not hmac.compare_digest(hello.session_id, session_id):
        raise ServerIdentityError("server's handshake belongs to another connection")
    if is_proxy and hello.versions.maximum < _PROXY:
        # such a server would encrypt blocks, which leaves no room for what is forwarded
        versions = VersionRange(versions.minimum, min(versions.maximum, ENCRYPTED_BLOCKS - 1))
    common = hello.versions.intersect(versions)
    if common is None:
        raise VersionError(f"server speaks versions {hello.versions} of the protocol, this program {versions}")
    version = common.maximum
    if hello.server_key is None:
        return _accept_without_key(version, fingerprint, session_id, peer_chain, now)
    leaf_key = verify_chain(hello.server_key.chain, fingerprint, now)
    if peer_chain and not hmac.compare_digest(hello.server_key.chain[0], peer_chain[0]):
        raise ServerIdentityError("server's certificate is not the one that TLS proved")
    server_key = verify_key(hello.server_key.signed_key, leaf_key)
    has_key = version >= _KEYS
    cipher: BlockCipher | None = None
    if version >= ENCRYPTED_BLOCKS and not is_proxy:
        cipher = BlockCipher.for_client(session_id, client_key, server_key)
    session = Session(version, session_id, server_key if has_key else None, cipher)
    answer = ClientHello(version, fingerprint, client_key.public if has_key else None, is_proxy)
    return session, encode_hello(answer)


def _accept_without_key(
    version: int, fingerprint: bytes, session_id: bytes, peer_chain: Sequence[bytes], now: dt.datetime
) -> tuple[Session, bytes]:
    """A server of version 6 shows its certificates in the TLS handshake only."""
    if version >= _KEYS or not peer_chain:
        raise ServerIdentityError("server did not show its certificates")
    verify_chain(peer_chain, fingerprint, now)
    return Session(version, session_id), encode_hello(ClientHello(version, fingerprint))


def accept_client(
    block: bytes,
    *,
    fingerprint: bytes,
    session_id: bytes,
    server_key: X25519PrivateKey,
    versions: VersionRange,
) -> tuple[Session, ClientHello]:
    """Check a client's answer, at the server: the agreed session, and what the client said.

    ``fingerprint`` is the server's own, ``server_key`` the private half of the key in its hello, ``versions`` what that
    offered. Raises :class:`DecodeError`.
    """
    hello = decode_client_hello(block)
    if hello.version not in versions:
        raise DecodeError("client chose a version that was not offered")
    if not hmac.compare_digest(hello.fingerprint, fingerprint):
        raise DecodeError("client means another server")
    cipher: BlockCipher | None = None
    if hello.version >= ENCRYPTED_BLOCKS and hello.client_key is not None and not hello.is_proxy:
        try:
            cipher = BlockCipher.for_server(session_id, server_key, hello.client_key)
        except CryptoError as error:
            raise DecodeError(str(error)) from None
    return Session(hello.version, session_id, server_key.public, cipher), hello
