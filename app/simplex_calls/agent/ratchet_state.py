"""The state of a double ratchet, the message keys it holds back, and how both are stored.

Everything is immutable: :mod:`.ratchet` returns a new state, the store writes it, and a failed transaction leaves the
old one. Source of the parts: Signal's double ratchet specification, "Double Ratchet with header encryption".
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field, replace
from typing import Protocol, Self

from simplex_calls.agent.kem import KemKeys
from simplex_calls.crypto import CryptoError, X448PrivateKey, X448PublicKey
from simplex_calls.smp.encoding import Reader, boolean, maybe, short, word16, word32
from simplex_calls.smp.errors import DecodeError

MAX_SKIPPED_IN_STEP = 512
"""How many messages of one chain may be missing before one that arrives (official agents have the same limit)."""

MAX_SKIPPED_STORED = 2048
"""How many message keys a ratchet keeps for messages that may still arrive; beyond, the oldest go first.

One message can add twice the step limit (the rest of the last chain and the start of the next); this holds two such.
"""

_FORMAT_WITHOUT_KEM = 1
_FORMAT = 2
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
    """The other side uses keys that are not safe to use, or KEM keys that do not fit what came before."""


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


class SkippedLookup(Protocol):
    """What a decryption asks about the stored keys of one ratchet.

    :meth:`get` is asked for every message; :meth:`header_keys` only if the message belongs to neither the current
    nor the next chain, ``len()`` and :meth:`oldest` only if keys are added. So a store can answer by its indexes and
    never load them all.
    """

    def get(self, header_key: bytes, number: int, /) -> MessageKey | None:
        """The key of a skipped message."""

    def header_keys(self) -> Iterable[bytes]:
        """The header keys of all chains that messages are missing of, each once, latest first."""

    def oldest(self, count: int, /) -> list[tuple[bytes, int]]:
        """The names (header key and number) of the ``count`` oldest keys."""

    def __len__(self) -> int: ...


class SkippedKeys:
    """The stored keys of one ratchet in memory, oldest first; never changed in place. A :class:`SkippedLookup`."""

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
    headers announce.
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
    kem: KemKeys | None = None
    """The KEM keys that our headers carry, if any."""
    supports_kem: bool = False
    """Whether our headers have the size that holds KEM keys. Once they have, they keep it."""
    enables_kem: bool = False
    """Whether the next turn is to use KEM, if the other side does its part."""
    sending_kem: bool = False
    """Whether what we send now is protected by KEM."""
    receiving_kem: bool = False
    """Whether what we receive now is protected by KEM."""

    @property
    def is_quantum_resistant(self) -> bool:
        """Whether both directions are protected by KEM now."""
        return self.sending_kem and self.receiving_kem

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
                maybe(None if self.kem is None else self.kem.to_bytes()),
                *map(boolean, (self.supports_kem, self.enables_kem, self.sending_kem, self.receiving_kem)),
            )
        )

    @classmethod
    def from_bytes(cls, data: bytes) -> Self:
        """Undo :meth:`to_bytes`, also of versions without KEM; raises :class:`StoredRatchetError`."""
        reader = Reader(data)
        try:
            format_number = reader.byte()
            if format_number not in (_FORMAT_WITHOUT_KEM, _FORMAT):
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
            if format_number == _FORMAT:
                state = replace(
                    state,
                    kem=reader.maybe(lambda: KemKeys.read(reader)),
                    supports_kem=reader.boolean(),
                    enables_kem=reader.boolean(),
                    sending_kem=reader.boolean(),
                    receiving_kem=reader.boolean(),
                )
            reader.end()
        except (DecodeError, CryptoError):
            raise StoredRatchetError("stored ratchet is damaged") from None
        return state
