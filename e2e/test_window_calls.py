"""Calls between the program's own windows, clicked through over Chromium's debugging port."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Error, expect

from e2e.people import CallPage, Person
from e2e.window_person import WindowPerson, expect_closed

Pair = tuple[WindowPerson, WindowPerson]


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
def both(browser: Browser, relay: str, artefacts: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Pair]:
    """Dora and Emil with windows, connected."""
    folder = tmp_path_factory.mktemp("windows")
    dora, emil = (WindowPerson(name, folder / name, relay, browser, artefacts) for name in ("Dora", "Emil"))
    try:
        for person in (dora, emil):
            person.launch()
        for person in (dora, emil):
            person.open()
        dora.befriend(emil)
        yield dora, emil
    finally:
        for person in (dora, emil):
            person.stop()
    for person in (dora, emil):
        person.check_log()


@pytest.fixture
def pair(both: Pair, request: pytest.FixtureRequest) -> Iterator[Pair]:
    """Dora and Emil, out of any call before and after the test."""
    for person in both:
        person.problems.clear()
    yield both
    failed = getattr(request.node, "rep_call", None)
    if failed is None or failed.failed:
        for person in both:
            person.take_failure_pictures(request.node.name)
    for person in both:
        person.settle()
    assert [problem for person in both for problem in person.problems] == []


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


def test_program_of_the_peer_killed(pair: Pair) -> None:
    """Nothing says goodbye: she looks for him until his program is back, and the window stays to tell why."""
    dora, emil = pair
    hers, _ = talk(dora, emil)
    emil.kill()
    expect(hers.status).to_have_text("Connection lost. Reconnecting…")
    emil.restart()
    hers.expect_over("Connection lost")
    expect(hers.failure.get_by_role("heading")).to_have_text("The connection was lost")
    dora.expect_call_entry(emil, "Video call: connection lost", lasted=True)
    emil.expect_call_entry(dora, "Incoming video call", lasted=True)
