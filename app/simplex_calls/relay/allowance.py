"""How many queues one client may create: so many at once, and so many an hour."""

from __future__ import annotations

from collections.abc import Callable


class Allowance:
    """Rights to create queues: ``burst`` at first, regained at ``per_hour``. ``clock`` gives seconds."""

    def __init__(self, burst: int, per_hour: float, clock: Callable[[], float]) -> None:
        self._burst = burst
        self._per_second = per_hour / 3600
        self._clock = clock
        self._rights = float(burst)
        self._at = clock()

    def take(self) -> bool:
        """Use up one right; False if there is none."""
        self._regain()
        if self._rights < 1:
            return False
        self._rights -= 1
        return True

    @property
    def is_whole(self) -> bool:
        """Whether all rights are there, so that it may be forgotten."""
        self._regain()
        return self._rights >= self._burst

    def _regain(self) -> None:
        now = self._clock()
        self._rights = min(self._burst, self._rights + max(0.0, now - self._at) * self._per_second)
        self._at = now


class Allowances:
    """The allowances of all clients, by the places that they come from."""

    _FORGOTTEN_AT = 10_000

    def __init__(self, burst: int, per_hour: float, clock: Callable[[], float]) -> None:
        self._burst = burst
        self._per_hour = per_hour
        self._clock = clock
        self._by_place: dict[str, Allowance] = {}

    def of(self, place: str) -> Allowance:
        """The allowance of clients from ``place``."""
        allowance = self._by_place.get(place)
        if allowance is None:
            if len(self._by_place) >= self._FORGOTTEN_AT:
                self._by_place = {at: one for at, one in self._by_place.items() if not one.is_whole}
            allowance = self._by_place[place] = Allowance(self._burst, self._per_hour, self._clock)
        return allowance
