"""How a relay runs, and why it does not."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

from simplex_calls.relay.client import ClientLimits
from simplex_calls.relay.proxy import ProxyLimits
from simplex_calls.relay.sessions import Limits
from simplex_calls.smp.address import DEFAULT_PORT


class RelayError(Exception):
    """The relay cannot start or go on; the text says why and what to do."""


@dataclass(frozen=True, slots=True)
class RelayConfig:
    """How a relay runs. ``port`` 0: any free one; ``data`` None: everything in memory, gone with the relay."""

    host: str = "127.0.0.1"
    also: tuple[str, ...] = ()
    """Further addresses of this machine to listen on, at the same port; its address names the first host alone."""
    port: int = DEFAULT_PORT
    data: Path | None = None
    password: str | None = field(default=None, repr=False)
    """What clients must know to create queues; None: anybody may."""
    limits: Limits = field(default_factory=Limits)
    client_limits: ClientLimits = field(default_factory=ClientLimits)
    forwards: bool = True
    """Whether clients may have commands forwarded to other servers; with a password, those that know it."""
    forwards_to_all: bool | None = None
    """Whether private addresses may be forwarded to; None: only where the relay's own ``host`` is as private."""
    proxy_limits: ProxyLimits = field(default_factory=ProxyLimits)
    connections: int = 900
    """Clients at the same time, more are refused; so many fit into the usual limit of 1,024 open files."""
    place_connections: int = 225
    """Of these, clients from one address (of IPv6: one network), unless it is this machine's own."""
    waiting_blocks: int = 4096
    """Blocks (16 kB) that may wait for all slow readers together; above it the slowest are disconnected."""
    housekeeping_seconds: float = 3600.0
    """How often old messages are deleted and idle clients disconnected."""
    full_seconds: float = 10.0
    """How often a relay on a full disk looks for room."""
    stop_seconds: float = 5.0
    """How long a stopping relay waits for its clients to read their last answers."""
