"""How a profile's messages travel: what the user chose, kept in the profile's database."""

from __future__ import annotations

import dataclasses
import json
from dataclasses import dataclass

from simplex_calls.database import Database
from simplex_calls.smp.queues import NetworkConfig, PrivateRouting
from simplex_calls.smp.socks import SocksProxy

_NETWORK = "network"


@dataclass(frozen=True, slots=True)
class NetworkSettings:
    """What the user can choose."""

    private_routing: PrivateRouting = PrivateRouting.UNKNOWN
    """For which servers a server of ours passes messages on, so that they do not see our address."""
    socks_proxy: str = ""
    """``host:port`` of the proxy that all connections to servers go through; empty for none."""
    quantum_resistance: bool = True
    """Whether new connections are encrypted against quantum computers, too."""
    receipts: bool = True
    """Whether contacts are told that their texts and calls were received."""

    def config(self) -> NetworkConfig:
        """How servers are reached; raises :class:`AddressError`."""
        proxy = SocksProxy.parse(self.socks_proxy) if self.socks_proxy else None
        return NetworkConfig(private_routing=self.private_routing, socks_proxy=proxy)


def stored_network(database: Database) -> NetworkSettings:
    """What was stored; the defaults if nothing was."""
    row = database.execute("SELECT value FROM client_settings WHERE name = ?", (_NETWORK,)).fetchone()
    if row is None:
        return NetworkSettings()
    values = json.loads(row["value"])
    return NetworkSettings(**(values | {"private_routing": PrivateRouting(values["private_routing"])}))


def store_network(database: Database, settings: NetworkSettings) -> None:
    """Store them."""
    values = dataclasses.asdict(settings) | {"private_routing": settings.private_routing.value}
    with database.transaction():
        database.execute("INSERT OR REPLACE INTO client_settings VALUES (?, ?)", (_NETWORK, json.dumps(values)))
