"""Calls between people in ordinary browsers: from the click on the camera to the entry in the history."""

from __future__ import annotations

import re

from playwright.sync_api import Locator, expect

from e2e.people import CallPage, People

ENDED = re.compile(r"^Call ended after \d:\d\d$")


def test_texts_go_both_ways(people: People) -> None:
    people.alice.write(people.bob, "Hello Bob")
    expect(people.bob.entries(people.alice).last).to_contain_text("Hello Bob")
    people.bob.write(people.alice, "<b>Hello</b> Alice")
    expect(people.alice.entries(people.bob).last).to_contain_text("<b>Hello</b> Alice")
    mine = people.alice.entries(people.bob).nth(-2)
    expect(mine.get_by_role("img", name="Received")).to_be_visible()  # by his receipt
    # what a call's entry does not offer
    expect(mine.get_by_role("button", name="Message menu")).to_have_count(1)


def test_video_call(people: People) -> None:
    hers, his = people.talk("video")
    hers.expect_media(video=True)
    his.expect_media(video=True)
    for page in (hers, his):
        expect(page.page.get_by_label("Your own video")).to_be_visible()
    his.hang_up()
    for page in (hers, his):
        page.expect_over(ENDED)
    people.alice.expect_call_entry(people.bob, "Outgoing video call", lasted=True)
    people.bob.expect_call_entry(people.alice, "Incoming video call", lasted=True)


def test_audio_call(people: People) -> None:
    hers, his = people.talk("audio")
    hers.expect_media(video=False)
    his.expect_media(video=False)
    assert hers.stats()["framesDecoded"] == his.stats()["framesDecoded"] == 0
    hers.page.keyboard.press("Shift+H")
    for page in (hers, his):
        page.expect_over(ENDED)
    people.alice.expect_call_entry(people.bob, "Outgoing audio call", lasted=True)
    people.bob.expect_call_entry(people.alice, "Incoming audio call", lasted=True)


def test_declined_call(people: People) -> None:
    hers = people.alice.call(people.bob)
    expect(hers.status).to_have_text("Ringing…")
    people.bob.reject(people.alice)
    hers.expect_over("Call declined")
    expect(people.bob.ringing(people.alice)).to_be_hidden()
    people.alice.expect_call_entry(people.bob, "Video call declined")
    people.bob.expect_call_entry(people.alice, "You declined a video call")


def test_caller_gives_up(people: People) -> None:
    hers = people.alice.call(people.bob, "audio")
    expect(people.bob.ringing(people.alice)).to_be_visible()
    hers.hang_up()
    hers.expect_over("Call ended")
    expect(people.bob.ringing(people.alice)).to_be_hidden()
    people.alice.expect_call_entry(people.bob, "Audio call cancelled")
    people.bob.expect_call_entry(people.alice, "Missed audio call")


def test_called_back_from_the_history(people: People) -> None:
    """The other direction, begun by the button on the entry of a call."""
    button = people.bob.entries(people.alice).last.get_by_role("button", name=re.compile("^Call back$"))
    his = people.bob.open_call(button, people.alice)
    hers = people.alice.accept(people.bob)
    hers.expect_connected()
    his.expect_connected()
    # from the chat page
    people.alice.chat.get_by_role("button", name=re.compile("Hang up the call with")).click()
    for page in (hers, his):
        page.expect_over(ENDED)
    people.alice.expect_call_entry(people.bob, "Incoming audio call", lasted=True)


def test_microphone_and_camera_switched(people: People) -> None:
    hers, his = people.talk("video")
    expect(his.remote_video).to_be_visible()

    hers.mic.click()
    expect(hers.mic).to_have_accessible_name("Unmute microphone")
    expect(his.peer_muted).to_have_text("Alice is muted")
    expect(his.remote_video).to_be_visible()
    hers.page.keyboard.press("m")
    expect(hers.mic).to_have_accessible_name("Mute microphone")
    expect(his.peer_muted).to_be_hidden()

    hers.camera.click()
    expect(hers.camera).to_have_accessible_name("Turn camera on")
    expect(hers.page.get_by_label("Your own video")).to_be_hidden()
    expect(his.remote_video).to_be_hidden()
    expect(his.peer_muted).to_be_hidden()
    his.expect_media(video=False)
    hers.page.keyboard.press("v")
    his.expect_media(video=True)
    hers.expect_media(video=True)


def test_camera_added_to_an_audio_call(people: People) -> None:
    hers, his = people.talk("audio")
    his.camera.click()
    hers.expect_media(video=True)
    expect(his.remote_video).to_be_hidden()


def test_another_call_is_accepted(people: People) -> None:
    people.alice.know_of_ip(people.carol)
    hers, his = people.talk("video")
    carols = people.carol.call(people.alice)
    expect(_other_call(hers).get_by_role("button", name="Hang up and accept")).to_be_visible()
    hers.page.keyboard.press("a")
    his.expect_over(ENDED)
    # nothing was clicked that may open a tab: the one that the user looks at goes on to the second call
    second = hers
    expect(second.page).to_have_title("Call with Carol")
    second.expect_connected()
    carols.expect_connected()
    second.expect_media(video=True)
    first_key, second_key = second.traffic.keys
    assert first_key != second_key
    carols.hang_up()
    second.expect_over(ENDED)
    people.alice.expect_call_entry(people.bob, "Outgoing video call", lasted=True)
    people.alice.expect_call_entry(people.carol, "Incoming video call", lasted=True)


def test_another_call_is_rejected(people: People) -> None:
    hers, his = people.talk("audio")
    carols = people.carol.call(people.alice, "audio")
    # told in the chat page as well
    expect(people.alice.ringing(people.carol)).to_contain_text("Accepting ends your current call")
    card = _other_call(hers)
    card.get_by_role("button", name="Decline").click()
    carols.expect_over("Call declined")
    expect(card).to_be_hidden()
    expect(people.alice.ringing(people.carol)).to_be_hidden()
    hers.expect_media(video=False)
    his.expect_media(video=False)
    people.alice.expect_call_entry(people.carol, "You declined an audio call")


def _other_call(page: CallPage) -> Locator:
    card = page.page.get_by_role("group", name="Another incoming call from Carol")
    expect(card).to_be_visible()
    return card
