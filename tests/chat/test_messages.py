from __future__ import annotations

import base64
import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from simplex_calls.chat.messages import (
    MAX_MESSAGE_LENGTH,
    SUPPORTED_VERSIONS,
    CallAnswer,
    CallEnd,
    CallExtra,
    CallInvitation,
    CallMedia,
    CallOffer,
    CallRestart,
    ChatMessage,
    ContactDeleted,
    Content,
    ContentType,
    DeleteMessage,
    Event,
    Info,
    MessageError,
    MessageTooLargeError,
    NewMessage,
    Profile,
    RestartStep,
    RtcSession,
    Unknown,
    UpdateMessage,
    decode_message,
    decode_value,
    encode_message,
    notifies,
)
from simplex_calls.crypto import X25519PublicKey
from simplex_calls.smp.encoding import VersionRange
from tests.vectors import chat_bodies

PRODUCED = {
    "x.info",
    "x.contact",
    "x.msg.new",
    "x.call.inv",
    "x.call.offer",
    "x.call.answer",
    "x.call.extra",
    "x.call.end",
}
PLAIN = [body for body in chat_bodies()["bodies"] if not body.get("compressed") and not body.get("batched")]


@pytest.mark.parametrize("vector", PLAIN, ids=lambda vector: vector["event"])
def test_official_bodies(vector: dict[str, Any]) -> None:
    body = vector["body"].encode()
    message = decode_message(body)
    assert message.versions == VersionRange(1, 17)
    assert (message.message_id is None) == (vector["event"] in ("x.info", "x.contact"))
    if vector["event"] in PRODUCED:
        assert not isinstance(message.event, Unknown)
        assert json.loads(encode_message(message)) == json.loads(body)
    else:
        assert message.event == Unknown(vector["event"])
    if vector.get("notification_flag") is not None:
        assert notifies(message.event) == vector["notification_flag"]


def test_the_smallest_bodies_are_understood() -> None:
    info = decode_message(b'{"event":"x.info","params":{"profile":{"displayName":"a1","fullName":""}}}')
    assert info == ChatMessage(Info(Profile("a1")))
    text = decode_message(b'{"event":"x.msg.new","params":{"content":{"type":"text","text":"hi"}},"msgId":"AAAA"}')
    assert text == ChatMessage(NewMessage(Content("hi")), message_id=bytes(3))
    end = decode_message(b'{"event":"x.call.end","params":{"callId":"_-8"}}')
    assert end == ChatMessage(CallEnd(b"\xff\xef"))


def call_offer(capabilities: object) -> bytes:
    session = {"rtcSession": "a", "rtcIceCandidates": "b"}
    offer = {"callType": {"media": "audio", "capabilities": capabilities}, "rtcSession": session}
    return json.dumps({"event": "x.call.offer", "params": {"callId": "AAAA", "offer": offer}}).encode()


def test_features_of_call_pages() -> None:
    session = RtcSession("a", "b")
    told = CallOffer(bytes(3), CallMedia.AUDIO, encryption=True, session=session, features=("channel", "code"))
    body = encode_message(ChatMessage(told))
    assert b'"capabilities":{"encryption":true,"features":["channel","code"]}' in body
    assert decode_message(body).event == told
    invitation = CallInvitation(bytes(3), CallMedia.AUDIO, encryption=False, features=("channel",))
    assert decode_message(encode_message(ChatMessage(invitation))).event == invitation


@pytest.mark.parametrize("features", [None, "channel", {}, [1, None, "", "a b", "é", "x" * 33]])
def test_what_is_no_feature_is_passed_over(features: object) -> None:
    event = decode_message(call_offer({"encryption": True, "features": features})).event
    assert isinstance(event, CallOffer)
    assert event.features == ()


def test_features_are_bounded() -> None:
    event = decode_message(call_offer({"encryption": True, "features": [f"f{n}" for n in range(100)]})).event
    assert isinstance(event, CallOffer)
    assert event.features == tuple(f"f{n}" for n in range(16))


