"""Frames with a key for each track: vectors of the RFC and our own, what a hostile way may do, changes of keys."""

from __future__ import annotations

import contextlib
import json
from pathlib import Path
from typing import Any, get_args

import pytest
from hypothesis import given
from hypothesis import strategies as st

from simplex_calls.calls.frames import FrameError, FrameKeyError, FrameNotAuthenticError, FrameTooShortError
from simplex_calls.calls.sframe import (
    FRAMES_PER_KEY,
    MAX_OVERHEAD,
    MAX_STEP,
    STEPS_AHEAD,
    WINDOW,
    FrameCodec,
    FrameOpener,
    FrameReplayedError,
    FrameSealer,
    Side,
    StepKey,
    Track,
    decode_header,
    encode_header,
    next_key,
    track_key,
)

VECTORS = Path(__file__).parents[1] / "vectors" / "frames.json"
KEY = bytes(range(32))
TRANSCRIPT = bytes(range(32, 64))
FINGERPRINTS = ("sha-256 AA:BB", "sha-256 CC:DD")
BASE = track_key(KEY, TRANSCRIPT, FINGERPRINTS, sender="offer", track="mic")
TRACKS: tuple[Track, ...] = get_args(Track)
SIDES: tuple[Side, ...] = get_args(Side)

RFC: dict[str, Any] = {
    "base_key": "000102030405060708090a0b0c0d0e0f",
    "kid": 0x123,
    "ctr": 0x4567,
    "nonce": "84991c167b8cd23c9370cba0",
    "metadata": "4945544620534672616d65205747",
    "aad": "99012345674945544620534672616d65205747",
    "plain": "64726166742d696574662d736672616d652d656e63",
    "sealed": "990123456794f509d36e9beacb0e261d99c7d1e972f1fed787d4049f17ca21353c1cc24d56ceabced279",
}
"""RFC 9605, appendix C.3, AES_256_GCM_SHA512_128."""

HEADERS = [(0, 0), (7, 7), (0, 8), (3, 255), (7, 256), (8, 65535), (255, 65536), (256, 0), (MAX_STEP, 2**20 - 1)]
codecs = st.sampled_from(FrameCodec)


def sample(codec: FrameCodec, size: int, *, key_frame: bool = False) -> bytes:
    """A frame of so many bytes."""
    first = 0x78 if codec is FrameCodec.OPUS else 0x30 if key_frame else 0x31
    return bytes([first, *(n * 7 % 256 for n in range(1, size))])


def make_vectors() -> dict[str, Any]:
    """What tests/vectors/frames.json says of this scheme."""
    cases = []
    for codec, sizes in ((FrameCodec.OPUS, (1, 3, 80)), (FrameCodec.VP8, (1, 2, 300))):
        base = track_key(KEY, TRANSCRIPT, FINGERPRINTS, sender="answer", track="mic")
        sealer = FrameSealer(base, codec)
        frames = [sample(codec, size) for size in sizes]
        if codec is FrameCodec.VP8:
            frames += [sample(codec, size, key_frame=True) for size in (10, 400)]
        frames += [sample(codec, 20)] * 6
        sealed = [sealer.seal(frame) for frame in frames]
        sealer.change_key()
        frames += [sample(codec, 30), sample(codec, 31)]
        sealed += [sealer.seal(frame) for frame in frames[-2:]]
        cases.append(
            {
                "codec": codec.value,
                "base_key": base.hex(),
                "change_key_after": len(frames) - 2,
                "frames": [{"clear": a.hex(), "sealed": b.hex()} for a, b in zip(frames, sealed, strict=True)],
            }
        )
    return {
        "about": "clear || SFrame header || AES-256-GCM ciphertext || tag(16), header and clear authenticated; clear"
        " bytes: opus 0, vp8 1, vp8 key frame 10",
        "key": KEY.hex(),
        "transcript": TRANSCRIPT.hex(),
        "offering_fingerprints": FINGERPRINTS[0],
        "answering_fingerprints": FINGERPRINTS[1],
        "base_keys": [
            {
                "sender": sender,
                "track": track,
                "base_key": track_key(KEY, TRANSCRIPT, FINGERPRINTS, sender=sender, track=track).hex(),
            }
            for sender in SIDES
            for track in TRACKS
        ],
        "next_base_key": next_key(BASE).hex(),
        "headers": [
            {"step": step, "counter": counter, "header": encode_header(step, counter).hex()}
            for step, counter in HEADERS
        ],
        "rfc9605": RFC,
        "tracks": cases,
    }


def pair(codec: FrameCodec = FrameCodec.OPUS) -> tuple[FrameSealer, FrameOpener]:
    return FrameSealer(BASE, codec), FrameOpener(BASE, codec)


