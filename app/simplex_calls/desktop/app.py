"""The program in windows of its own: contacts and texts in one, every call in another.

Qt has the main thread; the client, its pages' server and everything else live on an event loop in a second one.
"""

from __future__ import annotations

import asyncio
import concurrent.futures
import logging
import os
import threading
from collections.abc import Awaitable, Callable
from contextlib import AsyncExitStack
from pathlib import Path

from simplex_calls.bridge.faults import describe
from simplex_calls.bridge.files import PagesMissingError
from simplex_calls.bridge.pages import WebviewPage
from simplex_calls.bridge.server import Bridge
from simplex_calls.bridge.shell import Mode
from simplex_calls.catalogue import text
from simplex_calls.client import CallPhase, CallView, Client, ClientError
from simplex_calls.desktop.display import check_display, prepare_environment
from simplex_calls.desktop.errors import DesktopError
from simplex_calls.desktop.homes import Home, HomeFactory, as_home
from simplex_calls.desktop.notifications import Notifications
from simplex_calls.desktop.program import Program, follow
from simplex_calls.desktop.windows import Placement, View, WindowPort

__all__ = ["Desktop", "DesktopError"]

logger = logging.getLogger(__name__)

MAIN_SIZE = (1000, 720)
CALL_SIZE = (960, 640)
CALL_OFFSET = 48
PICTURE_SECONDS = 10.0
RENEW_SECONDS = 5.0
"""A main page that fails a second time within this time fails for good."""

Ready = Callable[[Client, "Desktop"], Awaitable[None]]


