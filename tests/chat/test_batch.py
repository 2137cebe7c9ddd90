from __future__ import annotations

import base64
import json
import tracemalloc

import pytest
import zstandard
from hypothesis import given
from hypothesis import strategies as st

from simplex_calls.chat.batch import MAX_DECOMPRESSED_LENGTH, MAX_MESSAGES, decode_body, decode_info
from simplex_calls.chat.messages import (
    CallAnswer,
    CallEnd,
    ChatMessage,
    Content,
    Info,
    MessageError,
    NewMessage,
    Profile,
    Unknown,
    encode_message,
)
from tests.chat.test_messages import MESSAGES
from tests.vectors import chat_bodies


def zstd(data: bytes, *, content_size: bool = True) -> bytes:
    return zstandard.ZstdCompressor(level=3, write_content_size=content_size).compress(data)


def compressed(*frames: bytes) -> bytes:
    return b"X" + bytes([len(frames)]) + b"".join(b"1" + len(frame).to_bytes(2, "big") + frame for frame in frames)


def passthrough(data: bytes) -> bytes:
    return b"X\x010" + bytes([len(data)]) + data


def binary(*elements: bytes) -> bytes:
    return b"=" + bytes([len(elements)]) + b"".join(len(e).to_bytes(2, "big") + e for e in elements)


def array(*elements: bytes) -> bytes:
    return b"[" + b",".join(elements) + b"]"


def test_every_official_body_decodes() -> None:
    for vector in chat_bodies()["bodies"]:
        body = vector["body"].encode() if "body" in vector else base64.b64decode(vector["body_base64"])
        messages = decode_body(body)
        assert len(messages) == (3 if vector.get("batched") else 1)
        assert all(isinstance(message, ChatMessage) for message in messages)


def test_the_official_compressed_answer() -> None:
    (vector,) = [vector for vector in chat_bodies()["bodies"] if vector.get("compressed")]
    (message,) = decode_body(base64.b64decode(vector["body_base64"]))
    assert isinstance(message, ChatMessage)
    assert isinstance(message.event, CallAnswer)
    assert len(message.event.session.description) > 14_000


@given(st.lists(MESSAGES, min_size=1, max_size=5))
def test_all_containers_round_trip(messages: list[ChatMessage]) -> None:
    bodies = [encode_message(message) for message in messages]
    assert decode_body(array(*bodies)) == messages
    assert decode_body(binary(*bodies)) == messages
    assert decode_body(compressed(*map(zstd, bodies))) == messages
    assert decode_body(compressed(zstd(array(*bodies)))) == messages
    assert decode_body(compressed(zstd(binary(*bodies)))) == messages
    if len(bodies[0]) < 256:
        assert decode_body(passthrough(bodies[0])) == messages[:1]


def test_a_bad_element_does_not_spoil_the_others() -> None:
    good = ChatMessage(NewMessage(Content("hi")))
    body = encode_message(good)
    for container in (
        array(body, b"1", body),
        binary(body, b"{", body),
        compressed(zstd(body), zstd(b"?"), zstd(body)),
    ):
        first, bad, last = decode_body(container)
        assert first == last == good
        assert isinstance(bad, MessageError)


def test_elements_of_groups_and_files_are_unknown() -> None:
    assert decode_body(binary(b"/sig{}", b">fwd{}", b"Fchunk")) == [
        ChatMessage(Unknown("signed element")),
        ChatMessage(Unknown("forwarded element")),
        ChatMessage(Unknown("file chunk")),
    ]


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"X",
        b"X\x00",
        b"X\x01",
        b"X\x012\x00",
        b"X\x010\x05{}",
        b"X\x010\x00",
        b"X\x010\x02{}trailing",
        b"X\x011\x00\x04abcd",
        passthrough(passthrough(b"{}")),
        compressed(zstd(b'{"event":"x.ok","params":{}}', content_size=False)),
        compressed(zstd(b'{"event":"x.ok","params":{}}')[:-3]),
        compressed(zstd(b'{"event":"x.ok","params":{}}') + zstd(b"{}")),
        compressed(b"\x50\x2a\x4d\x18\x04\x00\x00\x00abcd"),
        b"=",
        b"=\x01\x00\x05{}",
        b"=\x01\x00\x02{}rest",
        b"[",
        b"[{}",
        b" {}",
        b"plain words",
    ],
)
def test_bad_containers_are_one_error(body: bytes) -> None:
    (error,) = decode_body(body)
    assert isinstance(error, MessageError)


