"""A whole profile in one file that a passphrase opens.

The file is a SQLCipher 4 database followed by 48 bytes: the name of the format, its version, the salt, and the length
of the database. The database's key is scrypt(passphrase, salt) with N = 2^17, r = 8, so every page is encrypted and
authenticated; nothing in it is compressed, so it is never larger inside than it is outside.
"""

from __future__ import annotations

import os
import shutil
import struct
from collections.abc import Mapping, Sequence
from contextlib import closing, suppress
from pathlib import Path

from simplex_calls import keys
from simplex_calls.background import Progress
from simplex_calls.crypto import Random
from simplex_calls.database import Database, DatabaseError, DatabaseKey, Snapshot, sqlite
from simplex_calls.keys import ProfileError, Protection, WrongPassphrase
from simplex_calls.sqlcipher import (
    PAGE_SIZE,
    check_integrity,
    connect,
    export_to,
    key_fits,
    open_unchanging,
    os_reason,
    row_counts,
    sync_folder,
)

VERSION = 1
MAXIMUM_LENGTH = 1 << 36
"""64 GiB: more than any profile; the disk's free space is the nearer limit."""
_MAGIC = b"simplex-calls archive "
_FOOTER = struct.Struct(f">{len(_MAGIC)}sH{keys.SALT_LENGTH}sQ")
_COST = 2**17
_SPARE = 64 << 20
_COPY_STEP = 1 << 20


class ArchiveError(ProfileError):
    """The archive cannot be written or used."""


def _nobody(_done: int, _total: int) -> None:
    """Wants to know how far it is."""


def export_archive(
    snapshot: Snapshot, target: Path, passphrase: str, *, progress: Progress = _nobody, random: Random = os.urandom
) -> None:
    """Write a profile; ``target`` appears when it is complete. Raises :class:`ProfileError`.

    ``progress`` is told of bytes; what it raises ends the work, and nothing is left of it. In any thread.
    """
    Protection.passphrase(passphrase)
    salt = random(keys.SALT_LENGTH)
    fresh = target.with_name(target.name + ".part")
    try:
        fresh.unlink(missing_ok=True)
        os.close(os.open(fresh, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600))
        total = snapshot.path.stat().st_size
        progress(0, total)
        key = DatabaseKey(keys.derive(passphrase, salt, _COST))
        with closing(open_unchanging(snapshot.path, snapshot.key)) as connection:
            export_to(connection, fresh, key, lambda done: progress(min(done, total), total))
        with fresh.open("ab") as file:
            file.write(_FOOTER.pack(_MAGIC, VERSION, salt, file.tell()))
            file.flush()
            os.fsync(file.fileno())
        progress(total, total)
        fresh.replace(target)
        sync_folder(target.parent)
    except OSError as error:
        _remove(fresh)
        raise ArchiveError("profiles.error.file", path=target, detail=os_reason(error)) from None
    except (sqlite.DatabaseError, MemoryError) as error:
        _remove(fresh)
        raise ArchiveError("profiles.error.database", detail=error) from None
    except BaseException:
        _remove(fresh)
        raise


def import_archive(
    source: Path,
    passphrase: str,
    target: Path,
    key: DatabaseKey,
    migrations: Mapping[str, Sequence[str]],
    *,
    progress: Progress = _nobody,
) -> str:
    """Write the archive's profile to a new file ``target``, encrypted with ``key``: the name that its contacts see.

    ``migrations`` are those of all floors: the tables must be the ones that they make. ``target`` is removed again when
    anything is wrong. ``progress`` is told of bytes; what it raises ends the work, and nothing is left of it. Raises
    :class:`ArchiveError`, :class:`WrongPassphrase`.
    """
    copy = target.with_name(target.name + ".archive")
    try:
        salt, length = _copy_body(source, copy, progress)
        archive_key = DatabaseKey(keys.derive(passphrase, salt, _COST))
        if not key_fits(copy, archive_key):
            raise WrongPassphrase
        with closing(connect(copy, archive_key)) as connection:
            _check(connection, migrations)
            counts = row_counts(connection)
            target.touch(mode=0o600, exist_ok=False)
            export_to(connection, target, key, lambda done: progress(length + min(done, length), 2 * length))
        with closing(connect(target, key)) as connection:
            check_integrity(connection)
            if row_counts(connection) != counts:
                raise ArchiveError("profiles.archive.damaged")
            return _name(connection)
    except OSError as error:
        _remove(target)
        raise ArchiveError("profiles.error.file", path=error.filename or source, detail=os_reason(error)) from None
    except (sqlite.Error, UnicodeDecodeError, DatabaseError):
        _remove(target)
        raise ArchiveError("profiles.archive.damaged") from None
    except BaseException:
        _remove(target)
        raise
    finally:
        _remove(copy)


