"""What the window and the browser have in common: a client with its bridge, and somebody who rings."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Coroutine
from typing import Any, Protocol

from simplex_calls.bridge.faults import describe
from simplex_calls.bridge.server import Bridge
from simplex_calls.catalogue import text
from simplex_calls.chat.requests import Request
from simplex_calls.client import CallPhase, CallView, Client, ClientError
from simplex_calls.desktop.homes import Home
from simplex_calls.desktop.notifications import Notifications, Ring
from simplex_calls.events import (
    AcceptWanted,
    CallChanged,
    ContactRequestAdded,
    ContactRequestRemoved,
    Event,
    PageWanted,
)

logger = logging.getLogger(__name__)


class OpenCall(Protocol):
    """Opens a call's page; ``from_page``: a chat page was clicked for it, not a notification."""

    def __call__(self, call_id: str, *, from_page: bool) -> Coroutine[Any, Any, None]:
        """Open it."""


class Program:
    """Follows the client's events: opens calls' pages and shows what rings.

    ``open_call`` opens a call's page, ``show`` brings the chat page to the front. ``prepare_call`` loads the page of a
    call that rings, unseen, so that accepting need not wait for it.
    """

    def __init__(
        self,
        client: Client,
        bridge: Bridge,
        notifications: Notifications | None,
        *,
        open_call: OpenCall,
        show: Callable[[], None],
        prepare_call: Callable[[str], Coroutine[Any, Any, None]] | None = None,
    ) -> None:
        self._client = client
        self._bridge = bridge
        self._notifications = notifications
        self._open_call = open_call
        self._show = show
        self._prepare_call = prepare_call
        self._prepared: str | None = None
        self._work: set[asyncio.Task[None]] = set()
        self._accepted_outside: set[str] = set()
        self._events = client.events()

    async def run(self) -> None:
        """Follow events until the client stops."""
        try:
            async for event in self._events:
                self._happened(event)
        finally:
            self._events.close()
            for task in self._work:
                task.cancel()
            await asyncio.gather(*self._work, return_exceptions=True)
            if self._notifications is not None:
                await self._notifications.stop()

    def _happened(self, event: Event) -> None:
        match event:
            case PageWanted(call_id):
                # one call at a time
                self._bridge.end_pasted()
                self._do(self._open_call(call_id, from_page=call_id not in self._accepted_outside))
                self._accepted_outside.discard(call_id)
            case AcceptWanted(call_id):
                self._ask_first(call_id)
            case CallChanged(call):
                self._prepare(call)
                if self._notifications is not None:
                    self._rings(self._notifications, call)
            case ContactRequestAdded(request) if self._notifications is not None:
                self._asks(self._notifications, request)
            case ContactRequestRemoved(request_id) if self._notifications is not None:
                self._notifications.withdraw(_request_key(request_id))

    def _prepare(self, call: CallView) -> None:
        # one at a time: somebody may let many calls ring
        if call.id == self._prepared and call.state is CallPhase.ENDED:
            self._prepared = None
        is_awaited = call.state is CallPhase.RINGING and not self._client.call_settings.do_not_disturb
        if self._prepare_call is None or self._prepared is not None or not is_awaited:
            return
        if not any(other.is_active for other in self._client.calls()):
            self._prepared = call.id
            self._do(self._prepare_call(call.id))

    def _rings(self, notifications: Notifications, call: CallView) -> None:
        if call.state is not CallPhase.RINGING:
            notifications.withdraw(call.id)
            return
        if self._client.call_settings.do_not_disturb:
            return
        notifications.ring(
            Ring(
                call.id,
                call.contact_name or text("desktop.ring.unnamed"),
                text(f"desktop.ring.{call.media.value}"),
                accept=lambda: self._do(self._accept(call.id)),
                reject=lambda: self._do(self._reject(call.id)),
                show=self._show,
            )
        )

    def _asks(self, notifications: Notifications, request: Request) -> None:
        notifications.ring(
            Ring(
                _request_key(request.id),
                request.name or text("desktop.ring.unnamed"),
                text("desktop.request"),
                accept=lambda: self._do(self._accept_request(request.id)),
                reject=lambda: self._do(self._reject_request(request.id)),
                show=self._show,
            )
        )

    async def _accept_request(self, request_id: int) -> None:
        await self._client.accept_request(request_id)

    async def _reject_request(self, request_id: int) -> None:
        self._client.reject_request(request_id)

    async def _accept(self, call_id: str) -> None:
        call = self._client.call(call_id)
        if call.encrypted is not False and self._client.call_route(call.contact_id).is_open:
            self._accepted_outside = {call_id}
            await self._client.accept(call_id)
            return
        self._ask_first(call_id)

    def _ask_first(self, call_id: str) -> None:
        """The warning comes first, or the question, and the page has both."""
        self._show()
        self._bridge.push_to_latest({"event": "accept_wanted", "callId": call_id})

    async def _reject(self, call_id: str) -> None:
        await self._client.reject(call_id)

    def _do(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.create_task(self._finish(work))
        self._work.add(task)
        task.add_done_callback(self._work.discard)

    @staticmethod
    async def _finish(work: Coroutine[Any, Any, None]) -> None:
        try:
            await work
        except ClientError as error:
            # the call ended in between; the page shows it
            logger.info("not done: %s", error.message_id)
        except Exception as error:  # noqa: BLE001 - one thing that fails must not end the others
            logger.error("something that was asked for was not done: %s", describe(error))  # noqa: TRY400 - no text


def _request_key(request_id: int) -> str:
    return f"request {request_id}"


async def follow(home: Home, bridge: Bridge, program: Callable[[Client], Program]) -> None:
    """Run a program for each client that the home opens, one after the other, until cancelled."""
    while True:
        client = home.client
        task = None if client is None else asyncio.create_task(program(client).run())
        # only now: what happens from here on reaches both
        bridge.use(client)
        try:
            await home.changed()
        finally:
            if task is not None:
                task.cancel()
                await asyncio.gather(task, return_exceptions=True)
        await bridge.leave()
        await home.follow()
