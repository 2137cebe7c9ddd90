"""What a user has on this machine: profiles, the one that is open, and the relay that is built in.

The program around the pages follows :attr:`Home.client`: :meth:`Home.changed` returns when another one is wanted,
:meth:`Home.follow` opens it. Between the two, whatever uses the old one ends.
"""

from __future__ import annotations

import asyncio
import json
import logging
import re
import time
from collections.abc import Callable, Coroutine, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any, Self, TypeVar

import platformdirs

from simplex_calls.background import Progress, in_thread
from simplex_calls.bridge.shell import HomePort, HomeProfile, RelayMode, RelayState
from simplex_calls.catalogue import choose_language, chosen_language
from simplex_calls.client import Client, ClientError
from simplex_calls.client_errors import user_errors
from simplex_calls.client_servers import checked
from simplex_calls.database import DatabaseKey
from simplex_calls.own_relay import OwnRelay
from simplex_calls.profiles import (
    Keyring,
    PassphraseNeeded,
    ProfileEntry,
    ProfileError,
    Profiles,
    Protection,
    ProtectionKind,
    ProtectionNeeded,
    WrongPassphrase,
)
from simplex_calls.smp.address import ServerAddress
from simplex_calls.smp.errors import AddressError
from simplex_calls.sqlcipher import os_reason

logger = logging.getLogger(__name__)

_T = TypeVar("_T")

LAST_FILE = "last-profile"
LANGUAGE_FILE = "language"
SERVERS_FILE = "servers.json"
"""Where older versions kept a profile's servers."""


