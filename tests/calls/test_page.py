from __future__ import annotations

import contextlib
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from simplex_calls.calls.page import (
    MAX_TEXT_LENGTH,
    AcceptOther,
    Capabilities,
    LocalMedia,
    MediaPath,
    MediaSource,
    PageAnswer,
    PageCandidates,
    PageConnected,
    PageConnection,
    PageConsent,
    PageEnded,
    PageError,
    PageFault,
    PageHangUp,
    PageOffer,
    PageOk,
    PageSettings,
    PageStats,
    PeerMedia,
    RejectOther,
    Response,
    UnknownResponse,
    parse_message,
)
from simplex_calls.chat.messages import CallMedia

RESPONSES: list[tuple[dict[str, Any], Response]] = [
    ({"type": "capabilities", "capabilities": {"encryption": True}}, Capabilities(encryption=True)),
    (
        {"type": "capabilities", "capabilities": {"encryption": True}, "media": "audio"},
        Capabilities(encryption=True, media=CallMedia.AUDIO),
    ),
    (
        {"type": "offer", "offer": "Ab+/", "iceCandidates": "Q===", "capabilities": {"encryption": False}},
        PageOffer("Ab+/", "Q===", encryption=False),
    ),
    ({"type": "answer", "answer": "Ab", "iceCandidates": "Q"}, PageAnswer("Ab", "Q")),
    ({"type": "ice", "iceCandidates": "Q="}, PageCandidates("Q=")),
    ({"type": "connection", "state": {"connectionState": "connecting"}}, PageConnection("connecting")),
    ({"type": "connected", "connectionInfo": {"iceCandidatePair": {}}}, PageConnected(None)),
    ({"type": "connected"}, PageConnected(None)),
    (
        {
            "type": "connected",
            "connectionInfo": {"localCandidate": {"candidateType": "host"}, "remoteCandidate": {"type": "relay"}},
        },
        PageConnected(MediaPath.RELAY),
    ),
    (
        {"type": "connected", "connectionInfo": {"localCandidate": {"candidateType": "srflx"}}},
        PageConnected(MediaPath.DIRECT),
    ),
    ({"type": "peerMedia", "source": "camera", "enabled": False}, PeerMedia(MediaSource.CAMERA, enabled=False)),
    ({"type": "end"}, PageHangUp()),
    (
        {
            "type": "settings",
            "settings": {"echoCancellation": False, "resolution": 1080, "screenContent": "text", "other": 1},
            "devices": {"microphone": {"id": "m", "label": "Headset"}, "camera": None},
        },
        PageSettings(
            {"echoCancellation": False, "resolution": 1080, "screenContent": "text"},
            {"microphone": ("m", "Headset"), "camera": None, "speaker": None},
        ),
    ),
    ({"type": "ended"}, PageEnded()),
    ({"type": "ok"}, PageOk()),
    ({"type": "error", "message": "no", "code": "no-microphone"}, PageFault("no", "start", "no-microphone")),
    ({"type": "error"}, PageFault("", "start", None)),
    ({"type": "accept", "callId": "c7"}, AcceptOther("c7")),
    ({"type": "accept", "callId": "c7", "unencrypted": True}, AcceptOther("c7", unencrypted=True)),
    # only what is said plainly is a yes
    ({"type": "accept", "callId": "c7", "unencrypted": "false"}, AcceptOther("c7")),
    ({"type": "consent"}, PageConsent()),
    ({"type": "reject", "callId": "c7"}, RejectOther("c7")),
    ({"type": "stats", "stats": {}}, PageStats()),
    (
        {
            "type": "stats",
            "stats": {"framesSent": 3, "framesDecoded": 2.0, "path": "direct", "firstFrameAt": 1500, "width": None},
        },
        PageStats(frames_sent=3, frames_decoded=2, path=MediaPath.DIRECT, first_frame_at=1.5),
    ),
    ({"type": "info", "code": "no-camera"}, UnknownResponse("info")),
    ({"type": "<script>" * 50}, UnknownResponse("?")),
]


@pytest.mark.parametrize(("resp", "expected"), RESPONSES)
def test_responses(resp: dict[str, Any], expected: Response) -> None:
    message = parse_message({"corrId": 5, "resp": resp, "command": {"type": "start"}})
    assert message.response == expected
    assert message.corr_id == 5


def test_media_that_the_user_switched() -> None:
    command = {"type": "media", "source": "mic", "enable": False}
    response = parse_message({"resp": {"type": "ok"}, "command": command}).response
    assert response == LocalMedia(MediaSource.MICROPHONE, enabled=False)


@pytest.mark.parametrize(
    ("message", "is_signalling"),
    [
        ([], False),
        ({}, False),
        ({"resp": []}, False),
        ({"resp": {}}, False),
        ({"resp": {"type": 5}}, False),
        ({"resp": {"type": "ok"}, "corrId": "1"}, False),
        ({"resp": {"type": "ok"}, "corrId": True}, False),
        ({"resp": {"type": "capabilities"}}, True),
        ({"resp": {"type": "offer", "offer": "A", "iceCandidates": "A"}}, True),
        ({"resp": {"type": "answer", "answer": 5, "iceCandidates": "A"}}, True),
        ({"resp": {"type": "answer", "answer": "<>", "iceCandidates": "A"}}, True),
        ({"resp": {"type": "ice", "iceCandidates": "A" * (MAX_TEXT_LENGTH + 1)}}, True),
        ({"resp": {"type": "connection", "state": {}}}, False),
        ({"resp": {"type": "peerMedia", "source": "nose", "enabled": True}}, False),
        ({"resp": {"type": "accept"}}, False),
        ({"resp": {"type": "stats", "stats": {"framesSent": -1}}}, False),
        ({"resp": {"type": "stats", "stats": {"framesSent": True}}}, False),
        ({"resp": {"type": "stats", "stats": {"path": "tunnel"}}}, False),
        ({"resp": {"type": "stats", "stats": {"firstFrameAt": "now"}}}, False),
        ({"resp": {"type": "stats", "stats": {"framesSent": float("nan")}}}, False),
    ],
)
def test_nonsense_is_refused(message: object, is_signalling: bool) -> None:
    with pytest.raises(PageError) as caught:
        parse_message(message)
    assert caught.value.is_signalling == is_signalling


json = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=12), inner, max_size=5),
    max_leaves=20,
)
keys = st.sampled_from(
    ["type", "offer", "answer", "iceCandidates", "capabilities", "encryption", "state", "stats", "source", "callId"]
)
types = st.sampled_from([resp["type"] for resp, _ in RESPONSES])


@settings(deadline=None)
@given(json | st.fixed_dictionaries({"resp": st.dictionaries(keys, json | types)}))
def test_garbage_gives_page_errors_only(message: object) -> None:
    with contextlib.suppress(PageError):
        parse_message(message)
