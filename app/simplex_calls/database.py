"""One SQLite file for a profile: transactions that several floors share, and schema migrations.

Every floor keeps its own tables and lists their migrations; all write through one connection, used from the event
loop's thread only. A transaction may be opened inside another: the inner one joins, the outermost commits. So a
received message can move the ratchet, enter the history and queue its answer in a single commit, and nothing leaves
the process before that commit (:meth:`Database.after_commit`).
"""

from __future__ import annotations

import logging
import os
import sqlite3
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from enum import Enum
from pathlib import Path
from typing import Any, Final

from simplex_calls.sqlcipher import (
    PAGE_SIZE,
    DatabaseError,
    DatabaseKey,
    WrongKey,
    connect,
    damaged_page,
    encrypt_file,
    is_encrypted,
    key_fits,
    os_reason,
    rewrite_file,
    sqlite,
)

__all__ = [
    "PLAIN",
    "Database",
    "DatabaseError",
    "DatabaseKey",
    "Plain",
    "Snapshot",
    "StorageFault",
    "WrongKey",
    "is_storage_failure",
    "sqlite",
    "storage_fault",
    "watch_points",
]

logger = logging.getLogger(__name__)

_PAGES_LOOKED_AT = 128
"""How much of a file is looked at when it is opened: 512 KiB, some milliseconds."""
_PAGES_IN_LOG = 1000
"""SQLite's own: so many, and they are brought into the file."""
_ERASE_DUE = 1
_ERASE_AT_ONCE = 16 << 20
"""Up to how many bytes a file is written anew while it is used: a quarter of a second."""


class Plain(Enum):
    """Instead of a key: the file is not encrypted, whoever can read it reads all."""

    PLAIN = "plain"


PLAIN: Final = Plain.PLAIN

_Watcher = Callable[[str], None]
_watchers: list[_Watcher] = []


@contextmanager
def watch_points(watcher: _Watcher) -> Iterator[None]:
    """Call ``watcher`` at every persistence point: before and after a commit, and after each action that waited for it.

    Tests count them, and end the process at one of them.
    """
    _watchers.append(watcher)
    try:
        yield
    finally:
        _watchers.remove(watcher)


def _point(name: str) -> None:
    for watcher in _watchers:
        watcher(name)


def is_storage_failure(error: BaseException) -> bool:
    """Whether the file cannot be read or written (a full disk, a damaged file), rather than a statement being wrong."""
    return any(
        isinstance(error, family.DatabaseError)
        and not isinstance(
            error, (family.IntegrityError, family.DataError, family.ProgrammingError, family.NotSupportedError)
        )
        for family in (sqlite, sqlite3)
    )


class StorageFault(Enum):
    """What keeps the file from being read or written."""

    DAMAGED = "damaged"
    FULL = "full"
    READ_ONLY = "read-only"
    OTHER = "other"


def storage_fault(error: BaseException) -> StorageFault:
    """Which fault an error for which :func:`is_storage_failure` holds tells of."""
    words = str(error)
    if any(sign in words for sign in ("malformed", "not a database", "damaged")):
        return StorageFault.DAMAGED
    if "full" in words:
        return StorageFault.FULL
    return StorageFault.READ_ONLY if "readonly" in words else StorageFault.OTHER


@dataclass(frozen=True, slots=True)
class Snapshot:
    """A file that does not change, and what opens it."""

    path: Path
    key: DatabaseKey | None


