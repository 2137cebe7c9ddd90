"""Frames between two browsers are encrypted with the call's key, all of them, however the engine lets us do it."""

from __future__ import annotations

import re

import pytest
from playwright.sync_api import expect

from e2e.people import CallPage, People, Recorded
from simplex_calls.calls.frames import FrameKind, decrypt_frame, vp8_kind

ENGINES = {
    "streams": {"noScriptTransform": True},
    "script": {"noEncodedStreams": True},
}
ENDED = re.compile(r"^Call ended after \d:\d\d$")
FRAMES = 40
"""Frames of each kind that have to have gone each way."""


@pytest.mark.parametrize(("hers_", "his_"), [("streams", "streams"), ("script", "script"), ("streams", "script")])
def test_every_frame_goes_through_the_cipher(people: People, hers_: str, his_: str) -> None:
    for person, engine in ((people.alice, hers_), (people.bob, his_)):
        person.wish(**ENGINES[engine])
        person.record_frames()
    hers, his = people.talk("video")
    for page in (hers, his):
        page.expect_media(video=True)
        counters = ("framesSent", "framesDecoded", "audioSent", "audioReceived")
        page.wait_for("s => " + " && ".join(f"s.{name} > {FRAMES}" for name in counters))
    (key,) = hers.traffic.keys
    assert [key] == his.traffic.keys
    assert len(key) == 32
    for page in (hers, his):
        _expect_all_counted(page)
    _expect_encrypted(key, sender=hers, receiver=his)
    _expect_encrypted(key, sender=his, receiver=hers)


def _expect_all_counted(page: CallPage) -> None:
    """What the engine has sent and received is what the cipher has encrypted and decrypted."""
    engine = page.stats()
    sent, received = _recorded(page)
    # the recorder is asked after the engine: nothing that was sent by then may be missing
    assert len([frame for frame in sent if frame.type != "audio"]) >= engine["framesSent"] > FRAMES
    assert len([frame for frame in sent if frame.type == "audio"]) >= engine["audioSent"] > FRAMES
    assert len([frame for frame in received if frame.type != "audio"]) >= engine["framesDecoded"]
    assert len([frame for frame in received if frame.type == "audio"]) + _LOST_AT_START >= engine["audioReceived"]
    report = page.wait_for_report(lambda stats: stats["framesSent"] >= engine["framesSent"] + engine["audioSent"])
    assert report["framesEncrypted"] + 1 >= report["framesSent"] > 2 * FRAMES
    assert report["framesDecrypted"] > 2 * FRAMES
    assert report["framesFailed"] == 0
    assert report["path"] == "direct"


_LOST_AT_START = 1


def _expect_encrypted(key: bytes, *, sender: CallPage, receiver: CallPage) -> None:
    """What arrived was made from what the sender's engine encoded, by the cipher with the call's key.

    That a decoder makes no picture of it would be no proof: VP8 and Opus make something of almost anything.
    """
    # in this order: what has arrived has been sent by then
    _, received = _recorded(receiver)
    sent, _ = _recorded(sender)
    plain = {(frame.type, frame.before) for frame in sent}
    on_the_wire = {frame.after for frame in sent}
    assert len(received) > 2 * FRAMES
    for frame in received:
        kind = FrameKind.AUDIO if frame.type == "audio" else vp8_kind(frame.before)
        assert frame.before in on_the_wire
        # authenticated by the key: no frame in the clear passes this
        decrypted = decrypt_frame(key, frame.before, kind)
        assert decrypted == frame.after
        if len(decrypted) > kind.clear_size:
            assert (frame.type, decrypted) in plain
            assert (frame.type, frame.before) not in plain


def _recorded(page: CallPage) -> tuple[list[Recorded], list[Recorded]]:
    """What was encrypted, and what was decrypted; frames without a byte are nobody's."""
    frames = [frame for frame in page.frames() if frame.before and frame.after is not None]
    return (
        [frame for frame in frames if len(frame.after or b"") > len(frame.before)],
        [frame for frame in frames if len(frame.after or b"") < len(frame.before)],
    )


@pytest.mark.parametrize("engine", ENGINES)
def test_wrong_key_decodes_nothing(people: People, engine: str) -> None:
    """Bob's worker is given another key: neither of the two decodes a picture or hears a sound."""
    people.alice.wish(**ENGINES[engine])
    people.bob.wish(**ENGINES[engine], wrongKey=True)
    pages = people.talk("video")
    for page in pages:
        report = page.wait_for_report(lambda stats: stats["framesFailed"] > 100)
        assert report["framesDecrypted"] == 0
        assert report["framesDecoded"] == 0
        expect(page.notice).to_contain_text("cannot be decrypted with this call's key")
        # sound packets arrive; what is in them is not played
        stats = page.stats()
        assert stats["audioReceived"] > 0
        assert stats["framesDecoded"] == 0
        assert stats["energy"] == 0
        assert page.page.evaluate("document.getElementById('remote-video').videoWidth") == 0


def test_who_cannot_encrypt_calls_after_a_yes_on_both_sides(people: People) -> None:
    """Alice's engine has no way to encrypt: she is asked before it rings at Bob's, he before he takes the call."""
    people.alice.wish(noScriptTransform=True, noEncodedStreams=True)
    hers = people.alice.call(people.bob, "audio")
    question = hers.page.get_by_role("alertdialog", name="This window cannot encrypt frames")
    expect(question).to_be_visible()
    expect(question.get_by_role("button", name="Hang up")).to_be_focused()
    expect(hers.status).to_have_text("Waiting for your answer")
    expect(people.bob.ringing(people.alice)).to_be_hidden()
    question.get_by_role("button", name="Go on without frame encryption").click()
    expect(question).to_be_hidden()
    ringing = people.bob.ringing(people.alice)
    ringing.get_by_role("button", name="Accept with audio").click()
    asked = people.bob.chat.get_by_role("dialog", name="Their app does not encrypt this call")
    accept = asked.get_by_role("button", name="Accept without encryption")
    his = people.bob.open_call(accept, people.alice, "Understood, accept")
    for page in (hers, his):
        expect(page.status).to_have_text("Connected")
        expect(page.page.get_by_text("Only transport encrypted", exact=True)).to_be_visible()
        page.expect_media(video=False)
        assert page.traffic.keys == []
    his.hang_up()
    hers.expect_over(ENDED)
