"""What the pages need of the program around them."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from pathlib import Path
from typing import Protocol

from simplex_calls.background import Progress
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

    async def paste_call(self) -> None:
        """Open the page of a call without SimpleX."""


@dataclass(frozen=True, slots=True)
class HomeProfile:
    """A profile in the chooser."""

    id: str
    name: str
    is_open: bool
    has_passphrase: bool
    has_readable_key: bool = False
    """Its key lies in a file beside it, which the user has said that it may."""


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
    def wants_protection(self) -> bool:
        """Whether the user must say where the key is to be kept before the profile, or a first one, is opened."""

    @property
    def problem(self) -> str:
        """Why the profile could not be opened, for the user; empty if it only waits for its passphrase."""

    async def keeps_keys(self) -> bool:
        """Whether a key has its place without asking the user."""

    async def protect(self, passphrase: str, *, key_file: bool) -> None:
        """Say where the key is to be kept: under a passphrase, or in a file; what the pages show changes after it."""

    @property
    def language(self) -> str | None:
        """The language that the user chose; ``None``: as the system."""

    async def set_language(self, language: str | None) -> None:
        """Show everything in ``language`` from now on; ``None``: as the system."""

    def profiles(self) -> list[HomeProfile]:
        """All profiles, the oldest first."""

    async def switch(self, profile_id: str, passphrase: str | None = None) -> None:
        """Want another profile, or the locked one with its passphrase; what the pages show changes after it."""

    async def add(self, name: str, passphrase: str = "", *, key_file: bool = False) -> HomeProfile:
        """Make a profile; without passphrase or ``key_file``, the system must keep its key."""

    async def remove(self, profile_id: str) -> None:
        """Remove a profile that is not open, with all that is in it."""

    async def change_passphrase(self, former: str, passphrase: str, *, key_file: bool = False) -> None:
        """Seal the open profile with another passphrase; an empty one lets the system keep its key, or a file."""

    async def export_archive(self, passphrase: str, progress: Progress | None = None) -> Path:
        """Write the open profile into one file among the downloads, and give its place."""

    async def import_archive(
        self,
        path: Path,
        passphrase: str,
        new_passphrase: str = "",
        *,
        key_file: bool = False,
        progress: Progress | None = None,
    ) -> HomeProfile:
        """Make a profile of an archive; ``new_passphrase`` and ``key_file`` are as in :meth:`add`."""

    def cancel_archive(self) -> None:
        """End the export or import that goes on; nothing is left of it."""

    def relay(self) -> RelayState | None:
        """How the relay of this program stands; ``None`` where there is none."""

    async def set_relay(self, mode: RelayMode, host: str | None) -> RelayState:
        """Run the relay of this program, or stop it."""
