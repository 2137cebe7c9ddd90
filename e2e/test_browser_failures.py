"""What a call does when something is missing, refused, or dies in the middle of it."""

from __future__ import annotations

import re

import pytest
from playwright.sync_api import expect

from e2e.people import CallPage, People

ENDED = re.compile(r"^Call ended after \d:\d\d$")


def _expect_failure(page: CallPage, title: str, help_: str) -> None:
    page.expect_over("Call failed")
    expect(page.failure.get_by_role("heading")).to_have_text(title)
    expect(page.failure).to_contain_text(help_)


def test_call_page_reloaded(people: People) -> None:
    hers, his = people.talk("video")
    hers.page.reload()
    expect(hers.page.get_by_role("heading")).to_have_text("The call has ended")
    expect(hers.page.get_by_text("A call ends when its page is reloaded")).to_be_visible()
    people.alice.excuse("status of 403")
    his.expect_over(ENDED)
    people.alice.expect_call_entry(people.bob, "Outgoing video call", lasted=True)
    people.bob.expect_call_entry(people.alice, "Incoming video call", lasted=True)


def test_call_page_closed_while_it_rings(people: People) -> None:
    hers = people.alice.call(people.bob)
    expect(people.bob.ringing(people.alice)).to_be_visible()
    hers.close()
    expect(people.bob.ringing(people.alice)).to_be_hidden()
    people.alice.expect_call_entry(people.bob, "Video call cancelled")
    people.bob.expect_call_entry(people.alice, "Missed video call")


def test_browser_of_the_peer_closed(people: People) -> None:
    hers, _ = people.talk("video")
    people.bob.context.close()
    hers.expect_over(ENDED)
    people.alice.expect_call_entry(people.bob, "Outgoing video call", lasted=True)
    # his program runs on, and tells him where to look
    people.bob.stop()
    people.bob.launch()
    people.bob.open()
    people.bob.expect_call_entry(people.alice, "Incoming video call", lasted=True)


def test_program_of_the_peer_killed(people: People) -> None:
    """His page notices, and tells hers by the call's own channel."""
    hers, his = people.talk("video")
    people.bob.kill()
    for page in (hers, his):
        page.expect_over(ENDED)
    over = people.bob.chat.get_by_role("alert").filter(has_text="This page is no longer connected")
    expect(over).to_be_visible()
    people.alice.expect_call_entry(people.bob, "Outgoing video call", lasted=True)
    people.bob.restart()
    people.bob.expect_call_entry(people.alice, "Incoming video call", lasted=True)


def test_all_of_the_peer_killed(people: People) -> None:
    """Nothing says goodbye: she looks for him until his program is back, and says that the call is over."""
    hers, his = people.talk("video")
    people.bob.kill_with(his)
    expect(hers.status).to_have_text("Connection lost. Reconnecting…")
    people.bob.restart()
    hers.expect_over("Connection lost")
    people.alice.expect_call_entry(people.bob, "Video call: connection lost", lasted=True)
    people.bob.expect_call_entry(people.alice, "Incoming video call", lasted=True)


def test_another_network(people: People) -> None:
    """Both sides find a new way through their messages; the call, its key and its code stay."""
    hers, his = people.talk("video")
    pages = (hers.page, his.page)
    before = [page.evaluate("e2e.ways()") for page in pages]
    # hers asks, his offers
    hers.page.evaluate("dispatchEvent(new Event('online'))")
    for page, ways in zip(pages, before, strict=True):
        page.wait_for_function("before => e2e.ways().every((way, place) => way && way !== before[place])", arg=ways)
    for call in (hers, his):
        call.wait_for_report(lambda stats: stats["framesFailed"] == 0)
        call.expect_media(video=True)
        call.expect_connected()
        assert call.page.evaluate("e2e.states()") == ["connected"]
    hers.hang_up()


def test_no_camera(people: People) -> None:
    people.alice.wish(cameraError="NotFoundError")
    hers, his = people.talk("video")
    expect(hers.notice).to_have_text("No camera was found. The call goes on with audio.")
    expect(hers.page.get_by_label("Your own video")).to_be_hidden()
    hers.expect_media(video=True)
    his.expect_media(video=False)
    hers.notice.get_by_role("button", name="Dismiss").click()
    expect(hers.notice).to_be_hidden()
    hers.camera.click()
    expect(hers.notice).to_be_visible()
    expect(hers.camera).to_have_accessible_name("Turn camera on")


def test_camera_refused_by_the_called(people: People) -> None:
    people.bob.wish(cameraError="NotAllowedError")
    hers, his = people.talk("video")
    expect(his.notice).to_contain_text("allow the camera for this page")
    hers.expect_media(video=False)
    his.expect_media(video=True)


@pytest.mark.parametrize(
    ("error", "title", "help_"),
    [
        ("NotFoundError", "No microphone was found", "Connect a microphone"),
        ("NotAllowedError", "The microphone is not allowed", "Allow the microphone for this page"),
        ("NotReadableError", "The microphone is in use", "Another program is using the microphone"),
    ],
)
def test_caller_has_no_microphone(people: People, error: str, title: str, help_: str) -> None:
    people.alice.wish(microphoneError=error)
    hers = people.alice.call(people.bob)
    _expect_failure(hers, title, help_)
    expect(people.alice.chat.get_by_role("alert").filter(has_text=re.compile("microphone"))).to_be_visible()
    people.alice.expect_call_entry(people.bob, "Video call failed")
    expect(people.bob.ringing(people.alice)).to_be_hidden()


def test_called_has_no_microphone(people: People) -> None:
    people.bob.wish(microphoneError="NotAllowedError")
    hers = people.alice.call(people.bob)
    his = people.bob.accept(people.alice)
    _expect_failure(his, "The microphone is not allowed", "Allow the microphone for this page")
    hers.expect_over(re.compile("^Call"))
    people.bob.expect_call_entry(people.alice, "Video call failed")


def test_caller_cannot_encrypt(people: People) -> None:
    people.alice.wish(noEncodedStreams=True, noScriptTransform=True)
    hers = people.alice.call(people.bob)
    question = hers.page.get_by_role("alertdialog", name="This window cannot encrypt frames")
    question.get_by_role("button", name="Hang up").click()
    hers.expect_over(re.compile("^Call"))
    assert hers.stats()["audioSent"] == 0
    expect(people.bob.ringing(people.alice)).to_be_hidden()


def test_called_cannot_encrypt(people: People) -> None:
    people.bob.wish(noEncodedStreams=True, noScriptTransform=True)
    hers = people.alice.call(people.bob)
    his = people.bob.accept(people.alice)
    _expect_failure(his, "The call cannot be encrypted", "The call was not started")
    hers.expect_over(re.compile("^Call"))
    for page in (hers, his):
        stats = page.stats()
        assert stats["audioSent"] == stats["framesSent"] == stats["audioReceived"] == 0
