"""Commands that one server forwards to another, so that the other does not see the client's address: pure, both ends.

The client encrypts a whole transmission for the destination server, with a key made for this one command (PFWD); the
proxy encrypts that once more with the secret of its own session with the destination (RFWD), so that the traffic
between the two servers does not show which block belongs to which. Answers go back in the same two layers, with the
nonces reversed. Source: simplex-messaging.md, "Proxying sender commands", and the sizes of official clients.
"""

from __future__ import annotations

import datetime as dt
import os
from dataclasses import dataclass, field
from typing import Self

from simplex_calls.crypto import (
    BoxKey,
    CryptoError,
    Random,
    X25519PrivateKey,
    X25519PublicKey,
    cb_nonce,
    pad,
    reverse_nonce,
    unpad,
)
from simplex_calls.smp import encoding
from simplex_calls.smp.certificates import verify_chain, verify_key
from simplex_calls.smp.commands import Command, PFwd, encode_command
from simplex_calls.smp.encoding import Reader, VersionRange
from simplex_calls.smp.errors import (
    DecodeError,
    EncodeError,
    LargeMessageError,
    UnexpectedResponseError,
    VersionError,
)
from simplex_calls.smp.messages import BrokerMessage, PKey, decode_message
from simplex_calls.smp.transmission import (
    CORR_ID_SIZE,
    AuthorizationKey,
    Session,
    decode_transmission,
    encode_transmission,
    pack_batches,
    unpack_batch,
)

FORWARDED_SIZE = 16226
"""Padded size, in bytes, of a forwarded transmission and of its answer."""
FORWARDING_VERSIONS = VersionRange(8, 18)
"""The versions of the destination whose commands can be forwarded."""
_MOST = FORWARDED_SIZE - 2 - 1 - 2  # less the length of the padded, the count of transmissions, and the length of one


def destination_id(session_id: bytes) -> bytes:
    """What PFWD names the destination's session by: of a longer id, the first 32 bytes.

    TLS gives 32 with the cipher suite of official servers and 48 with another one, and with 48 a command that is as
    long as it may be would not fit into the client's block. What is authorized holds the whole id.
    """
    return session_id[:32]


def accept_destination(answer: PKey, *, fingerprint: bytes, now: dt.datetime) -> Session:
    """The session with the server that a proxy connected to, at the client: commands are encrypted for its key.

    The proxy cannot pass another server off as the one with this ``fingerprint``. Raises :class:`ServerIdentityError`
    and :class:`VersionError`.
    """
    common = answer.versions.intersect(FORWARDING_VERSIONS)
    if common is None:
        raise VersionError(f"server behind the proxy speaks versions {answer.versions} of the protocol")
    leaf_key = verify_chain(answer.server_key.chain, fingerprint, now)
    return Session(common.maximum, answer.session_id, verify_key(answer.server_key.signed_key, leaf_key))


@dataclass(frozen=True, slots=True)
class ForwardedCommand:
    """A command on its way through a proxy, at the client: what to send, and what its answer is opened with.

    :attr:`corr_id` must be that of the transmission that carries :attr:`command`.
    """

    session: Session
    corr_id: bytes = field(repr=False)
    entity_id: bytes = field(repr=False)
    command: PFwd
    key: BoxKey = field(repr=False)

    @classmethod
    def seal(
        cls,
        session: Session,
        command: Command,
        entity_id: bytes,
        key: AuthorizationKey | None,
        *,
        random: Random = os.urandom,
    ) -> Self:
        """Encrypt a command for the server of ``session``.

        Raises :class:`LargeMessageError` if it does not fit, and :class:`EncodeError`.
        """
        if session.server_key is None:
            raise EncodeError("the server gave no key to encrypt commands for")
        corr_id, own = random(CORR_ID_SIZE), X25519PrivateKey.generate(random)
        encoded = encode_command(command, session.version)
        transmission = encode_transmission(session, corr_id, entity_id, encoded, key)
        if len(transmission) > _MOST:
            raise LargeMessageError("command does not fit into a forwarded block")
        (batch,) = pack_batches([transmission])
        box = BoxKey.agree(own, session.server_key)
        sealed = _seal(box, cb_nonce(corr_id), batch)
        return cls(session, corr_id, entity_id, PFwd(session.version, own.public, sealed), box)

    def open(self, answer: bytes) -> BrokerMessage:
        """The destination's answer in a PRES; raises :class:`UnexpectedResponseError`."""
        try:
            (data,) = unpack_batch(_open(self.key, reverse_nonce(cb_nonce(self.corr_id)), answer))
            received = decode_transmission(self.session, data)
            if received.corr_id != self.corr_id:
                raise DecodeError("answer belongs to another command")
            return decode_message(received.command, self.session.version)
        except ValueError:  # DecodeError, or not just one transmission
            raise UnexpectedResponseError("answer of the server behind the proxy does not decode") from None


