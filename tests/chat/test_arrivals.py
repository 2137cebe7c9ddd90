"""How long messages waited, with clocks that are right, wrong, set and stopped."""

from __future__ import annotations

import pytest

from simplex_calls.chat.arrivals import JUMP_SECONDS, QUIET_SECONDS, Arrivals

LINE = 7


class Clocks:
    """The server's time, ours that is ``ahead`` of it, and one that only counts while the computer is awake."""

    def __init__(self, ahead: float = 0.0) -> None:
        self.server = 1_800_000_000.0
        self.ahead = ahead
        self.elapsed = 100.0
        self.arrivals = Arrivals(lambda: self.server + self.ahead, lambda: self.elapsed)

    def pass_time(self, seconds: float) -> None:
        self.server += seconds
        self.elapsed += seconds

    def came(self, waited: float = 0.0) -> float:
        return self.arrivals.arrived(LINE, self.server - waited)


@pytest.mark.parametrize("ahead", [0.0, 600.0, -600.0, 86_400.0])
def test_what_comes_to_a_quiet_queue_is_new_by_any_clock(ahead: float) -> None:
    clocks = Clocks(ahead)
    clocks.arrivals.subscribed(LINE)
    clocks.pass_time(QUIET_SECONDS)
    assert clocks.came() == 0.0
    # from then on the difference of the clocks is known
    clocks.pass_time(1)
    assert clocks.came(waited=5) == pytest.approx(5)


def test_right_after_subscribing_the_clock_is_believed() -> None:
    clocks = Clocks()
    clocks.arrivals.subscribed(LINE)
    clocks.pass_time(1)
    assert clocks.came(waited=400) == pytest.approx(400)
    assert clocks.came(waited=20) == pytest.approx(20)


def test_waiting_messages_are_old_however_many_they_are() -> None:
    clocks = Clocks()
    clocks.arrivals.subscribed(LINE)
    for _ in range(30):
        clocks.pass_time(1)
        assert clocks.came(waited=3600) == pytest.approx(3600)


def test_nothing_comes_before_it_was_sent() -> None:
    clocks = Clocks(ahead=-600)
    clocks.arrivals.subscribed(LINE)
    assert clocks.came() == 0.0


def test_a_connection_that_nobody_told_of_goes_by_the_clock() -> None:
    clocks = Clocks(ahead=50)
    assert clocks.came(waited=10) == pytest.approx(60)
    clocks.arrivals.subscribed(LINE)
    clocks.arrivals.unsubscribed(LINE)
    clocks.pass_time(60)
    assert clocks.came(waited=10) == pytest.approx(60)


def test_a_set_clock_is_noticed() -> None:
    clocks = Clocks(ahead=600)
    clocks.arrivals.subscribed(LINE)
    clocks.pass_time(60)
    assert clocks.came() == 0.0
    clocks.ahead = 0.0  # put right
    clocks.pass_time(60)
    assert clocks.came() == 0.0
    clocks.pass_time(1)
    assert clocks.came(waited=3) == pytest.approx(3)


def test_after_sleep_the_queue_is_not_taken_for_empty() -> None:
    clocks = Clocks()
    clocks.arrivals.subscribed(LINE)
    clocks.pass_time(60)
    assert clocks.came() == 0.0
    clocks.pass_time(QUIET_SECONDS)
    clocks.server += JUMP_SECONDS * 100  # asleep: the other clock stood
    assert clocks.came(waited=JUMP_SECONDS * 90) == pytest.approx(JUMP_SECONDS * 90)
