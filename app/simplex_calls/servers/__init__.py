"""The published servers that the program offers: ``presets.json``, by operator, each with its fingerprint.

The addresses are those that the official apps come with (simplex-chat, ``Simplex.Chat.Operators.Presets``). Apps leave
the fingerprint and the onion host of these servers out of their short links, so whoever reads such a link needs
:func:`preset_server`.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from enum import Enum
from functools import cache
from importlib import resources

from simplex_calls.smp.address import ServerAddress


class PresetUse(Enum):
    """What a published server is for."""

    DEFAULT = "default"
    """New contacts are made on it once its operator is chosen."""
    OFFERED = "offered"
    """It is used when the user switches it on."""
    LINKS = "links"
    """It stands in links, and is not offered for new contacts."""


@dataclass(frozen=True, slots=True)
class PresetServer:
    """A published server."""

    address: ServerAddress
    use: PresetUse


@dataclass(frozen=True, slots=True)
class Operator:
    """Who runs published servers."""

    id: str
    name: str
    domain: str
    servers: tuple[PresetServer, ...]


@cache
def operators() -> tuple[Operator, ...]:
    """All operators with their servers, in the order in which they are offered."""
    file = resources.files("simplex_calls") / "servers" / "presets.json"
    return tuple(
        Operator(
            entry["id"],
            entry["name"],
            entry["domain"],
            tuple(
                PresetServer(ServerAddress.parse(server["address"]), PresetUse(server["use"]))
                for server in entry["servers"]
            ),
        )
        for entry in json.loads(file.read_text("utf-8"))["operators"]
    )


def preset_servers() -> tuple[ServerAddress, ...]:
    """The addresses of all published servers."""
    return tuple(server.address for operator in operators() for server in operator.servers)


def preset_server(host: str) -> ServerAddress | None:
    """The published server with this host name (or onion host); ``None`` if there is none."""
    return _by_host().get(host.lower())


@cache
def _by_host() -> dict[str, ServerAddress]:
    return {host.lower(): address for address in preset_servers() for host in address.hosts}
