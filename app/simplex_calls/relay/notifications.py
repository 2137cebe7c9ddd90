"""Notifications of messages, for push servers: encrypted for the recipient, kept in memory until they are fetched.

Source: simplex-messaging.md, "Push notifications" and "Deliver message notification". They are hints that may be lost:
nothing of them is on the disk, and of many only the newest are kept.
"""

from __future__ import annotations

from collections import deque

from simplex_calls.crypto import BoxKey, Random, pad
from simplex_calls.crypto.box import NONCE_SIZE
from simplex_calls.smp import encoding
from simplex_calls.smp.messages import NMsg

_PADDED = 128
_KEPT = 16
_KEPT_QUEUES = 2_000


def notification(box: BoxKey, message_id: bytes, time: int, random: Random) -> NMsg:
    """Tell, for the holder of the other half of ``box``, that a message came at ``time`` (seconds since 1970)."""
    nonce = random(NONCE_SIZE)
    return NMsg(nonce, box.seal(nonce, pad(encoding.short(message_id) + encoding.int64(time), _PADDED)))


class PendingNotifications:
    """What waits for the subscription of its notifier, by notifier ids."""

    def __init__(self) -> None:
        self._pending: dict[bytes, deque[NMsg]] = {}

    def add(self, notifier_id: bytes, message: NMsg) -> None:
        """Keep one; the oldest of many goes."""
        queue = self._pending.pop(notifier_id, None) or deque(maxlen=_KEPT)
        queue.append(message)
        self._pending[notifier_id] = queue
        if len(self._pending) > _KEPT_QUEUES:
            del self._pending[next(iter(self._pending))]

    def take(self, notifier_id: bytes) -> list[NMsg]:
        """All that wait, the oldest first."""
        return list(self._pending.pop(notifier_id, ()))
