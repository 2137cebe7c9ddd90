"""Cryptography: thin, typed wrappers over PyNaCl and ``cryptography``.

The bottom floor. Nothing here keeps state, reads a clock or does I/O; randomness is always an argument
(:data:`Random` and :class:`KemSource`, by default the operating system's). The formats are those of SimpleX: keys as
X.509 SubjectPublicKeyInfo and PKCS#8 DER, NaCl ``crypto_box`` with a length-prefixed ``#`` padding, AES-256-GCM with
16-byte initialisation vectors, HKDF-SHA512, and sntrup761 (simplex-messaging.md, "Cryptographic algorithms"; pqdr.md);
HKDF-SHA256 is for what is ours alone.
"""

from simplex_calls.crypto.aead import aead_decrypt, aead_encrypt
from simplex_calls.crypto.box import TAG_SIZE, BoxKey, authenticator, cb_nonce, pad, reverse_nonce, unpad
from simplex_calls.crypto.hashes import hkdf, hkdf_sha256, sha256, sha512
from simplex_calls.crypto.keys import (
    CryptoError,
    Ed448PrivateKey,
    Ed448PublicKey,
    Ed25519PrivateKey,
    Ed25519PublicKey,
    PublicKey,
    Random,
    X448PrivateKey,
    X448PublicKey,
    X25519PrivateKey,
    X25519PublicKey,
    decode_public_key,
)
from simplex_calls.crypto.sntrup761 import (
    Encapsulated,
    KemCiphertext,
    KemPrivateKey,
    KemPublicKey,
    KemSource,
    SystemKem,
)

__all__ = [
    "TAG_SIZE",
    "BoxKey",
    "CryptoError",
    "Ed448PrivateKey",
    "Ed448PublicKey",
    "Ed25519PrivateKey",
    "Ed25519PublicKey",
    "Encapsulated",
    "KemCiphertext",
    "KemPrivateKey",
    "KemPublicKey",
    "KemSource",
    "PublicKey",
    "Random",
    "SystemKem",
    "X448PrivateKey",
    "X448PublicKey",
    "X25519PrivateKey",
    "X25519PublicKey",
    "aead_decrypt",
    "aead_encrypt",
    "authenticator",
    "cb_nonce",
    "decode_public_key",
    "hkdf",
    "hkdf_sha256",
    "pad",
    "reverse_nonce",
    "sha256",
    "sha512",
    "unpad",
]
