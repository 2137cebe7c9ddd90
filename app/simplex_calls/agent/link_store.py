"""The rows of links: what our own stand for, keys for other people's, and who asked through our addresses."""

from __future__ import annotations

import sqlite3
from dataclasses import dataclass, field

from simplex_calls.agent.links import ConnectionLink
from simplex_calls.crypto import Ed25519PrivateKey, X25519PrivateKey
from simplex_calls.database import Database
from simplex_calls.smp.address import ServerAddress


@dataclass(frozen=True, slots=True)
class ShortLinkKeys:
    """What our side keeps of a short link of its own."""

    link_id: bytes = field(repr=False)
    link_key: bytes = field(repr=False)
    root_key: Ed25519PrivateKey = field(repr=False)
    fixed_data: bytes = field(repr=False)
    """Encrypted, as the server has it."""


@dataclass(frozen=True, slots=True)
class OwnLink:
    """A row of ``own_links``: the link of an invitation or an address of ours."""

    connection_id: int
    link: ConnectionLink
    keys: ShortLinkKeys | None
    """None where the server keeps no data of links."""
    user_data: bytes = field(repr=False)
    is_on_server: bool
    """Whether the server has these user data."""


@dataclass(frozen=True, slots=True)
class ContactRequest:
    """A row of ``contact_requests``: somebody wants to connect through an address of ours."""

    id: int
    address_id: int
    invitation: str = field(repr=False)


