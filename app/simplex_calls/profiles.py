"""The profiles of one user: a folder for each, its key, and moving one in and out as an archive.

``data_dir/profiles/<id>/`` holds ``profile.db`` (SQLCipher), ``profile.json`` (the profile's name for the chooser, and
where the key is) and, if the user wanted that, ``profile.key``. What may take a moment (scrypt, the keyring, which may
ask the user something) blocks: windows call it in a thread. ``docs/api.md`` shows how.
"""

from __future__ import annotations

import json
import logging
import os
import shutil
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from simplex_calls import archive, keys
from simplex_calls.agent.schema import MIGRATIONS as AGENT_MIGRATIONS
from simplex_calls.background import Progress
from simplex_calls.calls.store import MIGRATIONS as CALLS_MIGRATIONS
from simplex_calls.chat.schema import MIGRATIONS as CHAT_MIGRATIONS
from simplex_calls.client import DATABASE_NAME
from simplex_calls.client import MIGRATIONS as CLIENT_MIGRATIONS
from simplex_calls.crypto import Random
from simplex_calls.database import Database, DatabaseError, DatabaseKey, sqlite
from simplex_calls.keys import (
    KeyMissing,
    Keyring,
    KeyringUnavailable,
    PassphraseNeeded,
    ProfileError,
    Protection,
    ProtectionKind,
    ProtectionNeeded,
    SystemKeyring,
    WeakPassphrase,
    WrongPassphrase,
)
from simplex_calls.sqlcipher import connect, is_plain, leave_log, os_reason, sync_folder, wipe

__all__ = [
    "KeyMissing",
    "Keyring",
    "KeyringUnavailable",
    "PassphraseNeeded",
    "ProfileEntry",
    "ProfileError",
    "Profiles",
    "Protection",
    "ProtectionKind",
    "ProtectionNeeded",
    "SystemKeyring",
    "WeakPassphrase",
    "WrongPassphrase",
]

logger = logging.getLogger(__name__)

FOLDER = "profiles"
ABOUT = "profile.json"
KEY_FILE = "profile.key"
FIRST = "first"
"""The id of the profile that an older version kept in ``data_dir`` itself."""
MAX_NAME_LENGTH = 100

MIGRATIONS: Mapping[str, Sequence[str]] = {
    "agent": AGENT_MIGRATIONS,
    "calls": CALLS_MIGRATIONS,
    "chat": CHAT_MIGRATIONS,
    "client": CLIENT_MIGRATIONS,
}

_VERSION = 1
_CREATING = ".creating-"
_REMOVING = ".removing-"
_ABANDONED_AFTER = 3600.0


@dataclass(frozen=True, slots=True)
class ProfileEntry:
    """One profile in the chooser. ``folder`` is the ``Client``'s ``data_dir``.

    ``protection`` is ``None`` for a profile of an older version, which is not encrypted yet: ask the user where its key
    is to be kept and call :meth:`Profiles.protect`.
    """

    id: str
    name: str
    folder: Path
    protection: ProtectionKind | None


