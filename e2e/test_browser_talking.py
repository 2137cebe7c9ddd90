"""Talking in a call: by a held key, while muted, and what is set of sound and picture."""

from __future__ import annotations

from playwright.sync_api import expect

from e2e.looks import look
from e2e.people import People


def test_talking(people: People) -> None:
    people.alice.wish(steadyTone=True)
    hers, his = people.talk("video")
    hers.expect_media(video=True)
    hers.page.get_by_role("button", name="Mute microphone").click()
    expect(his.peer_muted).to_be_visible()
    word = hers.page.get_by_role("status").filter(has_text="You are muted")
    expect(word).to_be_visible()
    look(people.alice, "call-talking-muted", hers.page)

    hers.page.keyboard.down(" ")
    expect(his.peer_muted).to_be_hidden()
    expect(hers.page.get_by_text("You are heard while you hold the key")).to_be_visible()
    hers.page.keyboard.up(" ")
    expect(his.peer_muted).to_be_visible()
    # the key that is let go where nobody sees it is let go all the same
    hers.page.keyboard.down(" ")
    expect(his.peer_muted).to_be_hidden()
    hers.page.evaluate("dispatchEvent(new Event('blur'))")
    expect(his.peer_muted).to_be_visible()
    hers.page.keyboard.up(" ")

    hers.page.get_by_role("button", name="Unmute", exact=True).click()
    expect(his.peer_muted).to_be_hidden()
    expect(word).to_be_hidden()
    expect(his.page.locator("#call")).to_have_attribute("data-peer-speaking", "true")
    expect(hers.page.locator("#call")).to_have_attribute("data-self-speaking", "true")

    hers.page.keyboard.press("s")
    mine = hers.page.get_by_role("group", name="You are sharing your screen")
    expect(mine).to_be_visible()
    hers.page.wait_for_function("() => document.getElementById('sharing-video').currentTime > 0", polling=100)
    look(people.alice, "call-sharing", hers.page)
    mine.get_by_role("button", name="Stop").click()
    expect(mine).to_be_hidden()
    expect(his.page.locator("#remote-screen")).to_be_hidden()
    his.hang_up()


def test_sound_and_picture(people: People) -> None:
    people.alice.wish(steadyTone=True)
    hers, his = people.talk("audio")
    hers.page.keyboard.press(",")
    dialog = hers.page.get_by_role("dialog", name="Sound and picture")
    expect(dialog).to_be_visible()
    microphone = dialog.get_by_role("combobox", name="Microphone")
    other = microphone.locator("option").last.text_content()
    assert other
    microphone.select_option(label=other)
    # what it hears shows
    hers.page.wait_for_function("() => document.querySelector('meter').value > 0.2", polling=100)
    dialog.get_by_role("checkbox", name="Take out noise around you").uncheck()
    dialog.get_by_role("combobox", name="Camera, at most").select_option("1080p")
    test = dialog.get_by_role("button", name="Play a test sound")
    test.click()
    expect(test).to_be_disabled()
    look(people.alice, "call-settings", hers.page)
    expect(test).to_be_enabled()
    expect(test).to_have_text("Play a test sound")
    hers.page.keyboard.press("Escape")
    expect(dialog).to_be_hidden()
    his.expect_media(video=False)

    # kept, as it was chosen
    hers.page.get_by_role("button", name="More").click()
    hers.page.get_by_role("button", name="Sound and picture").click()
    expect(microphone.locator("option:checked")).to_have_text(other)
    noise = dialog.get_by_role("checkbox", name="Take out noise around you")
    expect(noise).not_to_be_checked()
    noise.check()
    microphone.select_option("")
    dialog.get_by_role("combobox", name="Camera, at most").select_option("720p")
    dialog.get_by_role("button", name="Close sound and picture").click()
    his.hang_up()
