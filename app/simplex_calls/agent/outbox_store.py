"""The rows of the outbox: what must still go to other people's queues, in order."""

from __future__ import annotations

import sqlite3

from simplex_calls.agent.records import OutboxItem, OutboxKind, SndQueue
from simplex_calls.database import Database


class OutboxStore:
    """Reads and writes these rows; callers open the transactions."""

    def __init__(self, database: Database) -> None:
        self.database = database

    def add(self, queue: SndQueue, kind: OutboxKind, number: int, body: bytes, *, notify: bool, now: float) -> None:
        """Put an entry at the end of the queue's outbox."""
        self.database.execute(
            "INSERT INTO outbox (snd_queue_id, kind, number, body, notify, created) VALUES (?, ?, ?, ?, ?, ?)",
            (queue.id, kind.value, number, body, notify, now),
        )

    def has(self, queue_id: int, count: int) -> bool:
        """Tell whether so many entries or more wait for a queue."""
        row = self.database.execute(
            "SELECT 1 FROM outbox WHERE snd_queue_id = ? LIMIT 1 OFFSET ?", (queue_id, count - 1)
        ).fetchone()
        return row is not None

    def first(self, queue_id: int) -> OutboxItem | None:
        """The entry that is next on this queue."""
        row = self.database.execute(
            "SELECT * FROM outbox WHERE snd_queue_id = ? ORDER BY id LIMIT 1", (queue_id,)
        ).fetchone()
        return None if row is None else _outbox_item(row)

    def delete(self, item_id: int) -> bool:
        """Take an entry out; False if it is gone already (its connection was deleted)."""
        return self.database.execute("DELETE FROM outbox WHERE id = ?", (item_id,)).rowcount > 0

    def postpone(self, item: OutboxItem) -> bool:
        """Let all others of its queue go before an entry; False if there are none."""
        others = self.database.execute(
            "SELECT 1 FROM outbox WHERE snd_queue_id = ? AND id > ? LIMIT 1", (item.queue_id, item.id)
        ).fetchone()
        if others is None:
            return False
        self.database.execute(
            "INSERT INTO outbox (snd_queue_id, kind, number, body, notify, created)"
            " SELECT snd_queue_id, kind, number, body, notify, created FROM outbox WHERE id = ?",
            (item.id,),
        )
        self.database.execute("DELETE FROM outbox WHERE id = ?", (item.id,))
        return True

    def take(self, queue_id: int) -> list[OutboxItem]:
        """Empty a queue's outbox, returning what was in it."""
        rows = self.database.execute("SELECT * FROM outbox WHERE snd_queue_id = ? ORDER BY id", (queue_id,)).fetchall()
        self.database.execute("DELETE FROM outbox WHERE snd_queue_id = ?", (queue_id,))
        return [_outbox_item(row) for row in rows]

    def queues(self) -> list[int]:
        """The sending queues that have something to do."""
        rows = self.database.execute("SELECT DISTINCT snd_queue_id AS id FROM outbox ORDER BY id")
        return [row["id"] for row in rows]


def _outbox_item(row: sqlite3.Row) -> OutboxItem:
    return OutboxItem(
        row["id"],
        row["snd_queue_id"],
        OutboxKind(row["kind"]),
        row["number"],
        row["body"],
        bool(row["notify"]),
        row["created"],
    )
