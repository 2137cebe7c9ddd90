"""SQLCipher under :mod:`simplex_calls.database`: keys, what a file is, and how a plain file becomes an encrypted one.

SQLCipher 4's file format (https://www.zetetic.net/sqlcipher/design/): pages of 4,096 bytes, each AES-256-CBC with its
own random IV and an HMAC-SHA512 over ciphertext, IV and page number; the first 16 bytes of the file are the salt.
"""

from __future__ import annotations

import errno
import hashlib
import hmac
import logging
import os
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import quote

if TYPE_CHECKING:
    # the same interface, and sqlcipher3 brings no types
    import sqlite3 as sqlite
else:
    from sqlcipher3 import dbapi2 as sqlite

__all__ = [
    "DatabaseError",
    "DatabaseKey",
    "WrongKey",
    "connect",
    "encrypt_file",
    "is_encrypted",
    "is_plain",
    "key_fits",
    "sqlite",
    "wipe",
]

logger = logging.getLogger(__name__)

KEY_LENGTH = 32
PAGE_SIZE = 4096
_SALT_LENGTH = 16
_IV_LENGTH = 16
_MAC_LENGTH = 64
_PLAIN_MAGIC = b"SQLite format 3\0"
_PAGES_TRIED = 256
_WIPE_STEP = 1 << 20
_STEPS_BETWEEN_LOOKS = 500
"""Of SQLite's virtual machine, which copies a row in three or four."""


class DatabaseError(Exception):
    """The database file cannot be used; the text says why and what to do."""


class WrongKey(DatabaseError):  # noqa: N818 - it is what the user has to hear
    """The file is not encrypted with this key."""


@dataclass(frozen=True, slots=True)
class DatabaseKey:
    """The key of a profile's file: 32 random bytes, used as they are."""

    raw: bytes = field(repr=False)

    def __post_init__(self) -> None:
        if len(self.raw) != KEY_LENGTH:
            raise ValueError(f"a database key has {KEY_LENGTH} bytes")

    @classmethod
    def generate(cls, random: Callable[[int], bytes] = os.urandom) -> DatabaseKey:
        """Make a key."""
        return cls(random(KEY_LENGTH))

    @property
    def literal(self) -> str:
        """The key as SQLCipher's statements take it."""
        return f"\"x'{self.raw.hex()}'\""


def connect(path: Path | None, key: DatabaseKey | None, *, busy_seconds: float = 2.0) -> sqlite.Connection:
    """Open a file (``None``: memory), plain without a key. It is not read yet; transactions are the caller's."""
    connection = sqlite.connect(path or ":memory:", isolation_level=None, timeout=busy_seconds)
    connection.row_factory = sqlite.Row
    # a wrong key is told by an exception; the library would write to standard error, too
    connection.execute("PRAGMA cipher_log_level = NONE").fetchall()
    if key is not None:
        connection.execute(f"PRAGMA key = {key.literal}")
    return connection


def open_unchanging(path: Path, key: DatabaseKey | None) -> sqlite.Connection:
    """Open a file that nobody changes meanwhile, without regard to locks and log: for another thread than the owner's.

    The locks of a connection of this process that has it open stay.
    """
    place = f"file:{quote(str(path.resolve()))}?immutable=1"
    connection = sqlite.connect(place, uri=True, isolation_level=None)
    connection.execute("PRAGMA cipher_log_level = NONE").fetchall()
    if key is not None:
        connection.execute(f"PRAGMA key = {key.literal}")
    return connection


def is_plain(path: Path) -> bool:
    """Whether a file is an SQLite database that anybody can read."""
    try:
        with path.open("rb") as file:
            return file.read(len(_PLAIN_MAGIC)) == _PLAIN_MAGIC
    except FileNotFoundError:
        return False


def is_encrypted(path: Path) -> bool:
    """Whether a file looks like one of SQLCipher's: whole pages without a readable beginning."""
    size = path.stat().st_size
    return size > 0 and size % PAGE_SIZE == 0 and not is_plain(path)


def key_fits(path: Path, key: DatabaseKey) -> bool:
    """Whether a page of the file is authentic under the key: then it is the right one, whatever else is damaged."""
    return any(is_authentic for is_authentic, _ in _judged_pages(path, key, _PAGES_TRIED))