class Home:
    """The profiles below ``data``: ``async with Home(data, relay) as home: …`` opens the one that was open last.

    ``name`` and ``servers`` are for the profile that is opened: its name if it has none, and what its servers are from
    now on if any are given. ``passphrase`` opens it; a new one's key is sealed by it. ``key_file``: the user's word
    that keys may lie in files beside their profiles. Without either and without a keyring, the page asks. It also tells
    what keeps a profile closed. Raises :class:`WrongPassphrase`, and what the relay and the folder raise.
    """

    def __init__(
        self,
        data: Path,
        relay: OwnRelay | None,
        *,
        name: str | None = None,
        servers: Sequence[str] = (),
        passphrase: str | None = None,
        key_file: bool = False,
        keyring: Keyring | None = None,
        make_client: Callable[..., Client] = Client,
    ) -> None:
        self._data = data
        self._relay = relay
        self._name = name
        self._given = tuple(servers)
        self._passphrase = passphrase
        self._key_file = key_file
        self._profiles = Profiles(data, keyring=keyring)
        self._make_client = make_client
        self._client: Client | None = None
        self._open: ProfileEntry | None = None
        self._key: DatabaseKey | None = None
        self._wanted: tuple[ProfileEntry, DatabaseKey | None] | None = None
        self._change = asyncio.Event()
        self._archiving: asyncio.Task[Any] | None = None
        self.problem = ""

    async def __aenter__(self) -> Self:
        with user_errors():
            checked(self._given)
        with suppress(OSError, UnicodeDecodeError):
            choose_language((self._data / LANGUAGE_FILE).read_text("utf-8").strip())
        if self._relay is not None:
            await self._relay.start()
        try:
            entry = self._open = await asyncio.to_thread(self._first)
            if entry is not None:
                await self._open_first(entry)
            self._passphrase = None
        except BaseException:
            await self.__aexit__()
            raise
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._end()
        if self._relay is not None:
            await self._relay.stop()

    def _first(self) -> ProfileEntry | None:
        """The profile that was open last; a new one at the first start, once it is known where its key is to be."""
        entries = self._profiles.list()
        if not entries:
            with suppress(ProtectionNeeded):
                return self._profiles.create(self._name or "", self._protection(self._passphrase or ""))
            return None
        with suppress(OSError, UnicodeDecodeError):
            last = (self._data / LAST_FILE).read_text("utf-8").strip()
            return next((entry for entry in entries if entry.id == last), entries[0])
        return entries[0]

    async def _open_first(self, entry: ProfileEntry) -> None:
        try:
            await self._begin(entry, await self._unlock(entry, self._passphrase))
        except (PassphraseNeeded, ProtectionNeeded):
            logger.info("the profile waits for the user")
        except WrongPassphrase:
            # it was given on the command line: nobody looks at a page
            raise
        except (ClientError, ProfileError) as error:
            self._told(entry, error)

    def _told(self, entry: ProfileEntry, error: ClientError | ProfileError) -> None:
        """Let the page say why a profile is not open: it can be tried again, or another one be opened."""
        logger.warning("a profile could not be opened: %s", error.message_id)
        self.problem = str(error)
        with suppress(ProfileError):
            self._open = self._profiles.get(entry.id)

    def _protection(self, passphrase: str = "", *, key_file: bool = False) -> Protection:
        """Where a key is to be kept; the user's word goes before the keyring. Raises :class:`ProtectionNeeded`."""
        if passphrase:
            return Protection.passphrase(passphrase)
        if key_file or self._key_file:
            return Protection.key_file()
        if self._profiles.is_keyring_available():
            return Protection.keyring()
        raise ProtectionNeeded

    async def keeps_keys(self) -> bool:
        """Whether a key has its place without asking the user."""
        return self._key_file or await asyncio.to_thread(self._profiles.is_keyring_available)

    async def _unlock(self, entry: ProfileEntry, passphrase: str | None) -> DatabaseKey:
        if entry.protection is None:
            # of an older version, not encrypted yet
            protection = await asyncio.to_thread(self._protection, passphrase or "")
            return await asyncio.to_thread(self._profiles.protect, entry.id, protection)
        return await asyncio.to_thread(self._profiles.unlock, entry.id, passphrase)

    async def _begin(self, entry: ProfileEntry, key: DatabaseKey) -> None:
        client = self._make_client(entry.folder, self._name or entry.name or None, key=key)
        await client.start()
        try:
            self._give_servers(client, entry)
            self._open = self._profiles.get(entry.id)
        except BaseException:
            await client.stop()
            raise
        self._client, self._key = client, key
        self._name = None
        with suppress(OSError):
            (self._data / LAST_FILE).write_text(entry.id + "\n", "utf-8")

    def _give_servers(self, client: Client, entry: ProfileEntry) -> None:
        """What was given for the profile that is opened first, or what an older version used."""
        given = list(self._given) or _former_servers(entry.folder)
        relay = self.relay()
        if not given and entry.protection is None and relay is not None and relay.address is not None:
            # a profile of an older version, without servers: this machine's relay served it
            given = [relay.address]
        if given:
            client.set_servers(given)
            (entry.folder / SERVERS_FILE).unlink(missing_ok=True)
        self._given = ()

    async def _end(self) -> None:
        client, self._client, self._key = self._client, None, None
        if client is None:
            return
        name = client.profile.display_name if client.profile is not None else ""
        await client.stop()
        if self._open is not None and name and name != self._open.name:
            with suppress(ProfileError):
                self._profiles.rename(self._open.id, name)

    # the profile that is open

    @property
    def client(self) -> Client | None:
        """The open profile's client; ``None`` while its passphrase is wanted."""
        return self._client

    @property
    def port(self) -> HomePort:
        """What pages can ask of it."""
        return self

    @property
    def locked(self) -> HomeProfile | None:
        """The profile whose passphrase is wanted."""
        return None if self._client is not None or self._open is None else self._shown(self._open)

    @property
    def wants_protection(self) -> bool:
        """Whether the user must say where a key is to be kept, that of the locked profile or of a first one."""
        return self._client is None and (self._open is None or self._open.protection is None)

    async def protect(self, passphrase: str, *, key_file: bool) -> None:
        """Say where the key is to be kept; the profile that waited for it is opened, or a first one made."""
        if not self.wants_protection or self._change.is_set():
            raise ClientError("client.error.not-possible", detail="")
        entry = self._open
        protection = await asyncio.to_thread(lambda: self._protection(passphrase, key_file=key_file))
        if entry is None:
            made = self._open = await asyncio.to_thread(self._profiles.create, self._name or "", protection)
            key = await asyncio.to_thread(self._profiles.unlock, made.id, passphrase or None)
        else:
            made, key = entry, await asyncio.to_thread(self._profiles.protect, entry.id, protection)
        self._wanted = (made, key)
        self._change.set()

    async def changed(self) -> None:
        """Wait until another profile is wanted, or this one with its passphrase."""
        await self._change.wait()

    async def follow(self) -> None:
        """Close the client, and open the one that is wanted."""
        self._change.clear()
        wanted, self._wanted = self._wanted, None
        if wanted is None:
            return
        entry, key = wanted
        await self._end()
        self._open, self.problem = entry, ""
        if key is None:
            return
        try:
            await self._begin(entry, key)
        except (ClientError, ProfileError) as error:
            self._told(entry, error)

    async def switch(self, profile_id: str, passphrase: str | None = None) -> None:
        """Want another profile; one whose passphrase is not given is asked for it."""
        entry = self._profiles.get(profile_id)
        key: DatabaseKey | None = None
        try:
            key = await self._unlock(entry, passphrase)
        except (PassphraseNeeded, ProtectionNeeded):
            if self._open is not None and self._open.id == profile_id:
                raise
        self._wanted = (entry, key)
        self._change.set()

    # the language

    @property
    def language(self) -> str | None:
        """The language that the user chose; ``None``: as the system."""
        return chosen_language()

    async def set_language(self, language: str | None) -> None:
        """Show everything in ``language`` from now on, and after the next start; ``None``: as the system."""
        file = self._data / LANGUAGE_FILE
        try:
            if language is None:
                file.unlink(missing_ok=True)
            else:
                file.write_text(language + "\n", "utf-8")
        except OSError as error:
            raise ProfileError("profiles.error.file", path=file, detail=os_reason(error)) from None
        choose_language(language)

    # profiles

    def profiles(self) -> list[HomeProfile]:
        """All profiles, the oldest first."""
        return [self._shown(entry) for entry in self._profiles.list()]

    def _shown(self, entry: ProfileEntry) -> HomeProfile:
        is_open = self._client is not None and self._open is not None and entry.id == self._open.id
        profile = self._client.profile if is_open and self._client is not None else None
        name = profile.display_name if profile is not None else entry.name
        kind = entry.protection
        return HomeProfile(entry.id, name, is_open, kind is ProtectionKind.PASSPHRASE, kind is ProtectionKind.KEY_FILE)

    async def add(self, name: str, passphrase: str = "", *, key_file: bool = False) -> HomeProfile:
        """Make a profile; without passphrase or ``key_file``, the system must keep its key."""
        protection = await asyncio.to_thread(lambda: self._protection(passphrase, key_file=key_file))
        return self._shown(await asyncio.to_thread(self._profiles.create, name, protection))

    async def remove(self, profile_id: str) -> None:
        """Remove a profile that is not open, with all that is in it."""
        await asyncio.to_thread(self._profiles.remove, profile_id)

    async def change_passphrase(self, former: str, passphrase: str, *, key_file: bool = False) -> None:
        """Seal the open profile with another passphrase; an empty one lets the system keep its key, or a file."""
        entry, key = self._opened()
        if entry.protection is ProtectionKind.PASSPHRASE:
            # who found an open window must not be able to lock the owner out
            await asyncio.to_thread(self._profiles.unlock, entry.id, former)
        protection = await asyncio.to_thread(lambda: self._protection(passphrase, key_file=key_file))
        await asyncio.to_thread(lambda: self._profiles.protect(entry.id, protection, key=key))
        self._open = self._profiles.get(entry.id)

    def _opened(self) -> tuple[ProfileEntry, DatabaseKey]:
        if self._open is None or self._client is None or self._key is None:
            raise ClientError("client.error.closed")
        return self._open, self._key

    async def export_archive(self, passphrase: str, progress: Progress | None = None) -> Path:
        """Write the open profile into one file among the downloads, and give its place."""
        entry, _ = self._opened()
        client = self._client
        if client is None:
            raise ClientError("client.error.closed")
        name = re.sub(r"[^\w-]+", "-", self._shown(entry).name).strip("-") or "profile"
        folder = Path(platformdirs.user_downloads_path())
        target = _free(folder / f"simplex-calls-{name}-{time.strftime('%Y-%m-%d')}.archive")
        try:
            folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise ProfileError("profiles.error.file", path=folder, detail=os_reason(error)) from None
        await self._archive(client.export_archive(target, passphrase, progress))
        return target

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
        protection = await asyncio.to_thread(lambda: self._protection(new_passphrase, key_file=key_file))
        source, profiles = path.expanduser(), self._profiles
        made = in_thread(lambda told: profiles.import_archive(source, passphrase, protection, progress=told), progress)
        return self._shown(await self._archive(made))

    async def _archive(self, work: Coroutine[Any, Any, _T]) -> _T:
        """Export or import, one at a time, so that it can be cancelled."""
        if self._archiving is not None:
            work.close()
            raise ProfileError("profiles.archive.busy")
        task = asyncio.create_task(work)
        self._archiving = task
        try:
            return await task
        except asyncio.CancelledError:
            current = asyncio.current_task()
            if current is not None and current.cancelling():
                raise
            raise ProfileError("profiles.archive.cancelled") from None
        finally:
            self._archiving = None

    def cancel_archive(self) -> None:
        """End the export or import that goes on; nothing is left of it."""
        if self._archiving is not None:
            self._archiving.cancel()

    # the built-in relay

    def relay(self) -> RelayState | None:
        """How the relay of this program stands; ``None`` where there is none."""
        return None if self._relay is None else self._relay.state()

    async def set_relay(self, mode: RelayMode, host: str | None) -> RelayState:
        """Run the relay of this program, or stop it."""
        if self._relay is None:
            raise ClientError("client.error.not-possible", detail="")
        await self._relay.set(mode, host)
        return self._relay.state()


def _former_servers(folder: Path) -> list[str]:
    """What an older version kept as the servers of a profile."""
    try:
        servers: Any = json.loads((folder / SERVERS_FILE).read_text("utf-8"))
    except (OSError, ValueError, RecursionError):
        return []
    return [server for server in servers if _is_server(server)] if isinstance(servers, list) else []


def _is_server(server: object) -> bool:
    try:
        return isinstance(server, str) and bool(ServerAddress.parse(server))
    except AddressError:
        return False


def _free(target: Path) -> Path:
    """``target``, or the first of its name with a number that no file has."""
    number, free = 1, target
    while free.exists():
        number += 1
        free = target.with_stem(f"{target.stem}-{number}")
    return free