def test_the_vector_of_the_rfc() -> None:
    key = StepKey(bytes.fromhex(RFC["base_key"]), RFC["kid"])
    header = encode_header(RFC["kid"], RFC["ctr"])
    nonce = key.nonce(RFC["ctr"])
    assert nonce.hex() == RFC["nonce"]
    aad = header + bytes.fromhex(RFC["metadata"])
    assert aad.hex() == RFC["aad"]
    assert (header + key.cipher.encrypt(nonce, bytes.fromhex(RFC["plain"]), aad)).hex() == RFC["sealed"]


def test_vectors_open() -> None:
    for case in json.loads(VECTORS.read_text("utf-8"))["sframe"]["tracks"]:
        opener = FrameOpener(bytes.fromhex(case["base_key"]), FrameCodec(case["codec"]))
        for frame in case["frames"]:
            assert opener.open(bytes.fromhex(frame["sealed"])).hex() == frame["clear"]


@given(frames=st.lists(st.binary(max_size=600), max_size=20), codec=codecs)
def test_round_trip_layout_and_overhead(frames: list[bytes], codec: FrameCodec) -> None:
    sealer, opener = pair(codec)
    for frame in frames:
        is_key = codec is FrameCodec.VP8 and frame and not frame[0] & 1
        if is_key and len(frame) < 10:
            with pytest.raises(FrameTooShortError):
                sealer.seal(frame)
            continue
        sealed = sealer.seal(frame)
        assert opener.open(sealed) == frame
        clear = 0 if codec is FrameCodec.OPUS else 10 if is_key else 1
        assert sealed[:clear] == frame[:clear]
        assert len(sealed) - len(frame) <= MAX_OVERHEAD if frame else not sealed


@given(step=st.integers(0, MAX_STEP), counter=st.integers(0, FRAMES_PER_KEY - 1))
def test_headers(step: int, counter: int) -> None:
    header = encode_header(step, counter)
    assert len(header) + 16 <= MAX_OVERHEAD
    assert decode_header(b"?" + header, 1) == (step, counter, 1 + len(header))


def test_every_track_and_direction_has_a_key_of_its_own() -> None:
    keys = {
        track_key(key, transcript, fingerprints, sender=sender, track=track)
        for key in (KEY, TRANSCRIPT)
        for transcript in (TRANSCRIPT, KEY)
        for fingerprints in (FINGERPRINTS, FINGERPRINTS[::-1], ("sha-256 AA:BB", "sha-256 EE:FF"))
        for sender in SIDES
        for track in TRACKS
    }
    assert len(keys) == 2 * 2 * 3 * len(SIDES) * len(TRACKS)


@pytest.mark.parametrize(("key", "transcript"), [(b"", TRANSCRIPT), (KEY, b""), (KEY[1:], TRANSCRIPT)])
def test_keys_of_the_wrong_size(key: bytes, transcript: bytes) -> None:
    with pytest.raises(FrameKeyError):
        track_key(key, transcript, FINGERPRINTS, sender="offer", track="mic")


def test_no_key_without_both_fingerprints() -> None:
    with pytest.raises(FrameKeyError):
        track_key(KEY, TRANSCRIPT, ("", FINGERPRINTS[1]), sender="offer", track="mic")


@pytest.mark.parametrize("codec", FrameCodec)
def test_a_replayed_frame_is_dropped_and_the_stream_goes_on(codec: FrameCodec) -> None:
    sealer, opener = pair(codec)
    frames = [sample(codec, 50 + n) for n in range(5)]
    sealed = [sealer.seal(frame) for frame in frames]
    assert [opener.open(frame) for frame in sealed[:4]] == frames[:4]
    for frame in sealed[:4]:
        with pytest.raises(FrameReplayedError):
            opener.open(frame)
    assert opener.open(sealed[4]) == frames[4]


@given(order=st.permutations(range(24)))
def test_any_order_within_the_window(order: list[int]) -> None:
    sealer, opener = pair()
    sealed = [sealer.seal(bytes([n])) for n in range(24)]
    assert [opener.open(sealed[n]) for n in order] == [bytes([n]) for n in order]


@pytest.mark.parametrize("newest", [WINDOW - 1, WINDOW, 3 * WINDOW])
def test_the_window_s_edges(newest: int) -> None:
    sealer, opener = pair()
    sealed = [sealer.seal(b"frame %d" % n) for n in range(newest + 1)]
    assert opener.open(sealed[newest]) == b"frame %d" % newest
    oldest = newest - WINDOW + 1
    assert opener.open(sealed[oldest]) == b"frame %d" % oldest
    with pytest.raises(FrameReplayedError):
        opener.open(sealed[oldest])
    if oldest > 0:
        with pytest.raises(FrameReplayedError):
            opener.open(sealed[oldest - 1])


