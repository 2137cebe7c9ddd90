"""Tells of incoming calls through the desktop's notifications, with buttons to accept and reject."""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import Callable
from dataclasses import dataclass, field

from desktop_notifier import Button, DesktopNotifier, Urgency
from desktop_notifier.common import Notification

from simplex_calls.catalogue import text

logger = logging.getLogger(__name__)

SECONDS = 5.0
"""How long the desktop may take to show or withdraw a notification."""


@dataclass(frozen=True, slots=True)
class Ring:
    """A call that rings; the callbacks run on the event loop's thread."""

    call_id: str
    title: str = field(repr=False)
    message: str
    accept: Callable[[], None]
    reject: Callable[[], None]
    show: Callable[[], None]
    """The notification itself was clicked."""


class Notifications:
    """Shows rings until they are withdrawn. Does nothing, quietly, where no desktop shows notifications."""

    def __init__(self) -> None:
        # the library writes to its log whatever a desktop lacks; one line of ours says enough
        logging.getLogger("desktop_notifier").setLevel(logging.CRITICAL)
        self._notifier = DesktopNotifier(app_name=text("desktop.title"))
        self._wanted: dict[str, Ring] = {}
        self._shown: dict[str, str] = {}
        self._work: set[asyncio.Task[None]] = set()
        self._turn = asyncio.Lock()

    def ring(self, ring: Ring) -> None:
        """Show a ring, once."""
        if ring.call_id not in self._wanted:
            self._wanted[ring.call_id] = ring
            self._begin()

    def withdraw(self, call_id: str) -> None:
        """The call does not ring any more."""
        if self._wanted.pop(call_id, None) is not None:
            self._begin()

    async def stop(self) -> None:
        """Withdraw everything."""
        self._wanted.clear()
        self._begin()
        await asyncio.gather(*self._work, return_exceptions=True)

    def _begin(self) -> None:
        task = asyncio.create_task(self._follow())
        self._work.add(task)
        task.add_done_callback(self._work.discard)

    async def _follow(self) -> None:
        """Bring what the desktop shows in line with what is wanted; one at a time, in order."""
        async with self._turn:
            for call_id in [it for it in self._shown if it not in self._wanted]:
                await self._clear(self._shown.pop(call_id))
            for call_id in [it for it in self._wanted if it not in self._shown]:
                await self._show(self._wanted[call_id])

    async def _show(self, ring: Ring) -> None:
        dispatched = False

        def note() -> None:
            nonlocal dispatched
            dispatched = True

        notification = Notification(
            title=ring.title,
            message=ring.message,
            urgency=Urgency.Critical,
            buttons=(
                Button(text("desktop.ring.accept"), on_pressed=ring.accept),
                Button(text("desktop.ring.reject"), on_pressed=ring.reject),
            ),
            on_clicked=ring.show,
            on_dispatched=note,
        )
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(SECONDS):
                await self._notifier.send_notification(notification)
        # also where it failed: it is not tried again for the same call
        self._shown[ring.call_id] = notification.identifier
        if not dispatched:
            logger.info("this desktop shows no notifications")

    async def _clear(self, identifier: str) -> None:
        try:
            async with asyncio.timeout(SECONDS):
                await self._notifier.clear(identifier)
        except Exception as error:  # noqa: BLE001 - whatever the desktop says: it is gone then
            logger.debug("a notification was gone: %s", type(error).__name__)
