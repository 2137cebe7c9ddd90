"""Media frames between two of our own apps: SFrame (RFC 9605), a key of its own for each track and direction. Pure.

A sealed frame is ``clear ‖ header ‖ ciphertext ‖ tag(16)``. ``clear`` is what a browser's packetizer and depacketizer
must read, as little as they do with (:class:`FrameCodec`); the rest is an SFrame ciphertext of which ``clear`` is the
metadata: config byte, step of the key (KID), counter (CTR); AES-256-GCM, suite 5 ``AES_256_GCM_SHA512_128``, header
and clear bytes authenticated (RFC 9605, sections 4.2 to 4.4). So it is at most 22 bytes longer than the frame. Frames
without a byte (pauses in speech that are not sent) stay empty.

The base key of a track comes from the call's key by HKDF-SHA256, over what both sides agreed on: :func:`track_key`. It
is replaced by the next step of its ratchet (RFC 9605, section 5.1) after :data:`FRAMES_PER_KEY` frames, or when asked.
An opener takes each frame once, in any order within :data:`WINDOW` frames. The page's twin is
``web/static/call/sframe.js``; both are held to ``tests/vectors/frames.json``.
"""

from __future__ import annotations

from enum import Enum
from typing import Literal

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from simplex_calls.calls.frames import (
    KEY_SIZE,
    TAG_SIZE,
    FrameError,
    FrameKeyError,
    FrameNotAuthenticError,
    FrameTooShortError,
)
from simplex_calls.crypto import hkdf, hkdf_sha256

FRAMES_PER_KEY = 1 << 20
"""About five hours of sound or pictures."""

WINDOW = 256
"""Frames that may overtake one another; five seconds of sound."""

STEPS_AHEAD = 16
"""So many steps of keys may have been lost on the way, with all their frames."""

MAX_STEP = (1 << 16) - 1
MAX_OVERHEAD = 22
_MAX_COUNTER_SIZE = 3
_MAX_STEP_SIZE = 2
_TRANSCRIPT_SIZE = 32
_SUITE = (5).to_bytes(2, "big")
_NONCE_SIZE = 12
_BASE_KEY_SIZE = 32
_LABEL = b"simplex-calls frames 2\n"

Side = Literal["offer", "answer"]
_SIDES = {"offer": "offering", "answer": "answering"}

Track = Literal["mic", "camera", "screenAudio", "screenVideo"]


class FrameReplayedError(FrameError):
    """The frame came before, or is older than the window."""


class FrameCodec(Enum):
    """What a track carries: it decides which bytes stay in the clear."""

    OPUS = "opus"
    """None."""
    VP8 = "vp8"
    """10 bytes of a key frame, whose size a depacketizer reads (RFC 6386, section 9.1); 1 of others, which says so."""


def track_key(key: bytes, transcript: bytes, fingerprints: tuple[str, str], *, sender: Side, track: Track) -> bytes:
    """The base key of what ``sender`` sends as ``track``.

    HKDF-SHA256 of the call's ``key``; salt: a label, the 32 bytes of ``transcript`` (call id and both sides' public
    keys, :meth:`simplex_calls.calls.keys.FrameKey.transcript`) and the ``fingerprints`` of the offering and of the
    answering side (:func:`simplex_calls.calls.call_code.fingerprints_of`). Raises :class:`FrameKeyError`.
    """
    if len(key) != KEY_SIZE or len(transcript) != _TRANSCRIPT_SIZE:
        raise FrameKeyError(f"the call's key has {KEY_SIZE} bytes and the transcript {_TRANSCRIPT_SIZE}")
    if not all(fingerprints):
        raise FrameKeyError("a description has no fingerprint")
    salt = _LABEL + transcript + "\n".join(fingerprints).encode()
    return hkdf_sha256(salt, key, f"simplex-calls {track} from the {_SIDES[sender]} side".encode(), _BASE_KEY_SIZE)


def next_key(base_key: bytes) -> bytes:
    """The base key of the next step (RFC 9605, section 5.1)."""
    return hkdf(b"", base_key, b"SFrame 1.0 Ratchet", 64)


class StepKey:
    """Cipher and salt of one step (RFC 9605, section 4.4.2)."""

    __slots__ = ("base", "cipher", "salt", "step")

    def __init__(self, base: bytes, step: int) -> None:
        info = step.to_bytes(8, "big") + _SUITE
        self.base = base
        self.step = step
        self.cipher = AESGCM(hkdf(b"", base, b"SFrame 1.0 Secret key " + info, KEY_SIZE))
        self.salt = int.from_bytes(hkdf(b"", base, b"SFrame 1.0 Secret salt " + info, _NONCE_SIZE), "big")

    def nonce(self, counter: int) -> bytes:
        """Salt and counter (RFC 9605, section 4.4.3)."""
        return (self.salt ^ counter).to_bytes(_NONCE_SIZE, "big")

    def ahead(self, steps: int) -> StepKey:
        """The key so many steps on."""
        base = self.base
        for _ in range(steps):
            base = next_key(base)
        return StepKey(base, self.step + steps)


