"""When a child is started again: by the table alone, with times made up."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from simplex_calls.serve.supervision import (
    FIRST_PAUSE,
    LONGEST_PAUSE,
    MISSES,
    STABLE_SECONDS,
    TRIES,
    Child,
    State,
    answered,
    ended,
    is_stuck,
    missed,
    started,
)


def test_pauses_double_up_to_a_minute() -> None:
    child, now, pauses = answered(started(Child(), 0)), 0.0, []
    for _ in range(9):
        child = ended(child, now)
        assert child.state is State.WAITING
        pauses.append(child.start_again_at - now)
        now = child.start_again_at
        child = answered(started(child, now))
    assert pauses == [1, 2, 4, 8, 16, 32, 60, 60, 60]


def test_who_stays_up_begins_anew() -> None:
    child = answered(started(Child(pause=32.0), 100))
    assert ended(child, 100 + STABLE_SECONDS).start_again_at == 100 + STABLE_SECONDS + FIRST_PAUSE
    assert ended(child, 100 + STABLE_SECONDS - 1).start_again_at == 100 + STABLE_SECONDS - 1 + 32


def test_who_never_was_healthy_is_given_up() -> None:
    child = Child()
    for number in range(TRIES):
        child = ended(started(child, number), number)
    assert child.state is State.FAILED
    healthy = answered(started(Child(), 0))
    for number in range(TRIES + 1):
        healthy = started(ended(healthy, number), number)
    assert healthy.state is State.STARTING


def test_who_does_not_answer_is_stuck() -> None:
    child = answered(started(Child(), 0))
    for _ in range(MISSES - 1):
        child = missed(child)
    assert child.state is State.MISSING
    assert not is_stuck(child)
    assert not is_stuck(missed(answered(child)))
    assert is_stuck(missed(child))


EVENTS = st.lists(st.tuples(st.sampled_from(["started", "answered", "missed", "ended"]), st.floats(0, 200)))


@given(EVENTS)
def test_whatever_comes(events: list[tuple[str, float]]) -> None:
    child, now = Child(), 0.0
    for name, seconds in events:
        now += seconds
        before = child
        match name:
            case "started" if not child.is_running and child.state is not State.FAILED:
                child = started(child, now)
            case "answered":
                child = answered(child)
            case "missed":
                child = missed(child)
            case "ended":
                child = ended(child, now)
        assert FIRST_PAUSE <= child.pause <= LONGEST_PAUSE
        assert child.restarts >= before.restarts
        if child.state is State.WAITING and child is not before:
            assert now + FIRST_PAUSE <= child.start_again_at <= now + LONGEST_PAUSE
        if before.state is State.FAILED:
            assert child.state is State.FAILED
