"""The history: texts, calls and notices of all contacts in one table, in the order in which they were stored."""

from __future__ import annotations

import sqlite3
from dataclasses import dataclass, field
from datetime import datetime
from enum import Enum

from simplex_calls.agent.events import FailureReason
from simplex_calls.chat.contacts import from_microseconds, to_microseconds
from simplex_calls.chat.messages import CallMedia, Content, ContentType
from simplex_calls.database import Database

MAX_PAGE = 1000
_MAX_COUNT = 2**31 - 1
_MAX_WAITING = 200


class Direction(Enum):
    """Whose item it is: ours, or the contact's."""

    SENT = "sent"
    RECEIVED = "received"


class ItemKind(Enum):
    """What an item is."""

    TEXT = "text"
    CALL = "call"
    NOTICE = "notice"


class Delivery(Enum):
    """How far an own text got."""

    SENDING = "sending"
    SENT = "sent"
    """The other side's server has it."""
    DELIVERED_TO_CONTACT = "received"
    """The other side's program has it, and said so."""
    FAILED = "failed"


class CallStatus(Enum):
    """What came of a call."""

    RINGING = "ringing"
    ACTIVE = "active"
    ENDED = "ended"
    """It was answered, and is over; the item has its duration."""
    DECLINED = "declined"
    NO_ANSWER = "no-answer"
    UNREACHABLE = "unreachable"
    """No answer, and the other side's program never said that it got the call."""
    CANCELLED = "cancelled"
    """The caller hung up before an answer."""
    MISSED = "missed"
    BUSY = "busy"
    FAILED = "failed"
    LOST = "connection-lost"
    """It was answered; the two sides lost each other, and did not find each other again."""


class Notice(Enum):
    """Things that a user should know about a conversation."""

    MESSAGES_LOST = "messages-lost"
    """``count`` messages of the contact never came."""
    OUT_OF_STEP = "out-of-step"
    """The contact's numbering or hashes do not follow (restored from a backup, or somebody interfered)."""
    UNREADABLE = "unreadable"
    """``count`` messages came that cannot be decrypted or understood."""
    RENAMED = "renamed"
    """The contact has another name now; ``text`` is the former one."""
    CALL_REFUSED = "call-refused"
    """The contact called, and calls from them are not welcome."""
    CODE_CHANGED = "code-changed"
    """New keys were agreed on: the security code is another, and no longer compared."""
    ADDRESS_CHANGED = "address-changed"
    """We receive from the contact in another queue now."""
    CONTACT_CHANGED_ADDRESS = "contact-changed-address"
    """The contact receives from us in another queue now."""
    QUEUE_FULL = "queue-full"
    """The contact has not fetched messages for so long that their server takes no more; they wait here."""
    CONTACT_DELETED = "contact-deleted"
    """The other side deleted us."""


@dataclass(frozen=True, slots=True)
class TextDetails:
    """A text; a deleted one is empty. ``content`` other than text or link: a file came with it that we do not take."""

    text: str = field(repr=False)
    content: ContentType = ContentType.TEXT
    edited: bool = False
    deleted: bool = False
    quote: str = field(default="", repr=False)
    """The beginning of the text that this one answers."""
    preview: str | None = field(default=None, repr=False)
    """A small picture of what is not taken, as a ``data:`` URL."""

    @property
    def readable(self) -> str:
        """The text, under what it answers."""
        quoted = "".join(f"> {line}\n" for line in self.quote.splitlines())
        return quoted + self.text


@dataclass(frozen=True, slots=True)
class CallDetails:
    """A call; ``duration`` in whole seconds, from connected to the end."""

    media: CallMedia
    status: CallStatus
    duration: int | None = None


@dataclass(frozen=True, slots=True)
class NoticeDetails:
    """A notice, with what it counts or names."""

    notice: Notice
    count: int = 1
    text: str = field(default="", repr=False)


@dataclass(frozen=True, slots=True)
class ChatItem:
    """One entry of a conversation."""

    id: int
    contact_id: int
    direction: Direction
    details: TextDetails | CallDetails | NoticeDetails
    created_at: datetime
    """When it was stored here."""
    sent_at: datetime | None = None
    """When the server took it from the contact (received items)."""
    delivery: Delivery | None = None
    """Of own texts."""
    failure: FailureReason | None = None
    message_id: bytes | None = field(default=None, repr=False)

    @property
    def kind(self) -> ItemKind:
        """Text, call or notice."""
        if isinstance(self.details, TextDetails):
            return ItemKind.TEXT
        return ItemKind.CALL if isinstance(self.details, CallDetails) else ItemKind.NOTICE


