from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest

from simplex_calls.background import Progress
from simplex_calls.bridge.methods import ChatMethods
from simplex_calls.bridge.shell import HomeProfile, RelayMode, RelayState
from simplex_calls.catalogue import texts
from simplex_calls.client import Client, ServerChoice, ServerVerdict
from simplex_calls.servers import operators
from simplex_calls.smp.probe import VerdictKind
from tests.bridge.people import FakeShell
from tests.linked import SERVER

OWN = "smp://" + "B" * 42 + "A=:secret@smp.example.org:5224"
RELAY = "smp://" + "C" * 42 + "A=@127.0.0.1:5223"


class FakeHome:
    """One profile, and a relay that runs when it is told to."""

    def __init__(self, client: Client) -> None:
        self.client: Client | None = client
        self.locked: HomeProfile | None = None
        self.wants_protection = False
        self.problem = ""
        self.language: str | None = None
        self.state = RelayState(RelayMode.OFF, None, ("192.0.2.7",), None)

    def profiles(self) -> list[HomeProfile]:
        return [HomeProfile("first", "Alice", is_open=True, has_passphrase=False)]

    async def switch(self, profile_id: str, passphrase: str | None = None) -> None:
        raise AssertionError

    async def set_language(self, language: str | None) -> None:
        self.language = language

    async def keeps_keys(self) -> bool:
        raise AssertionError

    async def protect(self, passphrase: str, *, key_file: bool) -> None:
        raise AssertionError

    async def add(self, name: str, passphrase: str = "", *, key_file: bool = False) -> HomeProfile:
        raise AssertionError

    async def remove(self, profile_id: str) -> None:
        raise AssertionError

    async def change_passphrase(self, former: str, passphrase: str, *, key_file: bool = False) -> None:
        raise AssertionError

    async def export_archive(self, passphrase: str, progress: Progress | None = None) -> Path:
        raise AssertionError

    def cancel_archive(self) -> None:
        raise AssertionError

    async def import_archive(
        self,
        path: Path,
        passphrase: str,
        new_passphrase: str = "",
        *,
        key_file: bool = False,
        progress: Progress | None = None,
    ) -> HomeProfile:
        raise AssertionError

    def relay(self) -> RelayState | None:
        return self.state

    async def set_relay(self, mode: RelayMode, host: str | None) -> RelayState:
        address = {RelayMode.OFF: None, RelayMode.MACHINE: RELAY, RelayMode.LAN: RELAY.replace("127.0.0.1", str(host))}
        self.state = RelayState(mode, host, ("192.0.2.7",), address[mode])
        return self.state


@pytest.fixture
def methods(alice: Client, shell: FakeShell) -> ChatMethods:
    return ChatMethods(alice, shell, FakeHome(alice))


async def ask(methods: ChatMethods, method: str, **params: Any) -> Any:
    answer = await methods.answer({"id": 1, "method": method, "params": params})
    assert answer is not None
    return answer.get("result", answer.get("error", {}).get("code"))


async def test_published_servers_are_offered_with_their_operators(methods: ChatMethods, alice: Client) -> None:
    shown = await ask(methods, "servers")
    assert [operator["name"] for operator in shown["operators"]] == [operator.name for operator in operators()]
    simplex = shown["operators"][0]["servers"]
    assert len(simplex) == 14
    assert all(server["onion"].endswith(".onion") and not server["isOn"] for server in simplex)
    first = simplex[0]["uri"]
    chosen = [{"uri": first, "isOn": True}, {"uri": OWN, "isOn": False}]
    shown = await ask(methods, "set_servers", servers=chosen)
    assert alice.servers() == [ServerChoice(first), ServerChoice(OWN, is_on=False)]
    assert shown["operators"][0]["servers"][0]["isOn"]
    (own,) = shown["own"]
    assert (own["uri"], own["host"], own["isOn"]) == (OWN, "smp.example.org:5224", False)
    assert own["qr"]["size"] > 0
    assert (
        await ask(methods, "set_servers", servers=[{"uri": "smp://x", "isOn": True}]) == "client.error.server-address"
    )
    assert await ask(methods, "set_servers", servers="x") == "bridge.error.request"
    assert len(alice.servers()) == 2


async def test_without_any_nothing_new_can_be_made(methods: ChatMethods) -> None:
    assert (await ask(methods, "state"))["hasServers"] is True
    await ask(methods, "set_servers", servers=[{"uri": OWN, "isOn": False}])
    assert (await ask(methods, "state"))["hasServers"] is False


async def test_the_relay_of_the_program_is_one_of_the_servers(methods: ChatMethods, alice: Client) -> None:
    assert (await ask(methods, "servers"))["relay"] == {
        "mode": "off",
        "host": None,
        "hosts": ["192.0.2.7"],
        "uri": None,
        "qr": None,
        "isOn": False,
    }
    shown = await ask(methods, "set_relay", mode="machine")
    assert (shown["relay"]["uri"], shown["relay"]["isOn"]) == (RELAY, True)
    assert [server.uri for server in alice.servers()] == [SERVER, RELAY]
    # it stands on its own, and choosing others leaves it
    assert [server["uri"] for server in shown["own"]] == [SERVER]
    await ask(methods, "set_servers", servers=[{"uri": OWN, "isOn": True}])
    assert [server.uri for server in alice.servers()] == [OWN, RELAY]
    # another address of the same relay takes the place of the former
    lan = RELAY.replace("127.0.0.1", "192.0.2.7")
    await ask(methods, "set_relay", mode="lan", host="192.0.2.7")
    assert [server.uri for server in alice.servers()] == [OWN, lan]
    await ask(methods, "set_relay", mode="off")
    assert [server.uri for server in alice.servers()] == [OWN]
    assert await ask(methods, "set_relay", mode="everywhere") == "bridge.error.request"


async def test_every_verdict_has_words(methods: ChatMethods, alice: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    for kind in VerdictKind:

        async def verdict(_: str, kind: VerdictKind = kind) -> ServerVerdict:
            return ServerVerdict(kind, 18, 0.0414)

        monkeypatch.setattr(alice, "test_server", verdict)
        told = await ask(methods, "test_server", uri=OWN)
        assert told == {"kind": kind.value, "roundTrip": 41}
        assert re.search(r"\w", texts("en")[f"chat.verdict.{kind.value}"])


async def test_what_is_no_address_is_not_tested(methods: ChatMethods) -> None:
    assert await ask(methods, "test_server", uri="smp://nonsense") == "client.error.server-address"


async def test_the_language(alice: Client, shell: FakeShell) -> None:
    home, pushed = FakeHome(alice), list[Any]()
    methods = ChatMethods(alice, shell, home, pushed.append)
    assert await ask(methods, "set_language", language="../de") == "bridge.error.request"
    assert (home.language, pushed) == (None, [])
    assert await ask(methods, "set_language", language="de") is None
    assert (home.language, pushed) == ("de", [{"event": "reload"}])
    assert await ask(methods, "set_language") is None
    assert (home.language, pushed) == (None, [{"event": "reload"}] * 2)
