"""What a window and the event loop know of each other. No Qt in here: any window can stand behind it."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

from simplex_calls.bridge.pages import WebviewPage


@dataclass(frozen=True, slots=True)
class Placement:
    """Size and place of a window. ``column``: in which half of the screen (0, 1); ``None``: in its middle."""

    width: int
    height: int
    column: int | None = None
    offset: int = 0
    """Pixels from where the column's first window is."""
    hidden: bool = False
    """Not on the screen until :meth:`WindowPort.show`."""


class View(Protocol):
    """A window on the screen; its methods can be called from any thread, and do nothing once it is closed."""

    def run_script(self, script: str, done: Callable[[], None]) -> None:
        """Run a script in the page, in the order of the calls, and call ``done`` (in any thread) afterwards."""

    def load(self, url: str) -> None:
        """Open another page."""

    def bring_to_front(self) -> None:
        """Show the window above others."""

    def show_window(self) -> None:
        """Show a window that was made hidden."""

    def set_title(self, title: str) -> None:
        """Name the window."""

    def close_window(self) -> None:
        """Close the window."""

    def picture(self, done: Callable[[bytes | None], None]) -> None:
        """Take a picture of what is shown, as PNG; ``done`` gets it in any thread."""


class WindowPort:
    """Connects a window with the pages that are shown in it, one after the other.

    The window calls ``view_made``, ``text_came``, ``page_began``, ``renderer_died`` and ``window_closed``, in any
    thread; everything else, and the callbacks, belong to the thread of ``loop``.
    """

    def __init__(
        self,
        loop: asyncio.AbstractEventLoop,
        origin: str,
        placement: Placement,
        *,
        on_page: Callable[[WebviewPage, bool], None],
        on_crash: Callable[[], None],
        on_closed: Callable[[], None],
        close_page: Callable[[], None] | None = None,
    ) -> None:
        """``on_page`` gets a page that begins, and whether it is the window's first.

        ``close_page`` is for a page that is not wanted any more; without it, the window closes.
        """
        self.origin = origin
        self.placement = placement
        self._loop = loop
        self._on_page = on_page
        self._on_crash = on_crash
        self._on_closed = on_closed
        self._close_page = self.close if close_page is None else close_page
        self._view: View | None = None
        self._page: WebviewPage | None = None
        self._has_loaded = False
        self._wants_closing = False
        self._wants_showing = False

    # for the window

    def view_made(self, view: View) -> None:
        """The window is there."""
        self._view = view
        self._call(self._close_if_wanted)
        self._call(self._show_if_wanted)

    def page_began(self) -> None:
        """A page begins: the window's first one, or one after a reload."""
        page = WebviewPage(self._loop, self._run_script, self._close_page)
        former, self._page = self._page, page
        is_first, self._has_loaded = not self._has_loaded, True
        if former is not None:
            former.lost()
        self._call(self._on_page, page, is_first)

    def text_came(self, text: str) -> None:
        """The page says something."""
        if self._page is not None:
            self._page.post(text)

    def renderer_died(self) -> None:
        """The page is gone, and the window empty."""
        if self._page is not None:
            self._page.lost()
        self._call(self._on_crash)

    def window_closed(self) -> None:
        """The user or the program closed the window."""
        if self._page is not None:
            self._page.lost()
        self._call(self._on_closed)

    def _call(self, function: Callable[..., None], *arguments: object) -> None:
        # after the end of the program there is nobody to tell
        with contextlib.suppress(RuntimeError):
            self._loop.call_soon_threadsafe(function, *arguments)

    # for the event loop

    @property
    def view(self) -> View | None:
        """The window, once it is there."""
        return self._view

    def _run_script(self, script: str, done: Callable[[], None]) -> None:
        if self._view is not None:
            self._view.run_script(script, done)

    def give_up(self) -> None:
        """The window answers no more, whether it is closed or not."""
        if self._page is not None:
            self._page.lost()

    def show(self) -> None:
        """Show a hidden window, even if it is only being made."""
        self._wants_showing = True
        self._show_if_wanted()

    def _show_if_wanted(self) -> None:
        if self._wants_showing and self._view is not None:
            self._wants_showing = False
            self._view.show_window()

    def close(self) -> None:
        """Close the window, even if it is only being made."""
        self._wants_closing = True
        self._close_if_wanted()

    def _close_if_wanted(self) -> None:
        if self._wants_closing and self._view is not None:
            self._view.close_window()
