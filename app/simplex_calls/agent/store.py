"""The agent's part of the profile's database: rows as values, no decisions."""

from __future__ import annotations

import sqlite3

from simplex_calls.agent.connection import ConnectionState
from simplex_calls.agent.errors import UnknownConnection
from simplex_calls.agent.events import RatchetSync
from simplex_calls.agent.ratchet import RatchetState, SkippedDelta
from simplex_calls.agent.records import (
    Connection,
    NewRcvQueue,
    OutboxItem,
    OutboxKind,
    QueueDeletion,
    RcvQueue,
    SndQueue,
)
from simplex_calls.agent.rotation import RcvRotation, SndRotation
from simplex_calls.agent.schema import MIGRATIONS
from simplex_calls.agent.skipped_store import StoredSkippedKeys
from simplex_calls.agent.x3dh import E2EPrivateKeys
from simplex_calls.crypto import (
    BoxKey,
    Ed25519PrivateKey,
    PublicKey,
    X25519PrivateKey,
    X25519PublicKey,
    decode_public_key,
)
from simplex_calls.database import Database
from simplex_calls.smp.address import ServerAddress
from simplex_calls.smp.queues import RecipientQueue
from simplex_calls.smp.sender_keys import SenderKey, decode_sender_key, encode_sender_key

REMEMBERED_MESSAGES = 1000
"""How many hashes of received messages a connection keeps to recognise one that the peer sends again."""


def server_text(server: ServerAddress) -> str:
    """The one text by which a server is stored (never its password)."""
    return str(server)