class Profiles:
    """The profiles below ``data_dir``. Methods raise :class:`ProfileError`."""

    def __init__(
        self,
        data_dir: Path,
        *,
        keyring: Keyring | None = None,
        random: Random = os.urandom,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._data_dir = data_dir
        self._folder = data_dir / FOLDER
        self._keyring = SystemKeyring() if keyring is None else keyring
        self._random = random
        self._clock = clock

    def is_keyring_available(self) -> bool:
        """Whether :meth:`Protection.keyring` can be offered."""
        return self._keyring.is_available()

    def list(self) -> list[ProfileEntry]:
        """All profiles, the oldest first. One of an older version gets its folder; what was interrupted is ended."""
        with _files(self._data_dir):
            self._adopt()
            if not self._folder.is_dir():
                return []
            self._tidy()
            found = []
            for folder in self._folder.iterdir():
                if not folder.name.startswith(".") and (folder / ABOUT).is_file():
                    try:
                        about = self._read(folder.name)
                    except ProfileError as error:
                        logger.warning("%s", error)
                    else:
                        found.append((about["created"], _entry(folder, about)))
        return [entry for _, entry in sorted(found, key=lambda pair: (pair[0], pair[1].id))]

    def get(self, profile_id: str) -> ProfileEntry:
        """One of :meth:`list`."""
        return _entry(self._folder / profile_id, self._read(profile_id))

    def create(self, name: str, protection: Protection) -> ProfileEntry:
        """Make a profile. ``name`` is for the chooser; contacts learn the one that ``Client`` is given."""
        with self._new(name) as (folder, about):
            about["key"] = self._keep(about["id"], folder, DatabaseKey.generate(self._random), protection)
        return self.get(about["id"])

    def rename(self, profile_id: str, name: str) -> ProfileEntry:
        """Call it something else in the chooser."""
        about = self._read(profile_id) | {"name": _clean(name)}
        with _files(self._folder):
            _write(self._folder / profile_id / ABOUT, about)
        return self.get(profile_id)

    def remove(self, profile_id: str) -> None:
        """Remove a profile with all that is in it, and its key; refused while it is open."""
        self._check_closed(self.get(profile_id))
        with _files(self._folder):
            (self._folder / profile_id).rename(self._folder / (_REMOVING + profile_id))
            sync_folder(self._folder)
            self._tidy()

    def unlock(self, profile_id: str, passphrase: str | None = None) -> DatabaseKey:
        """The profile's key, for ``Client(entry.folder, key=…)``.

        Raises :class:`PassphraseNeeded` (ask, and call again with it), :class:`WrongPassphrase`,
        :class:`KeyringUnavailable`, :class:`KeyMissing`.
        """
        about = self._read(profile_id)
        kept = about["key"]
        if kept is None:
            raise ProfileError("profiles.error.unprotected")
        kind = ProtectionKind(kept["kind"])
        try:
            if kind is ProtectionKind.PASSPHRASE:
                if passphrase is None:
                    raise PassphraseNeeded
                key = keys.unseal(kept, passphrase)
            elif kind is ProtectionKind.KEYRING:
                key = keys.decode_key(self._keyring.get(profile_id) or "")
            else:
                key = keys.decode_key((self._folder / profile_id / KEY_FILE).read_text("ascii"))
        except (OSError, ValueError, KeyError):
            raise KeyMissing from None
        if keys.check_value(key) != kept.get("check"):
            raise KeyMissing
        return key

    def protect(self, profile_id: str, protection: Protection, *, key: DatabaseKey | None = None) -> DatabaseKey:
        """Keep the key elsewhere, or under another passphrase: the key, which stays the same.

        ``key`` is what :meth:`unlock` gave; without it, it is read where no passphrase is needed. A profile of an older
        version gets its first key here, and is encrypted when a ``Client`` opens it.
        """
        about = self._read(profile_id)
        folder = self._folder / profile_id
        old = about["key"]
        if old is None:
            key = DatabaseKey.generate(self._random)
        elif key is None:
            key = self.unlock(profile_id)
        elif keys.check_value(key) != old.get("check"):
            raise KeyMissing
        with _files(folder):
            # the new place first, then the note of it, then the old place: killed anywhere, the key is found
            about["key"] = self._keep(profile_id, folder, key, protection)
            _write(folder / ABOUT, about)
            if old is not None and old["kind"] != protection.kind.value:
                self._forget(profile_id, folder, ProtectionKind(old["kind"]))
        return key

    # archives

    def export_archive(
        self,
        profile_id: str,
        target: Path,
        passphrase: str,
        *,
        key: DatabaseKey | None = None,
        progress: Progress = lambda _done, _total: None,
    ) -> None:
        """Write a closed profile to one encrypted file (an open one: ``Client.export_archive``)."""
        entry = self.get(profile_id)
        if entry.protection is None:
            raise ProfileError("profiles.error.unprotected")
        try:
            database = Database(entry.folder / DATABASE_NAME, key=key or self.unlock(profile_id))
        except DatabaseError as error:
            raise ProfileError("profiles.error.database", detail=error) from None
        with closing(database), database.snapshot() as snapshot:
            archive.export_archive(snapshot, target, passphrase, progress=progress, random=self._random)

    def import_archive(
        self,
        source: Path,
        passphrase: str,
        protection: Protection,
        *,
        name: str | None = None,
        replace: str | None = None,
        progress: Progress = lambda _done, _total: None,
    ) -> ProfileEntry:
        """Make a profile of an archive; ``replace`` is removed once the new one is complete.

        ``progress`` is told of bytes; what it raises ends the work, and nothing is left of it.

        Everything in the file is checked before anything changes. Tell the user ``profiles.archive.two-machines``: a
        profile that is used in two places loses messages in both. Raises :class:`WrongPassphrase`.
        """
        if replace is not None:
            self._check_closed(self.get(replace))
        with self._new(name or "") as (folder, about):
            key = DatabaseKey.generate(self._random)
            found = archive.import_archive(
                source, passphrase, folder / DATABASE_NAME, key, MIGRATIONS, progress=progress
            )
            about["name"] = about["name"] or _clean(found)
            about["key"] = self._keep(about["id"], folder, key, protection)
        if replace is not None:
            self.remove(replace)
        return self.get(about["id"])

    # files

    @contextmanager
    def _new(self, name: str) -> Iterator[tuple[Path, dict[str, Any]]]:
        """Fill a new profile's folder; it gets its name when all is in it."""
        profile_id = self._random(8).hex()
        folder = self._folder / (_CREATING + profile_id)
        about = {"version": _VERSION, "id": profile_id, "name": _clean(name), "created": self._clock(), "key": None}
        with _files(self._folder):
            folder.mkdir(mode=0o700, parents=True)
            try:
                yield folder, about
                _write(folder / ABOUT, about)
                folder.rename(self._folder / profile_id)
                sync_folder(self._folder)
            except BaseException:
                self._discard(folder, profile_id)
                raise

    def _keep(self, profile_id: str, folder: Path, key: DatabaseKey, protection: Protection) -> dict[str, str]:
        """Put a key where it is to be; what is noted of it."""
        noted = {"kind": protection.kind.value, "check": keys.check_value(key)}
        if protection.kind is ProtectionKind.PASSPHRASE:
            return noted | keys.seal(key, protection.secret or "", self._random)
        if protection.kind is ProtectionKind.KEYRING:
            self._keyring.set(profile_id, keys.encode_key(key))
        else:
            _write_text(folder / KEY_FILE, keys.encode_key(key))
        return noted

    def _forget(self, profile_id: str, folder: Path, kind: ProtectionKind) -> None:
        if kind is ProtectionKind.KEYRING:
            try:
                self._keyring.delete(profile_id)
            except KeyringUnavailable:
                logger.warning("the keyring keeps a key that is not used any more")
        elif kind is ProtectionKind.KEY_FILE:
            wipe(folder / KEY_FILE)

    def _read(self, profile_id: str) -> dict[str, Any]:
        path = self._folder / profile_id / ABOUT
        try:
            about = json.loads(path.read_text("utf-8"))
            if about["version"] > _VERSION:
                raise ProfileError("profiles.error.newer", path=path)
            key = about["key"]
            if not isinstance(about["name"], str) or not isinstance(about["created"], int | float):
                raise ValueError  # noqa: TRY004 - the file is wrong, not the caller
            if key is not None:
                ProtectionKind(key["kind"])
        except FileNotFoundError:
            raise ProfileError("profiles.error.missing") from None
        except OSError as error:
            raise ProfileError("profiles.error.file", path=path, detail=os_reason(error)) from None
        except (ValueError, TypeError, KeyError, RecursionError):
            raise ProfileError("profiles.error.damaged", path=path) from None
        return dict(about)

    def _check_closed(self, entry: ProfileEntry) -> None:
        path = entry.folder / DATABASE_NAME
        if not path.exists():
            return
        with closing(connect(path, None, busy_seconds=0.1)) as probe:
            try:
                probe.execute("BEGIN IMMEDIATE")
            except sqlite.DatabaseError as error:
                # the lock is asked for before the first page is read, which is not readable without the key
                if "locked" in str(error):
                    raise ProfileError("profiles.error.in-use") from None

    def _adopt(self) -> None:
        """Give the profile that an older version kept in ``data_dir`` a folder; the last rename is what counts."""
        old, folder = self._data_dir / DATABASE_NAME, self._folder / FIRST
        if not old.exists() or (folder / DATABASE_NAME).exists() or not is_plain(old):
            return
        name = ""
        with closing(connect(old, None)) as plain:
            try:
                plain.execute("PRAGMA locking_mode=EXCLUSIVE")
                leave_log(plain, old)
                row = plain.execute("SELECT display_name FROM profile").fetchone()
                name = row[0] if row else ""
            except sqlite.DatabaseError as error:
                if "locked" in str(error):
                    raise ProfileError("profiles.error.in-use") from None
                if "no such table" not in str(error):
                    raise ProfileError("profiles.error.database", detail=error) from None
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        about = {"version": _VERSION, "id": FIRST, "name": _clean(name), "created": self._clock(), "key": None}
        _write(folder / ABOUT, about)
        servers = self._data_dir / "servers.json"
        if servers.exists():
            servers.replace(folder / servers.name)
        old.rename(folder / DATABASE_NAME)
        sync_folder(folder)

    def _tidy(self) -> None:
        """Finish what was interrupted."""
        for folder in self._folder.glob(_REMOVING + "*"):
            self._discard(folder, folder.name.removeprefix(_REMOVING))
        for folder in self._folder.glob(_CREATING + "*"):
            if folder.stat().st_mtime < time.time() - _ABANDONED_AFTER:
                self._discard(folder, folder.name.removeprefix(_CREATING))

    def _discard(self, folder: Path, profile_id: str) -> None:
        """Remove a folder, what opens it first."""
        try:
            kept = json.loads((folder / ABOUT).read_text("utf-8"))["key"]
        except (OSError, ValueError, TypeError, KeyError, RecursionError):
            kept = {"kind": ProtectionKind.KEYRING.value} if self._keyring.is_available() else None
        if isinstance(kept, dict) and kept.get("kind") == ProtectionKind.KEYRING.value:
            self._forget(profile_id, folder, ProtectionKind.KEYRING)
        wipe(folder / KEY_FILE)
        wipe(folder / ABOUT)
        if is_plain(folder / DATABASE_NAME):
            wipe(folder / DATABASE_NAME)
        shutil.rmtree(folder, ignore_errors=True)


def _entry(folder: Path, about: dict[str, Any]) -> ProfileEntry:
    key = about["key"]
    return ProfileEntry(folder.name, about["name"], folder, ProtectionKind(key["kind"]) if key else None)


def _clean(name: str) -> str:
    return " ".join("".join(character for character in name if character.isprintable()).split())[:MAX_NAME_LENGTH]


@contextmanager
def _files(folder: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        path = error.filename or folder
        raise ProfileError("profiles.error.file", path=path, detail=os_reason(error)) from None


def _write(path: Path, about: dict[str, Any]) -> None:
    _write_text(path, json.dumps(about, indent=1, ensure_ascii=False))


def _write_text(path: Path, content: str) -> None:
    """Write a file that only this user can read, whole or not at all."""
    fresh = path.with_name(path.name + ".new")
    with os.fdopen(os.open(fresh, os.O_CREAT | os.O_WRONLY | os.O_TRUNC, 0o600), "w", encoding="utf-8") as file:
        file.write(content + "\n")
        file.flush()
        os.fsync(file.fileno())
    fresh.replace(path)
    sync_folder(path.parent)
