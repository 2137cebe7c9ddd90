"""A profile whose disk is full, whose folder is not ours, that is in use, or of another age: told in words."""

from __future__ import annotations

import asyncio
import errno
import os
import resource
import sqlite3
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import pytest

from simplex_calls.agent import ratchet
from simplex_calls.agent.ratchet_store import RatchetStore
from simplex_calls.client import (
    CallDetails,
    CallMedia,
    CallStatus,
    Client,
    ClientError,
    ContactStatus,
    DatabaseKey,
    Settings,
    TextDetails,
)
from simplex_calls.database import Database, StorageFault
from simplex_calls.events import StorageFailed
from simplex_calls.home import Home
from simplex_calls.profiles import ProfileError, Profiles, Protection
from simplex_calls.sqlcipher import os_reason
from tests.linked import SERVER, Agents

KEY = DatabaseKey(bytes(range(32)))
OLD_PROFILES = Path(__file__).parent / "old_profiles"
NOBODY = 65534


@contextmanager
def limited(length: int) -> Iterator[None]:
    """No file can be longer than this, as if the disk was full."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (length, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


@contextmanager
def as_somebody_else() -> Iterator[None]:
    """Root may write anywhere: be another user instead."""
    if os.geteuid() != 0:
        yield
        return
    # what is imported when it is first needed may be closed to others, where Python is in root's own folder
    import importlib.readers  # noqa: F401

    os.seteuid(NOBODY)
    try:
        yield
    finally:
        os.seteuid(0)


@pytest.fixture
def public() -> Iterator[Path]:
    """A folder that other users can look into; pytest's are closed to them."""
    with tempfile.TemporaryDirectory(prefix="simplex-calls-test-") as name:
        Path(name).chmod(0o755)
        yield Path(name)


async def test_a_full_disk_is_told_and_nothing_is_lost(tmp_path: Path, agents: Agents) -> None:
    async with (
        Client(tmp_path / "alice", "Alice", [SERVER], key=KEY, agent=agents) as alice,
        Client(tmp_path / "bob", "Bob", [SERVER], key=KEY, agent=agents) as bob,
    ):
        await bob.connect(await alice.create_invitation())
        agents.wire.run()
        contact = alice.contacts()[0].id
        events = alice.events()
        with limited((tmp_path / "alice/profile.db-wal").stat().st_size + 4096):
            with pytest.raises(ClientError, match="Make room on the disk") as caught:
                for _ in range(200):
                    alice.send_text(contact, "x" * 10_000)
            assert caught.value.message_id in ("client.error.storage", "client.error.storage.full")
            stored = len(alice.history(contact, limit=300))
            with pytest.raises(ClientError):
                alice.set_profile("Another name")
        async with asyncio.timeout(5):
            async for event in events:
                if isinstance(event, StorageFailed):
                    assert event.fault in (StorageFault.FULL, StorageFault.OTHER)
                    assert "Make room on the disk" in event.text
                    break
        # there is room again
        alice.send_text(contact, "still there")
        assert alice.storage_problem == ""
        assert len(alice.history(contact, limit=300)) == stored + 1
        assert alice.profile is not None
        assert alice.profile.display_name == "Alice"


def test_a_profile_cannot_be_made_on_a_full_disk(tmp_path: Path, agents: Agents) -> None:
    with limited(8192), pytest.raises(ClientError, match="make room"):
        asyncio.run(Client(tmp_path / "alice", "Alice", key=KEY, agent=agents).start())
    with limited(100), pytest.raises(ProfileError, match="make room"):
        Profiles(tmp_path / "data").create("Alice", Protection.passphrase("correct horse battery"))
    assert Profiles(tmp_path / "data").list() == []


@pytest.mark.parametrize("number", [errno.EACCES, errno.EPERM, errno.EROFS, errno.ENOSPC, errno.EDQUOT, errno.EIO])
def test_what_the_system_refuses_says_what_to_do(number: int) -> None:
    reason = os_reason(OSError(number, os.strerror(number)))
    assert reason == os.strerror(number) if number == errno.EIO else reason.split(": ")[1]


@pytest.mark.parametrize("protect", ["folder", "file"])
def test_a_folder_or_file_of_somebody_else(public: Path, agents: Agents, protect: str) -> None:
    folder = public / "alice"

    async def open_it() -> None:
        async with Client(folder, "Alice", key=KEY, agent=agents):
            pass

    asyncio.run(open_it())
    folder.chmod(0o555 if protect == "folder" else 0o777)
    (folder / "profile.db").chmod(0o666 if protect == "folder" else 0o444)
    try:
        with as_somebody_else(), pytest.raises(ClientError) as caught:
            asyncio.run(open_it())
    finally:
        folder.chmod(0o755)
    assert caught.value.message_id == "client.error.profile"
    assert "give yourself the right" in str(caught.value)
    # nothing happened to it
    (folder / "profile.db").chmod(0o644)
    asyncio.run(open_it())


