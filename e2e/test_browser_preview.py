"""The preview before calls: seen by both sides, with another choice than was asked for, and left without a trace."""

from __future__ import annotations

import re
from collections.abc import Iterator

import pytest
from playwright.sync_api import Locator, expect

from e2e.looks import look
from e2e.people import CallPage, People, Person


@pytest.fixture
def previews(people: People) -> Iterator[People]:
    """Alice and Bob want previews, until the test is over."""
    for person in (people.alice, people.bob):
        _want(person, is_wanted=True)
    yield people
    for person in (people.alice, people.bob):
        _want(person, is_wanted=False)


def test_both_look_at_themselves_first(previews: People) -> None:
    hers = previews.alice.call(previews.bob)
    mine = _preview(hers)
    expect(mine.get_by_role("button", name="Start video call")).to_be_focused()
    expect(mine.get_by_role("combobox", name="Microphone")).to_have_value("")
    expect(mine.get_by_role("combobox", name="Camera").get_by_role("option")).not_to_have_count(1)
    hers.page.wait_for_function("() => document.querySelector('#preview video').videoWidth > 0")
    hers.page.wait_for_function("() => document.querySelector('#preview meter').value > 0")
    look(previews.alice, "preview", hers.page)
    expect(previews.bob.ringing(previews.alice)).to_be_hidden()
    mine.get_by_role("button", name="Start video call").click()
    expect(mine).to_be_hidden()
    his = previews.bob.accept(previews.alice)
    _preview(his).get_by_role("button", name="Accept with audio only").click()
    hers.expect_connected()
    expect(his.camera).to_have_accessible_name("Turn camera on")
    expect(hers.camera).to_have_accessible_name("Turn camera off")
    his.hang_up()
    hers.expect_over(re.compile("^Call ended"))


def test_left_without_calling(previews: People) -> None:
    hers = previews.alice.call(previews.bob)
    _preview(hers).get_by_role("button", name="Cancel").click()
    hers.expect_over(re.compile("^Call ended"))
    expect(previews.bob.ringing(previews.alice)).to_be_hidden()


def _preview(call: CallPage) -> Locator:
    preview = call.page.get_by_role("region", name="How you look and sound")
    expect(preview).to_be_visible()
    return preview


def _want(person: Person, *, is_wanted: bool) -> None:
    settings = person.open_settings("Calls")
    settings.get_by_role("switch", name="Preview before calls").set_checked(is_wanted)
    person.chat.get_by_role("dialog", name="Settings").get_by_role("button", name="Close").click()
