"""What ``simplex-calls serve`` runs, and where: kept in its data folder for ``--check`` and ``--show``. Pure."""

from __future__ import annotations

import ipaddress
import json
from dataclasses import asdict, dataclass, fields
from typing import Any, Self
from urllib.parse import quote

from simplex_calls.smp.address import ServerAddress

RELAY = "relay"
TURN = "turn"
PARTS = (RELAY, TURN)


class ServeError(Exception):
    """The servers cannot be started or checked; the text says why and what to do."""


@dataclass(frozen=True, slots=True)
class Plan:
    """Addresses, ports and limits; no secrets."""

    hosts: tuple[str, ...] = ()
    """Addresses to listen on; none: all of this machine."""
    public_hosts: tuple[str, ...] = ()
    """Names or addresses that others reach this machine by."""
    port: int = 5223
    """Of the relay."""
    turn_port: int = 3478
    turns_port: int = 5349
    relayed_ports: tuple[int, int] = (49152, 65535)
    """From which a TURN client is given one."""
    external_ips: tuple[str, ...] = ()
    """``public`` or ``public/private``: what this machine's address looks like from outside of a NAT."""
    realm: str = "simplex-calls"
    is_lan: bool = False
    """Whether private addresses are relayed to."""
    is_open: bool = False
    """Whether everybody may create queues on the relay."""
    own_certificate: bool = True
    """Whether the certificate of TURN over TLS is of our own making, which browsers do not trust."""
    user_quota: int = 12
    """Allocations of one user at the same time; a call makes up to one for each way to the server."""
    total_quota: int = 600
    max_bps: int = 1_000_000
    """Bytes a second of one allocation, each way; 0: no limit."""
    parts: tuple[str, ...] = PARTS
    """What is run of :data:`PARTS`."""

    @classmethod
    def from_json(cls, text: str) -> Self:
        """Read what :meth:`to_json` wrote; raises :class:`ValueError`."""
        value = json.loads(text)
        if not isinstance(value, dict) or set(value) != {field.name for field in fields(cls)}:
            raise ValueError("this is no plan")
        given: dict[str, Any] = {name: tuple(item) if isinstance(item, list) else item for name, item in value.items()}
        return cls(**given)

    def to_json(self) -> str:
        """The plan as text."""
        return json.dumps(asdict(self), indent=2) + "\n"

    def relay_address(self, fingerprint: bytes, password: str | None) -> ServerAddress:
        """Where clients find the relay; raises :class:`AddressError`."""
        return ServerAddress(self.public_hosts, self.port, fingerprint, password)

    @property
    def local_host(self) -> str:
        """Where this machine reaches its own servers."""
        return self.hosts[0] if self.hosts else "127.0.0.1"


def ice_lines(plan: Plan, secret: str | None) -> list[str]:
    """The STUN and TURN addresses of docs/protocol.md, "A code of servers"; without ``secret``, for people to read."""
    lines = []
    user = "" if secret is None else f":{quote(secret, safe='-._~')}@"
    for host in plan.public_hosts:
        place = f"[{host}]" if ":" in host else host
        lines.append(f"stun:{place}:{plan.turn_port}")
        lines += [f"turn:{user}{place}:{plan.turn_port}?transport={transport}" for transport in ("udp", "tcp")]
        if not plan.own_certificate:
            lines.append(f"turns:{user}{place}:{plan.turns_port}?transport=tcp")
    return lines


def code(relay: ServerAddress | None, plan: Plan, secret: str | None) -> str:
    """The code of servers that another machine's settings take."""
    lines = [] if relay is None else [relay.uri(with_password=True)]
    if secret is not None:
        lines += ice_lines(plan, secret)
    return "\n".join(lines)


def is_any(host: str) -> bool:
    """Whether it stands for all addresses of this machine."""
    return host in ("", "0.0.0.0", "::", "*")  # noqa: S104 (compared, not opened)


def address_of(host: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address | None:
    """The IP address, if ``host`` is one."""
    try:
        return ipaddress.ip_address(host)
    except ValueError:
        return None