def test_what_we_send_is_compact_and_tells_our_versions() -> None:
    message = ChatMessage(NewMessage(Content('é"')), b"abc", SUPPORTED_VERSIONS)
    assert encode_message(message).decode() == (
        '{"v":"1-9","msgId":"YWJj","event":"x.msg.new","params":{"content":{"type":"text","text":"é\\""}}}'
    )


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"null",
        b"[]",
        b'"x"',
        b"{}",
        b'{"event":"x.msg.new"}',
        b'{"event":"x.msg.new","params":null}',
        b'{"event":"x.msg.new","params":{"content":{"type":"text"}}}',
        b'{"event":"x.msg.new","params":{"content":{"type":"text","text":"\\ud800"}}}',
        b'{"event":"x.msg.new","params":{"content":{"type":"text","text":NaN}}}',
        b'{"event":"","params":{}}',
        b'{"event":"x.\\n","params":{}}',
        b'{"event":"' + b"x" * 65 + b'","params":{}}',
        b'{"event":"x.ok","params":{},"v":"2-1"}',
        b'{"event":"x.ok","params":{},"v":1}',
        b'{"event":"x.ok","params":{},"msgId":"+/+/"}',
        b'{"event":"x.ok","params":{},"msgId":"A"}',
        b'{"event":"x.ok","params":{},"msgId":""}',
        b'{"event":"x.info","params":{"profile":{"displayName":"a"}}}',
        b'{"event":"x.call.end","params":{"callId":""}}',
        b'{"event":"x.call.inv","params":{"callId":"AAAA","invitation":{"callType":{"media":"audio"}}}}',
        b'{"event":"x.call.inv","params":{"callId":"AAAA","invitation":{"callType":'
        b'{"media":"screen","capabilities":{"encryption":false}}}}}',
        b'{"event":"x.call.inv","params":{"callId":"AAAA","invitation":{"callType":'
        b'{"media":"audio","capabilities":{"encryption":1}}}}}',
        b'{"event":"x.call.inv","params":{"callId":"AAAA","invitation":{"callDhPubKey":"'
        + base64.urlsafe_b64encode(bytes(32))
        + b'","callType":{"media":"audio","capabilities":{"encryption":true}}}}}',
        b"\xff\xfe",
        b"[" * 100_000,
        b'{"event":' + b"1" * 5000 + b"}",
    ],
)
def test_bad_bodies_are_refused(body: bytes) -> None:
    with pytest.raises(MessageError):
        decode_message(body)


def test_unknown_content_shows_its_text() -> None:
    def content(value: dict[str, Any]) -> Content:
        message = decode_value({"event": "x.msg.new", "params": {"content": value}})
        assert isinstance(message.event, NewMessage)
        return message.event.content

    assert content({"type": "image", "text": "look", "image": "data:…"}) == Content("look", ContentType.IMAGE)
    assert content({"type": "poll", "text": "?"}) == Content("?", ContentType.OTHER)
    assert content({"type": "poll"}) == Content("", ContentType.OTHER)


def test_too_large_and_unsendable_messages_are_refused() -> None:
    session = RtcSession("s" * MAX_MESSAGE_LENGTH, "c")
    with pytest.raises(MessageTooLargeError, match=r"x\.call\.offer has 15"):
        encode_message(ChatMessage(CallOffer(b"id", CallMedia.VIDEO, encryption=False, session=session)))
    with pytest.raises(MessageError, match="cannot be sent"):
        encode_message(ChatMessage(NewMessage(Content("\ud800"))))
    with pytest.raises(MessageError, match="not an event that we send"):
        encode_message(ChatMessage(Unknown("x.ok")))
    with pytest.raises(MessageError, match="image cannot be sent"):
        encode_message(ChatMessage(NewMessage(Content("", ContentType.IMAGE))))
    largest = MAX_MESSAGE_LENGTH - len(encode_message(ChatMessage(NewMessage(Content("")))))
    assert len(encode_message(ChatMessage(NewMessage(Content("x" * largest))))) == MAX_MESSAGE_LENGTH
    with pytest.raises(MessageTooLargeError):
        encode_message(ChatMessage(NewMessage(Content("x" * (largest + 1)))))


def test_nothing_private_shows_in_repr_or_errors() -> None:
    message = ChatMessage(
        CallOffer(
            b"private",
            CallMedia.AUDIO,
            encryption=True,
            session=RtcSession("private", "private"),
            dh_key=X25519PublicKey(b"private!" * 4),
        ),
        b"private",
    )
    assert "private" not in repr(message)
    assert "private" not in repr(ChatMessage(NewMessage(Content("private"))))
    assert "private" not in repr(ChatMessage(Info(Profile("private", "private", {"private": 1}))))
    with pytest.raises(MessageError) as error:
        decode_message(b'{"event":"x.call.end","params":{"callId":"private!"}}')
    assert "private" not in str(error.value)
    assert error.value.__cause__ is None


