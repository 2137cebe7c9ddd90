"""The relay's queues and messages in SQLite, written in groups.

Changes are collected in memory (:meth:`Store.add_message` and the others), taken as one group (:meth:`Store.take`) and
written in one transaction (:meth:`Store.write`, the only part that waits for the disk; it may run in another thread).
What was added but not yet written can already be read; a message that is deleted before it was taken never reaches the
disk.

Of a message only its number, id and time stay in memory for long; the bodies of the newest are kept, older ones are
read when they are delivered.
"""

from __future__ import annotations

import contextlib
import os
import sqlite3
import threading
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

from simplex_calls.crypto import BoxKey, CryptoError, decode_public_key
from simplex_calls.relay.records import Notifier, Queue, StoredMessage
from simplex_calls.smp.commands import LinkData, QueueMode

_SCHEMA_VERSION = 2
_SCHEMA_1 = (
    """CREATE TABLE queues (
         number INTEGER PRIMARY KEY,
         recipient_id BLOB NOT NULL,
         sender_id BLOB NOT NULL,
         recipient_key BLOB NOT NULL,
         box_key BLOB NOT NULL,
         sender_can_secure INTEGER NOT NULL,
         sender_key BLOB,
         suspended_at INTEGER
       )""",
    # a column of a long row is quick to read only if it comes before the body
    """CREATE TABLE messages (
         number INTEGER PRIMARY KEY,
         queue INTEGER NOT NULL,
         message_id BLOB NOT NULL,
         time INTEGER NOT NULL,
         is_quota INTEGER NOT NULL,
         notify INTEGER NOT NULL,
         body BLOB NOT NULL
       )""",
)
_SCHEMA_2 = (
    # 'M' messaging, 'C' contact, NULL: of a client that did not say. Version 1 knew from all of them.
    "ALTER TABLE queues ADD COLUMN mode TEXT",
    "UPDATE queues SET mode = CASE sender_can_secure WHEN 1 THEN 'M' ELSE 'C' END",
    "ALTER TABLE queues DROP COLUMN sender_can_secure",
    "ALTER TABLE queues ADD COLUMN link_id BLOB",
    "ALTER TABLE queues ADD COLUMN notifier_id BLOB",
    "ALTER TABLE queues ADD COLUMN notifier_key BLOB",
    "ALTER TABLE queues ADD COLUMN notifier_box BLOB",
    "CREATE TABLE links (queue INTEGER PRIMARY KEY, fixed BLOB NOT NULL, user BLOB NOT NULL)",
)
_UPGRADES = (_SCHEMA_1, _SCHEMA_2)
_RESERVE = 12 << 20
"""Bytes that are kept for ACK and DEL on a full disk."""
_ROOM = 8 << 20
"""What must be left beside the reserve, so that a disk is not full again at once."""
_KEPT_BODIES = 8 << 20
"""Bytes of the newest messages' bodies that are kept in memory."""
_CHECKPOINT_PAGES = 500  # of 8 kB: what the log takes on the disk, the reserve must hold once more


class StoreError(Exception):
    """The relay's database cannot be read or written; the text says why and what to do."""


class DiskFullError(StoreError):
    """There is no room to write; see :meth:`Store.use_reserve`."""


_QueueRow = tuple[
    int, bytes, bytes, bytes, bytes, bytes | None, int | None,
    str | None, bytes | None, bytes | None, bytes | None, bytes | None,
]  # fmt: skip
_LoadedRow = tuple[
    int, bytes, bytes, bytes, bytes, bytes | None, int | None,
    str | None, bytes | None, bytes | None, bytes | None, bytes | None, int,
]  # fmt: skip
_SELECT = """SELECT number, recipient_id, sender_id, recipient_key, box_key, sender_key, suspended_at,
    mode, link_id, notifier_id, notifier_key, notifier_box,
    COALESCE((SELECT length(fixed) + length(user) FROM links WHERE queue = number), 0) FROM queues"""
_SELECT_ONE = _SELECT + " WHERE number = ?"
_PUT = """INSERT OR REPLACE INTO queues (number, recipient_id, sender_id, recipient_key, box_key, sender_key,
    suspended_at, mode, link_id, notifier_id, notifier_key, notifier_box) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)"""
