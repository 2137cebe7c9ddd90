"""What comes from the agent about one connection: applied to the tables, in the agent's transaction."""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta

from simplex_calls.agent import events as agent_events
from simplex_calls.agent.events import (
    FailureReason,
    Integrity,
    IntegrityKind,
    QueueDirection,
    RejectionReason,
    SwitchPhase,
)
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
from simplex_calls.chat.limits import CALL_INVITATIONS, CALL_MESSAGES, ENTRIES, ENTRY_LENGTH, Allowance
from simplex_calls.chat.messages import (
    CallEnd,
    CallInvitation,
    CallMessage,
    ChatMessage,
    ContactDeleted,
    ContactRequest,
    Content,
    DeleteMessage,
    Info,
    MessageError,
    NewMessage,
    Profile,
    Unknown,
    UpdateMessage,
    common_version,
)

logger = logging.getLogger(__name__)

JOINED_VERSION = 8
"""What those whose link we used speak at least: official clients that can be connected with are not older."""

DELETABLE = timedelta(hours=78)
"""How long after a text its sender may take it back: a day and more for the way, as official clients have it."""

_MOVED = {
    QueueDirection.RECEIVING: Notice.ADDRESS_CHANGED,
    QueueDirection.SENDING: Notice.CONTACT_CHANGED_ADDRESS,
}

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
    call_message_settled: Callable[[int, int, FailureReason | None], None]
    """The agent delivered, or gave up, the message with this number: perhaps a call message."""
    call_message_reached: Callable[[int, int], None]
    """The other side has the message with this number: perhaps a call message."""
    allow: Callable[[Contact], None]
    """Accept who used our link."""
    confirm: Callable[[int, int], None]
    """Tell the other side that the message with this number of a connection was received, if the user wants that."""
    end_call: Callable[[Contact, bytes], object]
    """Tell the other side that a call is not taken."""
    close_later: Callable[[Contact], None]
    """Delete the contact's connection after the commit."""
    now: Callable[[], datetime]
    waited: Callable[[int, datetime], float]
    """How long a message of a connection waited on the server that took it then."""
    elapsed: Callable[[], float]
    """A clock that nobody sets."""
    slow_down: Callable[[int, float], None]
    """Take the next message of a connection only after so many seconds."""


