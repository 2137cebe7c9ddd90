from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import platformdirs
import pytest

from simplex_calls.catalogue import choose_language, user_language
from simplex_calls.client import PLAIN, CallSettings, Client, ClientError
from simplex_calls.home import Home
from simplex_calls.keys import ProtectionNeeded, WeakPassphrase, WrongPassphrase
from simplex_calls.profiles import ProfileError, Profiles, ProtectionKind
from tests.linked import SERVER, Agents

OTHER = "smp://" + "B" * 42 + "A=:password@127.0.0.1:1"
SECRET = "correct horse battery staple"


class NoKeyring:
    def is_available(self) -> bool:
        return False

    def get(self, name: str) -> str | None:
        raise AssertionError(name)

    def set(self, name: str, secret: str) -> None:
        raise AssertionError(name, secret)

    def delete(self, name: str) -> None:
        raise AssertionError(name)


@pytest.fixture
def make(agents: Agents, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Home]:
    monkeypatch.setattr(platformdirs, "user_downloads_path", lambda: tmp_path / "Downloads")

    def make_client(*arguments: Any, **options: Any) -> Client:
        return Client(*arguments, **options, agent=agents)

    def make_home(*, key_file: bool = True, keyring: Any = None, **options: Any) -> Home:
        keyring = NoKeyring() if keyring is None else keyring
        return Home(tmp_path / "data", None, key_file=key_file, keyring=keyring, make_client=make_client, **options)

    return make_home


def opened(home: Home) -> Client:
    client = home.client
    assert client is not None
    return client


async def test_the_first_start_and_the_second(make: Callable[..., Home]) -> None:
    async with make(name="Alice", servers=[SERVER, OTHER]) as home:
        assert home.client is not None
        assert home.client.profile is not None
        assert home.client.profile.display_name == "Alice"
        (profile,) = home.profiles()
        assert (profile.name, profile.is_open, profile.has_passphrase) == ("Alice", True, False)
        assert home.locked is None
    async with make() as home:
        assert home.client is not None
        assert [server.uri for server in home.client.servers()] == [SERVER, OTHER]
    async with make(servers=[SERVER]) as home:
        pass
    async with make() as home:
        assert home.client is not None
        assert [server.uri for server in home.client.servers()] == [SERVER]


async def test_without_a_name_there_is_a_profile_all_the_same(make: Callable[..., Home]) -> None:
    async with make() as home:
        assert home.client is not None
        assert home.client.profile is None
        assert home.client.servers() == []
        home.client.set_profile("Alice")
        assert [profile.name for profile in home.profiles()] == ["Alice"]
    async with make() as home:
        assert [profile.name for profile in home.profiles()] == ["Alice"]


async def test_profiles_are_switched(make: Callable[..., Home]) -> None:
    async with make(name="Alice", servers=[SERVER]) as home:
        alice = home.client
        assert alice is not None
        work = await home.add("Work")
        await home.switch(work.id)
        await home.changed()
        await home.follow()
        assert home.client is not None
        assert home.client is not alice
        assert home.client.profile is not None
        assert home.client.profile.display_name == "Work"
        # nothing of the one is in the other
        assert home.client.servers() == []
        with pytest.raises(ClientError):
            alice.contacts()
        with pytest.raises(ProfileError):
            await home.remove(work.id)
    # the one that was open last opens
    async with make() as home:
        assert [(profile.name, profile.is_open) for profile in home.profiles()] == [("Alice", False), ("Work", True)]
        await home.remove(home.profiles()[0].id)
        assert len(home.profiles()) == 1


async def test_a_passphrase_is_asked_for(make: Callable[..., Home]) -> None:
    async with make(name="Alice", servers=[SERVER]) as home:
        await home.change_passphrase("", SECRET)
        assert home.profiles()[0].has_passphrase
        with pytest.raises(WrongPassphrase):
            await home.change_passphrase("not it at all", "another passphrase")
    async with make() as home:
        assert not [profile for profile in home.profiles() if profile.is_open]
        assert home.locked is not None
        assert (home.locked.name, home.locked.is_open) == ("Alice", False)
        with pytest.raises(WrongPassphrase):
            await home.switch(home.locked.id, "not it at all")
        with pytest.raises(ProfileError):
            await home.switch(home.locked.id)
        await home.switch(home.locked.id, SECRET)
        await home.changed()
        await home.follow()
        assert [profile.is_open for profile in home.profiles()] == [True]
        # the system keeps the key again
        await home.change_passphrase(SECRET, "")
    async with make() as home:
        assert home.client is not None


