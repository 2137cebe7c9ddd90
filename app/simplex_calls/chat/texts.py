"""Texts: sent one by one or several in one message, edited and deleted; their entries in the history."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import datetime

from simplex_calls.chat.batch import joined
from simplex_calls.chat.contacts import Contact
from simplex_calls.chat.errors import ChatError
from simplex_calls.chat.events import ChatEvent, ItemAdded, ItemRemoved, ItemUpdated
from simplex_calls.chat.history import ChatItem, Direction, History, ItemKind, TextDetails
from simplex_calls.chat.messages import MAX_MESSAGE_LENGTH, Content, DeleteMessage, NewMessage, UpdateMessage
from simplex_calls.chat.sending import Sending
from simplex_calls.database import Database

BATCH_VERSION = 9
"""The chat version from which on several texts can come in one body."""


class Texts:
    """Writes texts into the history and sends them. Methods raise :class:`ChatError`."""

    def __init__(
        self,
        database: Database,
        history: History,
        sending: Sending,
        *,
        emit: Callable[[ChatEvent], None],
        now: Callable[[], datetime],
    ) -> None:
        self._database = database
        self._history = history
        self._sending = sending
        self._emit = emit
        self._now = now

    def send(self, contact_id: int, text: str) -> ChatItem:
        """Store a text and send it; its delivery comes with :class:`ItemUpdated`."""
        self._check_text(text)
        contact = self._sending.connected(contact_id)
        message_id = self._sending.new_message_id()
        with self._database.transaction():
            number = self._sending.send(contact, NewMessage(Content(text)), message_id)
            item = self._history.add_sent(contact.id, text, message_id, number, self._now())
            self._emit(ItemAdded(item))
        return item

    def send_several(self, contact_id: int, texts: Sequence[str]) -> list[ChatItem]:
        """Store several texts and send them, in as few messages as the contact's program takes."""
        for text in texts:
            self._check_text(text)
        contact = self._sending.connected(contact_id)
        if contact.chat_version < BATCH_VERSION:
            with self._database.transaction():
                return [self.send(contact_id, text) for text in texts]
        with self._database.transaction():
            return [item for group in self._groups(texts) for item in self._send_group(contact, group)]

    def _groups(self, texts: Sequence[str]) -> list[list[tuple[str, bytes, bytes]]]:
        """The texts with their message ids and bodies, as they fit together."""
        groups: list[list[tuple[str, bytes, bytes]]] = []
        room = 0
        for text in texts:
            message_id = self._sending.new_message_id()
            body = self._sending.encode(NewMessage(Content(text)), message_id)
            if not groups or len(body) + 1 > room:
                groups.append([])
                room = MAX_MESSAGE_LENGTH - 1
            groups[-1].append((text, message_id, body))
            room -= len(body) + 1
        return groups

    def _send_group(self, contact: Contact, group: Sequence[tuple[str, bytes, bytes]]) -> list[ChatItem]:
        number = self._sending.send_encoded(contact, joined([body for _, _, body in group]), notify=True)
        items = [self._history.add_sent(contact.id, text, id_, number, self._now()) for text, id_, _ in group]
        for item in items:
            self._emit(ItemAdded(item))
        return items

    def edit(self, item_id: int, text: str) -> ChatItem:
        """Change an own text, here and at the contact's."""
        self._check_text(text)
        item = self._text_item(item_id, "edited")
        if item.direction is not Direction.SENT or item.message_id is None:
            raise ChatError("only your own texts can be edited")
        if isinstance(item.details, TextDetails) and item.details.deleted:
            raise ChatError("a deleted text cannot be edited")
        contact = self._sending.connected(item.contact_id)
        with self._database.transaction():
            number = self._sending.send(contact, UpdateMessage(item.message_id, Content(text)))
            item = self._history.edit(item_id, Content(text), number)
            self._emit(ItemUpdated(item))
        return item

    def delete(self, item_id: int, *, for_everyone: bool = False) -> None:
        """Remove a text or notice here, and an own text at the contact's too if it is to go ``for_everyone``."""
        item = self._text_item(item_id, "deleted")
        with self._database.transaction():
            if for_everyone:
                if item.direction is not Direction.SENT or item.message_id is None:
                    raise ChatError("only your own texts can be deleted for everyone")
                self._sending.send(self._sending.connected(item.contact_id), DeleteMessage(item.message_id))
            self._history.remove(item_id)
            self._database.erase(soon=False)
            self._emit(ItemRemoved(item.contact_id, item_id))

    @staticmethod
    def _check_text(text: str) -> None:
        if not text.strip():
            raise ChatError("there is no text to send")

    def _text_item(self, item_id: int, what: str) -> ChatItem:
        item = self._history.get(item_id)
        if item is None:
            raise ChatError(f"item {item_id} does not exist: it was removed or never made")
        if item.kind is ItemKind.CALL:
            raise ChatError(f"calls cannot be {what}: they go with the whole conversation")
        if item.kind is ItemKind.NOTICE and what == "edited":
            raise ChatError("only your own texts can be edited")
        return item
