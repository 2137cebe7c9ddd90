"""NaCl boxes, the padding inside them, and the authenticator of senders' commands.

SimpleX's ``crypto_box`` is NaCl's. Its "secret box" is not ``crypto_secretbox``: the 32-byte key goes through
HSalsa20 first, as a Diffie-Hellman result does in ``crypto_box``. Both are a :class:`BoxKey` here, made in two ways.
"""

from __future__ import annotations

import ctypes
import hashlib
import importlib
import struct
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Self

import nacl.bindings
import nacl.exceptions

from simplex_calls.crypto.keys import CryptoError, X25519PrivateKey, X25519PublicKey

NONCE_SIZE = 24
TAG_SIZE = 16
_PADDING = b"#"


@dataclass(frozen=True)
class BoxKey:
    """The key of XSalsa20-Poly1305 boxes between two parties (32 bytes, HSalsa20 already applied)."""

    raw: bytes = field(repr=False)

    @classmethod
    def agree(cls, private: X25519PrivateKey, peer: X25519PublicKey) -> Self:
        """The key that ``crypto_box`` uses between the two; raises :class:`CryptoError` on a low-order key."""
        try:
            return cls(nacl.bindings.crypto_box_beforenm(peer.raw, private.raw))
        except nacl.exceptions.RuntimeError:
            raise CryptoError("the other side's X25519 key is not safe to use") from None

    @classmethod
    def from_secret(cls, secret: bytes) -> Self:
        """The key made of a raw 32-byte secret: a Diffie-Hellman result, or a "secret box" key."""
        return cls(_hsalsa20_zero(secret))

    def seal(self, nonce: bytes, message: bytes) -> bytes:
        """Encrypt: 16-byte tag ‖ ciphertext as long as ``message``. ``nonce`` has 24 bytes."""
        return nacl.bindings.crypto_secretbox(message, nonce, self.raw)

    def open(self, nonce: bytes, box: bytes) -> bytes:
        """Decrypt what :meth:`seal` made; raises :class:`CryptoError`."""
        if len(box) < TAG_SIZE or len(nonce) != NONCE_SIZE:
            raise CryptoError("box is too short")
        try:
            return nacl.bindings.crypto_secretbox_open(box, nonce, self.raw)
        except nacl.exceptions.CryptoError:
            raise CryptoError("box does not open with this key") from None


def pad(message: bytes, size: int) -> bytes:
    """Pad to ``size`` bytes: 2-byte length ‖ message ‖ ``#``…; raises :class:`CryptoError` if it does not fit."""
    if len(message) > min(size - 2, 0xFFFF):
        raise CryptoError(f"message of {len(message)} bytes does not fit into {size}")
    return len(message).to_bytes(2, "big") + message + _PADDING * (size - 2 - len(message))


def unpad(padded: bytes) -> bytes:
    """Undo :func:`pad`; raises :class:`CryptoError`."""
    size = int.from_bytes(padded[:2], "big")
    if len(padded) < 2 or size > len(padded) - 2:
        raise CryptoError("padding is not valid")
    return padded[2 : 2 + size]


def cb_nonce(data: bytes) -> bytes:
    """Make a 24-byte nonce of ``data``: cut, or filled with zero bytes at the end."""
    return data[:NONCE_SIZE].ljust(NONCE_SIZE, b"\0")


def reverse_nonce(nonce: bytes) -> bytes:
    """The nonce of the answer to a box with ``nonce`` (the bytes in reverse order)."""
    return nonce[::-1]


def authenticator(key: BoxKey, nonce: bytes, message: bytes) -> bytes:
    """Authenticate a command deniably: the box of its SHA-512, 80 bytes.

    Source: simplex-messaging.md, "Deniable client authentication scheme".
    """
    return key.seal(nonce, hashlib.sha512(message).digest())


def _hsalsa20_zero(key: bytes) -> bytes:
    """HSalsa20(key, 0^16), which PyNaCl does not offer by itself."""
    if len(key) != 32:
        raise CryptoError("box secret must have 32 bytes")
    return _hsalsa20(key)


def _sodium_hsalsa20() -> Callable[[bytes], bytes] | None:
    """The function in the libsodium that PyNaCl brings, where the library shows it: fifty times as quick as ours."""
    try:
        library = importlib.import_module("nacl._sodium").__file__
        function = ctypes.CDLL(library).crypto_core_hsalsa20
    except (AttributeError, ImportError, OSError):
        return None
    function.argtypes = [ctypes.c_char_p] * 4
    zero = bytes(16)

    def hsalsa20(key: bytes) -> bytes:
        result = ctypes.create_string_buffer(32)
        function(result, zero, key, None)
        return result.raw

    # another signature than this one would be found out here
    return hsalsa20 if hsalsa20(bytes(range(32))) == _plain_hsalsa20(bytes(range(32))) else None


def _plain_hsalsa20(key: bytes) -> bytes:
    k = struct.unpack("<8I", key)
    c0, c1, c2, c3 = 0x61707865, 0x3320646E, 0x79622D32, 0x6B206574
    x = [c0, k[0], k[1], k[2], k[3], c1, 0, 0, 0, 0, c2, k[4], k[5], k[6], k[7], c3]
    for _ in range(10):
        for a, b, c, d in _QUARTERS:
            x[b] ^= _rotate(x[a] + x[d], 7)
            x[c] ^= _rotate(x[b] + x[a], 9)
            x[d] ^= _rotate(x[c] + x[b], 13)
            x[a] ^= _rotate(x[d] + x[c], 18)
    return struct.pack("<8I", x[0], x[5], x[10], x[15], x[6], x[7], x[8], x[9])


_QUARTERS = (
    (0, 4, 8, 12), (5, 9, 13, 1), (10, 14, 2, 6), (15, 3, 7, 11),
    (0, 1, 2, 3), (5, 6, 7, 4), (10, 11, 8, 9), (15, 12, 13, 14),
)  # fmt: skip


def _rotate(value: int, bits: int) -> int:
    value &= 0xFFFFFFFF
    return (value << bits & 0xFFFFFFFF) | value >> (32 - bits)


_hsalsa20 = _sodium_hsalsa20() or _plain_hsalsa20
