from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest

from simplex_calls.calls.call_code import CODE_LENGTH, EMOJI, CallCodeError, call_code, emoji_of, fingerprints_of

VECTORS = Path(__file__).parents[1] / "vectors" / "call-code.json"
LOCALES = Path(__file__).parents[2] / "app" / "simplex_calls" / "locales"
KEY, BINDING = bytes(range(32)), bytes(range(32, 64))
FIRST = "v=0\r\na=fingerprint:sha-256 AA:01:02\r\nm=audio 9 UDP/TLS/RTP/SAVPF 111\r\n"
SECOND = "v=0\r\nm=audio 9 UDP/TLS/RTP/SAVPF 111\r\na=fingerprint:SHA-256 bb:03:04\r\n"


def make_vectors() -> dict[str, Any]:
    """The vectors that the page is tested with too: run this file as a program to write them anew."""
    cases = [
        (KEY, BINDING, [FIRST, SECOND]),
        (KEY, BINDING, [SECOND, FIRST.replace("AA", "aa").replace("sha", "SHA")]),
        (KEY, BINDING, [FIRST, SECOND + "a=fingerprint:sha-512 CC:05\na=fingerprint:sha-256 BB:03:04\n"]),
        (KEY, BINDING, [FIRST, SECOND.replace("bb", "bc")]),
        (KEY, bytes(32), [FIRST, SECOND]),
        (bytes([255]) * 32, BINDING, [FIRST, SECOND]),
    ]
    codes = [
        {
            "key": key.hex(),
            "binding": binding.hex(),
            "descriptions": descriptions,
            "code": list(code := call_code(key, binding, descriptions)),
            "emoji": emoji_of(code),
        }
        for key, binding, descriptions in cases
    ]
    return {"emoji": EMOJI, "codes": codes}


def test_vectors_are_what_is_computed() -> None:
    assert json.loads(VECTORS.read_text()) == make_vectors()


def test_sides_order_and_letters_make_no_difference_all_else_does() -> None:
    codes = [tuple(case["code"]) for case in json.loads(VECTORS.read_text())["codes"]]
    assert codes[0] == codes[1]
    assert len(set(codes)) == len(codes) - 1


def test_emoji_are_distinct_and_each_has_a_name() -> None:
    assert len(EMOJI) == len(set(EMOJI)) == 256
    words = json.loads((LOCALES / "en" / "call.json").read_text())["call.code.words"].split(", ")
    assert len(words) == len(set(words)) == 256
    assert all(re.fullmatch(r"[A-Za-z -]{2,20}", word) for word in words)


@pytest.mark.parametrize(
    ("key", "binding", "descriptions"),
    [
        (KEY[1:], BINDING, [FIRST, SECOND]),
        (KEY, b"", [FIRST, SECOND]),
        (KEY, BINDING, [FIRST]),
        (KEY, BINDING, [FIRST, "v=0\r\n"]),
        (KEY, BINDING, [FIRST, "a=fingerprint:sha-256\r\n"]),
    ],
)
def test_without_all_of_it_there_is_no_code(key: bytes, binding: bytes, descriptions: list[str]) -> None:
    with pytest.raises(CallCodeError) as caught:
        call_code(key, binding, descriptions)
    assert "AA:01" not in str(caught.value)


def test_fingerprints() -> None:
    assert fingerprints_of(FIRST) == "sha-256 AA:01:02"
    assert fingerprints_of("x a=fingerprint:sha-256 AA\n") == ""
    assert len(call_code(KEY, BINDING, [FIRST, SECOND])) == CODE_LENGTH


if __name__ == "__main__":
    VECTORS.write_text(json.dumps(make_vectors(), indent=1, ensure_ascii=False) + "\n")
