"""When a child process is started again. Pure: the time comes in as an argument.

A child that ends is started again after a pause that doubles each time, up to a minute; one that then stays up for a
minute starts anew at the shortest. A child that never was healthy and ended too often will not be better the next
time: that is told instead. One that does not answer any more is ended, and then started again like any other.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from enum import Enum

FIRST_PAUSE = 1.0
LONGEST_PAUSE = 60.0
STABLE_SECONDS = 60.0
"""After so long, what went wrong before counts no longer."""
TRIES = 4
"""How often a child that never was healthy is started."""
MISSES = 3
"""How many checks in a row a child may miss."""


class State(Enum):
    """What is with a child."""

    STARTING = "starting"
    """It runs, and has not answered yet."""
    HEALTHY = "healthy"
    MISSING = "missing"
    """It runs, and missed its last check."""
    WAITING = "waiting"
    """It ended, and will be started again."""
    FAILED = "failed"
    """It never was healthy, and is not started again."""


@dataclass(frozen=True, slots=True)
class Child:
    """What is known of a child."""

    state: State = State.WAITING
    started_at: float = 0.0
    start_again_at: float = 0.0
    pause: float = FIRST_PAUSE
    """How long the next pause will be."""
    failures: int = 0
    """How often it ended without having been healthy since the start of the program."""
    was_healthy: bool = False
    misses: int = 0
    restarts: int = 0

    @property
    def is_running(self) -> bool:
        """Whether there is a process."""
        return self.state in (State.STARTING, State.HEALTHY, State.MISSING)


def started(child: Child, now: float) -> Child:
    """Its process was started."""
    return replace(child, state=State.STARTING, started_at=now, misses=0)


def answered(child: Child) -> Child:
    """A check went well."""
    return replace(child, state=State.HEALTHY, was_healthy=True, misses=0) if child.is_running else child


def missed(child: Child) -> Child:
    """A check failed: with :func:`is_stuck` the process must be ended."""
    if not child.is_running:
        return child
    return replace(child, state=State.MISSING, misses=child.misses + 1)


def is_stuck(child: Child) -> bool:
    """Whether it missed so many checks that it will not answer any more."""
    return child.is_running and child.misses >= MISSES


def ended(child: Child, now: float) -> Child:
    """Its process ended."""
    if not child.is_running:
        return child
    failures = child.failures if child.was_healthy else child.failures + 1
    if failures >= TRIES:
        return replace(child, state=State.FAILED, failures=failures)
    was_stable = child.was_healthy and now - child.started_at >= STABLE_SECONDS
    pause = FIRST_PAUSE if was_stable else child.pause
    return replace(
        child,
        state=State.WAITING,
        start_again_at=now + pause,
        pause=min(2 * pause, LONGEST_PAUSE),
        failures=failures,
        restarts=child.restarts + 1,
    )
