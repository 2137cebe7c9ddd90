"""Frames between two browsers are encrypted with the call's key, all of them, however the engine lets us do it."""

from __future__ import annotations

import re
from collections.abc import Callable

import pytest
from playwright.sync_api import expect

from e2e.looks import look
from e2e.people import CallPage, People, Recorded
from simplex_calls.calls.frames import FrameKind, decrypt_frame, vp8_kind
from simplex_calls.calls.sframe import FrameCodec, FrameOpener

ENGINES = {
    "streams": {"noScriptTransform": True},
    "script": {"noEncodedStreams": True},
}
ENDED = re.compile(r"^Call ended after \d:\d\d$")
FRAMES = 40
"""Frames of each kind that have to have gone each way."""


@pytest.mark.parametrize(
    ("hers_", "his_", "scheme"),
    [
        ("streams", "streams", "tracks"),
        ("script", "script", "tracks"),
        ("streams", "script", "official"),
    ],
)
def test_every_frame_goes_through_the_cipher(people: People, hers_: str, his_: str, scheme: str) -> None:
    for person, engine in ((people.alice, hers_), (people.bob, his_)):
        person.wish(**ENGINES[engine], officialFrames=scheme == "official")
        person.record_frames()
    hers, his = people.talk("video")
    for page in (hers, his):
        page.expect_media(video=True)
        counters = ("framesSent", "framesDecoded", "audioSent", "audioReceived")
        page.wait_for("s => " + " && ".join(f"s.{name} > {FRAMES}" for name in counters))
    (key,) = {*hers.traffic.keys, *his.traffic.keys}
    assert len(key) == 32
    words = "keys of their own" if scheme == "tracks" else "All frames have one key"
    for page in (hers, his):
        expect(page.page.locator("#scheme")).to_contain_text(words)
        _expect_all_counted(page)
    for sender, receiver in ((hers, his), (his, hers)):
        openers = [_official_opener(key) if scheme == "official" else _tracks_opener(sender) for _ in range(2)]
        _expect_encrypted(*openers, sender=sender, receiver=receiver)


def _expect_all_counted(page: CallPage) -> None:
    """What the engine has sent and received is what the cipher has encrypted and decrypted."""
    engine = page.stats()
    # what the engine has received may still be on its way to the worker
    arrived = engine["framesDecoded"] + engine["audioReceived"]
    page.wait_for_report(lambda stats: stats["framesDecrypted"] + stats["framesReplayed"] >= arrived)
    # the recorder is asked after the engine: nothing that was sent by then may be missing
    counts = page.frame_counts()
    assert counts["sent"]["video"] >= engine["framesSent"] > FRAMES
    assert counts["sent"]["audio"] >= engine["audioSent"] > FRAMES
    assert counts["received"]["video"] >= engine["framesDecoded"]
    # now and then an engine hands over twice what came once more
    assert counts["received"]["audio"] + counts["dropped"]["audio"] + _LOST_AT_START >= engine["audioReceived"]
    report = page.wait_for_report(lambda stats: stats["framesSent"] >= engine["framesSent"] + engine["audioSent"])
    assert report["framesEncrypted"] + 1 >= report["framesSent"] > 2 * FRAMES
    assert report["framesDecrypted"] > 2 * FRAMES
    assert report["framesFailed"] == 0
    assert report["path"] == "direct"


_LOST_AT_START = 5
"""Most packets that an engine has received and handed to nobody: from before the cipher stood, or without a byte."""


Opener = Callable[[str, bytes], bytes]
"""Opens a frame of a type: what was in it. Anything that was not made with the key is an error."""


def _official_opener(key: bytes) -> Opener:
    return lambda type_, frame: decrypt_frame(key, frame, FrameKind.AUDIO if type_ == "audio" else vp8_kind(frame))


def _tracks_opener(sender: CallPage) -> Opener:
    """As the other side's worker has it: each frame opens once, by the key of its track and direction only."""
    sound = FrameOpener(sender.track_key(sender.role, "mic"), FrameCodec.OPUS)
    pictures = FrameOpener(sender.track_key(sender.role, "camera"), FrameCodec.VP8)
    return lambda type_, frame: (sound if type_ == "audio" else pictures).open(frame)


def _expect_encrypted(opened: Opener, opened_at_once: Opener, *, sender: CallPage, receiver: CallPage) -> None:
    """What arrived was made from what the sender's engine encoded, by the cipher with the call's key.

    That a decoder makes no picture of it would be no proof: VP8 and Opus make something of almost anything.
    """
    # in this order: what has arrived has been sent by then
    _, received = _recorded(receiver)
    sent, _ = _recorded(sender)
    plain = {(frame.type, frame.before) for frame in sent}
    on_the_wire = {frame.after for frame in sent}
    for frame in sent:
        # no number was used twice: it would not open
        assert frame.after is not None
        assert opened_at_once(frame.type, frame.after) == frame.before
    assert len(received) > 2 * FRAMES
    # the recorders keep so many frames each: what is among the first here is kept there
    for frame in received[: 10 * FRAMES]:
        assert frame.before in on_the_wire
        # authenticated by the key: no frame in the clear passes this
        decrypted = opened(frame.type, frame.before)
        assert decrypted == frame.after
        if frame.type != "audio" or len(decrypted) > FrameKind.AUDIO.clear_size:
            assert (frame.type, decrypted) in plain
            assert (frame.type, frame.before) not in plain


def _recorded(page: CallPage) -> tuple[list[Recorded], list[Recorded]]:
    """What was encrypted, and what was decrypted; frames without a byte are nobody's."""
    frames = [frame for frame in page.frames() if frame.before and frame.after is not None]
    return (
        [frame for frame in frames if len(frame.after or b"") > len(frame.before)],
        [frame for frame in frames if len(frame.after or b"") < len(frame.before)],
    )


def test_what_somebody_in_between_does_to_frames_is_dropped_and_the_call_goes_on(people: People) -> None:
    people.bob.tamper_with_frames()
    hers, his = people.talk("video")
    his.wait_for_report(lambda stats: stats["framesReplayed"] > FRAMES and stats["framesFailed"] > FRAMES)
    tampered = his.tampering()
    assert all(count > FRAMES / 4 for count in tampered["tried"].values()), tampered
    assert tampered["passed"] == 0
    his.expect_media(video=True)
    expect(his.notice).to_be_hidden()
    his.page.locator("#lock > summary").click()
    expect(his.page.locator("#scheme-dropped")).to_contain_text(re.compile(r"\d\d damaged or forged, \d\d"))
    look(people.bob, "call-frames-dropped", his.page)
    # nothing of it on the other side
    report = hers.wait_for_report(lambda stats: stats["framesDecrypted"] > FRAMES)
    assert report["framesFailed"] == 0


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