def test_profiles_in_a_folder_of_somebody_else(public: Path) -> None:
    public.chmod(0o555)
    with as_somebody_else(), pytest.raises(ProfileError, match="give yourself the right"):
        Profiles(public / "data").create("Alice", Protection.passphrase("correct horse battery"))


async def test_two_programs_on_one_profile(tmp_path: Path, agents: Agents) -> None:
    program = (
        "import asyncio, sys; from pathlib import Path; from simplex_calls.home import Home\n"
        "async def main():\n"
        "    async with Home(Path(sys.argv[1]), None, key_file=True) as home: print(home.client, home.problem)\n"
        "asyncio.run(main())\n"
    )

    def make(*arguments: object, **options: object) -> Client:
        return Client(*arguments, **options, agent=agents)  # type: ignore[arg-type]

    async with Home(tmp_path, None, name="Alice", key_file=True, make_client=make) as home:
        assert home.client is not None
        second = await asyncio.create_subprocess_exec(
            sys.executable, "-c", program, str(tmp_path), stdout=subprocess.PIPE, stderr=subprocess.PIPE
        )
        said, log = await second.communicate()
        assert said.decode().startswith("None The profile cannot be opened")
        assert "close the other window" in said.decode()
        assert b"Traceback" not in log
        home.client.set_profile("Still Alice")


async def test_a_newer_version_wrote_it(tmp_path: Path, agents: Agents) -> None:
    async with Client(tmp_path, "Alice", [SERVER], key=KEY, agent=agents):
        pass
    with closing(Database(tmp_path / "profile.db", key=KEY)) as profile:
        profile.execute("UPDATE schema_versions SET version = version + 1 WHERE floor = 'chat'")
    with pytest.raises(ClientError, match="update simplex-calls"):
        await Client(tmp_path, key=KEY, agent=agents).start()


def old_profile(name: str, folder: Path) -> Path:
    """What the first version wrote: one plain file, the first migration of each floor."""
    folder.mkdir()
    with closing(sqlite3.connect(folder / "profile.db")) as plain:
        plain.executescript((OLD_PROFILES / f"{name}.sql").read_text("utf-8"))
        plain.execute("PRAGMA journal_mode=WAL")
    return folder


async def test_profiles_of_the_first_version_go_on(tmp_path: Path) -> None:
    codes = []
    for name, other in (("alice", "Bob"), ("bob", "Alice")):
        folder = old_profile(name, tmp_path / name)
        # their server is not there any more
        async with Client(folder, key=KEY, settings=Settings(ice_servers=())) as client:
            assert client.profile is not None
            assert client.profile.display_name.lower() == name
            contact = client.contacts()[0]
            assert (contact.name, contact.status, contact.is_connected) == (other, ContactStatus.CONNECTED, True)
            items = [item.details for item in client.history(contact.id)]
            texts = [item.text for item in items if isinstance(item, TextDetails)]
            assert sorted(texts) == ["and an answer", "from the older version"]
            codes.append(client.details(contact.id).security_code)
            client.send_text(contact.id, "from the newer version")
            if name == "alice":
                assert client.invitation_link(client.contacts()[1].id) is not None
                calls = [(item.media, item.status) for item in items if isinstance(item, CallDetails)]
                assert calls == [(CallMedia.AUDIO, CallStatus.CANCELLED)]
        assert not (folder / "profile.db").read_bytes().startswith(b"SQLite format 3")
    assert codes[0] is not None
    assert codes[0] == codes[1]
    # and their ratchets still fit
    with (
        closing(Database(tmp_path / "alice/profile.db", key=KEY)) as ours,
        closing(Database(tmp_path / "bob/profile.db", key=KEY)) as theirs,
    ):
        sending, receiving = RatchetStore(ours), RatchetStore(theirs)
        state = sending.ratchet(1)
        assert state is not None
        _, sealed = ratchet.encrypt(state, b"hello", 1000)
        state = receiving.ratchet(1)
        assert state is not None
        opened = ratchet.decrypt(state, receiving.skipped_keys(1), sealed, os.urandom)
        assert opened.plaintext == b"hello"
