"""The table of calls that are not over, so that the next start can close what a killed process left open."""

from __future__ import annotations

import json

from simplex_calls.calls.call import Call, Yielded
from simplex_calls.calls.page import PageSettings, read_settings
from simplex_calls.calls.state import CallState
from simplex_calls.chat.messages import CallMedia
from simplex_calls.database import Database

MIGRATIONS = (
    """
    CREATE TABLE calls (
        id TEXT PRIMARY KEY,
        contact_id INTEGER NOT NULL,
        wire_id BLOB NOT NULL,
        yielded_wire_id BLOB,
        outgoing INTEGER NOT NULL,
        media TEXT NOT NULL,
        state TEXT NOT NULL,
        started_at REAL NOT NULL,
        connected_at REAL,
        item_id INTEGER
    );
    CREATE TABLE calls_step (
        id INTEGER PRIMARY KEY CHECK (id = 1),
        number INTEGER NOT NULL
    );
    INSERT INTO calls_step VALUES (1, 0);
    """,
    "CREATE TABLE calls_page_settings (id INTEGER PRIMARY KEY CHECK (id = 1), value TEXT NOT NULL);",
)


class CallStore:
    """Reads and writes the table. Every method belongs into the caller's transaction."""

    def __init__(self, database: Database) -> None:
        database.migrate("calls", MIGRATIONS)
        self._database = database

    def step_number(self) -> int:
        """How many steps of the switchboard are stored: tells a rolled-back transaction from one that still runs."""
        row = self._database.execute("SELECT number FROM calls_step").fetchone()
        return int(row["number"])

    def set_step_number(self, number: int) -> None:
        """Note a step."""
        self._database.execute("UPDATE calls_step SET number = ?", (number,))

    def page_settings(self) -> PageSettings | None:
        """How the user wants sound and picture taken and sent; what cannot be read is as if there was none."""
        row = self._database.execute("SELECT value FROM calls_page_settings").fetchone()
        try:
            return None if row is None else read_settings(json.loads(row["value"]))
        except (ValueError, AttributeError):
            return None

    def set_page_settings(self, settings: PageSettings) -> None:
        """Keep them."""
        value = json.dumps(settings.to_page())
        self._database.execute("INSERT OR REPLACE INTO calls_page_settings VALUES (1, ?)", (value,))

    def save(self, call: Call, item_id: int | None) -> None:
        """Write a call; one that is over is forgotten, its history entry tells of it."""
        if call.is_ended:
            self._database.execute("DELETE FROM calls WHERE id = ?", (call.id,))
            return
        self._database.execute(
            "INSERT OR REPLACE INTO calls VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
            (
                call.id,
                call.contact_id,
                call.wire_id,
                call.yielded.wire_id if call.yielded else None,
                call.outgoing,
                call.media.value,
                call.state.value,
                call.started_at,
                call.connected_at,
                item_id,
            ),
        )

    def load(self) -> list[tuple[Call, int | None]]:
        """The calls that a former run left open, with their history entries; without keys, which are never stored."""
        rows = self._database.execute("SELECT * FROM calls ORDER BY started_at, id").fetchall()
        return [
            (
                Call(
                    id=row["id"],
                    contact_id=row["contact_id"],
                    wire_id=row["wire_id"],
                    outgoing=bool(row["outgoing"]),
                    media=CallMedia(row["media"]),
                    state=CallState(row["state"]),
                    started_at=row["started_at"],
                    clock_at=row["started_at"],
                    yielded=Yielded(row["yielded_wire_id"], None) if row["yielded_wire_id"] else None,
                    connected_at=row["connected_at"],
                ),
                row["item_id"],
            )
            for row in rows
        ]
