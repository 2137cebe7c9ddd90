"""Calls between the program's own windows, clicked through over Chromium's debugging port."""

from __future__ import annotations

import re
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Error, Page, expect

from e2e.people import HERE, PATIENCE_MS, CallPage, Person
from e2e.programs import Program

ENDED = re.compile(r"^Call ended after \d:\d\d$")

Pair = tuple["WindowPerson", "WindowPerson"]


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


def expect_padlock(call: CallPage) -> None:
    """Look at what the padlock has to tell."""
    call.page.get_by_text("End-to-end encrypted", exact=True).click()
    items = call.page.locator("#lock-items")
    expect(items).to_be_visible()
    expect(items).to_contain_text("AES-256-GCM with this call's own key")
    expect(call.page.locator("#lock-path")).to_contain_text("Path: direct")
    call.page.get_by_text("End-to-end encrypted", exact=True).first.click()


def talk(caller: Person, called: Person) -> tuple[CallPage, CallPage]:
    """Both pages of a video call that stands."""
    hers = caller.call(called)
    his = called.accept(caller)
    hers.expect_connected()
    his.expect_connected()
    return hers, his


def expect_entries(caller: Person, called: Person) -> None:
    """Wait until both histories know of a call that took place."""
    caller.expect_call_entry(called, "Outgoing video call", lasted=True)
    called.expect_call_entry(caller, "Incoming video call", lasted=True)


@pytest.fixture(scope="module")
def everyone(
    browser: Browser, relay: str, artefacts: Path, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[tuple[WindowPerson, WindowPerson, Person]]:
    """Dora and Emil with windows, Fay with a browser; Dora is connected with both others."""
    folder = tmp_path_factory.mktemp("windows")
    dora, emil = (WindowPerson(name, folder / name, relay, browser, artefacts) for name in ("Dora", "Emil"))
    fay = Person("Fay", folder / "Fay", relay, browser, artefacts)
    try:
        for person in (dora, emil, fay):
            person.launch()
        for person in (dora, emil, fay):
            person.open()
        dora.befriend(emil)
        dora.befriend(fay)
        yield dora, emil, fay
    finally:
        for person in (dora, emil, fay):
            person.stop()
    for person in (dora, emil, fay):
        person.check_log()


@pytest.fixture
def three(
    everyone: tuple[WindowPerson, WindowPerson, Person], request: pytest.FixtureRequest
) -> Iterator[tuple[WindowPerson, WindowPerson, Person]]:
    """Dora, Emil and Fay, out of any call before and after the test."""
    for person in everyone:
        person.problems.clear()
    yield everyone
    failed = getattr(request.node, "rep_call", None)
    if failed is None or failed.failed:
        for person in everyone:
            person.take_failure_pictures(request.node.name)
    for person in everyone:
        person.settle()
    assert [problem for person in everyone for problem in person.problems] == []


@pytest.fixture
def pair(three: tuple[WindowPerson, WindowPerson, Person]) -> Pair:
    """Dora and Emil."""
    return three[:2]


def test_video_call(pair: Pair) -> None:
    dora, emil = pair
    hers, his = talk(dora, emil)
    for call in (hers, his):
        call.expect_media(video=True)
        expect(call.page.get_by_label("Your own video")).to_be_visible()
        expect_padlock(call)

    hers.mic.click()
    expect(hers.mic).to_have_accessible_name("Unmute microphone")
    expect(his.peer_muted).to_have_text("Dora is muted")
    expect(his.remote_video).to_be_visible()
    hers.mic.click()
    expect(his.peer_muted).to_be_hidden()

    his.camera.click()
    expect(his.camera).to_have_accessible_name("Turn camera on")
    expect(hers.remote_video).to_be_hidden()
    hers.expect_media(video=False)
    his.camera.click()
    hers.expect_media(video=True)

    # a window whose call is over has nothing left to show
    his.hang_up()
    for call in (hers, his):
        expect_closed(call.page)
    expect_entries(dora, emil)


def test_declined_call(pair: Pair) -> None:
    dora, emil = pair
    hers = dora.call(emil)
    expect(hers.status).to_have_text("Ringing…")
    emil.reject(dora)
    expect_closed(hers.page)
    expect(emil.ringing(dora)).to_be_hidden()
    dora.expect_call_entry(emil, "Video call declined")
    emil.expect_call_entry(dora, "You declined a video call")


def test_call_window_closed(pair: Pair) -> None:
    dora, emil = pair
    hers, his = talk(emil, dora)
    dora.close_calls()
    for call in (hers, his):
        expect_closed(call.page)
    expect_entries(emil, dora)


def test_call_page_closes_itself(pair: Pair) -> None:
    dora, emil = pair
    hers, his = talk(dora, emil)
    hers.page.close()
    expect_closed(his.page)
    expect_entries(dora, emil)


def test_renderer_of_a_call_crashes(pair: Pair) -> None:
    dora, emil = pair
    hers, his = talk(dora, emil)
    debugger = dora.context.new_cdp_session(hers.page)
    with pytest.raises(Error, match="closed"):
        debugger.send("Page.crash")
    for call in (hers, his):
        expect_closed(call.page)
    expect_entries(dora, emil)


@pytest.mark.parametrize("caller", ["window", "browser"])
def test_window_and_browser(three: tuple[WindowPerson, WindowPerson, Person], caller: str) -> None:
    dora, _, fay = three
    first, second = (dora, fay) if caller == "window" else (fay, dora)
    hers, his = talk(first, second)
    for call in (hers, his):
        call.expect_media(video=True)
    in_window, in_browser = (hers, his) if caller == "window" else (his, hers)
    in_window.hang_up()
    expect_closed(in_window.page)
    in_browser.expect_over(ENDED)
    expect_entries(first, second)


def test_program_of_the_peer_killed(pair: Pair) -> None:
    """Nothing says goodbye: the connection has to notice by itself, and the window stays to tell why."""
    dora, emil = pair
    hers, _ = talk(dora, emil)
    emil.kill()
    expect(hers.status).to_have_text("Connection lost. Reconnecting…")
    hers.expect_over("Call failed")
    expect(hers.failure.get_by_role("heading")).to_have_text("No connection")
    dora.expect_call_entry(emil, "Video call failed", lasted=True)
    emil.restart()
    emil.expect_call_entry(dora, "Incoming video call", lasted=True)
