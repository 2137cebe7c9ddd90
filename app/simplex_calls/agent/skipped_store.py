"""The skipped message keys of one ratchet in the database, looked up one by one.

A ratchet may keep 2,048 of them; loading all for every message took 30 ms. A decryption mostly asks for one that is
not there (:class:`.ratchet_state.SkippedLookup` says when it asks for what).
"""

from __future__ import annotations

from simplex_calls.agent.ratchet_state import MessageKey, SkippedDelta
from simplex_calls.database import Database


class StoredSkippedKeys:
    """A :class:`.ratchet_state.SkippedLookup` of one connection. It reads what is stored at the time of asking."""

    __slots__ = ("_connection_id", "_database")

    def __init__(self, database: Database, connection_id: int) -> None:
        self._database = database
        self._connection_id = connection_id

    def get(self, header_key: bytes, number: int, /) -> MessageKey | None:
        """The key of a skipped message; raises :class:`.ratchet_state.StoredRatchetError`."""
        row = self._database.execute(
            "SELECT message_key FROM skipped_keys WHERE connection_id = ? AND header_key = ? AND number = ?",
            (self._connection_id, header_key, number),
        ).fetchone()
        return None if row is None else MessageKey.from_bytes(row["message_key"])

    def header_keys(self) -> list[bytes]:
        """The header keys of all chains that messages are missing of, latest first."""
        rows = self._database.execute(
            "SELECT header_key FROM skipped_keys WHERE connection_id = ? GROUP BY header_key ORDER BY max(rowid) DESC",
            (self._connection_id,),
        )
        return [row["header_key"] for row in rows]

    def oldest(self, count: int, /) -> list[tuple[bytes, int]]:
        """The names of the ``count`` oldest keys."""
        rows = self._database.execute(
            "SELECT header_key, number FROM skipped_keys WHERE connection_id = ? ORDER BY rowid LIMIT ?",
            (self._connection_id, count),
        )
        return [(row["header_key"], row["number"]) for row in rows]

    def __len__(self) -> int:
        count = self._database.execute(
            "SELECT count(*) FROM skipped_keys WHERE connection_id = ?", (self._connection_id,)
        ).fetchone()[0]
        return int(count)

    def change(self, delta: SkippedDelta) -> None:
        """Store what a decryption changed."""
        for key in delta.added:
            self._database.execute(
                "INSERT OR REPLACE INTO skipped_keys VALUES (?, ?, ?, ?)",
                (self._connection_id, key.header_key, key.number, key.key.to_bytes()),
            )
        for header_key, number in delta.removed:
            self._database.execute(
                "DELETE FROM skipped_keys WHERE connection_id = ? AND header_key = ? AND number = ?",
                (self._connection_id, header_key, number),
            )

    def clear(self) -> None:
        """Forget all: the ratchet is started again."""
        self._database.execute("DELETE FROM skipped_keys WHERE connection_id = ?", (self._connection_id,))
