"""Calls between different engines: the window's, Chromium and Firefox, each the caller once."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from playwright.sync_api import Browser

from e2e.firefox_person import FirefoxCall, FirefoxPerson
from e2e.people import CallPage, Person
from e2e.window_person import WindowPerson, expect_closed

ENDED = re.compile(r"^Call ended after \d:\d\d$")
PICTURES = 10
SOUNDS = 50
"""So many have to have gone out, and of pictures come in."""


@dataclass(frozen=True)
class Engines:
    """One person for each engine, all connected with one another."""

    window: WindowPerson
    chromium: Person
    firefox: FirefoxPerson

    def __iter__(self) -> Iterator[Person | FirefoxPerson]:
        return iter((self.window, self.chromium, self.firefox))


@pytest.fixture(scope="module")
def everyone(
    browser: Browser, relay: str, artefacts: Path, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Engines]:
    """Dora with windows, Fay with Chromium, Gina with Firefox."""
    folder = tmp_path_factory.mktemp("engines")
    people = Engines(
        WindowPerson("Dora", folder / "Dora", relay, browser, artefacts),
        Person("Fay", folder / "Fay", relay, browser, artefacts),
        FirefoxPerson("Gina", folder / "Gina", relay, artefacts),
    )
    try:
        for person in people:
            person.launch()
        for person in people:
            person.open()
        people.firefox.befriend(people.window)
        people.firefox.befriend(people.chromium)
        people.window.befriend(people.chromium)
        yield people
    finally:
        for person in people:
            person.stop()
    for person in people:
        person.check_log()


@pytest.fixture
def engines(everyone: Engines, request: pytest.FixtureRequest) -> Iterator[Engines]:
    """Everyone, out of any call before and after the test; whatever their pages complained of fails it."""
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


@pytest.mark.parametrize(("caller", "called"), [("chromium", "window"), ("window", "firefox"), ("firefox", "chromium")])
def test_call_between(engines: Engines, caller: str, called: str) -> None:
    first: Person | FirefoxPerson = getattr(engines, caller)
    second: Person | FirefoxPerson = getattr(engines, called)
    hers = first.call(second)
    his = second.accept(first)
    for call in (hers, his):
        call.expect_connected()
    for call in (hers, his):
        call.expect_media(video=True)
        _expect_encrypted(call)

    hers.mute()
    his.expect_peer_muted(f"{first.name} is muted")
    his.mute()
    hers.expect_peer_muted(f"{second.name} is muted")

    his.hang_up()
    for call, owner in ((hers, first), (his, second)):
        _expect_over(call, owner)


def _expect_encrypted(call: CallPage | FirefoxCall) -> None:
    """All that was sent and decoded by now turns out to have gone through the cipher; nothing was refused by it."""
    call.wait_for(f"s => Math.min(s.framesSent, s.framesDecoded) > {PICTURES} && s.audioSent > {SOUNDS}")
    by_now = call.stats()
    call.wait_for(
        "s => s.framesEncrypted >= {framesSent} && s.audioEncrypted >= {audioSent}"
        " && s.framesDecrypted >= {framesDecoded} && s.audioDecrypted > 0",
        by_now,
    )
    stats = call.stats()
    assert stats["framesFailed"] == stats["audioFailed"] == 0


def _expect_over(call: CallPage | FirefoxCall, owner: Person | FirefoxPerson) -> None:
    """A window whose call is over has nothing left to show."""
    if isinstance(owner, WindowPerson) and isinstance(call, CallPage):
        expect_closed(call.page)
    else:
        call.expect_over(ENDED)