def damaged_page(path: Path, key: DatabaseKey, *, limit: int) -> int | None:
    """The number of the first of the file's ``limit`` first pages that is damaged, from 1.

    Not for a file that is open in this process: SQLite's locks on it would be gone.
    """
    for number, (is_authentic, page) in enumerate(_judged_pages(path, key, limit), start=1):
        # pages that were never written are taken as they are by SQLCipher, too
        if not is_authentic and page.strip(b"\0"):
            return number
    return None


def _judged_pages(path: Path, key: DatabaseKey, limit: int) -> Iterator[tuple[bool, bytes]]:
    """The file's first pages, each with whether it is authentic under the key."""
    with path.open("rb") as file:
        salt = file.read(_SALT_LENGTH)
        if len(salt) < _SALT_LENGTH:
            return
        mac_key = hashlib.pbkdf2_hmac("sha512", key.raw, bytes(byte ^ 0x3A for byte in salt), 2, KEY_LENGTH)
        file.seek(0)
        for number in range(1, limit + 1):
            page = file.read(PAGE_SIZE)
            if len(page) < PAGE_SIZE:
                return
            content = page[_SALT_LENGTH if number == 1 else 0 : -_MAC_LENGTH]
            mac = hmac.digest(mac_key, content + number.to_bytes(4, "little"), "sha512")
            yield hmac.compare_digest(mac, page[-_MAC_LENGTH:]), page


def os_reason(error: OSError) -> str:
    """Why a file or folder cannot be used, and what to do."""
    match error.errno:
        case errno.EACCES | errno.EPERM:
            return "it belongs to another user or is protected: give yourself the right to change it, or choose another"
        case errno.EROFS:
            return "it is on a disk that cannot be written: choose another folder"
        case errno.ENOSPC | errno.EDQUOT | errno.EFBIG:
            return "the disk is full: make room and try again"
    return error.strerror or str(error)


def wipe(path: Path) -> None:
    """Overwrite a file with zeros and remove it. Disks and file systems that write elsewhere may keep the old bytes."""
    with suppress(FileNotFoundError):
        overwrite(path)
        path.unlink()


def overwrite(path: Path) -> None:
    """Overwrite a file with zeros, on the disk."""
    with path.open("r+b", buffering=0) as file:
        left = os.fstat(file.fileno()).st_size
        while left > 0:
            left -= file.write(b"\0" * min(left, _WIPE_STEP))
        os.fsync(file.fileno())


def encrypt_file(path: Path, key: DatabaseKey, *, busy_seconds: float = 2.0) -> None:
    """Turn a plain file into one that is encrypted with ``key``; any other is left as it is.

    Killed at any line, it leaves a whole file in place, plain or encrypted, and the next call goes on. The encrypted
    copy is made beside the plain file, checked, and renamed over it; then the plain one, which keeps a second name
    until that is done, is overwritten. Raises ``sqlite.DatabaseError``.
    """
    old = path.with_name(path.name + ".plain")
    fresh = _no_copy(path)
    if not is_plain(path):
        # the rename is done
        wipe(old)
        return
    old.unlink(missing_ok=True)
    with closing(connect(path, None, busy_seconds=busy_seconds)) as plain:
        plain.execute("PRAGMA locking_mode=EXCLUSIVE")
        leave_log(plain, path)
        _copy(plain, fresh, key)
        old.hardlink_to(path)
        sync_folder(path.parent)
        fresh.replace(path)
        sync_folder(path.parent)
    wipe(old)
    logger.info("the profile is encrypted now")


def rewrite_file(connection: sqlite.Connection, path: Path, key: DatabaseKey | None) -> None:
    """Write an open file anew, without what was deleted from it; the connection can only be closed after this.

    Killed at any line, it leaves a whole file. Raises ``sqlite.DatabaseError`` and ``OSError``; then it is as before.
    """
    fresh = _no_copy(path)
    try:
        _copy(connection, fresh, key)
        # the log's content goes into the old file, so that nothing of it is left beside the new one
        if connection.execute("PRAGMA journal_mode=DELETE").fetchone()[0] != "delete":
            raise sqlite.DatabaseError("the write-ahead log is still needed")
    except BaseException:
        _no_copy(path)
        raise
    fresh.replace(path)
    sync_folder(path.parent)


