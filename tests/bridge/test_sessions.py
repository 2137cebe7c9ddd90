from __future__ import annotations

import asyncio

import aiohttp
import pytest

from simplex_calls.bridge import sessions
from simplex_calls.bridge.server import Bridge
from simplex_calls.client import Client, Contact
from tests.bridge.people import ask, next_message, open_page


class SlowServer:
    """Lets ``connect`` wait for a server."""

    def __init__(self, client: Client, monkeypatch: pytest.MonkeyPatch) -> None:
        self.asked = asyncio.Event()
        self.answers = asyncio.Event()
        self.cancelled = asyncio.Event()
        self.done = asyncio.Event()
        self._contact = client.contacts()[0]
        monkeypatch.setattr(client, "connect", self.connect)

    async def connect(self, _link: str) -> Contact:
        self.asked.set()
        try:
            await self.answers.wait()
        except asyncio.CancelledError:
            self.cancelled.set()
            raise
        self.done.set()
        return self._contact


@pytest.fixture
def server(alice: Client, bob: Client, monkeypatch: pytest.MonkeyPatch) -> SlowServer:
    return SlowServer(alice, monkeypatch)


async def test_a_slow_request_holds_nothing_up(bridge: Bridge, server: SlowServer, http: aiohttp.ClientSession) -> None:
    page = await open_page(http, bridge.origin, bridge.chat_url("websocket"))
    await page.send_json({"id": 1, "method": "connect", "params": {"link": "x"}})
    await server.asked.wait()
    assert (await ask(page, "send_text", contactId=1, text="hello"))["result"]["text"] == "hello"
    server.answers.set()
    assert (await next_message(page, lambda message: message.get("id") == 1))["result"]["name"] == "Bob"
    await page.close()


async def test_requests_are_bounded(
    bridge: Bridge, server: SlowServer, http: aiohttp.ClientSession, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sessions, "MAX_REQUESTS", 1)
    page = await open_page(http, bridge.origin, bridge.chat_url("websocket"))
    await page.send_json({"id": 1, "method": "connect", "params": {"link": "x"}})
    await server.asked.wait()
    assert (await ask(page, "state"))["error"]["code"] == "bridge.error.busy"
    server.answers.set()
    await next_message(page, lambda message: message.get("id") == 1)
    assert "result" in await ask(page, "state")
    await page.close()


async def test_a_request_is_done_though_its_page_is_reloaded(
    bridge: Bridge, server: SlowServer, http: aiohttp.ClientSession
) -> None:
    page = await open_page(http, bridge.origin, bridge.chat_url("websocket"))
    url = (await next_message(page, lambda message: message.get("event") == "next_url"))["url"]
    await page.send_json({"id": 1, "method": "connect", "params": {"link": "x"}})
    await server.asked.wait()
    await page.close()
    second = await open_page(http, bridge.origin, url)
    await ask(second, "state")
    server.answers.set()
    async with asyncio.timeout(10):
        await server.done.wait()
    assert "result" in await ask(second, "state")
    await second.close()


async def test_the_end_gives_requests_up(bridge: Bridge, server: SlowServer, http: aiohttp.ClientSession) -> None:
    page = await open_page(http, bridge.origin, bridge.chat_url("websocket"))
    await page.send_json({"id": 1, "method": "connect", "params": {"link": "x"}})
    await server.asked.wait()
    async with asyncio.timeout(10):
        await bridge.stop()
    assert server.cancelled.is_set()
