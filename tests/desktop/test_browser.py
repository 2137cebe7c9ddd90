from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from pathlib import Path

import aiohttp
import pytest

import simplex_calls
from simplex_calls.catalogue import text
from simplex_calls.client import PLAIN, CallPhase, Client
from simplex_calls.desktop import browser as browser_module
from simplex_calls.desktop.browser import Browser
from simplex_calls.desktop.errors import DesktopError
from simplex_calls.desktop.notifications import Ring
from tests.bridge.people import ask, next_message, open_page
from tests.calls.pages import ScriptedPage
from tests.linked import Agents


class FakeNotifications:
    """Remembers what rings."""

    made: FakeNotifications

    def __init__(self) -> None:
        FakeNotifications.made = self
        self.rings: asyncio.Queue[Ring] = asyncio.Queue()
        self.withdrawn: asyncio.Queue[str] = asyncio.Queue()
        self.stopped = False

    def ring(self, ring: Ring) -> None:
        self.rings.put_nowait(ring)

    def withdraw(self, call_id: str) -> None:
        self.withdrawn.put_nowait(call_id)

    async def stop(self) -> None:
        self.stopped = True


class Running:
    """A browser's program that runs beside the test."""

    def __init__(self, factory: Callable[[], AbstractAsyncContextManager[Client]]) -> None:
        self.urls: asyncio.Queue[str] = asyncio.Queue()
        self.said: list[str] = []
        loop = asyncio.get_running_loop()

        def open_url(url: str) -> None:
            # the browser is started beside the event loop
            assert threading.current_thread() is not threading.main_thread()
            loop.call_soon_threadsafe(self.urls.put_nowait, url)

        self.browser = Browser(factory, open_url=open_url, say=self.said.append)
        self.task = asyncio.create_task(self.browser.serve())

    async def stop(self) -> None:
        self.browser.stop()
        async with asyncio.timeout(10):
            await self.task


@pytest.fixture
async def running(alice: Client, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Running]:
    @asynccontextmanager
    async def factory() -> AsyncIterator[Client]:
        yield alice

    monkeypatch.setattr(browser_module, "Notifications", FakeNotifications)
    running = Running(factory)
    yield running
    await running.stop()


async def opened(running: Running) -> tuple[str, str]:
    async with asyncio.timeout(10):
        url = await running.urls.get()
    return url.partition("/open/")[0], url


async def test_a_call_opens_from_the_chat_page(
    running: Running, alice: Client, bob: Client, http: aiohttp.ClientSession
) -> None:
    origin, url = await opened(running)
    assert text("desktop.browser.open", url=url) in running.said
    page = await open_page(http, origin, url)
    await ask(page, "confirm_ip_exposure", contactId=1)
    call = (await ask(page, "start_call", contactId=1, media="audio"))["result"]
    wanted = await next_message(page, lambda message: message.get("event") == "page_wanted")
    assert wanted["callId"] == call["id"]
    # it was not opened, and is asked for again
    await page.send_json({"id": 9, "method": "show_call", "params": {"callId": call["id"]}})
    again = await next_message(page, lambda message: message.get("event") == "page_wanted")
    assert again["url"] != wanted["url"]
    call_page = await open_page(http, origin, again["url"])
    await next_message(call_page, lambda message: message["command"]["type"] == "capabilities")
    assert alice.call(call["id"]).has_page
    assert running.urls.empty()
    # its tab is there now: no second one
    assert (await ask(page, "show_call", callId=call["id"]))["result"] is None
    await call_page.close()
    await next_message(page, lambda message: message.get("call", {}).get("state") == "ended")
    await page.close()


async def ringing(alice: Client, bob: Client, agents: Agents, http: aiohttp.ClientSession) -> Ring:
    call = await bob.start_call(1, "video")
    task = asyncio.create_task(bob.attach_page(call.id, ScriptedPage()))
    async with asyncio.timeout(10):
        while FakeNotifications.made.rings.empty():
            agents.wire.run()
            await asyncio.sleep(0)
    assert not task.done()
    return FakeNotifications.made.rings.get_nowait()


