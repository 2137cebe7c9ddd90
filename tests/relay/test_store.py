from __future__ import annotations

import sqlite3
from pathlib import Path

import pytest

from simplex_calls.relay.records import StoredMessage
from simplex_calls.relay.sessions import Limits
from simplex_calls.relay.store import Store, StoreError
from simplex_calls.smp.commands import Ack, Del, Off, SKey
from simplex_calls.smp.messages import Msg, Ok
from tests.relay.peer import AUTH, QUOTA, START, Queue, Server


def test_everything_is_there_after_a_restart(tmp_path: Path) -> None:
    path = tmp_path / "relay.db"
    store = Store(path)
    server = Server(store, limits=Limits(messages_per_queue=2))
    alice, bob = server.peer(), server.peer()
    queue, secured, suspended, deleted = (Queue(alice) for _ in range(4))
    queue.send(bob, b"one", notify=True)
    queue.send(bob, b"two")
    assert queue.send(bob, b"three") == QUOTA
    assert bob.ask(SKey(secured.sender_key.public), secured.sender_id, secured.sender_key) == Ok()
    suspended.ask(alice, Off())
    deleted.send(bob, b"gone")
    deleted.ask(alice, Del())
    store.close()

    store = Store(path)
    server = Server(store)
    alice, bob = server.peer(), server.peer()
    assert server.core.queue_count == 3
    first = queue.subscribe(alice)
    content = queue.open(first)
    assert (content.timestamp, getattr(content, "notify", None)) == (int(START), True)
    assert queue.send(bob, b"still full") == QUOTA
    assert queue.bodies(alice) == [b"one", b"two", b"QUOTA"]
    assert queue.send(bob, b"four") == Ok()
    assert secured.send(bob, b"unsigned") == AUTH
    assert secured.send(bob, b"signed", signed=True) == Ok()
    assert secured.bodies(alice) == [b"signed"]
    assert suspended.send(bob, b"late") == AUTH
    assert deleted.subscribe(alice) == AUTH
    assert Queue(alice).bodies(alice) == []
    store.close()

    store = Store(path)
    assert queue.bodies(Server(store).peer()) == [b"four"]
    store.close()


def test_deleted_messages_are_not_in_the_file(tmp_path: Path) -> None:
    path = tmp_path / "relay.db"
    store = Store(path)
    server = Server(store)
    alice, bob = server.peer(), server.peer()
    queue = Queue(alice)
    secret = b"attack at dawn " * 1000
    for _ in range(5):
        queue.send(bob, secret)
    assert len(queue.bodies(alice)) == 5
    for _ in range(5):
        queue.send(bob, secret)
    queue.ask(alice, Del())
    store.shrink()
    store.close()
    assert [path.name for path in tmp_path.iterdir()] == ["relay.db"]
    assert b"attack at dawn" not in path.read_bytes()
    assert path.stat().st_size < 60_000


def test_a_message_that_was_acknowledged_at_once_is_never_written() -> None:
    server = Server()
    alice, bob = server.peer(), server.peer()
    queue = Queue(alice)
    commit, server.commit = server.commit, lambda: None  # type: ignore[method-assign]
    queue.send(bob, b"one")
    (message,) = alice.deliveries(queue.recipient_id)
    assert isinstance(message, Msg)
    queue.ask(alice, Ack(message.message_id))
    changes = server.core.take_changes()
    assert not changes.messages
    assert not changes.deleted_messages
    server.store.write(changes)
    commit()
    assert queue.bodies(alice) == []


def test_a_group_is_written_whole_or_not_at_all() -> None:
    store = Store()
    server = Server(store)
    alice, bob = server.peer(), server.peer()
    queue = Queue(alice)
    queue.send(bob, b"one")
    server.commit = lambda: None  # type: ignore[method-assign]
    queue.send(bob, b"two")
    Queue(alice)
    changes = store.take()
    (row,) = changes.messages.values()
    changes.messages[0] = (1, *row[1:])  # a number that is taken
    with pytest.raises(StoreError, match="cannot be used"):
        store.write(changes)
    (stored,) = store.load()
    assert [message.number for message in stored.messages] == [1]
    assert store.content(stored.messages[0]) == (False, b"one")
    assert store.next_message_number() == 2


def test_a_full_disk_is_told(tmp_path: Path) -> None:
    store = Store(tmp_path / "relay.db")
    server = Server(store)
    alice, bob = server.peer(), server.peer()
    queue = Queue(alice)
    queue.send(bob, b"one")
    assert (tmp_path / "relay.db").stat().st_mode & 0o777 == 0o600
    pages = store._connection.execute("PRAGMA page_count").fetchone()[0]
    store._connection.execute(f"PRAGMA max_page_count={pages}")
    with pytest.raises(StoreError, match="disk is full"):
        queue.send(bob, bytes(16000))
    server.core.recover()
    store._connection.execute("PRAGMA max_page_count=100000")
    assert queue.send(bob, b"two") == Ok()
    assert queue.bodies(server.peer()) == [b"one", b"two"]
    store.close()


def test_a_message_that_is_missing_is_told() -> None:
    store = Store()
    with pytest.raises(StoreError, match="lacks a message"):
        store.content(StoredMessage(1, b"id", 0))


def test_a_file_in_use_newer_or_broken_is_told(tmp_path: Path) -> None:
    path = tmp_path / "relay.db"
    store = Store(path)
    with pytest.raises(StoreError, match="is in use"):
        Store(path, busy_seconds=0.05)
    Queue(Server(store).peer())
    store.close()

    connection = sqlite3.connect(path)
    connection.execute("UPDATE queues SET recipient_key = x'00'")
    connection.commit()
    connection.close()
    store = Store(path)
    with pytest.raises(StoreError, match="is damaged"):
        list(store.load())
    store.close()

    connection = sqlite3.connect(path)
    connection.execute("PRAGMA user_version=99")
    connection.close()
    with pytest.raises(StoreError, match="newer version"):
        Store(path)
    path.write_bytes(b"this is no database, and never was one. " * 100)
    with pytest.raises(StoreError, match="cannot be used"):
        Store(path)
    for folder in (tmp_path, tmp_path / "none" / "relay.db"):
        with pytest.raises(StoreError, match="cannot be written"):
            Store(folder)