_MessageRow = tuple[int, int, bytes, int, int, int, bytes]


@dataclass(slots=True)
class Changes:
    """A group of changes for one transaction."""

    queues: dict[int, _QueueRow] = field(default_factory=dict, repr=False)
    deleted_queues: list[int] = field(default_factory=list)
    messages: dict[int, _MessageRow] = field(default_factory=dict, repr=False)
    deleted_messages: list[int] = field(default_factory=list)
    links: dict[int, LinkData | None] = field(default_factory=dict, repr=False)
    """Of queues, by their numbers; None: deleted."""

    def __bool__(self) -> bool:
        return bool(self.queues or self.deleted_queues or self.messages or self.deleted_messages or self.links)


class Store:
    """The database file ``path`` (``None``: in memory). It belongs to one process at a time.

    Raises :class:`StoreError`.
    """

    def __init__(self, path: Path | None = None, *, busy_seconds: float = 2.0) -> None:
        self._path = path
        self._reserve = None if path is None else path.with_suffix(".reserve")
        self._changes = Changes()
        self._taken: Changes | None = None
        """The group that is being written."""
        self._bodies: dict[int, tuple[bool, bytes]] = {}
        """Flags and bodies of the newest messages, by their numbers, the oldest first."""
        self._bodies_size = 0
        self._lock = threading.Lock()
        """Held by whoever uses the database's connection."""
        try:
            if path is not None:
                path.touch(mode=0o600)
        except OSError as error:
            raise StoreError(f"{path} cannot be written: {error.strerror}") from None
        try:
            # autocommit, and any thread: `write` opens the transactions and may run in a worker thread
            self._connection = sqlite3.connect(
                path or ":memory:", isolation_level=None, timeout=busy_seconds, check_same_thread=False
            )
        except sqlite3.Error as error:
            raise self._explain(error) from None
        try:
            self._prepare()
        except sqlite3.Error as error:
            self._connection.close()
            raise self._explain(error) from None
        except StoreError:
            self._connection.close()
            raise

    def _prepare(self) -> None:
        execute = self._connection.execute
        if self._path is not None:
            execute("PRAGMA locking_mode=EXCLUSIVE")
        execute("PRAGMA page_size=8192")  # of a new file: a message is two or three pages
        execute("PRAGMA auto_vacuum=INCREMENTAL")
        execute("PRAGMA journal_mode=WAL")
        # an OK to SEND promises that the message survives a power cut
        execute("PRAGMA synchronous=FULL")
        # a deleted message is gone, not only forgotten
        execute("PRAGMA secure_delete=ON")
        execute("BEGIN IMMEDIATE")
        version = execute("PRAGMA user_version").fetchone()[0]
        if version > _SCHEMA_VERSION:
            raise StoreError(f"{self._path} was written by a newer version: update simplex-calls")
        for upgrade in _UPGRADES[version:]:
            for statement in upgrade:
                execute(statement)
        execute(f"PRAGMA user_version={_SCHEMA_VERSION:d}")
        execute("COMMIT")
        execute(f"PRAGMA wal_autocheckpoint={_CHECKPOINT_PAGES:d}")

    def _explain(self, error: sqlite3.Error) -> StoreError:
        text = str(error)
        if "locked" in text:
            return StoreError(f"{self._path} is in use: another relay runs on this folder")
        if "unable to open" in text or "readonly" in text:
            return StoreError(f"{self._path} cannot be written: check the folder's permissions")
        if "full" in text:
            return DiskFullError(f"{self._path} cannot grow: the disk is full")
        return StoreError(f"{self._path} cannot be used ({text}): restore it from a backup or choose another folder")

    def load(self, numbers: Iterable[int] | None = None) -> Iterator[Queue]:
        """All queues as they are on disk, or those of ``numbers`` that exist."""
        try:
            if numbers is None:
                queues = {queue.number: queue for queue in map(_queue, self._connection.execute(_SELECT))}
                rows = self._connection.execute(
                    "SELECT queue, number, message_id, time, is_quota FROM messages ORDER BY number"
                )
                for number, *message in rows:
                    if number in queues:
                        queues[number].messages.append(_message(*message))
                yield from queues.values()
                return
            for number in numbers:
                row = self._connection.execute(_SELECT_ONE, (number,)).fetchone()
                if row is not None:
                    queue = _queue(row)
                    messages = self._connection.execute(
                        "SELECT number, message_id, time, is_quota FROM messages WHERE queue = ? ORDER BY number",
                        (number,),
                    )
                    queue.messages.extend(_message(*message) for message in messages)
                    yield queue
        except (sqlite3.Error, CryptoError) as error:
            raise StoreError(
                f"{self._path} is damaged ({error}): restore it from a backup or choose another folder"
            ) from None

    def next_message_number(self) -> int:
        """One more than the highest number on disk."""
        row = self._connection.execute("SELECT COALESCE(MAX(number), 0) + 1 FROM messages").fetchone()
        return int(row[0])

    def put_queue(self, queue: Queue) -> None:
        """Add ``queue`` or store its new state (not its messages)."""
        self._changes.queues[queue.number] = (
            queue.number,
            queue.recipient_id,
            queue.sender_id,
            queue.recipient_key.der,
            queue.box.raw,
            queue.sender_key.der if queue.sender_key else None,
            queue.suspended_at,
            queue.mode.value if queue.mode else None,
            queue.link_id,
            *(
                (queue.notifier.notifier_id, queue.notifier.key.der, queue.notifier.box.raw)
                if queue.notifier
                else (None, None, None)
            ),
        )

    def put_link(self, queue: Queue, data: LinkData | None) -> None:
        """Store the data of ``queue``'s short link; None: delete it."""
        self._changes.links[queue.number] = data

    def link(self, queue: Queue) -> LinkData | None:
        """The data of ``queue``'s short link; raises :class:`StoreError`."""
        for changes in (self._changes, self._taken):
            if changes is not None and queue.number in changes.links:
                return changes.links[queue.number]
        try:
            with self._lock:
                row = self._connection.execute(
                    "SELECT fixed, user FROM links WHERE queue = ?", (queue.number,)
                ).fetchone()
        except sqlite3.Error as error:
            raise self._explain(error) from None
        return None if row is None else LinkData(*row)

    def delete_queue(self, queue: Queue) -> None:
        """Delete ``queue`` and its messages."""
        for message in queue.messages:
            self.delete_message(message)
        self._changes.queues.pop(queue.number, None)
        self._changes.deleted_queues.append(queue.number)
        if queue.link_id is not None:
            self._changes.links[queue.number] = None

    def add_message(self, queue: Queue, message: StoredMessage, *, notify: bool, body: bytes) -> None:
        """Store ``message`` of ``queue`` with its ``notify`` flag and ``body``."""
        self._changes.messages[message.number] = (
            message.number,
            queue.number,
            message.message_id,
            message.time,
            message.is_quota,
            notify,
            body,
        )

        self._bodies[message.number] = (notify, body)
        self._bodies_size += len(body)
        while self._bodies_size > _KEPT_BODIES:
            self._forget_body(next(iter(self._bodies)))

    def delete_message(self, message: StoredMessage) -> None:
        """Delete ``message``."""
        self._forget_body(message.number)
        if self._changes.messages.pop(message.number, None) is None:
            self._changes.deleted_messages.append(message.number)

    def content(self, message: StoredMessage) -> tuple[bool, bytes]:
        """The notification flag and the body of ``message``; raises :class:`StoreError`."""
        kept = self._bodies.get(message.number)
        if kept is not None:
            return kept
        for changes in (self._changes, self._taken):
            row = None if changes is None else changes.messages.get(message.number)
            if row is not None:
                return bool(row[5]), row[6]
        try:
            with self._lock:
                stored = self._connection.execute(
                    "SELECT notify, body FROM messages WHERE number = ?", (message.number,)
                ).fetchone()
        except sqlite3.Error as error:
            raise self._explain(error) from None
        if stored is None:
            raise StoreError(f"{self._path} lacks a message that it should have")
        return bool(stored[0]), stored[1]

    def _forget_body(self, number: int) -> None:
        kept = self._bodies.pop(number, None)
        if kept is not None:
            self._bodies_size -= len(kept[1])

    @property
    def has_changes(self) -> bool:
        """Whether there were changes since the last :meth:`take`."""
        return bool(self._changes)

    def take(self) -> Changes:
        """The changes since the last call, as one group for :meth:`write`; the group before must be written."""
        self._taken, self._changes = self._changes, Changes()
        return self._taken

    def discard(self) -> None:
        """Forget all changes that are not written."""
        self._taken, self._changes = None, Changes()
        self._bodies.clear()
        self._bodies_size = 0

    def write(self, changes: Changes) -> None:
        """Write a group in one transaction; when this returns, it is on the disk.

        Raises :class:`StoreError`: then nothing of it is stored.
        """
        if not changes:
            return
        try:
            with self._lock:
                self._write(changes)
        except sqlite3.Error as error:
            raise self._explain(error) from None
        if self._taken is changes:
            self._taken = None

    def _write(self, changes: Changes) -> None:
        connection = self._connection
        connection.execute("BEGIN IMMEDIATE")
        try:
            connection.executemany(_PUT, changes.queues.values())
            for number, link in changes.links.items():
                if link is None:
                    connection.execute("DELETE FROM links WHERE queue = ?", (number,))
                else:
                    connection.execute("INSERT OR REPLACE INTO links VALUES (?, ?, ?)", (number, link.fixed, link.user))
            connection.executemany("INSERT INTO messages VALUES (?, ?, ?, ?, ?, ?, ?)", changes.messages.values())
            connection.executemany(
                "DELETE FROM messages WHERE number = ?", ((number,) for number in changes.deleted_messages)
            )
            connection.executemany(
                "DELETE FROM queues WHERE number = ?", ((number,) for number in changes.deleted_queues)
            )
            connection.execute("COMMIT")
        except BaseException:
            if connection.in_transaction:
                connection.execute("ROLLBACK")
            raise

    def shrink(self) -> None:
        """Give space that deleted messages left back to the file system."""
        try:
            # a script, because `execute` stops after the first page
            with self._lock:
                self._connection.executescript("PRAGMA incremental_vacuum; PRAGMA wal_checkpoint(TRUNCATE)")
        except sqlite3.Error as error:
            raise self._explain(error) from None

    # a disk that is full

    def keep_reserve(self) -> bool:
        """Keep some room on the disk for :meth:`use_reserve`; False if there is not enough of it."""
        reserve = self._reserve
        if reserve is None or (reserve.exists() and reserve.stat().st_size == _RESERVE):
            return True
        try:
            disk = os.statvfs(reserve.parent)
            if disk.f_bavail * disk.f_frsize < _RESERVE + _ROOM:
                return False
            descriptor = os.open(reserve, os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC, 0o600)
            try:
                os.posix_fallocate(descriptor, 0, _RESERVE)
            finally:
                os.close(descriptor)
        except OSError:
            self.use_reserve()
            return False
        return True

    def use_reserve(self) -> None:
        """Give the reserve back to the disk, so that what makes room (ACK, DEL) can still be written."""
        if self._reserve is not None:
            with contextlib.suppress(OSError):
                self._reserve.unlink(missing_ok=True)

    def close(self) -> None:
        """Close the file; the store cannot be used after this."""
        self._connection.close()


def _queue(row: _LoadedRow) -> Queue:
    (
        number, recipient_id, sender_id, recipient_key, box_key, sender_key, suspended_at,
        mode, link_id, notifier_id, notifier_key, notifier_box, link_size,
    ) = row  # fmt: skip
    notifier = None
    if notifier_id is not None and notifier_key is not None and notifier_box is not None:
        notifier = Notifier(notifier_id, decode_public_key(notifier_key), BoxKey(notifier_box))
    return Queue(
        number=number,
        recipient_id=recipient_id,
        sender_id=sender_id,
        recipient_key=decode_public_key(recipient_key),
        box=BoxKey(box_key),
        mode=None if mode is None else QueueMode(mode),
        sender_key=decode_public_key(sender_key) if sender_key is not None else None,
        suspended_at=suspended_at,
        link_id=link_id,
        link_size=link_size,
        notifier=notifier,
    )


def _message(number: int, message_id: bytes, time: int, is_quota: int) -> StoredMessage:
    return StoredMessage(number, message_id, time, is_quota=bool(is_quota))
