"""The program in the user's browser: no windows of its own, the same pages."""

from __future__ import annotations

import asyncio
import logging
import signal
import sys
import webbrowser
from collections.abc import Callable
from contextlib import AsyncExitStack

from simplex_calls.bridge.files import PagesMissingError
from simplex_calls.bridge.server import Bridge
from simplex_calls.bridge.shell import Mode
from simplex_calls.catalogue import text
from simplex_calls.client import CallPhase, Client, ClientError
from simplex_calls.desktop.errors import DesktopError
from simplex_calls.desktop.homes import Home, HomeFactory, as_home
from simplex_calls.desktop.notifications import Notifications
from simplex_calls.desktop.program import Program, follow

logger = logging.getLogger(__name__)


class Browser:
    """The pages of one client in the user's browser.

    ``home_factory`` gives a context that opens the home, or a single client; ``open_url`` opens an address in the
    browser, ``say`` tells the user something. Without ``opens``, addresses are only told.
    """

    def __init__(
        self,
        home_factory: HomeFactory,
        *,
        opens: bool = True,
        notifications: bool = True,
        open_url: Callable[[str], object] = webbrowser.open,
        say: Callable[[str], object] | None = None,
    ) -> None:
        self._home_factory = home_factory
        self._opens = opens
        self._notifies = notifications
        self._open_url = open_url
        self._say = _print if say is None else say
        self._home: Home | None = None
        self._bridge: Bridge | None = None
        self._stopping = asyncio.Event()

    def run(self) -> int:
        """Serve the pages until Ctrl-C or a polite kill; raises :class:`DesktopError`."""
        try:
            asyncio.run(self.serve())
        except ClientError as error:
            raise DesktopError(str(error)) from None
        except PagesMissingError as error:
            raise DesktopError(text("desktop.error.pages", detail=error)) from None
        return 0

    async def serve(self) -> None:
        """Serve the pages until :meth:`stop`, or a signal on the main thread."""
        loop = asyncio.get_running_loop()
        for number in (signal.SIGINT, signal.SIGTERM):
            loop.add_signal_handler(number, self.stop)
        async with AsyncExitStack() as stack:
            opened: Home | Client = await stack.enter_async_context(self._home_factory())
            home = self._home = as_home(opened)
            bridge = self._bridge = await stack.enter_async_context(Bridge(home.client, self, home.port))
            task = asyncio.create_task(follow(home, bridge, lambda client: self._program(client, bridge)))
            await self._open(bridge.chat_url("websocket"))
            self._say(text("desktop.browser.stop"))
            try:
                await self._stopping.wait()
            finally:
                task.cancel()
                await asyncio.gather(task, return_exceptions=True)

    def _program(self, client: Client, bridge: Bridge) -> Program:
        notifications = Notifications() if self._notifies else None
        return Program(client, bridge, notifications, open_call=self._open_call, show=self._show)

    def stop(self) -> None:
        """End :meth:`serve`; on its thread."""
        self._stopping.set()

    async def _open(self, url: str) -> None:
        self._say(text("desktop.browser.open", url=url))
        if self._opens:
            # a browser may take its time to start
            await asyncio.to_thread(self._open_url, url)

    async def _open_call(self, call_id: str, *, from_page: bool) -> None:
        if self._bridge is None:
            raise RuntimeError("a call's page needs the server")
        await self._open_page(self._bridge, call_id, from_page=from_page)

    async def _open_page(self, bridge: Bridge, call_id: str, *, from_page: bool) -> None:
        url = bridge.call_url(call_id, "websocket")
        wanted = {"event": "page_wanted", "callId": call_id, "url": url}
        # a page can open a tab only when it was clicked itself
        if not (from_page and bridge.push_to_latest(wanted)):
            await self._open(url)

    def _show(self) -> None:
        # a tab cannot be brought to the front from outside; without one there must be a new one
        if self._bridge is not None and not self._bridge.has_chat.is_set():
            self._say(text("desktop.browser.open", url=self._bridge.chat_url("websocket")))

    # what the chat page asks for

    @property
    def mode(self) -> Mode:
        """The page opens its calls."""
        return Mode.BROWSER

    async def show_call(self, call_id: str) -> None:
        """Give the page another address for a call whose page was not opened."""
        client = None if self._home is None else self._home.client
        if client is None:
            return
        call = client.call(call_id)
        if call.is_active and not call.has_page and call.state is not CallPhase.ENDED:
            await self._open_call(call_id, from_page=True)

    async def paste_call(self) -> None:
        """Open a tab for a call without SimpleX."""
        client = None if self._home is None else self._home.client
        if client is not None and self._bridge is not None:
            await self._open_page(self._bridge, self._bridge.add_pasted(client.pasted_ice()).id, from_page=True)


def _print(line: str) -> None:
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()
