"""End-to-end encryption of encoded media frames, as the call page's worker does it.

One AES-256-GCM key for both directions. An encrypted frame is ``clear ‖ ciphertext ‖ tag(16) ‖ iv(12)`` with a random
iv and no additional data; ``clear`` is the part of the frame that the browser's packetizer must read: its first 10
bytes in a VP8 key frame, 3 in a delta frame, 1 in an audio frame. A frame that is no longer than its clear part is
``clear ‖ iv``, without ciphertext and tag; an empty frame stays empty. (``call.ts`` of the official page.)
"""

from __future__ import annotations

import os
from enum import Enum

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from simplex_calls.crypto import Random

KEY_SIZE = 32
IV_SIZE = 12
TAG_SIZE = 16


class FrameError(ValueError):
    """A frame cannot be encrypted or decrypted. Its text never holds media or key bytes."""


class FrameKeyError(FrameError):
    """The frame key is not 32 bytes."""


class FrameTooShortError(FrameError):
    """The encrypted frame has no room for its tag and iv: it was cut or is not encrypted."""


class FrameNotAuthenticError(FrameError):
    """The frame was not encrypted with this key, or was changed on its way."""


class FrameKind(Enum):
    """What a frame holds; the value is the number of bytes that stay in the clear."""

    AUDIO = 1
    VIDEO_DELTA = 3
    VIDEO_KEY = 10

    def __init__(self, clear_size: int) -> None:
        self.clear_size = clear_size
        """Bytes at the start of such a frame that stay readable."""


def vp8_kind(frame: bytes) -> FrameKind:
    """Tell a VP8 key frame from a delta frame (RFC 6386, section 9.1: the lowest bit of the first byte).

    The bit is in the clear part, so this holds for an encrypted frame too. Raises :class:`FrameTooShortError` for an
    empty one.
    """
    if not frame:
        raise FrameTooShortError("an empty frame has no kind")
    return FrameKind.VIDEO_DELTA if frame[0] & 1 else FrameKind.VIDEO_KEY


class FrameCipher:
    """The cipher of one call, both directions; made once, as a key's set-up costs more than a small frame."""

    __slots__ = ("_cipher", "_random")

    def __init__(self, key: bytes, *, random: Random = os.urandom) -> None:
        """Raises :class:`FrameKeyError`."""
        if len(key) != KEY_SIZE:
            raise FrameKeyError(f"a frame key has {KEY_SIZE} bytes, not {len(key)}")
        self._cipher = AESGCM(key)
        self._random = random

    def encrypt(self, frame: bytes, kind: FrameKind) -> bytes:
        """Encrypt one encoded ``frame``; an empty one passes through."""
        if not frame:
            return b""
        iv = self._random(IV_SIZE)
        size = kind.clear_size
        if len(frame) <= size:
            return frame + iv
        return b"".join((frame[:size], self._cipher.encrypt(iv, frame[size:], None), iv))

    def decrypt(self, frame: bytes, kind: FrameKind) -> bytes:
        """Decrypt what :meth:`encrypt` or the worker of a call page made; an empty frame passes through.

        Raises :class:`FrameTooShortError` and :class:`FrameNotAuthenticError`.
        """
        if not frame:
            return b""
        size = kind.clear_size
        end = len(frame) - IV_SIZE
        if end <= size:
            if end < 0:
                raise FrameTooShortError("the frame is shorter than an iv")
            return frame[:end]
        # a sealed part always holds at least one byte besides its tag
        if end - size <= TAG_SIZE:
            raise FrameTooShortError("the frame has no room for a tag")
        try:
            return frame[:size] + self._cipher.decrypt(frame[end:], frame[size:end], None)
        except InvalidTag:
            raise FrameNotAuthenticError("the frame does not decrypt with this call's key") from None


def encrypt_frame(key: bytes, frame: bytes, kind: FrameKind, *, random: Random = os.urandom) -> bytes:
    """Encrypt a single ``frame`` with the call's 32-byte ``key``, as :meth:`FrameCipher.encrypt` does.

    Raises :class:`FrameKeyError`.
    """
    return FrameCipher(key, random=random).encrypt(frame, kind)


def decrypt_frame(key: bytes, frame: bytes, kind: FrameKind) -> bytes:
    """Decrypt a single frame, as :meth:`FrameCipher.decrypt` does. Raises :class:`FrameKeyError` as well."""
    return FrameCipher(key).decrypt(frame, kind)
