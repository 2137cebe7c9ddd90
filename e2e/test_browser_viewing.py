"""What one does with the page of a call besides talking: texts, reactions, layouts, keys."""

from __future__ import annotations

import re

from playwright.sync_api import expect

from e2e.looks import look
from e2e.people import CallPage, People


def box(page: CallPage, selector: str) -> tuple[float, float]:
    found = page.page.locator(selector).bounding_box()
    assert found is not None
    return found["width"], found["height"]


def test_texts_and_reactions_in_a_call(people: People) -> None:
    hers, his = people.talk("video")
    hers.expect_media(video=True)
    expect(hers.page.get_by_role("button", name="Texts in this call", exact=True)).to_be_visible()
    hers.page.keyboard.press("c")
    expect(hers.page.get_by_role("textbox", name="Write a text")).to_be_focused()
    hers.page.keyboard.type("Can you hear me? <m>")
    hers.page.keyboard.press("Enter")
    # he has not opened them: a number says so
    expect(his.page.get_by_role("button", name="Texts in this call, 1 new")).to_be_visible()
    his.page.get_by_role("button", name="Texts in this call, 1 new").click()
    expect(his.page.get_by_role("log", name="Texts in this call")).to_contain_text("Alice: Can you hear me? <m>")
    his.page.get_by_role("textbox", name="Write a text").fill("Very well")
    his.page.get_by_role("button", name="Send").click()
    expect(hers.page.get_by_role("log", name="Texts in this call")).to_contain_text("Bob: Very well")
    # letters in a text are no commands
    expect(hers.page.get_by_role("button", name="Mute microphone")).to_be_visible()
    look(people.bob, "call-texts", his.page)
    hers.page.keyboard.press("Escape")
    expect(hers.page.get_by_role("textbox", name="Write a text")).to_be_hidden()

    hers.page.keyboard.press("r")
    hers.page.get_by_role("button", name="Applause").click()
    expect(his.page.get_by_role("img", name="Alice: 👏")).to_be_attached()
    his.hang_up()


def test_layouts(people: People) -> None:
    hers, _ = people.talk("video")
    hers.expect_media(video=True)
    width, height = box(hers, "#stage")
    assert (width, height) == (1280, 800)
    hers.page.keyboard.press("l")
    assert box(hers, "#stage") == (640, 800)
    assert box(hers, "#self") == (640, 800)
    look(people.alice, "call-side-by-side", hers.page)
    hers.page.keyboard.press("w")
    assert hers.page.locator("#self").bounding_box() == {"x": 0, "y": 0, "width": 640, "height": 800}
    hers.page.keyboard.press("l")
    hers.page.get_by_role("button", name="More").click()
    look(people.alice, "call-menu", hers.page)
    hers.page.get_by_role("button", name="Swap large and small").click()
    hers.page.keyboard.press("Escape")
    assert box(hers, "#self") == (1280, 800)
    look(people.alice, "call-swapped", hers.page)
    # one that is upright stacks them
    hers.page.keyboard.press("w")
    hers.page.keyboard.press("l")
    hers.page.set_viewport_size({"width": 360, "height": 740})
    assert box(hers, "#stage") == (360, 370)
    assert box(hers, "#self") == (360, 370)
    hers.page.set_viewport_size({"width": 1280, "height": 800})
    whole = re.compile("is-whole")
    expect(hers.remote_video).to_have_class(whole)
    hers.page.keyboard.press("z")
    expect(hers.remote_video).not_to_have_class(whole)
    hers.page.keyboard.press("z")
    expect(hers.remote_video).to_have_class(whole)
    hers.hang_up()


def test_the_list_of_keys(people: People) -> None:
    hers, his = people.talk("audio")
    hers.page.keyboard.press("?")
    keys = hers.page.get_by_role("dialog", name="Keys")
    expect(keys.get_by_text("Mute and unmute the microphone")).to_be_visible()
    look(people.alice, "call-keys", hers.page)
    hers.page.keyboard.press("Escape")
    expect(keys).to_be_hidden()
    hers.page.keyboard.press("m")
    expect(his.peer_muted).to_be_visible()
    hers.hang_up()
