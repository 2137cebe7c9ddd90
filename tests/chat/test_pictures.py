from __future__ import annotations

import base64
import json
import struct
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from simplex_calls.chat.history import TextDetails
from simplex_calls.chat.messages import ContentType, NewMessage, decode_value
from simplex_calls.chat.pictures import MAX_LENGTH, preview_of
from tests.chat.conftest import Friends


def jpeg(width: int, height: int, *, before: bytes = b"\xff\xe0\x00\x04JF") -> bytes:
    frame = b"\xff\xc0" + struct.pack(">HBHHB", 11, 8, height, width, 1) + b"\x01\x11\x00"
    return b"\xff\xd8" + before + frame + b"\xff\xd9"


def png(width: int, height: int) -> bytes:
    return b"\x89PNG\r\n\x1a\n" + struct.pack(">I4sII", 13, b"IHDR", width, height) + b"\x08\x02\x00\x00\x00"


def url(data: bytes, kind: str = "jpg") -> str:
    return f"data:image/{kind};base64,{base64.b64encode(data).decode()}"


def test_small_pictures_are_shown_by_what_they_are() -> None:
    assert preview_of(url(jpeg(120, 80))) == url(jpeg(120, 80), "jpeg")
    assert preview_of(url(png(4096, 1), "png")) == url(png(4096, 1), "png")
    # whatever it says that it is
    assert preview_of(url(png(9, 9), "jpg")) == url(png(9, 9), "png")


@pytest.mark.parametrize(
    "value",
    [
        None,
        1,
        "",
        "data:…",
        "https://example.org/picture.jpg",
        url(jpeg(9, 9), "svg+xml"),
        url(b"<svg/>"),
        "data:image/png;base64,AAA",
        url(jpeg(9, 9)) + "\n",
        url(jpeg(4097, 9)),
        url(jpeg(2000, 2000)),
        url(jpeg(0, 9)),
        url(png(60_000, 60_000), "png"),
        url(png(9, 9)[:20], "png"),
        url(jpeg(9, 9)[:14]),
        url(jpeg(9, 9, before=b"\xff\xe0\x00\x00")),
        url(jpeg(9, 9) + bytes(MAX_LENGTH)),
    ],
)
def test_nothing_else_is_shown(value: object) -> None:
    assert preview_of(value) is None


@given(st.binary(max_size=40), st.sampled_from([b"", b"\xff\xd8\xff", b"\x89PNG\r\n\x1a\n", jpeg(9, 9)[:8]]))
def test_any_bytes_are_read(data: bytes, start: bytes) -> None:
    assert preview_of(url(start + data)) in (None, url(start + data, "jpeg"), url(start + data, "png"))


def message(content: dict[str, Any]) -> NewMessage:
    event = decode_value({"event": "x.msg.new", "params": {"content": content}}).event
    assert isinstance(event, NewMessage)
    return event


def test_pictures_and_videos_have_previews() -> None:
    image = url(jpeg(9, 9))
    for kind in ("image", "video"):
        content = message({"type": kind, "text": "", "image": image, "duration": 3}).content
        assert (content.kind, content.preview) == (ContentType(kind), url(jpeg(9, 9), "jpeg"))
    assert message({"type": "text", "text": "", "image": image}).content.preview is None
    assert message({"type": "image", "text": "x", "image": 7}).content.preview is None
    assert image not in repr(message({"type": "image", "text": "", "image": image}))


async def test_a_preview_goes_with_its_message(friends: Friends) -> None:
    def received(value: dict[str, Any]) -> Any:
        assert friends.to_alice(json.dumps(value).encode())
        return friends.alice.chat.history(friends.bob_id)[-1].details

    target = {"msgId": "bXNn"}
    image = {"type": "image", "text": "look", "image": url(jpeg(9, 9))}
    added = received({"event": "x.msg.new", **target, "params": {"content": image}})
    assert added == TextDetails("look", ContentType.IMAGE, preview=url(jpeg(9, 9), "jpeg"))
    other = {**image, "text": "look here", "image": url(png(5, 5))}
    changed = received({"event": "x.msg.update", "params": {**target, "content": other}})
    assert changed == TextDetails("look here", ContentType.IMAGE, edited=True, preview=url(png(5, 5), "png"))
    gone = received({"event": "x.msg.del", "params": target})
    assert gone == TextDetails("", ContentType.IMAGE, edited=True, deleted=True)
