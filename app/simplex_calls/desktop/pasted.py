"""A call without SimpleX by itself: one page, in a window or in the browser, no profile and no server."""

from __future__ import annotations

import asyncio
import concurrent.futures
import os
import signal
import sys
import threading
import webbrowser
from collections.abc import Callable

from simplex_calls.bridge.files import PagesMissingError
from simplex_calls.bridge.pages import WebviewPage
from simplex_calls.bridge.server import Bridge
from simplex_calls.bridge.shell import Mode
from simplex_calls.calls.ice import IceConfig
from simplex_calls.catalogue import text
from simplex_calls.desktop.display import check_display, prepare_environment
from simplex_calls.desktop.errors import DesktopError
from simplex_calls.desktop.windows import Placement, WindowPort

SIZE = (960, 720)


class _Shell:
    """There is no chat page."""

    def __init__(self, mode: Mode) -> None:
        self.mode = mode

    async def show_call(self, _call_id: str) -> None:
        raise NotImplementedError

    async def paste_call(self) -> None:
        raise NotImplementedError


class PastedBrowser:
    """The call's page in the user's browser; ``opens``: by itself, else its address is only told."""

    def __init__(
        self,
        ice: IceConfig,
        *,
        opens: bool = True,
        open_url: Callable[[str], object] = webbrowser.open,
        say: Callable[[str], object] | None = None,
    ) -> None:
        self._ice = ice
        self._opens = opens
        self._open_url = open_url
        self._say = _print if say is None else say
        self._stopping = asyncio.Event()

    def run(self) -> int:
        """Serve the page until it is closed; raises :class:`DesktopError`."""
        try:
            asyncio.run(self.serve())
        except PagesMissingError as error:
            raise DesktopError(text("desktop.error.pages", detail=error)) from None
        return 0

    async def serve(self) -> None:
        """Serve the page until it is closed, :meth:`stop`, or a signal on the main thread."""
        loop = asyncio.get_running_loop()
        for number in (signal.SIGINT, signal.SIGTERM):
            loop.add_signal_handler(number, self.stop)
        async with Bridge(None, _Shell(Mode.BROWSER)) as bridge:
            session = bridge.add_pasted(self._ice)
            url = bridge.call_url(session.id, "websocket")
            self._say(text("desktop.browser.open", url=url))
            if self._opens:
                # a browser may take its time to start
                await asyncio.to_thread(self._open_url, url)
            self._say(text("desktop.browser.stop"))
            waits = [asyncio.create_task(wait()) for wait in (self._stopping.wait, session.closed.wait)]
            await asyncio.wait(waits, return_when=asyncio.FIRST_COMPLETED)
            for task in waits:
                task.cancel()

    def stop(self) -> None:
        """End :meth:`serve`; on its thread."""
        self._stopping.set()


class PastedWindow:
    """The call's page in a window of its own; the options are those of :class:`~simplex_calls.desktop.app.Desktop`."""

    def __init__(
        self, ice: IceConfig, *, offscreen: bool = False, fake_devices: bool = False, debugging_port: int | None = None
    ) -> None:
        self._ice = ice
        self._offscreen = offscreen
        self._fake_devices = fake_devices
        self._debugging_port = debugging_port
        self._loop: asyncio.AbstractEventLoop | None = None
        self._stopping = asyncio.Event()

    def run(self) -> int:
        """Show the window until the user closes it; only on the main thread, once in a process.

        Raises :class:`DesktopError`.
        """
        if not self._offscreen:
            check_display(os.environ)
        prepare_environment(
            offscreen=self._offscreen, fake_devices=self._fake_devices, debugging_port=self._debugging_port
        )
        try:
            # only here: the environment must be set before
            from simplex_calls.desktop import webview_qt  # noqa: PLC0415
        except ImportError as error:
            raise DesktopError(text("desktop.error.qt", detail=error)) from None
        webview_qt.install()
        started: concurrent.futures.Future[tuple[str, WindowPort]] = concurrent.futures.Future()
        thread = threading.Thread(target=self._serve, args=(started,), name="call")
        thread.start()
        try:
            try:
                url, port = started.result()
            except PagesMissingError as error:
                raise DesktopError(text("desktop.error.pages", detail=error)) from None
            webview_qt.make_window(text("desktop.title.paste"), url, port)
            webview_qt.run()
        finally:
            if self._loop is not None and not self._loop.is_closed():
                self._loop.call_soon_threadsafe(self._stopping.set)
            thread.join()
        return 0

    def _serve(self, started: concurrent.futures.Future[tuple[str, WindowPort]]) -> None:
        try:
            asyncio.run(self._run(started))
        except BaseException as error:
            if started.done():
                raise
            started.set_exception(error)

    async def _run(self, started: concurrent.futures.Future[tuple[str, WindowPort]]) -> None:
        self._loop = asyncio.get_running_loop()
        serving: set[asyncio.Task[None]] = set()
        async with Bridge(None, _Shell(Mode.WINDOW)) as bridge:
            session = bridge.add_pasted(self._ice)

            def page_begins(page: WebviewPage, is_first: bool) -> None:  # noqa: FBT001 - the port's callback
                if is_first:
                    serving.add(asyncio.create_task(bridge.serve(page)))

            def page_breaks() -> None:
                port.close()

            port = WindowPort(
                self._loop,
                bridge.origin,
                Placement(*SIZE),
                on_page=page_begins,
                on_crash=page_breaks,
                on_closed=self._stopping.set,
            )
            started.set_result((bridge.call_url(session.id, "webview"), port))
            await self._stopping.wait()
            port.give_up()
            for task in serving:
                task.cancel()
            await asyncio.gather(*serving, return_exceptions=True)


def _print(line: str) -> None:
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()
