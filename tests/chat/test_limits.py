"""What one contact may ask of us in a while."""

from __future__ import annotations

from simplex_calls.chat.limits import Allowance, Rate


def test_so_many_at_once_and_again_with_time() -> None:
    now = 0.0
    allowance = Allowance(Rate(3, 60.0), lambda: now)
    assert [allowance.take(1) for _ in range(5)] == [True, True, True, False, False]
    now = 19.0
    assert not allowance.take(1)
    now = 20.0
    assert allowance.take(1)
    assert not allowance.take(1)
    now = 10_000.0
    assert [allowance.take(1) for _ in range(4)] == [True, True, True, False]


def test_nobody_pays_for_another() -> None:
    allowance = Allowance(Rate(1, 60.0), lambda: 0.0)
    assert allowance.take(1)
    assert not allowance.take(1)
    assert allowance.take(2)
    allowance.forget(1)
    assert allowance.take(1)
