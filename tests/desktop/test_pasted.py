from __future__ import annotations

import asyncio

import aiohttp
import pytest

from simplex_calls.__main__ import main
from simplex_calls.calls.ice import IceConfig
from simplex_calls.desktop.pasted import PastedBrowser
from tests.bridge.people import next_message, open_page


async def test_it_ends_with_its_page(http: aiohttp.ClientSession) -> None:
    said: list[str] = []
    opened: asyncio.Queue[str] = asyncio.Queue()
    loop = asyncio.get_running_loop()

    def open_url(url: str) -> None:
        loop.call_soon_threadsafe(opened.put_nowait, url)

    browser = PastedBrowser(IceConfig.parse([]), open_url=open_url, say=said.append)
    serving = asyncio.create_task(browser.serve())
    url = await asyncio.wait_for(opened.get(), 10)
    assert url in said[0]
    page = await open_page(http, url.partition("/open/")[0], url)
    await next_message(page, lambda message: message["command"]["type"] == "paste")
    await page.close()
    await asyncio.wait_for(serving, 10)


async def test_it_ends_when_it_is_asked_to() -> None:
    browser = PastedBrowser(IceConfig.parse([]), opens=False, say=lambda _: browser.stop())
    await asyncio.wait_for(browser.serve(), 10)


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (["--no-open"], "--browser"),
        (["--browser", "--ice-server", "turn:no-password.example"], "turn:user:password"),
        (["--browser", "--ice-server", "x"], "stun:host:port"),
        (["--browser", "--relay-only"], "TURN server"),
        (["--browser", "--no-ice-servers", "--ice-server", "stun:a.example"], "exclude"),
    ],
)
def test_options_that_make_no_sense(capsys: pytest.CaptureFixture[str], options: list[str], words: str) -> None:
    assert main(["paste", *options]) == 1
    error = capsys.readouterr().err
    assert words in error
    assert "Traceback" not in error
