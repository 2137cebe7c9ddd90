"""Contacts: their states, the names they are shown by, and their table."""

from __future__ import annotations

import sqlite3
import unicodedata
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from enum import Enum

from simplex_calls.agent.events import FailureReason
from simplex_calls.chat.messages import Profile
from simplex_calls.database import Database

MAX_NAME_LENGTH = 50
MAX_FULL_NAME_LENGTH = 100
_NAMELESS = "?"
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


class ContactStatus(Enum):
    """Where a contact stands."""

    PENDING = "pending"
    """Our invitation link waits for the other person to use it."""
    CONNECTING = "connecting"
    """Both sides are known to each other's agents; the connection is being made."""
    CONNECTED = "connected"
    FAILED = "failed"
    """Nothing can be sent any more, or the connection never came about: ``Contact.failure`` says why."""
    GONE = "gone"
    """The other side deleted us. The history stays until the user removes the contact."""
    REMOVED = "removed"
    """Removed by the user; hidden, until the other side is told and the connection deleted."""


class ContactChange(Enum):
    """What can happen to a contact."""

    PROFILE = "their profile came while connecting"
    CONNECTED = "the connection is complete"
    FAILED = "the connection failed"
    DELETED = "they deleted us"
    REMOVED = "the user removed the contact"


_S, _C = ContactStatus, ContactChange

TRANSITIONS: dict[tuple[ContactStatus, ContactChange], ContactStatus] = {
    (_S.PENDING, _C.PROFILE): _S.CONNECTING,
    (_S.PENDING, _C.FAILED): _S.FAILED,
    (_S.PENDING, _C.REMOVED): _S.REMOVED,
    (_S.CONNECTING, _C.PROFILE): _S.CONNECTING,
    (_S.CONNECTING, _C.CONNECTED): _S.CONNECTED,
    (_S.CONNECTING, _C.FAILED): _S.FAILED,
    (_S.CONNECTING, _C.DELETED): _S.GONE,
    (_S.CONNECTING, _C.REMOVED): _S.REMOVED,
    (_S.CONNECTED, _C.FAILED): _S.FAILED,
    (_S.CONNECTED, _C.DELETED): _S.GONE,
    (_S.CONNECTED, _C.REMOVED): _S.REMOVED,
    (_S.FAILED, _C.DELETED): _S.GONE,
    (_S.FAILED, _C.REMOVED): _S.REMOVED,
    (_S.GONE, _C.REMOVED): _S.REMOVED,
}
"""What is not in the table is ignored."""


class CallPermission(Enum):
    """Whether calls are welcome, by both sides' wishes."""

    BOTH = "both"
    THEY_REFUSE = "they-refuse"
    WE_REFUSE = "we-refuse"


@dataclass(frozen=True, slots=True)
class Contact:
    """A person. ``name`` is what to show: unique, bounded and clean; empty until the profile came."""

    id: int
    name: str = field(repr=False)
    full_name: str = field(repr=False)
    status: ContactStatus
    created_at: datetime
    call_permission: CallPermission = CallPermission.BOTH
    own_calls_allowed: bool | None = None
    """The user's wish for this contact; ``None``: as in the profile."""
    audio_only: bool = False
    """The user takes their calls with the camera off."""
    image: str | None = field(default=None, repr=False)
    """Their picture, as a ``data:`` URL."""
    verified_code: str | None = field(default=None, repr=False)
    """The security code that the user has compared."""
    failure: FailureReason | None = None
    connection_id: int | None = None
    """The agent's connection; none once the other side deleted us."""
    unread: int = field(default=0, compare=False)
    """Texts and calls of the contact since the conversation was last read."""
    missed_calls: int = field(default=0, compare=False)
    """How many of them are calls that were missed."""
    chat_version: int = field(default=1, compare=False)
    """The highest version of the chat protocol that both sides are known to speak."""

    @property
    def calls_allowed(self) -> bool:
        """Whether both sides welcome calls."""
        return self.call_permission is CallPermission.BOTH

    @property
    def is_connected(self) -> bool:
        """Texts and calls can go."""
        return self.status is ContactStatus.CONNECTED


def clean_name(text: str, limit: int = MAX_NAME_LENGTH) -> str:
    """A name fit to be shown: no control or formatting characters (bidi overrides), single spaces, bounded."""
    shown = (
        " " if character.isspace() else character
        for character in unicodedata.normalize("NFC", text[: 8 * limit])
        if character.isspace() or unicodedata.category(character)[0] != "C"
    )
    return " ".join("".join(shown).split())[:limit].rstrip()


def _key(name: str) -> str:
    return unicodedata.normalize("NFKC", name).casefold()


def to_microseconds(moment: datetime) -> int:
    """Whole microseconds since 1970, as the tables keep times."""
    return (moment - _EPOCH) // timedelta(microseconds=1)


