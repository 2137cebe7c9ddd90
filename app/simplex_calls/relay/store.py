"""The relay's queues and messages in SQLite, written in groups.

Changes are collected in memory (:meth:`Store.add_message` and the others), taken as one group (:meth:`Store.take`) and
written in one transaction (:meth:`Store.write`, the only part that waits for the disk; it may run in another thread
while nothing else uses the store). What was added but not yet written can already be read; a message that is deleted
before it was written never reaches the disk.

Of a message only its number, id and time stay in memory; bodies are read when they are delivered.
"""

from __future__ import annotations

import sqlite3
from collections import deque
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

from simplex_calls.crypto import BoxKey, CryptoError, PublicKey, decode_public_key

_SCHEMA_VERSION = 1
_SCHEMA = (
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


class StoreError(Exception):
    """The relay's database cannot be read or written; the text says why and what to do."""


@dataclass(frozen=True, slots=True)
class StoredMessage:
    """A message in a queue, without its body. ``number`` orders all messages of the relay."""

    number: int
    message_id: bytes = field(repr=False)
    time: int
    """When the relay accepted it, seconds since 1970."""
    is_quota: bool = False
    """The marker that tells the recipient that the queue was full; it has no body."""


@dataclass(slots=True, eq=False)
class Queue:
    """A queue as the relay keeps it in memory; its messages in the order of their arrival."""

    number: int
    recipient_id: bytes = field(repr=False)
    sender_id: bytes = field(repr=False)
    recipient_key: PublicKey = field(repr=False)
    box: BoxKey = field(repr=False)
    sender_can_secure: bool
    sender_key: PublicKey | None = field(default=None, repr=False)
    suspended_at: int | None = None
    messages: deque[StoredMessage] = field(default_factory=deque, repr=False)


_QueueRow = tuple[int, bytes, bytes, bytes, bytes, int, bytes | None, int | None]
_MessageRow = tuple[int, int, bytes, int, int, int, bytes]


@dataclass(slots=True)
class Changes:
    """A group of changes for one transaction."""

    queues: dict[int, _QueueRow] = field(default_factory=dict, repr=False)
    deleted_queues: list[int] = field(default_factory=list)
    messages: dict[int, _MessageRow] = field(default_factory=dict, repr=False)
    deleted_messages: list[int] = field(default_factory=list)

    def __bool__(self) -> bool:
        return bool(self.queues or self.deleted_queues or self.messages or self.deleted_messages)


class Store:
    """The database file ``path`` (``None``: in memory). It belongs to one process at a time.

    Raises :class:`StoreError`.
    """

    def __init__(self, path: Path | None = None, *, busy_seconds: float = 2.0) -> None:
        self._path = path
        self._changes = Changes()
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
        if version == 0:
            for statement in _SCHEMA:
                execute(statement)
            execute(f"PRAGMA user_version={_SCHEMA_VERSION:d}")
        execute("COMMIT")

    def _explain(self, error: sqlite3.Error) -> StoreError:
        text = str(error)
        if "locked" in text:
            return StoreError(f"{self._path} is in use: another relay runs on this folder")
        if "unable to open" in text or "readonly" in text:
            return StoreError(f"{self._path} cannot be written: check the folder's permissions")
        if "full" in text:
            return StoreError(f"{self._path} cannot grow: the disk is full")
        return StoreError(f"{self._path} cannot be used ({text}): restore it from a backup or choose another folder")

    def load(self, numbers: Iterable[int] | None = None) -> Iterator[Queue]:
        """All queues as they are on disk, or those of ``numbers`` that exist."""
        try:
            if numbers is None:
                queues = {
                    queue.number: queue for queue in map(_queue, self._connection.execute("SELECT * FROM queues"))
                }
                rows = self._connection.execute(
                    "SELECT queue, number, message_id, time, is_quota FROM messages ORDER BY number"
                )
                for number, *message in rows:
                    if number in queues:
                        queues[number].messages.append(_message(*message))
                yield from queues.values()
                return
            for number in numbers:
                row = self._connection.execute("SELECT * FROM queues WHERE number = ?", (number,)).fetchone()
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
            queue.sender_can_secure,
            queue.sender_key.der if queue.sender_key else None,
            queue.suspended_at,
        )

    def delete_queue(self, queue: Queue) -> None:
        """Delete ``queue`` and its messages."""
        for message in queue.messages:
            self.delete_message(message)
        self._changes.queues.pop(queue.number, None)
        self._changes.deleted_queues.append(queue.number)

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

    def delete_message(self, message: StoredMessage) -> None:
        """Delete ``message``."""
        if self._changes.messages.pop(message.number, None) is None:
            self._changes.deleted_messages.append(message.number)

    def content(self, message: StoredMessage) -> tuple[bool, bytes]:
        """The notification flag and the body of ``message``; raises :class:`StoreError`."""
        row = self._changes.messages.get(message.number)
        if row is not None:
            return bool(row[5]), row[6]
        try:
            stored = self._connection.execute(
                "SELECT notify, body FROM messages WHERE number = ?", (message.number,)
            ).fetchone()
        except sqlite3.Error as error:
            raise self._explain(error) from None
        if stored is None:
            raise StoreError(f"{self._path} lacks a message that it should have")
        return bool(stored[0]), stored[1]

    @property
    def has_changes(self) -> bool:
        """Whether there were changes since the last :meth:`take`."""
        return bool(self._changes)

    def take(self) -> Changes:
        """The changes since the last call, as one group for :meth:`write` (or to be dropped)."""
        changes, self._changes = self._changes, Changes()
        return changes

    def write(self, changes: Changes) -> None:
        """Write a group in one transaction; when this returns, it is on the disk.

        Raises :class:`StoreError`: then nothing of it is stored.
        """
        if not changes:
            return
        connection = self._connection
        try:
            connection.execute("BEGIN IMMEDIATE")
            try:
                connection.executemany(
                    "INSERT OR REPLACE INTO queues VALUES (?, ?, ?, ?, ?, ?, ?, ?)", changes.queues.values()
                )
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
        except sqlite3.Error as error:
            raise self._explain(error) from None

    def shrink(self) -> None:
        """Give space that deleted messages left back to the file system."""
        try:
            # a script, because `execute` stops after the first page
            self._connection.executescript("PRAGMA incremental_vacuum")
        except sqlite3.Error as error:
            raise self._explain(error) from None

    def close(self) -> None:
        """Close the file; the store cannot be used after this."""
        self._connection.close()


def _queue(row: _QueueRow) -> Queue:
    number, recipient_id, sender_id, recipient_key, box_key, can_secure, sender_key, suspended_at = row
    return Queue(
        number=number,
        recipient_id=recipient_id,
        sender_id=sender_id,
        recipient_key=decode_public_key(recipient_key),
        box=BoxKey(box_key),
        sender_can_secure=bool(can_secure),
        sender_key=decode_public_key(sender_key) if sender_key is not None else None,
        suspended_at=suspended_at,
    )


def _message(number: int, message_id: bytes, time: int, is_quota: int) -> StoredMessage:
    return StoredMessage(number, message_id, time, is_quota=bool(is_quota))
