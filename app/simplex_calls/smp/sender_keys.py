"""The key that authorizes a sender's commands: which kind a queue's server can check, and how it is stored.

An X25519 key makes authenticators, which prove nothing to others, but servers know them from version 7 on only. What is
known of a server before it is connected to is whether it lets the sender secure the queue: this came with version 9.
All servers know Ed25519 signatures. Source: simplex-messaging.md, "Deniable client authentication scheme".
"""

from __future__ import annotations

from simplex_calls.crypto import Ed25519PrivateKey, Random, X25519PrivateKey

SenderKey = Ed25519PrivateKey | X25519PrivateKey


def new_sender_key(random: Random, *, sender_can_secure: bool) -> SenderKey:
    """A key that the queue's server can check, a deniable one if that is certain."""
    return X25519PrivateKey.generate(random) if sender_can_secure else Ed25519PrivateKey.generate(random)


def encode_sender_key(key: SenderKey) -> bytes:
    """The bytes to store: 32 of an X25519 key (as it was when there was no other kind), else its PKCS#8 DER."""
    return key.raw if isinstance(key, X25519PrivateKey) else key.der


def decode_sender_key(stored: bytes) -> SenderKey:
    """Undo :func:`encode_sender_key`; raises :class:`CryptoError`."""
    if len(stored) == X25519PrivateKey.size:
        return X25519PrivateKey(stored)
    return Ed25519PrivateKey.from_der(stored)