def from_microseconds(value: int) -> datetime:
    """The UTC time of a table's value."""
    return _EPOCH + timedelta(microseconds=value)


# in the order of the fields of Contact: lists of many thousands are read by position, which is far quicker than by name
_SELECT = (
    "SELECT id, name, full_name, status, created_at,"
    " CASE WHEN NOT coalesce(own_calls_allowed, (SELECT calls_allowed FROM profile), 1) THEN 'we-refuse'"
    " WHEN calls_allowed THEN 'both' ELSE 'they-refuse' END,"
    " own_calls_allowed, audio_only, image, verified_code, failure, connection_id, unread, missed_calls, chat_version"
    " FROM contacts"
)


class Contacts:
    """The table of contacts. Every method belongs into the caller's transaction."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def add(self, connection_id: int, status: ContactStatus, now: datetime) -> Contact:
        """Add the contact of a new connection."""
        cursor = self._database.execute(
            "INSERT INTO contacts (connection_id, status, created_at) VALUES (?, ?, ?)",
            (connection_id, status.value, to_microseconds(now)),
        )
        row = self._database.execute(_SELECT + " WHERE id = ?", (cursor.lastrowid,)).fetchone()
        return _contact(row)

    def get(self, contact_id: int) -> Contact | None:
        """The contact, unless it was removed."""
        row = self._database.execute(_SELECT + " WHERE id = ?", (contact_id,)).fetchone()
        return None if row is None or row["status"] == ContactStatus.REMOVED.value else _contact(row)

    def by_connection(self, connection_id: int) -> Contact | None:
        """The contact of an agent connection, removed ones too."""
        row = self._database.execute(_SELECT + " WHERE connection_id = ?", (connection_id,)).fetchone()
        return _contact(row) if row else None

    def all(self) -> list[Contact]:
        """All contacts but the removed, the oldest first."""
        rows = self._database.execute(_SELECT + " WHERE status != ? ORDER BY id", (ContactStatus.REMOVED.value,))
        return [_contact(row) for row in rows]

    def ids_of(self, connection_ids: tuple[int, ...]) -> tuple[int, ...]:
        """The contacts behind agent connections, removed ones left out."""
        contacts = [contact for id_ in connection_ids if (contact := self.by_connection(id_))]
        return tuple(contact.id for contact in contacts if contact.status is not ContactStatus.REMOVED)

    def link(self, contact_id: int) -> str | None:
        """The invitation link that we made for a contact, while nobody has used it."""
        row = self._database.execute("SELECT invitation_link FROM contacts WHERE id = ?", (contact_id,)).fetchone()
        return row["invitation_link"] if row else None

    def set_link(self, contact: Contact, link: str) -> None:
        """Keep the invitation link of a contact who has not used it yet."""
        self._database.execute(
            "UPDATE contacts SET invitation_link = ? WHERE id = ? AND status = ?",
            (link, contact.id, ContactStatus.PENDING.value),
        )

    def without_link(self) -> list[Contact]:
        """Pending contacts whose link was lost before anybody saw it: nobody can use it."""
        rows = self._database.execute(
            _SELECT + " WHERE status = ? AND invitation_link IS NULL", (ContactStatus.PENDING.value,)
        )
        return [_contact(row) for row in rows]

    def change(self, contact: Contact, change: ContactChange, failure: FailureReason | None = None) -> Contact | None:
        """Make a transition of the table; ``None`` when it is not allowed in the contact's state."""
        status = TRANSITIONS.get((contact.status, change))
        if status is None:
            return None
        self._database.execute(
            "UPDATE contacts SET status = ?, failure = ? WHERE id = ?",
            (status.value, failure.value if failure else None, contact.id),
        )
        if status is not ContactStatus.PENDING:
            # a used link leads nowhere: no reason to keep it
            self._database.execute("UPDATE contacts SET invitation_link = NULL WHERE id = ?", (contact.id,))
        return self._reload(contact)

    def set_profile(self, contact: Contact, profile: Profile) -> Contact:
        """Take over what the contact says about themselves, under a name that no other contact has."""
        display_name = clean_name(profile.display_name)
        row = self._database.execute(
            "SELECT display_name, name_key FROM contacts WHERE id = ?", (contact.id,)
        ).fetchone()
        name = contact.name
        if row["name_key"] is None or row["display_name"] != display_name:
            name = self._free_name(display_name or _NAMELESS, contact.id)
        self._database.execute(
            "UPDATE contacts SET name = ?, name_key = ?, display_name = ?, full_name = ?, calls_allowed = ?,"
            " image = ? WHERE id = ?",
            (
                name,
                _key(name),
                display_name,
                clean_name(profile.full_name, MAX_FULL_NAME_LENGTH),
                profile.calls_allowed,
                profile.image,
                contact.id,
            ),
        )
        return self._reload(contact)

    def set_own_calls_allowed(self, contact: Contact, allowed: bool | None) -> Contact:  # noqa: FBT001 - a value
        """Keep the user's wish for a contact."""
        self._database.execute("UPDATE contacts SET own_calls_allowed = ? WHERE id = ?", (allowed, contact.id))
        return self._reload(contact)

    def set_audio_only(self, contact: Contact, *, on: bool) -> Contact:
        """Keep whether the user takes their calls with the camera off."""
        self._database.execute("UPDATE contacts SET audio_only = ? WHERE id = ?", (on, contact.id))
        return self._reload(contact)

    def set_verified_code(self, contact: Contact, code: str | None) -> Contact:
        """Keep the security code that was compared."""
        self._database.execute("UPDATE contacts SET verified_code = ? WHERE id = ?", (code, contact.id))
        return self._reload(contact)

    def raise_version(self, contact: Contact, version: int) -> Contact:
        """Note that the contact speaks a version; it never goes down."""
        if version <= contact.chat_version:
            return contact
        self._database.execute("UPDATE contacts SET chat_version = ? WHERE id = ?", (version, contact.id))
        return self._reload(contact)

    def count_unread(self, contact_id: int) -> None:
        """Something came that the user should read."""
        self._database.execute("UPDATE contacts SET unread = unread + 1 WHERE id = ?", (contact_id,))

    def count_missed_call(self, contact_id: int) -> None:
        """A call of theirs was missed."""
        self._database.execute("UPDATE contacts SET missed_calls = missed_calls + 1 WHERE id = ?", (contact_id,))

    def mark_read(self, contact_id: int) -> bool:
        """The conversation was read; tells whether that is news."""
        changed = self._database.execute(
            "UPDATE contacts SET unread = 0, missed_calls = 0 WHERE id = ? AND (unread != 0 OR missed_calls != 0)",
            (contact_id,),
        )
        return changed.rowcount > 0

    def _free_name(self, wanted: str, contact_id: int) -> str:
        name, number = wanted, 0
        while self._database.execute(
            "SELECT 1 FROM contacts WHERE name_key = ? AND id != ?", (_key(name), contact_id)
        ).fetchone():
            number += 1
            name = f"{wanted}_{number}"
        return name

    def hide(self, contact: Contact, farewell_number: int | None) -> None:
        """Remove a contact for the user: all that is known of the person goes, the connection stays for now."""
        self._database.execute(
            "UPDATE contacts SET status = ?, name = '', name_key = NULL, display_name = '', full_name = '',"
            " image = NULL, verified_code = NULL, invitation_link = NULL, failure = NULL, unread = 0,"
            " farewell_number = ? WHERE id = ?",
            (ContactStatus.REMOVED.value, farewell_number, contact.id),
        )

    def farewell_done(self, contact: Contact, number: int | None = None) -> bool:
        """Note that the last message (with ``number``, or any) needs no more waiting; tells whether it did before."""
        changed = self._database.execute(
            "UPDATE contacts SET farewell_number = NULL"
            " WHERE id = ? AND farewell_number = coalesce(?, farewell_number)",
            (contact.id, number),
        )
        return changed.rowcount > 0

    def to_close(self) -> list[Contact]:
        """Contacts whose connection has no more use: deleted by the other side, or removed and told so."""
        rows = self._database.execute(
            _SELECT + " WHERE connection_id IS NOT NULL AND farewell_number IS NULL AND status IN (?, ?) ORDER BY id",
            (ContactStatus.GONE.value, ContactStatus.REMOVED.value),
        )
        return [_contact(row) for row in rows]

    def connection_closed(self, contact_id: int) -> None:
        """Forget a connection that the agent deleted, and the contact with it if the user removed it."""
        self._database.execute(
            "DELETE FROM contacts WHERE id = ? AND status = ?", (contact_id, ContactStatus.REMOVED.value)
        )
        self._database.execute("UPDATE contacts SET connection_id = NULL WHERE id = ?", (contact_id,))

    def _reload(self, contact: Contact) -> Contact:
        return _contact(self._database.execute(_SELECT + " WHERE id = ?", (contact.id,)).fetchone())


# a list of thousands is made often, and an enumeration's own look-up is ten times as slow
_STATUSES = {status.value: status for status in ContactStatus}
_PERMISSIONS = {permission.value: permission for permission in CallPermission}


def _contact(row: sqlite3.Row) -> Contact:
    id_, name, full_name, status, created_at, permission, own_calls, audio_only, image, code, failure, *rest = row
    return Contact(
        id_,
        name,
        full_name,
        _STATUSES[status],
        from_microseconds(created_at),
        _PERMISSIONS[permission],
        None if own_calls is None else bool(own_calls),
        bool(audio_only),
        image,
        code,
        FailureReason(failure) if failure else None,
        *rest,
    )
