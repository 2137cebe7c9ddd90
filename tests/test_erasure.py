"""What was deleted is not in the file any more, nor in its log: all pages are decrypted and searched."""

from __future__ import annotations

import asyncio
import os
import random
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes

from simplex_calls import database as database_module
from simplex_calls.client import Client
from simplex_calls.database import Database, DatabaseKey, sqlite
from simplex_calls.events import ContactConnected, Event, Events
from simplex_calls.relay import Relay, RelayConfig
from simplex_calls.sqlcipher import PAGE_SIZE

KEY = DatabaseKey(bytes(range(32)))
_RESERVED = 16 + 64


def decrypted(path: Path) -> bytes:
    """All that is in a profile's file and in its log, for whoever has the key."""
    content = path.read_bytes()
    pages = [content[place : place + PAGE_SIZE] for place in range(0, len(content), PAGE_SIZE)]
    log = path.with_name(path.name + "-wal")
    if log.exists():
        frames = log.read_bytes()[32:]
        step = 24 + PAGE_SIZE
        pages += [frames[place + 24 : place + step] for place in range(0, len(frames), step)]
    return b"".join(_decrypt(page) for page in pages)


def _decrypt(page: bytes) -> bytes:
    # a first page begins with the salt: 16 bytes that decrypt to nothing
    cipher = Cipher(algorithms.AES(KEY.raw), modes.CBC(page[-_RESERVED:-64])).decryptor()
    return cipher.update(page[:-_RESERVED]) + cipher.update(page[16:-_RESERVED])


def secrets_in(database: Database) -> set[bytes]:
    """Every value that could tell something."""
    found: set[bytes] = set()
    tables = database.execute("SELECT name FROM sqlite_master WHERE type = 'table'").fetchall()
    for table in tables:
        for row in database.execute(f"SELECT * FROM {table['name']}"):
            for value in row:
                if isinstance(value, str) and len(value) >= 12:
                    found.add(value.encode())
                elif isinstance(value, bytes) and len(value) >= 12:
                    # long ones as two parts: what is left of one is too much
                    found |= {value} if len(value) < 64 else {value[:32], value[-32:]}
    return found


def still_there(path: Path, secrets: set[bytes]) -> list[bytes]:
    content = decrypted(path)
    return [secret for secret in secrets if secret in content]


async def until(events: Events, kind: type[Event]) -> None:
    async for event in events:
        if isinstance(event, kind):
            return


async def test_a_deleted_contact_leaves_nothing(tmp_path: Path) -> None:
    async with Relay(RelayConfig(port=0)) as relay:
        servers = [relay.address.uri()]
        async with (
            Client(tmp_path / "alice", "Alice", servers, key=KEY) as alice,
            Client(tmp_path / "bob", "Bob the builder", servers, key=KEY) as bob,
        ):
            async with asyncio.timeout(30):
                events, others = alice.events(), bob.events()
                link = await alice.create_invitation()
                await bob.connect(str(link))
                await until(events, ContactConnected)
                await until(others, ContactConnected)
                for number in range(30):
                    alice.send_text(alice.contacts()[0].id, f"the secret number {number} of Alice")
                    item = bob.send_text(bob.contacts()[0].id, f"the secret number {number} of Bob")
                database = alice._opened()
                while len(alice.history(alice.contacts()[0].id, limit=100)) < 60 or _waiting(database):
                    await asyncio.sleep(0.02)
                path = tmp_path / "alice" / "profile.db"
                before = secrets_in(database)
                assert {b"Bob the builder", b"the secret number 29 of Bob"} <= before
                assert len(still_there(path, before)) == len(before)
                await alice.delete_contact(alice.contacts()[0].id)
                assert b"the secret number" not in decrypted(path)
                # the farewell goes out, and the queue is deleted on the server
                while _waiting(database) or database.execute("SELECT 1 FROM contacts").fetchone():
                    await asyncio.sleep(0.02)
            gone = before - secrets_in(database)
            assert len(gone) > 70
            assert still_there(path, gone) == []
            # a single text's traces go when the profile is closed, at the latest
            bob.delete_item(item.id)
    assert b"the secret number 29 of Bob" not in decrypted(tmp_path / "bob" / "profile.db")
    assert b"the secret number 28 of Bob" in decrypted(tmp_path / "bob" / "profile.db")


