"""A chat page's session: requests are answered, events are pushed, until the page is gone."""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import Callable
from typing import Any, Protocol

from simplex_calls.bridge.answering import Methods
from simplex_calls.bridge.faults import describe
from simplex_calls.bridge.pages import PageGoneError
from simplex_calls.bridge.values import Json
from simplex_calls.catalogue import text
from simplex_calls.client import Client, ClientError, Page

logger = logging.getLogger(__name__)

MAX_REQUESTS = 64
"""Most requests of one page that are being done at a time."""


class CarriedPage(Page, Protocol):
    """A page, and what carries it."""

    @property
    def transport(self) -> str:
        """``websocket`` or ``webview``."""


class ChatSession:
    """Serves one chat page. ``said_profile`` is told a new profile, for the other chat pages."""

    def __init__(
        self, client: Client | None, methods: Methods, page: Page, said_profile: Callable[[Json], None]
    ) -> None:
        self._client = client
        self._methods = methods
        self._page = page
        self._said_profile = said_profile
        self._requests: set[asyncio.Task[None]] = set()
        self._pushed: asyncio.Queue[Json] = asyncio.Queue(MAX_REQUESTS)
        self.last_request = 0.0
        """When the page asked for something last, by the loop's clock."""

    def push(self, message: Json) -> None:
        """Tell the page something; a page that does not listen loses it."""
        try:
            self._pushed.put_nowait(message)
        except asyncio.QueueFull:
            logger.warning("a chat page does not take messages")

    async def send_away(self) -> None:
        """Let the page load anew: what it shows is over."""
        with contextlib.suppress(PageGoneError):
            await self._page.send({"event": "reload"})

    async def run(self) -> None:
        """Serve the page until it is gone, or the client has stopped."""
        # before anything is answered: what happens after an answer must reach the page too
        events = None if self._client is None else self._client.events()
        tasks = [asyncio.create_task(self._read()), asyncio.create_task(self._tell_pushed())]
        if events is not None:
            tasks.append(asyncio.create_task(self._tell_events(events)))
        try:
            await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        finally:
            if events is not None:
                events.close()
            for task in tasks:
                task.cancel()
            for result in await asyncio.gather(*tasks, return_exceptions=True):
                if isinstance(result, Exception) and not isinstance(result, PageGoneError):
                    logger.error("a chat page's session failed: %s", describe(result))

    async def finish(self) -> None:
        """Give up the requests that are still being done; those of a page that is gone are done to their end."""
        for task in self._requests:
            task.cancel()
        await asyncio.gather(*self._requests, return_exceptions=True)

    @property
    def is_busy(self) -> bool:
        """Whether requests are being done."""
        return bool(self._requests)

    async def _read(self) -> None:
        async for message in self._page.responses():
            self.last_request = asyncio.get_running_loop().time()
            if len(self._requests) >= MAX_REQUESTS:
                number = message.get("id")
                if isinstance(number, int):
                    await self._page.send(self._methods.refusal(number, "bridge.error.busy", text("bridge.error.busy")))
                continue
            task = asyncio.create_task(self._answer(message))
            self._requests.add(task)
            task.add_done_callback(self._requests.discard)

    async def _answer(self, message: Json) -> None:
        answer = await self._methods.answer(message)
        if answer is None:
            return
        if message.get("method") == "set_profile" and "result" in answer:
            self._said_profile({"event": "profile", "profile": answer["result"]})
        try:
            await self._page.send(answer)
        except PageGoneError:
            logger.debug("a chat page was gone before its answer came")

    async def _tell_events(self, events: Any) -> None:
        try:
            async for event in events:
                message = self._methods.event(event)
                if message is not None:
                    await self._page.send(message)
        except ClientError as error:
            # the page can be opened anew, with all that it missed
            logger.warning("a chat page fell behind: %s", error.message_id)

    async def _tell_pushed(self) -> None:
        while True:
            await self._page.send(await self._pushed.get())
