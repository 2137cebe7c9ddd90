"""What the pages need of the program around them."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from pathlib import Path
from typing import Protocol

from simplex_calls.client import Client


class Mode(Enum):
    """Where pages are shown."""

    WINDOW = "window"
    BROWSER = "browser"


class Shell(Protocol):
    """What the chat page needs of the program around it."""

    @property
    def mode(self) -> Mode:
        """Where pages are shown."""

    async def show_call(self, call_id: str) -> None:
        """Bring the call's page to the front."""


@dataclass(frozen=True, slots=True)
class HomeProfile:
    """A profile in the chooser."""

    id: str
    name: str
    is_open: bool
    has_passphrase: bool
    has_readable_key: bool = False
    """Its key lies in a file beside it: the system has no keyring."""


class RelayMode(Enum):
    """Whom the relay of this program serves."""

    OFF = "off"
    MACHINE = "machine"
    LAN = "lan"


@dataclass(frozen=True, slots=True)
class RelayState:
    """How the relay of this program stands."""

    mode: RelayMode
    host: str | None
    """Where it listens, or is to listen, in the local network."""
    hosts: tuple[str, ...]
    """The addresses that this machine has in its networks."""
    address: str | None
    """Its ``smp://`` address while it runs."""


class HomePort(Protocol):
    """What a user has on this machine. Methods raise ``ProfileError`` and ``ClientError``."""

    @property
    def client(self) -> Client | None:
        """The open profile's client; ``None`` while its passphrase is wanted."""

    @property
    def locked(self) -> HomeProfile | None:
        """The profile whose passphrase is wanted."""

    @property
    def problem(self) -> str:
        """Why the profile could not be opened, for the user; empty if it only waits for its passphrase."""

    def profiles(self) -> list[HomeProfile]:
        """All profiles, the oldest first."""

    async def switch(self, profile_id: str, passphrase: str | None = None) -> None:
        """Want another profile, or the locked one with its passphrase; what the pages show changes after it."""

    async def add(self, name: str) -> HomeProfile:
        """Make a profile."""

    async def remove(self, profile_id: str) -> None:
        """Remove a profile that is not open, with all that is in it."""

    async def change_passphrase(self, former: str, passphrase: str) -> None:
        """Seal the open profile with another passphrase; an empty one lets the system keep its key."""

    async def export_archive(self, passphrase: str) -> Path:
        """Write the open profile into one file among the downloads, and give its place."""

    async def import_archive(self, path: Path, passphrase: str) -> HomeProfile:
        """Make a profile of an archive."""

    def relay(self) -> RelayState | None:
        """How the relay of this program stands; ``None`` where there is none."""

    async def set_relay(self, mode: RelayMode, host: str | None) -> RelayState:
        """Run the relay of this program, or stop it."""
