"""What comes from the agent about one connection: applied to the tables, in the agent's transaction."""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime

from simplex_calls.agent import events as agent_events
from simplex_calls.agent.events import FailureReason, Integrity, IntegrityKind, RejectionReason
from simplex_calls.chat.batch import decode_body, decode_info
from simplex_calls.chat.contacts import Contact, ContactChange, Contacts, ContactStatus
from simplex_calls.chat.events import (
    CallMessageReceived,
    ChatEvent,
    ContactConnected,
    ContactTakenElsewhere,
    ContactUpdated,
    ItemAdded,
    ItemUpdated,
)
from simplex_calls.chat.history import Direction, History, Notice, TextDetails
from simplex_calls.chat.messages import (
    ChatMessage,
    ContactDeleted,
    Content,
    DeleteMessage,
    Info,
    MessageError,
    NewMessage,
    Profile,
    Unknown,
    UpdateMessage,
)

logger = logging.getLogger(__name__)

ConnectionEvent = (
    agent_events.ConfirmationReceived
    | agent_events.InfoReceived
    | agent_events.Connected
    | agent_events.MessageReceived
    | agent_events.MessageRejected
    | agent_events.MessageDelivered
    | agent_events.MessageFailed
    | agent_events.ConnectionFailed
    | agent_events.SubscriptionTaken
    | agent_events.QuantumResistanceChanged
    | agent_events.MessageReceiptReceived
    | agent_events.RatchetOutOfStep
    | agent_events.SecurityCodeChanged
    | agent_events.QueueSwitched
    | agent_events.QueueFull
    | agent_events.QueueDrained
)


@dataclass(frozen=True, slots=True)
class Outlets:
    """What the inbox asks of the shell."""

    emit: Callable[[ChatEvent], None]
    """Tell the floor above after the commit."""
    call_message: Callable[[CallMessageReceived], None]
    """Tell the floor above at once, inside the transaction."""
    call_message_settled: Callable[[Contact, int, FailureReason | None], None]
    """The agent delivered, or gave up, the message with this number: perhaps a call message."""
    allow: Callable[[int], None]
    """Accept who used our link."""
    close_later: Callable[[Contact], None]
    """Delete the contact's connection after the commit."""
    now: Callable[[], datetime]


