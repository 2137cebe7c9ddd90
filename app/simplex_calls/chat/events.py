"""What the chat floor tells the floor above: frozen facts.

They come after the transaction that caused them is committed, in order; only :class:`CallMessageReceived` comes
inside of it, so that the call's state and its answer are stored with the message or not at all.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime

from simplex_calls.agent.events import FailureReason
from simplex_calls.chat.contacts import Contact
from simplex_calls.chat.history import ChatItem
from simplex_calls.chat.messages import CallMessage
from simplex_calls.chat.requests import Request


@dataclass(frozen=True, slots=True)
class ContactAdded:
    """An invitation was made, or a link was used."""

    contact: Contact


@dataclass(frozen=True, slots=True)
class ContactUpdated:
    """A contact's name, preferences or status changed."""

    contact: Contact


@dataclass(frozen=True, slots=True)
class ContactConnected:
    """Texts and calls can go from now on."""

    contact: Contact


@dataclass(frozen=True, slots=True)
class ContactRemoved:
    """The user removed a contact, with its whole history."""

    contact_id: int


@dataclass(frozen=True, slots=True)
class ContactRequestAdded:
    """Somebody asks to connect through our address."""

    request: Request


@dataclass(frozen=True, slots=True)
class ContactRequestRemoved:
    """A request was answered, or asked again under another id, or its address deleted."""

    request_id: int


@dataclass(frozen=True, slots=True)
class ItemAdded:
    """The history has a new item."""

    item: ChatItem


@dataclass(frozen=True, slots=True)
class ItemUpdated:
    """An item changed: delivery, words, what came of a call."""

    item: ChatItem


@dataclass(frozen=True, slots=True)
class ItemRemoved:
    """The user removed an item."""

    contact_id: int
    item_id: int


@dataclass(frozen=True, slots=True)
class HistoryCleared:
    """The user removed a whole conversation."""

    contact_id: int


@dataclass(frozen=True, slots=True)
class CallMessageReceived:
    """A contact's call message; ``broker_time`` is when the server took it (UTC). Inside the transaction."""

    contact_id: int
    message: CallMessage
    broker_time: datetime
    waited: float | None = field(default=None, compare=False)
    """Seconds that it waited on the server; ``None``: nobody knows, go by the clock."""


@dataclass(frozen=True, slots=True)
class CallMessageDelivered:
    """The other side's server has a call message of ours (of this run of the program)."""

    contact_id: int
    call_id: bytes = field(repr=False)
    message_type: type[CallMessage]


@dataclass(frozen=True, slots=True)
class CallMessageReached:
    """The other side's program says that it has a call message of ours (of this run): so for invitations only."""

    contact_id: int
    call_id: bytes = field(repr=False)
    message_type: type[CallMessage]


@dataclass(frozen=True, slots=True)
class CallMessageFailed:
    """A call message of ours (of this run of the program) will never be delivered."""

    contact_id: int
    call_id: bytes = field(repr=False)
    message_type: type[CallMessage]
    reason: FailureReason


@dataclass(frozen=True, slots=True)
class ServerStateChanged:
    """Messages of these contacts can be received from a server, or cannot for now."""

    server: str
    """Its first host name."""
    connected: bool
    contact_ids: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class ContactTakenElsewhere:
    """Another program receives this contact's messages now: the profile is in use twice."""

    contact_id: int


ChatEvent = (
    ContactAdded
    | ContactUpdated
    | ContactConnected
    | ContactRemoved
    | ContactRequestAdded
    | ContactRequestRemoved
    | ItemAdded
    | ItemUpdated
    | ItemRemoved
    | HistoryCleared
    | CallMessageReceived
    | CallMessageDelivered
    | CallMessageReached
    | CallMessageFailed
    | ServerStateChanged
    | ContactTakenElsewhere
)