def test_a_reflected_frame_is_dropped() -> None:
    theirs = track_key(KEY, TRANSCRIPT, FINGERPRINTS, sender="answer", track="mic")
    sealer, opener = FrameSealer(BASE, FrameCodec.OPUS), FrameOpener(theirs, FrameCodec.OPUS)
    with pytest.raises(FrameNotAuthenticError):
        opener.open(sealer.seal(b"our own"))
    assert opener.open(FrameSealer(theirs, FrameCodec.OPUS).seal(b"theirs")) == b"theirs"


def test_a_frame_of_another_track_is_dropped() -> None:
    keys = {
        track: track_key(KEY, TRANSCRIPT, FINGERPRINTS, sender="offer", track=track)
        for track in ("camera", "screenVideo")
    }
    frame = sample(FrameCodec.VP8, 90)
    opener = FrameOpener(keys["screenVideo"], FrameCodec.VP8)
    with pytest.raises(FrameNotAuthenticError):
        opener.open(FrameSealer(keys["camera"], FrameCodec.VP8).seal(frame))
    assert opener.open(FrameSealer(keys["screenVideo"], FrameCodec.VP8).seal(frame)) == frame


@pytest.mark.parametrize("key_frame", [False, True])
@pytest.mark.parametrize("codec", FrameCodec)
def test_a_changed_bit_anywhere_is_noticed(codec: FrameCodec, *, key_frame: bool) -> None:
    sealer, opener = pair(codec)
    frame = sample(codec, 40, key_frame=key_frame)
    opener.open(sealer.seal(frame))
    sealed = sealer.seal(frame)
    for at in range(len(sealed)):
        for bit in range(8):
            changed = bytearray(sealed)
            changed[at] ^= 1 << bit
            with pytest.raises(FrameError):
                opener.open(bytes(changed))
    assert opener.open(sealed) == frame


@pytest.mark.parametrize("codec", FrameCodec)
def test_a_cut_frame_is_dropped(codec: FrameCodec) -> None:
    sealer, opener = pair(codec)
    sealed = sealer.seal(sample(codec, 40))
    for size in range(1, len(sealed)):
        with pytest.raises(FrameError):
            opener.open(sealed[:size])
    assert opener.open(sealed) == sample(codec, 40)


@given(frame=st.binary(max_size=100), codec=codecs)
def test_garbage_gives_frame_errors_only(frame: bytes, codec: FrameCodec) -> None:
    with contextlib.suppress(FrameError):
        assert FrameOpener(BASE, codec).open(frame) == b"" == frame


def test_the_key_changes_by_itself(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("simplex_calls.calls.sframe.FRAMES_PER_KEY", 3)
    sealer, opener = pair()
    sealed = [sealer.seal(bytes([n])) for n in range(10)]
    assert [decode_header(frame, 0)[:2] for frame in sealed] == [(n // 3, n % 3) for n in range(10)]
    assert [opener.open(frame) for frame in sealed] == [bytes([n]) for n in range(10)]


def test_frames_that_the_change_of_a_key_has_overtaken() -> None:
    sealer, opener = pair()
    old = [sealer.seal(bytes([n])) for n in range(4)]
    sealer.change_key()
    new = [sealer.seal(b"new %d" % n) for n in range(WINDOW + 2)]
    assert opener.open(old[0]) == b"\0"
    assert opener.open(new[0]) == b"new 0"
    assert opener.open(old[2]) == b"\2"
    with pytest.raises(FrameReplayedError):
        opener.open(old[2])
    for n in range(1, WINDOW + 2):
        assert opener.open(new[n]) == b"new %d" % n
    # the old key is forgotten by now
    with pytest.raises(FrameNotAuthenticError):
        opener.open(old[3])


def test_keys_that_were_never_heard_of() -> None:
    sealer, opener = pair()
    for _ in range(STEPS_AHEAD):
        sealer.seal(b"lost")
        sealer.change_key()
    assert opener.open(sealer.seal(b"heard")) == b"heard"
    for _ in range(STEPS_AHEAD + 1):
        sealer.seal(b"lost")
        sealer.change_key()
    with pytest.raises(FrameNotAuthenticError):
        opener.open(sealer.seal(b"too far"))


def test_a_forged_step_moves_nothing() -> None:
    sealer, opener = pair()
    with pytest.raises(FrameNotAuthenticError):
        opener.open(encode_header(5, 0) + bytes(40))
    assert opener.open(sealer.seal(b"still here")) == b"still here"


def test_a_key_without_a_frame_is_not_changed() -> None:
    sealer, _ = pair()
    for _ in range(3):
        sealer.change_key()
    assert decode_header(sealer.seal(b"frame"), 0)[:2] == (0, 0)


def test_keys_run_out_some_day(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("simplex_calls.calls.sframe.MAX_STEP", 1)
    sealer, _ = pair()
    sealer.seal(b"0")
    sealer.change_key()
    sealer.seal(b"1")
    with pytest.raises(FrameKeyError):
        sealer.change_key()
