"""Requests to connect that came through our address: their table. Every method belongs into the caller's transaction.

The agent keeps what it needs to answer; here is who asks. Somebody who asks again, with the ``contactReqId`` of before,
takes the place of the earlier request.
"""

from __future__ import annotations

import sqlite3
from dataclasses import dataclass, field
from datetime import datetime

from simplex_calls.chat.contacts import MAX_FULL_NAME_LENGTH, clean_name, from_microseconds, to_microseconds
from simplex_calls.chat.messages import ContactRequest, Profile
from simplex_calls.database import Database

MAX_REQUESTS = 500
"""Most requests that wait; who asks beyond that is not noted: an address is public, and anybody can ask any often."""


@dataclass(frozen=True, slots=True)
class Request:
    """Somebody who asks to connect. ``id`` is the agent's."""

    id: int
    name: str = field(repr=False)
    profile: Profile = field(repr=False)
    created_at: datetime
    chat_version: int = field(default=1, compare=False)


class Requests:
    """The table of requests."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def add(
        self, request_id: int, address_id: int, asked: ContactRequest, version: int, now: datetime
    ) -> tuple[Request, int | None] | None:
        """Note a request, and the id of the one whose place it takes; ``None`` if too many wait."""
        former = None
        if asked.request_id is not None:
            former = self._database.execute(
                "SELECT id FROM chat_requests WHERE address_id = ? AND contact_req_id = ?",
                (address_id, asked.request_id),
            ).fetchone()
        if former is not None:
            self.remove(former["id"])
        elif self._database.execute("SELECT count(*) FROM chat_requests").fetchone()[0] >= MAX_REQUESTS:
            return None
        profile = asked.profile
        self._database.execute(
            "INSERT INTO chat_requests (id, address_id, contact_req_id, display_name, full_name, image, calls_allowed,"
            " chat_version, created_at) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)",
            (
                request_id,
                address_id,
                asked.request_id,
                clean_name(profile.display_name),
                clean_name(profile.full_name, MAX_FULL_NAME_LENGTH),
                profile.image,
                profile.calls_allowed,
                version,
                to_microseconds(now),
            ),
        )
        request = self.get(request_id)
        assert request is not None  # noqa: S101 - it was inserted
        return request, None if former is None else former["id"]

    def get(self, request_id: int) -> Request | None:
        """One request."""
        row = self._database.execute("SELECT * FROM chat_requests WHERE id = ?", (request_id,)).fetchone()
        return None if row is None else _request(row)

    def all(self) -> list[Request]:
        """All requests, the oldest first."""
        return [_request(row) for row in self._database.execute("SELECT * FROM chat_requests ORDER BY id")]

    def of_address(self, address_id: int) -> list[Request]:
        """The requests that came through an address."""
        rows = self._database.execute("SELECT * FROM chat_requests WHERE address_id = ? ORDER BY id", (address_id,))
        return [_request(row) for row in rows]

    def remove(self, request_id: int) -> None:
        """Forget a request."""
        self._database.execute("DELETE FROM chat_requests WHERE id = ?", (request_id,))


def _request(row: sqlite3.Row) -> Request:
    preferences = None if row["calls_allowed"] else {"calls": {"allow": "no"}}
    return Request(
        id=row["id"],
        name=row["display_name"],
        profile=Profile(row["display_name"], row["full_name"], preferences=preferences, image=row["image"]),
        created_at=from_microseconds(row["created_at"]),
        chat_version=row["chat_version"],
    )
