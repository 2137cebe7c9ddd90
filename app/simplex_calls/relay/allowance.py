"""What one client may add to the relay: so much at once, and so much an hour."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Rate:
    """``burst`` at first, regained at ``per_hour``."""

    burst: float
    per_hour: float


class Allowance:
    """Rights that are used up and regained. ``clock`` gives seconds."""

    def __init__(self, rate: Rate, clock: Callable[[], float]) -> None:
        self._burst = rate.burst
        self._per_second = rate.per_hour / 3600
        self._clock = clock
        self._rights = float(rate.burst)
        self._at = clock()

    def take(self, count: int = 1) -> bool:
        """Use up so many rights; False, and none used, if there are fewer."""
        self._regain()
        if self._rights < count:
            return False
        self._rights -= count
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


@dataclass(frozen=True, slots=True)
class ClientAllowance:
    """What the clients from one place may still add."""

    queues: Allowance
    link_bytes: Allowance

    @property
    def is_whole(self) -> bool:
        """Whether nothing of it is used up."""
        return self.queues.is_whole and self.link_bytes.is_whole


class Allowances:
    """The allowances of clients by the places that they come from: those that were asked for last."""

    _KEPT = 10_000
    _LOOKED_AT = 8

    def __init__(self, queues: Rate, link_bytes: Rate, clock: Callable[[], float]) -> None:
        self._queues = queues
        self._link_bytes = link_bytes
        self._clock = clock
        self._by_place: dict[str, ClientAllowance] = {}
        """The one that was asked for longest ago comes first."""

    def __len__(self) -> int:
        return len(self._by_place)

    def of(self, place: str) -> ClientAllowance:
        """The allowance of clients from ``place``."""
        allowance = self._by_place.pop(place, None)
        if allowance is None:
            if len(self._by_place) >= self._KEPT:
                self._forget_one()
            allowance = ClientAllowance(Allowance(self._queues, self._clock), Allowance(self._link_bytes, self._clock))
        self._by_place[place] = allowance
        return allowance

    def _forget_one(self) -> None:
        """One that is whole, if there is one among the oldest; there need not be many to look at."""
        oldest = [place for place, _ in zip(self._by_place, range(self._LOOKED_AT), strict=False)]
        whole = next((place for place in oldest if self._by_place[place].is_whole), oldest[0])
        del self._by_place[whole]
