from __future__ import annotations

import base64
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from simplex_calls.calls.call import CallFailure
from simplex_calls.calls.ice import IceConfig
from simplex_calls.calls.page import (
    PageAnswer,
    PageConnected,
    PageConnection,
    PageFault,
    PageHangUp,
    PageOffer,
    PasteStart,
    PasteText,
    Response,
)
from simplex_calls.calls.pasted import TABLE, PastedCall, PastedEvent, PastedState
from simplex_calls.calls.pasted_text import read, split
from simplex_calls.chat.messages import CallMedia

ICE = IceConfig.parse(["stun:stun.example:443"])
OFFER = PageOffer("b2ZmZXI=", "Y2FuZGlkYXRlcw==", encryption=True)
ANSWER = PageAnswer("YW5zd2Vy", "Y2FuZGlkYXRlcw==")


def offered(media: CallMedia = CallMedia.VIDEO) -> PastedCall:
    call = PastedCall(ICE)
    call.page_said(PasteStart(media))
    call.page_said(OFFER)
    return call


def answered(text: str) -> tuple[PastedCall, dict[str, Any]]:
    call = PastedCall(ICE)
    (command,) = call.page_said(PasteText(text))
    call.page_said(ANSWER)
    return call, command


def test_a_call_by_two_texts() -> None:
    alice = PastedCall(ICE)
    (start,) = alice.page_said(PasteStart(CallMedia.VIDEO))
    assert start == {"type": "start", "media": "video", "keyLater": True, "complete": True, **ICE.to_page()}
    alice.page_said(OFFER)
    assert alice.state is PastedState.OFFERED

    bob = PastedCall(ICE)
    (offer,) = bob.page_said(PasteText(alice.view.text))
    assert (offer["type"], offer["offer"], offer["media"], offer["complete"]) == ("offer", "b2ZmZXI=", "video", True)
    bob.page_said(ANSWER)
    assert bob.state is PastedState.ANSWERED

    (answer,) = alice.page_said(PasteText(bob.view.text))
    assert (answer["type"], answer["answer"], alice.state) == ("answer", "YW5zd2Vy", PastedState.CONNECTING)
    assert answer["aesKey"] == offer["aesKey"]
    assert len(base64.urlsafe_b64decode(answer["aesKey"])) == 32
    assert answer["binding"] == offer["binding"]
    # who only reads the texts has neither
    assert answer["aesKey"] not in alice.view.text + bob.view.text
    for side in (alice, bob):
        side.page_said(PageConnected(None))
        assert side.state is PastedState.CONNECTED
        assert side.view.text == ""


def test_texts_by_qr_codes() -> None:
    alice = offered()
    text = alice.view.text
    assert alice.view.codes == tuple(split(text, read(text).id))
    bob = PastedCall(ICE)
    name = base64.urlsafe_b64encode(read(text).id).decode().rstrip("=")
    halves = [f"simplex-call:{number}/2:{name}:{half}" for number, half in enumerate((text[:200], text[200:]), 1)]
    assert bob.page_said(PasteText(halves[1])) == []
    assert bob.view.parts == (1, 2)
    assert bob.view.problem is None
    (command,) = bob.page_said(PasteText(halves[0]))
    assert command["type"] == "offer"


@pytest.mark.parametrize(
    ("make", "problem"),
    [
        (lambda: (PastedCall(ICE), "good morning"), "none"),
        (lambda: (PastedCall(ICE), '{"simplexCall":1}'), "damaged"),
        (lambda: (PastedCall(ICE), answered(offered().view.text)[0].view.text), "answer-first"),
        (lambda: (offered(), offered().view.text), "both-offers"),
        (lambda: (offered(), answered(offered().view.text)[0].view.text), "other-call"),
        (lambda: (call := offered(), call.view.text), "own"),
    ],
)
def test_other_texts_are_named_and_change_nothing(make: Any, problem: str) -> None:
    call, text = make()
    state, own = call.state, call.view.text
    assert call.page_said(PasteText(text)) == []
    assert (call.view.problem, call.state, call.view.text) == (problem, state, own)


def test_a_key_that_anybody_can_guess_is_refused() -> None:
    alice = offered()
    text = alice.view.text
    zero = base64.urlsafe_b64encode(bytes.fromhex("302a300506032b656e032100") + bytes(32)).decode()
    key = text.split('"callDhPubKey":"')[1].split('"')[0]
    bob = PastedCall(ICE)
    assert bob.page_said(PasteText(text.replace(key, zero))) == []
    assert (bob.view.problem, bob.state) == ("damaged", PastedState.CHOOSING)


def test_without_frame_encryption_there_is_no_call() -> None:
    call = PastedCall(ICE)
    call.page_said(PasteStart(CallMedia.AUDIO))
    call.page_said(PageOffer("b2ZmZXI=", "YQ==", encryption=False))
    assert (call.state, call.failure, call.view.text) == (PastedState.ENDED, CallFailure.NO_ENCRYPTION, "")


@pytest.mark.parametrize(
    ("said", "failure"),
    [
        (PageFault("", "start", "no-microphone"), CallFailure.NO_MICROPHONE),
        (PageFault("", "start", None), CallFailure.PAGE),
        (PageConnection("failed"), CallFailure.NO_CONNECTION),
        (PageHangUp(), None),
    ],
)
def test_what_ends_it(said: Response, failure: CallFailure | None) -> None:
    call = offered()
    call.page_said(said)
    assert (call.state, call.failure) == (PastedState.ENDED, failure)


def test_a_camera_that_is_missing_does_not_end_it() -> None:
    call = offered()
    call.page_said(PageFault("", "media", "no-camera"))
    assert call.state is PastedState.OFFERED


SAID = st.sampled_from(
    [
        PasteStart(CallMedia.AUDIO),
        PasteText(offered().view.text),
        PasteText(answered(offered().view.text)[0].view.text),
        PasteText("x"),
        OFFER,
        ANSWER,
        PageConnected(None),
        PageConnection("failed"),
        PageFault("", "start", None),
        PageHangUp(),
    ]
)


@given(st.lists(SAID, max_size=12))
def test_anything_in_any_order_follows_the_table(said: list[Response]) -> None:
    call = PastedCall(ICE)
    for response in said:
        before = call.state
        call.page_said(response)
        assert call.state is before or any(TABLE.get((before, event)) is call.state for event in PastedEvent)
        assert call.view.state is call.state
    call.end()
    assert call.state is PastedState.ENDED
