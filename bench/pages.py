"""Call pages in Chromium for measurements: served by the real bridge, the program's part in a call played here."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import shutil
import tempfile
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from playwright.async_api import Browser, BrowserContext, Page, WebSocketRoute, async_playwright

from simplex_calls.bridge.server import Bridge
from simplex_calls.bridge.shell import Mode
from simplex_calls.client import PLAIN, Client, Settings
from simplex_calls.events import ContactConnected
from simplex_calls.relay import Relay, RelayConfig

SECONDS = 60.0

FLAGS = [
    "--use-fake-device-for-media-stream=fps=30",
    "--use-fake-ui-for-media-stream",
    "--disable-popup-blocking",
    "--disable-background-networking",
    "--disable-component-update",
    "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1",
    "--allow-loopback-in-peer-connection",
    # pages that nobody sees are to do what those do that are seen
    "--disable-renderer-backgrounding",
    "--disable-backgrounding-occluded-windows",
    "--disable-background-timer-throttling",
]

# Before the page's own scripts: when the page was ready. What the call is told of, it shows: so it was painted.
WATCH = """
globalThis.bench = { readyAt: null };
new MutationObserver(() => {
  const page = document.getElementById("call");
  if (bench.readyAt !== null || !page || page.dataset.phase === "idle") return;
  bench.readyAt = NaN;
  requestAnimationFrame(() => setTimeout(() => (bench.readyAt = performance.now())));
}).observe(document, { subtree: true, childList: true, attributes: true, attributeFilter: ["data-phase"] });
"""


class _Shell:
    """A program around the bridge that does nothing."""

    mode = Mode.BROWSER

    async def show_call(self, call_id: str) -> None:
        """Nothing."""

    async def paste_call(self) -> None:
        """Nothing."""


@dataclass(frozen=True)
class Program:
    """Alice's program, who has a contact."""

    client: Client
    bridge: Bridge

    async def dial(self) -> tuple[str, str]:
        """Start a call: its name, and the address of its page."""
        (contact,) = self.client.contacts()
        call = await self.client.start_call(contact.id, "video")
        return call.id, self.bridge.call_url(call.id, "websocket")


@contextlib.asynccontextmanager
async def program() -> AsyncIterator[Program]:
    """A program on this machine, with a relay and somebody to call."""
    settings = Settings(ice_servers=())
    with tempfile.TemporaryDirectory(prefix="simplex-calls-bench-") as name:
        folder = Path(name)
        async with Relay(RelayConfig(port=0)) as relay:
            server = relay.address.uri()
            async with (
                Client(folder / "alice", "Alice", [server], key=PLAIN, settings=settings) as alice,
                Client(folder / "bob", "Bob", [server], key=PLAIN, settings=settings) as bob,
                Bridge(alice, _Shell()) as bridge,
            ):
                events = alice.events()
                await bob.connect(str(await alice.create_invitation()))
                async for event in events:
                    if isinstance(event, ContactConnected):
                        break
                yield Program(alice, bridge)


@contextlib.asynccontextmanager
async def chromium() -> AsyncIterator[Browser]:
    """Debian's Chromium, as the end-to-end tests have it."""
    executable = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
    if executable is None:
        raise SystemExit("Chromium is missing: apt-get install chromium")
    flags = [*FLAGS, *(["--no-sandbox"] if os.geteuid() == 0 else [])]
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(
            executable_path=executable, args=flags, ignore_default_args=["--disable-popup-blocking"]
        )
        try:
            yield browser
        finally:
            await browser.close()


async def new_context(browser: Browser) -> BrowserContext:
    """A profile of its own."""
    context = await browser.new_context(viewport={"width": 960, "height": 640}, locale="en-GB")
    await context.add_init_script(WATCH)
    return context


class Side:
    """One side of a call: its page, and its program as far as the page can tell."""

    def __init__(self, page: Page) -> None:
        self.page = page
        self.other: Side | None = None
        self._number = 0
        self._answers: dict[int, asyncio.Future[dict[str, Any]]] = {}
        self._has_begun = asyncio.Event()
        self._tasks: set[asyncio.Task[Any]] = set()

    async def open(self, url: str) -> None:
        """Load the page."""
        await self.page.route_web_socket("**/ws", self._connect)
        await self.page.goto(url)
        await asyncio.wait_for(self._has_begun.wait(), SECONDS)
        await self.ask(type="call", call={"contact": {"name": "Bench"}, "direction": "outgoing", "media": "video"})

    async def ask(self, **command: Any) -> dict[str, Any]:
        """Give the page a command, and its answer."""
        self._number += 1
        answer = self._answers[self._number] = asyncio.get_running_loop().create_future()
        self._socket.send(json.dumps({"corrId": self._number, "command": command}))
        resp: dict[str, Any] = await asyncio.wait_for(answer, SECONDS)
        # of candidates that come before its description a page says so, and keeps them
        if resp["type"] == "error" and command["type"] != "ice":
            raise AssertionError(resp["message"])
        return resp

    def _connect(self, socket: WebSocketRoute) -> None:
        self._socket = socket
        socket.on_message(self._take)

    def _take(self, text: str | bytes) -> None:
        message = json.loads(text)
        if "session" in message:
            self._has_begun.set()
        elif (number := message.get("corrId")) is not None:
            self._answers.pop(number).set_result(message["resp"])
        elif message["resp"]["type"] == "ice" and self.other is not None:
            task = asyncio.ensure_future(self.other.ask(type="ice", iceCandidates=message["resp"]["iceCandidates"]))
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)

    async def wait_for(self, condition: str) -> None:
        """Wait until a JavaScript expression, or the promise that it gives, says yes."""
        async with asyncio.timeout(SECONDS):
            while not await self.page.evaluate(condition):
                await asyncio.sleep(0.05)


async def connect(caller: Side, called: Side, *, key: str | None, features: list[str]) -> None:
    """A video call between two open pages, from dialling to pictures on both sides."""
    caller.other, called.other = called, caller
    common: dict[str, Any] = {"media": "video", "iceServers": [], "features": features, "binding": "A" * 43}
    if key is not None:
        common["aesKey"] = key
    await caller.ask(type="capabilities", media="video")
    offer = await called.ask(type="start", **common)
    answer = await caller.ask(type="offer", offer=offer["offer"], iceCandidates=offer["iceCandidates"], **common)
    await called.ask(type="answer", answer=answer["answer"], iceCandidates=answer["iceCandidates"])
    for side in (caller, called):
        await side.wait_for("document.getElementById('call').dataset.phase === 'connected'")
        await side.wait_for("document.getElementById('remote-video').videoWidth > 0")
