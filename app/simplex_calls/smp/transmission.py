"""Transmissions and the 16,384-byte blocks that carry them: for both ends, pure.

A transmission is an authorization, a correlation id, the id of an entity (a queue) and a command or message. What is
signed or authenticated also holds the session id, so that nothing can be replayed on another connection; from
version 7 on the session id itself is not sent. Source: simplex-messaging.md, "SMP Transmission and transport block
structure" and "Deniable client authentication scheme".
"""

from __future__ import annotations

import hmac
from collections.abc import Iterable
from dataclasses import dataclass, field

from simplex_calls.crypto import (
    BoxKey,
    CryptoError,
    Ed448PrivateKey,
    Ed448PublicKey,
    Ed25519PrivateKey,
    Ed25519PublicKey,
    PublicKey,
    X25519PrivateKey,
    X25519PublicKey,
    authenticator,
    cb_nonce,
    pad,
    unpad,
)
from simplex_calls.smp import blocks, encoding
from simplex_calls.smp.blocks import BlockCipher
from simplex_calls.smp.encoding import Reader
from simplex_calls.smp.errors import DecodeError, EncodeError, ErrorCode, ServerError

BLOCK_SIZE = blocks.BLOCK_SIZE
CORR_ID_SIZE = 24
IMPLIED_SESSION = 7
"""From this version on the session id is signed but not sent."""
SERVICE_SIGNATURES = 16
"""From this version on a service's signature (or ``0``) follows an authorization."""

_SIGNATURE_SIZES = (64, 114)
_AUTHENTICATOR_SIZE = 80
_SERVICE_SIGNATURE_SIZE = 64
# 2 bytes of padding length, 1 of count, and room for the tag of encrypted blocks of later versions
_BATCH_SIZE = BLOCK_SIZE - 19
MAX_TRANSMISSION_SIZE = _BATCH_SIZE - 2
"""The longest transmission, in bytes, that fits into a block."""
_MAX_BATCH = 255

AuthorizationKey = Ed25519PrivateKey | Ed448PrivateKey | X25519PrivateKey


@dataclass(frozen=True, slots=True)
class Session:
    """What the two ends of a connection agreed on.

    ``server_key`` is the server's session key that authenticators are made with: its public half at the client.
    """

    version: int
    session_id: bytes = field(repr=False)
    server_key: X25519PublicKey | None = None
    cipher: BlockCipher | None = field(default=None, repr=False, compare=False)
    """Encrypts this connection's blocks, from version 11 on."""


@dataclass(frozen=True, slots=True)
class Transmission:
    """A received transmission, its command or message not decoded yet.

    ``authorized`` is what ``authorization`` (empty, a signature, or an authenticator) was made of.
    """

    corr_id: bytes = field(repr=False)
    entity_id: bytes = field(repr=False)
    command: bytes = field(repr=False)
    authorization: bytes = field(default=b"", repr=False)
    authorized: bytes = field(default=b"", repr=False)
    service_authorization: bytes | None = field(default=None, repr=False)
    """The signature of a service, if the client is one."""


class TransmissionError(DecodeError):
    """A block or transmission that does not decode; a server answers :attr:`error` to :attr:`corr_id`."""

    def __init__(self, error: ServerError, corr_id: bytes = b"") -> None:
        super().__init__(f"transmission is not valid: {error}")
        self.error = error
        self.corr_id = corr_id


_BAD_BLOCK = ServerError(ErrorCode.BLOCK)


def encode_transmission(
    session: Session, corr_id: bytes, entity_id: bytes, command: bytes, key: AuthorizationKey | None = None
) -> bytes:
    """Encode one transmission, authorized with ``key`` if there is one (servers' messages never are).

    An Ed25519 or Ed448 key signs; an X25519 key makes an authenticator, for which the session must have the server's
    key. Raises :class:`EncodeError`.
    """
    body = encoding.short(corr_id) + encoding.short(entity_id) + command
    if key is None and session.version >= IMPLIED_SESSION:
        return b"\0" + body
    authorized = encoding.short(session.session_id) + body
    authorization = b"" if key is None else _authorize(session, corr_id, authorized, key)
    service = b"0" if authorization and session.version >= SERVICE_SIGNATURES else b""
    sent = body if session.version >= IMPLIED_SESSION else authorized
    return encoding.short(authorization) + service + sent


