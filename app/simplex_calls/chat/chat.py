"""The chat shell: gives the agent's facts to the tables and the floor above, and the user's wishes to the agent."""

from __future__ import annotations

import asyncio
import logging
import os
import time
from collections.abc import Callable, Coroutine
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from simplex_calls.agent import events as agent_events
from simplex_calls.agent.errors import AgentError, LargeMessage, UnknownConnection
from simplex_calls.agent.events import AgentEvent, FailureReason
from simplex_calls.chat.contacts import (
    MAX_FULL_NAME_LENGTH,
    Contact,
    Contacts,
    ContactStatus,
    clean_name,
)
from simplex_calls.chat.errors import ChatError, NotConnectedError, TooLargeError
from simplex_calls.chat.events import (
    CallMessageDelivered,
    CallMessageFailed,
    ChatEvent,
    ContactAdded,
    ContactRemoved,
    HistoryCleared,
    ItemAdded,
    ItemRemoved,
    ItemUpdated,
    ServerStateChanged,
)
from simplex_calls.chat.history import (
    CallDetails,
    ChatItem,
    Direction,
    History,
    ItemKind,
    TextDetails,
)
from simplex_calls.chat.inbox import Inbox, Outlets
from simplex_calls.chat.messages import (
    MAX_INFO_LENGTH,
    SUPPORTED_VERSIONS,
    CallMessage,
    ChatMessage,
    ContactDeleted,
    Content,
    DeleteMessage,
    Event,
    Info,
    MessageError,
    MessageTooLargeError,
    NewMessage,
    Profile,
    UpdateMessage,
    encode_message,
    notifies,
)
from simplex_calls.chat.port import AgentPort
from simplex_calls.chat.schema import MIGRATIONS
from simplex_calls.crypto import Random
from simplex_calls.database import Database

logger = logging.getLogger(__name__)

_MESSAGE_ID_LENGTH = 12


@dataclass(frozen=True, slots=True)
class Invitation:
    """A link for one person to connect to us, and the contact that this person will be."""

    link: str = field(repr=False)
    contact_id: int


