"""Whose calls show the IP address, and by which servers they find their way."""

from __future__ import annotations

from pathlib import Path

import pytest

from simplex_calls.calls.ice import DEFAULT_ICE_SERVERS, MAX_SERVERS
from simplex_calls.client import (
    PLAIN,
    Client,
    ClientError,
    IceServerChoice,
    IceSettings,
    RelayPolicy,
    ServerChoice,
    Settings,
)
from tests.linked import SERVER, Agents

TURN = "turn:alice:sesame@turn.example:3478"
SHARED = "turn::north@turn.example:3478?transport=udp"
OTHER = "smp://" + "B" * 42 + "A=:secret@smp.example.org"


def refused(caught: pytest.ExceptionInfo[ClientError]) -> str:
    return caught.value.message_id


async def test_the_settings_are_kept_and_a_run_may_begin_with_others(tmp_path: Path, agents: Agents) -> None:
    chosen = IceSettings(
        (IceServerChoice(TURN, is_on=False), IceServerChoice("stun:a.example")), RelayPolicy.UNVERIFIED
    )
    async with Client(tmp_path, "Alice", [SERVER], agent=agents, key=PLAIN) as alice:
        assert [choice.uri for choice in alice.ice_settings.servers] == list(DEFAULT_ICE_SERVERS)
        assert alice.ice_settings.relay is RelayPolicy.NEVER
        alice.set_ice_settings(chosen)
        assert not alice.ice_settings.config().has_relay
    async with Client(tmp_path, agent=agents, key=PLAIN) as alice:
        assert alice.ice_settings == chosen
    given = Settings((TURN,), relay_only=True)
    async with Client(tmp_path, agent=agents, key=PLAIN, settings=given) as alice:
        assert [choice.uri for choice in alice.ice_settings.servers] == [TURN]
        assert alice.pasted_ice().relay_only
    async with Client(tmp_path, agent=agents, key=PLAIN) as alice:
        assert alice.ice_settings == chosen
        # nobody has verified whom a text comes from
        with pytest.raises(ClientError) as caught:
            alice.pasted_ice()
        assert refused(caught) == "client.error.no-relay"
    assert "sesame" not in repr(chosen)


async def test_what_is_no_server_changes_nothing(alice: Client) -> None:
    before = alice.ice_settings
    for servers in ((IceServerChoice("turn:no-password.example"),), *[(IceServerChoice("nonsense"),)]):
        with pytest.raises(ClientError) as caught:
            alice.set_ice_settings(IceSettings(servers))
        assert refused(caught) == "client.error.ice-servers"
    with pytest.raises(ClientError):
        alice.set_ice_settings(IceSettings(tuple(IceServerChoice(f"stun:{n}.example") for n in range(MAX_SERVERS + 1))))
    with pytest.raises(ClientError):
        await alice.test_ice_server("turn:sesame")
    assert alice.ice_settings == before


async def test_a_code_of_servers(alice: Client) -> None:
    alice.set_ice_settings(IceSettings((IceServerChoice(TURN, is_on=False),)))
    before = alice.servers()
    code = alice.add_servers(f"\n{OTHER} \r\nstun:turn.example:3478\t{SHARED}\n{TURN}\n")
    assert (code.servers, code.ice_servers) == ((OTHER,), ("stun:turn.example:3478", SHARED, TURN))
    assert alice.servers() == [*before, ServerChoice(OTHER)]
    # one that was off is wanted again
    assert {choice.uri for choice in alice.ice_settings.servers if choice.is_on} == set(code.ice_servers)
    assert "north" not in repr(code)
    kept = alice.servers(), alice.ice_settings
    for text in ("", " \n", f"{OTHER} hello", "smp://nonsense stun:a.example", f"{SHARED}\nturn:no-password.example"):
        with pytest.raises(ClientError) as caught:
            alice.add_servers(text)
        assert refused(caught) in {"client.error.server-address", "client.error.ice-servers"}
        assert "north" not in str(caught.value)
    assert (alice.servers(), alice.ice_settings) == kept


async def test_whose_calls_go_through_relays(alice: Client, bob: Client) -> None:
    route = alice.call_route(1)
    assert (route.choice, route.is_relayed, route.needs_warning, route.is_open) == (None, False, True, False)
    alice.set_ice_settings(IceSettings((IceServerChoice(TURN),), RelayPolicy.UNVERIFIED))
    route = alice.call_route(1)
    assert (route.is_relayed, route.has_relay, route.needs_warning, route.is_open) == (True, True, False, True)
    assert alice.verify(1, alice.details(1).security_code)
    assert alice.call_route(1).needs_warning
    alice.confirm_ip_exposure(1)
    assert alice.call_route(1).is_open
    # the contact's choice goes before the settings, and what was told stays told
    assert alice.set_call_route(1, relay=True).is_relayed
    alice.set_ice_settings(IceSettings((IceServerChoice(TURN),), RelayPolicy.ALWAYS))
    assert not alice.set_call_route(1, relay=False).is_relayed
    assert alice.set_call_route(1, relay=None).is_relayed
    alice.set_ice_settings(IceSettings((IceServerChoice(TURN),), RelayPolicy.NEVER))
    assert alice.call_route(1).is_open
    with pytest.raises(ClientError) as caught:
        alice.set_call_route(7, relay=True)
    assert refused(caught) == "client.error.no-contact"


async def test_a_call_that_must_be_relayed_is_refused_where_it_cannot(
    alice: Client, bob: Client, agents: Agents
) -> None:
    alice.set_call_route(1, relay=True)
    with pytest.raises(ClientError) as caught:
        await alice.start_call(1, "audio")
    assert refused(caught) == "client.error.no-relay"
    alice.set_ice_settings(IceSettings((IceServerChoice(TURN, is_on=False),)))
    with pytest.raises(ClientError):
        await alice.start_call(1, "audio")
    assert alice.calls() == []
    alice.set_ice_settings(IceSettings((IceServerChoice(TURN),)))
    await alice.start_call(1, "audio")


async def test_who_is_gone_leaves_no_choice(alice: Client, bob: Client, agents: Agents) -> None:
    alice.set_call_route(1, relay=True)
    await alice.delete_contact(1, tell=False)
    agents.wire.run()
    database = alice._database
    assert database is not None
    assert database.execute("SELECT count(*) FROM client_routes").fetchone()[0] == 0
