"""The key encapsulation of the post-quantum ratchet: Streamlined NTRU Prime, sntrup761.

Keys, ciphertexts and shared secrets are the raw bytes of the reference implementation. The library draws its
randomness from the operating system by itself; what depends on it is behind :class:`KemSource`, so that a recorded
exchange can be repeated. Source: pqdr.md ("sntrup761"), and the NTRU Prime submission for the layout of the keys.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import ClassVar, Protocol, Self

from pqcrypto.kem import sntrup_761

from simplex_calls.crypto.keys import CryptoError

KEM_SHARED_SIZE = 32

# f and 1/g of 191 bytes each come first, then the public key
_PUBLIC_START = 2 * 191


@dataclass(frozen=True)
class KemPublicKey:
    """A public key, which secrets are encapsulated for."""

    size: ClassVar[int] = 1158

    raw: bytes

    def __post_init__(self) -> None:
        if len(self.raw) != self.size:
            raise CryptoError(f"sntrup761 public key must have {self.size} bytes, not {len(self.raw)}")


@dataclass(frozen=True)
class KemCiphertext:
    """An encapsulated secret."""

    size: ClassVar[int] = 1039

    raw: bytes

    def __post_init__(self) -> None:
        if len(self.raw) != self.size:
            raise CryptoError(f"sntrup761 ciphertext must have {self.size} bytes, not {len(self.raw)}")


@dataclass(frozen=True)
class KemPrivateKey:
    """A private key. It holds the public one, too."""

    size: ClassVar[int] = 1763

    raw: bytes = field(repr=False)

    def __post_init__(self) -> None:
        if len(self.raw) != self.size:
            raise CryptoError(f"sntrup761 private key must have {self.size} bytes, not {len(self.raw)}")

    @classmethod
    def generate(cls) -> Self:
        """Make a new private key."""
        _, raw = sntrup_761.keygen()
        return cls(raw)

    @property
    def public(self) -> KemPublicKey:
        """The public half."""
        return KemPublicKey(self.raw[_PUBLIC_START : _PUBLIC_START + KemPublicKey.size])

    def decapsulate(self, ciphertext: KemCiphertext) -> bytes:
        """The secret in ``ciphertext`` (32 bytes).

        A ciphertext that was not made for this key gives another secret, not an error ("implicit rejection").
        """
        try:
            secret: bytes = sntrup_761.decaps(self.raw, ciphertext.raw)
        except ValueError:
            raise CryptoError("sntrup761 ciphertext does not open") from None
        return secret


@dataclass(frozen=True)
class Encapsulated:
    """A new secret for the holder of ``peer_key``."""

    peer_key: KemPublicKey
    ciphertext: KemCiphertext
    shared: bytes = field(repr=False)
    """The secret (32 bytes)."""

    def __post_init__(self) -> None:
        if len(self.shared) != KEM_SHARED_SIZE:
            raise CryptoError("sntrup761 secret must have 32 bytes")


class KemSource(Protocol):
    """What draws randomness: new keys and new secrets."""

    def generate(self) -> KemPrivateKey:
        """Make a new private key."""

    def encapsulate(self, peer_key: KemPublicKey) -> Encapsulated:
        """Make a new secret for ``peer_key``; raises :class:`CryptoError`."""


class SystemKem:
    """A :class:`KemSource` with the operating system's randomness."""

    def generate(self) -> KemPrivateKey:
        """Make a new private key."""
        return KemPrivateKey.generate()

    def encapsulate(self, peer_key: KemPublicKey) -> Encapsulated:
        """Make a new secret for ``peer_key``; raises :class:`CryptoError`."""
        try:
            ciphertext, shared = sntrup_761.encaps(peer_key.raw)
        except ValueError:
            raise CryptoError("the other side's sntrup761 key is not valid") from None
        return Encapsulated(peer_key, KemCiphertext(ciphertext), shared)
