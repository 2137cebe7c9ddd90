from __future__ import annotations

import contextlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from simplex_calls.smp.address import ServerAddress
from simplex_calls.smp.errors import AddressError, DecodeError
from tests.vectors import simplexmq

H = bytes.fromhex
FINGERPRINT = bytes(range(1, 33))
TEXT = "AQIDBAUGBwgJCgsMDQ4PEBESExQVFhcYGRobHB0eHyA="


@pytest.mark.parametrize("vector", simplexmq()["uris"]["servers"], ids=lambda v: v["str"])
def test_vectors(vector: dict[str, str]) -> None:
    address = ServerAddress.parse(vector["str"])
    assert str(address) == vector["str"]
    assert address.encode() == H(vector["binary"])
    assert ServerAddress.decode(H(vector["binary"])) == address


def test_the_password_is_kept_apart() -> None:
    address = ServerAddress.parse(f"smp://{TEXT}:open-sesame@relay.example:5224")
    assert address.password == "open-sesame"
    assert "sesame" not in repr(address)
    assert "sesame" not in str(address)
    assert address.uri(with_password=True) == f"smp://{TEXT}:open-sesame@relay.example:5224"
    assert address == ServerAddress.parse(f"smp://{TEXT}@relay.example:5224")
    assert hash(address) == hash(ServerAddress.parse(f"smp://{TEXT}@relay.example:5224"))


def test_parts() -> None:
    address = ServerAddress.parse(f" smp://{TEXT.rstrip('=')}@a.example,b.onion\n")
    assert address.hosts == ("a.example", "b.onion")
    assert address.port is None
    assert address.effective_port == 5223
    assert address.fingerprint == FINGERPRINT
    six = ServerAddress.parse(f"smp://{TEXT}@[2001:db8::1]:443")
    assert six.hosts == ("2001:db8::1",)
    assert six.port == 443
    assert ServerAddress.parse(str(six)) == six
    assert ServerAddress.decode(six.encode()) == six
    assert ServerAddress.parse(f"smp://{TEXT}@[::1]").port is None


@pytest.mark.parametrize(
    "text",
    [
        "",
        "smp://",
        f"http://{TEXT}@host",
        f"smp://{TEXT}@",
        f"smp://{TEXT}",
        "smp://AQID@host",
        "smp://!!!!@host",
        f"smp://{TEXT}@host:0",
        f"smp://{TEXT}@host:65536",
        f"smp://{TEXT}@host:port",
        f"smp://{TEXT}@host:",
        f"smp://{TEXT}@a,,b",
        f"smp://{TEXT}@ho st",
        f"smp://{TEXT}@-host",
        f"smp://{TEXT}@1:2:3",
        f"smp://{TEXT}@[1:2]:3",
        f"smp://{TEXT}@[fe80::1%25eth0]:3",
        f"smp://{TEXT}@host/path",
        f"smp://{TEXT}:@host",
        f"smp://{TEXT}:pass word@host",
    ],
)
def test_bad_addresses_say_so(text: str) -> None:
    with pytest.raises(AddressError, match="server address"):
        ServerAddress.parse(text)


HOSTS = st.from_regex(r"[a-z0-9][a-z0-9.-]{0,30}", fullmatch=True) | st.ip_addresses().map(str)


@given(
    st.lists(HOSTS, min_size=1, max_size=4),
    st.none() | st.integers(1, 65535),
    st.binary(min_size=32, max_size=32),
    st.none() | st.from_regex(r"[A-Za-z0-9!?._-]{1,40}", fullmatch=True),
)
def test_round_trip(hosts: list[str], port: int | None, fingerprint: bytes, password: str | None) -> None:
    address = ServerAddress(tuple(hosts), port, fingerprint, password)
    parsed = ServerAddress.parse(address.uri(with_password=True))
    assert parsed == address
    assert parsed.password == password
    assert ServerAddress.decode(address.encode()) == address


@given(st.text(max_size=80) | st.text(alphabet="smp:/@,.[]AQ=0123", max_size=80))
def test_garbage_text(text: str) -> None:
    for candidate in (text, "smp://" + text, f"smp://{TEXT}" + text, f"smp://{TEXT}@" + text):
        with contextlib.suppress(DecodeError):
            ServerAddress.parse(candidate)


@given(st.binary(max_size=120))
def test_garbage_bytes(data: bytes) -> None:
    for candidate in (data, b"\x01\x04host\x00\x20" + data, b"\x01" + data):
        with contextlib.suppress(DecodeError):
            ServerAddress.decode(candidate)
