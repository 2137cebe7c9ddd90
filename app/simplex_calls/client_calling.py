"""How a profile's calls ring: what the user chose, kept in the profile's database."""

from __future__ import annotations

import dataclasses
import json
from dataclasses import dataclass

from simplex_calls.database import Database

_CALLING = "calling"


@dataclass(frozen=True, slots=True)
class CallSettings:
    """What the user can choose. Raises :class:`ValueError` for a volume that is none."""

    ring_volume: int = 80
    """Of ringtone and ringback, percent."""
    is_silent: bool = False
    """Calls ring without a sound: the notification and the window show them."""
    do_not_disturb: bool = False
    """Calls ring in the window alone, without sound and notification; who calls notices nothing of it."""

    preview: bool = False
    """A call's page shows the user how they look and sound before the call begins."""

    def __post_init__(self) -> None:
        if not 0 <= self.ring_volume <= 100:
            raise ValueError("a volume is from 0 to 100 percent")


def stored_calling(database: Database) -> CallSettings:
    """What was stored; the defaults if nothing was."""
    row = database.execute("SELECT value FROM client_settings WHERE name = ?", (_CALLING,)).fetchone()
    values = {} if row is None else json.loads(row["value"])
    known = {field.name for field in dataclasses.fields(CallSettings)}
    return CallSettings(**{name: value for name, value in values.items() if name in known})


def store_calling(database: Database, settings: CallSettings) -> None:
    """Store them."""
    values = json.dumps(dataclasses.asdict(settings))
    with database.transaction():
        database.execute("INSERT OR REPLACE INTO client_settings VALUES (?, ?)", (_CALLING, values))
