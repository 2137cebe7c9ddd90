from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from simplex_calls.calls.page import MAX_PASTED_LENGTH
from simplex_calls.calls.pasted_text import (
    PART_LENGTH,
    Parts,
    PastedAnswer,
    PastedOffer,
    PastedTextError,
    is_part,
    read,
    split,
    write,
)
from simplex_calls.chat.messages import CallMedia, RtcSession
from simplex_calls.crypto import X25519PrivateKey

KEY = X25519PrivateKey.generate().public
SESSION = RtcSession("N4Ig" * 900, "NobwRA==")
OFFER = PastedOffer(b"i" * 16, CallMedia.VIDEO, SESSION, KEY, ("channel", "code"))
ANSWER = PastedAnswer(b"i" * 16, SESSION, KEY)


@pytest.mark.parametrize("message", [OFFER, ANSWER], ids=["offer", "answer"])
def test_round_trip(message: PastedOffer | PastedAnswer) -> None:
    text = write(message)
    assert read(text) == message
    assert text.isascii()
    assert "\n" not in text


def test_what_channels_do_to_texts() -> None:
    text = write(OFFER)
    wrapped = "\r\n> ".join(text[start : start + 70] for start in range(0, len(text), 70))
    assert read(f"Hi! Paste this:\n\n  {wrapped}\n\nBye") == OFFER
    assert read(text.replace('"', "“", 2).replace(",", ", ").replace(":", "\u00a0: ")) == OFFER
    assert read("\ufeff" + text[:40] + "\u200b" + text[40:]) == OFFER


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("", "none"),
        ("hello {there}", "none"),
        ('{"simplexCall":1', "damaged"),
        ('{"simplexCall":1}', "damaged"),
        ('{"simplexCall":2,"type":"offer"}', "newer"),
        ("x" * (MAX_PASTED_LENGTH + 1), "too-large"),
        ('{"simplexCall":1,"a":' + "[" * 5000 + "}", "damaged"),
    ],
)
def test_other_texts_are_refused(text: str, reason: str) -> None:
    with pytest.raises(PastedTextError) as error:
        read(text)
    assert error.value.reason == reason


@pytest.mark.parametrize(
    ("member", "value"),
    [
        ("id", "AAAA"),
        ("id", 5),
        ("type", "invitation"),
        ("media", "hologram"),
        ("rtcSession", "no base64!"),
        ("rtcIceCandidates", ["x"]),
        ("callDhPubKey", "AAAA"),
    ],
)
def test_damaged_members_are_refused(member: str, value: object) -> None:
    damaged = json.loads(write(OFFER)) | {member: value}
    with pytest.raises(PastedTextError) as error:
        read(json.dumps(damaged))
    assert error.value.reason == "damaged"
    assert str(value) not in str(error.value)


def test_unknown_features_and_members_are_skipped() -> None:
    newer = json.loads(write(OFFER)) | {"features": ["channel", 5, "x" * 33, *map(str, range(40))], "more": 1}
    found = read(json.dumps(newer))
    assert found.features[:2] == ("channel", "0")
    assert len(found.features) == 16


@given(st.text(max_size=300) | st.text(alphabet='{}"simplexCall:1,', max_size=80))
def test_any_text_is_read_or_refused(text: str) -> None:
    for candidate in (text, '{"simplexCall"' + text):
        with pytest.raises(PastedTextError):
            read(candidate)


def test_long_texts_go_in_parts_of_any_order() -> None:
    text = write(OFFER)
    parts = split(text, OFFER.id)
    assert len(parts) > 2
    assert all(len(part) <= PART_LENGTH + 60 for part in parts)
    found = Parts()
    for part in [*reversed(parts), parts[0]]:
        assert is_part(part)
        assert found.text is None or part == parts[0]
        found = found.add(part)
    assert found.text == text
    # another text starts anew
    other = found.add(split(write(ANSWER), b"j" * 16)[0])
    assert (other.text, len(other.pieces)) == (None, 1)


def test_what_is_no_part_changes_nothing() -> None:
    parts = Parts().add(split(write(OFFER), OFFER.id)[0])
    for text in ("", write(OFFER), "simplex-call:0/2:" + "a" * 22 + ":x", "simplex-call:3/2:" + "a" * 22 + ":x"):
        assert parts.add(text) is parts


def test_a_short_text_needs_one_code() -> None:
    assert split("short", b"i" * 16) == ["short"]
    assert not is_part("short")
