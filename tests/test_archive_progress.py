"""Archives are written and read beside everything else, tell how far they are, and can be cancelled."""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import platformdirs
import pytest

from simplex_calls.bridge.home_methods import HomeMethods
from simplex_calls.bridge.params import Params
from simplex_calls.bridge.values import Json
from simplex_calls.client import Client, DatabaseKey
from simplex_calls.database import Database
from simplex_calls.home import Home
from simplex_calls.profiles import ProfileError, Profiles, Protection
from tests.linked import SERVER, Agents

KEY = DatabaseKey(bytes(range(32)))
PASSPHRASE = "correct horse battery"
ROWS = 2000


def fill(client: Client) -> None:
    """Make a profile of some megabytes."""
    database = client._database
    assert database is not None
    with database.transaction():
        for number in range(ROWS):
            database.execute("INSERT INTO client_settings VALUES (?, ?)", (f"n{number}", os.urandom(1500).hex()))


@pytest.fixture
async def alice(tmp_path: Path, agents: Agents) -> AsyncIterator[Client]:
    async with Client(tmp_path / "alice", "Alice", [SERVER], key=KEY, agent=agents) as client:
        fill(client)
        yield client


@pytest.fixture
async def home(tmp_path: Path, agents: Agents, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Home]:
    monkeypatch.setattr(platformdirs, "user_downloads_path", lambda: tmp_path / "Downloads")

    def make(*arguments: Any, **options: Any) -> Client:
        return Client(*arguments, **options, agent=agents)

    async with Home(tmp_path / "data", None, name="Alice", key_file=True, make_client=make) as opened:
        assert opened.client is not None
        fill(opened.client)
        yield opened


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


async def test_a_profile_is_used_while_it_is_saved(alice: Client, tmp_path: Path) -> None:
    told: list[tuple[int, int]] = []
    first = asyncio.Event()

    def progress(done: int, total: int) -> None:
        told.append((done, total))
        first.set()

    target = tmp_path / "alice.archive"
    saving = asyncio.create_task(alice.export_archive(target, PASSPHRASE, progress))
    await first.wait()
    assert not saving.done()
    # what is stored now is not in it, and is not lost
    for number in range(300):
        alice.set_profile(f"Alice {number}")
        await asyncio.sleep(0)
    await saving
    assert len({total for _, total in told}) == 1
    assert [done for done, _ in told] == sorted(done for done, _ in told)
    assert all(done <= total for done, total in told)
    profiles = Profiles(tmp_path / "data")
    entry = profiles.import_archive(target, PASSPHRASE, Protection.key_file())
    assert entry.name == "Alice"
    restored = Database(entry.folder / "profile.db", key=profiles.unlock(entry.id))
    assert restored.execute("SELECT count(*) FROM client_settings WHERE name LIKE 'n%'").fetchone()[0] == ROWS
    restored.close()
    await alice.stop()
    async with Client(tmp_path / "alice", key=KEY, agent=Agents()) as again:
        assert again.profile is not None
        assert again.profile.display_name == "Alice 299"


async def test_saving_leaves_the_profile_to_this_program(alice: Client, tmp_path: Path) -> None:
    await alice.export_archive(tmp_path / "alice.archive", PASSPHRASE)
    program = (
        "import sys; from pathlib import Path; from simplex_calls.database import Database, DatabaseKey\n"
        "Database(Path(sys.argv[1]), key=DatabaseKey(bytes(range(32))), busy_seconds=0.05)"
    )
    other = await asyncio.create_subprocess_exec(
        sys.executable, "-c", program, str(tmp_path / "alice/profile.db"), stderr=subprocess.PIPE
    )
    _, said = await other.communicate()
    assert b"is in use" in said


async def test_what_is_deleted_while_it_is_saved_is_erased_afterwards(alice: Client, tmp_path: Path) -> None:
    database = alice._database
    assert database is not None
    first = asyncio.Event()
    saving = asyncio.create_task(
        alice.export_archive(tmp_path / "alice.archive", PASSPHRASE, lambda _done, _total: first.set())
    )
    await first.wait()
    with database.transaction():
        database.execute("DELETE FROM client_settings")
        database.erase()
    assert database.execute("PRAGMA user_version").fetchone()[0] == 1
    await saving
    assert database.execute("PRAGMA user_version").fetchone()[0] == 0
    with pytest.raises(RuntimeError), database.transaction(), database.snapshot():
        pass


