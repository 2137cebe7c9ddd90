from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from simplex_calls.calls.addresses import hides_address
from tests.calls.packing import bomb, pack

RELAYED = "candidate:1 1 udp 41885439 203.0.113.5 50000 typ relay raddr 0.0.0.0 rport 0 generation 0 ufrag Ab+/"
SDP = (
    "v=0\r\no=- 4611 2 IN IP4 127.0.0.1\r\ns=-\r\nt=0 0\r\nm=audio 9 UDP/TLS/RTP/SAVPF 111\r\n"
    "c=IN IP4 0.0.0.0\r\na=rtcp:9 IN IP4 0.0.0.0\r\na=ice-ufrag:Ab+/\r\na=fingerprint:sha-256 "
    + ":".join(["AB"] * 32)
    + "\r\n"
)


def described(*lines: str) -> str:
    return pack({"type": "offer", "sdp": SDP + "".join(f"{line}\r\n" for line in lines)})


def candidates(*lines: str) -> str:
    return pack([{"candidate": line, "sdpMid": "0", "sdpMLineIndex": 0} for line in lines])


def test_what_relays_only_show() -> None:
    assert hides_address(described(), candidates())
    assert hides_address(described(f"a={RELAYED}"), candidates(RELAYED, ""))
    assert hides_address("", candidates(RELAYED))
    # what an engine puts there once it has candidates: the relay's own address
    assert hides_address(described(f"a={RELAYED}", "c=IN IP4 203.0.113.5", "a=rtcp:50000 IN IP4 203.0.113.5"), "")
    v6 = "candidate:1 1 udp 41885439 2001:db8::5 50000 typ relay raddr :: rport 9"
    assert hides_address(described("c=IN IP6 ::", "o=- 1 2 IN IP6 ::1"), candidates(v6))


@pytest.mark.parametrize(
    "line",
    [
        "candidate:1 1 udp 2122260223 192.168.1.7 50000 typ host generation 0",
        "candidate:1 1 udp 2122260223 3f1c.local 50000 typ host",
        "candidate:1 1 udp 1686052607 198.51.100.7 50000 typ srflx raddr 0.0.0.0 rport 0",
        "candidate:1 1 tcp 1518280447 192.168.1.7 9 typ host tcptype active",
        "candidate:1 1 udp 1686052607 198.51.100.7 50000 typ prflx raddr 0.0.0.0 rport 0",
        RELAYED.replace("raddr 0.0.0.0", "raddr 198.51.100.7"),
        RELAYED.replace("raddr 0.0.0.0", "raddr fe80::1%eth0"),
        RELAYED.replace("raddr 0.0.0.0", "raddr 3f1c.local"),
        "candidate:1 1 udp 41885439 203.0.113.5",
        "candidate:1 1 udp 41885439 203.0.113.5 50000 type relay",
    ],
)
def test_what_shows_an_address(line: str) -> None:
    assert not hides_address("", candidates(RELAYED, line))
    assert not hides_address(described(f"a={RELAYED}", f"a={line}"), "")
    assert not hides_address(described(), candidates(line))


@pytest.mark.parametrize(
    "line", ["c=IN IP4 198.51.100.7", "c=IN IP6 2001:db8::7", "a=rtcp:9 IN IP4 198.51.100.7", "o=- 1 2 IN IP4 10.0.0.7"]
)
def test_a_line_that_shows_an_address(line: str) -> None:
    assert not hides_address(described(line), candidates(RELAYED))


@pytest.mark.parametrize(
    ("description", "listed"),
    [
        ("x", ""),
        (pack("[]"), ""),
        (pack("3"), ""),
        ("", "x"),
        ("", pack([{"candidate": ""}])[:-6]),
        ("", pack([3])),
        ("", pack([{}])),
        ("", pack("{")),
        (bomb(2000), ""),
    ],
    ids=["letter", "list", "number", "letters", "cut", "numbers", "nothing", "half", "bomb"],
)
def test_what_cannot_be_read_hides_nothing(description: str, listed: str) -> None:
    assert not hides_address(description, listed)


@settings(deadline=None)
@given(st.text(max_size=200), st.text(max_size=200))
def test_any_text_is_judged(description: str, listed: str) -> None:
    assert hides_address(description, listed) in (True, False)
