from __future__ import annotations

import contextlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from simplex_calls.calls.packed import MAX_PACKED, MAX_UNPACKED, is_bounded, unpack, unpacked_length
from tests.calls.packing import ALPHABET, bomb, pack


@pytest.mark.parametrize(
    ("packed", "length"),
    # made by lz-string 1.5.0
    [
        ("Q===", 0),
        ("B5A=", 1),
        ("IY0o", 8),
        ("IYXgxsB2AmCW3AC4FMBcBGABFgrtADkA", 19),
        ("JeGoJLwbgAe6lA==", 8),
        ("IYI17SOrZ+6IcpqVA===", 100),
    ],
)
def test_the_length_of_what_a_text_expands_to(packed: str, length: int) -> None:
    assert unpacked_length(packed) == length
    assert is_bounded(packed)


def test_what_a_text_expands_to() -> None:
    # made by lz-string 1.5.0
    texts = ["Q===", "B5A=", "IY0o", "IYXgxsB2AmCW3AC4FMBcBGABFgrtADkA", "JeGoJLwbgAe6lA=="]
    assert [unpack(text) for text in texts] == ["", "x", "a" * 8, "a=candidate:1 1 udp", "é€😀é€😀"]
    assert unpack("IYI17SOrZ+6IcpqVA===") == "ab" * 50
    assert unpack(pack({"a": ["\U0001f512", "é"]})) == '{"a": ["\\ud83d\\udd12", "\\u00e9"]}'
    for damaged in ("", "w", "IY0", pack("ab")[:-2]):
        with pytest.raises(ValueError, match=r"damaged|cut off"):
            unpack(damaged)
    with pytest.raises(ValueError, match="too large"):
        unpack(bomb(5_000))


@given(st.text(st.sampled_from(ALPHABET + "=%é"), max_size=400))
def test_any_letters_are_read_or_refused(text: str) -> None:
    with contextlib.suppress(ValueError):
        assert len(unpack(text)) <= unpacked_length(text)


@given(st.text(st.characters(exclude_categories=["Cs"]), max_size=60))
def test_of_any_text(text: str) -> None:
    assert unpack(pack(text)) == text
    assert unpacked_length(pack(text)) == sum(2 if ord(character) > 0xFFFF else 1 for character in text)


@given(st.text(st.sampled_from(ALPHABET + "=%é"), max_size=400), st.integers(0, 300))
def test_any_letters_are_counted_and_never_far_beyond_the_limit(text: str, limit: int) -> None:
    assert 0 <= unpacked_length(text, limit) <= limit + len(text) * 6 + 1


def test_what_expands_without_end_is_refused() -> None:
    packed = bomb(5_000)
    assert len(packed) < 15_000
    assert unpacked_length(packed, 1 << 30) == 1 + sum(range(2, 5_002))
    assert unpacked_length(packed) < 2 * MAX_UNPACKED
    assert not is_bounded(packed)
    assert not is_bounded("Q" * (MAX_PACKED + 1))
    assert not is_bounded("w")
