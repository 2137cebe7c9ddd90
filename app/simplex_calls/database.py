"""One SQLite file for a profile: transactions that several floors share, and schema migrations.

Every floor keeps its own tables and lists their migrations; all write through one connection, used from the event
loop's thread only. A transaction may be opened inside another: the inner one joins, the outermost commits. So a
received message can move the ratchet, enter the history and queue its answer in a single commit, and nothing leaves
the process before that commit (:meth:`Database.after_commit`).
"""

from __future__ import annotations

import logging
import sqlite3
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

logger = logging.getLogger(__name__)


class DatabaseError(Exception):
    """The database file cannot be used; the text says why and what to do."""


def is_storage_failure(error: BaseException) -> bool:
    """Whether the file cannot be read or written (a full disk, a damaged file), rather than a statement being wrong."""
    mistakes = (sqlite3.IntegrityError, sqlite3.DataError, sqlite3.ProgrammingError, sqlite3.NotSupportedError)
    return isinstance(error, sqlite3.DatabaseError) and not isinstance(error, mistakes)


class Database:
    """A profile's SQLite database (``path`` ``None``: in memory).

    The file belongs to one process at a time: opening it waits ``busy_seconds`` for another to close it.
    Raises :class:`DatabaseError`.
    """

    def __init__(self, path: Path | None = None, *, busy_seconds: float = 2.0) -> None:
        self._path = path
        self._depth = 0
        self._failed = False
        self._after: list[Callable[[], None]] = []
        try:
            # autocommit: this class alone says when a transaction begins and ends
            self._connection = sqlite3.connect(path or ":memory:", isolation_level=None, timeout=busy_seconds)
            self._connection.row_factory = sqlite3.Row
            if path is not None:
                self._connection.execute("PRAGMA locking_mode=EXCLUSIVE")
            self._connection.execute("PRAGMA journal_mode=WAL")
            # FULL: what the peer may rely on must survive a power cut, not only a killed process
            self._connection.execute("PRAGMA synchronous=FULL")
            self._connection.execute("PRAGMA foreign_keys=ON")
            self._connection.execute("PRAGMA secure_delete=ON")
            with self.transaction():
                self.execute(
                    "CREATE TABLE IF NOT EXISTS schema_versions (floor TEXT PRIMARY KEY, version INTEGER NOT NULL)"
                )
        except (sqlite3.DatabaseError, UnicodeDecodeError) as error:
            raise DatabaseError(self._explain(error)) from None

    def _explain(self, error: sqlite3.DatabaseError | UnicodeDecodeError) -> str:
        if "locked" in str(error):
            return f"{self._path} is in use: close the other window that uses this profile and try again"
        return f"{self._path} is not a readable profile ({error}): restore it from a backup or choose another folder"

    def migrate(self, floor: str, migrations: Sequence[str]) -> None:
        """Bring the tables of ``floor`` up to date: each text is a script, run once, in order, in a transaction.

        Raises :class:`DatabaseError` when the file was written by a newer version.
        """
        with self.transaction():
            row = self.execute("SELECT version FROM schema_versions WHERE floor = ?", (floor,)).fetchone()
            done = row["version"] if row else 0
            if done > len(migrations):
                raise DatabaseError(f"{self._path} was written by a newer version: update simplex-calls")
            for script in migrations[done:]:
                for statement in _statements(script):
                    self.execute(statement)
            self.execute(
                "INSERT INTO schema_versions VALUES (?, ?)"
                " ON CONFLICT (floor) DO UPDATE SET version = excluded.version",
                (floor, len(migrations)),
            )

    def execute(self, sql: str, parameters: Sequence[Any] | dict[str, Any] = ()) -> sqlite3.Cursor:
        """Run one statement; rows come as :class:`sqlite3.Row`."""
        try:
            return self._connection.execute(sql, parameters)
        except UnicodeDecodeError:
            # SQLite quotes what it finds in a damaged schema
            raise sqlite3.DatabaseError("the file is damaged") from None

    @contextmanager
    def transaction(self) -> Iterator[None]:
        """Commit all that is done inside, or nothing of it.

        Inside another transaction it joins that one; if the inner part fails, the whole is rolled back, even when
        its error is caught in between.
        """
        if self._depth:
            self._depth += 1
            try:
                yield
            except BaseException:
                self._failed = True
                raise
            finally:
                self._depth -= 1
            return
        self._connection.execute("BEGIN IMMEDIATE")
        self._depth, self._failed = 1, False
        try:
            yield
            if self._failed:
                raise sqlite3.IntegrityError("a part of this transaction failed")
            self._connection.execute("COMMIT")
        except BaseException:
            self._after.clear()
            if self._connection.in_transaction:
                self._connection.execute("ROLLBACK")
            raise
        finally:
            self._depth = 0
        self._run_after()

    @contextmanager
    def savepoint(self) -> Iterator[None]:
        """A part of a transaction that may fail alone: its error is raised, and if caught the rest still commits."""
        if not self._depth:
            raise RuntimeError("a savepoint needs a transaction")
        mark, failed = len(self._after), self._failed
        self.execute("SAVEPOINT part")
        try:
            yield
        except BaseException:
            self.execute("ROLLBACK TO part")
            self.execute("RELEASE part")
            del self._after[mark:]
            self._failed = failed
            raise
        self.execute("RELEASE part")

    def after_commit(self, action: Callable[[], None]) -> None:
        """Run ``action`` once the outermost transaction is committed (dropped if it fails); at once outside of one."""
        if self._depth:
            self._after.append(action)
        else:
            action()

    def _run_after(self) -> None:
        while self._after:
            action = self._after.pop(0)
            try:
                action()
            except Exception:
                # what is committed stays so: neither the others nor the caller may suffer
                logger.exception("an action after a commit failed")

    def close(self) -> None:
        """Close the file; the database cannot be used after this."""
        self._connection.close()


def _statements(script: str) -> Iterator[str]:
    """Split a script into its statements (``executescript`` would commit the transaction)."""
    statement = ""
    for line in script.splitlines(keepends=True):
        statement += line
        if sqlite3.complete_statement(statement):
            yield statement
            statement = ""
    if statement.strip():
        yield statement
