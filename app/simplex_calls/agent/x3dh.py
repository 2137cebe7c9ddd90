"""X3DH on X448 with a KEM: what two parties agree on before their double ratchet starts.

The party that creates an invitation (the *initiator*) puts two public keys into the link; the party that joins (the
*joiner*) answers with two of its own in its confirmation. Both derive the same root key, header keys and associated
data. From e2e version 3 on, the initiator may propose a KEM key as well, and the joiner accept it or propose one
itself. Sources: pqdr.md ("Initialization"), agent-protocol.md ("X3DH key agreement").
"""

from __future__ import annotations

import os
from dataclasses import dataclass, field
from typing import Self

from simplex_calls.agent.kem import KemAccepted, KemKeys, KemParams, KemProposed, read_kem_params, read_kem_proposal
from simplex_calls.agent.versions import POST_QUANTUM_VERSION
from simplex_calls.crypto import (
    CryptoError,
    Encapsulated,
    KemSource,
    Random,
    SystemKem,
    X448PrivateKey,
    X448PublicKey,
    hkdf,
)
from simplex_calls.smp.encoding import Reader, VersionRange, maybe, public_key, word16
from simplex_calls.smp.errors import DecodeError

_SALT = bytes(64)
_INFO = b"SimpleXX3DH"


@dataclass(frozen=True, slots=True)
class E2EParams:
    """One party's public keys for a ratchet of one e2e version, as a confirmation carries them."""

    version: int
    key1: X448PublicKey
    key2: X448PublicKey
    kem: KemParams | None = None

    def encode(self) -> bytes:
        """The binary form; before version 3 it has no place for KEM keys."""
        kem = maybe(None if self.kem is None else self.kem.encode()) if self.version >= POST_QUANTUM_VERSION else b""
        return word16(self.version) + public_key(self.key1) + public_key(self.key2) + kem

    @classmethod
    def read(cls, reader: Reader) -> Self:
        """Read the binary form; raises :class:`DecodeError`."""
        version, key1, key2 = reader.word16(), reader.key(X448PublicKey), reader.key(X448PublicKey)
        kem = reader.maybe(lambda: read_kem_params(reader)) if version >= POST_QUANTUM_VERSION else None
        return cls(version, key1, key2, kem)


@dataclass(frozen=True, slots=True)
class E2EParamsRange:
    """The initiator's public keys and the e2e versions it speaks, as an invitation carries them."""

    versions: VersionRange
    key1: X448PublicKey
    key2: X448PublicKey
    kem: KemProposed | None = None

    def at(self, version: int) -> E2EParams:
        """The same keys for one version."""
        return E2EParams(version, self.key1, self.key2, self.kem if version >= POST_QUANTUM_VERSION else None)

    def encode(self) -> bytes:
        """The binary form, which always has a place for a KEM key."""
        kem = maybe(None if self.kem is None else self.kem.encode())
        return self.versions.encode() + public_key(self.key1) + public_key(self.key2) + kem

    @classmethod
    def read(cls, reader: Reader) -> Self:
        """Read the binary form; raises :class:`DecodeError`, also where a KEM key is accepted, not proposed."""
        versions, key1, key2 = reader.version_range(), reader.key(X448PublicKey), reader.key(X448PublicKey)
        return cls(versions, key1, key2, reader.maybe(lambda: read_kem_proposal(reader)))


