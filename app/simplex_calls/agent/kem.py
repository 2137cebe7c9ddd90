"""The key encapsulation (KEM) part of a ratchet: what its keys look like in links, confirmations and headers.

One side *proposes* with a public key; the other *accepts* with a secret encapsulated for that key and a public key of
its own, and from then on each turn of the ratchet accepts the other side's last key. Source: pqdr.md ("Ratchet KEM
state"), "KEM state machine" there.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Self, TypeVar

from simplex_calls.crypto import CryptoError, Encapsulated, KemCiphertext, KemPrivateKey, KemPublicKey, KemSource
from simplex_calls.crypto.sntrup761 import KEM_SHARED_SIZE
from simplex_calls.smp.encoding import Reader, large
from simplex_calls.smp.errors import DecodeError

T = TypeVar("T", bound=KemPublicKey | KemCiphertext)


@dataclass(frozen=True, slots=True)
class KemProposed:
    """A public key that the other side may encapsulate a secret for."""

    key: KemPublicKey

    def encode(self) -> bytes:
        """The binary form."""
        return b"P" + large(self.key.raw)


@dataclass(frozen=True, slots=True)
class KemAccepted:
    """A secret encapsulated for the other side's last key, and the next key."""

    ciphertext: KemCiphertext
    key: KemPublicKey

    def encode(self) -> bytes:
        """The binary form."""
        return b"A" + large(self.ciphertext.raw) + large(self.key.raw)


KemParams = KemProposed | KemAccepted


def read_kem_params(reader: Reader) -> KemParams:
    """Read either; raises :class:`DecodeError`."""
    match reader.take(1):
        case b"P":
            return KemProposed(_sized(KemPublicKey, reader.large))
        case b"A":
            return KemAccepted(_sized(KemCiphertext, reader.large), _sized(KemPublicKey, reader.large))
    raise DecodeError("KEM keys are neither proposed nor accepted")


def read_kem_proposal(reader: Reader) -> KemProposed:
    """Read a proposal; raises :class:`DecodeError`, also where there is an acceptance."""
    params = read_kem_params(reader)
    if not isinstance(params, KemProposed):
        raise DecodeError("KEM keys are accepted where they can only be proposed")
    return params


def _sized(kind: Callable[[bytes], T], read: Callable[[], bytes]) -> T:
    try:
        return kind(read())
    except CryptoError as error:
        raise DecodeError(str(error)) from None


@dataclass(frozen=True, slots=True)
class KemKeys:
    """One side's key pair, and the secret that it encapsulated for the other side if it accepted."""

    own: KemPrivateKey
    accepted: Encapsulated | None = None

    @classmethod
    def propose(cls, source: KemSource) -> Self:
        """Make a new key pair to propose with."""
        return cls(source.generate())

    @classmethod
    def accept(cls, source: KemSource, peer_key: KemPublicKey) -> Self:
        """Make a new key pair and a secret for ``peer_key``; raises :class:`CryptoError`."""
        accepted = source.encapsulate(peer_key)
        return cls(source.generate(), accepted)

    @property
    def params(self) -> KemParams:
        """What the other side gets."""
        if self.accepted is None:
            return KemProposed(self.own.public)
        return KemAccepted(self.accepted.ciphertext, self.own.public)

    def proposed(self) -> Self:
        """The same key pair without the secret."""
        return type(self)(self.own)

    def to_bytes(self) -> bytes:
        """For our own store."""
        accepted = self.accepted
        if accepted is None:
            return b"P" + self.own.raw
        return b"A" + self.own.raw + accepted.peer_key.raw + accepted.ciphertext.raw + accepted.shared

    @classmethod
    def read(cls, reader: Reader) -> Self:
        """Undo :meth:`to_bytes`; raises :class:`DecodeError` and :class:`CryptoError`."""
        kind, own = reader.take(1), KemPrivateKey(reader.take(KemPrivateKey.size))
        if kind == b"P":
            return cls(own)
        if kind != b"A":
            raise DecodeError("stored KEM keys are neither proposed nor accepted")
        peer_key = KemPublicKey(reader.take(KemPublicKey.size))
        ciphertext = KemCiphertext(reader.take(KemCiphertext.size))
        return cls(own, Encapsulated(peer_key, ciphertext, reader.take(KEM_SHARED_SIZE)))
