"""Open pages as the client sees them (:class:`~simplex_calls.client.Page`), over a WebSocket or in a window.

Both carry JSON objects, in order, in both directions.
"""

from __future__ import annotations

import asyncio
import json
import logging
from collections.abc import AsyncIterator, Callable
from typing import Any

from aiohttp import WSMsgType, web

logger = logging.getLogger(__name__)

MAX_MESSAGE_SIZE = 512 * 1024
"""Most bytes (characters, from a window) of one message of a page."""
MAX_WAITING = 1024
"""Most messages of a window's page that wait to be read."""
SEND_SECONDS = 10.0
"""How long a page may take to take a message."""


class PageGoneError(Exception):
    """The page is closed, reloaded or its renderer is dead."""


class ProtocolError(ValueError):
    """A page sent something that is not a JSON object; the text never holds what it sent."""


def parse(text: str) -> dict[str, Any]:
    """One message of a page; raises :class:`ProtocolError`."""
    try:
        message = json.loads(text)
    except (ValueError, RecursionError):
        raise ProtocolError("a page's message is not JSON") from None
    if not isinstance(message, dict):
        raise ProtocolError("a page's message is not an object")
    return message


class WebSocketPage:
    """A page in an ordinary browser."""

    transport = "websocket"

    def __init__(self, socket: web.WebSocketResponse) -> None:
        self._socket = socket

    async def send(self, message: dict[str, Any]) -> None:
        """Give the page a message; raises :class:`PageGoneError`."""
        try:
            async with asyncio.timeout(SEND_SECONDS):
                await self._socket.send_str(json.dumps(message))
        except (TimeoutError, ConnectionError, RuntimeError) as error:
            raise PageGoneError("the page's connection is closed") from error

    async def responses(self) -> AsyncIterator[dict[str, Any]]:
        """What the page says until its connection closes. Nonsense closes it."""
        async for frame in self._socket:
            if frame.type is not WSMsgType.TEXT:
                logger.warning("a page sent a frame that is no text")
                break
            try:
                message = parse(frame.data)
            except ProtocolError as error:
                logger.warning("closed a page: %s", error)
                break
            yield message

    async def close(self) -> None:
        """Close the connection; the page says so."""
        await self._socket.close()


class WebviewPage:
    """A page in a window of this program.

    ``run_script(script, done)`` hands a script to the window, in the order of the calls, and lets it call ``done``
    afterwards, in any thread; ``close_window`` closes the window. Neither may block. The window calls :meth:`post` for
    every message of the page, in order, and :meth:`lost` when the page is gone; both in any thread.
    Everything else belongs to the thread of ``loop``.
    """

    transport = "webview"

    def __init__(
        self,
        loop: asyncio.AbstractEventLoop,
        run_script: Callable[[str, Callable[[], None]], None],
        close_window: Callable[[], None],
    ) -> None:
        self._loop = loop
        self._run_script = run_script
        self._close_window = close_window
        self._received: asyncio.Queue[str | None] = asyncio.Queue()
        self._gone = asyncio.Event()

    # for the window, in any thread

    def post(self, text: str) -> None:
        """Take a message of the page."""
        self._call(self._take, text)

    def lost(self) -> None:
        """The page is closed, reloaded or dead."""
        self._call(self._lose)

    def _call(self, function: Callable[..., None], *arguments: object) -> None:
        try:
            self._loop.call_soon_threadsafe(function, *arguments)
        except RuntimeError:
            # the program has ended, and everything with it
            logger.debug("a window spoke after the end")

    # for the event loop

    def _take(self, text: str) -> None:
        if self._gone.is_set():
            return
        if len(text) > MAX_MESSAGE_SIZE or self._received.qsize() >= MAX_WAITING:
            logger.warning("a page sent too much")
            self._lose()
            self._close_window()
            return
        self._received.put_nowait(text)

    def _lose(self) -> None:
        if not self._gone.is_set():
            self._gone.set()
            self._received.put_nowait(None)

    async def send(self, message: dict[str, Any]) -> None:
        """Give the page a message; raises :class:`PageGoneError`."""
        if self._gone.is_set():
            raise PageGoneError("the window is closed")
        done = asyncio.Event()
        # JSON in JSON: a string literal of JavaScript that holds the message's text
        self._run_script(f"simplexCalls.receive({json.dumps(json.dumps(message))})", lambda: self._call(done.set))
        gone = asyncio.ensure_future(self._gone.wait())
        taken = asyncio.ensure_future(done.wait())
        try:
            await asyncio.wait({gone, taken}, timeout=SEND_SECONDS, return_when=asyncio.FIRST_COMPLETED)
        finally:
            gone.cancel()
            taken.cancel()
        if not done.is_set():
            self._lose()
            raise PageGoneError("the window does not take messages")

    async def responses(self) -> AsyncIterator[dict[str, Any]]:
        """What the page says until it is gone. Nonsense ends it."""
        while (text := await self._received.get()) is not None:
            try:
                message = parse(text)
            except ProtocolError as error:
                logger.warning("closed a page: %s", error)
                break
            yield message
        # the next reader must not wait either
        self._received.put_nowait(None)

    async def close(self) -> None:
        """Close the window, unless it shows something else already; doing it twice is fine."""
        if not self._gone.is_set():
            self._lose()
            self._close_window()
