"""X3DH on X448: what two parties agree on before their double ratchet starts.

The party that creates an invitation (the *initiator*) puts two public keys into the link; the party that joins (the
*joiner*) answers with two of its own in its confirmation. Both derive the same root key, header keys and associated
data. Sources: pqdr.md ("Initialization"), agent-protocol.md ("X3DH key agreement").
"""

from __future__ import annotations

import os
from dataclasses import dataclass, field
from typing import Self

from simplex_calls.crypto import CryptoError, Random, X448PrivateKey, X448PublicKey, hkdf
from simplex_calls.smp.encoding import Reader, VersionRange, maybe, public_key, word16
from simplex_calls.smp.errors import DecodeError

POST_QUANTUM_VERSION = 3
"""The first e2e version whose parameters and headers have a place for KEM keys."""

_SALT = bytes(64)
_INFO = b"SimpleXX3DH"


@dataclass(frozen=True, slots=True)
class E2EParams:
    """One party's public keys for a ratchet of one e2e version, as a confirmation carries them."""

    version: int
    key1: X448PublicKey
    key2: X448PublicKey

    def encode(self) -> bytes:
        """The binary form (no KEM keys)."""
        kem = maybe(None) if self.version >= POST_QUANTUM_VERSION else b""
        return word16(self.version) + public_key(self.key1) + public_key(self.key2) + kem

    @classmethod
    def read(cls, reader: Reader) -> Self:
        """Read the binary form; raises :class:`DecodeError`, also where there are KEM keys."""
        version, key1, key2 = reader.word16(), reader.key(X448PublicKey), reader.key(X448PublicKey)
        if version >= POST_QUANTUM_VERSION and reader.maybe(lambda: True):
            raise DecodeError("the other side's post-quantum keys are not supported")
        return cls(version, key1, key2)


@dataclass(frozen=True, slots=True)
class E2EParamsRange:
    """The initiator's public keys and the e2e versions it speaks, as an invitation carries them.

    KEM keys in an invitation of others are left out: the joiner may always answer without.
    """

    versions: VersionRange
    key1: X448PublicKey
    key2: X448PublicKey

    def at(self, version: int) -> E2EParams:
        """The same keys for one version."""
        return E2EParams(version, self.key1, self.key2)

    def encode(self) -> bytes:
        """The binary form (no KEM keys)."""
        return self.versions.encode() + public_key(self.key1) + public_key(self.key2) + maybe(None)

    @classmethod
    def read(cls, reader: Reader) -> Self:
        """Read the binary form; KEM keys are passed over. Raises :class:`DecodeError`."""
        params = cls(reader.version_range(), reader.key(X448PublicKey), reader.key(X448PublicKey))
        reader.maybe(lambda: _pass_over_kem(reader))
        return params


def _pass_over_kem(reader: Reader) -> None:
    match reader.take(1):
        case b"P":
            reader.large()
        case b"A":
            reader.large()
            reader.large()
        case _:
            raise DecodeError("KEM keys are neither proposed nor accepted")


@dataclass(frozen=True, slots=True)
class E2EPrivateKeys:
    """One party's two private keys, kept until the ratchet is set up."""

    key1: X448PrivateKey
    key2: X448PrivateKey

    @classmethod
    def generate(cls, random: Random = os.urandom) -> Self:
        """Make two new keys."""
        return cls(X448PrivateKey.generate(random), X448PrivateKey.generate(random))

    def public(self, versions: VersionRange) -> E2EParamsRange:
        """The public halves for an invitation."""
        return E2EParamsRange(versions, self.key1.public, self.key2.public)

    def public_at(self, version: int) -> E2EParams:
        """The public halves for a confirmation."""
        return E2EParams(version, self.key1.public, self.key2.public)

    def to_bytes(self) -> bytes:
        """Both raw keys, for our own store (112 bytes)."""
        return self.key1.raw + self.key2.raw

    @classmethod
    def from_bytes(cls, data: bytes) -> Self:
        """Undo :meth:`to_bytes`; raises :class:`CryptoError`."""
        if len(data) != 2 * X448PrivateKey.size:
            raise CryptoError("stored X3DH keys have the wrong size")
        return cls(X448PrivateKey(data[: X448PrivateKey.size]), X448PrivateKey(data[X448PrivateKey.size :]))


@dataclass(frozen=True, slots=True)
class Agreement:
    """What X3DH gives to both parties."""

    associated_data: bytes = field(repr=False)
    """Both first public keys, the joiner's first (112 bytes): authenticated with every message."""
    root_key: bytes = field(repr=False)
    joiner_header_key: bytes = field(repr=False)
    """Encrypts the headers of the joiner's first sending chain."""
    initiator_header_key: bytes = field(repr=False)
    """Encrypts the headers of the initiator's first sending chain."""


def agree_as_joiner(own: E2EPrivateKeys, initiator: E2EParams) -> Agreement:
    """The joiner's side; raises :class:`CryptoError` on keys that are not safe to use."""
    secrets = (
        own.key2.exchange(initiator.key1),
        own.key1.exchange(initiator.key2),
        own.key2.exchange(initiator.key2),
    )
    return _derive(own.key1.public, initiator.key1, b"".join(secrets))


def agree_as_initiator(own: E2EPrivateKeys, joiner: E2EParams) -> Agreement:
    """The initiator's side; raises :class:`CryptoError` on keys that are not safe to use."""
    secrets = (
        own.key1.exchange(joiner.key2),
        own.key2.exchange(joiner.key1),
        own.key2.exchange(joiner.key2),
    )
    return _derive(joiner.key1, own.key1.public, b"".join(secrets))


def _derive(joiner_key1: X448PublicKey, initiator_key1: X448PublicKey, secret: bytes) -> Agreement:
    keys = hkdf(_SALT, secret, _INFO, 96)
    return Agreement(joiner_key1.raw + initiator_key1.raw, keys[64:], keys[:32], keys[32:64])