class History:
    """The table of items. Every method belongs into the caller's transaction."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def get(self, item_id: int) -> ChatItem | None:
        """The item, or ``None``."""
        row = self._database.execute("SELECT * FROM chat_items WHERE id = ?", (item_id,)).fetchone()
        return _item(row) if row else None

    def page(self, contact_id: int, *, limit: int, before: int | None) -> list[ChatItem]:
        """The newest ``limit`` items with ids below ``before`` (or of all), the oldest of them first."""
        rows = self._database.execute(
            "SELECT * FROM chat_items WHERE contact_id = ? AND id < coalesce(?, 9223372036854775807)"
            " ORDER BY id DESC LIMIT ?",
            (contact_id, before, max(0, min(limit, MAX_PAGE))),
        ).fetchall()
        return [_item(row) for row in reversed(rows)]

    def by_message_id(self, contact_id: int, direction: Direction, message_id: bytes) -> ChatItem | None:
        """The text that one side sent with this message id."""
        row = self._database.execute(
            "SELECT * FROM chat_items WHERE contact_id = ? AND direction = ? AND message_id = ?",
            (contact_id, direction.value, message_id),
        ).fetchone()
        return _item(row) if row else None

    def add_sent(self, contact_id: int, text: str, message_id: bytes, agent_number: int, now: datetime) -> ChatItem:
        """Add an own text that the agent has under ``agent_number``."""
        return self._insert(
            contact_id=contact_id,
            direction=Direction.SENT.value,
            kind=ItemKind.TEXT.value,
            created_at=to_microseconds(now),
            message_id=message_id,
            agent_number=agent_number,
            delivery=Delivery.SENDING.value,
            text=text,
            content=ContentType.TEXT.value,
        )

    def add_received(
        self,
        contact_id: int,
        content: Content,
        message_id: bytes | None,
        now: datetime,
        sent_at: datetime,
        *,
        edited: bool = False,
    ) -> ChatItem:
        """Add a contact's text."""
        return self._insert(
            contact_id=contact_id,
            direction=Direction.RECEIVED.value,
            kind=ItemKind.TEXT.value,
            created_at=to_microseconds(now),
            sent_at=to_microseconds(sent_at),
            message_id=message_id,
            text=content.text,
            content=content.kind.value,
            edited=edited,
            quote=content.quote,
            preview=content.preview,
        )

    def add_call(
        self, contact_id: int, direction: Direction, call: CallDetails, now: datetime, sent_at: datetime | None
    ) -> ChatItem:
        """Add a call; ``direction`` is whose call it is."""
        return self._insert(
            contact_id=contact_id,
            direction=direction.value,
            kind=ItemKind.CALL.value,
            created_at=to_microseconds(now),
            sent_at=to_microseconds(sent_at) if sent_at else None,
            call_media=call.media.value,
            call_status=call.status.value,
            call_duration=call.duration,
        )

    def add_notice(
        self, contact_id: int, notice: Notice, now: datetime, *, count: int = 1, text: str = ""
    ) -> tuple[ChatItem, bool]:
        """Add a notice, or count up the newest item if it says the same; tells whether the item is new."""
        newest = self.page(contact_id, limit=1, before=None)
        details = newest[0].details if newest else None
        if isinstance(details, NoticeDetails) and details.notice is notice and not text:
            self._database.execute(
                "UPDATE chat_items SET notice_count = min(notice_count + ?, ?) WHERE id = ?",
                (min(count, _MAX_COUNT), _MAX_COUNT, newest[0].id),
            )
            return self._reload(newest[0].id), False
        return self._insert(
            contact_id=contact_id,
            direction=Direction.RECEIVED.value,
            kind=ItemKind.NOTICE.value,
            created_at=to_microseconds(now),
            notice=notice.value,
            notice_count=min(count, _MAX_COUNT),
            text=text,
        ), True

    def waits(self, contact_id: int, notice: Notice) -> bool:
        """Whether nothing but own texts that are on their way came after this notice."""
        for item in reversed(self.page(contact_id, limit=_MAX_WAITING, before=None)):
            if isinstance(item.details, NoticeDetails) and item.details.notice is notice:
                return True
            if item.delivery is not Delivery.SENDING:
                return False
        return False

    def ends_with(self, contact_id: int, notice: Notice) -> bool:
        """Whether the newest item is this notice."""
        newest = self.page(contact_id, limit=1, before=None)
        return bool(newest) and isinstance(newest[0].details, NoticeDetails) and newest[0].details.notice is notice

    def set_call(self, item_id: int, call: CallDetails) -> ChatItem:
        """Write what came of a call."""
        self._database.execute(
            "UPDATE chat_items SET call_media = ?, call_status = ?, call_duration = ? WHERE id = ? AND kind = ?",
            (call.media.value, call.status.value, call.duration, item_id, ItemKind.CALL.value),
        )
        return self._reload(item_id)

    def edit(self, item_id: int, content: Content, agent_number: int | None = None) -> ChatItem:
        """Give a text other words; an own one is on its way again, under ``agent_number``."""
        self._database.execute(
            "UPDATE chat_items SET text = ?, content = ?, preview = ?, edited = 1 WHERE id = ? AND kind = ?",
            (content.text, content.kind.value, content.preview, item_id, ItemKind.TEXT.value),
        )
        if agent_number is not None:
            self._database.execute(
                "UPDATE chat_items SET agent_number = ?, delivery = ?, failure = NULL WHERE id = ?",
                (agent_number, Delivery.SENDING.value, item_id),
            )
        return self._reload(item_id)

    def mark_deleted(self, item_id: int) -> ChatItem:
        """Take the words out of a text and leave its place."""
        self._database.execute(
            "UPDATE chat_items SET text = '', quote = '', preview = NULL, deleted = 1 WHERE id = ? AND kind = ?",
            (item_id, ItemKind.TEXT.value),
        )
        return self._reload(item_id)

    def delivered(self, contact_id: int, agent_number: int, failure: FailureReason | None = None) -> list[ChatItem]:
        """Note what became of the own texts that went with this number, as far as they were on their way."""
        state = Delivery.FAILED if failure else Delivery.SENT
        return self._settle(contact_id, agent_number, state, failure, from_=(Delivery.SENDING,))

    def received(self, contact_id: int, agent_number: int) -> list[ChatItem]:
        """Note that the contact's program has the own texts that went with this number."""
        return self._settle(
            contact_id, agent_number, Delivery.DELIVERED_TO_CONTACT, None, from_=(Delivery.SENDING, Delivery.SENT)
        )

    def gives_receipts(self, contact_id: int) -> bool:
        """Whether the contact's program confirmed any of the latest entries."""
        row = self._database.execute(
            "SELECT 1 FROM (SELECT delivery FROM chat_items WHERE contact_id = ? ORDER BY id DESC LIMIT 100)"
            " WHERE delivery = ? LIMIT 1",
            (contact_id, Delivery.DELIVERED_TO_CONTACT.value),
        ).fetchone()
        return row is not None

    def _settle(
        self,
        contact_id: int,
        agent_number: int,
        state: Delivery,
        failure: FailureReason | None,
        *,
        from_: tuple[Delivery, ...],
    ) -> list[ChatItem]:
        rows = self._database.execute(
            "SELECT id, delivery FROM chat_items WHERE contact_id = ? AND agent_number = ? ORDER BY id",
            (contact_id, agent_number),
        ).fetchall()
        ids = [row["id"] for row in rows if row["delivery"] in {before.value for before in from_}]
        for item_id in ids:
            self._database.execute(
                "UPDATE chat_items SET delivery = ?, failure = ? WHERE id = ?",
                (state.value, failure.value if failure else None, item_id),
            )
        return [self._reload(item_id) for item_id in ids]

    def remove(self, item_id: int) -> None:
        """Remove a text or notice."""
        self._database.execute("DELETE FROM chat_items WHERE id = ? AND kind != ?", (item_id, ItemKind.CALL.value))

    def clear(self, contact_id: int) -> None:
        """Remove all items of a contact."""
        self._database.execute("DELETE FROM chat_items WHERE contact_id = ?", (contact_id,))

    def _insert(self, **values: object) -> ChatItem:
        columns, marks = ", ".join(values), ", ".join("?" * len(values))
        cursor = self._database.execute(
            f"INSERT INTO chat_items ({columns}) VALUES ({marks})",  # noqa: S608 - names are this file's keywords
            tuple(values.values()),
        )
        assert cursor.lastrowid is not None  # noqa: S101 - an INSERT was executed
        return self._reload(cursor.lastrowid)

    def _reload(self, item_id: int) -> ChatItem:
        return _item(self._database.execute("SELECT * FROM chat_items WHERE id = ?", (item_id,)).fetchone())


def _item(row: sqlite3.Row) -> ChatItem:
    return ChatItem(
        id=row["id"],
        contact_id=row["contact_id"],
        direction=Direction(row["direction"]),
        details=_details(row),
        created_at=from_microseconds(row["created_at"]),
        sent_at=from_microseconds(row["sent_at"]) if row["sent_at"] is not None else None,
        delivery=Delivery(row["delivery"]) if row["delivery"] else None,
        failure=FailureReason(row["failure"]) if row["failure"] else None,
        message_id=row["message_id"],
    )


def _details(row: sqlite3.Row) -> TextDetails | CallDetails | NoticeDetails:
    match ItemKind(row["kind"]):
        case ItemKind.TEXT:
            return TextDetails(
                row["text"],
                ContentType(row["content"]),
                bool(row["edited"]),
                bool(row["deleted"]),
                row["quote"],
                row["preview"],
            )
        case ItemKind.CALL:
            return CallDetails(CallMedia(row["call_media"]), CallStatus(row["call_status"]), row["call_duration"])
        case ItemKind.NOTICE:
            return NoticeDetails(Notice(row["notice"]), row["notice_count"], row["text"])