async def test_a_call_accepted_outside_opens_by_itself(
    running: Running, alice: Client, bob: Client, agents: Agents, http: aiohttp.ClientSession
) -> None:
    origin, url = await opened(running)
    page = await open_page(http, origin, url)
    await ask(page, "confirm_ip_exposure", contactId=1)
    ring = await ringing(alice, bob, agents, http)
    assert (ring.title, ring.message) == ("Bob", text("desktop.ring.video"))
    ring.accept()
    # a page that was not clicked cannot open a tab
    _, url = await opened(running)
    call_page = await open_page(http, origin, url)
    await next_message(call_page, lambda message: message["command"]["type"] == "start")
    async with asyncio.timeout(10):
        assert await FakeNotifications.made.withdrawn.get() == ring.call_id
    await alice.hang_up(ring.call_id)
    await page.close()


async def test_the_warning_comes_before_the_first_call(
    running: Running, alice: Client, bob: Client, agents: Agents, http: aiohttp.ClientSession
) -> None:
    origin, url = await opened(running)
    page = await open_page(http, origin, url)
    await ask(page, "state")
    ring = await ringing(alice, bob, agents, http)
    ring.accept()
    wanted = await next_message(page, lambda message: message.get("event") == "accept_wanted")
    assert wanted["callId"] == ring.call_id
    assert alice.call(ring.call_id).state is CallPhase.RINGING
    ring.reject()
    await next_message(page, lambda message: message.get("call", {}).get("state") == "ended")
    # too late, and nothing comes of it
    ring.accept()
    ring.reject()
    await page.close()


async def test_a_click_gives_an_address_when_no_tab_is_open(
    running: Running, alice: Client, bob: Client, agents: Agents, http: aiohttp.ClientSession
) -> None:
    await opened(running)
    ring = await ringing(alice, bob, agents, http)
    before = len(running.said)
    ring.show()
    assert len(running.said) == before + 1
    ring.reject()


async def test_the_end_is_orderly(running: Running, http: aiohttp.ClientSession) -> None:
    origin, url = await opened(running)
    page = await open_page(http, origin, url)
    await ask(page, "state")
    await running.stop()
    assert (await page.receive(timeout=10)).type in {aiohttp.WSMsgType.CLOSE, aiohttp.WSMsgType.CLOSED}
    assert FakeNotifications.made.stopped


async def test_without_opening_addresses_are_only_told(alice: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    @asynccontextmanager
    async def factory() -> AsyncIterator[Client]:
        yield alice

    said: asyncio.Queue[str] = asyncio.Queue()
    browser = Browser(
        factory, opens=False, notifications=False, open_url=lambda _: pytest.fail("opened"), say=said.put_nowait
    )
    task = asyncio.create_task(browser.serve())
    async with asyncio.timeout(10):
        assert "/open/" in await said.get()
        assert await said.get() == text("desktop.browser.stop")
    browser.stop()
    await task


def test_a_client_that_cannot_be_opened_is_told(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(DesktopError) as caught:
        Browser(lambda: Client(tmp_path / "file" / "x", "Alice", key=PLAIN), opens=False, notifications=False).run()
    assert str(tmp_path) in str(caught.value)


def test_missing_pages_are_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    package = tmp_path / "somewhere/simplex_calls"
    package.mkdir(parents=True)
    monkeypatch.setattr(simplex_calls, "__file__", str(package / "__init__.py"))
    with pytest.raises(DesktopError, match="install"):
        Browser(lambda: Client(tmp_path / "x", "Alice", key=PLAIN), opens=False, notifications=False).run()
    (package / "web/templates").mkdir(parents=True)
    with pytest.raises(DesktopError, match="npm"):
        Browser(lambda: Client(tmp_path / "x", "Alice", key=PLAIN), opens=False, notifications=False).run()
