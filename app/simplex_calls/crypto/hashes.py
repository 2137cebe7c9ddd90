"""SHA-2 and HKDF."""

from __future__ import annotations

import hashlib

from cryptography.hazmat.primitives.hashes import SHA256, SHA512
from cryptography.hazmat.primitives.kdf.hkdf import HKDF


def sha256(message: bytes) -> bytes:
    """SHA-256: 32 bytes."""
    return hashlib.sha256(message).digest()


def sha512(message: bytes) -> bytes:
    """SHA-512: 64 bytes."""
    return hashlib.sha512(message).digest()


def hkdf(salt: bytes, secret: bytes, info: bytes, length: int) -> bytes:
    """HKDF-SHA512 (RFC 5869), extract and expand, to ``length`` bytes."""
    return HKDF(SHA512(), length, salt, info).derive(secret)


def hkdf_sha256(salt: bytes, secret: bytes, info: bytes, length: int) -> bytes:
    """HKDF-SHA256 (RFC 5869), extract and expand, to ``length`` bytes."""
    return HKDF(SHA256(), length, salt, info).derive(secret)