class Inbox:
    """Applies the agent's events. Must be called inside a transaction."""

    def __init__(self, contacts: Contacts, history: History, outlets: Outlets) -> None:
        self._contacts = contacts
        self._history = history
        self._outlets = outlets
        self._invitations = Allowance(CALL_INVITATIONS, outlets.elapsed)
        self._call_messages = Allowance(CALL_MESSAGES, outlets.elapsed)
        self._entries = Allowance(ENTRIES, outlets.elapsed)
        self._spent = 0.0

    def forget(self, contact_id: int) -> None:
        """The contact was removed."""
        self._invitations.forget(contact_id)
        self._call_messages.forget(contact_id)
        self._entries.forget(contact_id)

    def take(self, event: ConnectionEvent) -> None:
        """Apply one event."""
        contact = self._contacts.by_connection(event.connection_id)
        if contact is None:
            logger.info("%s of a connection without a contact", type(event).__name__)
        elif contact.status is ContactStatus.REMOVED:
            self._take_of_removed(contact, event)
        else:
            self._spent = 0.0
            self._take_of(contact, event)
            if self._spent and (seconds := self._entries.spend(contact.id, self._spent)):
                logger.warning("contact %d floods us: the next message waits %.1f s", contact.id, seconds)
                self._outlets.slow_down(event.connection_id, seconds)

    def _show(self, event: ItemAdded | ItemUpdated | ContactUpdated) -> None:
        """Tell of what the contact, as often as it likes, did to the history or to itself."""
        self._spent += 1.0
        if isinstance(event, ItemAdded | ItemUpdated) and isinstance(event.item.details, TextDetails):
            details = event.item.details
            self._spent += (len(details.text) + len(details.preview or "")) // ENTRY_LENGTH
        self._outlets.emit(event)

    def _take_of(self, contact: Contact, event: ConnectionEvent) -> None:
        match event:
            case agent_events.ConfirmationReceived(info=info):
                # a contact that is connecting asked through an address, and is accepted
                asked = contact.status is ContactStatus.CONNECTING
                if (asked or contact.status is ContactStatus.PENDING) and (
                    taken := self._take_info(contact, info, JOINED_VERSION if asked else 1)
                ):
                    self._outlets.allow(taken)
            case agent_events.InfoReceived(info=info):
                if contact.status is ContactStatus.CONNECTING:
                    self._take_info(contact, info, JOINED_VERSION)
            case agent_events.Connected():
                self._change(contact, ContactChange.CONNECTED)
            case agent_events.MessageReceived():
                self._receive(contact, event)
            case agent_events.MessageRejected(reason=reason):
                if reason not in (RejectionReason.DUPLICATE, RejectionReason.NOT_EXPECTED):
                    self._notice(contact, Notice.UNREADABLE)
            case agent_events.MessageDelivered(number=number):
                self._settled(contact, number, None)
            case agent_events.MessageReceiptReceived(number=number, is_good=is_good):
                if is_good:
                    items = self._history.received(contact.id, number)
                    for item in items:
                        self._outlets.emit(ItemUpdated(item))
                    if not items:
                        self._outlets.call_message_reached(contact.id, number)
                else:
                    logger.warning("contact %d received another message than ours", contact.id)
            case agent_events.MessageFailed(number=number, reason=reason):
                self._settled(contact, number, reason)
            case agent_events.ConnectionFailed(reason=reason):
                self._change(contact, ContactChange.FAILED, reason)
            case agent_events.SubscriptionTaken():
                self._outlets.emit(ContactTakenElsewhere(contact.id))
            case agent_events.SecurityCodeChanged():
                contact = self._contacts.set_verified_code(contact, None)
                self._notice(contact, Notice.CODE_CHANGED)
                self._show(ContactUpdated(contact))
            case agent_events.QueueSwitched(direction=direction, phase=phase):
                if phase is SwitchPhase.COMPLETED:
                    self._notice(contact, _MOVED[direction])
                self._show(ContactUpdated(contact))
            case agent_events.QueueFull():
                # once, however long it lasts and however often the program is started meanwhile
                if not self._history.waits(contact.id, Notice.QUEUE_FULL):
                    self._notice(contact, Notice.QUEUE_FULL)
                self._outlets.emit(ContactUpdated(contact))
            case (
                agent_events.RatchetOutOfStep() | agent_events.QuantumResistanceChanged() | agent_events.QueueDrained()
            ):
                # the contact's details tell
                self._show(ContactUpdated(contact))

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

    def _take_info(self, contact: Contact, info: bytes, version: int) -> Contact | None:
        """Take over the profile that came while connecting; ``version``: what the other side speaks at least."""
        try:
            message = decode_info(info)
            if not isinstance(message.event, Info):
                raise MessageError("the connection info is not a profile")
        except MessageError as error:
            logger.warning("contact %d cannot be connected: %s", contact.id, error)
            self._change(contact, ContactChange.FAILED, FailureReason.INCOMPATIBLE)
            return None
        contact = self._contacts.set_profile(contact, message.event.profile)
        contact = self._contacts.raise_version(contact, max(version, common_version(message.versions)))
        self._change(contact, ContactChange.PROFILE)
        return contact

    def _change(self, contact: Contact, change: ContactChange, failure: FailureReason | None = None) -> bool:
        changed = self._contacts.change(contact, change, failure)
        if changed is None:
            logger.info("contact %d is %s: '%s' is ignored", contact.id, contact.status.value, change.value)
            return False
        self._outlets.emit((ContactConnected if change is ContactChange.CONNECTED else ContactUpdated)(changed))
        return True

    def _settled(self, contact: Contact, number: int, failure: FailureReason | None) -> None:
        items = self._history.delivered(contact.id, number, failure)
        for item in items:
            self._outlets.emit(ItemUpdated(item))
        if not items:
            self._outlets.call_message_settled(contact.id, number, failure)

    # Messages

    def _receive(self, contact: Contact, received: agent_events.MessageReceived) -> None:
        # a failed contact may still reach us, if only to say that we were deleted
        if not contact.name or contact.status in (ContactStatus.PENDING, ContactStatus.GONE):
            logger.info("a message of contact %d, which is %s, is ignored", contact.id, contact.status.value)
            return
        waited = self._outlets.waited(received.connection_id, received.broker_time)
        self._note_integrity(contact, received.integrity)
        bad: list[MessageError] = []
        wants_receipt = False
        for message in decode_body(received.body):
            if isinstance(message, MessageError):
                bad.append(message)
            else:
                # an earlier message of the same body may have changed the contact
                contact = self._contacts.get(contact.id) or contact
                if contact.status is ContactStatus.GONE:
                    break  # nothing follows a farewell
                contact = self._contacts.raise_version(contact, common_version(message.versions))
                self._take_message(contact, message, received, waited)
                wants_receipt = wants_receipt or isinstance(message.event, NewMessage | CallInvitation)
        if wants_receipt:
            self._outlets.confirm(received.connection_id, received.number)
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

    def _take_message(
        self, contact: Contact, message: ChatMessage, received: agent_events.MessageReceived, waited: float
    ) -> None:
        match message.event:
            case NewMessage(content):
                self._take_text(contact, content, message.message_id, received.broker_time)
            case UpdateMessage(target, content):
                self._take_update(contact, target, content, received.broker_time)
            case DeleteMessage(target):
                self._take_deletion(contact, target, received.broker_time)
            case Info(profile):
                self._take_profile(contact, profile)
            case ContactDeleted():
                if self._change(contact, ContactChange.DELETED):
                    self._notice(contact, Notice.CONTACT_DELETED)
                    self._outlets.close_later(contact)
            case Unknown(name):
                logger.info("%s is ignored", name)
            case ContactRequest():
                logger.info("x.contact is ignored: contact %d is one already", contact.id)
            case call_message:
                self._take_call_message(contact, call_message, received.broker_time, waited)

    def _take_call_message(self, contact: Contact, message: CallMessage, sent_at: datetime, waited: float) -> None:
        name = type(message).__name__
        allowance = self._invitations if isinstance(message, CallInvitation) else self._call_messages
        if not isinstance(message, CallEnd) and not allowance.take(contact.id):
            # nothing is stored of it: that is what the flood is after
            logger.warning("%s of contact %d is one too many", name, contact.id)
        elif not contact.is_connected:
            logger.info("%s of contact %d: no answer could be sent", name, contact.id)
        elif isinstance(message, CallInvitation) and not contact.calls_allowed:
            # official clients refuse both ways, too: whoever takes no calls makes none
            self._notice(contact, Notice.CALL_REFUSED)
            self._outlets.end_call(contact, message.call_id)
        else:
            # not after the commit: the call's state and its answer are stored with this message
            self._outlets.call_message(CallMessageReceived(contact.id, message, sent_at, waited))

    def _take_deletion(self, contact: Contact, target: bytes, sent_at: datetime) -> None:
        item = self._history.by_message_id(contact.id, Direction.RECEIVED, target)
        if item is None or not isinstance(item.details, TextDetails) or item.details.deleted:
            return
        if item.sent_at is not None and sent_at - item.sent_at >= DELETABLE:
            logger.info("contact %d wants a text gone that is too old for it", contact.id)
            return
        self._show(ItemUpdated(self._history.mark_deleted(item.id)))

    def _take_text(
        self, contact: Contact, content: Content, message_id: bytes | None, sent_at: datetime, *, edited: bool = False
    ) -> None:
        if message_id and self._history.by_message_id(contact.id, Direction.RECEIVED, message_id):
            logger.info("a message of contact %d came twice", contact.id)
            return
        now = self._outlets.now()
        item = self._history.add_received(contact.id, content, message_id, now, sent_at, edited=edited)
        self._contacts.count_unread(contact.id)
        self._show(ItemAdded(item))

    def _take_update(self, contact: Contact, target: bytes, content: Content, sent_at: datetime) -> None:
        item = self._history.by_message_id(contact.id, Direction.RECEIVED, target)
        if item is None:
            # as the protocol prescribes: the message itself may have been lost
            self._take_text(contact, content, target, sent_at, edited=True)
        elif isinstance(item.details, TextDetails) and not item.details.deleted and item.details.text != content.text:
            self._show(ItemUpdated(self._history.edit(item.id, content)))

    def _take_profile(self, contact: Contact, profile: Profile) -> None:
        changed = self._contacts.set_profile(contact, profile)
        if changed.name != contact.name and not self._history.ends_with(contact.id, Notice.RENAMED):
            # somebody who changes names all the time does not fill the history
            self._notice(changed, Notice.RENAMED, text=contact.name)
        if changed != contact:
            self._show(ContactUpdated(changed))

    def _notice(self, contact: Contact, notice: Notice, *, count: int = 1, text: str = "") -> None:
        item, new = self._history.add_notice(contact.id, notice, self._outlets.now(), count=count, text=text)
        self._show(ItemAdded(item) if new else ItemUpdated(item))
