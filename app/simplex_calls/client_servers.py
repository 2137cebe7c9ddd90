"""The servers of a profile, kept in its database: those that new contacts are made on, and those that are off."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass, field

from simplex_calls.database import Database
from simplex_calls.smp.address import ServerAddress

_SERVERS = "servers"


@dataclass(frozen=True, slots=True)
class ServerChoice:
    """A server of the profile's list. ``uri`` is its ``smp://`` address with the password, if it has one."""

    uri: str = field(repr=False)
    is_on: bool = True

    @property
    def address(self) -> ServerAddress:
        """The parsed address."""
        return ServerAddress.parse(self.uri)


def checked(servers: Sequence[ServerChoice | str]) -> list[ServerChoice]:
    """The list in one form, each server once; raises :class:`AddressError`."""
    found: dict[str, ServerChoice] = {}
    for server in servers:
        choice = server if isinstance(server, ServerChoice) else ServerChoice(server)
        uri = choice.address.uri(with_password=True)
        found[uri] = ServerChoice(uri, choice.is_on)
    return list(found.values())


def active(servers: Sequence[ServerChoice]) -> tuple[ServerAddress, ...]:
    """The addresses of those that are on."""
    return tuple(server.address for server in servers if server.is_on)


def stored(database: Database) -> list[ServerChoice] | None:
    """What was stored; ``None`` if nothing was."""
    row = database.execute("SELECT value FROM client_settings WHERE name = ?", (_SERVERS,)).fetchone()
    return None if row is None else [ServerChoice(uri, is_on) for uri, is_on in json.loads(row["value"])]


def store(database: Database, servers: Sequence[ServerChoice]) -> None:
    """Store the list."""
    value = json.dumps([[server.uri, server.is_on] for server in servers])
    with database.transaction():
        database.execute("INSERT OR REPLACE INTO client_settings VALUES (?, ?)", (_SERVERS, value))
