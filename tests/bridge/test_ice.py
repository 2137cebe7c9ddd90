from __future__ import annotations

import socket

from simplex_calls.client import Client
from tests.bridge.test_network import ask

TURN = "turn:alice:sesame@turn.example:3478"


async def test_servers_are_added_switched_and_reset(alice: Client) -> None:
    shown = await ask(alice, "ice")
    assert [(one["url"], one["isRelay"], one["isOn"], one["isDefault"]) for one in shown["servers"]] == [
        ("stun:stun.simplex.im:443", False, True, True)
    ]
    assert (shown["relay"], shown["hasRelay"]) == ("never", False)
    assert await ask(alice, "add_servers", text=f"{TURN}\nturn::north@b.example") == {"servers": 0, "iceServers": 2}
    shown = await ask(alice, "ice")
    assert [(one["url"], one["hasSecret"]) for one in shown["servers"][1:]] == [
        ("turn:turn.example:3478", False),
        ("turn:b.example", True),
    ]
    assert shown["hasRelay"]
    shown = await ask(alice, "set_ice", servers=[{"uri": TURN, "isOn": False}], relay="unverified")
    assert (len(shown["servers"]), shown["relay"], shown["hasRelay"]) == (1, "unverified", False)
    reset = await ask(alice, "reset_ice")
    assert [one["isDefault"] for one in reset["servers"]] == [True]
    assert reset["relay"] == "unverified"
    assert await ask(alice, "set_ice", relay="sometimes") == "bridge.error.request"
    assert await ask(alice, "set_ice", servers=[{"uri": "turn:x"}]) == "client.error.ice-servers"
    assert await ask(alice, "add_servers", text="hello") == "client.error.server-address"


async def test_a_test_of_a_server(alice: Client) -> None:
    with socket.socket(type=socket.SOCK_DGRAM) as taken:
        taken.bind(("127.0.0.1", 0))
        uri = f"turns:a:b@127.0.0.1:{taken.getsockname()[1]}"
        assert await ask(alice, "test_ice_server", uri=uri) == {"kind": "unreachable", "roundTrip": None}
    assert await ask(alice, "test_ice_server", uri="sesame") == "client.error.ice-servers"


async def test_the_route_of_a_contact(alice: Client, bob: Client) -> None:
    route = {"choice": None, "isRelayed": False, "hasRelay": False, "needsWarning": True}
    assert await ask(alice, "call_route", contactId=1) == route
    assert (await ask(alice, "details", contactId=1))["route"] == route
    hidden = {"choice": True, "isRelayed": True, "hasRelay": False, "needsWarning": False}
    assert await ask(alice, "set_call_route", contactId=1, relay=True) == hidden
    assert await ask(alice, "start_call", contactId=1, media="audio") == "client.error.no-relay"
    assert await ask(alice, "set_call_route", contactId=1, relay=None) == route
    assert await ask(alice, "set_call_route", contactId=1, relay="yes") == "bridge.error.request"
