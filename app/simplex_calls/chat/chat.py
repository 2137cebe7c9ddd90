"""The chat shell: gives the agent's facts to the tables and the floor above, and the user's wishes to the agent."""

from __future__ import annotations

import asyncio
import logging
import os
import time
from collections.abc import Callable, Coroutine, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from simplex_calls.agent import events as agent_events
from simplex_calls.agent.details import LinkPreview
from simplex_calls.agent.errors import AgentError, LargeMessage, UnknownConnection
from simplex_calls.agent.events import AgentEvent
from simplex_calls.agent.links import ConnectionLink
from simplex_calls.agent.security_code import code_digest
from simplex_calls.chat.addresses import Addresses, is_address
from simplex_calls.chat.arrivals import Arrivals
from simplex_calls.chat.batch import compressed
from simplex_calls.chat.contacts import (
    Contact,
    Contacts,
    ContactStatus,
)
from simplex_calls.chat.errors import ChatError
from simplex_calls.chat.events import (
    ChatEvent,
    ContactAdded,
    ContactRemoved,
    ContactUpdated,
    HistoryCleared,
    ItemAdded,
    ItemUpdated,
    ServerStateChanged,
)
from simplex_calls.chat.history import (
    CallDetails,
    CallStatus,
    ChatItem,
    Direction,
    History,
    ItemKind,
)
from simplex_calls.chat.inbox import Inbox, Outlets
from simplex_calls.chat.link_data import decode_link_data
from simplex_calls.chat.messages import (
    CallEnd,
    CallMessage,
    ContactDeleted,
    Profile,
)
from simplex_calls.chat.own_profile import OwnProfile
from simplex_calls.chat.port import AgentPort
from simplex_calls.chat.schema import MIGRATIONS
from simplex_calls.chat.sending import Sending
from simplex_calls.chat.sent_calls import SentCalls
from simplex_calls.chat.texts import Texts
from simplex_calls.crypto import Random
from simplex_calls.database import Database

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Invitation:
    """A link for one person to connect to us, and the contact that this person will be."""

    link: ConnectionLink = field(repr=False)
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
        elapsed: Callable[[], float] = time.monotonic,
        random: Random = os.urandom,
    ) -> None:
        database.migrate("chat", MIGRATIONS)
        self._database = database
        self._contacts = Contacts(database)
        self._history = History(database)
        self._sending = Sending(database, self._contacts, lambda: self._agent, random=random)
        self._own = OwnProfile(
            database, self._contacts, self._sending, emit=self._emit, changed=self._profile_changed, random=random
        )
        self._texts = Texts(database, self._history, self._sending, emit=self._emit, now=self._now)
        self._handler = handler
        self._clock = clock
        self._arrivals = Arrivals(clock, elapsed)
        self.wants_pq = True
        """Whether new connections are to be encrypted against quantum computers, too."""
        self.sends_receipts = True
        """Whether contacts are told that their texts and calls were received."""
        self._tasks: set[asyncio.Task[None]] = set()
        # what is on its way: a call does not outlive the process, so neither does this
        self._sent_calls = SentCalls(database, self._emit)
        self._inbox = Inbox(
            self._contacts,
            self._history,
            Outlets(
                emit=self._emit,
                call_message=handler,
                call_message_settled=self._sent_calls.settled,
                call_message_reached=self._sent_calls.reached,
                allow=self._allow,
                confirm=self._confirm,
                end_call=lambda contact, call_id: self._sending.try_send(contact, CallEnd(call_id)),
                close_later=lambda contact: database.after_commit(lambda: self._spawn(self._close(contact))),
                now=self._now,
                waited=lambda connection_id, taken_at: self._arrivals.arrived(connection_id, taken_at.timestamp()),
                elapsed=elapsed,
                slow_down=lambda connection_id, seconds: self._agent.slow_down(connection_id, seconds),  # noqa: PLW0108
            ),
        )
        self.addresses = Addresses(database, self._contacts, lambda: self._agent, emit=self._emit, now=self._now)
        """Our contact address, and who asks through it."""
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
        return self._own.stored

    def set_profile(
        self, display_name: str, full_name: str = "", image: str | None = None, *, calls_allowed: bool = True
    ) -> Profile:
        """Choose or change the local profile; all connected contacts are told."""
        return self._own.change(display_name, full_name, image, calls_allowed=calls_allowed)

    def set_calls_allowed(self, contact_id: int, allowed: bool | None) -> Contact:  # noqa: FBT001 - a value
        """Welcome a contact's calls, or not; ``None``: as in the profile. They are told."""
        return self._own.set_calls_allowed(contact_id, allowed)

    def _profile_changed(self) -> None:
        if self._agent.addresses():
            self._database.after_commit(lambda: self._spawn(self.addresses.show(self._own.link_data())))

    def set_audio_only(self, contact_id: int, *, on: bool) -> Contact:
        """Take a contact's calls with the camera off, or as they come. Nobody is told."""
        with self._database.transaction():
            contact = self._contacts.set_audio_only(self.contact(contact_id), on=on)
            self._emit(ContactUpdated(contact))
        return contact

    def set_verified_code(self, contact_id: int, code: str | None) -> Contact:
        """Keep the security code that the user has compared with the contact's."""
        with self._database.transaction():
            contact = self._contacts.set_verified_code(self.contact(contact_id), code)
            self._emit(ContactUpdated(contact))
        return contact

    def _allow(self, contact: Contact) -> None:
        """Accept who used our link, and tell who we are."""
        if contact.connection_id is None:
            return
        info = self._own.info()
        try:
            self._agent.allow_connection(contact.connection_id, info)
        except LargeMessage:
            self._agent.allow_connection(contact.connection_id, compressed(info))

    # Contacts

    async def create_invitation(self) -> Invitation:
        """Make a link for one person, and a pending contact for them."""
        connection_id, link = await self._agent.create_connection(
            created=self._adder(ContactStatus.PENDING), user_data=self._own.link_data(), pq=self.wants_pq
        )
        with self._database.transaction():
            contact = self._made(connection_id)
            self._contacts.set_link(contact, link.full)
        return Invitation(link, contact.id)

    def invitation(self, contact_id: int) -> Invitation | None:
        """The link that a pending contact waits on, to be shown again; none once it was used."""
        contact = self.contact(contact_id)
        full = self._contacts.link(contact.id)
        if full is None or contact.connection_id is None:
            return None
        # those of earlier versions of this program are full ones, and known here only
        return Invitation(self._agent.connection_link(contact.connection_id) or ConnectionLink(full), contact.id)

    async def look_up_link(self, link: str) -> tuple[LinkPreview, Profile | None, Contact | None]:
        """What a link is, whose, and the contact that has it or was made by it."""
        preview = await self._agent.look_up_link(link.strip())
        contact = None if preview.connection_id is None else self._contacts.by_connection(preview.connection_id)
        if contact is not None and contact.status is ContactStatus.REMOVED:
            contact = None
        return preview, decode_link_data(preview.user_data), contact

    async def connect(self, link: str) -> Contact:
        """Use somebody's link; their name comes with :class:`ContactUpdated`."""
        link, created = link.strip(), self._adder(ContactStatus.CONNECTING)
        info = self._own.request() if is_address(link) else self._own.info()
        try:
            connection_id = await self._agent.join_connection(link, info, created=created, pq=self.wants_pq)
        except LargeMessage:
            # where post-quantum keys take their room, less is left; who knows these, knows compressed messages, too
            connection_id = await self._agent.join_connection(link, compressed(info), created=created, pq=self.wants_pq)
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
        return self._sending.contact(contact_id)

    async def delete_contact(self, contact_id: int, *, tell: bool = True) -> None:
        """Remove a contact with its whole history and connection; the other side is told if it is to be and can."""
        contact = self.contact(contact_id)
        with self._database.transaction():
            farewell = self._sending.try_send(contact, ContactDeleted()) if tell and contact.is_connected else None
            self._inbox.forget(contact.id)
            self._history.clear(contact.id)
            self._contacts.hide(contact, farewell)
            self._database.erase()
            self._emit(ContactRemoved(contact.id))
        if farewell is None:
            await self._close(contact)

    async def _close(self, contact: Contact) -> None:
        """Delete the connection of a contact that has no more use for it."""
        if contact.connection_id is not None:
            self._arrivals.unsubscribed(contact.connection_id)
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

    async def create_address(self) -> ConnectionLink:
        """Make our address, by which anybody can ask to connect; the one that there is, if there is."""
        return await self.addresses.create(self._own.link_data())

    async def accept_request(self, request_id: int) -> Contact:
        """Connect with who asked through our address."""
        return self._made(await self.addresses.accept(request_id, self._own.info(), pq=self.wants_pq))

    # Texts and history

    def send_text(self, contact_id: int, text: str) -> ChatItem:
        """Store a text and send it; its delivery comes with :class:`ItemUpdated`."""
        return self._texts.send(contact_id, text)

    def send_texts(self, contact_id: int, texts: Sequence[str]) -> list[ChatItem]:
        """Store several texts and send them, in as few messages as the contact's program takes."""
        return self._texts.send_several(contact_id, texts)

    def edit_text(self, item_id: int, text: str) -> ChatItem:
        """Change an own text, here and at the contact's."""
        return self._texts.edit(item_id, text)

    def delete_item(self, item_id: int, *, for_everyone: bool = False) -> None:
        """Remove a text or notice here, and an own text at the contact's too if it is to go ``for_everyone``."""
        self._texts.delete(item_id, for_everyone=for_everyone)

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

    def mark_read(self, contact_id: int) -> None:
        """Note that the user has read a conversation."""
        contact = self.contact(contact_id)
        with self._database.transaction():
            if self._contacts.mark_read(contact.id):
                self._emit(ContactUpdated(self.contact(contact.id)))

    # Calls

    def send_call_message(self, contact_id: int, message: CallMessage) -> None:
        """Send a call message, in the current transaction; it leaves once that is committed.

        Raises :class:`TooLargeError` for descriptions that do not fit, :class:`NotConnectedError`. Who catches these
        and goes on with the same transaction, calls this in a ``savepoint()``.
        """
        contact = self._sending.connected(contact_id)
        number = self._sending.send(contact, message, self._sending.new_message_id())
        self._sent_calls.sent(contact.id, number, message)

    def gives_receipts(self, contact_id: int) -> bool:
        """Whether the contact's program is known to say what it received."""
        return self._history.gives_receipts(contact_id)

    def call_binding(self, contact_id: int) -> bytes | None:
        """The 32 bytes behind the connection's security code: what a call's code is bound to."""
        contact = self._sending.connected(contact_id)
        assert contact.connection_id is not None  # noqa: S101 - a connected contact has one
        try:
            code = self._agent.security_code(contact.connection_id)
        except UnknownConnection:
            return None
        return None if code is None else code_digest(code)

    def is_quantum_resistant(self, contact_id: int) -> bool | None:
        """Whether the contact's ratchet resists quantum computers in both directions, if that is known."""
        contact = self._sending.connected(contact_id)
        assert contact.connection_id is not None  # noqa: S101 - a connected contact has one
        try:
            return self._agent.is_quantum_resistant(contact.connection_id)
        except UnknownConnection:
            return None

    def put_call_item(
        self, contact_id: int, direction: Direction, call: CallDetails, *, sent_at: datetime | None = None
    ) -> ChatItem:
        """Add a call to the history; ``direction`` SENT is our call, RECEIVED theirs."""
        contact = self.contact(contact_id)
        with self._database.transaction():
            item = self._history.add_call(contact.id, direction, call, self._now(), sent_at)
            if direction is Direction.RECEIVED:
                self._contacts.count_unread(contact.id)
            self._emit(ItemAdded(item))
            self._note_missed(item)
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
            self._note_missed(item)
        return item

    # Inside

    def _note_missed(self, item: ChatItem) -> None:
        details = item.details
        is_missed = isinstance(details, CallDetails) and details.status in (CallStatus.MISSED, CallStatus.BUSY)
        if is_missed and item.direction is Direction.RECEIVED:
            self._contacts.count_missed_call(item.contact_id)
            self._emit(ContactUpdated(self.contact(item.contact_id)))

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
        task.add_done_callback(self._ended)

    def _ended(self, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        if not task.cancelled() and (error := task.exception()) is not None:
            # a damaged file, say: nobody waits for it
            logger.critical("what was begun in the background failed: %s", type(error).__name__)

    # What the agent tells, inside its transaction

    def _on_agent_event(self, event: AgentEvent) -> None:
        with self._database.transaction():
            match event:
                case agent_events.ServerConnected() | agent_events.ServerDisconnected():
                    connected = isinstance(event, agent_events.ServerConnected)
                    for connection_id in event.connection_ids:
                        (self._arrivals.subscribed if connected else self._arrivals.unsubscribed)(connection_id)
                    contact_ids = self._contacts.ids_of(event.connection_ids)
                    self._emit(ServerStateChanged(event.server.uri(), connected, contact_ids))
                case agent_events.ContactRequestReceived():
                    self.addresses.take(event)
                case _:
                    if isinstance(event, agent_events.SubscriptionTaken):
                        self._arrivals.unsubscribed(event.connection_id)
                    self._inbox.take(event)

    def _confirm(self, connection_id: int, number: int) -> None:
        if self.sends_receipts:
            self._agent.send_receipt(connection_id, number)