def test_empty_arrays_and_batches_say_nothing() -> None:
    assert decode_body(b"[]") == decode_body(b"=\x00") == []


@pytest.mark.parametrize("element", [b"1", b"[]", b'{"event":"x","params":{}}'])
def test_a_body_of_more_messages_than_anybody_sends(element: bytes) -> None:
    full = [element] * MAX_MESSAGES
    assert len(decode_body(array(*full))) == len(decode_body(binary(*full))) == MAX_MESSAGES
    many = array(*[element] * (60_000 // (len(element) + 1)))
    for body in (array(*full, element), compressed(zstd(many)), compressed(zstd(array(*full)), zstd(array(element)))):
        messages = decode_body(body)
        assert len(messages) == MAX_MESSAGES + 1
        assert "too many" in str(messages[-1])


def large_text(length: int) -> bytes:
    empty = encode_message(ChatMessage(NewMessage(Content(""))))
    return encode_message(ChatMessage(NewMessage(Content("x" * (length - len(empty))))), limit=length)


def test_the_decompressed_size_is_limited() -> None:
    (message,) = decode_body(compressed(zstd(large_text(MAX_DECOMPRESSED_LENGTH))))
    assert isinstance(message, ChatMessage)
    for frames in (
        [zstd(large_text(MAX_DECOMPRESSED_LENGTH + 1))],
        [zstd(large_text(MAX_DECOMPRESSED_LENGTH)), zstd(b"{}")],
    ):
        (error,) = decode_body(compressed(*frames))
        assert isinstance(error, MessageError)
        assert "too large" in str(error)


def lying_frame(claimed: int, actual: int) -> bytes:
    """A frame whose header claims another content size than its data have."""
    frame = zstd(bytes(actual))
    assert zstandard.frame_content_size(frame) == actual
    header = frame[4] >> 6  # frame header descriptor: the width of the content size field
    width = {1: 2, 2: 4, 3: 8}[header]
    value = claimed - 256 if width == 2 else claimed
    return frame[:5] + value.to_bytes(width, "little") + frame[5 + width :]


def test_bombs_use_little_memory() -> None:
    bombs = [
        compressed(zstd(bytes(30_000_000))),
        compressed(*[zstd(bytes(200_000))] * 200),
        compressed(lying_frame(60_000, 30_000_000)),
        compressed(lying_frame(2**31, 70_000)),
    ]
    tracemalloc.start()
    try:
        for bomb in bombs:
            messages = decode_body(bomb)
            assert len(messages) == 1
            assert isinstance(messages[0], MessageError)
        assert tracemalloc.get_traced_memory()[1] < 2_000_000
    finally:
        tracemalloc.stop()


def test_connection_info() -> None:
    info = ChatMessage(Info(Profile("alice", "Alice")))
    body = encode_message(info)
    for form in (body, array(body), passthrough(body), compressed(zstd(body)), binary(body)):
        assert decode_info(form) == info
    for bad in (b"", b"[]", array(body, body), b"{}", json.dumps({"event": "x.info", "params": {}}).encode()):
        with pytest.raises(MessageError):
            decode_info(bad)


@given(
    st.binary(max_size=100)
    | st.binary(max_size=60).map(lambda data: b"X" + data)
    | st.binary(max_size=60).map(lambda data: b"=" + data)
    | st.binary(max_size=60).map(lambda data: b"[" + data)
    | st.lists(st.binary(max_size=60), max_size=3).map(lambda parts: compressed(*map(zstd, parts)))
    | st.lists(st.binary(max_size=60), max_size=3).map(lambda parts: compressed(*parts))
    | st.lists(st.binary(max_size=60), max_size=3).map(lambda parts: binary(*parts))
)
def test_garbage_never_raises(body: bytes) -> None:
    assert all(isinstance(message, ChatMessage | MessageError) for message in decode_body(body))


@given(st.integers(0), st.integers(0), st.integers(1, 255))
def test_damaged_frames_never_raise(place: int, cut: int, flip: int) -> None:
    body = bytearray(compressed(zstd(encode_message(ChatMessage(CallEnd(b"id" * 20))) * 4)))
    body[1 + place % (len(body) - 1)] ^= flip
    assert all(isinstance(message, ChatMessage | MessageError) for message in decode_body(bytes(body)))
    decode_body(bytes(body[: cut % len(body)]))
