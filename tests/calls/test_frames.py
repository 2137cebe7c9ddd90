from __future__ import annotations

import contextlib
import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from simplex_calls.calls.frames import (
    FrameCipher,
    FrameError,
    FrameKeyError,
    FrameKind,
    FrameNotAuthenticError,
    FrameTooShortError,
    decrypt_frame,
    encrypt_frame,
    vp8_kind,
)
from tests.calls import test_sframe

VECTORS = Path(__file__).parents[1] / "vectors" / "frames.json"
KEY = bytes(range(32))

kinds = st.sampled_from(FrameKind)


def make_vectors() -> dict[str, Any]:
    """The vectors that the page's worker is tested with too: run this file as a program to write them anew."""
    cases = []
    frames: dict[FrameKind, list[bytes | int]] = {
        FrameKind.VIDEO_KEY: [bytes.fromhex("509d012a80026801"), bytes.fromhex("30a2009d012a80026801"), 11, 1200],
        FrameKind.VIDEO_DELTA: [b"\x31", b"\x31\x02\x00", 4, 700],
        FrameKind.AUDIO: [b"", b"\xf8", b"\xf8\xff\xfe", 80],
    }
    for kind, samples in frames.items():
        for number, sample in enumerate(samples):
            first = 0x31 if kind is FrameKind.VIDEO_DELTA else 0x30
            frame = sample if isinstance(sample, bytes) else bytes([first, *(n * 7 % 256 for n in range(1, sample))])
            iv = bytes((kind.value + number * 16 + n) % 256 for n in range(12))
            encrypted = encrypt_frame(KEY, frame, kind, random=lambda _size, iv=iv: iv)  # type: ignore[misc]
            cases.append(
                {"kind": kind.name.lower(), "iv": iv.hex(), "clear": frame.hex(), "encrypted": encrypted.hex()}
            )
    return {
        "about": "clear || AES-256-GCM ciphertext || tag(16) || iv(12); clear bytes: video_key 10, video_delta 3, audio"
        " 1; a frame without more than that is clear || iv; an empty frame stays empty",
        "key": KEY.hex(),
        "frames": cases,
        "sframe": test_sframe.make_vectors(),
    }


def test_vectors_are_current() -> None:
    assert json.loads(VECTORS.read_text("utf-8")) == make_vectors()


def test_vectors_decrypt() -> None:
    for case in json.loads(VECTORS.read_text("utf-8"))["frames"]:
        kind = FrameKind[case["kind"].upper()]
        assert decrypt_frame(KEY, bytes.fromhex(case["encrypted"]), kind).hex() == case["clear"]


@settings(deadline=None)
@given(key=st.binary(min_size=32, max_size=32), frame=st.binary(max_size=3000), kind=kinds)
def test_round_trip_and_layout(key: bytes, frame: bytes, kind: FrameKind) -> None:
    encrypted = encrypt_frame(key, frame, kind)
    assert decrypt_frame(key, encrypted, kind) == frame
    assert encrypted[: min(len(frame), kind.clear_size)] == frame[: kind.clear_size]
    hidden = max(len(frame) - kind.clear_size, 0)
    assert len(encrypted) == (len(frame) + 12 + (16 if hidden else 0) if frame else 0)


@settings(deadline=None)
@given(frame=st.binary(max_size=200), kind=kinds, key=st.binary(min_size=32, max_size=32))
def test_garbage_gives_frame_errors_only(frame: bytes, kind: FrameKind, key: bytes) -> None:
    with contextlib.suppress(FrameError):
        decrypt_frame(key, frame, kind)


@settings(deadline=None)
@given(frame=st.binary(min_size=20, max_size=200), kind=kinds, data=st.data())
def test_a_changed_hidden_byte_is_noticed(frame: bytes, kind: FrameKind, data: st.DataObject) -> None:
    encrypted = bytearray(encrypt_frame(KEY, frame, kind))
    encrypted[data.draw(st.integers(kind.clear_size, len(encrypted) - 1))] ^= 1
    with pytest.raises(FrameNotAuthenticError):
        decrypt_frame(KEY, bytes(encrypted), kind)


def test_errors_are_typed() -> None:
    encrypted = encrypt_frame(KEY, bytes(100), FrameKind.AUDIO)
    with pytest.raises(FrameNotAuthenticError):
        decrypt_frame(bytes(32), encrypted, FrameKind.AUDIO)
    with pytest.raises(FrameTooShortError):
        decrypt_frame(KEY, encrypted[:5], FrameKind.AUDIO)
    with pytest.raises(FrameTooShortError):
        decrypt_frame(KEY, encrypted[: 1 + 16 + 12], FrameKind.AUDIO)
    with pytest.raises(FrameKeyError):
        encrypt_frame(b"short", b"frame", FrameKind.AUDIO)
    with pytest.raises(FrameKeyError):
        decrypt_frame(b"short", b"frame", FrameKind.AUDIO)


def test_a_cipher_is_made_once_for_all_frames_of_a_call() -> None:
    cipher = FrameCipher(KEY)
    for kind in FrameKind:
        encrypted = cipher.encrypt(bytes(50), kind)
        assert decrypt_frame(KEY, encrypted, kind) == cipher.decrypt(encrypted, kind) == bytes(50)
        assert encrypted != cipher.encrypt(bytes(50), kind)


def test_vp8_kind_is_read_from_clear_and_encrypted_frames() -> None:
    for first, kind in ((0x30, FrameKind.VIDEO_KEY), (0x31, FrameKind.VIDEO_DELTA)):
        frame = bytes([first]) + bytes(50)
        assert vp8_kind(frame) is kind
        assert vp8_kind(encrypt_frame(KEY, frame, kind)) is kind
    with pytest.raises(FrameTooShortError):
        vp8_kind(b"")


if __name__ == "__main__":
    VECTORS.write_text(json.dumps(make_vectors(), indent=2) + "\n", "utf-8")
