"""Keys, and how a plain profile becomes an encrypted one, killed at any line."""

from __future__ import annotations

import os
import shutil
import sys
from pathlib import Path
from types import FrameType
from typing import Any

import pytest

from simplex_calls import sqlcipher
from simplex_calls.database import Database, DatabaseError, DatabaseKey, WrongKey

KEY = DatabaseKey(bytes(range(32)))
OTHER = DatabaseKey(bytes(32))
SECRET = b"what nobody else may read"


def make(path: Path, key: DatabaseKey | None) -> None:
    database = Database(path, key=key)
    database.migrate(
        "test", ["CREATE TABLE t (id INTEGER PRIMARY KEY AUTOINCREMENT, v BLOB);\nCREATE INDEX i ON t (v);"]
    )
    with database.transaction():
        for _ in range(200):
            database.execute("INSERT INTO t (v) VALUES (?)", (SECRET,))
        database.execute("DELETE FROM t WHERE id > 150")
    database.close()


def check(path: Path, key: DatabaseKey | None = KEY) -> None:
    database = Database(path, key=key)
    rows = database.execute("SELECT v FROM t").fetchall()
    assert [row["v"] for row in rows] == [SECRET] * 150
    # ids are not given twice
    assert database.execute("INSERT INTO t (v) VALUES ('') RETURNING id").fetchone()["id"] == 201
    assert database.execute("PRAGMA auto_vacuum").fetchone()[0] == 2
    database.close()


def files_with(secret: bytes, folder: Path) -> list[str]:
    return [path.name for path in folder.iterdir() if secret in path.read_bytes()]


def test_a_key_has_32_bytes_and_is_not_shown() -> None:
    with pytest.raises(ValueError, match="32 bytes"):
        DatabaseKey(b"short")
    assert len(DatabaseKey.generate().raw) == 32
    assert DatabaseKey.generate() != DatabaseKey.generate()
    assert "00" not in repr(OTHER)


def test_an_encrypted_file_shows_nothing(tmp_path: Path) -> None:
    path = tmp_path / "profile.db"
    make(path, KEY)
    assert sqlcipher.is_encrypted(path)
    assert not sqlcipher.is_plain(path)
    assert files_with(SECRET, tmp_path) == []
    check(path)


def test_an_encrypted_log_shows_nothing(tmp_path: Path) -> None:
    path = tmp_path / "profile.db"
    database = Database(path, key=KEY)
    database.migrate("test", ["CREATE TABLE t (v BLOB);"])
    with database.transaction():
        database.execute("INSERT INTO t VALUES (?)", (SECRET,))
    assert (tmp_path / "profile.db-wal").stat().st_size > 0
    assert files_with(SECRET, tmp_path) == []
    database.close()


@pytest.mark.parametrize("key", [None, OTHER])
def test_a_wrong_key_is_told(tmp_path: Path, key: DatabaseKey | None, capfd: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "profile.db"
    make(path, KEY)
    content = path.read_bytes()
    with pytest.raises(WrongKey, match="encrypted") as caught:
        Database(path, key=key)
    assert "0000" not in str(caught.value)
    assert path.read_bytes() == content
    assert capfd.readouterr() == ("", "")
    check(path)


def test_a_damaged_page_is_not_a_wrong_key(tmp_path: Path) -> None:
    path = tmp_path / "profile.db"
    make(path, KEY)
    content = bytearray(path.read_bytes())
    content[300] ^= 1
    path.write_bytes(content)
    with pytest.raises(DatabaseError, match="not a readable profile") as caught:
        Database(path, key=KEY)
    assert not isinstance(caught.value, WrongKey)
    with pytest.raises(WrongKey):
        Database(path, key=OTHER)


def test_a_cut_or_foreign_file_is_not_a_wrong_key(tmp_path: Path) -> None:
    path = tmp_path / "profile.db"
    make(path, KEY)
    for content in (path.read_bytes()[:5000], b"a letter to Bob"):
        path.write_bytes(content)
        with pytest.raises(DatabaseError, match="not a readable profile") as caught:
            Database(path, key=KEY)
        assert not isinstance(caught.value, WrongKey)


def test_a_file_in_use_is_told_with_a_key_too(tmp_path: Path) -> None:
    path = tmp_path / "profile.db"
    for key in (None, KEY):
        database = Database(path, key=key)
        with pytest.raises(DatabaseError, match="in use"):
            Database(path, key=KEY, busy_seconds=0.05)
        database.close()


def test_a_plain_profile_is_encrypted_when_it_is_opened_with_a_key(tmp_path: Path) -> None:
    path = tmp_path / "profile.db"
    make(path, None)
    plain = path.read_bytes()
    old = os.open(path, os.O_RDONLY)
    assert files_with(SECRET, tmp_path) == ["profile.db"]
    check(path, KEY)
    assert [file.name for file in tmp_path.iterdir()] == ["profile.db"]
    assert files_with(SECRET, tmp_path) == []
    # the blocks of the old file hold nothing more
    assert os.read(old, len(plain)) == bytes(len(plain))
    os.close(old)
    with pytest.raises(WrongKey):
        Database(path, key=OTHER)


def test_the_log_of_a_killed_plain_profile_comes_along(tmp_path: Path) -> None:
    original = tmp_path / "original" / "profile.db"
    original.parent.mkdir()
    make(original, None)
    database = Database(original)
    with database.transaction():
        database.execute("DELETE FROM t WHERE id > 140")
    copy = tmp_path / "copy" / "profile.db"
    shutil.copytree(original.parent, copy.parent)
    database.close()
    log = os.open(copy.with_name("profile.db-wal"), os.O_RDONLY)
    assert os.fstat(log).st_size > 0
    database = Database(copy, key=KEY)
    assert database.execute("SELECT count(*) FROM t").fetchone()[0] == 140
    database.close()
    assert not os.read(log, 1 << 20).strip(b"\0")
    os.close(log)


def test_a_damaged_plain_profile_is_left_alone(tmp_path: Path) -> None:
    path = tmp_path / "profile.db"
    make(path, None)
    content = bytearray(path.read_bytes())
    content[4096:] = b"\x7f" * (len(content) - 4096)
    path.write_bytes(content)
    with pytest.raises(DatabaseError, match="not a readable profile"):
        Database(path, key=KEY)
    # (the header says how the log is kept)
    assert path.read_bytes()[4096:] == content[4096:]


def test_killed_at_any_line_the_profile_is_whole(tmp_path: Path) -> None:
    plain = tmp_path / "plain.db"
    make(plain, None)
    line = 0
    while True:
        folder = tmp_path / str(line)
        folder.mkdir()
        path = folder / "profile.db"
        shutil.copy(plain, path)
        child = os.fork()
        if child == 0:
            _encrypt_until(path, line)
        status = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
        assert status in (0, 9), status
        check(path)
        assert files_with(SECRET, folder) == [], line
        assert [file.name for file in folder.iterdir()] == ["profile.db"], line
        shutil.rmtree(folder)
        if status == 0:
            break
        line += 1
    assert line > 60


def _encrypt_until(path: Path, end: int) -> None:
    """Encrypt in this process, and end it at the ``end``-th line."""
    passed = 0

    def trace(frame: FrameType, event: str, _argument: Any) -> Any:
        nonlocal passed
        if frame.f_code.co_filename != sqlcipher.__file__:
            return None
        if event == "line":
            if passed == end:
                os._exit(9)
            passed += 1
        return trace

    sys.settrace(trace)
    try:
        sqlcipher.encrypt_file(path, KEY)
    finally:
        sys.settrace(None)
        os._exit(0)
