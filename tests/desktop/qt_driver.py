"""Takes real windows, off screen, through their lives, and prints what it saw as JSON. A process of its own: Qt wants
the main thread, and runs once."""

from __future__ import annotations

import asyncio
import json
import socket
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import aiohttp

from simplex_calls.client import PLAIN, CallMedia, CallPhase, Client, Settings
from simplex_calls.desktop.app import Desktop
from simplex_calls.events import CallChanged, ContactConnected
from simplex_calls.relay import Relay, RelayConfig
from tests.desktop.cdp import Debugger

SECONDS = 60
FIELD = """
(() => {
  const field = Object.assign(document.createElement("textarea"), { id: "field" });
  Object.assign(field.style, { position: "fixed", inset: "0 auto auto 0", width: "300px", height: "200px", zIndex: 9 });
  document.body.append(field);
  field.focus();
})()
"""
NO_SERVERS = Settings(ice_servers=())


class Driver:
    def __init__(self, folder: Path) -> None:
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self.port: int = probe.getsockname()[1]
        self.folder = folder
        self.server = ""
        self.seen: dict[str, Any] = {}
        self.bob: Client | None = None

    @asynccontextmanager
    async def client(self) -> AsyncIterator[Client]:
        async with Relay(RelayConfig(host="127.0.0.1", port=0, data=None)) as relay:
            self.server = str(relay.address)
            async with Client(self.folder / "bob", "Bob", [self.server], settings=NO_SERVERS, key=PLAIN) as self.bob:
                async with Client(
                    self.folder / "alice", "Alice", [self.server], settings=NO_SERVERS, key=PLAIN
                ) as alice:
                    yield alice
                # bob hears of the end that alice's program came to
                async with asyncio.timeout(SECONDS):
                    while any(call.state is not CallPhase.ENDED for call in self.bob.calls()):
                        await asyncio.sleep(0.05)
                self.seen["bob heard of the end"] = [call.state.value for call in self.bob.calls()]

    async def ready(self, alice: Client, desktop: Desktop) -> None:
        try:
            async with asyncio.timeout(SECONDS), aiohttp.ClientSession() as http:
                await self.drive(alice, desktop, Debugger(http, self.port))
        finally:
            desktop.quit()

    async def drive(self, alice: Client, desktop: Desktop, debugger: Debugger) -> None:
        seen = self.seen
        assert self.bob is not None
        events = alice.events()
        await self.bob.connect(await alice.create_invitation())
        async for event in events:
            if isinstance(event, ContactConnected):
                break

        main = await debugger.page("SimpleX Calls")
        seen["devices"] = await debugger.evaluate(
            main,
            "navigator.mediaDevices.getUserMedia({audio: true, video: true})"
            ".then((stream) => stream.getTracks().map((track) => track.kind).sort(), (error) => error.name)",
        )
        seen["notifications"] = await debugger.evaluate(main, "Notification.requestPermission()")
        seen["place"] = await debugger.evaluate(
            main, "navigator.permissions.query({name: 'geolocation'}).then((it) => it.state)"
        )
        await debugger.evaluate(main, "location.href = 'http://127.0.0.1:1/elsewhere'; 1")
        await debugger.evaluate(main, "new Promise((done) => setTimeout(done, 300))")
        seen["stays"] = await debugger.evaluate(main, "location.pathname.startsWith('/open/')")
        seen["eval"] = await debugger.evaluate(
            main, "new Promise((done) => {try {done(new Function('return 1')())} catch (e) {done(e.name)}})"
        )

        seen["copied"] = await debugger.evaluate(
            main, "navigator.clipboard.writeText('pasted').then(() => true, (error) => error.name)"
        )
        await debugger.evaluate(main, FIELD)
        seen["menu"] = await self.paste(desktop)
        while (field := await debugger.evaluate(main, "document.getElementById('field').value")) == "":
            await asyncio.sleep(0.05)
        seen["pasted"] = field
        await debugger.evaluate(main, "document.getElementById('field').remove()")

        call_id, page = await self.call(alice, debugger)
        seen["call has a page"] = alice.call(call_id).has_page
        seen["screenshots"] = [
            await desktop.screenshot("main", self.folder / "main.png"),
            await desktop.screenshot("call", self.folder / "call.png"),
        ]
        seen["on top"] = await self.on_top(desktop, debugger, call_id, page)
        # Chromium's own pages cannot be asked for a reload with less
        await debugger.tell(page, "Page.reload")
        seen["after a reload"] = await self.ended(alice, call_id)
        while "title" not in seen or not seen["title"]:
            seen["title"] = await debugger.evaluate(page, "document.querySelector('h1')?.textContent")

        call_id, page = await self.call(alice, debugger)
        await debugger.tell(page, "Page.crash")
        seen["after a crash"] = await self.ended(alice, call_id)

        call_id, _ = await self.call(alice, debugger)
        view = desktop._calls[call_id].view
        assert view is not None
        view.close_window()
        seen["after closing"] = await self.ended(alice, call_id)
        seen["no picture of what is closed"] = await desktop.screenshot("call", self.folder / "none.png")

        assert desktop._bridge is not None
        for name, order in (("main reloaded", "Page.reload"), ("main crashed", "Page.crash")):
            main = await debugger.page("SimpleX Calls")
            sessions = set(desktop._bridge._chats)
            await debugger.tell(main, order)
            while not desktop._bridge._chats - sessions:
                await asyncio.sleep(0.05)
            seen[name] = "speaks again"

        await self.call(alice, debugger)

    async def paste(self, desktop: Desktop) -> int:
        """Take "Paste" from the menu of the right mouse button, and tell how much there was to choose from."""
        # only here: Qt must find its environment set
        from PySide6.QtCore import QPoint, Qt
        from PySide6.QtTest import QTest
        from PySide6.QtWidgets import QApplication, QMenu

        loop = asyncio.get_running_loop()
        view: Any = desktop._main.view if desktop._main is not None else None
        found: asyncio.Future[int] = loop.create_future()

        def press() -> None:
            QTest.mouseClick(
                view.webview.focusProxy(), Qt.MouseButton.RightButton, Qt.KeyboardModifier.NoModifier, QPoint(50, 50)
            )

        def choose() -> None:
            menu = QApplication.activePopupWidget()
            if isinstance(menu, QMenu) and not found.done():
                actions = menu.actions()
                actions[2].trigger()
                menu.close()
                loop.call_soon_threadsafe(found.set_result, len(actions))

        view._invoke(press)
        while not found.done():
            view._invoke(choose)
            await asyncio.sleep(0.05)
        return await found

    async def on_top(self, desktop: Desktop, debugger: Debugger, call_id: str, page: str) -> list[bool]:
        """Keep the call's window on top, then no more; whether the page still offers it each time."""
        # only here: Qt must find its environment set
        from PySide6.QtCore import Qt

        view: Any = desktop._calls[call_id].view
        seen = []
        for wish in (True, False):
            await debugger.evaluate(page, "document.getElementById('on-top').click(); 1")
            while bool(view.windowFlags() & Qt.WindowType.WindowStaysOnTopHint) is not wish or not view.isVisible():
                await asyncio.sleep(0.05)
            seen.append(await debugger.evaluate(page, "!document.getElementById('on-top').hidden"))
        return seen

    async def call(self, alice: Client, debugger: Debugger) -> tuple[str, str]:
        """Call bob, whose program rings."""
        events = alice.events()
        call = await alice.start_call(alice.contacts()[0].id, CallMedia.VIDEO)
        async for event in events:
            if isinstance(event, CallChanged) and event.call.detail.value == "calling":
                break
        events.close()
        return call.id, await debugger.page("Call with Bob")

    async def ended(self, alice: Client, call_id: str) -> str:
        while alice.call(call_id).state is not CallPhase.ENDED:
            await asyncio.sleep(0.02)
        reason = alice.call(call_id).end_reason
        return reason.value if reason is not None else ""


def main(folder: Path) -> int:
    driver = Driver(folder)
    desktop = Desktop(
        driver.client, offscreen=True, fake_devices=True, debugging_port=driver.port, on_ready=driver.ready
    )
    status = desktop.run()
    (folder / "seen.json").write_text(json.dumps(driver.seen))
    return status


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1])))
