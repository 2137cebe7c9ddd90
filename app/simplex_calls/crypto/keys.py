"""Key pairs of the four curves that SimpleX uses, as raw bytes with their DER forms.

A key is held as its raw bytes and turned into a library object on first use, so that decoding a link or loading a
thousand queues costs nothing. Private keys never appear in ``repr``. Formats: RFC 8410 (SubjectPublicKeyInfo and
PKCS#8 without attributes), as simplex-messaging.md prescribes.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cached_property
from typing import ClassVar, Self

import nacl.bindings
import nacl.exceptions
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric import ed448, ed25519, x448, x25519

Random = Callable[[int], bytes]
"""A source of ``n`` random bytes; ``os.urandom`` outside tests."""


class CryptoError(ValueError):
    """A key, signature or ciphertext is not valid. Its text never holds secret bytes."""


_OIDS = {"X25519": 0x6E, "X448": 0x6F, "Ed25519": 0x70, "Ed448": 0x71}


def _public_prefix(algorithm: str, size: int) -> bytes:
    return bytes((0x30, size + 10, 0x30, 0x05, 0x06, 0x03, 0x2B, 0x65, _OIDS[algorithm], 0x03, size + 1, 0x00))


def _private_prefix(algorithm: str, size: int) -> bytes:
    oid = (0x30, 0x05, 0x06, 0x03, 0x2B, 0x65, _OIDS[algorithm])
    return bytes((0x30, size + 14, 0x02, 0x01, 0x00, *oid, 0x04, size + 2, 0x04, size))


@dataclass(frozen=True)
class PublicKey:
    """A public key: ``raw`` bytes of the curve's size, and ``der`` as SubjectPublicKeyInfo."""

    algorithm: ClassVar[str]
    size: ClassVar[int]
    der_prefix: ClassVar[bytes]

    raw: bytes

    def __init_subclass__(cls) -> None:
        cls.der_prefix = _public_prefix(cls.algorithm, cls.size)

    def __post_init__(self) -> None:
        if len(self.raw) != self.size:
            raise CryptoError(f"{self.algorithm} public key must have {self.size} bytes, not {len(self.raw)}")

    @property
    def der(self) -> bytes:
        """SubjectPublicKeyInfo DER."""
        return self.der_prefix + self.raw

    @classmethod
    def from_der(cls, der: bytes) -> Self:
        """Decode SubjectPublicKeyInfo DER of this algorithm; raises :class:`CryptoError`."""
        if len(der) != len(cls.der_prefix) + cls.size or not der.startswith(cls.der_prefix):
            raise CryptoError(f"not an {cls.algorithm} public key")
        return cls(bytes(der[len(cls.der_prefix) :]))


@dataclass(frozen=True)
class _PrivateKey:
    algorithm: ClassVar[str]
    size: ClassVar[int]
    der_prefix: ClassVar[bytes]

    raw: bytes = field(repr=False)

    def __init_subclass__(cls) -> None:
        cls.der_prefix = _private_prefix(cls.algorithm, cls.size)

    def __post_init__(self) -> None:
        if len(self.raw) != self.size:
            raise CryptoError(f"{self.algorithm} private key must have {self.size} bytes, not {len(self.raw)}")

    @classmethod
    def generate(cls, random: Random = os.urandom) -> Self:
        """Make a new private key from ``random``."""
        return cls(random(cls.size))

    @property
    def der(self) -> bytes:
        """PKCS#8 DER."""
        return self.der_prefix + self.raw

    @classmethod
    def from_der(cls, der: bytes) -> Self:
        """Decode PKCS#8 DER of this algorithm; raises :class:`CryptoError`."""
        if len(der) != len(cls.der_prefix) + cls.size or not der.startswith(cls.der_prefix):
            raise CryptoError(f"not an {cls.algorithm} private key")
        return cls(bytes(der[len(cls.der_prefix) :]))


class X25519PublicKey(PublicKey):
    """An X25519 public key (32 bytes)."""

    algorithm = "X25519"
    size = 32


class X448PublicKey(PublicKey):
    """An X448 public key (56 bytes)."""

    algorithm = "X448"
    size = 56


