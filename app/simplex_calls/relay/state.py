"""What the parts of the relay's core share: the queues, and what of them is not stored yet."""

from __future__ import annotations

from simplex_calls.crypto import Random
from simplex_calls.relay.counts import Counts
from simplex_calls.relay.queue_table import QueueTable
from simplex_calls.relay.records import Queue, StoredMessage
from simplex_calls.relay.sessions import Limits
from simplex_calls.relay.store import Changes, Store


class RelayState:
    """All queues, read from ``store`` and written to it as groups of changes."""

    def __init__(self, store: Store, limits: Limits, random: Random) -> None:
        self.store = store
        self.limits = limits
        self.random = random
        self.queues = QueueTable(random)
        self.is_full = False
        """The disk is full: nothing that needs room is accepted."""
        self.counts = Counts()
        self.next_queue = 1
        self._touched: dict[int, Queue] = {}
        self._unconfirmed: dict[int, Queue] = {}
        for queue in store.load():
            self.queues.insert(queue)
            self.next_queue = max(self.next_queue, queue.number + 1)
        self.next_message = store.next_message_number()

    def touch(self, queue: Queue) -> None:
        """Something of a queue differs from what the disk holds."""
        self._touched[queue.number] = queue

    def change(self, queue: Queue) -> None:
        """A queue itself has changed."""
        self.touch(queue)
        self.store.put_queue(queue)

    def first(self, queue: Queue, now: int) -> StoredMessage | None:
        """The message to deliver next; those that are too old are deleted before (the quota marker never is)."""
        oldest = now - self.limits.message_seconds
        while queue.messages:
            first = queue.messages[0]
            if first.is_quota or first.time >= oldest:
                return first
            self.counts.messages_expired += 1
            self.delete_first(queue)
        return None

    def delete_first(self, queue: Queue) -> None:
        """Delete the oldest message of a queue."""
        self.touch(queue)
        self.store.delete_message(queue.messages.pop(0))

    def take_changes(self) -> Changes:
        """What must be stored before the answers since the last call may leave."""
        self._unconfirmed, self._touched = self._touched, {}
        return self.store.take()

    def recover(self) -> None:
        """Forget all that was not stored: after a failed write, or a failure in between."""
        self.store.discard()
        lost = self._unconfirmed | self._touched
        self._unconfirmed, self._touched = {}, {}
        stored = {queue.number: queue for queue in self.store.load(lost)}
        for number, queue in lost.items():
            self.queues.remove(queue)
            restored = stored.get(number)
            if restored is not None:
                queue.sender_key = restored.sender_key
                queue.suspended_at = restored.suspended_at
                queue.link_id = restored.link_id
                queue.link_size = restored.link_size
                queue.notifier = restored.notifier
                queue.messages = restored.messages
                self.queues.insert(queue)
