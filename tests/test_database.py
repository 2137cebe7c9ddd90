from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from simplex_calls.database import Database, DatabaseError, sqlite


def values(database: Database) -> list[int]:
    return [row["v"] for row in database.execute("SELECT v FROM t ORDER BY v")]


@pytest.fixture
def database() -> Database:
    database = Database()
    database.migrate("test", ["CREATE TABLE t (v INTEGER PRIMARY KEY);"])
    return database


def test_inner_transactions_join_the_outer(database: Database) -> None:
    done: list[str] = []
    with database.transaction():
        database.execute("INSERT INTO t VALUES (1)")
        with database.transaction():
            database.execute("INSERT INTO t VALUES (2)")
            database.after_commit(lambda: done.append("inner"))
        assert done == []
    assert done == ["inner"]
    assert values(database) == [1, 2]


def test_a_failed_inner_part_rolls_all_back(database: Database) -> None:
    done: list[str] = []
    with pytest.raises(Exception, match="a part of this transaction failed"):
        with database.transaction():
            database.execute("INSERT INTO t VALUES (1)")
            database.after_commit(lambda: done.append("never"))
            with pytest.raises(KeyError), database.transaction():
                raise KeyError
    assert values(database) == []
    assert done == []
    with database.transaction():
        database.execute("INSERT INTO t VALUES (3)")
    assert values(database) == [3]
    assert done == []


def test_a_savepoint_fails_alone(database: Database) -> None:
    done: list[str] = []
    with database.transaction():
        database.execute("INSERT INTO t VALUES (1)")
        database.after_commit(lambda: done.append("outer"))
        with pytest.raises(KeyError), database.savepoint(), database.transaction():
            database.execute("INSERT INTO t VALUES (2)")
            database.after_commit(lambda: done.append("part"))
            raise KeyError
        with database.savepoint():
            database.execute("INSERT INTO t VALUES (3)")
    assert values(database) == [1, 3]
    assert done == ["outer"]
    with pytest.raises(RuntimeError), database.savepoint():
        pass


def test_after_commit_runs_at_once_outside(database: Database) -> None:
    done: list[int] = []
    database.after_commit(lambda: done.append(1))
    assert done == [1]


def test_a_failing_action_after_the_commit_spares_the_others(
    database: Database, caplog: pytest.LogCaptureFixture
) -> None:
    done: list[int] = []
    with database.transaction():
        database.execute("INSERT INTO t VALUES (1)")
        database.after_commit(lambda: done.remove(0))
        database.after_commit(lambda: done.append(1))
    assert done == [1]
    assert values(database) == [1]
    assert "an action after a commit failed" in caplog.text


def test_migrations_run_once_and_newer_files_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "profile.db"
    first = "CREATE TABLE t (v INTEGER PRIMARY KEY);\nINSERT INTO t VALUES (1);"
    for migrations in ([first], [first], [first, "INSERT INTO t VALUES (2);"]):
        database = Database(path)
        database.migrate("test", migrations)
        database.close()
    database = Database(path)
    assert values(database) == [1, 2]
    with pytest.raises(DatabaseError, match="newer version"):
        database.migrate("test", [first])
    database.close()


def test_a_failed_migration_leaves_nothing(database: Database) -> None:
    with pytest.raises(Exception, match="no such table"):
        database.migrate("other", ["CREATE TABLE o (v);\nINSERT INTO missing VALUES (1);"])
    database.migrate("other", ["CREATE TABLE o (v);"])


def test_a_file_in_use_or_broken_is_told(tmp_path: Path) -> None:
    path = tmp_path / "profile.db"
    database = Database(path)
    with pytest.raises(DatabaseError, match="in use"):
        Database(path, busy_seconds=0.05)
    database.close()
    path.write_bytes(b"not a database at all, not one bit of it" * 30)
    with pytest.raises(DatabaseError, match="not a readable profile"):
        Database(path)


def test_a_file_with_a_damaged_schema(tmp_path: Path) -> None:
    path = tmp_path / "profile.db"
    database = Database(path)
    migrations = ["CREATE TABLE somewhere (v INTEGER PRIMARY KEY);"]
    database.migrate("test", migrations)
    database.close()
    content = path.read_bytes()
    for word in (b"somewhere", b"CREATE TABLE somewhere", b"schema_versions"):
        path.write_bytes(content.replace(word, b"\xdf" * len(word)))
        with pytest.raises((DatabaseError, sqlite.DatabaseError)):
            damaged = Database(path)
            try:
                damaged.migrate("test", migrations)
                damaged.execute("SELECT v FROM somewhere")
            finally:
                damaged.close()


@pytest.mark.parametrize("version", ["'x'", "NULL", "-3", "x'00'"])
def test_a_damaged_version_is_told(tmp_path: Path, version: str) -> None:
    path = tmp_path / "profile.db"
    with closing(sqlite3.connect(path)) as plain:
        plain.execute("CREATE TABLE schema_versions (floor TEXT PRIMARY KEY, version)")
        plain.execute(f"INSERT INTO schema_versions VALUES ('chat', {version})")
        plain.commit()
    with closing(Database(path)) as database, pytest.raises(DatabaseError, match="damaged"):
        database.migrate("chat", ["CREATE TABLE one (x)"])
