"""Somebody whose program shows windows of its own, clicked through over Chromium's debugging port."""

from __future__ import annotations

import signal

from playwright.sync_api import Browser, Page, expect

from e2e.people import HERE, PATIENCE_MS, Person
from e2e.programs import Program


class WindowPerson(Person):
    """Somebody with windows instead of a browser."""

    _windows: Browser

    def launch(self) -> None:
        """Start the program."""
        self._program = Program(
            *("--data", str(self._folder), "--name", self.name, "--server", str(self._server)),
            log=self._log,
            module="e2e.windows",
        )

    def open(self) -> None:
        """Look into the windows of the program that was just started."""
        self.traffic.clear()
        address = self._program.wait_for_line(r"debugger (http://\S+)")
        # the windows' own size, language and devices are not changed
        self._windows = self._browser.browser_type.connect_over_cdp(address, no_defaults=True)
        (self.context,) = self._windows.contexts
        self.context.set_default_timeout(PATIENCE_MS)
        self.context.add_init_script(path=HERE / "page-hooks.js")
        self.context.on("console", self._console)
        self.context.on("weberror", self._weberror)
        self.context.on("request", self._request)
        (self.chat,) = self.context.pages
        expect(self.chat.locator("#app")).to_have_attribute("data-phase", "ready")

    def stop(self) -> None:
        """End the program politely."""
        if hasattr(self, "_windows"):
            self._windows.close()
        if hasattr(self, "_program") and self._program.runs:
            assert self._program.stop() == 0

    def restart(self) -> None:
        """Start the program again after it was killed."""
        self._windows.close()
        self.launch()
        self.open()

    def close_calls(self) -> None:
        """Close the windows of calls."""
        self._program.signal(signal.SIGUSR1)

    def settle(self) -> None:
        """Leave every call, and close its window."""
        if not self._program.runs:
            self.restart()
        calls = [page for page in self.context.pages if page is not self.chat]
        self.close_calls()
        for page in calls:
            expect_closed(page)
        expect(self.chat.locator("#banner")).to_be_hidden()
        expect(self.chat.locator("#incoming")).to_be_hidden()


def expect_closed(page: Page) -> None:
    """Wait until a window is closed."""
    if not page.is_closed():
        page.wait_for_event("close")
