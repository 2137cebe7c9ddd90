from __future__ import annotations

import contextlib

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from simplex_calls.calls.ice import DEFAULT_ICE_SERVERS, IceConfig, IceServer, IceServerError


def test_servers_as_the_page_wants_them() -> None:
    config = IceConfig.parse(
        ["stun:stun.example:3478", "turns:me:p%40ss@[2001:db8::1]:443?transport=tcp"], relay_only=True
    )
    assert config.to_page() == {
        "iceServers": [
            {"urls": ["stun:stun.example:3478"]},
            {"urls": ["turns:[2001:db8::1]:443?transport=tcp"], "username": "me", "credential": "p@ss"},
        ],
        "relay": True,
    }
    assert IceConfig().to_page() == {"iceServers": [], "relay": False}
    assert IceConfig.parse(DEFAULT_ICE_SERVERS).servers


@pytest.mark.parametrize(
    "text",
    [
        "",
        "example.org",
        "http://example.org",
        "turn:example.org",
        "stun:me:secret@example.org",
        "stun:example.org?transport=tcp",
        "stun:example.org:0",
        "stun:example.org:99999",
        "turn:me:secret@example.org?transport=sctp",
        "stun:" + "a" * 600,
    ],
)
def test_what_is_no_server(text: str) -> None:
    with pytest.raises(IceServerError) as caught:
        IceServer.parse(text)
    assert "secret" not in str(caught.value)


def test_limits_and_policy() -> None:
    with pytest.raises(IceServerError, match="at most"):
        IceConfig.parse(["stun:example.org"] * 17)
    with pytest.raises(IceServerError, match="TURN"):
        IceConfig.parse(["stun:example.org"], relay_only=True)
    assert "secret" not in repr(IceServer.parse("turn:me:secret@example.org"))


@settings(deadline=None)
@given(st.text(max_size=60))
def test_garbage_gives_this_error_only(text: str) -> None:
    with contextlib.suppress(IceServerError):
        IceServer.parse(text)