def _waiting(database: Database) -> bool:
    return any(
        database.execute(f"SELECT 1 FROM {table}").fetchone() is not None for table in ("outbox", "queue_deletions")
    )


def fill(database: Database, source: random.Random) -> None:
    """Rows of many sizes, come and gone, so that SQLite moves them between pages."""
    database.migrate(
        "test", ["CREATE TABLE t (id INTEGER PRIMARY KEY, who INTEGER, v TEXT);\nCREATE INDEX i ON t (who, v);"]
    )
    with database.transaction():
        for number in range(3000):
            who = source.randrange(20)
            word = f"person {who:03} {source.randrange(10**9):09};"
            database.execute("INSERT INTO t (who, v) VALUES (?, ?)", (who, word * source.choice((1, 2, 3, 100))))
            if number % 20 == 0:
                database.execute("DELETE FROM t WHERE id = ?", (source.randrange(number + 1),))


def people_in(path: Path) -> list[int]:
    content = decrypted(path)
    return [who for who in range(20) if b"person %03d" % who in content]


@pytest.mark.parametrize("at_once", [True, False])
def test_rows_that_were_moved_leave_nothing(tmp_path: Path, at_once: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "profile.db"
    if not at_once:
        monkeypatch.setattr(database_module, "_ERASE_AT_ONCE", 0)
    database = Database(path, key=KEY)
    fill(database, random.Random(1))
    with database.transaction():
        database.execute("DELETE FROM t WHERE who % 2")
        database.erase()
        assert database.execute("SELECT count(*) FROM t").fetchone()[0] > 0
    if at_once:
        assert people_in(path) == list(range(0, 20, 2))
    else:
        # what SQLite leaves without being told
        assert people_in(path) != list(range(0, 20, 2))
    rows = [tuple(row) for row in database.execute("SELECT * FROM t")]
    database.close()
    assert people_in(path) == list(range(0, 20, 2))
    assert [file.name for file in tmp_path.iterdir()] == ["profile.db"]
    database = Database(path, key=KEY)
    assert [tuple(row) for row in database.execute("SELECT * FROM t")] == rows
    assert not database._is_erase_due()
    database.close()


def test_a_killed_process_erases_when_it_is_closed_next(tmp_path: Path) -> None:
    path = tmp_path / "profile.db"
    child = os.fork()
    if child == 0:
        database = Database(path, key=KEY)
        fill(database, random.Random(2))
        with database.transaction():
            database.execute("DELETE FROM t WHERE who = 3")
            database.erase(soon=False)
        os._exit(9)
    os.waitpid(child, 0)
    (tmp_path / "profile.db.copy").write_bytes(b"what another killed process left")
    Database(path, key=KEY).close()
    assert 3 not in people_in(path)
    assert len(people_in(path)) == 19
    assert [file.name for file in tmp_path.iterdir()] == ["profile.db"]


def test_what_cannot_be_erased_now_is_erased_later(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    path = tmp_path / "profile.db"
    database = Database(path, key=KEY)
    fill(database, random.Random(3))

    def full(*_: object) -> None:
        raise sqlite.OperationalError("database or disk is full")

    monkeypatch.setattr(database_module, "rewrite_file", full)
    with database.transaction():
        database.execute("DELETE FROM t WHERE who = 3")
        database.erase(soon=False)
    database.close()
    assert "not written anew" in caplog.text
    monkeypatch.undo()
    Database(path, key=KEY).close()
    assert 3 not in people_in(path)


def test_a_failed_transaction_erases_nothing(tmp_path: Path) -> None:
    database = Database(tmp_path / "profile.db", key=KEY)
    with pytest.raises(KeyError), database.transaction():
        database.erase()
        raise KeyError
    assert not database._is_erase_due()
    database.close()
    memory = Database()
    with memory.transaction():
        memory.erase()
    memory.close()