def test_call_preferences() -> None:
    assert Profile("a").calls_allowed
    assert Profile("a", preferences={"calls": {"allow": "yes"}}).calls_allowed
    assert Profile("a", preferences={"calls": 1}).calls_allowed
    assert not Profile("a", preferences={"calls": {"allow": "no"}}).calls_allowed


IDS = st.binary(min_size=1, max_size=64)
TEXTS = st.text(st.characters(codec="utf-8"), max_size=200)
MEDIA = st.sampled_from(CallMedia)
SESSIONS = st.builds(RtcSession, TEXTS, TEXTS)
KEYS = st.none() | st.builds(X25519PublicKey, st.binary(min_size=32, max_size=32))
EVENTS: st.SearchStrategy[Event] = st.one_of(
    st.builds(Info, st.builds(Profile, TEXTS, TEXTS, st.none() | st.dictionaries(TEXTS, TEXTS, max_size=3))),
    st.builds(NewMessage, st.builds(Content, TEXTS)),
    st.builds(UpdateMessage, IDS, st.builds(Content, TEXTS)),
    st.builds(DeleteMessage, IDS),
    st.just(ContactDeleted()),
    st.builds(CallInvitation, IDS, MEDIA, st.booleans(), KEYS),
    st.builds(CallOffer, IDS, MEDIA, st.booleans(), SESSIONS, KEYS),
    st.builds(CallAnswer, IDS, SESSIONS),
    st.builds(CallExtra, IDS, TEXTS),
    st.builds(CallRestart, IDS, st.just(RestartStep.ANSWER), st.integers(0, 1_000_000), TEXTS, TEXTS),
    st.builds(CallEnd, IDS),
)
MESSAGES = st.builds(
    ChatMessage, EVENTS, st.none() | IDS, st.none() | st.builds(VersionRange, st.integers(0, 9), st.integers(9, 99))
)


@given(MESSAGES)
def test_round_trip(message: ChatMessage) -> None:
    assert decode_message(encode_message(message)) == message


@given(st.binary(max_size=200) | st.text(max_size=200).map(lambda text: text.encode("utf-8", "surrogatepass")))
def test_garbage_raises_message_errors_only(body: bytes) -> None:
    with pytest.raises(MessageError):
        decode_message(body)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=8,
)


@given(MESSAGES, st.data())
def test_damaged_messages_raise_message_errors_only(message: ChatMessage, data: st.DataObject) -> None:
    value = json.loads(encode_message(message))
    target = value
    while True:
        key = data.draw(st.sampled_from(sorted(target)))
        if not (isinstance(target[key], dict) and target[key]) or data.draw(st.booleans()):
            break
        target = target[key]
    target[key] = data.draw(JSON)
    try:
        decoded = decode_value(value)
    except MessageError:
        return
    assert isinstance(decoded, ChatMessage)


@pytest.mark.parametrize(
    ("event", "member"),
    [
        (CallRestart(b"c" * 16, RestartStep.ASK, 0, "", "W10="), {"step": "ask", "number": 0}),
        (
            CallRestart(b"c" * 16, RestartStep.OFFER, 3, "bw==", "W10="),
            {"step": "offer", "number": 3, "rtcSession": "bw=="},
        ),
    ],
    ids=["ask", "offer"],
)
def test_a_restart_is_extra_candidates_with_one_more_member(event: CallRestart, member: dict[str, Any]) -> None:
    encoded = encode_message(ChatMessage(event))
    info = {"rtcIceCandidates": "W10=", "restart": member}
    assert json.loads(encoded)["event"] == "x.call.extra"
    assert json.loads(encoded)["params"]["extra"] == {"rtcExtraInfo": info}
    assert decode_message(encoded).event == event


@pytest.mark.parametrize(
    "restart",
    [
        "offer",
        {"number": 1},
        {"step": "run", "number": 1},
        {"step": "offer", "number": 1},
        {"step": "ask", "number": -1},
    ],
    ids=["no object", "no step", "unknown step", "no description", "no number"],
)
def test_a_restart_that_is_none_is_refused(restart: Any) -> None:
    value = json.loads(encode_message(ChatMessage(CallExtra(b"c" * 16, "W10="))))
    value["params"]["extra"]["rtcExtraInfo"]["restart"] = restart
    with pytest.raises(MessageError):
        decode_message(json.dumps(value).encode())
