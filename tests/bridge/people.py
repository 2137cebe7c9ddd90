"""Two clients in memory, and a bridge for one of them."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

import aiohttp

from simplex_calls.bridge.shell import Mode


class FakeShell:
    """The program around a bridge."""

    def __init__(self) -> None:
        self.mode = Mode.BROWSER
        self.shown: list[str] = []
        self.pasted = 0

    async def show_call(self, call_id: str) -> None:
        self.shown.append(call_id)

    async def paste_call(self) -> None:
        self.pasted += 1


def session_of(html: str) -> str:
    """The secret that a page was given."""
    found = re.search(r'<meta name="session" content="([0-9a-f]{64})">', html)
    assert found is not None
    return found[1]


async def open_page(http: aiohttp.ClientSession, origin: str, url: str) -> aiohttp.ClientWebSocketResponse:
    """Open a page as a browser does, and begin its session."""
    async with http.get(url) as response:
        assert response.status == 200, await response.text()
        session = session_of(await response.text())
    socket = await http.ws_connect(f"{origin}/ws", origin=origin)
    await socket.send_json({"session": session})
    return socket


async def next_message(
    socket: aiohttp.ClientWebSocketResponse, test: Callable[[dict[str, Any]], bool]
) -> dict[str, Any]:
    """The next message that passes ``test``."""
    while True:
        message: dict[str, Any] = await socket.receive_json(timeout=10)
        if test(message):
            return message


async def ask(socket: aiohttp.ClientWebSocketResponse, method: str, **params: Any) -> dict[str, Any]:
    """Ask a chat page's method, and give its whole answer."""
    await socket.send_json({"id": 7, "method": method, "params": params})
    return await next_message(socket, lambda message: message.get("id") == 7)
