"""Coturn's configuration: the whole of it, and what must hold whatever the options are."""

from __future__ import annotations

import ipaddress
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from simplex_calls.serve.coturn import (
    NOBODY,
    PRIVATE,
    TurnFiles,
    configuration,
    denied_peers,
    options_of,
)
from simplex_calls.serve.plan import Plan

FILES = TurnFiles(Path("/data/turn"), Path("/data/turn/tls.crt"), Path("/data/turn/tls.key"), ("first", "second"))
KNOWN = frozenset({"no-tlsv1", "no-tlsv1_1", "no-rfc5780"})
PROMETHEUS = frozenset({"prometheus", "prometheus-address", "prometheus-port"})

GOLDEN = """\
# Written by `simplex-calls serve` at each start. Changes here are lost: use its options.
listening-ip=10.0.0.7
listening-ip=fd00::7
listening-port=3478
tls-listening-port=443
external-ip=8.8.8.8/10.0.0.7
min-port=50000
max-port=51000
realm=calls.example
use-auth-secret
static-auth-secret=first
static-auth-secret=second
fingerprint
stale-nonce=600
cert=/data/turn/tls.crt
pkey=/data/turn/tls.key
no-tlsv1
no-tlsv1_1
cipher-list=ECDHE+AESGCM:ECDHE+CHACHA20:!aNULL
no-dtls
user-quota=12
total-quota=600
max-bps=1000000
no-multicast-peers
denied-peer-ip=0.0.0.0-0.255.255.255
denied-peer-ip=127.0.0.0-127.255.255.255
denied-peer-ip=169.254.0.0-169.254.255.255
denied-peer-ip=192.0.0.0-192.0.0.255
denied-peer-ip=192.0.2.0-192.0.2.255
denied-peer-ip=192.88.99.0-192.88.99.255
denied-peer-ip=198.18.0.0-198.19.255.255
denied-peer-ip=198.51.100.0-198.51.100.255
denied-peer-ip=203.0.113.0-203.0.113.255
denied-peer-ip=224.0.0.0-239.255.255.255
denied-peer-ip=240.0.0.0-255.255.255.255
denied-peer-ip=::1-::ffff:ffff
denied-peer-ip=::ffff:0:0-::ffff:ffff:ffff
denied-peer-ip=64:ff9b::-64:ff9b::ffff:ffff
denied-peer-ip=64:ff9b:1::-64:ff9b:1:ffff:ffff:ffff:ffff:ffff
denied-peer-ip=100::-100::ffff:ffff:ffff:ffff
denied-peer-ip=2001::-2001:1ff:ffff:ffff:ffff:ffff:ffff:ffff
denied-peer-ip=2001:db8::-2001:db8:ffff:ffff:ffff:ffff:ffff:ffff
denied-peer-ip=2002::-2002:ffff:ffff:ffff:ffff:ffff:ffff:ffff
denied-peer-ip=3fff::-3fff:fff:ffff:ffff:ffff:ffff:ffff:ffff
denied-peer-ip=5f00::-5f00:ffff:ffff:ffff:ffff:ffff:ffff:ffff
denied-peer-ip=fe80::-febf:ffff:ffff:ffff:ffff:ffff:ffff:ffff
denied-peer-ip=fec0::-feff:ffff:ffff:ffff:ffff:ffff:ffff:ffff
denied-peer-ip=ff00::-ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff
denied-peer-ip=10.0.0.0-10.255.255.255
denied-peer-ip=100.64.0.0-100.127.255.255
denied-peer-ip=172.16.0.0-172.31.255.255
denied-peer-ip=192.168.0.0-192.168.255.255
denied-peer-ip=fc00::-fdff:ffff:ffff:ffff:ffff:ffff:ffff:ffff
allowed-peer-ip=10.0.0.7
no-tcp-relay
allocation-default-address-family=keep
no-cli
no-software-attribute
no-rfc5780
no-dynamic-ip-list
no-dynamic-realms
userdb=/data/turn/turndb
pidfile=/data/turn/turnserver.pid
log-file=stdout
simple-log
"""


