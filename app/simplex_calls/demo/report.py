"""The account of a demo call: what both sides saw, put together; pure.

Times come in as seconds of one clock that both sides share (they run on one machine) and leave as milliseconds.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

SIDES = ("alice", "bob")
"""The caller first."""

COUNTERS = ("frames_sent", "frames_encrypted", "frames_decrypted", "frames_decoded", "audio_packets_received")

MOMENTS = ("called", "ringing", "accepted", "offered", "answered", "connected", "first_frame_alice", "first_frame_bob")
"""The timeline's points, in the order in which they come about."""


@dataclass
class Account:
    """What has been seen of the call so far."""

    media: str
    moments: dict[str, float] = field(default_factory=dict)
    encrypted: dict[str, bool] = field(default_factory=dict)
    path: dict[str, str | None] = field(default_factory=dict)
    counters: dict[str, dict[str, int]] = field(default_factory=dict)
    history: dict[str, list[dict[str, Any]]] = field(default_factory=dict)
    screenshots: list[str] = field(default_factory=list)
    failures: list[str] = field(default_factory=list)

    def mark(self, moment: str, seconds: float) -> bool:
        """Note when ``moment`` came about; the first time counts. Tells whether it was the first."""
        if moment in self.moments:
            return False
        self.moments[moment] = seconds
        return True

    def count(self, side: str, counters: dict[str, int]) -> None:
        """Take the newest counters of a side."""
        self.counters[side] = {name: counters.get(name, 0) for name in COUNTERS}

    def flows(self, side: str) -> bool:
        """Tell whether this side hears, and in a video call sees, the other through the frame encryption."""
        counters = self.counters.get(side, {})
        heard = counters.get("audio_packets_received", 0) > 0 and counters.get("frames_decrypted", 0) > 0
        return heard and (self.media == "audio" or counters.get("frames_decoded", 0) > 0)

    def problems(self) -> list[str]:
        """Name everything that keeps this call from being a good one; empty when all is well."""
        found = list(self.failures)
        for side in SIDES:
            counters = self.counters.get(side)
            if counters is None:
                found.append(f"{side}: no media figures were received")
                continue
            if not self.encrypted.get(side):
                found.append(f"{side}: the call was not encrypted frame by frame")
            if not self.flows(side):
                found.append(f"{side}: no decoded media from the other side")
            if counters["frames_encrypted"] < counters["frames_sent"]:
                found.append(
                    f"{side}: {counters['frames_sent'] - counters['frames_encrypted']} frames left in the clear"
                )
        return found

    def setup_ms(self) -> int | None:
        """Milliseconds from accept to the first decoded frame of the later side (of audio: to the first packet)."""
        firsts = [self.moments.get(f"first_frame_{side}") for side in SIDES]
        accepted = self.moments.get("accepted")
        if accepted is None or None in firsts:
            return None
        return round((max(first for first in firsts if first is not None) - accepted) * 1000)

    def report(self) -> dict[str, Any]:
        """The report as JSON values (README, "The demo's report")."""
        start = min(self.moments.values(), default=0.0)
        problems = self.problems()
        paths = {self.path.get(side) for side in SIDES}
        return {
            "ok": not problems,
            "media": self.media,
            "path": "relay" if "relay" in paths else paths.pop() if len(paths) == 1 else None,
            "encrypted": all(self.encrypted.get(side, False) for side in SIDES),
            "setup_ms": self.setup_ms(),
            "timeline_ms": {
                moment: round((self.moments[moment] - start) * 1000) for moment in MOMENTS if moment in self.moments
            },
            "sides": {side: self.counters.get(side, dict.fromkeys(COUNTERS, 0)) for side in SIDES},
            "history": {side: self.history[side] for side in SIDES if side in self.history},
            "screenshots": self.screenshots,
            "problems": problems,
        }
