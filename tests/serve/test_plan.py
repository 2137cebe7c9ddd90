"""The plan of what runs, and the code of servers that is made of it."""

from __future__ import annotations

import pytest

from simplex_calls.calls.ice import IceServer
from simplex_calls.client_ice import read_servers
from simplex_calls.serve.plan import Plan, code, ice_lines

PLAN = Plan(public_hosts=("calls.example", "2a01:4f8::7"), own_certificate=False, turns_port=443, parts=("turn",))


def test_a_plan_is_read_as_it_was_written() -> None:
    plan = Plan(hosts=("10.0.0.7",), external_ips=("8.8.8.8/10.0.0.7",), relayed_ports=(50000, 51000), is_lan=True)
    assert Plan.from_json(plan.to_json()) == plan


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"hosts": []}'])
def test_what_is_no_plan(text: str) -> None:
    with pytest.raises(ValueError, match=r"plan|Expecting"):
        Plan.from_json(text)


def test_the_code() -> None:
    relay = PLAN.relay_address(bytes(32), "pass")
    fingerprint = "A" * 43 + "="
    assert code(relay, PLAN, "s/cret-1").splitlines() == [
        f"smp://{fingerprint}:pass@calls.example,[2a01:4f8::7]:5223",
        "stun:calls.example:3478",
        "turn::s%2Fcret-1@calls.example:3478?transport=udp",
        "turn::s%2Fcret-1@calls.example:3478?transport=tcp",
        "turns::s%2Fcret-1@calls.example:443?transport=tcp",
        "stun:[2a01:4f8::7]:3478",
        "turn::s%2Fcret-1@[2a01:4f8::7]:3478?transport=udp",
        "turn::s%2Fcret-1@[2a01:4f8::7]:3478?transport=tcp",
        "turns::s%2Fcret-1@[2a01:4f8::7]:443?transport=tcp",
    ]


def test_another_machine_reads_the_code() -> None:
    relay = PLAN.relay_address(bytes(32), "pass")
    read = read_servers(code(relay, PLAN, "s/cret-1"))
    assert read.servers == (relay.uri(with_password=True),)
    servers = [IceServer.parse(uri) for uri in read.ice_servers]
    assert [server.url for server in servers] == ice_lines(PLAN, None)
    assert {server.secret for server in servers if server.is_relay} == {"s/cret-1"}


def test_lines_for_people_have_no_secret() -> None:
    assert ice_lines(PLAN, None)[:2] == ["stun:calls.example:3478", "turn:calls.example:3478?transport=udp"]


def test_no_browser_is_sent_to_a_certificate_that_it_does_not_trust() -> None:
    assert not any(line.startswith("turns:") for line in ice_lines(Plan(public_hosts=("a.example",)), "secret"))