def test_the_whole_configuration() -> None:
    plan = Plan(
        hosts=("10.0.0.7", "fd00::7"),
        public_hosts=("calls.example",),
        turns_port=443,
        relayed_ports=(50000, 51000),
        external_ips=("8.8.8.8/10.0.0.7",),
        realm="calls.example",
    )
    assert configuration(plan, FILES, KNOWN) == GOLDEN


ADDRESSES = st.ip_addresses().map(str)
PLANS = st.builds(
    Plan,
    hosts=st.lists(ADDRESSES, max_size=3).map(tuple),
    public_hosts=st.just(("calls.example",)),
    external_ips=st.lists(st.one_of(ADDRESSES, st.tuples(ADDRESSES, ADDRESSES).map("/".join)), max_size=2).map(tuple),
    is_lan=st.booleans(),
    max_bps=st.integers(0, 10**9),
)


@given(PLANS, st.frozensets(st.sampled_from(sorted(KNOWN | PROMETHEUS))))
def test_what_is_always_in_it(plan: Plan, known: frozenset[str]) -> None:
    lines = configuration(plan, FILES, known).splitlines()
    options = {line.partition("=")[0] for line in lines}
    needed = {"use-auth-secret", "no-cli", "no-multicast-peers", "fingerprint", "stale-nonce", "no-software-attribute"}
    assert needed <= options
    assert not options & {"allow-loopback-peers", "no-auth", "web-admin", "server-relay", "no-stun", "user", "verbose"}
    assert "user-quota=12" in lines
    assert "total-quota=600" in lines
    # metrics only where they can be kept to this machine
    assert ("prometheus" in options) == (known >= PROMETHEUS)
    assert ("prometheus-address=127.0.0.1" in lines) == ("prometheus" in options)
    denied = [line.partition("=")[2] for line in lines if line.startswith("denied-peer-ip=")]
    assert len(denied) == len(NOBODY) + (0 if plan.is_lan else len(PRIVATE))


@given(st.ip_addresses(v=4))
def test_only_public_addresses_are_relayed_to(address: ipaddress.IPv4Address) -> None:
    is_denied = any(address in network for network in denied_peers(Plan()) if network.version == 4)
    # Python's list of special addresses is IANA's
    if address.is_private or address.is_multicast or address.is_reserved or address.is_link_local:
        assert is_denied or address in (ipaddress.ip_address("192.0.0.9"), ipaddress.ip_address("192.0.0.10"))


@pytest.mark.parametrize(
    "address",
    ["::", "::1", "::ffff:10.0.0.1", "64:ff9b::a00:1", "2002:a00:1::", "fe80::1", "fd00::1", "ff02::1", "2001:db8::1"],
)
def test_no_way_into_networks_by_ipv6(address: str) -> None:
    found = ipaddress.ip_address(address)
    assert any(found in network for network in denied_peers(Plan()) if network.version == 6)
    assert not any(ipaddress.ip_address("2a01:4f8::1") in network for network in denied_peers(Plan()))


@pytest.mark.parametrize("address", ["10.1.2.3", "100.64.0.1", "172.16.9.9", "192.168.1.1", "fd12::1"])
def test_a_lan_is_relayed_to_when_asked(address: str) -> None:
    found = ipaddress.ip_address(address)
    denied = {is_lan: any(found in n for n in denied_peers(Plan(is_lan=is_lan))) for is_lan in (False, True)}
    assert denied == {False: True, True: False}


@pytest.mark.parametrize(
    "plan", [Plan(realm="a\nno-auth"), Plan(external_ips=("1.2.3.4 x",)), Plan(hosts=("::1\n",))], ids=str
)
def test_no_option_becomes_a_line_of_its_own(plan: Plan) -> None:
    with pytest.raises(ValueError, match="blanks or line ends"):
        configuration(plan, FILES, KNOWN)


def test_the_options_of_a_build() -> None:
    text = """
 -d, --listening-device	<device-name>		Listener interface device.
 --no-tlsv1_1					Do not allow it. See --not-an-option.
 -b, , --db, --userdb	<filename>		Database.
     --no-stun					Option to suppress STUN functionality.
 --prometheus-port		<port>
"""
    assert options_of(text) >= {"listening-device", "no-tlsv1_1", "no-stun", "prometheus-port"}
    assert "not-an-option" not in options_of(text)


def test_the_secrets_are_not_in_its_repr() -> None:
    assert "first" not in repr(FILES)