def _no_copy(path: Path) -> Path:
    """Where a fresh copy of a file is made; a former one that was not completed is removed."""
    fresh = path.with_name(path.name + ".copy")
    for suffix in ("", "-journal", "-wal", "-shm"):
        fresh.with_name(fresh.name + suffix).unlink(missing_ok=True)
    return fresh


def _copy(connection: sqlite.Connection, fresh: Path, key: DatabaseKey | None) -> None:
    """Make a copy, read it back whole, and compare."""
    fresh.touch(mode=0o600)
    export_to(connection, fresh, key)
    with closing(connect(fresh, key)) as copy:
        check_integrity(copy)
        if row_counts(copy) != row_counts(connection):
            raise sqlite.DatabaseError("the copy is not complete")


def export_to(
    connection: sqlite.Connection, path: Path, key: DatabaseKey | None, progress: Callable[[int], None] | None = None
) -> None:
    """Copy a whole database into an empty file, encrypted with ``key``. Raises ``sqlite.DatabaseError``.

    ``progress`` is told how many bytes the new file has, many times a second; what it raises ends the work.
    """
    literal = "''" if key is None else key.literal
    connection.execute(f"ATTACH DATABASE ? AS encrypted KEY {literal}", (str(path),))
    try:
        connection.execute("PRAGMA encrypted.auto_vacuum=INCREMENTAL")
        connection.execute("PRAGMA encrypted.synchronous=FULL")
        with _followed(connection, path, progress):
            connection.execute("SELECT sqlcipher_export('encrypted')").fetchall()
    finally:
        connection.execute("DETACH DATABASE encrypted")


@contextmanager
def _followed(connection: sqlite.Connection, path: Path, progress: Callable[[int], None] | None) -> Iterator[None]:
    if progress is None:
        yield
        return
    raised: list[BaseException] = []

    def look() -> int:
        try:
            progress(path.stat().st_size)
        except BaseException as error:  # noqa: BLE001 - SQLite would only say that it was interrupted
            raised.append(error)
        return len(raised)

    connection.set_progress_handler(look, _STEPS_BETWEEN_LOOKS)
    try:
        yield
    except sqlite.OperationalError:
        if raised:
            raise raised[0] from None
        raise
    finally:
        connection.set_progress_handler(None, 0)


def leave_log(plain: sqlite.Connection, path: Path) -> None:
    """Bring a write-ahead log's content into the file, and overwrite the log: it holds texts and keys, too.

    The connection is in exclusive locking mode.
    """
    plain.execute("BEGIN IMMEDIATE")
    plain.execute("COMMIT")
    busy, in_log, moved = plain.execute("PRAGMA wal_checkpoint(FULL)").fetchone()
    log = path.with_name(path.name + "-wal")
    if busy or in_log != moved:
        raise sqlite.DatabaseError("the write-ahead log cannot be read")
    if log.exists():
        overwrite(log)
    plain.execute("PRAGMA journal_mode=DELETE")


def check_integrity(connection: sqlite.Connection) -> None:
    """Read the whole file; raises ``sqlite.DatabaseError`` when a page or the structure is damaged."""
    damaged = connection.execute("PRAGMA cipher_integrity_check").fetchone()
    verdict = connection.execute("PRAGMA quick_check(1)").fetchone()
    if damaged is not None or verdict is None or verdict[0] != "ok":
        raise sqlite.DatabaseError("the file is damaged")


def row_counts(connection: sqlite.Connection) -> dict[str, int]:
    """How many rows each table has."""
    names = [row[0] for row in connection.execute("SELECT name FROM sqlite_master WHERE type = 'table' ORDER BY name")]
    return {name: connection.execute(f'SELECT count(*) FROM "{quoted(name)}"').fetchone()[0] for name in names}  # noqa: S608


def quoted(name: str) -> str:
    """A name as it stands between double quotes in a statement."""
    return name.replace('"', '""')


def sync_folder(folder: Path) -> None:
    """Make renames in a folder survive a power cut."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