@pytest.mark.parametrize("by", ["cancelling", "stopping"])
async def test_saving_is_abandoned(alice: Client, tmp_path: Path, by: str) -> None:
    first = asyncio.Event()
    before = names(tmp_path)
    saving = asyncio.create_task(
        alice.export_archive(tmp_path / "alice.archive", PASSPHRASE, lambda _done, _total: first.set())
    )
    waiting = asyncio.create_task(alice.export_archive(tmp_path / "second.archive", PASSPHRASE))
    await first.wait()
    if by == "stopping":
        await alice.stop()
        with pytest.raises(asyncio.CancelledError):
            await waiting
    else:
        saving.cancel()
    with pytest.raises(asyncio.CancelledError):
        await saving
    if by == "cancelling":
        await waiting
        (tmp_path / "second.archive").unlink()
        alice.set_profile("Still here")
    assert names(tmp_path) == before


async def test_restoring_is_abandoned_at_any_point(alice: Client, tmp_path: Path) -> None:
    target = tmp_path / "alice.archive"
    await alice.export_archive(target, PASSPHRASE)
    profiles = Profiles(tmp_path / "data")
    told: list[tuple[int, int]] = []
    profiles.import_archive(target, PASSPHRASE, Protection.key_file(), progress=lambda *part: told.append(part))
    kept = names(tmp_path / "data/profiles")
    length, total = target.stat().st_size, told[0][1]
    assert total > 1.9 * length
    assert told[-1][0] > total / 2
    for place in (0.1, 0.4, 0.5):

        def progress(done: int, total: int, place: float = place) -> None:
            if done > place * total:
                raise KeyboardInterrupt

        with pytest.raises(KeyboardInterrupt):
            profiles.import_archive(target, PASSPHRASE, Protection.key_file(), progress=progress)
        assert names(tmp_path / "data/profiles") == kept


async def test_the_page_is_told_and_can_cancel(home: Home, tmp_path: Path) -> None:
    pushed: list[Json] = []
    is_pushed = asyncio.Event()

    def push(message: Json) -> None:
        pushed.append(message)
        is_pushed.set()

    methods = HomeMethods(home, push).table()
    saving = asyncio.ensure_future(methods["export_archive"](Params({"passphrase": PASSPHRASE})))
    await is_pushed.wait()
    assert {**pushed[0], "done": 0, "total": 0} == {"event": "progress", "task": "export", "done": 0, "total": 0}
    with pytest.raises(ProfileError, match="already"):
        await methods["import_archive"](Params({"path": "x", "passphrase": PASSPHRASE}))
    await methods["cancel_archive"](Params(None))
    with pytest.raises(ProfileError, match="cancelled"):
        await saving
    assert names(tmp_path / "Downloads") == []
    path = (await methods["export_archive"](Params({"passphrase": PASSPHRASE})))["path"]
    is_pushed.clear()
    restoring = asyncio.ensure_future(methods["import_archive"](Params({"path": path, "passphrase": PASSPHRASE})))
    await is_pushed.wait()
    assert pushed[-1]["task"] == "import"
    await methods["cancel_archive"](Params(None))
    with pytest.raises(ProfileError, match="cancelled"):
        await restoring
    assert len(home.profiles()) == 1
    # a page that is gone takes its request with it
    is_pushed.clear()
    restoring = asyncio.ensure_future(methods["import_archive"](Params({"path": path, "passphrase": PASSPHRASE})))
    await is_pushed.wait()
    restoring.cancel()
    with pytest.raises(asyncio.CancelledError):
        await restoring
    assert len(home.profiles()) == 1
    await methods["cancel_archive"](Params(None))
    made = await methods["import_archive"](Params({"path": path, "passphrase": PASSPHRASE}))
    assert made["name"] == "Alice"


def test_a_snapshot_is_of_a_file() -> None:
    database = Database()
    with pytest.raises(RuntimeError), database.snapshot():
        pass
