"""All queues of the relay, by each of their ids."""

from __future__ import annotations

from simplex_calls.crypto import Random
from simplex_calls.relay.records import Queue

ID_SIZE = 24
"""Bytes of queue ids and message ids (a message id is also the nonce of its encryption)."""


class QueueTable:
    """Queues by the ids of their recipients, senders, short links and notifiers. No id is used twice."""

    def __init__(self, random: Random) -> None:
        self._random = random
        self.by_recipient: dict[bytes, Queue] = {}
        self.by_sender: dict[bytes, Queue] = {}
        self.by_link: dict[bytes, Queue] = {}
        self.by_notifier: dict[bytes, Queue] = {}
        self.link_bytes = 0
        """What the data of all short links take."""

    def __len__(self) -> int:
        return len(self.by_recipient)

    def insert(self, queue: Queue) -> None:
        """Add ``queue``."""
        self.by_recipient[queue.recipient_id] = queue
        self.by_sender[queue.sender_id] = queue
        if queue.link_id is not None:
            self.by_link[queue.link_id] = queue
            self.link_bytes += queue.link_size
        if queue.notifier is not None:
            self.by_notifier[queue.notifier.notifier_id] = queue

    def remove(self, queue: Queue) -> None:
        """Remove ``queue``, if it is there."""
        self.by_recipient.pop(queue.recipient_id, None)
        self.by_sender.pop(queue.sender_id, None)
        if queue.link_id is not None and self.by_link.pop(queue.link_id, None) is not None:
            self.link_bytes -= queue.link_size
        if queue.notifier is not None:
            self.by_notifier.pop(queue.notifier.notifier_id, None)

    def is_taken(self, entity_id: bytes) -> bool:
        """Whether a queue has this id, in whatever part."""
        return any(entity_id in ids for ids in (self.by_recipient, self.by_sender, self.by_link, self.by_notifier))

    def unused_id(self) -> bytes:
        """A new random id."""
        while self.is_taken(new_id := self._random(ID_SIZE)):
            pass
        return new_id
