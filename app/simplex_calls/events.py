"""Everything that a :class:`~simplex_calls.client.Client` tells: frozen facts, in the order they were stored in."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass

from simplex_calls.calls.views import AcceptWanted, CallChanged, CallMediaChanged, CallStats, PageWanted
from simplex_calls.chat.events import (
    ContactAdded,
    ContactConnected,
    ContactRemoved,
    ContactRequestAdded,
    ContactRequestRemoved,
    ContactTakenElsewhere,
    ContactUpdated,
    HistoryCleared,
    ItemAdded,
    ItemRemoved,
    ItemUpdated,
)
from simplex_calls.chat.history import ChatItem
from simplex_calls.client_errors import ClientError
from simplex_calls.database import StorageFault

__all__ = [
    "AcceptWanted",
    "CallChanged",
    "CallMediaChanged",
    "CallStats",
    "ContactAdded",
    "ContactConnected",
    "ContactRemoved",
    "ContactRequestAdded",
    "ContactRequestRemoved",
    "ContactTakenElsewhere",
    "ContactUpdated",
    "Event",
    "Events",
    "HistoryCleared",
    "ItemAdded",
    "ItemRemoved",
    "ItemUpdated",
    "MessageReceived",
    "PageWanted",
    "ServerConnected",
    "ServerDisconnected",
    "StorageFailed",
]

MAX_EVENTS = 10_000
"""Most events that wait for one reader; a reader that is further behind loses its place."""


@dataclass(frozen=True, slots=True)
class StorageFailed:
    """The profile's file cannot be read or written any more; messages wait on their servers meanwhile."""

    fault: StorageFault
    text: str
    """For the user: what to do."""


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
    """The connection to the server was lost, or could not be made yet; it is tried again and again."""

    server: str
    contact_ids: tuple[int, ...]


Event = (
    ContactAdded
    | ContactUpdated
    | ContactConnected
    | ContactRemoved
    | ContactRequestAdded
    | ContactRequestRemoved
    | ContactTakenElsewhere
    | ItemAdded
    | ItemUpdated
    | ItemRemoved
    | HistoryCleared
    | MessageReceived
    | CallChanged
    | PageWanted
    | AcceptWanted
    | CallStats
    | CallMediaChanged
    | ServerConnected
    | ServerDisconnected
    | StorageFailed
)


class Events(AsyncIterator[Event]):
    """All events from the moment on at which :meth:`Client.events` was called; ends when the client stops.

    A reader that falls :data:`MAX_EVENTS` behind gets a :class:`ClientError` after those.
    """

    def __init__(self, forget: Callable[[Events], None]) -> None:
        self._queue: asyncio.Queue[Event | None] = asyncio.Queue()
        self._forget = forget
        self._is_over = False
        self._has_lost = False

    def put(self, event: Event) -> None:
        """Add an event."""
        if self._queue.qsize() >= MAX_EVENTS:
            self._has_lost = True
            self.close()
        elif not self._is_over:
            self._queue.put_nowait(event)

    def close(self) -> None:
        """No more events: what is there can still be read."""
        if not self._is_over:
            self._is_over = True
            self._forget(self)
            self._queue.put_nowait(None)

    async def __anext__(self) -> Event:
        event = await self._queue.get()
        if event is not None:
            return event
        # the next reader must not wait either
        self._queue.put_nowait(None)
        if self._has_lost:
            raise ClientError("client.error.events-lost")
        raise StopAsyncIteration