@dataclass(frozen=True, slots=True)
class E2EPrivateKeys:
    """One party's private keys, kept until the ratchet is set up."""

    key1: X448PrivateKey
    key2: X448PrivateKey
    kem: KemKeys | None = None

    @classmethod
    def generate(cls, random: Random = os.urandom, kem: KemKeys | None = None) -> Self:
        """Make two new keys; ``kem`` comes from :class:`KemKeys` or :func:`reply_kem`."""
        return cls(X448PrivateKey.generate(random), X448PrivateKey.generate(random), kem)

    def public(self, versions: VersionRange) -> E2EParamsRange:
        """The public halves for an invitation, with the KEM key as a proposal."""
        kem = KemProposed(self.kem.own.public) if self.kem and versions.maximum >= POST_QUANTUM_VERSION else None
        return E2EParamsRange(versions, self.key1.public, self.key2.public, kem)

    def public_at(self, version: int) -> E2EParams:
        """The public halves for a confirmation."""
        kem = self.kem.params if self.kem and version >= POST_QUANTUM_VERSION else None
        return E2EParams(version, self.key1.public, self.key2.public, kem)

    def without_kem(self) -> Self:
        """The same keys without the KEM's."""
        return type(self)(self.key1, self.key2)

    def to_bytes(self) -> bytes:
        """The raw keys, for our own store (112 bytes without KEM)."""
        return self.key1.raw + self.key2.raw + (b"" if self.kem is None else self.kem.to_bytes())

    @classmethod
    def from_bytes(cls, data: bytes) -> Self:
        """Undo :meth:`to_bytes`; raises :class:`CryptoError`."""
        reader = Reader(data)
        try:
            key1 = X448PrivateKey(reader.take(X448PrivateKey.size))
            key2 = X448PrivateKey(reader.take(X448PrivateKey.size))
            kem = KemKeys.read(reader) if reader.remaining else None
            reader.end()
        except DecodeError:
            raise CryptoError("stored X3DH keys have the wrong size") from None
        return cls(key1, key2, kem)


def reply_kem(initiator: E2EParams, source: KemSource | None = None, *, wanted: bool) -> KemKeys | None:
    """The KEM keys for an answer: accept what is proposed, else propose, or nothing if it is not ``wanted``.

    Raises :class:`CryptoError`.
    """
    if not wanted or initiator.version < POST_QUANTUM_VERSION:
        return None
    source = source or SystemKem()
    if isinstance(initiator.kem, KemProposed):
        return KemKeys.accept(source, initiator.kem.key)
    return KemKeys.propose(source)


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
    kem: KemKeys | None = None
    """The KEM state that the ratchet of this side starts with."""


def agree_as_joiner(own: E2EPrivateKeys, initiator: E2EParams) -> Agreement:
    """The joiner's side; raises :class:`CryptoError` on keys that are not safe to use, or do not fit together."""
    secrets = (
        own.key2.exchange(initiator.key1),
        own.key1.exchange(initiator.key2),
        own.key2.exchange(initiator.key2),
    )
    kem = own.kem if initiator.version >= POST_QUANTUM_VERSION else None
    if kem and kem.accepted and initiator.kem != KemProposed(kem.accepted.peer_key):
        raise CryptoError("the KEM key that was accepted is not the one that was proposed")
    return _derive(own.key1.public, initiator.key1, secrets, kem)


def agree_as_initiator(own: E2EPrivateKeys, joiner: E2EParams) -> Agreement:
    """The initiator's side; raises :class:`CryptoError` on keys that are not safe to use, or do not fit together.

    Where the joiner proposed as well, or neither did, the ratchet starts without KEM.
    """
    secrets = (
        own.key1.exchange(joiner.key2),
        own.key2.exchange(joiner.key1),
        own.key2.exchange(joiner.key2),
    )
    kem = None
    if joiner.version >= POST_QUANTUM_VERSION and isinstance(joiner.kem, KemAccepted):
        if own.kem is None:
            raise CryptoError("the other side accepted a KEM key that was not proposed")
        shared = own.kem.own.decapsulate(joiner.kem.ciphertext)
        kem = KemKeys(own.kem.own, Encapsulated(joiner.kem.key, joiner.kem.ciphertext, shared))
    return _derive(joiner.key1, own.key1.public, secrets, kem)


def _derive(
    joiner_key1: X448PublicKey, initiator_key1: X448PublicKey, secrets: tuple[bytes, ...], kem: KemKeys | None
) -> Agreement:
    shared = kem.accepted.shared if kem and kem.accepted else b""
    keys = hkdf(_SALT, b"".join(secrets) + shared, _INFO, 96)
    return Agreement(joiner_key1.raw + initiator_key1.raw, keys[64:], keys[:32], keys[32:64], kem)
