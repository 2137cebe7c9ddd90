"""The state of a double ratchet, the message keys it holds back, and how both are stored.

Everything is immutable: :mod:`.ratchet` returns a new state, the store writes it, and a failed transaction leaves the
old one. Source of the parts: Signal's double ratchet specification, "Double Ratchet with header encryption".
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import Self

from simplex_calls.crypto import CryptoError, X448PrivateKey, X448PublicKey
from simplex_calls.smp.encoding import Reader, maybe, short, word16, word32
from simplex_calls.smp.errors import DecodeError

MAX_SKIPPED_IN_STEP = 512
"""How many messages of one chain may be missing before one that arrives (official agents have the same limit)."""

MAX_SKIPPED_STORED = 2048
"""How many message keys a ratchet keeps for messages that may still arrive; beyond, the oldest go first.

One message can add twice the step limit (the rest of the last chain and the start of the next); this holds two such.
"""

_FORMAT = 1
_KEY_SIZE = 32
_IV_SIZE = 16


class RatchetError(Exception):
    """A message cannot be encrypted or decrypted; the ratchet is as it was. No text holds a key or a message."""


class HeaderError(RatchetError):
    """The message's header is not one of this ratchet: a message of another connection, changed, or long gone."""


class MessageError(RatchetError):
    """The header is this ratchet's, but the body does not decrypt: it was changed on its way."""


class EarlierMessageError(RatchetError):
    """The message came before (or its key was dropped as one of too many): its key is not there any more."""


class DuplicateMessageError(EarlierMessageError):
    """The message is the one that was decrypted last."""


class TooManySkippedError(RatchetError):
    """More messages are missing before this one than a ratchet skips."""

    def __init__(self, count: int) -> None:
        super().__init__(f"{count} messages are missing before this one, at most {MAX_SKIPPED_IN_STEP} may be")
        self.count = count


class UnsupportedRatchetError(RatchetError):
    """The other side uses a ratchet version or post-quantum keys that were not agreed on."""


class NotReadyError(RatchetError):
    """The ratchet cannot send yet: nothing was received from the other side."""


class PlaintextTooLongError(RatchetError):
    """The message does not fit into its padded size."""


class StoredRatchetError(RatchetError):
    """A stored state is not one: the database is damaged or was written by a newer version."""


@dataclass(frozen=True, slots=True)
class MessageKey:
    """What encrypts one message: a key (32 bytes) and an initialisation vector (16)."""

    key: bytes = field(repr=False)
    iv: bytes = field(repr=False)

    def to_bytes(self) -> bytes:
        """For the store (48 bytes)."""
        return self.key + self.iv

    @classmethod
    def from_bytes(cls, data: bytes) -> Self:
        """Undo :meth:`to_bytes`; raises :class:`StoredRatchetError`."""
        if len(data) != _KEY_SIZE + _IV_SIZE:
            raise StoredRatchetError("stored message key has the wrong size")
        return cls(bytes(data[:_KEY_SIZE]), bytes(data[_KEY_SIZE:]))


@dataclass(frozen=True, slots=True)
class SkippedKey:
    """The key of a message that was skipped, and what names it: its chain's header key and its number."""

    header_key: bytes = field(repr=False)
    number: int
    key: MessageKey


@dataclass(frozen=True, slots=True)
class SkippedDelta:
    """What one decryption changes in the stored keys: insert ``added`` in this order, delete ``removed``."""

    added: tuple[SkippedKey, ...] = ()
    removed: tuple[tuple[bytes, int], ...] = field(default=(), repr=False)
    """Each a header key and a number."""

    def __bool__(self) -> bool:
        return bool(self.added or self.removed)