class FrameSealer:
    """Seals the frames of one track, each under the next counter."""

    __slots__ = ("_counter", "_is_vp8", "_key")

    def __init__(self, base_key: bytes, codec: FrameCodec) -> None:
        self._key = StepKey(base_key, 0)
        self._is_vp8 = codec is FrameCodec.VP8
        self._counter = 0

    def seal(self, frame: bytes) -> bytes:
        """Seal one encoded frame; an empty one passes.

        Raises :class:`FrameTooShortError` for a VP8 key frame without its size.
        """
        if not frame:
            return b""
        clear = frame[: _clear_size(frame)] if self._is_vp8 else b""
        if self._counter >= FRAMES_PER_KEY:
            self._turn()
        counter, key = self._counter, self._key
        self._counter = counter + 1
        header = encode_header(key.step, counter)
        if not clear:
            return header + key.cipher.encrypt(key.nonce(counter), frame, header)
        return clear + header + key.cipher.encrypt(key.nonce(counter), frame[len(clear) :], header + clear)

    def change_key(self) -> None:
        """Go on with the next key; without a frame under the present one there is nothing to change."""
        if self._counter:
            self._turn()

    def _turn(self) -> None:
        if self._key.step >= MAX_STEP:
            raise FrameKeyError("the call has used up its keys")
        self._key = self._key.ahead(1)
        self._counter = 0


class _Window:
    """Which counters of one key came."""

    __slots__ = ("highest", "seen")

    def __init__(self) -> None:
        self.highest = -1
        self.seen = 0

    def is_new(self, counter: int) -> bool:
        age = self.highest - counter
        return age < 0 or (age < WINDOW and not self.seen >> age & 1)

    def add(self, counter: int) -> None:
        ahead = counter - self.highest
        if ahead > 0:
            self.seen = 1 if ahead >= WINDOW else (self.seen << ahead | 1) & ((1 << WINDOW) - 1)
            self.highest = counter
        else:
            self.seen |= 1 << -ahead


class FrameOpener:
    """Opens the frames of one track, each once."""

    __slots__ = ("_before", "_is_vp8", "_key", "_window")

    def __init__(self, base_key: bytes, codec: FrameCodec) -> None:
        self._key, self._window = StepKey(base_key, 0), _Window()
        self._before: tuple[StepKey, _Window] | None = None
        """The last key, for frames that were overtaken by the change."""
        self._is_vp8 = codec is FrameCodec.VP8

    def open(self, frame: bytes) -> bytes:
        """Open what :class:`FrameSealer` or the worker of a call page made; an empty frame passes.

        Raises :class:`FrameTooShortError`, :class:`FrameReplayedError` and :class:`FrameNotAuthenticError`; the next
        frame opens all the same.
        """
        if not frame:
            return b""
        clear_size = _clear_size(frame) if self._is_vp8 else 0
        step, counter, start = decode_header(frame, clear_size)
        if len(frame) < start + TAG_SIZE:
            raise FrameTooShortError("the frame has no room for a tag")
        key, window = self._key_of(step)
        if not window.is_new(counter):
            raise FrameReplayedError("the frame came before, or far too late")
        clear = frame[:clear_size]
        try:
            plain = key.cipher.decrypt(key.nonce(counter), frame[start:], frame[clear_size:start] + clear)
        except InvalidTag:
            raise FrameNotAuthenticError("the frame does not open with this track's key") from None
        window.add(counter)
        if step > self._key.step:
            self._before = (self._key, self._window)
            self._key, self._window = key, window
        elif self._before is not None and self._window.highest >= WINDOW:
            self._before = None
        return clear + plain if clear else plain

    def _key_of(self, step: int) -> tuple[StepKey, _Window]:
        ahead = step - self._key.step
        if ahead == 0:
            return self._key, self._window
        if self._before is not None and step == self._before[0].step:
            return self._before
        if 0 < ahead <= STEPS_AHEAD:
            return self._key.ahead(ahead), _Window()
        raise FrameNotAuthenticError("the frame names a key that is not known")


def encode_header(step: int, counter: int) -> bytes:
    """Config byte, KID and CTR (RFC 9605, section 4.3): 1 to 6 bytes."""
    config, more = 0, b""
    if step < 8:
        config = step << 4
    else:
        size = (step.bit_length() + 7) // 8
        config, more = 0x80 | (size - 1) << 4, step.to_bytes(size, "big")
    if counter < 8:
        return bytes((config | counter,)) + more
    size = (counter.bit_length() + 7) // 8
    return bytes((config | 0x08 | (size - 1),)) + more + counter.to_bytes(size, "big")


def decode_header(frame: bytes, start: int) -> tuple[int, int, int]:
    """KID, CTR, and where the header that begins at ``start`` ends.

    Raises :class:`FrameTooShortError`, and :class:`FrameNotAuthenticError` for numbers that no sealer uses.
    """
    if len(frame) <= start:
        raise FrameTooShortError("the frame has no header")
    config = frame[start]
    step, counter, at = config >> 4 & 7, config & 7, start + 1
    if config & 0x80:
        size, step = step + 1, int.from_bytes(frame[at : at + step + 1], "big")
        at += size
        if size > _MAX_STEP_SIZE:
            raise FrameNotAuthenticError("the frame names a key that is not known")
    if config & 0x08:
        size, counter = counter + 1, int.from_bytes(frame[at : at + counter + 1], "big")
        at += size
        if size > _MAX_COUNTER_SIZE:
            raise FrameNotAuthenticError("the frame has a counter that is not used")
    return step, counter, at


def _clear_size(frame: bytes) -> int:
    if frame[0] & 1:
        return 1
    if len(frame) < _KEY_FRAME_HEADER:
        raise FrameTooShortError("a VP8 key frame has 10 bytes at least")
    return _KEY_FRAME_HEADER


_KEY_FRAME_HEADER = 10