class Database:
    """A profile's SQLCipher database (``path`` ``None``: in memory; ``key`` ``None``: not encrypted).

    A plain file that is opened with a key is encrypted first. The file belongs to one process at a time: opening it
    waits ``busy_seconds`` for another to close it. Raises :class:`DatabaseError`; :class:`WrongKey` when the file is
    encrypted with another key.

    ``fault`` is what a quick look at the beginning of an encrypted file found, or a transaction since; damage elsewhere
    shows when it is read. ``on_fault`` is told when a transaction fails for it, the first time.
    """

    def __init__(self, path: Path | None = None, *, key: DatabaseKey | None = None, busy_seconds: float = 2.0) -> None:
        self._path = path
        self._key = key
        self._depth = 0
        self._failed = False
        self._after: list[Callable[[], None]] = []
        self._has_snapshot = False
        self.fault: StorageFault | None = None
        self.on_fault: Callable[[StorageFault], None] = lambda _: None
        try:
            if path is not None and key is not None:
                encrypt_file(path, key, busy_seconds=busy_seconds)
                self._look(path, key)
            self._connection = connect(path, key, busy_seconds=busy_seconds)
            if path is not None:
                self._connection.execute("PRAGMA locking_mode=EXCLUSIVE")
            # has an effect on a new file only
            self._connection.execute("PRAGMA auto_vacuum=INCREMENTAL")
            self._connection.execute("PRAGMA journal_mode=WAL")
            # FULL: what the peer may rely on must survive a power cut, not only a killed process
            self._connection.execute("PRAGMA synchronous=FULL")
            self._connection.execute("PRAGMA foreign_keys=ON")
            self._connection.execute("PRAGMA secure_delete=ON")
            with self.transaction():
                self.execute(
                    "CREATE TABLE IF NOT EXISTS schema_versions (floor TEXT PRIMARY KEY, version INTEGER NOT NULL)"
                )
        except (sqlite.DatabaseError, UnicodeDecodeError) as error:
            if hasattr(self, "_connection"):
                self._connection.close()
            raise self._explain(error, key) from None
        except OSError as error:
            raise DatabaseError(f"{path}: {os_reason(error)}") from None

    def _look(self, path: Path, key: DatabaseKey) -> None:
        """Look at the beginning of the file: where everything else is found, and all of a small profile."""
        log = path.with_name(path.name + "-wal")
        if not path.exists() or not is_encrypted(path) or (log.exists() and log.stat().st_size):
            # what is in the log is newer
            return
        number = damaged_page(path, key, limit=_PAGES_LOOKED_AT)
        if number is not None and number > 1:
            logger.critical("page %d of the profile is damaged", number)
            self.fault = StorageFault.DAMAGED

    def _explain(self, error: sqlite.DatabaseError | UnicodeDecodeError, key: DatabaseKey | None) -> DatabaseError:
        path = self._path
        if "locked" in str(error):
            return DatabaseError(f"{path} is in use: close the other window that uses this profile and try again")
        if "not a database" in str(error) and path is not None and is_encrypted(path):
            if key is None:
                return WrongKey(f"{path} is encrypted: open it with its key")
            if not key_fits(path, key):
                return WrongKey(
                    f"{path} is encrypted with another key, or damaged: use the one that belongs to it, or restore it"
                    " from a backup"
                )
        if "readonly" in str(error) or "unable to open" in str(error):
            return DatabaseError(
                f"{path} cannot be written: give yourself the right to write this file and its folder, or choose"
                " another folder"
            )
        if "full" in str(error) or "I/O" in str(error):
            return DatabaseError(f"{path}: the disk is full or fails ({error}): make room, check it, and try again")
        return DatabaseError(
            f"{path} is not a readable profile ({error}): restore it from a backup or choose another folder"
        )

    def migrate(self, floor: str, migrations: Sequence[str]) -> None:
        """Bring the tables of ``floor`` up to date: each text is a script, run once, in order, in a transaction.

        Raises :class:`DatabaseError` when the file was written by a newer version.
        """
        with self.transaction():
            row = self.execute("SELECT version FROM schema_versions WHERE floor = ?", (floor,)).fetchone()
            done = row["version"] if row else 0
            if not isinstance(done, int) or done < 0:
                raise DatabaseError(f"{self._path} is damaged")
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

    def execute(self, sql: str, parameters: Sequence[Any] | dict[str, Any] = ()) -> sqlite.Cursor:
        """Run one statement; rows come as :class:`sqlite.Row`."""
        try:
            return self._connection.execute(sql, parameters)
        except (UnicodeDecodeError, MemoryError):
            # SQLite quotes what it finds in a damaged schema; SQLCipher says of some damage that memory is short
            self._met(StorageFault.DAMAGED)
            raise sqlite.DatabaseError("the file is damaged") from None
        except sqlite.DatabaseError as error:
            fault = storage_fault(error)
            if fault is StorageFault.READ_ONLY and self._may_write():
                # SQLCipher writes no more once it has met a damaged page
                fault = StorageFault.DAMAGED
                error = sqlite.DatabaseError("the file is damaged")
            if fault is not StorageFault.OTHER:
                self._met(fault)
            raise error from None

    def _may_write(self) -> bool:
        return self._path is not None and os.access(self._path, os.W_OK) and os.access(self._path.parent, os.W_OK)

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
        self._depth, self._failed = 1, False
        try:
            self.execute("BEGIN IMMEDIATE")
            yield
            if self._failed:
                raise sqlite.IntegrityError("a part of this transaction failed")
            _point("commit")
            self.execute("COMMIT")
            if self.fault is not StorageFault.DAMAGED:
                self.fault = None
        except BaseException as error:
            self._after.clear()
            self._roll_back()
            if is_storage_failure(error):
                self._met(storage_fault(error))
            raise
        finally:
            self._depth = 0
        _point("committed")
        self._run_after()

    def _roll_back(self) -> None:
        if self._connection.in_transaction:
            try:
                self._connection.execute("ROLLBACK")
            except sqlite.DatabaseError as error:
                # what ended the transaction is what counts
                logger.critical("a transaction was not rolled back: %s", error)

    def _met(self, fault: StorageFault) -> None:
        is_new, self.fault = fault is not self.fault, fault
        if is_new:
            logger.critical("the profile cannot be read or written: %s", fault.value)
            self.on_fault(fault)

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
            except Exception as error:
                # what is committed stays so: neither the others nor the caller may suffer
                if is_storage_failure(error):
                    logger.critical("an action after a commit failed: %s", error)
                else:
                    logger.exception("an action after a commit failed")
            _point("action done")

    def erase(self, *, soon: bool = True) -> None:
        """Let nothing remain of what this transaction deletes: not in the file's free space, not in its log.

        SQLite overwrites what is deleted, but not copies that it left when it moved rows between pages; only writing
        the whole file anew does. ``soon``: right after the commit if the file is small; otherwise, and when that fails
        or the process is killed, when the database is closed.
        """
        if self._path is None:
            return
        self.execute(f"PRAGMA user_version={_ERASE_DUE}")
        if soon:
            self.after_commit(self._erase_now)

    def _erase_now(self) -> None:
        if self._has_snapshot or not self._is_erase_due() or self._depth:
            return
        try:
            if self.execute("PRAGMA page_count").fetchone()[0] * PAGE_SIZE <= _ERASE_AT_ONCE:
                self.execute("PRAGMA user_version=0")
                self.execute("VACUUM")
            else:
                self.execute("PRAGMA incremental_vacuum").fetchall()
            self.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()
        except sqlite.DatabaseError as error:
            # a full disk: what was deleted is deleted, its traces go later
            logger.warning("the profile was not written anew: %s", error)
            with suppress(sqlite.DatabaseError):
                self.execute(f"PRAGMA user_version={_ERASE_DUE}")

    def _is_erase_due(self) -> bool:
        return bool(self.execute("PRAGMA user_version").fetchone()[0] == _ERASE_DUE)

    @contextmanager
    def snapshot(self) -> Iterator[Snapshot]:
        """The file with all that is committed, which stays as it is meanwhile: what is written goes into the log.

        One at a time, and over before the database is closed. Another thread can read it
        (:func:`.sqlcipher.open_unchanging`). Raises ``sqlite.DatabaseError``.
        """
        if self._path is None or self._depth or self._has_snapshot:
            raise RuntimeError("a snapshot is of a file, outside of transactions, and alone")
        busy, in_log, moved = self.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()
        if busy or in_log != moved:
            raise sqlite.OperationalError("the write-ahead log is in use")
        self.execute("PRAGMA wal_autocheckpoint=0")
        self._has_snapshot = True
        try:
            yield Snapshot(self._path, self._key)
        finally:
            self._has_snapshot = False
            self.execute(f"PRAGMA wal_autocheckpoint={_PAGES_IN_LOG}")
            # what was deleted meanwhile
            self._erase_now()

    def close(self) -> None:
        """Close the file; the database cannot be used after this."""
        try:
            if self._path is not None and not self._connection.in_transaction and self._is_erase_due():
                rewrite_file(self._connection, self._path, self._key)
        except (sqlite.DatabaseError, OSError, MemoryError) as error:
            logger.warning("the profile was not written anew: %s", error)
        finally:
            self._connection.close()


def _statements(script: str) -> Iterator[str]:
    """Split a script into its statements (``executescript`` would commit the transaction)."""
    statement = ""
    for line in script.splitlines(keepends=True):
        statement += line
        if sqlite.complete_statement(statement):
            yield statement
            statement = ""
    if statement.strip():
        yield statement
