"""Pictures of people, and previews that come with messages: checked before anything shows them. Pure.

Official apps send ``image`` and ``video`` contents with a small picture as a ``data:`` URL (simplex-chat,
``docs/protocol/simplex-chat.md``, "Message content"); theirs have at most 14,000 characters.
"""

from __future__ import annotations

import base64
import binascii
import re

MAX_LENGTH = 15_602
"""Most characters of a preview: no message of before compression could hold more."""

MAX_SIDE = 4096
MAX_PIXELS = 1 << 20
"""Most pixels of a side, and of a picture: a few bytes may claim one that fills the memory."""

_URL = re.compile(r"data:image/(?:jpg|jpeg|png);base64,([A-Za-z0-9+/]+={0,2})")
_PNG = b"\x89PNG\r\n\x1a\n"
_FRAMES = frozenset(range(0xC0, 0xD0)) - {0xC4, 0xC8, 0xCC}
"""JPEG's markers of a frame, whose head has the size (ITU-T T.81, table B.1)."""


def preview_of(value: object) -> str | None:
    """The preview as a ``data:`` URL that a page can show; ``None`` if ``value`` is no small JPEG or PNG."""
    if not isinstance(value, str) or len(value) > MAX_LENGTH:
        return None
    match = _URL.fullmatch(value)
    if match is None:
        return None
    try:
        data = base64.b64decode(match[1], validate=True)
    except binascii.Error:
        return None
    if data.startswith(_PNG):
        kind, size = "png", _png_size(data)
    else:
        kind, size = "jpeg", _jpeg_size(data)
    if size is None or not all(1 <= side <= MAX_SIDE for side in size) or size[0] * size[1] > MAX_PIXELS:
        return None
    return f"data:image/{kind};base64,{match[1]}"


def _png_size(data: bytes) -> tuple[int, int] | None:
    if len(data) < 24 or data[12:16] != b"IHDR":
        return None
    return int.from_bytes(data[16:20], "big"), int.from_bytes(data[20:24], "big")


def _jpeg_size(data: bytes) -> tuple[int, int] | None:
    if not data.startswith(b"\xff\xd8\xff"):
        return None
    at = 2
    while at + 9 <= len(data) and data[at] == 0xFF:
        marker, length = data[at + 1], int.from_bytes(data[at + 2 : at + 4], "big")
        if marker in _FRAMES:
            return int.from_bytes(data[at + 7 : at + 9], "big"), int.from_bytes(data[at + 5 : at + 7], "big")
        if length < 2:
            return None
        at += 2 + length
    return None