async def test_switching_to_a_sealed_profile_asks(make: Callable[..., Home]) -> None:
    async with make(name="Alice", servers=[SERVER]) as home:
        alice = home.profiles()[0].id
        await home.change_passphrase("", SECRET)
        work = await home.add("Work")
        await home.switch(work.id)
        await home.follow()
        await home.switch(alice)
        await home.follow()
        assert home.client is None
        assert home.locked is not None
        assert home.locked.id == alice
        await home.switch(work.id)
        await home.follow()
        assert opened(home).profile is not None


async def test_backups(make: Callable[..., Home], tmp_path: Path) -> None:
    async with make(name="Alice / 1", servers=[SERVER]) as home:
        first = await home.export_archive(SECRET)
        second = await home.export_archive(SECRET)
        assert first.parent == tmp_path / "Downloads"
        assert first.name.startswith("simplex-calls-Alice-1-")
        assert first != second
        with pytest.raises(ProfileError):
            await home.import_archive(first, "another passphrase")
        restored = await home.import_archive(first, SECRET)
        assert restored.name == "Alice / 1"
        await home.switch(restored.id)
        await home.follow()
        assert home.client is not None
        assert [server.uri for server in home.client.servers()] == [SERVER]


async def test_servers_of_an_older_version_move_into_the_profile(make: Callable[..., Home], tmp_path: Path) -> None:
    async with make(name="Alice"):
        pass
    (entry,) = Profiles(tmp_path / "data", keyring=NoKeyring()).list()
    (entry.folder / "servers.json").write_text(json.dumps([OTHER]))
    async with make() as home:
        assert home.client is not None
        assert [server.uri for server in home.client.servers()] == [OTHER]
    assert not (entry.folder / "servers.json").exists()


async def test_damaged_notes_keep_no_profile_closed(make: Callable[..., Home], tmp_path: Path) -> None:
    async with make(name="Alice") as home:
        profile_id = home.profiles()[0].id
    data = tmp_path / "data"
    (data / "last-profile").write_bytes(b"\xff\xfe")
    servers = data / "profiles" / profile_id / "servers.json"
    for damage in ("[" * 100_000, "{}", json.dumps(["smp://nothing", 7, None])):
        servers.write_text(damage)
        async with make() as home:
            assert opened(home).servers() == []
    servers.write_text(json.dumps(["smp://nothing", SERVER]))
    async with make() as home:
        assert [server.uri for server in opened(home).servers()] == [SERVER]


class Keyring(dict[str, str]):
    def is_available(self) -> bool:
        return True

    def set(self, name: str, secret: str) -> None:
        self[name] = secret

    def delete(self, name: str) -> None:
        self.pop(name, None)


async def test_the_system_keeps_keys_unasked(make: Callable[..., Home], tmp_path: Path) -> None:
    ring = Keyring()
    async with make(key_file=False, keyring=ring, name="Alice") as home:
        assert await home.keeps_keys()
        assert not home.wants_protection
        assert opened(home).profile is not None
    assert len(ring) == 1
    assert not list(tmp_path.glob("**/profile.key"))
    # the user's word goes before it
    async with make(keyring=ring) as home:
        assert (await home.add("Work")).has_readable_key


