"""What the chat page can ask about profiles and their backups; described in :mod:`simplex_calls.bridge.methods`."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from simplex_calls.background import Progress
from simplex_calls.bridge.answering import Methods
from simplex_calls.bridge.params import Method, Params
from simplex_calls.bridge.shell import HomePort, HomeProfile, Shell
from simplex_calls.bridge.values import Json
from simplex_calls.catalogue import LANGUAGES


def home_profile_json(profile: HomeProfile) -> Json:
    """What a page sees of a profile in the chooser."""
    return {
        "id": profile.id,
        "name": profile.name,
        "isOpen": profile.is_open,
        "hasPassphrase": profile.has_passphrase,
        "hasReadableKey": profile.has_readable_key,
    }


def key_choice(params: Params, name: str = "passphrase") -> tuple[str, bool]:
    """Where the user wants a key to be kept: a passphrase, which may be empty, and the word for a file."""
    return params.optional_text(name) or "", params.optional_flag("keyFile") or False


class HomeMethods:
    """Profiles: switched, added, removed, sealed, saved, restored."""

    def __init__(self, home: HomePort, push: Callable[[Json], None] = lambda _: None) -> None:
        """``push`` tells the pages how far an archive is."""
        self._home = home
        self._push = push

    def table(self) -> dict[str, Method]:
        """The methods by name."""
        return {
            **self.locked_table(),
            "remove_profile": self._remove_profile,
            "change_passphrase": self._change_passphrase,
            "export_archive": self._export_archive,
            "import_archive": self._import_archive,
            "cancel_archive": self._cancel_archive,
            "set_language": self._set_language,
        }

    def locked_table(self) -> dict[str, Method]:
        """Those that do not need an open profile."""
        return {
            "profiles": self._profiles,
            "keeps_keys": self._keeps_keys,
            "switch_profile": self._switch_profile,
            "add_profile": self._add_profile,
        }

    async def _profiles(self, _: Params) -> list[Json]:
        return [home_profile_json(profile) for profile in self._home.profiles()]

    async def _switch_profile(self, params: Params) -> None:
        await self._home.switch(params.text("id"), params.optional_text("passphrase"))

    async def _keeps_keys(self, _: Params) -> bool:
        return await self._home.keeps_keys()

    async def _add_profile(self, params: Params) -> Json:
        passphrase, key_file = key_choice(params)
        return home_profile_json(await self._home.add(params.text("name"), passphrase, key_file=key_file))

    async def _remove_profile(self, params: Params) -> None:
        await self._home.remove(params.text("id"))

    async def _change_passphrase(self, params: Params) -> None:
        passphrase, key_file = key_choice(params)
        await self._home.change_passphrase(params.text("former"), passphrase, key_file=key_file)

    async def _export_archive(self, params: Params) -> Json:
        return {"path": str(await self._home.export_archive(params.text("passphrase"), self._progress("export")))}

    async def _import_archive(self, params: Params) -> Json:
        new_passphrase, key_file = key_choice(params, "newPassphrase")
        path, passphrase = Path(params.text("path")), params.text("passphrase")
        return home_profile_json(
            await self._home.import_archive(
                path, passphrase, new_passphrase, key_file=key_file, progress=self._progress("import")
            )
        )

    async def _cancel_archive(self, _: Params) -> None:
        self._home.cancel_archive()

    async def _set_language(self, params: Params) -> None:
        language = params.choice("language", tuple(LANGUAGES)) if params.has("language") else None
        await self._home.set_language(language)
        # every page that is open, too
        self._push({"event": "reload"})

    def _progress(self, task: str) -> Progress:
        return lambda done, total: self._push({"event": "progress", "task": task, "done": done, "total": total})


class LockedMethods(Methods):
    """What can be asked while the profile's passphrase is wanted: ``state`` gives *locked*."""

    def __init__(self, home: HomePort, shell: Shell) -> None:
        self._home = home
        self._shell = shell
        table = {"state": self._state, "protect_profile": self._protect, **HomeMethods(home).locked_table()}
        super().__init__(table)

    async def _state(self, _: Params) -> Json:
        locked = self._home.locked
        return {
            "locked": None if locked is None else home_profile_json(locked),
            "profiles": [home_profile_json(profile) for profile in self._home.profiles()],
            "isProtectionWanted": self._home.wants_protection,
            "problem": self._home.problem,
            "mode": self._shell.mode.value,
        }

    async def _protect(self, params: Params) -> None:
        passphrase, key_file = key_choice(params)
        await self._home.protect(passphrase, key_file=key_file)