class Desktop:
    """The windows of one client.

    ``home_factory`` gives a context that opens the home, or a single client. ``offscreen`` draws where nobody sees it,
    ``fake_devices`` takes Chromium's test picture and tone for camera and microphone, ``debugging_port`` lets
    Chromium's tools in (on this machine; for tests only), ``column`` puts the windows into the left (0) or right (1)
    half of the screen. ``on_ready`` runs beside the windows, once the main one speaks. ``notifications``: unless
    ``offscreen``, if it is not given.
    """

    def __init__(
        self,
        home_factory: HomeFactory,
        *,
        offscreen: bool = False,
        fake_devices: bool = False,
        debugging_port: int | None = None,
        column: int | None = None,
        on_ready: Ready | None = None,
        notifications: bool | None = None,
    ) -> None:
        self._home_factory = home_factory
        self._offscreen = offscreen
        self._fake_devices = fake_devices
        self._debugging_port = debugging_port
        # off screen nothing covers anything
        self._column = None if offscreen else column
        self._on_ready = on_ready
        self._notifies = not offscreen if notifications is None else notifications
        self._make_window: Callable[[str, str, WindowPort], None] | None = None
        self._loop: asyncio.AbstractEventLoop | None = None
        self._stopping = asyncio.Event()
        self._home: Home | None = None
        self._bridge: Bridge | None = None
        self._main: WindowPort | None = None
        self._calls: dict[str, WindowPort] = {}
        self._serving: set[asyncio.Task[None]] = set()
        self._renewed_at: float | None = None
        self._status = 0

    # on the main thread

    def run(self) -> int:
        """Show the windows until the user closes the main one; 0, or 1 if something broke on the way.

        Only on the main thread, once in a process. Raises :class:`DesktopError`, and what ``home_factory`` raises.
        """
        if not self._offscreen:
            check_display(os.environ)
        prepare_environment(
            offscreen=self._offscreen, fake_devices=self._fake_devices, debugging_port=self._debugging_port
        )
        try:
            # only here: the environment must be set before, and a browser needs none of it
            from simplex_calls.desktop import webview_qt  # noqa: PLC0415
        except ImportError as error:
            raise DesktopError(text("desktop.error.qt", detail=error)) from None
        webview_qt.install()
        self._make_window = webview_qt.make_window

        started: concurrent.futures.Future[tuple[str, WindowPort]] = concurrent.futures.Future()
        thread = threading.Thread(target=self._serve, args=(started,), name="client")
        thread.start()
        try:
            try:
                url, port = started.result()
            except ClientError as error:
                raise DesktopError(str(error)) from None
            except PagesMissingError as error:
                raise DesktopError(text("desktop.error.pages", detail=error)) from None
            webview_qt.make_window(text("desktop.title"), url, port)
            webview_qt.run()
        finally:
            self._stop()
            thread.join()
        return self._status

    def _serve(self, started: concurrent.futures.Future[tuple[str, WindowPort]]) -> None:
        try:
            asyncio.run(self._run(started))
        except BaseException as error:  # noqa: BLE001 - whatever it is, the main thread waits
            if not started.done():
                started.set_exception(error)
                return
            logger.error("the program broke: %s", describe(error))  # noqa: TRY400 - no text
            self._status = 1
            self.quit()

    def _stop(self) -> None:
        if self._loop is None:
            # nobody waits for it yet
            self._stopping.set()
        elif not self._loop.is_closed():
            self._loop.call_soon_threadsafe(self._stopping.set)

    # on the event loop

    async def _run(self, started: concurrent.futures.Future[tuple[str, WindowPort]]) -> None:
        self._loop = asyncio.get_running_loop()
        async with AsyncExitStack() as stack:
            opened: Home | Client = await stack.enter_async_context(self._home_factory())
            home = self._home = as_home(opened)
            bridge = self._bridge = await stack.enter_async_context(Bridge(home.client, self, home.port))
            tasks = [asyncio.create_task(follow(home, bridge, lambda client: self._program(client, bridge)))]
            main = self._main = WindowPort(
                self._loop,
                bridge.origin,
                Placement(*MAIN_SIZE, column=self._column),
                on_page=lambda page, _: self._serve_page(page),
                on_crash=self._renew_main,
                on_closed=self._main_closed,
                close_page=self._renew_main,
            )
            started.set_result((bridge.chat_url("webview"), main))
            if self._on_ready is not None:
                tasks.append(asyncio.create_task(self._be_ready(self._on_ready, home, bridge)))
            try:
                await self._stopping.wait()
            finally:
                self._stopping.set()
                # windows are gone, or answer no more: their pages end here, and with them their calls
                for port in [main, *self._calls.values()]:
                    port.give_up()
                for task in [*tasks, *self._serving]:
                    task.cancel()
                await asyncio.gather(*tasks, *self._serving, return_exceptions=True)

    def _program(self, client: Client, bridge: Bridge) -> Program:
        # calls of a client that is closed are over
        for port in list(self._calls.values()):
            port.close()
        self._name_main()
        notifications = Notifications() if self._notifies else None
        return Program(
            client,
            bridge,
            notifications,
            open_call=self._open_call,
            show=self._show_main,
            prepare_call=self._prepare_call,
        )

    async def _be_ready(self, on_ready: Ready, home: Home, bridge: Bridge) -> None:
        await bridge.has_chat.wait()
        self._name_main()
        try:
            if home.client is not None:
                await on_ready(home.client, self)
        except Exception as error:  # noqa: BLE001 - whatever it is, the windows must close
            logger.error("the program's driver failed: %s", describe(error))  # noqa: TRY400 - no text
            self._status = 1
            self.quit()

    @property
    def _client(self) -> Client | None:
        return None if self._home is None else self._home.client

    def _name_main(self) -> None:
        profile = self._client.profile if self._client is not None else None
        view = self._main.view if self._main is not None else None
        if profile is not None and view is not None:
            view.set_title(text("desktop.title.named", name=profile.display_name))

    def _serve_page(self, page: WebviewPage) -> None:
        if self._bridge is not None:
            task = asyncio.create_task(self._bridge.serve(page))
            self._serving.add(task)
            task.add_done_callback(self._serving.discard)

    def _renew_main(self) -> None:
        """Load the main page anew: it crashed, or fell out of step with the client."""
        view = self._main.view if self._main is not None else None
        if view is None or self._bridge is None or self._loop is None or self._stopping.is_set():
            return
        now = self._loop.time()
        if self._renewed_at is not None and now - self._renewed_at < RENEW_SECONDS:
            logger.error("the main window's page fails again and again")
            self._status = 1
            self.quit()
            return
        self._renewed_at = now
        view.load(self._bridge.chat_url("webview"))

    def _main_closed(self) -> None:
        for port in list(self._calls.values()):
            port.close()
        self._stopping.set()

    async def _open_call(self, call_id: str, *, from_page: bool) -> None:
        client, bridge = self._client, self._bridge
        if client is None or bridge is None:
            raise RuntimeError("a call's window needs the main one")
        call = client.call(call_id)
        self._close_old_calls(client)
        prepared = self._calls.get(call_id)
        if prepared is not None:
            prepared.show()
            return
        await self._open_call_window(bridge, call_id, _call_title(call))

    async def _prepare_call(self, call_id: str) -> None:
        client, bridge = self._client, self._bridge
        if client is not None and bridge is not None and call_id not in self._calls:
            await self._open_call_window(bridge, call_id, _call_title(client.call(call_id)), hidden=True)

    async def _open_call_window(self, bridge: Bridge, call_id: str, title: str, *, hidden: bool = False) -> None:
        loop, make_window = self._loop, self._make_window
        if loop is None or make_window is None:
            raise RuntimeError("a call's window needs the main one")

        def page_begins(page: WebviewPage, is_first: bool) -> None:  # noqa: FBT001 - the port's callback
            # a reload ends the call, and its address serves nothing but the page that says so
            if is_first:
                self._serve_page(page)

        port = WindowPort(
            loop,
            bridge.origin,
            Placement(*CALL_SIZE, column=self._column, offset=CALL_OFFSET, hidden=hidden),
            on_page=page_begins,
            on_crash=lambda: self._close_call(call_id),
            on_closed=lambda: self._call_closed(call_id),
        )
        self._calls[call_id] = port
        # pywebview waits for its main window in there
        await asyncio.to_thread(make_window, title, bridge.call_url(call_id, "webview"), port)

    def _close_old_calls(self, client: Client) -> None:
        """Close windows that only tell how their call ended."""
        going_on = {call.id for call in client.calls() if call.state is not CallPhase.ENDED}
        for call_id, port in list(self._calls.items()):
            if call_id not in going_on:
                port.close()

    def _close_call(self, call_id: str) -> None:
        self._calls[call_id].close()

    def _call_closed(self, call_id: str) -> None:
        self._calls.pop(call_id, None)

    def _show_main(self) -> None:
        if self._main is not None and self._main.view is not None:
            self._main.view.bring_to_front()

    # what the chat page asks for

    @property
    def mode(self) -> Mode:
        """Calls have windows of their own."""
        return Mode.WINDOW

    async def show_call(self, call_id: str) -> None:
        """Bring a call's window to the front."""
        port = self._calls.get(call_id)
        if port is not None and port.view is not None:
            port.view.bring_to_front()

    async def paste_call(self) -> None:
        """Open a window for a call without SimpleX."""
        client, bridge = self._client, self._bridge
        if client is not None and bridge is not None:
            self._close_old_calls(client)
            await self._open_call_window(bridge, bridge.add_pasted(client.pasted_ice()).id, text("desktop.title.paste"))

    # what a driver can ask for

    async def screenshot(self, window: str, path: Path) -> bool:
        """Save a picture of the ``main`` window, or of the latest ``call`` one, as PNG; whether there was one."""
        port = self._main if window == "main" else next(reversed(self._calls.values()), None)
        view = port.view if port is not None else None
        if view is None:
            return False
        picture = await self._picture(view)
        if picture is None:
            return False
        await asyncio.to_thread(path.write_bytes, picture)
        return True

    async def _picture(self, view: View) -> bytes | None:
        loop = asyncio.get_running_loop()
        taken: asyncio.Future[bytes | None] = loop.create_future()

        def done(picture: bytes | None) -> None:
            loop.call_soon_threadsafe(lambda: None if taken.done() else taken.set_result(picture))

        view.picture(done)
        try:
            async with asyncio.timeout(PICTURE_SECONDS):
                return await taken
        except TimeoutError:
            return None

    def quit(self) -> None:
        """Close all windows, which ends the program; from any thread."""
        if self._loop is None or self._loop.is_closed():
            if self._main is not None:
                self._main.close()
            return
        self._loop.call_soon_threadsafe(self._close_all)

    def _close_all(self) -> None:
        if self._main is not None:
            self._main.close()


def _call_title(call: CallView) -> str:
    return text("desktop.title.call", name=call.contact_name or text("desktop.ring.unnamed"))
