"""How a profile's calls find their way: STUN and TURN servers, and whose calls go through relays only."""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import dataclass, field, replace

from simplex_calls.calls.ice import (
    DEFAULT_ICE_SERVERS,
    MAX_SERVERS,
    IceConfig,
    IceServer,
    IceServerError,
    RelayPolicy,
)
from simplex_calls.database import Database
from simplex_calls.smp.address import ServerAddress
from simplex_calls.smp.errors import AddressError

ROUTES_MIGRATION = """
    CREATE TABLE client_routes (
        contact_id INTEGER PRIMARY KEY REFERENCES contacts (id) ON DELETE CASCADE,
        relay INTEGER,
        is_told INTEGER NOT NULL DEFAULT 0
    );
"""
"""``relay`` is the user's choice for a contact, null: as in the settings; ``is_told``: a direct call was explained."""

_ICE = "ice"
_ICE_SCHEMES = ("stun:", "stuns:", "turn:", "turns:")


@dataclass(frozen=True, slots=True)
class IceServerChoice:
    """A STUN or TURN server of the profile's list. ``uri`` is what :meth:`IceServer.parse` takes, with the password."""

    uri: str = field(repr=False)
    is_on: bool = True

    @property
    def server(self) -> IceServer:
        """The parsed server."""
        return IceServer.parse(self.uri)


@dataclass(frozen=True, slots=True)
class IceSettings:
    """Which servers help calls, and which calls go through relays only."""

    servers: tuple[IceServerChoice, ...] = tuple(map(IceServerChoice, DEFAULT_ICE_SERVERS))
    relay: RelayPolicy = RelayPolicy.NEVER

    def config(self) -> IceConfig:
        """The servers that are on."""
        return IceConfig.parse(choice.uri for choice in self.servers if choice.is_on)


@dataclass(frozen=True, slots=True)
class CallRoute:
    """How a call with a contact goes."""

    choice: bool | None
    """The user's for this contact: through relays only, or directly where possible; ``None``: as in the settings."""
    is_relayed: bool
    """Through relays only: the contact learns no address of ours."""
    has_relay: bool
    """Whether there is a relay that is on; without one, calls that must be relayed are refused."""
    is_told: bool
    """Whether the user was told that direct calls with this contact show their IP address, and went on."""

    @property
    def needs_warning(self) -> bool:
        """Whether the user must be told before the next call."""
        return not (self.is_relayed or self.is_told)

    @property
    def is_open(self) -> bool:
        """Whether a call can begin without a word to the user."""
        return self.has_relay if self.is_relayed else self.is_told


@dataclass(frozen=True, slots=True)
class ServerCode:
    """The servers of a code: message servers, and STUN and TURN servers."""

    servers: tuple[str, ...] = field(repr=False)
    ice_servers: tuple[str, ...] = field(repr=False)


def read_servers(text: str) -> ServerCode:
    """Read a text of servers' addresses (``docs/protocol.md``, "A code of servers").

    What is no address makes the whole text refused: raises :class:`AddressError`, :class:`IceServerError`.
    """
    words = text.split()
    if not words:
        raise AddressError("there is no server's address in it")
    ice = [word for word in words if word.startswith(_ICE_SCHEMES)]
    return ServerCode(
        tuple(ServerAddress.parse(word).uri(with_password=True) for word in words if word not in ice),
        tuple(choice.uri for choice in checked_ice(ice)),
    )


def checked_ice(servers: Iterable[IceServerChoice | str]) -> tuple[IceServerChoice, ...]:
    """The list in one form, each server once; raises :class:`IceServerError`."""
    found: dict[str, IceServerChoice] = {}
    for given in servers:
        choice = given if isinstance(given, IceServerChoice) else IceServerChoice(given)
        choice = replace(choice, uri=choice.uri.strip())
        choice.server  # noqa: B018 - whether it is one
        found[choice.uri] = choice
    if len(found) > MAX_SERVERS:
        raise IceServerError(f"there can be at most {MAX_SERVERS} servers")
    return tuple(found.values())


def stored_ice(database: Database) -> IceSettings:
    """What was stored; the defaults if nothing was."""
    row = database.execute("SELECT value FROM client_settings WHERE name = ?", (_ICE,)).fetchone()
    if row is None:
        return IceSettings()
    values = json.loads(row["value"])
    servers = tuple(IceServerChoice(uri, is_on) for uri, is_on in values["servers"])
    return IceSettings(servers, RelayPolicy(values["relay"]))


def store_ice(database: Database, settings: IceSettings) -> None:
    """Store them."""
    servers = [[choice.uri, choice.is_on] for choice in settings.servers]
    value = json.dumps({"servers": servers, "relay": settings.relay.value})
    with database.transaction():
        database.execute("INSERT OR REPLACE INTO client_settings VALUES (?, ?)", (_ICE, value))


class Routes:
    """What the user chose for single contacts."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def get(self, contact_id: int) -> tuple[bool | None, bool]:
        """The choice, and whether a direct call was explained."""
        row = self._database.execute(
            "SELECT relay, is_told FROM client_routes WHERE contact_id = ?", (contact_id,)
        ).fetchone()
        if row is None:
            return None, False
        return None if row["relay"] is None else bool(row["relay"]), bool(row["is_told"])

    def choose(self, contact_id: int, relay: bool | None) -> None:  # noqa: FBT001 - a value
        """Keep the choice."""
        with self._database.transaction():
            self._database.execute(
                "INSERT INTO client_routes (contact_id, relay) VALUES (?, ?)"
                " ON CONFLICT (contact_id) DO UPDATE SET relay = excluded.relay",
                (contact_id, relay),
            )

    def told(self, contact_id: int) -> None:
        """Note that a direct call was explained."""
        with self._database.transaction():
            self._database.execute(
                "INSERT INTO client_routes (contact_id, is_told) VALUES (?, 1)"
                " ON CONFLICT (contact_id) DO UPDATE SET is_told = 1",
                (contact_id,),
            )
