from __future__ import annotations

import asyncio
import json
import threading
from collections.abc import Callable
from typing import Any

import pytest

from simplex_calls.bridge import pages
from simplex_calls.bridge.pages import PageGoneError, ProtocolError, WebviewPage, parse


class Window:
    """A window without a screen: runs scripts in a thread of its own, as Qt does."""

    def __init__(self) -> None:
        self.page = WebviewPage(asyncio.get_running_loop(), self.run_script, self.close)
        self.scripts: list[str] = []
        self.closed = 0
        self.answers = True

    def run_script(self, script: str, done: Callable[[], None]) -> None:
        self.scripts.append(script)
        if self.answers:
            thread = threading.Thread(target=done)
            thread.start()
            thread.join()

    def close(self) -> None:
        self.closed += 1

    def messages(self) -> list[Any]:
        prefix, suffix = "simplexCalls.receive(", ")"
        return [json.loads(json.loads(script[len(prefix) : -len(suffix)])) for script in self.scripts]


async def test_messages_of_a_window_keep_their_order() -> None:
    window = Window()

    def speak() -> None:
        for number in range(500):
            window.page.post(json.dumps({"n": number}))
        window.page.lost()

    thread = threading.Thread(target=speak)
    thread.start()
    heard = [message["n"] async for message in window.page.responses()]
    thread.join()
    assert heard == list(range(500))
    # a second reader sees the end, too
    assert [message async for message in window.page.responses()] == []


async def test_commands_reach_a_window_whole() -> None:
    window = Window()
    said: list[dict[str, Any]] = [{"text": "\u2028\"'</script>\\ \U0001f600 \x00"}, {"n": 2}]
    for message in said:
        await window.page.send(message)
    assert window.messages() == said
    # the script is plain ASCII: no character of a message can end its literal
    assert all(script.isascii() and "\n" not in script for script in window.scripts)


async def test_a_window_that_is_closed_takes_nothing() -> None:
    window = Window()
    window.page.lost()
    assert [message async for message in window.page.responses()] == []
    with pytest.raises(PageGoneError):
        await window.page.send({})
    assert window.scripts == []


async def test_a_window_that_dies_during_a_command_is_gone() -> None:
    window = Window()
    window.answers = False
    sending = asyncio.create_task(window.page.send({}))
    while not window.scripts:
        await asyncio.sleep(0)
    window.page.lost()
    with pytest.raises(PageGoneError):
        await sending


async def test_a_window_that_hangs_is_gone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pages, "SEND_SECONDS", 0.01)
    window = Window()
    window.answers = False
    with pytest.raises(PageGoneError):
        await window.page.send({})
    assert [message async for message in window.page.responses()] == []


@pytest.mark.parametrize("flood", [["x" * (pages.MAX_MESSAGE_SIZE + 1)], ["{}"] * (pages.MAX_WAITING + 2)])
async def test_a_window_that_says_too_much_is_closed(flood: list[str]) -> None:
    window = Window()
    for text in flood:
        window.page.post(text)
    heard = [message async for message in window.page.responses()]
    assert len(heard) <= pages.MAX_WAITING
    assert window.closed == 1


async def test_closing_closes_the_window() -> None:
    window = Window()
    await window.page.close()
    await window.page.close()
    assert window.closed == 1
    assert [message async for message in window.page.responses()] == []


async def test_a_page_that_is_gone_leaves_its_window_to_the_next() -> None:
    window = Window()
    window.page.lost()
    await asyncio.sleep(0)
    await window.page.close()
    assert window.closed == 0


async def test_nonsense_ends_a_window_s_session() -> None:
    window = Window()
    window.page.post('{"n": 1}')
    window.page.post("nonsense")
    window.page.post('{"n": 2}')
    assert [message async for message in window.page.responses()] == [{"n": 1}]


@pytest.mark.parametrize("text", ["", "{", "[]", "1", "null", '"x"', "[" * 100_000, "{}{}", '{"a": 1e400}x'])
def test_only_objects_are_messages(text: str) -> None:
    with pytest.raises(ProtocolError):
        parse(text)


async def test_a_window_may_speak_after_the_end() -> None:
    loop = asyncio.new_event_loop()
    page = WebviewPage(loop, lambda _, done: done(), lambda: None)
    loop.close()
    page.post("{}")
    page.lost()
