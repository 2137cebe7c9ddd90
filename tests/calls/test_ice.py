from __future__ import annotations

import contextlib

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from simplex_calls.calls.ice import (
    CREDENTIAL_SECONDS,
    DEFAULT_ICE_SERVERS,
    IceConfig,
    IceServer,
    IceServerError,
    RelayPolicy,
)
from simplex_calls.stun import Transport, time_limited


def test_servers_as_the_page_wants_them() -> None:
    config = IceConfig.parse(["stun:stun.example:3478", "turns:me:p%40ss@[2001:db8::1]:443?transport=tcp"])
    assert config.to_page() == {
        "iceServers": [
            {"urls": ["stun:stun.example:3478"]},
            {"urls": ["turns:[2001:db8::1]:443?transport=tcp"], "username": "me", "credential": "p@ss"},
        ],
        "relay": False,
    }
    assert IceConfig().to_page() == {"iceServers": [], "relay": False}
    assert IceConfig.parse(DEFAULT_ICE_SERVERS).servers


def test_through_relays_only_no_other_server_is_asked() -> None:
    config = IceConfig.parse(["stun:stun.example", "turn:me:pass@relay.example"], relay_only=True)
    assert config.to_page() == {
        "iceServers": [{"urls": ["turn:relay.example"], "username": "me", "credential": "pass"}],
        "relay": True,
    }


def test_a_shared_secret_gives_every_call_its_own_credentials() -> None:
    config = IceConfig.parse(["turn::s%2Fecret@relay.example:3478?transport=udp", "stun:stun.example"])
    assert config.has_relay
    assert "s/ecret" not in repr(config)
    names = iter([b"first", b"again"])
    first, second = (config.fresh(1_000_000.9, lambda _: next(names)).to_page()["iceServers"][0] for _ in range(2))
    made = time_limited("s/ecret", b"first".hex(), 1_000_000 + CREDENTIAL_SECONDS)
    url = "turn:relay.example:3478?transport=udp"
    assert first == {"urls": [url], "username": made.username, "credential": made.password}
    assert second["username"] != first["username"]
    assert "secret" not in str(config.fresh(0, bytes).to_page())


@pytest.mark.parametrize(
    ("text", "where"),
    [
        ("stun:a.example", ("a.example", 3478, Transport.UDP)),
        ("stuns:a.example", ("a.example", 5349, Transport.TLS)),
        ("turn:u:p@[2001:db8::1]", ("2001:db8::1", 3478, Transport.UDP)),
        ("turn:u:p@a.example:80?transport=tcp", ("a.example", 80, Transport.TCP)),
        ("turns:u:p@a.example:443?transport=tcp", ("a.example", 443, Transport.TLS)),
    ],
)
def test_where_a_server_is_and_how_it_is_spoken_to(text: str, where: tuple[str, int, Transport]) -> None:
    server = IceServer.parse(text)
    assert (server.host, server.port, server.transport) == where


def test_whose_calls_a_policy_hides() -> None:
    hidden = {policy: [policy.hides(is_verified=verified) for verified in (True, False)] for policy in RelayPolicy}
    assert hidden == {
        RelayPolicy.ALWAYS: [True, True],
        RelayPolicy.UNVERIFIED: [False, True],
        RelayPolicy.NEVER: [False, False],
    }


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
