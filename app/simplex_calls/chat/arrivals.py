"""How long messages waited on their server, whatever this computer's clock says. Pure but for its two clocks.

Servers tell when they took a message, by their clock. Ours may be minutes off, and an invitation to a call must ring if
it is new and must not if it is old. The evidence is the connection itself: a queue that has been subscribed to, and
silent, for a while has nothing left on its server, so what comes next was sent just now, and shows how far the two
clocks are apart. Right after subscribing, there is no such evidence: our clock is believed then.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

QUIET_SECONDS = 10.0
"""A queue that was subscribed to and gave nothing for so long is empty: waiting messages come one after another."""

JUMP_SECONDS = 30.0
"""The wall clock was set, or the computer slept, if the two clocks differ by so much since the last message."""


@dataclass(slots=True)
class _Line:
    """What is known of a queue that is subscribed to: times of its last message or its subscription."""

    wall: float
    elapsed: float
    offset: float | None = None
    """How much our clock is ahead of the server's."""


class Arrivals:
    """Judges the messages of all connections.

    ``clock`` is the wall clock (Unix seconds), ``elapsed`` one that nobody sets.
    """

    def __init__(self, clock: Callable[[], float], elapsed: Callable[[], float]) -> None:
        self._clock = clock
        self._elapsed = elapsed
        self._lines: dict[int, _Line] = {}

    def subscribed(self, connection_id: int) -> None:
        """Messages come from now on, those that waited first."""
        self._lines[connection_id] = _Line(self._clock(), self._elapsed())

    def unsubscribed(self, connection_id: int) -> None:
        """Messages wait on the server from now on."""
        self._lines.pop(connection_id, None)

    def arrived(self, connection_id: int, taken_at: float) -> float:
        """A message came that the server took at ``taken_at`` by its clock: the seconds that it waited there."""
        wall, elapsed = self._clock(), self._elapsed()
        behind = wall - taken_at
        line = self._lines.get(connection_id)
        if line is None:
            return max(behind, 0.0)
        since, by_wall = elapsed - line.elapsed, wall - line.wall
        if abs(by_wall - since) > JUMP_SECONDS:
            line.offset = None
        elif since >= QUIET_SECONDS:
            line.offset = behind
        line.wall, line.elapsed = wall, elapsed
        if line.offset is None:
            return max(behind, 0.0)
        # nothing comes before it was sent
        line.offset = min(line.offset, behind)
        return behind - line.offset
