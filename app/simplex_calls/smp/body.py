"""What is inside SEND and MSG: the end-to-end envelope between the two clients, and the server's layer around it.

Source: simplex-messaging.md, "Send message" and "Deliver queue message". Sizes are the official clients'.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Self

from simplex_calls.crypto import BoxKey, CryptoError, PublicKey, X25519PublicKey, cb_nonce, pad, unpad
from simplex_calls.crypto.box import NONCE_SIZE
from simplex_calls.smp import encoding
from simplex_calls.smp.encoding import Reader, VersionRange
from simplex_calls.smp.errors import DecodeError, LargeMessageError
from simplex_calls.smp.messages import Msg

CLIENT_VERSIONS = VersionRange(1, 4)
"""The versions of the envelope that we speak; 3 is: the sender can secure the queue, 4: short links."""
CONFIRMATION_SIZE = 15904
"""Padded size, in bytes, of a client message in an envelope that carries the sender's key."""
MESSAGE_SIZE = 16000
"""Padded size, in bytes, of any other client message."""
RECEIVED_SIZE = 16106
"""Padded size, in bytes, of what the server encrypts for the recipient."""

_QUOTA = b"QUOTA"


@dataclass(frozen=True, slots=True)
class ClientMessage:
    """What one client tells the other in a queue: the agent's bytes, and in a confirmation perhaps a key.

    ``sender_key`` is the key that the recipient shall secure the queue with, where the sender does not do it itself.
    """

    body: bytes = field(repr=False)
    sender_key: PublicKey | None = None

    def encode(self) -> bytes:
        """``_`` and the body, or ``K``, the key and the body."""
        header = b"_" if self.sender_key is None else b"K" + encoding.public_key(self.sender_key)
        return header + self.body

    @classmethod
    def decode(cls, data: bytes) -> Self:
        """Decode; raises :class:`DecodeError`."""
        reader = Reader(data)
        match reader.take(1):
            case b"_":
                return cls(reader.tail())
            case b"K":
                key = reader.public_key()
                return cls(reader.tail(), key)
            case _:
                raise DecodeError("client message's header is neither _ nor K")


@dataclass(frozen=True, slots=True)
class ClientEnvelope:
    """The body of SEND: a client message in a box between the sender's and the recipient's key of this queue.

    ``dh_key`` is the sender's half, present in confirmations.
    """

    version: int
    dh_key: X25519PublicKey | None
    nonce: bytes = field(repr=False)
    box: bytes = field(repr=False)

    @classmethod
    def seal(
        cls, message: ClientMessage, key: BoxKey, nonce: bytes, version: int, dh_key: X25519PublicKey | None = None
    ) -> Self:
        """Encrypt with the queue's end-to-end key and a fresh 24-byte nonce.

        Raises :class:`LargeMessageError` if the message does not fit.
        """
        size = MESSAGE_SIZE if dh_key is None else CONFIRMATION_SIZE
        try:
            padded = pad(message.encode(), size)
        except CryptoError:
            raise LargeMessageError(f"message does not fit into {size} bytes") from None
        return cls(version, dh_key, nonce, key.seal(nonce, padded))

    def open(self, key: BoxKey) -> ClientMessage:
        """Decrypt with the queue's end-to-end key; raises :class:`DecodeError`."""
        return ClientMessage.decode(_open(key, self.nonce, self.box))

    def encode(self) -> bytes:
        """Encode as the body of SEND."""
        dh_key = None if self.dh_key is None else encoding.public_key(self.dh_key)
        return encoding.word16(self.version) + encoding.maybe(dh_key) + self.nonce + self.box

    @classmethod
    def decode(cls, data: bytes) -> Self:
        """Decode the body of SEND; raises :class:`DecodeError`."""
        reader = Reader(data)
        version, dh_key = reader.word16(), reader.maybe(reader.x25519_key)
        return cls(version, dh_key, reader.take(NONCE_SIZE), reader.tail())


@dataclass(frozen=True, slots=True)
class Received:
    """A message as the server keeps it: when it came (seconds since 1970), its flag, and the body of SEND."""

    timestamp: int
    notify: bool
    body: bytes = field(repr=False)

    def encode(self) -> bytes:
        """Encode, without padding."""
        return encoding.int64(self.timestamp) + encoding.boolean(self.notify) + b" " + self.body


@dataclass(frozen=True, slots=True)
class QuotaReached:
    """Stands in a queue after the last message that fitted: the sender was refused at this time and may go on now."""

    timestamp: int

    def encode(self) -> bytes:
        """Encode, without padding."""
        return _QUOTA + b" " + encoding.int64(self.timestamp)


def encrypt_received(received: Received | QuotaReached, key: BoxKey, message_id: bytes) -> Msg:
    """Encrypt a message for its recipient, at the server: ``key`` is agreed between the DH keys of NEW and IDS.

    The 24-byte message id is the nonce. Raises :class:`LargeMessageError`.
    """
    try:
        padded = pad(received.encode(), RECEIVED_SIZE)
    except CryptoError:
        raise LargeMessageError("message does not fit into a delivered one") from None
    return Msg(message_id, key.seal(cb_nonce(message_id), padded))


def decrypt_received(message: Msg, key: BoxKey) -> Received | QuotaReached:
    """Decrypt a delivered message, at the recipient; raises :class:`DecodeError`."""
    reader = Reader(_open(key, cb_nonce(message.message_id), message.body))
    if reader.peek(len(_QUOTA)) == _QUOTA:
        reader.literal(_QUOTA)
        reader.space()
        quota = QuotaReached(reader.int64())
        reader.end()
        return quota
    timestamp, notify = reader.int64(), reader.boolean()
    reader.until(b" ")  # flags of the future
    reader.space()
    return Received(timestamp, notify, reader.tail())


def _open(key: BoxKey, nonce: bytes, box: bytes) -> bytes:
    try:
        return unpad(key.open(nonce, box))
    except CryptoError as error:
        raise DecodeError(str(error)) from None
