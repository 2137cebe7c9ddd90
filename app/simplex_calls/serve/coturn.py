"""The configuration of coturn, as text. Pure.

Source: turnserver(1) and the example turnserver.conf of coturn 4.6. What a build does not know it would complain of, so
options that not every build has are written only if its ``--help`` names them. The ranges are those of IANA's
registries of special-purpose addresses (RFC 6890 and its updates), and multicast.
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from simplex_calls.serve.plan import Plan

Network = ipaddress.IPv4Network | ipaddress.IPv6Network

NOBODY: tuple[Network, ...] = tuple(
    map(
        ipaddress.ip_network,
        (
            "0.0.0.0/8",
            "127.0.0.0/8",
            "169.254.0.0/16",
            "192.0.0.0/24",
            "192.0.2.0/24",
            "192.88.99.0/24",
            "198.18.0.0/15",
            "198.51.100.0/24",
            "203.0.113.0/24",
            "224.0.0.0/4",
            "240.0.0.0/4",
            "::/96",  # unspecified, loopback, IPv4-compatible
            "::ffff:0:0/96",  # IPv4-mapped: those that are allowed are relayed to by IPv4
            "64:ff9b::/96",  # and translated addresses lead wherever the translator goes
            "64:ff9b:1::/48",
            "100::/64",
            "2001::/23",
            "2001:db8::/32",
            "2002::/16",
            "3fff::/20",
            "5f00::/16",
            "fe80::/10",
            "fec0::/10",
            "ff00::/8",
        ),
    )
)
"""Addresses that no peer of a call has, and that lead to this machine or into its network's own services."""

PRIVATE: tuple[Network, ...] = tuple(
    map(ipaddress.ip_network, ("10.0.0.0/8", "100.64.0.0/10", "172.16.0.0/12", "192.168.0.0/16", "fc00::/7"))
)
"""Addresses that peers have in a network of their own only."""

PROMETHEUS_PORT = 9641
_OPTION = re.compile(r"^\s+(?:-\w[ ,]*)*--([a-z0-9_-]+)", re.MULTILINE)
_WORD = re.compile(r"[\x21-\x7e]+")


@dataclass(frozen=True, slots=True)
class TurnFiles:
    """Where coturn's files are, and the secrets that go into its configuration."""

    folder: Path
    """Its own folder: nobody else may read it."""
    certificate: Path
    key: Path
    secrets: tuple[str, ...] = field(repr=False)
    """Shared with clients; the first is given out, the others still count."""


def options_of(help_text: str) -> frozenset[str]:
    """The long options that a build of turnserver names in its help."""
    return frozenset(_OPTION.findall(help_text))


def configuration(plan: Plan, files: TurnFiles, known: frozenset[str]) -> str:
    """The text of turnserver.conf; ``known`` are the options of the build."""
    return "".join(f"{line}\n" for line in _lines(plan, files, known))


def denied_peers(plan: Plan) -> tuple[Network, ...]:
    """The networks that clients may not reach through the server."""
    return NOBODY if plan.is_lan else (*NOBODY, *PRIVATE)


def allowed_peers(plan: Plan) -> tuple[str, ...]:
    """Exceptions from :func:`denied_peers`: this server's own address behind a NAT.

    Two people who both use this server only reach each other from one of its addresses to another.
    """
    private = (pair.partition("/")[2] for pair in plan.external_ips)
    return tuple(dict.fromkeys(address for address in private if address))


def _lines(plan: Plan, files: TurnFiles, known: frozenset[str]) -> Iterator[str]:
    yield "# Written by `simplex-calls serve` at each start. Changes here are lost: use its options."
    for host in plan.hosts:
        yield f"listening-ip={_checked(host)}"
    yield f"listening-port={plan.turn_port}"
    yield f"tls-listening-port={plan.turns_port}"
    for pair in plan.external_ips:
        yield f"external-ip={_checked(pair)}"
    first, last = plan.relayed_ports
    yield f"min-port={first}"
    yield f"max-port={last}"
    yield f"realm={_checked(plan.realm)}"
    yield "use-auth-secret"
    for secret in files.secrets:
        yield f"static-auth-secret={_checked(secret)}"
    yield "fingerprint"
    yield "stale-nonce=600"
    yield f"cert={files.certificate}"
    yield f"pkey={files.key}"
    # what is older than TLS 1.2; builds from 4.7 on leave it off by themselves
    yield from (name for name in ("no-tlsv1", "no-tlsv1_1") if name in known)
    yield "cipher-list=ECDHE+AESGCM:ECDHE+CHACHA20:!aNULL"
    # browsers' TURN speaks TLS over TCP alone
    yield "no-dtls"
    yield f"user-quota={plan.user_quota}"
    yield f"total-quota={plan.total_quota}"
    if plan.max_bps:
        yield f"max-bps={plan.max_bps}"
    yield "no-multicast-peers"
    yield from (f"denied-peer-ip={_range(network)}" for network in denied_peers(plan))
    yield from (f"allowed-peer-ip={_checked(address)}" for address in allowed_peers(plan))
    # calls relay UDP only
    yield "no-tcp-relay"
    yield "allocation-default-address-family=keep"
    yield "no-cli"
    yield "no-software-attribute"
    # what STUN says besides one's address makes its answers larger than the questions
    for name in ("no-rfc5780", "no-stun-backward-compatibility", "response-origin-only-with-rfc5780"):
        if name in known:
            yield name
    # its database of users is not used, and its own files stay in the folder
    yield "no-dynamic-ip-list"
    yield "no-dynamic-realms"
    yield f"userdb={files.folder / 'turndb'}"
    yield f"pidfile={files.folder / 'turnserver.pid'}"
    yield "log-file=stdout"
    yield "simple-log"
    if has_prometheus(known):
        yield "prometheus"
        yield "prometheus-address=127.0.0.1"
        yield f"prometheus-port={PROMETHEUS_PORT}"


def has_prometheus(known: frozenset[str]) -> bool:
    """Whether the build has metrics that can be kept to this machine (builds before 4.7 open them to all)."""
    return {"prometheus", "prometheus-address", "prometheus-port"} <= known


def _range(network: Network) -> str:
    # to coturn "::" as the first address means "whatever comes before", IPv4 too; :: itself it refuses by itself
    first = network[1] if network.version == 6 and network[0].is_unspecified else network[0]
    return f"{first}-{network[-1]}"


def _checked(word: str) -> str:
    # a line end in an option would be a line of the configuration
    if _WORD.fullmatch(word) is None:
        raise ValueError("an option of turnserver cannot have blanks or line ends")
    return word
