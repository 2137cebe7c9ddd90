"""The rows of ratchets: their state, skipped keys, and the keys that they are started with, or again."""

from __future__ import annotations

from simplex_calls.agent.ratchet import RatchetState, SkippedDelta, StoredRatchetError
from simplex_calls.agent.skipped_store import StoredSkippedKeys
from simplex_calls.agent.x3dh import E2EPrivateKeys
from simplex_calls.database import Database, sqlite

REMEMBERED_KEYS = 1000
"""How many hashes of ratchet keys a connection keeps to recognise those that the peer sends again."""


class RatchetStore:
    """Reads and writes these rows; callers open the transactions."""

    def __init__(self, database: Database) -> None:
        self.database = database

    # keys of our links, until they are used

    def add_invitation_keys(self, connection_id: int, keys: E2EPrivateKeys) -> None:
        """Keep the private keys of a link."""
        self.database.execute("INSERT INTO invitation_keys VALUES (?, ?)", (connection_id, keys.to_bytes()))

    def invitation_keys(self, connection_id: int) -> E2EPrivateKeys | None:
        """The private keys of a link that was not used yet."""
        row = self.database.execute(
            "SELECT keys FROM invitation_keys WHERE connection_id = ?", (connection_id,)
        ).fetchone()
        return None if row is None else E2EPrivateKeys.from_bytes(row["keys"])

    def delete_invitation_keys(self, connection_id: int) -> None:
        """Forget the keys of a link that was used."""
        self.database.execute("DELETE FROM invitation_keys WHERE connection_id = ?", (connection_id,))

    # ratchet

    def ratchet(self, connection_id: int) -> RatchetState | None:
        """The connection's ratchet, if it was agreed already."""
        row = self.database.execute("SELECT state FROM ratchets WHERE connection_id = ?", (connection_id,)).fetchone()
        try:
            return None if row is None else RatchetState.from_bytes(row["state"])
        except StoredRatchetError as error:
            # not the peer's message is wrong but our file: it must stay on its server
            raise sqlite.DatabaseError(f"the file is damaged: {error}") from None

    def set_ratchet(self, connection_id: int, state: RatchetState) -> None:
        """Store the ratchet's new state."""
        self.database.execute(
            "INSERT INTO ratchets VALUES (?, ?) ON CONFLICT (connection_id) DO UPDATE SET state = excluded.state",
            (connection_id, state.to_bytes()),
        )

    def skipped_keys(self, connection_id: int) -> StoredSkippedKeys:
        """The keys of messages that may still arrive."""
        return StoredSkippedKeys(self.database, connection_id)

    def change_skipped_keys(self, connection_id: int, delta: SkippedDelta) -> None:
        """Store what a decryption changed."""
        self.skipped_keys(connection_id).change(delta)

    # starting the ratchet again

    def set_resync_keys(self, connection_id: int, keys: E2EPrivateKeys) -> None:
        """Keep the keys that the ratchet is to be started again with."""
        self.database.execute("INSERT OR REPLACE INTO resync_keys VALUES (?, ?)", (connection_id, keys.to_bytes()))

    def resync_keys(self, connection_id: int) -> E2EPrivateKeys | None:
        """The keys that were sent to the peer to start the ratchet again."""
        row = self.database.execute("SELECT keys FROM resync_keys WHERE connection_id = ?", (connection_id,)).fetchone()
        return None if row is None else E2EPrivateKeys.from_bytes(row["keys"])

    def delete_resync_keys(self, connection_id: int) -> None:
        """Forget them: the ratchet was started."""
        self.database.execute("DELETE FROM resync_keys WHERE connection_id = ?", (connection_id,))

    def ratchet_key_seen(self, connection_id: int, digest: bytes) -> bool:
        """Tell whether the peer sent these ratchet keys before."""
        return (
            self.database.execute(
                "SELECT 1 FROM ratchet_key_hashes WHERE connection_id = ? AND hash = ?", (connection_id, digest)
            ).fetchone()
            is not None
        )

    def ratchet_keys_since(self, connection_id: int, since: float) -> int:
        """How many times the peer sent new ratchet keys."""
        row = self.database.execute(
            "SELECT count(*) FROM ratchet_key_hashes WHERE connection_id = ? AND created > ?", (connection_id, since)
        ).fetchone()
        return int(row[0])

    def add_ratchet_key(self, connection_id: int, digest: bytes, now: float) -> None:
        """Remember ratchet keys of the peer, and forget the oldest beyond the bound."""
        self.database.execute(
            "INSERT INTO ratchet_key_hashes (connection_id, hash, created) VALUES (?, ?, ?)",
            (connection_id, digest, now),
        )
        self.database.execute(
            "DELETE FROM ratchet_key_hashes WHERE id <= (SELECT id FROM ratchet_key_hashes WHERE connection_id = ?"
            " ORDER BY id DESC LIMIT 1 OFFSET ?) AND connection_id = ?",
            (connection_id, REMEMBERED_KEYS, connection_id),
        )
