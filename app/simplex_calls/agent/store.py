"""The agent's part of the profile's database: rows as values, no decisions.

Here are connections, and what is remembered of their messages; queues, the outbox and ratchets have files of their own.
"""

from __future__ import annotations

from simplex_calls.agent.connection import ConnectionState
from simplex_calls.agent.errors import UnknownConnection
from simplex_calls.agent.events import RatchetSync
from simplex_calls.agent.outbox_store import OutboxStore
from simplex_calls.agent.queue_store import QueueStore, new_id
from simplex_calls.agent.ratchet_store import RatchetStore
from simplex_calls.agent.records import Connection
from simplex_calls.agent.schema import MIGRATIONS
from simplex_calls.database import Database

REMEMBERED_MESSAGES = 1000
"""How many hashes of received messages a connection keeps to recognise one that the peer sends again."""


class Store:
    """Reads and writes the agent's rows; callers open the transactions."""

    def __init__(self, database: Database) -> None:
        self.database = database
        database.migrate("agent", MIGRATIONS)
        self.queues = QueueStore(database)
        self.outbox = OutboxStore(database)
        self.ratchets = RatchetStore(database)

    # connections

    def add_connection(self, state: ConnectionState, agent_version: int) -> int:
        """Make a connection; its id is never used again."""
        cursor = self.database.execute(
            "INSERT INTO connections (state, agent_version) VALUES (?, ?)", (state.value, agent_version)
        )
        return new_id(cursor)

    def connection(self, connection_id: int) -> Connection:
        """The connection with this id; raises :class:`UnknownConnection`."""
        row = self.database.execute("SELECT * FROM connections WHERE id = ?", (connection_id,)).fetchone()
        if row is None:
            raise UnknownConnection(connection_id)
        return Connection(
            row["id"],
            ConnectionState(row["state"]),
            row["agent_version"],
            row["sent_number"],
            row["sent_hash"],
            row["received_number"],
            row["received_hash"],
            bool(row["pq_wanted"]),
            bool(row["pq_supported"]),
            RatchetSync(row["ratchet_sync"]),
        )

    def set_pq(self, connection_id: int, *, wanted: bool | None = None, supported: bool | None = None) -> None:
        """Store what is known of post-quantum encryption; None leaves it as it is."""
        self.database.execute(
            "UPDATE connections SET pq_wanted = coalesce(?, pq_wanted), pq_supported = coalesce(?, pq_supported)"
            " WHERE id = ?",
            (wanted, supported, connection_id),
        )

    def connection_ids(self, *, addresses: bool = False) -> list[int]:
        """All connections, oldest first; or all ``addresses``."""
        rows = self.database.execute(
            "SELECT id FROM connections WHERE (state = ?) = ? ORDER BY id", (ConnectionState.ADDRESS.value, addresses)
        )
        return [row["id"] for row in rows]

    def set_state(self, connection_id: int, state: ConnectionState) -> None:
        """Move a connection to ``state``."""
        self.database.execute("UPDATE connections SET state = ? WHERE id = ?", (state.value, connection_id))

    def set_agent_version(self, connection_id: int, version: int) -> None:
        """Remember the agreed agent version."""
        self.database.execute("UPDATE connections SET agent_version = ? WHERE id = ?", (version, connection_id))

    def set_sent(self, connection_id: int, number: int, digest: bytes) -> None:
        """Remember the last message of our chain."""
        self.database.execute(
            "UPDATE connections SET sent_number = ?, sent_hash = ? WHERE id = ?", (number, digest, connection_id)
        )

    def set_received(self, connection_id: int, number: int, digest: bytes) -> None:
        """Remember the last message of the peer's chain."""
        self.database.execute(
            "UPDATE connections SET received_number = ?, received_hash = ? WHERE id = ?",
            (number, digest, connection_id),
        )

    def set_ratchet_sync(self, connection_id: int, state: RatchetSync) -> None:
        """Move the ratchet's synchronization to ``state``."""
        self.database.execute("UPDATE connections SET ratchet_sync = ? WHERE id = ?", (state.value, connection_id))

    def delete_connection(self, connection_id: int) -> None:
        """Drop a connection with all that belongs to it (cascading)."""
        self.database.execute("DELETE FROM connections WHERE id = ?", (connection_id,))

    # received messages

    def message_seen(self, connection_id: int, digest: bytes) -> bool:
        """Tell whether a message with this hash came before."""
        return (
            self.database.execute(
                "SELECT 1 FROM rcv_messages WHERE connection_id = ? AND hash = ?", (connection_id, digest)
            ).fetchone()
            is not None
        )

    def add_message_hash(self, connection_id: int, digest: bytes) -> None:
        """Remember a message, and forget the oldest beyond the bound."""
        self.database.execute("INSERT INTO rcv_messages (connection_id, hash) VALUES (?, ?)", (connection_id, digest))
        self.database.execute(
            "DELETE FROM rcv_messages WHERE id <= (SELECT id FROM rcv_messages WHERE connection_id = ?"
            " ORDER BY id DESC LIMIT 1 OFFSET ?) AND connection_id = ?",
            (connection_id, REMEMBERED_MESSAGES, connection_id),
        )

    # receipts

    def await_receipt(self, connection_id: int, number: int, digest: bytes, now: float) -> None:
        """Remember what a receipt of our message ``number`` must name."""
        self.database.execute(
            "INSERT OR REPLACE INTO awaited_receipts (connection_id, number, hash, created) VALUES (?, ?, ?, ?)",
            (connection_id, number, digest, now),
        )

    def settle_receipt(self, connection_id: int, number: int, digest: bytes) -> bool | None:
        """Whether a receipt is right; ``None``: nothing new, as none is awaited, or a wrong one came before."""
        row = self.database.execute(
            "SELECT hash, refused FROM awaited_receipts WHERE connection_id = ? AND number = ?",
            (connection_id, number),
        ).fetchone()
        if row is None:
            return None
        if row["hash"] == digest:
            self.database.execute(
                "DELETE FROM awaited_receipts WHERE connection_id = ? AND number = ?", (connection_id, number)
            )
            return True
        if row["refused"]:
            return None
        self.database.execute(
            "UPDATE awaited_receipts SET refused = 1 WHERE connection_id = ? AND number = ?", (connection_id, number)
        )
        return False

    def forget_receipts(self, *, before: float) -> None:
        """Wait no longer for receipts of messages sent before."""
        self.database.execute("DELETE FROM awaited_receipts WHERE created < ?", (before,))
