"""What people see and what their screen readers read: names of everything that can be pressed, pictures to look at."""

from __future__ import annotations

from typing import Literal

import pytest
from playwright.sync_api import expect

from e2e.looks import look
from e2e.people import CallPage, People


def test_conversation(people: People) -> None:
    people.alice.write(people.bob, "Shall I call you?")
    expect(people.bob.entries(people.alice).last).to_contain_text("Shall I call you?")
    people.bob.write(people.alice, "Yes, in a moment. What I mean is at https://example.org/a/long/address, see there.")
    expect(people.alice.entries(people.bob).last).to_contain_text("in a moment")
    look(people.alice, "conversation")


def test_list_of_contacts(people: People) -> None:
    people.carol.open_conversation(people.alice)
    # there is a way back where there is no room for both
    people.carol.chat.set_viewport_size({"width": 360, "height": 740})
    people.carol.chat.get_by_role("button", name="Back to the contacts").click()
    expect(people.carol.chat.get_by_role("button", name="Add contact").first).to_be_visible()
    people.carol.chat.set_viewport_size({"width": 1280, "height": 800})
    look(people.carol, "contacts")


def test_adding_a_contact(people: People) -> None:
    people.carol.create_link()
    chat = people.carol.chat
    expect(chat.get_by_role("img", name="QR code of the invitation link")).to_be_visible()
    look(people.carol, "invitation")
    dialog = chat.get_by_role("dialog", name="Add contact")
    dialog.get_by_role("tab", name="Use a link").click()
    dialog.get_by_role("textbox", name="Link", exact=True).fill("https://example.org")
    dialog.get_by_role("button", name="Continue").click()
    expect(dialog.get_by_role("alert")).to_contain_text("This is not a SimpleX invitation link.")
    look(people.carol, "wrong-link")
    dialog.get_by_role("button", name="Close").click()
    expect(dialog).to_be_hidden()


def test_ringing(people: People) -> None:
    people.bob.open_conversation(people.alice)
    hers = people.alice.call(people.bob)
    expect(people.bob.ringing(people.alice)).to_be_visible()
    look(people.bob, "ringing")
    expect(hers.status).to_have_text("Ringing…")
    look(people.alice, "calling", hers.page)


@pytest.mark.parametrize("media", ["video", "audio"])
def test_call(people: People, media: Literal["video", "audio"]) -> None:
    hers, his = people.talk(media)
    for page in (hers, his):
        page.expect_media(video=media == "video")
    look(people.alice, f"call-{media}", hers.page)
    look(people.alice, f"chat-in-{media}-call")
    if media == "video":
        _expect_keyboard_reaches_everything(hers)
        hers.page.get_by_text("End-to-end encrypted", exact=True).click()
        expect(hers.page.get_by_text("AES-256-GCM")).to_be_visible()
        expect(hers.page.get_by_text("Path: direct.")).to_be_visible()
        look(people.alice, "call-padlock", hers.page)
        carols = people.carol.call(people.alice)
        expect(hers.page.get_by_role("group", name="Another incoming call from Carol")).to_be_visible()
        look(people.alice, "call-another", hers.page)
        carols.hang_up()
    his.hang_up()
    expect(hers.hang_up_button).to_be_hidden()
    look(people.alice, f"call-{media}-over", hers.page)


def _expect_keyboard_reaches_everything(page: CallPage) -> None:
    reached = set()
    for _ in range(12):
        page.page.keyboard.press("Tab")
        reached.add(page.page.evaluate("document.activeElement.id || document.activeElement.tagName"))
    assert {"mic", "camera", "hang-up", "fullscreen", "SUMMARY"} <= reached


def test_failure(people: People) -> None:
    people.alice.wish(microphoneError="NotAllowedError")
    hers = people.alice.call(people.bob)
    expect(hers.failure).to_be_visible()
    look(people.alice, "call-failed", hers.page)


def test_call_servers(people: People) -> None:
    chat = people.carol.chat
    chat.locator("#settings").click()
    chat.locator("#section-ice").click()
    chat.locator("#ice-field").fill("turn::secret@127.0.0.1:9?transport=tcp")
    chat.locator("#ice-form").get_by_role("button", name="Add").click()
    row = chat.locator("#ice-servers > li").last
    row.get_by_role("button", name="Test turn:127.0.0.1:9?transport=tcp").click()
    expect(row).to_contain_text("Nothing listens there.")
    chat.get_by_role("radio", name="From contacts that are not verified").check()
    expect(chat.locator("#ice-relay-missing")).to_be_hidden()
    look(people.carol, "call-servers")
    row.get_by_role("button", name="Remove").click()
    expect(chat.locator("#ice-relay-missing")).to_be_visible()
    chat.get_by_role("radio", name="Never Calls go directly").check()
    expect(chat.locator("#ice-relay-missing")).to_be_hidden()
    chat.get_by_role("dialog", name="Settings").get_by_role("button", name="Close").click()