def decode_transmission(session: Session, data: bytes) -> Transmission:
    """Decode one transmission; raises :class:`TransmissionError` (BLOCK or SESSION)."""
    reader = Reader(data)
    try:
        authorization = reader.short()
        service: bytes | None = None
        if authorization and session.version >= SERVICE_SIGNATURES:
            service = reader.maybe(reader.short)
            if service is not None and len(service) != _SERVICE_SIGNATURE_SIZE:
                raise DecodeError("a service's signature is not one of Ed25519")
        sent = reader.tail()
        reader = Reader(sent)
        session_id = session.session_id if session.version >= IMPLIED_SESSION else reader.short()
        corr_id, entity_id, command = reader.short(), reader.short(), reader.tail()
    except DecodeError:
        raise TransmissionError(_BAD_BLOCK) from None
    if not hmac.compare_digest(session_id, session.session_id):
        raise TransmissionError(ServerError(ErrorCode.SESSION), corr_id)
    if authorization and len(authorization) not in (*_SIGNATURE_SIZES, _AUTHENTICATOR_SIZE):
        raise TransmissionError(_BAD_BLOCK, corr_id)
    authorized = encoding.short(session_id) + sent if session.version >= IMPLIED_SESSION else sent
    return Transmission(corr_id, entity_id, command, authorization, authorized, service)


def verify_transmission(transmission: Transmission, key: PublicKey, server_key: X25519PrivateKey) -> bool:
    """Tell, at the server, whether a transmission was authorized by the owner of ``key``.

    ``server_key`` is the private half of the key in the server's handshake. The work done depends on the algorithm of
    ``key`` only, so that a server can use a dummy key for a queue that does not exist.
    """
    match key:
        case Ed25519PublicKey() | Ed448PublicKey():
            return key.verify(transmission.authorization, transmission.authorized)
        case X25519PublicKey():
            try:
                expected = authenticator(
                    BoxKey.agree(server_key, key), cb_nonce(transmission.corr_id), transmission.authorized
                )
            except CryptoError:
                return False
            return hmac.compare_digest(expected, transmission.authorization)
        case _:
            return False


def pack_blocks(transmissions: Iterable[bytes], cipher: BlockCipher | None = None) -> list[bytes]:
    """Pack encoded transmissions, in order, into as few blocks of 16,384 bytes as they fit in.

    With the connection's ``cipher`` they must be sent in just this order. Raises :class:`EncodeError` if one does not
    fit into a block; nothing is encrypted then.
    """
    return [_block(batch, cipher) for batch in pack_batches(transmissions)]


def pack_batches(transmissions: Iterable[bytes]) -> list[bytes]:
    """Pack encoded transmissions, in order, into as few batches as they fit in, each as long as a block may carry.

    Raises :class:`EncodeError` if one does not fit.
    """
    batches: list[bytes] = []
    batch: list[bytes] = []
    size = 0
    for transmission in transmissions:
        item = encoding.large(transmission)
        if len(item) > _BATCH_SIZE:
            raise EncodeError(f"transmission of {len(transmission)} bytes does not fit into a block")
        if batch and (size + len(item) > _BATCH_SIZE or len(batch) == _MAX_BATCH):
            batches.append(encoding.items(batch))
            batch, size = [], 0
        batch.append(item)
        size += len(item)
    if batch:
        batches.append(encoding.items(batch))
    return batches


def _block(batch: bytes, cipher: BlockCipher | None) -> bytes:
    return pad(batch, BLOCK_SIZE) if cipher is None else cipher.seal(batch)


def unpack_block(block: bytes, cipher: BlockCipher | None = None) -> list[bytes]:
    """The encoded transmissions of a block (at least one); raises :class:`TransmissionError`."""
    try:
        return unpack_batch(unpad_block(block) if cipher is None else cipher.open(block))
    except DecodeError:
        raise TransmissionError(_BAD_BLOCK) from None


def unpack_batch(batch: bytes) -> list[bytes]:
    """The encoded transmissions of a batch (at least one); raises :class:`TransmissionError`."""
    try:
        reader = Reader(batch)
        transmissions = reader.nonempty(reader.large)
        reader.end()
    except DecodeError:
        raise TransmissionError(_BAD_BLOCK) from None
    return transmissions


def unpad_block(block: bytes) -> bytes:
    """What a block of 16,384 bytes holds; raises :class:`DecodeError`."""
    if len(block) != BLOCK_SIZE:
        raise DecodeError(f"block has {len(block)} bytes, not {BLOCK_SIZE}")
    try:
        return unpad(block)
    except CryptoError as error:
        raise DecodeError(str(error)) from None


def _authorize(session: Session, corr_id: bytes, authorized: bytes, key: AuthorizationKey) -> bytes:
    if not isinstance(key, X25519PrivateKey):
        return key.sign(authorized)
    if session.server_key is None:
        raise EncodeError("the server gave no key to authenticate commands with")
    return authenticator(BoxKey.agree(key, session.server_key), cb_nonce(corr_id), authorized)
