"""Several profiles, where their keys are kept, and their archives."""

from __future__ import annotations

import asyncio
import json
import os
import shutil
from pathlib import Path

import keyring.backend
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from keyring.backends import fail

from simplex_calls import archive, keys, profiles
from simplex_calls.client import PLAIN, Client, Plain
from simplex_calls.database import Database, DatabaseKey, WrongKey, sqlite
from simplex_calls.keys import SystemKeyring
from simplex_calls.profiles import (
    KeyMissing,
    KeyringUnavailable,
    PassphraseNeeded,
    ProfileEntry,
    ProfileError,
    Profiles,
    Protection,
    ProtectionKind,
    WeakPassphrase,
    WrongPassphrase,
)
from tests.linked import Agents

PASSPHRASE = "correct horse battery"


class FakeKeyring:
    def __init__(self) -> None:
        self.secrets: dict[str, str] = {}
        self.locked = False

    def is_available(self) -> bool:
        return not self.locked

    def get(self, name: str) -> str | None:
        self._check()
        return self.secrets.get(name)

    def set(self, name: str, secret: str) -> None:
        self._check()
        self.secrets[name] = secret

    def delete(self, name: str) -> None:
        self._check()
        self.secrets.pop(name, None)

    def _check(self) -> None:
        if self.locked:
            raise KeyringUnavailable


