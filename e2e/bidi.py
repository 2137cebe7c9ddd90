"""Debian's Firefox, driven by WebDriver BiDi (https://w3c.github.io/webdriver-bidi/): what these tests need of it.

Playwright brings a Firefox of its own, and asks the one of the system for commands that it does not have.
"""

from __future__ import annotations

import asyncio
import base64
import json
import os
import queue
import re
import subprocess
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import aiohttp

Json = dict[str, Any]

EVENTS = ("log.entryAdded", "network.beforeRequestSent", "browsingContext.domContentLoaded")
START_SECONDS = 60.0
STOP_SECONDS = 20.0
COMMAND_SECONDS = 60.0

PREFERENCES: dict[str, bool | int | str] = {
    # a test picture and tone for devices, and nobody is asked
    "media.navigator.streams.fake": True,
    "media.navigator.permission.disabled": True,
    "media.peerconnection.ice.loopback": True,
    # nothing but this machine is reached: everything else would go through a proxy that is not there
    "network.proxy.type": 1,
    "network.proxy.http": "127.0.0.1",
    "network.proxy.http_port": 9,
    "network.proxy.ssl": "127.0.0.1",
    "network.proxy.ssl_port": 9,
    "intl.locale.requested": "en-GB",
    "browser.startup.page": 0,
}


class BidiError(Exception):
    """Firefox refused a command, or a script in it failed."""


class Firefox:
    """One browser process with a fresh profile in ``folder``; ``on_event`` is called in a thread of its own."""

    def __init__(self, executable: str, folder: Path, on_event: Callable[[str, Json], None]) -> None:
        folder.mkdir(parents=True)
        lines = [f"user_pref({json.dumps(name)}, {json.dumps(value)});\n" for name, value in PREFERENCES.items()]
        (folder / "user.js").write_text("".join(lines), "utf-8")
        self._on_event = on_event
        self._answers: dict[int, asyncio.Future[Json]] = {}
        self._number = 0
        self._process = subprocess.Popen(
            [executable, "--headless", "--no-remote", "--profile", str(folder), "--remote-debugging-port=0"],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            text=True,
            env={**os.environ, "HOME": str(folder), "DBUS_SESSION_BUS_ADDRESS": "unix:path=/nonexistent"},
        )
        self._address: queue.Queue[str | None] = queue.Queue()
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)
        self._thread.start()

    def connect(self) -> None:
        """Wait until it can be spoken to."""
        address = self._address.get(timeout=START_SECONDS)
        if address is None:
            raise BidiError("Firefox ended before it could be spoken to.")
        self._run(self._connect(address))

    def send(self, method: str, **parameters: Any) -> Json:
        """Carry out one command; raises :class:`BidiError`."""
        result: Json = self._run(self._send(method, parameters))
        return result

    def open(self, url: str) -> None:
        """Load a page into the tab that the browser began with."""
        context = self.send("browsingContext.getTree")["contexts"][0]["context"]
        self.send("browsingContext.navigate", context=context, url=url, wait="none")

    def stop(self) -> None:
        """End the browser."""
        self._process.terminate()
        try:
            self._process.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        if hasattr(self, "_listener"):
            self._run(self._close())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()
        self._reader.join()
        if self._process.stderr is not None:
            self._process.stderr.close()

    def _run(self, work: Any) -> Any:
        # a loop of its own: Playwright has this thread's
        return asyncio.run_coroutine_threadsafe(work, self._loop).result(COMMAND_SECONDS)

    def _read(self) -> None:
        if self._process.stderr is not None:
            for line in self._process.stderr:
                if found := re.search(r"WebDriver BiDi listening on (ws://\S+)", line):
                    self._address.put(found[1])
        self._address.put(None)

    async def _connect(self, address: str) -> None:
        self._http = aiohttp.ClientSession()
        self._socket = await self._http.ws_connect(f"{address}/session", max_msg_size=0)
        self._listener = asyncio.create_task(self._listen())
        await self._send("session.new", {"capabilities": {}})
        await self._send("session.subscribe", {"events": list(EVENTS)})

    async def _close(self) -> None:
        await self._socket.close()
        await self._listener
        await self._http.close()

    async def _send(self, method: str, parameters: Json) -> Json:
        self._number += 1
        answer = self._answers[self._number] = self._loop.create_future()
        await self._socket.send_json({"id": self._number, "method": method, "params": parameters})
        result: Json = await answer
        return result

    async def _listen(self) -> None:
        async for message in self._socket:
            found = json.loads(message.data)
            if found["type"] == "event":
                self._on_event(found["method"], found["params"])
                continue
            answer = self._answers.pop(found["id"])
            if answer.done():
                continue
            if found["type"] == "success":
                answer.set_result(found["result"])
            else:
                answer.set_exception(BidiError(f"{found['error']}: {found['message']}"))
        for answer in self._answers.values():
            answer.set_exception(BidiError("Firefox has ended."))


class Tab:
    """One tab of it, looked at and clicked through as a user would."""

    def __init__(self, firefox: Firefox, context: str) -> None:
        self.context = context
        self._firefox = firefox

    def close(self) -> None:
        """Close it."""
        self._firefox.send("browsingContext.close", context=self.context)

    def evaluate(self, expression: str) -> Any:
        """What a JavaScript expression says, or the promise that it gives; as JSON."""
        result = self._firefox.send(
            "script.evaluate",
            expression=f"Promise.resolve({expression}).then((value) => JSON.stringify(value ?? null))",
            target={"context": self.context},
            awaitPromise=True,
        )
        if result["type"] == "exception":
            raise BidiError(result["exceptionDetails"]["text"])
        return json.loads(result["result"]["value"])

    def wait_for(self, condition: str, patience_ms: int, poll_ms: int) -> None:
        """Wait until a JavaScript expression, or the promise that it gives, says yes."""
        self.evaluate(
            f"""new Promise((resolve, reject) => {{
              const deadline = performance.now() + {patience_ms};
              const look = async () => {{
                if (await ({condition})) resolve();
                else if (performance.now() > deadline) reject(new Error("still not: " + {json.dumps(condition)}));
                else setTimeout(look, {poll_ms});
              }};
              look().catch(reject);
            }})"""
        )

    def click(self, selector: str) -> None:
        """Click on the one element that a CSS selector finds, as soon as it can be clicked on."""
        found = json.dumps(selector)
        ready = f"(one => one && one.checkVisibility() && !one.disabled)(document.querySelector({found}))"
        self.wait_for(ready, 30_000, 50)
        result = self._firefox.send(
            "browsingContext.locateNodes", context=self.context, locator={"type": "css", "value": selector}
        )
        (node,) = result["nodes"]
        origin = {"type": "element", "element": {"sharedId": node["sharedId"]}}
        pointer = [
            {"type": "pointerMove", "x": 0, "y": 0, "origin": origin},
            {"type": "pointerDown", "button": 0},
            {"type": "pointerUp", "button": 0},
        ]
        actions = [{"type": "pointer", "id": "mouse", "actions": pointer}]
        self._firefox.send("input.performActions", context=self.context, actions=actions)

    def picture(self) -> bytes:
        """What it looks like, as PNG."""
        return base64.b64decode(self._firefox.send("browsingContext.captureScreenshot", context=self.context)["data"])

    def fill(self, selector: str, text: str) -> None:
        """Put a text into a field, as if it were pasted."""
        self.click(selector)
        self.evaluate(f"document.execCommand('insertText', false, {json.dumps(text)})")
