"""AES-256-GCM with the 16-byte initialisation vectors of the double ratchet."""

from __future__ import annotations

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from simplex_calls.crypto.keys import CryptoError

TAG_SIZE = 16


def aead_encrypt(key: bytes, iv: bytes, associated: bytes, plaintext: bytes) -> tuple[bytes, bytes]:
    """Encrypt: (ciphertext as long as ``plaintext``, 16-byte tag)."""
    sealed = AESGCM(key).encrypt(iv, plaintext, associated)
    return sealed[:-TAG_SIZE], sealed[-TAG_SIZE:]


def aead_decrypt(key: bytes, iv: bytes, associated: bytes, ciphertext: bytes, tag: bytes) -> bytes:
    """Decrypt what :func:`aead_encrypt` made; raises :class:`CryptoError`."""
    try:
        return AESGCM(key).decrypt(iv, ciphertext + tag, associated)
    except (InvalidTag, ValueError):
        raise CryptoError("ciphertext does not decrypt with this key") from None