@pytest.fixture(autouse=True)
def cheap_scrypt(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(keys, "derive", lambda passphrase, salt, cost=0, real=keys.derive: real(passphrase, salt, 16))


@pytest.fixture
def ring() -> FakeKeyring:
    return FakeKeyring()


@pytest.fixture
def all_profiles(tmp_path: Path, ring: FakeKeyring) -> Profiles:
    return Profiles(tmp_path / "data", keyring=ring)


def fill(entry: ProfileEntry, key: DatabaseKey | Plain, name: str = "Alice") -> None:
    """What a client does at its first start."""

    async def run() -> None:
        async with Client(entry.folder, name, key=key, agent=Agents()):
            pass

    asyncio.run(run())


def name_in(entry: ProfileEntry, key: DatabaseKey) -> str:
    database = Database(entry.folder / "profile.db", key=key)
    try:
        return str(database.execute("SELECT display_name FROM profile").fetchone()[0])
    finally:
        database.close()


@pytest.mark.parametrize(
    "protection", [Protection.keyring(), Protection.passphrase(PASSPHRASE), Protection.key_file()], ids=lambda p: p.kind
)
def test_a_profile_is_made_opened_renamed_and_removed(
    all_profiles: Profiles, ring: FakeKeyring, protection: Protection
) -> None:
    assert all_profiles.list() == []
    entry = all_profiles.create(" Alice\n at work ", protection)
    assert (entry.name, entry.protection) == ("Alice at work", protection.kind)
    assert all_profiles.list() == [entry]
    passphrase = PASSPHRASE if protection.kind is ProtectionKind.PASSPHRASE else None
    key = all_profiles.unlock(entry.id, passphrase)
    assert all_profiles.unlock(entry.id, passphrase) == key
    fill(entry, key)
    assert name_in(entry, key) == "Alice"
    assert all_profiles.rename(entry.id, "Home").name == "Home"
    assert all_profiles.unlock(entry.id, passphrase) == key
    for file in entry.folder.iterdir():
        assert file.stat().st_mode & 0o077 == 0, file
    assert PASSPHRASE not in repr(protection)
    all_profiles.remove(entry.id)
    assert all_profiles.list() == []
    assert not entry.folder.exists()
    assert ring.secrets == {}
    with pytest.raises(ProfileError):
        all_profiles.get(entry.id)


def test_profiles_are_apart(all_profiles: Profiles) -> None:
    made = [all_profiles.create(name, Protection.keyring()) for name in ("A", "B")]
    assert [entry.name for entry in all_profiles.list()] == ["A", "B"]
    opened = [all_profiles.unlock(entry.id) for entry in made]
    assert opened[0] != opened[1]
    fill(made[0], opened[0])
    with pytest.raises(WrongKey):
        Database(made[0].folder / "profile.db", key=opened[1])


def test_passphrases(all_profiles: Profiles) -> None:
    entry = all_profiles.create("A", Protection.passphrase(PASSPHRASE))
    with pytest.raises(PassphraseNeeded):
        all_profiles.unlock(entry.id)
    with pytest.raises(WrongPassphrase):
        all_profiles.unlock(entry.id, "wrong horse battery")
    with pytest.raises(WeakPassphrase):
        Protection.passphrase("short")
    # composed and decomposed letters are the same
    other = all_profiles.create("B", Protection.passphrase("Schlüsselwört"))
    all_profiles.unlock(other.id, "Schlu\u0308sselwo\u0308rt")


def test_a_key_moves_and_stays_the_same(all_profiles: Profiles, ring: FakeKeyring) -> None:
    entry = all_profiles.create("A", Protection.key_file())
    key = all_profiles.unlock(entry.id)
    fill(entry, key)
    all_profiles.protect(entry.id, Protection.keyring())
    assert not (entry.folder / "profile.key").exists()
    all_profiles.protect(entry.id, Protection.passphrase(PASSPHRASE))
    assert ring.secrets == {}
    with pytest.raises(PassphraseNeeded):
        all_profiles.protect(entry.id, Protection.keyring())
    with pytest.raises(KeyMissing):
        all_profiles.protect(entry.id, Protection.keyring(), key=DatabaseKey(bytes(32)))
    all_profiles.protect(entry.id, Protection.passphrase("another passphrase"), key=key)
    assert all_profiles.unlock(entry.id, "another passphrase") == key
    assert name_in(entry, key) == "Alice"


def test_a_keyring_that_fails_or_forgot(all_profiles: Profiles, ring: FakeKeyring) -> None:
    entry = all_profiles.create("A", Protection.keyring())
    ring.locked = True
    with pytest.raises(KeyringUnavailable):
        all_profiles.unlock(entry.id)
    with pytest.raises(KeyringUnavailable):
        all_profiles.create("B", Protection.keyring())
    ring.locked = False
    assert [found.name for found in all_profiles.list()] == ["A"]
    for secret in ("", "not a key", keys.encode_key(DatabaseKey(bytes(32)))):
        ring.secrets[entry.id] = secret
        with pytest.raises(KeyMissing):
            all_profiles.unlock(entry.id)


def test_damaged_notes_are_told(all_profiles: Profiles) -> None:
    entry = all_profiles.create("A", Protection.passphrase(PASSPHRASE))
    about = json.loads((entry.folder / "profile.json").read_text())
    sealed = about["key"]
    for damage in (
        "",
        "[" * 100_000,
        "[]",
        "{}",
        json.dumps(about | {"key": {"kind": "abacus"}}),
        json.dumps(about | {"name": 1}),
        json.dumps(about | {"version": 2}),
    ):
        (entry.folder / "profile.json").write_text(damage)
        with pytest.raises(ProfileError):
            all_profiles.unlock(entry.id, PASSPHRASE)
        assert all_profiles.list() == []
    for key in ({"salt": 1}, {"salt": "!"}, {"sealed": ""}, {"check": ""}):
        (entry.folder / "profile.json").write_text(json.dumps(about | {"key": sealed | key}))
        with pytest.raises(KeyMissing):
            all_profiles.unlock(entry.id, PASSPHRASE)


def test_an_open_profile_is_not_removed(all_profiles: Profiles) -> None:
    entry = all_profiles.create("A", Protection.key_file())
    database = Database(entry.folder / "profile.db", key=all_profiles.unlock(entry.id))
    # a lock of the same process does not count for itself: another one tries
    child = os.fork()
    if child == 0:
        try:
            all_profiles.remove(entry.id)
        except ProfileError as error:
            os._exit(3 if error.message_id == "profiles.error.in-use" else 4)
        os._exit(0)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 3
    database.close()
    all_profiles.remove(entry.id)


def test_what_was_interrupted_is_finished(all_profiles: Profiles, ring: FakeKeyring) -> None:
    entry = all_profiles.create("A", Protection.keyring())
    kept = all_profiles.create("B", Protection.keyring())
    entry.folder.rename(entry.folder.with_name(".removing-" + entry.id))
    abandoned = entry.folder.with_name(".creating-0011")
    abandoned.mkdir()
    ring.secrets["0011"] = "x"
    assert all_profiles.list() == [kept]
    assert set(ring.secrets) == {kept.id, "0011"}
    os.utime(abandoned, (0, 0))
    assert all_profiles.list() == [kept]
    assert set(ring.secrets) == {kept.id}
    assert [path.name for path in entry.folder.parent.iterdir()] == [kept.id]


def test_the_profile_of_an_older_version_becomes_the_first(tmp_path: Path, all_profiles: Profiles) -> None:
    data = tmp_path / "data"
    old = ProfileEntry("", "", data, None)
    fill(old, PLAIN, "Old Alice")
    (data / "servers.json").write_text("[]")
    (entry,) = all_profiles.list()
    assert (entry.id, entry.name, entry.protection) == ("first", "Old Alice", None)
    assert {path.name for path in data.iterdir()} == {"profiles"}
    assert (entry.folder / "servers.json").exists()
    assert all_profiles.list() == [entry]
    with pytest.raises(ProfileError, match="not encrypted"):
        all_profiles.unlock(entry.id)
    key = all_profiles.protect(entry.id, Protection.keyring())
    assert all_profiles.unlock(entry.id) == key
    fill(entry, key)
    assert name_in(entry, key) == "Old Alice"
    assert b"Old Alice" not in (entry.folder / "profile.db").read_bytes()


def test_a_broken_profile_of_an_older_version_stays_where_it_is(tmp_path: Path, all_profiles: Profiles) -> None:
    data = tmp_path / "data"
    data.mkdir()
    (data / "profile.db").write_bytes(b"SQLite format 3\0" + b"\x99" * 5000)
    with pytest.raises(ProfileError):
        all_profiles.list()
    assert (data / "profile.db").exists()


# archives


@pytest.fixture
def exported(all_profiles: Profiles, tmp_path: Path) -> Path:
    entry = all_profiles.create("A", Protection.key_file())
    fill(entry, all_profiles.unlock(entry.id))
    all_profiles.export_archive(entry.id, tmp_path / "alice.archive", PASSPHRASE)
    return tmp_path / "alice.archive"


def test_an_archive_goes_out_and_in(all_profiles: Profiles, exported: Path, tmp_path: Path) -> None:
    assert exported.stat().st_mode & 0o077 == 0
    assert b"Alice" not in exported.read_bytes()
    assert sorted(path.name for path in tmp_path.iterdir()) == ["alice.archive", "data"]
    (before,) = all_profiles.list()
    entry = all_profiles.import_archive(exported, PASSPHRASE, Protection.keyring())
    assert entry.name == "Alice"
    key = all_profiles.unlock(entry.id)
    assert key != all_profiles.unlock(before.id)
    fill(entry, key, "Not used")
    assert name_in(entry, key) == "Alice"
    assert sorted(path.name for path in entry.folder.iterdir()) == ["profile.db", "profile.json"]


def test_an_archive_replaces_a_profile(all_profiles: Profiles, exported: Path) -> None:
    (before,) = all_profiles.list()
    with pytest.raises(WrongPassphrase):
        all_profiles.import_archive(exported, "wrong horse battery", Protection.keyring(), replace=before.id)
    assert all_profiles.list() == [before]
    entry = all_profiles.import_archive(exported, PASSPHRASE, Protection.keyring(), name="Home", replace=before.id)
    assert all_profiles.list() == [entry]
    assert entry.name == "Home"


async def test_an_open_client_exports_itself(alice: Client, all_profiles: Profiles, tmp_path: Path) -> None:
    target = tmp_path / "open.archive"
    with pytest.raises(WeakPassphrase):
        await alice.export_archive(target, "short")
    await alice.export_archive(target, PASSPHRASE)
    with pytest.raises(ProfileError):
        await alice.export_archive(tmp_path / "nowhere" / "x", PASSPHRASE)
    entry = all_profiles.import_archive(target, PASSPHRASE, Protection.key_file())
    assert entry.name == "Alice"
    # and goes on
    assert alice.profile is not None
    assert alice.contacts() == []


def nothing_imported(all_profiles: Profiles, source: Path, match: str) -> None:
    folder = all_profiles.list()[0].folder.parent
    before = sorted(path.name for path in folder.iterdir())
    with pytest.raises(ProfileError, match=match):
        all_profiles.import_archive(source, PASSPHRASE, Protection.keyring())
    assert sorted(path.name for path in folder.iterdir()) == before


def test_what_is_no_archive_is_refused(all_profiles: Profiles, exported: Path, tmp_path: Path) -> None:
    content = exported.read_bytes()
    other = tmp_path / "other"
    for changed, match in (
        (b"", "not an archive"),
        (b"x" * 10_000, "not an archive"),
        (content[:-1], "not an archive"),
        (content[4096:], "damaged"),
        (content[:4096] + content, "damaged"),
        (content[:-26] + b"\x00\x02" + content[-24:], "newer"),
        (content[:5000] + bytes([content[5000] ^ 1]) + content[5001:], "damaged"),
    ):
        other.write_bytes(changed)
        nothing_imported(all_profiles, other, match)
    nothing_imported(all_profiles, tmp_path, "directory")
    nothing_imported(all_profiles, tmp_path / "nowhere", "No such file")


def test_an_archive_without_room_is_refused(
    all_profiles: Profiles, exported: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(shutil, "disk_usage", lambda _path: shutil._ntuple_diskusage(0, 0, 1 << 20))
    nothing_imported(all_profiles, exported, "not enough room")
    monkeypatch.undo()
    monkeypatch.setattr(archive, "MAXIMUM_LENGTH", 4096)
    nothing_imported(all_profiles, exported, "not enough room")


@pytest.mark.parametrize(
    ("statement", "match"),
    [
        ("CREATE TRIGGER t AFTER INSERT ON profile BEGIN DELETE FROM contacts; END", "damaged"),
        ("CREATE VIEW v AS SELECT load_extension('x')", "damaged"),
        ("CREATE VIRTUAL TABLE v USING fts5(x)", "damaged"),
        ("CREATE TABLE more (x)", "damaged"),
        ("DROP TABLE contacts", "damaged"),
        ("DROP TABLE schema_versions", "damaged"),
        ("UPDATE schema_versions SET version = 99", "newer"),
        ("UPDATE schema_versions SET version = 'x'", "newer"),
        ("UPDATE schema_versions SET version = -1", "damaged"),
        ("INSERT INTO schema_versions VALUES ('attic', 1)", "newer"),
        ("INSERT INTO chat_items (contact_id, direction, kind, created_at) VALUES (77, '', '', 0)", "damaged"),
    ],
)
def test_an_archive_with_something_else_inside_is_refused(
    all_profiles: Profiles, tmp_path: Path, statement: str, match: str
) -> None:
    entry = all_profiles.create("A", Protection.key_file())
    key = all_profiles.unlock(entry.id)
    fill(entry, key)
    database = Database(entry.folder / "profile.db", key=key)
    database.execute("PRAGMA foreign_keys=OFF")
    database.execute(statement)
    with database.snapshot() as snapshot:
        archive.export_archive(snapshot, tmp_path / "evil", PASSPHRASE)
    database.close()
    nothing_imported(all_profiles, tmp_path / "evil", match)


@settings(max_examples=30, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.data())
def test_a_changed_archive_is_refused(
    all_profiles: Profiles, exported: Path, tmp_path: Path, data: st.DataObject
) -> None:
    content = bytearray(exported.read_bytes())
    place = data.draw(st.integers(0, len(content) - 1))
    content[place] ^= data.draw(st.integers(1, 255))
    other = tmp_path / "changed"
    other.write_bytes(content)
    nothing_imported(all_profiles, other, r"\w")


# the system's keyring


class Backend(keyring.backend.KeyringBackend):
    priority = 5
    secrets: dict[tuple[str, str], str] = {}  # noqa: RUF012

    def get_password(self, service: str, username: str) -> str | None:
        return self.secrets.get((service, username))

    def set_password(self, service: str, username: str, password: str) -> None:
        if password == "refuse":
            raise RuntimeError("locked")
        self.secrets[service, username] = password

    def delete_password(self, service: str, username: str) -> None:
        del self.secrets[service, username]


def test_the_system_keyring(monkeypatch: pytest.MonkeyPatch) -> None:
    ring = SystemKeyring()
    for backend in (fail.Keyring(), Backend()):  # type: ignore[no-untyped-call]
        # (one that is not known to keep secrets is not used)
        monkeypatch.setattr(keyring, "get_keyring", lambda backend=backend: backend)
        assert not ring.is_available()
        with pytest.raises(KeyringUnavailable):
            ring.get("x")
    monkeypatch.setattr(Backend, "__module__", "keyring.backends.SecretService")
    assert ring.is_available()
    assert ring.get("x") is None
    ring.delete("x")
    ring.set("x", "secret")
    assert ring.get("x") == "secret"
    ring.delete("x")
    assert ring.get("x") is None
    with pytest.raises(KeyringUnavailable):
        ring.set("x", "refuse")


def test_the_names_are_there() -> None:
    assert sqlite.sqlite_version_info >= (3, 40)
    assert all(hasattr(profiles, name) for name in profiles.__all__)