@pytest.mark.parametrize("passphrase", ["", SECRET])
async def test_without_a_keyring_the_first_start_asks(
    make: Callable[..., Home], tmp_path: Path, passphrase: str
) -> None:
    async with make(key_file=False, name="Alice", servers=[SERVER]) as home:
        assert (home.client, home.locked, home.profiles(), home.problem) == (None, None, [], "")
        assert home.wants_protection
        assert not await home.keeps_keys()
        with pytest.raises(ProtectionNeeded):
            await home.protect("", key_file=False)
        with pytest.raises(WeakPassphrase):
            await home.protect("short", key_file=False)
        assert home.profiles() == []
        await home.protect(passphrase, key_file=not passphrase)
        with pytest.raises(ClientError):
            await home.protect(passphrase, key_file=not passphrase)
        await home.changed()
        await home.follow()
        assert opened(home).profile is not None
        assert [server.uri for server in opened(home).servers()] == [SERVER]
        (profile,) = home.profiles()
        assert (profile.has_passphrase, profile.has_readable_key) == (bool(passphrase), not passphrase)
        with pytest.raises(ProtectionNeeded):
            await home.add("Work")
        assert (await home.add("Work", SECRET)).has_passphrase
        assert (await home.add("Play", key_file=True)).has_readable_key
        with pytest.raises(ProtectionNeeded):
            await home.change_passphrase(passphrase, "")
        archive = await home.export_archive(SECRET)
        with pytest.raises(ProtectionNeeded):
            await home.import_archive(archive, SECRET)
        assert (await home.import_archive(archive, SECRET, "another passphrase")).has_passphrase
    assert len(list(tmp_path.glob("data/**/profile.key"))) == 1 + (not passphrase)


async def test_a_profile_of_an_older_version_asks_too(
    make: Callable[..., Home], agents: Agents, tmp_path: Path
) -> None:
    async with Client(tmp_path / "data", "Alice", [SERVER], key=PLAIN, agent=agents) as client:
        client.set_call_settings(CallSettings(ring_volume=7))
    async with make(key_file=False) as home:
        assert home.client is None
        assert home.locked is not None
        assert home.locked.name == "Alice"
        assert home.wants_protection
        # until the user has said it, nothing changes
        with pytest.raises(ProtectionNeeded):
            await home.switch(home.locked.id)
        assert (tmp_path / "data/profiles/first/profile.db").read_bytes().startswith(b"SQLite format 3")
        await home.protect(SECRET, key_file=False)
        await home.follow()
        assert opened(home).call_settings.ring_volume == 7
    (entry,) = Profiles(tmp_path / "data", keyring=NoKeyring()).list()
    assert entry.protection is ProtectionKind.PASSPHRASE
    assert not (tmp_path / "data/profiles/first/profile.db").read_bytes().startswith(b"SQLite format 3")


async def test_what_keeps_a_profile_closed_is_told_and_another_one_opens(
    make: Callable[..., Home], tmp_path: Path
) -> None:
    async with make(name="Alice") as home:
        first = home.profiles()[0].id
        work = await home.add("Work")
    database = tmp_path / "data/profiles" / first / "profile.db"
    before = database.read_bytes()
    database.write_bytes(bytes(byte ^ 0x55 for byte in before))
    async with make() as home:
        assert home.client is None
        assert "restore it from a backup" in home.problem
        assert not home.wants_protection
        await home.switch(work.id)
        await home.follow()
        assert home.problem == ""
        assert opened(home).profile is not None
        await home.switch(first)
        await home.follow()
        assert home.client is None
        assert "restore it from a backup" in home.problem
        database.write_bytes(before)
        await home.switch(first)
        await home.follow()
        assert opened(home).profile is not None


async def test_servers_that_are_none_are_refused_at_once(make: Callable[..., Home], tmp_path: Path) -> None:
    with pytest.raises(ClientError, match="not valid"):
        async with make(servers=["smp://nonsense"]):
            pass
    assert not (tmp_path / "data").exists()


def shown(home: Home) -> tuple[str | None, str]:
    return home.language, user_language()


async def test_the_language_is_kept(make: Callable[..., Home], tmp_path: Path, request: pytest.FixtureRequest) -> None:
    request.addfinalizer(lambda: choose_language(None))
    async with make(name="Alice") as home:
        assert home.language is None
        await home.set_language("ru")
        assert shown(home) == ("ru", "ru")
    choose_language(None)
    async with make() as home:
        assert home.language == "ru"
        await home.set_language(None)
        assert shown(home) == (None, "en")
    async with make() as home:
        assert home.language is None
        (tmp_path / "data/language").mkdir()
        with pytest.raises(ProfileError, match="data/language"):
            await home.set_language("de")
        assert home.language is None