# between the two servers


@dataclass(frozen=True, slots=True)
class Forwarded:
    """What a proxy sends on, inside RFWD: a client's PFWD with its correlation id."""

    corr_id: bytes = field(repr=False)
    version: int
    command_key: X25519PublicKey
    encrypted: bytes = field(repr=False)

    def seal(self, secret: BoxKey, nonce: bytes) -> bytes:
        """Encrypt with the secret of the two servers' session, at the proxy; ``nonce`` is RFWD's correlation id."""
        head = encoding.short(self.corr_id) + encoding.word16(self.version) + encoding.public_key(self.command_key)
        return secret.seal(cb_nonce(nonce), head + self.encrypted)

    @classmethod
    def open(cls, secret: BoxKey, nonce: bytes, sealed: bytes) -> Self:
        """Decrypt, at the destination. Raises :class:`CryptoError` and :class:`DecodeError`."""
        reader = Reader(secret.open(cb_nonce(nonce), sealed))
        return cls(reader.short(), reader.word16(), reader.x25519_key(), reader.tail())

    def open_command(self, server_key: X25519PrivateKey) -> tuple[BoxKey, bytes]:
        """The client's single transmission and the key for its answer, at the destination.

        Raises :class:`CryptoError` (answered with ``CRYPTO``) and :class:`DecodeError` (answered with ``BLOCK``).
        """
        key = BoxKey.agree(server_key, self.command_key)
        transmissions = unpack_batch(unpad(key.open(cb_nonce(self.corr_id), self.encrypted)))
        if len(transmissions) != 1:
            raise DecodeError("only one command can be forwarded at once")
        return key, transmissions[0]

    def seal_answer(self, key: BoxKey, transmission: bytes) -> bytes:
        """Encrypt the answer to the client, at the destination; raises :class:`EncodeError`."""
        (batch,) = pack_batches([transmission])
        return _seal(key, reverse_nonce(cb_nonce(self.corr_id)), batch)


@dataclass(frozen=True, slots=True)
class ForwardedAnswer:
    """What a destination sends back, inside RRES: the answer to a client, with the correlation id of its PFWD."""

    corr_id: bytes = field(repr=False)
    encrypted: bytes = field(repr=False)

    def seal(self, secret: BoxKey, nonce: bytes) -> bytes:
        """Encrypt with the secret of the two servers' session; ``nonce`` is RFWD's correlation id."""
        return secret.seal(reverse_nonce(cb_nonce(nonce)), encoding.short(self.corr_id) + self.encrypted)

    @classmethod
    def open(cls, secret: BoxKey, nonce: bytes, sealed: bytes) -> Self:
        """Decrypt, at the proxy. Raises :class:`CryptoError` and :class:`DecodeError`."""
        reader = Reader(secret.open(reverse_nonce(cb_nonce(nonce)), sealed))
        return cls(reader.short(), reader.tail())


def _seal(key: BoxKey, nonce: bytes, batch: bytes) -> bytes:
    try:
        return key.seal(nonce, pad(batch, FORWARDED_SIZE))
    except CryptoError:
        raise EncodeError("command does not fit into a forwarded block") from None


def _open(key: BoxKey, nonce: bytes, sealed: bytes) -> bytes:
    return unpad(key.open(nonce, sealed))
