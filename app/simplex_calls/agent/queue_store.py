"""The rows of queues: those that we receive from and send to, and what must still be done on their servers."""

from __future__ import annotations

import sqlite3

from simplex_calls.agent.records import NewRcvQueue, QueueDeletion, RcvQueue, SndQueue
from simplex_calls.agent.rotation import RcvRotation, SndRotation
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


def server_text(server: ServerAddress) -> str:
    """The one text by which a server is stored (never its password)."""
    return str(server)


class QueueStore:
    """Reads and writes these rows; callers open the transactions."""

    def __init__(self, database: Database) -> None:
        self.database = database
        self._servers: dict[str, ServerAddress] = {}

    # that we receive from

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
            self.database.execute("SELECT * FROM rcv_queues WHERE id = ?", (new_id(cursor),)).fetchone()
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

    # that we send to

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
        queue = self.snd_queue(new_id(cursor))
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

    # that are replaced

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

    # keys of other people's queues, until we joined

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

    def delete_join_key(self, server: ServerAddress, sender_id: bytes) -> None:
        """Forget the key of a link that was joined."""
        self.database.execute(
            "DELETE FROM join_keys WHERE server = ? AND sender_id = ?", (server_text(server), sender_id)
        )

    def delete_join_keys(self, *, before: float) -> None:
        """Forget the keys of attempts that were never finished."""
        self.database.execute("DELETE FROM join_keys WHERE created < ?", (before,))

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


def new_id(cursor: sqlite3.Cursor) -> int:
    """The id of the row that was inserted."""
    new = cursor.lastrowid
    assert new is not None  # noqa: S101 - an INSERT has just succeeded
    return new
