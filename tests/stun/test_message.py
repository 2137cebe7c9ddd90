"""The codec against the test vectors of RFC 5769, and against everything that is no message."""

from __future__ import annotations

import ipaddress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from simplex_calls.stun.credentials import time_limited
from simplex_calls.stun.message import (
    Attribute,
    Kind,
    Message,
    Method,
    StunError,
    decode,
    encode,
    long_term_key,
    size_in,
    xored_address,
)

PASSWORD = b"VOkJxbRl1RmTxUk/WvJxBt"
TRANSACTION = bytes.fromhex("b7e7a701bc34d686fa87dfae")
REQUEST = bytes.fromhex(  # section 2.1
    "000100582112a442b7e7a701bc34d686fa87dfae802200105354554e207465737420636c69656e74002400046e0001ff"
    "80290008932ff9b151263b36000600096576746a3a68367659202020"
    "000800149aeaa70cbfd8cb56781ef2b5b2d3f249c1b571a280280004e57a3bcf"
)
RESPONSE_V4 = bytes.fromhex(  # section 2.2
    "0101003c2112a442b7e7a701bc34d686fa87dfae8022000b7465737420766563746f7220002000080001a147e112a643"
    "000800142b91f599fd9e90c38c7489f92af9ba53f06be7d780280004c07d4c96"
)
RESPONSE_V6 = bytes.fromhex(  # section 2.3
    "010100482112a442b7e7a701bc34d686fa87dfae8022000b7465737420766563746f722000200014"
    "0002a1470113a9faa5d3f179bc25f4b5bed2b9d900080014a382954e4be67bf11784c97c8292c275bfe3ed41"
    "80280004c8fb0b4c"
)


def test_the_request_of_the_rfc() -> None:
    message = decode(REQUEST, PASSWORD)
    assert (message.method, message.kind, message.transaction) == (Method.BINDING, Kind.REQUEST, TRANSACTION)
    assert message.get(Attribute.USERNAME) == b"evtj:h6vY"
    assert message.get(Attribute.SOFTWARE) == b"STUN test client"


@pytest.mark.parametrize(
    ("data", "address"),
    [(RESPONSE_V4, "192.0.2.1"), (RESPONSE_V6, "2001:db8:1234:5678:11:2233:4455:6677")],
    ids=["ipv4", "ipv6"],
)
def test_the_responses_of_the_rfc(data: bytes, address: str) -> None:
    message = decode(data, PASSWORD)
    assert message.kind is Kind.SUCCESS
    found = message.address(Attribute.XOR_MAPPED_ADDRESS)
    assert found == (ipaddress.ip_address(address), 32853)
    assert xored_address(found, TRANSACTION) == message.get(Attribute.XOR_MAPPED_ADDRESS)


@pytest.mark.parametrize("at", [0, 5, 21, 40, 75, 95, 107])
def test_a_changed_byte_is_noticed(at: int) -> None:
    changed = bytearray(REQUEST)
    changed[at] ^= 1
    with pytest.raises(StunError):
        decode(bytes(changed), PASSWORD)


def test_another_password_is_noticed() -> None:
    with pytest.raises(StunError, match="integrity is wrong"):
        decode(REQUEST, b"another")
    with pytest.raises(StunError, match="integrity is missing"):
        decode(encode(Message(Method.BINDING, Kind.REQUEST, TRANSACTION)), PASSWORD)


def test_what_follows_the_integrity_is_not_believed() -> None:
    key = b"key"
    signed = encode(Message(Method.BINDING, Kind.SUCCESS, TRANSACTION), key)
    # the fingerprint is taken off, and an attribute put after the integrity
    length = len(signed) - 20
    forged = signed[:2] + length.to_bytes(2, "big") + signed[4:-8] + bytes.fromhex("00140004") + b"evil"
    assert decode(forged, key).get(Attribute.REALM) is None


def test_the_key_of_long_term_credentials() -> None:
    # RFC 8489, section 18.5.1.1: user "user", realm "realm", password "pass"
    assert long_term_key("user", "realm", "pass").hex() == "8493fbc53ba582fb4c044c456bdc40eb"


def test_credentials_for_a_time() -> None:
    made = time_limited("north", "alice", 1_700_000_000.9)
    assert (made.username, made.password) == ("1700000000:alice", "Cd/49soE35ICqcJF/bCTn8Z4OyE=")
    assert "alice" not in repr(made)


@given(
    method=st.integers(0, 0xFFF),
    kind=st.sampled_from(Kind),
    transaction=st.binary(min_size=12, max_size=12),
    attributes=st.lists(st.tuples(st.integers(0x30, 0x8000), st.binary(max_size=40)), max_size=5),
    key=st.none() | st.binary(max_size=20),
)
def test_round_trip(
    method: int, kind: Kind, transaction: bytes, attributes: list[tuple[int, bytes]], key: bytes | None
) -> None:
    message = Message(method, kind, transaction, tuple(attributes))
    encoded = encode(message, key)
    assert decode(encoded, key) == message
    assert size_in(encoded[:4]) == len(encoded)


@given(st.binary(max_size=80) | st.binary(max_size=80).map(lambda tail: REQUEST[:20] + tail))
def test_whatever_comes_is_a_message_or_an_error(data: bytes) -> None:
    try:
        message = decode(data)
        message.address(Attribute.XOR_MAPPED_ADDRESS)
        assert message.error is None or message.error[0] >= 300
    except StunError:
        pass