class Store:
    """Reads and writes the agent's rows; callers open the transactions."""

    def __init__(self, database: Database) -> None:
        self.database = database
        database.migrate("agent", MIGRATIONS)
        self._servers: dict[str, ServerAddress] = {}

    # connections

    def add_connection(self, state: ConnectionState, agent_version: int) -> int:
        """Make a connection; its id is never used again."""
        cursor = self.database.execute(
            "INSERT INTO connections (state, agent_version) VALUES (?, ?)", (state.value, agent_version)
        )
        return _new_id(cursor)

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

    def delete_connection(self, connection_id: int) -> None:
        """Drop a connection with all that belongs to it (cascading)."""
        self.database.execute("DELETE FROM connections WHERE id = ?", (connection_id,))

    # receiving queues

    def add_rcv_queue(self, connection_id: int, queue: NewRcvQueue) -> RcvQueue:
        """Store a queue that was made on a server; raises ``CryptoError`` if the server's key is not usable."""
        secret = BoxKey.agree(queue.dh_key, queue.ids.server_dh_key)
        cursor = self.database.execute(
            "INSERT INTO rcv_queues (connection_id, server, recipient_id, sender_id, auth_key, server_secret, e2e_key,"
            " client_version, sender_can_secure) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)",
            (
                connection_id,
                server_text(queue.server),
                queue.ids.recipient_id,
                queue.ids.sender_id,
                queue.auth_key.raw,
                secret.raw,
                queue.e2e_key.raw,
                queue.client_version,
                queue.ids.sender_can_secure,
            ),
        )
        return self._rcv_queue(
            self.database.execute("SELECT * FROM rcv_queues WHERE id = ?", (_new_id(cursor),)).fetchone()
        )

    def rcv_queue(self, server: ServerAddress, recipient_id: bytes) -> RcvQueue | None:
        """The queue with this id on ``server``, if it is (still) ours."""
        row = self.database.execute(
            "SELECT * FROM rcv_queues WHERE server = ? AND recipient_id = ?", (server_text(server), recipient_id)
        ).fetchone()
        return None if row is None else self._rcv_queue(row)

    def rcv_queues(self, connection_id: int | None = None) -> list[RcvQueue]:
        """The receiving queues of one connection, or of all."""
        if connection_id is None:
            rows = self.database.execute("SELECT * FROM rcv_queues ORDER BY id").fetchall()
        else:
            rows = self.database.execute(
                "SELECT * FROM rcv_queues WHERE connection_id = ? ORDER BY id", (connection_id,)
            ).fetchall()
        return [self._rcv_queue(row) for row in rows]

    def rcv_queues_after(self, queue_id: int, limit: int) -> list[RcvQueue]:
        """The next receiving queues of all connections, by their ids here."""
        rows = self.database.execute("SELECT * FROM rcv_queues WHERE id > ? ORDER BY id LIMIT ?", (queue_id, limit))
        return [self._rcv_queue(row) for row in rows.fetchall()]

    def own_queues(self, sender_id: bytes) -> list[tuple[int, str]]:
        """The connections that receive from a queue with this id for senders, each with its server."""
        rows = self.database.execute(
            "SELECT connection_id AS id, server FROM rcv_queues WHERE sender_id = ?", (sender_id,)
        )
        return [(row["id"], row["server"]) for row in rows]

    def connections_of_server(self, server: ServerAddress) -> tuple[int, ...]:
        """The connections that receive from ``server``."""
        rows = self.database.execute(
            "SELECT DISTINCT connection_id AS id FROM rcv_queues WHERE server = ? ORDER BY id", (server_text(server),)
        )
        return tuple(row["id"] for row in rows)

    def set_last_message(self, queue_id: int, message_id: bytes) -> None:
        """Remember the server's id of the last message that was stored."""
        self.database.execute("UPDATE rcv_queues SET last_message = ? WHERE id = ?", (message_id, queue_id))

    def confirm_rcv_queue(
        self, queue_id: int, secret: BoxKey, client_version: int, sender_key: PublicKey | None
    ) -> None:
        """Store what was agreed with the sender by its confirmation."""
        self.database.execute(
            "UPDATE rcv_queues SET e2e_secret = ?, client_version = ?, sender_key = ? WHERE id = ?",
            (secret.raw, client_version, None if sender_key is None else sender_key.der, queue_id),
        )

    # sending queues

    def add_snd_queue(
        self,
        connection_id: int,
        server: ServerAddress,
        sender_id: bytes,
        *,
        auth_key: SenderKey,
        e2e_key: X25519PrivateKey,
        their_key: X25519PublicKey,
        client_version: int,
        sender_can_secure: bool,
        is_address: bool = False,
    ) -> SndQueue:
        """Store a queue of the peer; raises ``CryptoError`` if its key is not usable."""
        secret = BoxKey.agree(e2e_key, their_key)
        cursor = self.database.execute(
            "INSERT INTO snd_queues (connection_id, server, sender_id, auth_key, e2e_public, e2e_secret,"
            " client_version, sender_can_secure, is_address) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)",
            (
                connection_id,
                server_text(server),
                sender_id,
                encode_sender_key(auth_key),
                e2e_key.public.raw,
                secret.raw,
                client_version,
                sender_can_secure,
                is_address,
            ),
        )
        queue = self.snd_queue(_new_id(cursor))
        assert queue is not None  # noqa: S101 - it was inserted just now
        return queue

    def snd_queue(self, queue_id: int) -> SndQueue | None:
        """The sending queue with this id, if its connection still exists."""
        row = self.database.execute("SELECT * FROM snd_queues WHERE id = ?", (queue_id,)).fetchone()
        return None if row is None else self._snd_queue(row)

    def snd_queue_of(self, connection_id: int) -> SndQueue | None:
        """The queue that a connection sends to; ``None`` until the peer's confirmation came."""
        row = self.database.execute(
            "SELECT * FROM snd_queues WHERE connection_id = ? AND NOT is_address AND usable ORDER BY id DESC LIMIT 1",
            (connection_id,),
        ).fetchone()
        return None if row is None else self._snd_queue(row)

    def snd_queues(self, connection_id: int) -> list[SndQueue]:
        """All queues that a connection sends to, or will."""
        rows = self.database.execute(
            "SELECT * FROM snd_queues WHERE connection_id = ? AND NOT is_address ORDER BY id", (connection_id,)
        ).fetchall()
        return [self._snd_queue(row) for row in rows]

    # queues that are replaced

    def set_rcv_replaces(self, queue_id: int, replaced: int | None) -> None:
        """The queue is to replace another; ``None``: it has."""
        self.database.execute("UPDATE rcv_queues SET replaces = ? WHERE id = ?", (replaced, queue_id))

    def set_rcv_rotation(self, queue_id: int, state: str) -> None:
        """Remember how far the queue's replacement is."""
        self.database.execute("UPDATE rcv_queues SET rotation = ? WHERE id = ?", (state, queue_id))

    def delete_rcv_queue(self, queue_id: int) -> None:
        """Forget a queue that nothing is received from any more."""
        self.database.execute("DELETE FROM rcv_queues WHERE id = ?", (queue_id,))

    def set_snd_replaces(self, queue_id: int, replaced: int | None) -> None:
        """The queue is to replace another, and is not used before that is allowed; ``None``: it has replaced it."""
        usable = replaced is None
        self.database.execute(
            "UPDATE snd_queues SET replaces = ?, usable = ? WHERE id = ?", (replaced, usable, queue_id)
        )

    def set_snd_usable(self, queue_id: int) -> None:
        """Send to this queue from now on."""
        self.database.execute("UPDATE snd_queues SET usable = 1 WHERE id = ?", (queue_id,))

    def set_snd_rotation(self, queue_id: int, state: str) -> None:
        """Remember how far the queue's replacement is."""
        self.database.execute("UPDATE snd_queues SET rotation = ? WHERE id = ?", (state, queue_id))

    def waits_for_replaced(self, queue_id: int) -> bool:
        """Tell whether something must still go to the queue that this one replaces."""
        return (
            self.database.execute(
                "SELECT 1 FROM snd_queues JOIN outbox ON outbox.snd_queue_id = snd_queues.replaces"
                " WHERE snd_queues.id = ? LIMIT 1",
                (queue_id,),
            ).fetchone()
            is not None
        )

    def replacing(self, queue_id: int) -> list[int]:
        """The queues that are to replace this one."""
        return [row["id"] for row in self.database.execute("SELECT id FROM snd_queues WHERE replaces = ?", (queue_id,))]

    def delete_snd_queue(self, queue_id: int) -> None:
        """Forget a queue that nothing will be sent to any more, with its outbox."""
        self.database.execute("DELETE FROM snd_queues WHERE id = ?", (queue_id,))

    def has_snd_queue(self, server: ServerAddress, sender_id: bytes) -> bool:
        """Tell whether a link's queue is one that we send to already."""
        rows = self.database.execute(
            "SELECT server FROM snd_queues WHERE sender_id = ? AND NOT is_address", (sender_id,)
        )
        return any(self._server(row["server"]).fingerprint == server.fingerprint for row in rows)

    # keys of links: ours until they are used, theirs until we joined

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

    def join_key(self, server: ServerAddress, sender_id: bytes, new: SenderKey, now: float) -> SenderKey:
        """The key that a link's queue is to be secured with: that of an earlier attempt, or ``new``, now stored."""
        row = self.database.execute(
            "SELECT auth_key FROM join_keys WHERE server = ? AND sender_id = ?", (server_text(server), sender_id)
        ).fetchone()
        if row is not None:
            return decode_sender_key(row["auth_key"])
        self.database.execute(
            "INSERT INTO join_keys VALUES (?, ?, ?, ?)",
            (server_text(server), sender_id, encode_sender_key(new), now),
        )
        return new

    def set_join_key(self, server: ServerAddress, sender_id: bytes, key: SenderKey, now: float) -> None:
        """The key that a queue was secured with already."""
        self.database.execute(
            "INSERT OR REPLACE INTO join_keys VALUES (?, ?, ?, ?)",
            (server_text(server), sender_id, encode_sender_key(key), now),
        )

    def delete_join_key(self, server: ServerAddress, sender_id: bytes) -> None:
        """Forget the key of a link that was joined."""
        self.database.execute(
            "DELETE FROM join_keys WHERE server = ? AND sender_id = ?", (server_text(server), sender_id)
        )

    def delete_join_keys(self, *, before: float) -> None:
        """Forget the keys of attempts that were never finished."""
        self.database.execute("DELETE FROM join_keys WHERE created < ?", (before,))

    # ratchet

    def ratchet(self, connection_id: int) -> RatchetState | None:
        """The connection's ratchet, if it was agreed already."""
        row = self.database.execute("SELECT state FROM ratchets WHERE connection_id = ?", (connection_id,)).fetchone()
        return None if row is None else RatchetState.from_bytes(row["state"])

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

    def set_ratchet_sync(self, connection_id: int, state: RatchetSync) -> None:
        """Move the ratchet's synchronization to ``state``."""
        self.database.execute("UPDATE connections SET ratchet_sync = ? WHERE id = ?", (state.value, connection_id))

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
            (connection_id, REMEMBERED_MESSAGES, connection_id),
        )

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

    # outbox

    def add_outbox(
        self, queue: SndQueue, kind: OutboxKind, number: int, body: bytes, *, notify: bool, now: float
    ) -> None:
        """Put an entry at the end of the queue's outbox."""
        self.database.execute(
            "INSERT INTO outbox (snd_queue_id, kind, number, body, notify, created) VALUES (?, ?, ?, ?, ?, ?)",
            (queue.id, kind.value, number, body, notify, now),
        )

    def first_outbox(self, queue_id: int) -> OutboxItem | None:
        """The entry that is next on this queue."""
        row = self.database.execute(
            "SELECT * FROM outbox WHERE snd_queue_id = ? ORDER BY id LIMIT 1", (queue_id,)
        ).fetchone()
        return None if row is None else _outbox_item(row)

    def delete_outbox(self, item_id: int) -> bool:
        """Take an entry out; False if it is gone already (its connection was deleted)."""
        return self.database.execute("DELETE FROM outbox WHERE id = ?", (item_id,)).rowcount > 0

    def postpone_outbox(self, item: OutboxItem) -> bool:
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

    def take_outbox(self, queue_id: int) -> list[OutboxItem]:
        """Empty a queue's outbox, returning what was in it."""
        rows = self.database.execute("SELECT * FROM outbox WHERE snd_queue_id = ? ORDER BY id", (queue_id,)).fetchall()
        self.database.execute("DELETE FROM outbox WHERE snd_queue_id = ?", (queue_id,))
        return [_outbox_item(row) for row in rows]

    def queues_with_outbox(self) -> list[int]:
        """The sending queues that have something to do."""
        rows = self.database.execute("SELECT DISTINCT snd_queue_id AS id FROM outbox ORDER BY id")
        return [row["id"] for row in rows]

    # deletions

    def add_deletion(self, queue: RecipientQueue, now: float) -> None:
        """Remember that a queue must be deleted on its server."""
        self.database.execute(
            "INSERT INTO queue_deletions (server, recipient_id, auth_key, created) VALUES (?, ?, ?, ?)",
            (server_text(queue.server), queue.recipient_id, queue.auth_key.raw, now),
        )

    def deletions(self) -> list[QueueDeletion]:
        """All queues that must still be deleted."""
        return [
            QueueDeletion(
                row["id"],
                RecipientQueue(self._server(row["server"]), row["recipient_id"], Ed25519PrivateKey(row["auth_key"])),
                row["created"],
            )
            for row in self.database.execute("SELECT * FROM queue_deletions ORDER BY id").fetchall()
        ]

    def delete_deletion(self, deletion_id: int) -> None:
        """A queue was deleted on its server."""
        self.database.execute("DELETE FROM queue_deletions WHERE id = ?", (deletion_id,))
        self.database.erase()

    def _server(self, text: str) -> ServerAddress:
        server = self._servers.get(text)
        if server is None:
            server = self._servers[text] = ServerAddress.parse(text)
        return server

    def _rcv_queue(self, row: sqlite3.Row) -> RcvQueue:
        return RcvQueue(
            row["id"],
            row["connection_id"],
            self._server(row["server"]),
            row["recipient_id"],
            row["sender_id"],
            Ed25519PrivateKey(row["auth_key"]),
            BoxKey(row["server_secret"]),
            X25519PrivateKey(row["e2e_key"]),
            None if row["e2e_secret"] is None else BoxKey(row["e2e_secret"]),
            None if row["sender_key"] is None else decode_public_key(row["sender_key"]),
            row["client_version"],
            bool(row["sender_can_secure"]),
            row["last_message"],
            row["replaces"],
            RcvRotation(row["rotation"]),
        )

    def _snd_queue(self, row: sqlite3.Row) -> SndQueue:
        return SndQueue(
            row["id"],
            row["connection_id"],
            self._server(row["server"]),
            row["sender_id"],
            decode_sender_key(row["auth_key"]),
            X25519PublicKey(row["e2e_public"]),
            BoxKey(row["e2e_secret"]),
            row["client_version"],
            bool(row["sender_can_secure"]),
            bool(row["is_address"]),
            row["replaces"],
            SndRotation(row["rotation"]),
        )


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


def _new_id(cursor: sqlite3.Cursor) -> int:
    new = cursor.lastrowid
    assert new is not None  # noqa: S101 - an INSERT has just succeeded
    return new
