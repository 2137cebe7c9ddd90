from __future__ import annotations

import contextlib
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from simplex_calls.crypto import X448PrivateKey, X25519PrivateKey
from simplex_calls.smp import encoding
from simplex_calls.smp.encoding import Reader, VersionRange
from simplex_calls.smp.errors import DecodeError, EncodeError
from tests.vectors import simplexmq

H = bytes.fromhex

Codec = tuple[Callable[[Any], bytes], Callable[[Reader], Any]]
CODECS: dict[str, Codec] = {
    "Word16": (encoding.word16, Reader.word16),
    "Word32": (encoding.word32, Reader.word32),
    "Int64": (encoding.int64, Reader.int64),
    "Bool": (encoding.boolean, Reader.boolean),
    "Char": (str.encode, lambda r: r.take(1).decode()),
    "ByteString": (lambda v: encoding.short(v.encode()), lambda r: r.short().decode()),
    "Large": (lambda v: encoding.large(v.encode()), lambda r: r.large().decode()),
    "Tail": (str.encode, lambda r: r.tail().decode()),
    "Maybe ByteString": (
        lambda v: encoding.maybe(None if v is None else encoding.short(v.encode())),
        lambda r: r.maybe(lambda: r.short().decode()),
    ),
    "NonEmpty ByteString": (
        lambda v: encoding.items(encoding.short(x.encode()) for x in v),
        lambda r: [x.decode() for x in r.nonempty(r.short)],
    ),
    "SystemTime (seconds)": (encoding.int64, Reader.int64),
    "Version": (encoding.word16, Reader.word16),
    "VersionRange": (
        lambda v: VersionRange(*v).encode(),
        lambda r: [int(v) for v in str(r.version_range()).split("-")],
    ),
    "MsgFlags": (
        lambda v: encoding.boolean(v["notification"]),
        lambda r: {"notification": r.boolean()},
    ),
    "base64url(StrEncoding ByteString)": (
        lambda v: encoding.base64url(H(v)).encode(),
        lambda r: encoding.from_base64url(r.tail().decode()).hex(),
    ),
}


@pytest.mark.parametrize("vector", simplexmq()["encoding"], ids=lambda v: f"{v['type']} {v['value']}")
def test_primitives(vector: dict[str, Any]) -> None:
    encode, read = CODECS[vector["type"]]
    assert encode(vector["value"]) == H(vector["encoded"])
    reader = Reader(H(vector["encoded"]))
    assert read(reader) == vector["value"]
    reader.end()


def test_values_that_do_not_fit() -> None:
    attempts: list[Callable[[], bytes]] = [
        lambda: encoding.short(bytes(256)),
        lambda: encoding.large(bytes(65536)),
        lambda: encoding.items([b""] * 256),
        lambda: encoding.word16(-1),
        lambda: encoding.word16(65536),
        lambda: encoding.word32(1 << 32),
        lambda: encoding.int64(1 << 63),
    ]
    for attempt in attempts:
        with pytest.raises(EncodeError):
            attempt()


def test_keys() -> None:
    key = X25519PrivateKey.generate().public
    encoded = encoding.public_key(key)
    assert Reader(encoded).public_key() == key
    assert Reader(encoded).x25519_key() == key
    with pytest.raises(DecodeError, match="X25519"):
        Reader(encoding.public_key(X448PrivateKey.generate().public)).x25519_key()


def test_version_ranges() -> None:
    assert VersionRange.parse("6-18") == VersionRange(6, 18)
    assert VersionRange.parse("9") == VersionRange(9, 9)
    assert str(VersionRange(6, 18)) == "6-18"
    assert str(VersionRange(9, 9)) == "9"
    assert VersionRange(6, 18).intersect(VersionRange(9, 20)) == VersionRange(9, 18)
    assert VersionRange(6, 8).intersect(VersionRange(9, 20)) is None
    assert 9 in VersionRange(6, 18)
    assert 5 not in VersionRange(6, 18)
    for text in ("", "-", "18-6", "a", "1-2-3", " 1", "99999", "1-", "٣"):
        with pytest.raises(DecodeError):
            VersionRange.parse(text)


@pytest.mark.parametrize("text", ["a", "====", "ab=c", "a b", "ab+/", "abcde", "é"])
def test_not_base64url(text: str) -> None:
    with pytest.raises(DecodeError):
        encoding.from_base64url(text)


def test_a_reader_keeps_its_place() -> None:
    reader = Reader(b"ab cd")
    assert reader.peek() == b"a"
    assert reader.until(b" ") == b"ab"
    reader.space()
    with pytest.raises(DecodeError, match="2 bytes too many"):
        reader.end()
    with pytest.raises(DecodeError):
        reader.take(3)
    assert reader.until(b" ") == b"cd"
    reader.end()
    with pytest.raises(DecodeError):
        Reader(b"x").literal(b"y")
    with pytest.raises(DecodeError):
        Reader(b"\0").nonempty(lambda: 0)


@given(st.binary(max_size=300))
def test_strings_round_trip(value: bytes) -> None:
    assert Reader(encoding.large(value)).large() == value
    assert encoding.from_base64url(encoding.base64url(value)) == value
    assert encoding.from_base64url(encoding.base64url(value).rstrip("=")) == value
    if len(value) < 256:
        assert Reader(encoding.short(value)).short() == value


@given(st.binary(max_size=60), st.sampled_from(sorted(CODECS)))
def test_garbage_raises_only_decode_errors(data: bytes, name: str) -> None:
    with contextlib.suppress(DecodeError, UnicodeDecodeError):
        CODECS[name][1](Reader(data))


@given(st.binary(max_size=120))
def test_garbage_keys_and_ranges_raise_only_decode_errors(data: bytes) -> None:
    for read in (Reader.public_key, Reader.x25519_key, Reader.version_range):
        with contextlib.suppress(DecodeError):
            read(Reader(data))


@given(st.text(max_size=20))
def test_garbage_texts_raise_only_decode_errors(text: str) -> None:
    for parse in (VersionRange.parse, encoding.from_base64url):
        with contextlib.suppress(DecodeError):
            parse(text)
