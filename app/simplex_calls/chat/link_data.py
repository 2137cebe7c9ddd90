"""What a short link shows of its maker before it is used: JSON, compressed if it is long. Pure.

``{"profile": {…}, "business": false}``, or ``X`` and a zstd frame of that, as official clients write and read it.
"""

from __future__ import annotations

import json

import zstandard

from simplex_calls.chat.batch import decompressed
from simplex_calls.chat.messages import MessageError, Profile, decode_profile, encode_profile, parse_json

_PLAIN_LENGTH = 10_240
_LEVEL = 3


def encode_link_data(profile: Profile) -> bytes:
    """What is put behind our links."""
    value = {"profile": encode_profile(profile), "business": False}
    data = json.dumps(value, ensure_ascii=False, separators=(",", ":")).encode()
    if len(data) <= _PLAIN_LENGTH:
        return data
    return b"X" + zstandard.ZstdCompressor(level=_LEVEL, write_content_size=True).compress(data)


def decode_link_data(data: bytes | None) -> Profile | None:
    """Whose link it is, if it says so in a way that we understand."""
    if not data:
        return None
    try:
        value = parse_json(decompressed(data[1:]) if data[:1] == b"X" else data)
        return decode_profile(value) if isinstance(value, dict) else None
    except MessageError:
        return None