class Ed25519PublicKey(PublicKey):
    """An Ed25519 public key (32 bytes)."""

    algorithm = "Ed25519"
    size = 32

    def verify(self, signature: bytes, message: bytes) -> bool:
        """Tell whether ``signature`` (64 bytes) of ``message`` is this key's."""
        # PyNaCl verifies in half of cryptography's time; a relay does little else
        if len(signature) != nacl.bindings.crypto_sign_BYTES:
            return False
        try:
            nacl.bindings.crypto_sign_open(signature + message, self.raw)
        except nacl.exceptions.BadSignatureError:
            return False
        return True


class Ed448PublicKey(PublicKey):
    """An Ed448 public key (57 bytes)."""

    algorithm = "Ed448"
    size = 57

    def verify(self, signature: bytes, message: bytes) -> bool:
        """Tell whether ``signature`` (114 bytes) of ``message`` is this key's."""
        try:
            ed448.Ed448PublicKey.from_public_bytes(self.raw).verify(signature, message)
        except (InvalidSignature, ValueError):
            return False
        return True


class X25519PrivateKey(_PrivateKey):
    """An X25519 private key (32 bytes)."""

    algorithm = "X25519"
    size = 32

    @cached_property
    def _key(self) -> x25519.X25519PrivateKey:
        return x25519.X25519PrivateKey.from_private_bytes(self.raw)

    @cached_property
    def public(self) -> X25519PublicKey:
        """The public half."""
        return X25519PublicKey(self._key.public_key().public_bytes_raw())

    def exchange(self, peer: X25519PublicKey) -> bytes:
        """Diffie-Hellman with ``peer``: 32 bytes. An all-zero result (a low-order key) raises :class:`CryptoError`."""
        try:
            return self._key.exchange(x25519.X25519PublicKey.from_public_bytes(peer.raw))
        except ValueError:
            raise CryptoError("the other side's X25519 key is not safe to use") from None


class X448PrivateKey(_PrivateKey):
    """An X448 private key (56 bytes)."""

    algorithm = "X448"
    size = 56

    @cached_property
    def _key(self) -> x448.X448PrivateKey:
        return x448.X448PrivateKey.from_private_bytes(self.raw)

    @cached_property
    def public(self) -> X448PublicKey:
        """The public half."""
        return X448PublicKey(self._key.public_key().public_bytes_raw())

    def exchange(self, peer: X448PublicKey) -> bytes:
        """Diffie-Hellman with ``peer``: 56 bytes. An all-zero result (a low-order key) raises :class:`CryptoError`."""
        try:
            return self._key.exchange(x448.X448PublicKey.from_public_bytes(peer.raw))
        except ValueError:
            raise CryptoError("the other side's X448 key is not safe to use") from None


class Ed25519PrivateKey(_PrivateKey):
    """An Ed25519 private key (32 bytes)."""

    algorithm = "Ed25519"
    size = 32

    @cached_property
    def _key(self) -> ed25519.Ed25519PrivateKey:
        return ed25519.Ed25519PrivateKey.from_private_bytes(self.raw)

    @cached_property
    def public(self) -> Ed25519PublicKey:
        """The public half."""
        return Ed25519PublicKey(self._key.public_key().public_bytes_raw())

    def sign(self, message: bytes) -> bytes:
        """Sign ``message``: 64 bytes."""
        return self._key.sign(message)


class Ed448PrivateKey(_PrivateKey):
    """An Ed448 private key (57 bytes)."""

    algorithm = "Ed448"
    size = 57

    @cached_property
    def _key(self) -> ed448.Ed448PrivateKey:
        return ed448.Ed448PrivateKey.from_private_bytes(self.raw)

    @cached_property
    def public(self) -> Ed448PublicKey:
        """The public half."""
        return Ed448PublicKey(self._key.public_key().public_bytes_raw())

    def sign(self, message: bytes) -> bytes:
        """Sign ``message``: 114 bytes."""
        return self._key.sign(message)


_PUBLIC_KEYS: tuple[type[PublicKey], ...] = (X25519PublicKey, X448PublicKey, Ed25519PublicKey, Ed448PublicKey)


def decode_public_key(der: bytes) -> PublicKey:
    """Decode SubjectPublicKeyInfo DER of any of the four algorithms; raises :class:`CryptoError`."""
    for key_type in _PUBLIC_KEYS:
        if der.startswith(key_type.der_prefix):
            return key_type.from_der(der)
    raise CryptoError("not a public key of a known algorithm")
