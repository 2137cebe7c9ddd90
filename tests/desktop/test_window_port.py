from __future__ import annotations

import asyncio
from collections.abc import Callable

import pytest

from simplex_calls.bridge.pages import PageGoneError, WebviewPage
from simplex_calls.desktop.windows import Placement, WindowPort


class FakeView:
    def __init__(self) -> None:
        self.closed = 0
        self.shown = 0
        self.scripts: list[str] = []

    def run_script(self, script: str, done: Callable[[], None]) -> None:
        self.scripts.append(script)
        done()

    def load(self, url: str) -> None:
        raise NotImplementedError

    def bring_to_front(self) -> None:
        raise NotImplementedError

    def show_window(self) -> None:
        self.shown += 1

    def set_title(self, title: str) -> None:
        raise NotImplementedError

    def picture(self, done: Callable[[bytes | None], None]) -> None:
        raise NotImplementedError

    def close_window(self) -> None:
        self.closed += 1


class Shown:
    def __init__(self) -> None:
        self.pages: list[tuple[WebviewPage, bool]] = []
        self.crashes = 0
        self.closed = 0
        self.port = WindowPort(
            asyncio.get_running_loop(),
            "http://127.0.0.1:1",
            Placement(600, 400),
            on_page=lambda page, is_first: self.pages.append((page, is_first)),
            on_crash=self.crash,
            on_closed=self.close,
        )

    def crash(self) -> None:
        self.crashes += 1

    def close(self) -> None:
        self.closed += 1


async def settle() -> None:
    for _ in range(5):
        await asyncio.sleep(0)


async def test_a_reload_ends_the_page_before() -> None:
    shown, view = Shown(), FakeView()
    shown.port.page_began()
    shown.port.view_made(view)
    shown.port.text_came('{"n": 1}')
    await settle()
    (first, is_first), *_ = shown.pages
    assert is_first
    assert await anext(first.responses()) == {"n": 1}
    shown.port.page_began()
    shown.port.text_came('{"n": 2}')
    await settle()
    second, is_first = shown.pages[1]
    assert not is_first
    assert [message async for message in first.responses()] == []
    assert await anext(second.responses()) == {"n": 2}
    await second.send({})
    assert len(view.scripts) == 1
    with pytest.raises(PageGoneError):
        await first.send({})


@pytest.mark.parametrize("end", ["renderer_died", "window_closed", "give_up"])
async def test_the_end_of_a_window_ends_its_page(end: str) -> None:
    shown = Shown()
    shown.port.view_made(FakeView())
    shown.port.page_began()
    getattr(shown.port, end)()
    await settle()
    assert [message async for message in shown.pages[0][0].responses()] == []
    assert (shown.crashes, shown.closed) == (end == "renderer_died", end == "window_closed")


async def test_a_hidden_window_is_shown_as_soon_as_it_is_there() -> None:
    shown, view = Shown(), FakeView()
    shown.port.show()
    shown.port.view_made(view)
    await settle()
    assert view.shown == 1
    shown.port.show()
    assert view.shown == 2


async def test_a_window_can_be_closed_before_it_is_there() -> None:
    shown, view = Shown(), FakeView()
    shown.port.close()
    shown.port.view_made(view)
    await settle()
    assert view.closed == 1
