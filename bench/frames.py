"""Frame encryption in Python against bare AES-GCM of ``cryptography`` on the same bytes."""

from __future__ import annotations

import os
import statistics
import time
from collections.abc import Callable

from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from simplex_calls.calls.frames import FrameCipher, FrameKind

SIZES = (80, 1_200, 15_000, 150_000)
ROUNDS = 41


def median_microseconds(*actions: Callable[[], object], repeat: int) -> list[float]:
    """Median time of one call of each action, the actions taking turns so that noise hits them alike."""
    times: list[list[float]] = [[] for _ in actions]
    for _ in range(ROUNDS):
        for action, taken in zip(actions, times, strict=True):
            start = time.perf_counter()
            for _ in range(repeat):
                action()
            taken.append((time.perf_counter() - start) / repeat * 1e6)
    return [statistics.median(taken) for taken in times]


def measure_frames() -> str:
    key = os.urandom(32)
    cipher, call = AESGCM(key), FrameCipher(key)
    rows = ["| frame, bytes | encrypt, µs | × bare AES-GCM | decrypt, µs | × bare AES-GCM |", "|---|---|---|---|---|"]
    for size in SIZES:
        frame = os.urandom(size)
        kind = FrameKind.VIDEO_DELTA
        sealed = call.encrypt(frame, kind)
        plain, iv = frame[kind.clear_size :], os.urandom(12)
        bare = cipher.encrypt(iv, plain, None)
        ours, theirs, ours_open, theirs_open = median_microseconds(
            lambda frame=frame, kind=kind: call.encrypt(frame, kind),  # type: ignore[misc]
            lambda plain=plain: cipher.encrypt(os.urandom(12), plain, None),  # type: ignore[misc]
            lambda sealed=sealed, kind=kind: call.decrypt(sealed, kind),  # type: ignore[misc]
            lambda bare=bare, iv=iv: cipher.decrypt(iv, bare, None),  # type: ignore[misc]
            repeat=200 if size < 100_000 else 20,
        )
        rows.append(
            f"| {size:,} | {ours:.1f} | {ours / theirs:.2f} | {ours_open:.1f} | {ours_open / theirs_open:.2f} |"
        )
    return "\n".join(rows)
