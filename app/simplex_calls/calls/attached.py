"""One attached page: commands go to it in order, what it says is checked and handed on."""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import Callable, Mapping
from typing import Any

from simplex_calls.calls.page import (
    Capabilities,
    Page,
    PageAnswer,
    PageError,
    PageFault,
    PageMessage,
    PageOffer,
    Response,
    parse_message,
)

logger = logging.getLogger(__name__)

MAX_COMMANDS = 512
"""Most commands that wait for a page; one that lets more pile up counts as gone."""
MAX_NONSENSE = 20
"""Most messages that make no sense, of those that a call can go on without."""
SEND_SECONDS = 10.0
CLOSE_SECONDS = 5.0

_ANSWERS: dict[type[Response], str] = {Capabilities: "capabilities", PageOffer: "start", PageAnswer: "offer"}
"""Which command a response answers."""


class AttachedPage:
    """Carries the page protocol between a page and the manager, until either has enough.

    ``on_response`` gets what the page says; ``on_nonsense`` is called when the call cannot go on with such a page: its
    part of the signalling, or too much else, is not the page protocol.
    """

    def __init__(self, page: Page, on_response: Callable[[Response], None], on_nonsense: Callable[[], None]) -> None:
        self._page = page
        self._on_response = on_response
        self._on_nonsense = on_nonsense
        self._commands: asyncio.Queue[dict[str, Any] | None] = asyncio.Queue(MAX_COMMANDS)
        self._last_corr_id = 0
        self._awaited: dict[str, int] = {}
        self._shown: dict[str, Mapping[str, Any]] = {}
        self._words: Mapping[str, str] = {}
        self._knows_call = True
        self._nonsense = 0
        self._is_finished = False
        self._is_closed = False

    def command(self, fields: Mapping[str, Any]) -> None:
        """Give the page a command; it is on its way when this returns."""
        if self._is_finished:
            return
        self._last_corr_id += 1
        self._awaited[fields["type"]] = self._last_corr_id
        self._put({"corrId": self._last_corr_id, "command": dict(fields)})

    def show(self, call: Mapping[str, Any], words: Mapping[str, str]) -> None:
        """Let the page show the ``call``, or the ``words`` for it if that is all that it knows (an official page)."""
        self._words = words
        self._show({"type": "call", "call": call})
        if not self._knows_call:
            self._show({"type": "description", **words})

    def _show(self, fields: Mapping[str, Any]) -> None:
        kind = fields["type"]
        if self._shown.get(kind) != fields and (kind != "call" or self._knows_call):
            self._shown[kind] = fields
            self.command(fields)

    def finish(self, *, keep: bool) -> None:
        """The call is over: end the page's session, and close it unless it is to ``keep`` telling its user why."""
        if self._is_finished:
            return
        self.command({"type": "end"})
        self._is_finished = True
        if not keep:
            self._put(None)

    def abort(self) -> None:
        """Close the page now."""
        self._is_finished = True
        self._put(None)

    def _put(self, message: dict[str, Any] | None) -> None:
        try:
            self._commands.put_nowait(message)
        except asyncio.QueueFull:
            logger.warning("a call page takes no commands any more")
            self._is_finished = True
            self._commands.get_nowait()
            self._commands.put_nowait(None)

    async def run(self) -> None:
        """Serve the page until it is gone, or closed by :meth:`finish`."""
        reader = asyncio.create_task(self._read())
        writer = asyncio.create_task(self._write())
        try:
            await asyncio.wait({reader, writer}, return_when=asyncio.FIRST_COMPLETED)
            if not reader.done():
                await self._close()
                await asyncio.wait({reader}, timeout=CLOSE_SECONDS)
        finally:
            reader.cancel()
            writer.cancel()
            await asyncio.gather(reader, writer, return_exceptions=True)
            await self._close()
        for task in (reader, writer):
            if not task.cancelled() and (error := task.exception()) is not None:
                raise error

    async def _write(self) -> None:
        while (message := await self._commands.get()) is not None:
            try:
                async with asyncio.timeout(SEND_SECONDS):
                    await self._page.send(message)
            except Exception as error:  # noqa: BLE001 - whatever carries the page, it is gone
                logger.info("a call page is gone: %s", type(error).__name__)
                return

    async def _read(self) -> None:
        responses = self._page.responses()
        while True:
            try:
                message = await anext(responses)
            except StopAsyncIteration:
                return
            except Exception as error:  # noqa: BLE001 - whatever carries the page, it is gone
                logger.info("a call page is gone: %s", type(error).__name__)
                return
            try:
                parsed = parse_message(message)
            except PageError as error:
                logger.warning("a call page sent nonsense: %s", error)
                self._nonsense += 1
                if error.is_signalling or self._nonsense > MAX_NONSENSE:
                    self._on_nonsense()
                continue
            if isinstance(parsed.response, PageFault) and parsed.response.command == "call":
                self._knows_call = False
                self._show({"type": "description", **self._words})
            elif self._is_expected(parsed):
                self._on_response(parsed.response)

    def _is_expected(self, message: PageMessage) -> bool:
        """Whether this does not answer a command that another of its type has overtaken."""
        response = message.response
        command = response.command if isinstance(response, PageFault) else _ANSWERS.get(type(response))
        if message.corr_id is None or command not in self._awaited or message.corr_id == self._awaited[command]:
            return True
        logger.info("a call page answered an earlier %s", command)
        return False

    async def _close(self) -> None:
        if self._is_closed:
            return
        self._is_closed = True
        with contextlib.suppress(Exception):
            async with asyncio.timeout(CLOSE_SECONDS):
                await self._page.close()