class Inbox:
    """Applies the agent's events. Must be called inside a transaction."""

    def __init__(self, contacts: Contacts, history: History, outlets: Outlets) -> None:
        self._contacts = contacts
        self._history = history
        self._outlets = outlets

    def take(self, event: ConnectionEvent) -> None:
        """Apply one event."""
        contact = self._contacts.by_connection(event.connection_id)
        if contact is None:
            logger.info("%s of a connection without a contact", type(event).__name__)
        elif contact.status is ContactStatus.REMOVED:
            self._take_of_removed(contact, event)
        else:
            self._take_of(contact, event)

    def _take_of(self, contact: Contact, event: ConnectionEvent) -> None:
        match event:
            case agent_events.ConfirmationReceived(connection_id, info):
                if contact.status is ContactStatus.PENDING and self._take_info(contact, info):
                    self._outlets.allow(connection_id)
            case agent_events.InfoReceived(info=info):
                if contact.status is ContactStatus.CONNECTING:
                    self._take_info(contact, info)
            case agent_events.Connected():
                self._change(contact, ContactChange.CONNECTED)
            case agent_events.MessageReceived():
                self._receive(contact, event)
            case agent_events.MessageRejected(reason=reason):
                if reason not in (RejectionReason.DUPLICATE, RejectionReason.NOT_EXPECTED):
                    self._notice(contact, Notice.UNREADABLE)
            case agent_events.MessageDelivered(number=number):
                self._settled(contact, number, None)
            case agent_events.MessageFailed(number=number, reason=reason):
                self._settled(contact, number, reason)
            case agent_events.ConnectionFailed(reason=reason):
                self._change(contact, ContactChange.FAILED, reason)
            case agent_events.SubscriptionTaken():
                self._outlets.emit(ContactTakenElsewhere(contact.id))
            case agent_events.QuantumResistanceChanged():
                logger.info("post-quantum encryption is %s", "on" if event.on else "off")

    def _take_of_removed(self, contact: Contact, event: ConnectionEvent) -> None:
        match event:
            case agent_events.MessageDelivered(number=number) | agent_events.MessageFailed(number=number):
                if self._contacts.farewell_done(contact, number):
                    self._outlets.close_later(contact)
            case agent_events.ConnectionFailed():
                if self._contacts.farewell_done(contact):
                    self._outlets.close_later(contact)
            case _:
                logger.debug("%s of a removed contact", type(event).__name__)

    def _take_info(self, contact: Contact, info: bytes) -> bool:
        try:
            message = decode_info(info)
            if not isinstance(message.event, Info):
                raise MessageError("the connection info is not a profile")
        except MessageError as error:
            logger.warning("contact %d cannot be connected: %s", contact.id, error)
            self._change(contact, ContactChange.FAILED, FailureReason.INCOMPATIBLE)
            return False
        contact = self._contacts.set_profile(contact, message.event.profile)
        self._change(contact, ContactChange.PROFILE)
        return True

    def _change(self, contact: Contact, change: ContactChange, failure: FailureReason | None = None) -> bool:
        changed = self._contacts.change(contact, change, failure)
        if changed is None:
            logger.info("contact %d is %s: '%s' is ignored", contact.id, contact.status.value, change.value)
            return False
        self._outlets.emit((ContactConnected if change is ContactChange.CONNECTED else ContactUpdated)(changed))
        return True

    def _settled(self, contact: Contact, number: int, failure: FailureReason | None) -> None:
        item = self._history.delivered(contact.id, number, failure)
        if item:
            self._outlets.emit(ItemUpdated(item))
        else:
            self._outlets.call_message_settled(contact, number, failure)

    # Messages

    def _receive(self, contact: Contact, received: agent_events.MessageReceived) -> None:
        # a failed contact may still reach us, if only to say that we were deleted
        if not contact.name or contact.status in (ContactStatus.PENDING, ContactStatus.GONE):
            logger.info("a message of contact %d, which is %s, is ignored", contact.id, contact.status.value)
            return
        self._note_integrity(contact, received.integrity)
        bad: list[MessageError] = []
        for message in decode_body(received.body):
            if isinstance(message, MessageError):
                bad.append(message)
            else:
                # an earlier message of the same body may have changed the contact
                self._take_message(self._contacts.get(contact.id) or contact, message, received)
        if bad:
            # once for a body, however many bad parts somebody put into it
            logger.warning("%d messages of contact %d are not understood; the first: %s", len(bad), contact.id, bad[0])
            self._notice(contact, Notice.UNREADABLE)

    def _note_integrity(self, contact: Contact, integrity: Integrity) -> None:
        if integrity.ok:
            return
        if integrity.kind is IntegrityKind.GAP:
            first, last = integrity.first_missing, integrity.last_missing
            count = last - first + 1 if first is not None and last is not None else 1
            self._notice(contact, Notice.MESSAGES_LOST, count=max(1, count))
        else:
            self._notice(contact, Notice.OUT_OF_STEP)

    def _take_message(self, contact: Contact, message: ChatMessage, received: agent_events.MessageReceived) -> None:
        match message.event:
            case NewMessage(content):
                self._take_text(contact, content, message.message_id, received.broker_time)
            case UpdateMessage(target, content):
                self._take_update(contact, target, content, received.broker_time)
            case DeleteMessage(target):
                item = self._history.by_message_id(contact.id, Direction.RECEIVED, target)
                if item and isinstance(item.details, TextDetails) and not item.details.deleted:
                    self._outlets.emit(ItemUpdated(self._history.mark_deleted(item.id)))
            case Info(profile):
                self._take_profile(contact, profile)
            case ContactDeleted():
                if self._change(contact, ContactChange.DELETED):
                    self._notice(contact, Notice.CONTACT_DELETED)
                    self._outlets.close_later(contact)
            case Unknown(name):
                logger.info("%s is ignored", name)
            case call_message:
                if contact.is_connected:
                    # not after the commit: the call's state and its answer are stored with this message
                    self._outlets.call_message(CallMessageReceived(contact.id, call_message, received.broker_time))
                else:
                    logger.info("%s of contact %d: no answer could be sent", type(call_message).__name__, contact.id)

    def _take_text(
        self, contact: Contact, content: Content, message_id: bytes | None, sent_at: datetime, *, edited: bool = False
    ) -> None:
        if message_id and self._history.by_message_id(contact.id, Direction.RECEIVED, message_id):
            logger.info("a message of contact %d came twice", contact.id)
            return
        now = self._outlets.now()
        item = self._history.add_received(contact.id, content, message_id, now, sent_at, edited=edited)
        self._outlets.emit(ItemAdded(item))

    def _take_update(self, contact: Contact, target: bytes, content: Content, sent_at: datetime) -> None:
        item = self._history.by_message_id(contact.id, Direction.RECEIVED, target)
        if item is None:
            # as the protocol prescribes: the message itself may have been lost
            self._take_text(contact, content, target, sent_at, edited=True)
        elif isinstance(item.details, TextDetails) and not item.details.deleted and item.details.text != content.text:
            self._outlets.emit(ItemUpdated(self._history.edit(item.id, content)))

    def _take_profile(self, contact: Contact, profile: Profile) -> None:
        changed = self._contacts.set_profile(contact, profile)
        if changed.name != contact.name:
            self._notice(changed, Notice.RENAMED, text=contact.name)
        if changed != contact:
            self._outlets.emit(ContactUpdated(changed))

    def _notice(self, contact: Contact, notice: Notice, *, count: int = 1, text: str = "") -> None:
        item, new = self._history.add_notice(contact.id, notice, self._outlets.now(), count=count, text=text)
        self._outlets.emit(ItemAdded(item) if new else ItemUpdated(item))
