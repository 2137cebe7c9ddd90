"""Everything that a :class:`~simplex_calls.client.Client` tells: frozen facts, in the order they were stored in."""

from __future__ import annotations

from dataclasses import dataclass

from simplex_calls.calls.views import CallChanged, CallMediaChanged, CallStats, PageWanted
from simplex_calls.chat.events import (
    ContactAdded,
    ContactConnected,
    ContactRemoved,
    ContactTakenElsewhere,
    ContactUpdated,
    HistoryCleared,
    ItemAdded,
    ItemRemoved,
    ItemUpdated,
)
from simplex_calls.chat.history import ChatItem

__all__ = [
    "CallChanged",
    "CallMediaChanged",
    "CallStats",
    "ContactAdded",
    "ContactConnected",
    "ContactRemoved",
    "ContactTakenElsewhere",
    "ContactUpdated",
    "Event",
    "HistoryCleared",
    "ItemAdded",
    "ItemRemoved",
    "ItemUpdated",
    "MessageReceived",
    "PageWanted",
    "ServerConnected",
    "ServerDisconnected",
]


@dataclass(frozen=True, slots=True)
class MessageReceived:
    """A contact's text came; its :class:`ItemAdded` went before."""

    item: ChatItem


@dataclass(frozen=True, slots=True)
class ServerConnected:
    """Messages of these contacts are received from the server."""

    server: str
    contact_ids: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class ServerDisconnected:
    """The connection to the server was lost; it is being made again."""

    server: str
    contact_ids: tuple[int, ...]


Event = (
    ContactAdded
    | ContactUpdated
    | ContactConnected
    | ContactRemoved
    | ContactTakenElsewhere
    | ItemAdded
    | ItemUpdated
    | ItemRemoved
    | HistoryCleared
    | MessageReceived
    | CallChanged
    | PageWanted
    | CallStats
    | CallMediaChanged
    | ServerConnected
    | ServerDisconnected
)