def _copy_body(source: Path, copy: Path, progress: Progress) -> tuple[bytes, int]:
    """Copy the database out of an archive, which is the first half of the work: the salt of its key, its length."""
    with source.open("rb") as file:
        if not source.is_file():
            raise ArchiveError("profiles.archive.not-one")
        length = os.fstat(file.fileno()).st_size - _FOOTER.size
        if length < PAGE_SIZE:
            raise ArchiveError("profiles.archive.not-one")
        file.seek(length)
        magic, version, salt, noted = _FOOTER.unpack(file.read(_FOOTER.size))
        if magic != _MAGIC:
            raise ArchiveError("profiles.archive.not-one")
        if version != VERSION:
            raise ArchiveError("profiles.archive.newer")
        if noted != length or length % PAGE_SIZE:
            raise ArchiveError("profiles.archive.damaged")
        # the copy, and the profile that is made of it
        if length > MAXIMUM_LENGTH or shutil.disk_usage(copy.parent).free < 2 * length + _SPARE:
            raise ArchiveError("profiles.archive.too-large")
        file.seek(0)
        with os.fdopen(os.open(copy, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600), "wb") as out:
            left = length
            while left and (part := file.read(min(left, _COPY_STEP))):
                left -= out.write(part)
                progress(length - left, 2 * length)
        if left:
            raise ArchiveError("profiles.archive.damaged")
    return bytes(salt), length


def _check(connection: sqlite.Connection, migrations: Mapping[str, Sequence[str]]) -> None:
    """Whoever made the archive knew the passphrase, and may still have put anything into it."""
    connection.execute("PRAGMA trusted_schema=OFF")
    connection.execute("PRAGMA cell_size_check=ON")
    # before anything runs on these tables: they are ours to the letter, without triggers, views and functions
    found = _schema(connection)
    if not any(name == "schema_versions" for _, name, _ in found):
        raise ArchiveError("profiles.archive.damaged")
    versions = {row[0]: row[1] for row in connection.execute("SELECT floor, version FROM schema_versions LIMIT 100")}
    for floor, version in versions.items():
        if floor not in migrations or not isinstance(version, int) or version > len(migrations[floor]):
            raise ArchiveError("profiles.archive.newer")
        if version < 1:
            raise ArchiveError("profiles.archive.damaged")
    with closing(Database()) as ours:
        for floor in migrations:
            if floor in versions:
                ours.migrate(floor, migrations[floor][: versions[floor]])
        if _schema(ours) != found:
            raise ArchiveError("profiles.archive.damaged")
    check_integrity(connection)
    if connection.execute("PRAGMA foreign_key_check").fetchone() is not None:
        raise ArchiveError("profiles.archive.damaged")


def _schema(connection: sqlite.Connection | Database) -> set[tuple[str, str, str | None]]:
    rows = connection.execute("SELECT type, name, sql FROM sqlite_master LIMIT 10000")
    return {(row[0], row[1], row[2]) for row in rows}


def _name(connection: sqlite.Connection) -> str:
    with suppress(sqlite.OperationalError):
        row = connection.execute("SELECT display_name FROM profile").fetchone()
        if row is not None:
            return str(row[0])
    return ""


def _remove(path: Path) -> None:
    for suffix in ("", "-journal", "-wal", "-shm"):
        path.with_name(path.name + suffix).unlink(missing_ok=True)