class SkippedKeys:
    """The stored keys of one ratchet, oldest first; never changed in place."""

    __slots__ = ("_keys",)

    def __init__(self, keys: Iterable[SkippedKey] = ()) -> None:
        self._keys = {(item.header_key, item.number): item.key for item in keys}

    def get(self, header_key: bytes, number: int) -> MessageKey | None:
        """The key of a skipped message."""
        return self._keys.get((header_key, number))

    def header_keys(self) -> list[bytes]:
        """The header keys of all chains that messages are missing of, latest first."""
        return list(dict.fromkeys(header_key for header_key, _ in reversed(self._keys)))

    def oldest(self, count: int) -> list[tuple[bytes, int]]:
        """The names of the ``count`` oldest keys."""
        return [name for name, _ in zip(self._keys, range(count), strict=False)]

    def applied(self, delta: SkippedDelta) -> SkippedKeys:
        """The keys after a decryption."""
        if not delta:
            return self
        changed = SkippedKeys()
        changed._keys = self._keys | {(item.header_key, item.number): item.key for item in delta.added}
        for name in delta.removed:
            changed._keys.pop(name, None)
        return changed

    def __len__(self) -> int:
        return len(self._keys)

    def __iter__(self) -> Iterator[SkippedKey]:
        return (SkippedKey(header_key, number, key) for (header_key, number), key in self._keys.items())

    def __eq__(self, other: object) -> bool:
        return isinstance(other, SkippedKeys) and self._keys == other._keys

    __hash__ = None  # type: ignore[assignment]

    def __repr__(self) -> str:
        return f"SkippedKeys({len(self)})"


@dataclass(frozen=True, slots=True)
class SendingChain:
    """The chain that our messages are encrypted with."""

    peer_key: X448PublicKey
    chain_key: bytes = field(repr=False)
    header_key: bytes = field(repr=False)


@dataclass(frozen=True, slots=True)
class ReceivingChain:
    """The chain that the other side's messages are encrypted with."""

    chain_key: bytes = field(repr=False)
    header_key: bytes = field(repr=False)


@dataclass(frozen=True, slots=True)
class RatchetState:
    """A double ratchet without its skipped keys.

    ``version`` is the e2e version in use; it rises to what the other side announces, up to ``max_version``, which our
    headers announce. A post-quantum ratchet will add its KEM state as one more optional part (format 2 of
    :meth:`to_bytes`).
    """

    version: int
    max_version: int
    associated_data: bytes = field(repr=False)
    own_key: X448PrivateKey
    own_public_key: X448PublicKey
    root_key: bytes = field(repr=False)
    sending: SendingChain | None
    receiving: ReceivingChain | None
    sent: int
    """Messages sent in the current sending chain (Ns)."""
    received: int
    """The number that the next message of the current receiving chain has (Nr)."""
    previously_sent: int
    """Messages sent in the sending chain before this one (PN)."""
    next_sending_header_key: bytes = field(repr=False)
    next_receiving_header_key: bytes = field(repr=False)

    def to_bytes(self) -> bytes:
        """The state for our own store."""
        sending, receiving = self.sending, self.receiving
        return b"".join(
            (
                bytes((_FORMAT,)),
                word16(self.version),
                word16(self.max_version),
                short(self.associated_data),
                self.own_key.raw,
                self.own_public_key.raw,
                self.root_key,
                maybe(None if sending is None else sending.peer_key.raw + sending.chain_key + sending.header_key),
                maybe(None if receiving is None else receiving.chain_key + receiving.header_key),
                word32(self.sent),
                word32(self.received),
                word32(self.previously_sent),
                self.next_sending_header_key,
                self.next_receiving_header_key,
            )
        )

    @classmethod
    def from_bytes(cls, data: bytes) -> Self:
        """Undo :meth:`to_bytes`; raises :class:`StoredRatchetError`."""
        reader = Reader(data)
        try:
            if reader.byte() != _FORMAT:
                raise StoredRatchetError("stored ratchet has a format that this version does not know")
            state = cls(
                version=reader.word16(),
                max_version=reader.word16(),
                associated_data=reader.short(),
                own_key=X448PrivateKey(reader.take(X448PrivateKey.size)),
                own_public_key=X448PublicKey(reader.take(X448PublicKey.size)),
                root_key=reader.take(_KEY_SIZE),
                sending=reader.maybe(
                    lambda: SendingChain(
                        X448PublicKey(reader.take(X448PublicKey.size)), reader.take(_KEY_SIZE), reader.take(_KEY_SIZE)
                    )
                ),
                receiving=reader.maybe(lambda: ReceivingChain(reader.take(_KEY_SIZE), reader.take(_KEY_SIZE))),
                sent=reader.word32(),
                received=reader.word32(),
                previously_sent=reader.word32(),
                next_sending_header_key=reader.take(_KEY_SIZE),
                next_receiving_header_key=reader.take(_KEY_SIZE),
            )
            reader.end()
        except (DecodeError, CryptoError):
            raise StoredRatchetError("stored ratchet is damaged") from None
        return state