class LinkStore:
    """Reads and writes these rows; callers open the transactions."""

    def __init__(self, database: Database) -> None:
        self.database = database

    # our own

    def add(self, connection_id: int, link: ConnectionLink, keys: ShortLinkKeys | None, user_data: bytes) -> None:
        """Keep the link of a connection; with ``keys`` its server has the data already."""
        self.database.execute(
            "INSERT INTO own_links (connection_id, full_link, user_data, is_on_server) VALUES (?, ?, ?, 1)",
            (connection_id, link.full, user_data),
        )
        if keys is not None:
            self.set_keys(connection_id, link.short, keys)

    def set_keys(self, connection_id: int, short_link: str | None, keys: ShortLinkKeys) -> None:
        """Keep what a short link is made of; its text once the server has the data."""
        self.database.execute(
            "UPDATE own_links SET short_link = ?, link_id = ?, link_key = ?, root_key = ?, fixed_data = ?"
            " WHERE connection_id = ?",
            (short_link, keys.link_id, keys.link_key, keys.root_key.raw, keys.fixed_data, connection_id),
        )

    def own(self, connection_id: int) -> OwnLink | None:
        """The link of this connection, if it was made by it."""
        row = self.database.execute("SELECT * FROM own_links WHERE connection_id = ?", (connection_id,)).fetchone()
        return None if row is None else _own_link(row)

    def waiting(self, server_text: str | None = None) -> list[int]:
        """The connections whose link's data must still be sent, to one server or to all."""
        rows = self.database.execute(
            # in the index of those that wait: the others may be thousands
            "SELECT connection_id AS id FROM own_links WHERE NOT is_on_server AND EXISTS (SELECT 1 FROM rcv_queues"
            " WHERE rcv_queues.connection_id = own_links.connection_id AND server = coalesce(?, server)) ORDER BY id",
            (server_text,),
        )
        return [row["id"] for row in rows]

    def set_user_data(self, connection_id: int, user_data: bytes) -> None:
        """Keep new data that the server does not have yet."""
        self.database.execute(
            "UPDATE own_links SET user_data = ?, is_on_server = 0 WHERE connection_id = ?", (user_data, connection_id)
        )

    def set_on_server(self, connection_id: int, user_data: bytes) -> None:
        """The server has these data now, or will never take them."""
        self.database.execute(
            "UPDATE own_links SET is_on_server = 1 WHERE connection_id = ? AND user_data = ?",
            (connection_id, user_data),
        )

    def own_by_link_id(self, link_id: bytes) -> list[tuple[int, str]]:
        """Connections with a short link of this id, each with the server of its queue."""
        rows = self.database.execute(
            "SELECT own_links.connection_id AS id, server FROM own_links JOIN rcv_queues USING (connection_id)"
            " WHERE link_id = ?",
            (link_id,),
        )
        return [(row["id"], row["server"]) for row in rows]

    # other people's

    def link_key(self, server: ServerAddress, link_id: bytes, new: X25519PrivateKey, now: float) -> X25519PrivateKey:
        """The key that a one-time link is opened with: that of an earlier attempt, or ``new``, now stored."""
        row = self.database.execute(
            "SELECT auth_key FROM link_keys WHERE server = ? AND link_id = ?", (str(server), link_id)
        ).fetchone()
        if row is not None:
            return X25519PrivateKey(row["auth_key"])
        self.database.execute("INSERT INTO link_keys VALUES (?, ?, ?, ?)", (str(server), link_id, new.raw, now))
        return new

    def delete_link_key(self, server: ServerAddress, link_id: bytes) -> None:
        """Forget the key of a link that was joined, or is used up."""
        self.database.execute("DELETE FROM link_keys WHERE server = ? AND link_id = ?", (str(server), link_id))

    def delete_link_keys(self, *, before: float) -> None:
        """Forget the keys of links that were looked at and not used."""
        self.database.execute("DELETE FROM link_keys WHERE created < ?", (before,))

    def set_used(self, connection_id: int, server: ServerAddress, entity_id: bytes) -> None:
        """Remember which link a connection was made by: a short one's id, or the sender's id of a queue."""
        self.database.execute(
            "INSERT OR IGNORE INTO used_links VALUES (?, ?, ?)", (connection_id, str(server), entity_id)
        )

    def used_by(self, entity_id: bytes) -> list[tuple[int, str]]:
        """Connections that were made by the link with this id, each with the link's server; the last one first."""
        rows = self.database.execute(
            "SELECT connection_id AS id, server FROM used_links WHERE entity_id = ? ORDER BY connection_id DESC",
            (entity_id,),
        )
        return [(row["id"], row["server"]) for row in rows]

    # who asks

    def add_request(
        self, address_id: int, server: ServerAddress, sender_id: bytes, invitation: str, now: float
    ) -> int | None:
        """Keep a request to connect: its id; None if the same one waits already."""
        cursor = self.database.execute(
            "INSERT OR IGNORE INTO contact_requests (address_id, server, sender_id, invitation, created)"
            " VALUES (?, ?, ?, ?, ?)",
            (address_id, str(server), sender_id, invitation, now),
        )
        return cursor.lastrowid if cursor.rowcount else None

    def request(self, request_id: int) -> ContactRequest | None:
        """A request that was neither accepted nor rejected yet."""
        row = self.database.execute("SELECT * FROM contact_requests WHERE id = ?", (request_id,)).fetchone()
        return None if row is None else ContactRequest(row["id"], row["address_id"], row["invitation"])

    def request_count(self, address_id: int) -> int:
        """How many requests wait at an address."""
        row = self.database.execute(
            "SELECT count(*) AS count FROM contact_requests WHERE address_id = ?", (address_id,)
        ).fetchone()
        return int(row["count"])

    def delete_request(self, request_id: int) -> bool:
        """Forget a request; False if there was none."""
        return self.database.execute("DELETE FROM contact_requests WHERE id = ?", (request_id,)).rowcount > 0


def _own_link(row: sqlite3.Row) -> OwnLink:
    keys = None
    if row["link_id"] is not None:
        keys = ShortLinkKeys(row["link_id"], row["link_key"], Ed25519PrivateKey(row["root_key"]), row["fixed_data"])
    return OwnLink(
        row["connection_id"],
        ConnectionLink(row["full_link"], row["short_link"]),
        keys,
        row["user_data"],
        bool(row["is_on_server"]),
    )
