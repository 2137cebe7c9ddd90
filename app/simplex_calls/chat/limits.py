"""How much one contact may ask of us in a while: who floods is not listened to, and holds nobody else up. Pure."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Rate:
    """So many at once, and as many again in so many seconds."""

    count: int
    seconds: float


CALL_INVITATIONS = Rate(10, 60.0)
"""Calls of one contact; a person who tries again and again makes fewer."""

CALL_MESSAGES = Rate(300, 60.0)
"""All other messages of calls: descriptions, and candidates one by one."""

ENTRIES = Rate(1_000, 600.0)
"""What a contact adds to the history and changes in it. Nothing of it is refused: what comes faster waits on its
server, so that even somebody who sends without end fills a disk slowly, and only with what can be seen."""

ENTRY_LENGTH = 4_096
"""A longer text counts as several entries, each of so many characters."""


@dataclass(slots=True)
class _Account:
    left: float
    at: float


class Allowance:
    """What each contact has left of a rate. ``elapsed`` is a clock that nobody sets."""

    def __init__(self, rate: Rate, elapsed: Callable[[], float]) -> None:
        self._rate = rate
        self._elapsed = elapsed
        self._accounts: dict[int, _Account] = {}

    def take(self, contact_id: int) -> bool:
        """Whether the contact may do it once more, which is counted."""
        account = self._account(contact_id)
        if account.left < 1.0:
            return False
        account.left -= 1.0
        return True

    def spend(self, contact_id: int, cost: float) -> float:
        """Count what the contact did, and tell in how many seconds all that it did will have been allowed."""
        account = self._account(contact_id)
        account.left -= cost
        return max(0.0, -account.left * self._rate.seconds / self._rate.count)

    def _account(self, contact_id: int) -> _Account:
        now = self._elapsed()
        account = self._accounts.setdefault(contact_id, _Account(float(self._rate.count), now))
        earned = (now - account.at) * self._rate.count / self._rate.seconds
        account.left, account.at = min(float(self._rate.count), account.left + earned), now
        return account

    def forget(self, contact_id: int) -> None:
        """The contact was removed."""
        self._accounts.pop(contact_id, None)