class Chat:
    """Contacts, texts and call messages of one profile.

    ``agent_factory`` makes the agent, given the handler of its events. ``handler`` gets every :data:`ChatEvent`; it
    must not block. Errors of the agent and of servers in :meth:`create_invitation` and :meth:`connect` go through
    unchanged; everything else raises :class:`ChatError`. All methods belong to the event loop's thread.
    """

    def __init__(
        self,
        database: Database,
        agent_factory: Callable[[Callable[[AgentEvent], None]], AgentPort],
        *,
        handler: Callable[[ChatEvent], None],
        clock: Callable[[], float] = time.time,
        random: Random = os.urandom,
    ) -> None:
        database.migrate("chat", MIGRATIONS)
        self._database = database
        self._contacts = Contacts(database)
        self._history = History(database)
        self._handler = handler
        self._clock = clock
        self._random = random
        self._tasks: set[asyncio.Task[None]] = set()
        # what is on its way: a call does not outlive the process, so neither does this
        self._call_messages: dict[tuple[int, int], tuple[bytes, type[CallMessage]]] = {}
        self._inbox = Inbox(
            self._contacts,
            self._history,
            Outlets(
                emit=self._emit,
                call_message=handler,
                call_message_settled=self._call_message_settled,
                allow=lambda connection_id: self._agent.allow_connection(connection_id, self._own_info()),
                close_later=lambda contact: database.after_commit(lambda: self._spawn(self._close(contact))),
                now=self._now,
            ),
        )
        self._agent = agent_factory(self._on_agent_event)

    async def start(self) -> None:
        """Start the agent, and finish deletions that were interrupted."""
        await self._agent.start()
        for contact in self._contacts.to_close():
            await self._close(contact)
        for contact in self._contacts.without_link():
            await self.delete_contact(contact.id)

    async def stop(self) -> None:
        """Stop the agent; what is unfinished goes on at the next start."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await self._agent.stop()

    # The profile

    @property
    def profile(self) -> Profile | None:
        """The local profile; none before :meth:`set_profile` was called the first time."""
        row = self._database.execute("SELECT display_name, full_name FROM profile").fetchone()
        return Profile(row["display_name"], row["full_name"]) if row else None

    def set_profile(self, display_name: str, full_name: str = "") -> Profile:
        """Choose or change the local profile; all connected contacts are told."""
        profile = Profile(clean_name(display_name), clean_name(full_name, MAX_FULL_NAME_LENGTH))
        if not profile.display_name:
            raise ChatError("a profile needs a name with at least one visible character")
        with self._database.transaction():
            if profile == self.profile:
                return profile
            self._database.execute(
                "INSERT INTO profile VALUES (1, ?, ?) ON CONFLICT (id) DO UPDATE SET"
                " display_name = excluded.display_name, full_name = excluded.full_name",
                (profile.display_name, profile.full_name),
            )
            for contact in self._contacts.all():
                if contact.is_connected:
                    self._try_send(contact, Info(profile))
        return profile

    def _own_info(self) -> bytes:
        profile = self.profile
        if profile is None:
            raise ChatError("choose a name for your profile first")
        return encode_message(ChatMessage(Info(profile), versions=SUPPORTED_VERSIONS), MAX_INFO_LENGTH)

    # Contacts

    async def create_invitation(self) -> Invitation:
        """Make a link for one person, and a pending contact for them."""
        self._own_info()
        connection_id, link = await self._agent.create_connection(created=self._adder(ContactStatus.PENDING))
        with self._database.transaction():
            contact = self._made(connection_id)
            self._contacts.set_link(contact, link)
        return Invitation(link, contact.id)

    def invitation(self, contact_id: int) -> Invitation | None:
        """The link that a pending contact waits on, to be shown again; none once it was used."""
        link = self._contacts.link(self.contact(contact_id).id)
        return Invitation(link, contact_id) if link else None

    async def connect(self, link: str) -> Contact:
        """Use somebody's link; their name comes with :class:`ContactUpdated`."""
        connection_id = await self._agent.join_connection(
            link.strip(), self._own_info(), created=self._adder(ContactStatus.CONNECTING)
        )
        return self._made(connection_id)

    def _adder(self, status: ContactStatus) -> Callable[[int], None]:
        """What makes the contact of a new connection, in the agent's transaction: both are stored or neither."""

        def add(connection_id: int) -> None:
            self._emit(ContactAdded(self._contacts.add(connection_id, status, self._now())))

        return add

    def _made(self, connection_id: int) -> Contact:
        contact = self._contacts.by_connection(connection_id)
        if contact is None:
            raise ChatError("the new contact is not there: it was removed while it was made")
        return contact

    def contacts(self) -> list[Contact]:
        """All contacts, the oldest first."""
        return self._contacts.all()

    def contact(self, contact_id: int) -> Contact:
        """One contact; raises :class:`ChatError` when there is none."""
        contact = self._contacts.get(contact_id)
        if contact is None:
            raise ChatError(f"contact {contact_id} does not exist: it was removed or never made")
        return contact

    async def delete_contact(self, contact_id: int) -> None:
        """Remove a contact with its whole history and connection; the other side is told if it can be."""
        contact = self.contact(contact_id)
        with self._database.transaction():
            farewell = self._try_send(contact, ContactDeleted()) if contact.is_connected else None
            self._history.clear(contact.id)
            self._contacts.hide(contact, farewell)
            self._database.erase()
            self._emit(ContactRemoved(contact.id))
        if farewell is None:
            await self._close(contact)

    async def _close(self, contact: Contact) -> None:
        """Delete the connection of a contact that has no more use for it."""
        if contact.connection_id is not None:
            try:
                await self._agent.delete_connection(contact.connection_id)
            except UnknownConnection:
                pass  # deleted before the process was interrupted
            except AgentError as error:
                logger.warning("a connection is not deleted yet: %s", type(error).__name__)
                return
        with self._database.transaction():
            self._contacts.connection_closed(contact.id)
            self._database.erase()

    # Texts and history

    def send_text(self, contact_id: int, text: str) -> ChatItem:
        """Store a text and send it; its delivery comes with :class:`ItemUpdated`."""
        self._check_text(text)
        contact = self._connected(contact_id)
        message_id = self._random(_MESSAGE_ID_LENGTH)
        with self._database.transaction():
            number = self._send(contact, NewMessage(Content(text)), message_id)
            item = self._history.add_sent(contact.id, text, message_id, number, self._now())
            self._emit(ItemAdded(item))
        return item

    def edit_text(self, item_id: int, text: str) -> ChatItem:
        """Change an own text, here and at the contact's."""
        self._check_text(text)
        item = self._text_item(item_id, "edited")
        if item.direction is not Direction.SENT or item.message_id is None:
            raise ChatError("only your own texts can be edited")
        if isinstance(item.details, TextDetails) and item.details.deleted:
            raise ChatError("a deleted text cannot be edited")
        contact = self._connected(item.contact_id)
        with self._database.transaction():
            number = self._send(contact, UpdateMessage(item.message_id, Content(text)))
            item = self._history.edit(item_id, Content(text), number)
            self._emit(ItemUpdated(item))
        return item

    def delete_item(self, item_id: int, *, for_everyone: bool = False) -> None:
        """Remove a text or notice here, and an own text at the contact's too if it is to go ``for_everyone``."""
        item = self._text_item(item_id, "deleted")
        with self._database.transaction():
            if for_everyone:
                if item.direction is not Direction.SENT or item.message_id is None:
                    raise ChatError("only your own texts can be deleted for everyone")
                self._send(self._connected(item.contact_id), DeleteMessage(item.message_id))
            self._history.remove(item_id)
            self._database.erase(soon=False)
            self._emit(ItemRemoved(item.contact_id, item_id))

    def history(self, contact_id: int, *, limit: int = 50, before: int | None = None) -> list[ChatItem]:
        """The newest ``limit`` items (of those with ids below ``before``), the oldest of them first."""
        return self._history.page(self.contact(contact_id).id, limit=limit, before=before)

    def clear_history(self, contact_id: int) -> None:
        """Remove the whole conversation with a contact, calls included; the contact stays."""
        contact = self.contact(contact_id)
        with self._database.transaction():
            self._history.clear(contact.id)
            self._database.erase()
            self._emit(HistoryCleared(contact.id))

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

    # Calls

    def send_call_message(self, contact_id: int, message: CallMessage) -> None:
        """Send a call message, in the current transaction; it leaves once that is committed.

        Raises :class:`TooLargeError` for descriptions that do not fit, :class:`NotConnectedError`. Who catches these
        and goes on with the same transaction, calls this in a ``savepoint()``.
        """
        contact = self._connected(contact_id)
        number = self._send(contact, message, self._random(_MESSAGE_ID_LENGTH))
        key = (contact.id, number)
        self._database.after_commit(lambda: self._call_messages.update({key: (message.call_id, type(message))}))

    def put_call_item(
        self, contact_id: int, direction: Direction, call: CallDetails, *, sent_at: datetime | None = None
    ) -> ChatItem:
        """Add a call to the history; ``direction`` SENT is our call, RECEIVED theirs."""
        contact = self.contact(contact_id)
        with self._database.transaction():
            item = self._history.add_call(contact.id, direction, call, self._now(), sent_at)
            self._emit(ItemAdded(item))
        return item

    def update_call_item(self, item_id: int, call: CallDetails) -> ChatItem | None:
        """Write what came of a call; ``None`` when its conversation was removed meanwhile."""
        item = self._history.get(item_id)
        if item is None:
            return None
        if item.kind is not ItemKind.CALL:
            raise ChatError(f"item {item_id} is not a call")
        if item.details == call:
            return item
        with self._database.transaction():
            item = self._history.set_call(item_id, call)
            self._emit(ItemUpdated(item))
        return item

    # Sending

    def _connected(self, contact_id: int) -> Contact:
        contact = self.contact(contact_id)
        if not contact.is_connected:
            raise NotConnectedError(f"contact {contact_id} is {contact.status.value}: nothing can be sent")
        return contact

    def _send(self, contact: Contact, event: Event, message_id: bytes | None = None) -> int:
        if message_id is None:
            message_id = self._random(_MESSAGE_ID_LENGTH)
        if contact.connection_id is None:
            raise NotConnectedError(f"contact {contact.id} has no connection: nothing can be sent")
        try:
            body = encode_message(ChatMessage(event, message_id, SUPPORTED_VERSIONS))
            return self._agent.send(contact.connection_id, body, notify=notifies(event))
        except (MessageTooLargeError, LargeMessage) as error:
            raise TooLargeError(f"this cannot be sent: {error}") from None
        except MessageError as error:
            raise ChatError(f"this cannot be sent: {error}") from None
        except AgentError as error:
            raise NotConnectedError(f"nothing can be sent to contact {contact.id}: {error}") from None

    def _try_send(self, contact: Contact, event: Event) -> int | None:
        """Send, or not: the transaction goes on."""
        try:
            with self._database.savepoint():
                return self._send(contact, event)
        except ChatError as error:
            logger.info("%s is not sent to contact %d: %s", type(event).__name__, contact.id, type(error).__name__)
            return None

    def _emit(self, event: ChatEvent) -> None:
        self._database.after_commit(lambda: self._tell(event))

    def _tell(self, event: ChatEvent) -> None:
        try:
            self._handler(event)
        except Exception as error:  # noqa: BLE001 - what happened is stored: a fault above must not stop the agent
            logger.error("%s is not handled: %s", type(event).__name__, type(error).__name__)  # noqa: TRY400

    def _now(self) -> datetime:
        return datetime.fromtimestamp(self._clock(), UTC)

    def _spawn(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    # What the agent tells, inside its transaction

    def _on_agent_event(self, event: AgentEvent) -> None:
        with self._database.transaction():
            match event:
                case agent_events.ServerConnected() | agent_events.ServerDisconnected():
                    connected = isinstance(event, agent_events.ServerConnected)
                    contact_ids = self._contacts.ids_of(event.connection_ids)
                    self._emit(ServerStateChanged(event.server.hosts[0], connected, contact_ids))
                case _:
                    self._inbox.take(event)

    def _call_message_settled(self, contact: Contact, number: int, failure: FailureReason | None) -> None:
        key = (contact.id, number)
        if key not in self._call_messages:
            return
        call_id, message_type = self._call_messages[key]

        def forget() -> None:
            self._call_messages.pop(key, None)

        self._database.after_commit(forget)
        if failure:
            self._emit(CallMessageFailed(contact.id, call_id, message_type, failure))
        else:
            self._emit(CallMessageDelivered(contact.id, call_id, message_type))
