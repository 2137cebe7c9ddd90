"""What the relay counts of its work, as plain numbers: no ids, no addresses, nothing of single clients. Pure."""

from __future__ import annotations

from bisect import bisect_left
from collections import Counter
from dataclasses import dataclass, field

from simplex_calls.relay import answers
from simplex_calls.smp.messages import Err

BOUNDS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5)
"""Upper bounds of the buckets of :attr:`Counts.answer_buckets`, seconds; the last bucket has none."""

_REASONS = {
    id(answers.QUOTA): "queue_full",
    id(answers.LARGE): "message_size",
    id(answers.DISK_FULL): "disk_full",
    id(answers.LINKS_FULL): "link_data",
    id(answers.INTERNAL): "queues",
    id(answers.AUTH): "authorization",
    id(answers.PROXY_BASIC_AUTH): "password",
}
REASONS = (*_REASONS.values(), "connections", "client_connections", "slow_client", "other")
"""Why something is refused, or somebody disconnected."""


@dataclass(slots=True)
class Counts:
    """Since the relay's start."""

    messages_in: int = 0
    """Accepted from senders."""
    messages_out: int = 0
    """Sent to recipients, repetitions too."""
    messages_acknowledged: int = 0
    messages_expired: int = 0
    queues_created: int = 0
    queues_deleted: int = 0
    connections_opened: int = 0
    refused: Counter[str] = field(default_factory=Counter)
    """By one of :data:`REASONS`."""
    answer_buckets: list[int] = field(default_factory=lambda: [0] * (len(BOUNDS) + 1))
    """How many answers left how long after their command was carried out: what it takes to store."""
    answer_seconds: float = 0.0

    def refuse(self, answer: Err, *, disk_is_full: bool) -> None:
        """A command was refused."""
        reason = _REASONS.get(id(answer), "other")
        # on a full disk, SEND has the same answer as into a full queue
        self.refused["disk_full" if disk_is_full and answer is answers.QUOTA else reason] += 1

    def answered(self, seconds: float, count: int) -> None:
        """So many answers left together, ``seconds`` after the first of their commands was carried out."""
        self.answer_buckets[bisect_left(BOUNDS, seconds)] += count
        self.answer_seconds += seconds * count
