from __future__ import annotations

from collections.abc import Iterator

import pytest

from simplex_calls.agent import store as store_module
from simplex_calls.agent.connection import ConnectionState
from simplex_calls.agent.errors import UnknownConnection
from simplex_calls.agent.link_store import LinkStore
from simplex_calls.agent.ratchet import MessageKey, SkippedDelta, SkippedKey, SkippedKeys
from simplex_calls.agent.records import NewRcvQueue, OutboxKind
from simplex_calls.agent.schema import MIGRATIONS
from simplex_calls.agent.store import Store
from simplex_calls.crypto import CryptoError, Ed25519PrivateKey, X25519PrivateKey, X25519PublicKey
from simplex_calls.database import Database
from simplex_calls.smp.address import ServerAddress
from simplex_calls.smp.queues import QueueIds

SERVER = ServerAddress(("a.example", "b.onion"), 5224, bytes(range(32)), "secret")
BARE = ServerAddress(SERVER.hosts, SERVER.port, SERVER.fingerprint)


@pytest.fixture
def store() -> Iterator[Store]:
    database = Database()
    yield Store(database)
    database.close()


@pytest.fixture
def connection(store: Store) -> int:
    return store.add_connection(ConnectionState.CONNECTED, 7)


def new_queue(recipient_id: bytes = b"r" * 24) -> NewRcvQueue:
    ids = QueueIds(recipient_id, b"s" * 24, X25519PrivateKey.generate().public, sender_can_secure=True)
    keys = X25519PrivateKey.generate(), X25519PrivateKey.generate()
    return NewRcvQueue(SERVER, ids, Ed25519PrivateKey.generate(), *keys, 3)


def add_snd_queue(store: Store, connection: int, sender_id: bytes = b"t" * 24) -> int:
    return store.queues.add_snd_queue(
        connection,
        SERVER,
        sender_id,
        auth_key=X25519PrivateKey.generate(),
        e2e_key=X25519PrivateKey.generate(),
        their_key=X25519PrivateKey.generate().public,
        client_version=3,
        sender_can_secure=True,
    ).id


def test_queues_are_found_by_server_and_id_and_keep_no_password(store: Store, connection: int) -> None:
    stored = store.queues.add_rcv_queue(connection, new_queue())
    assert store.queues.rcv_queue(BARE, b"r" * 24) == stored
    assert stored.server.password is None
    assert store.queues.rcv_queue(SERVER, b"x" * 24) is None
    assert store.queues.connections_of_server(SERVER) == (connection,)
    assert store.queues.own_queues(b"s" * 24) == [(connection, str(BARE))]
    assert store.queues.own_queues(b"t" * 24) == []
    add_snd_queue(store, connection)
    assert store.queues.has_snd_queue(BARE, b"t" * 24)
    assert not store.queues.has_snd_queue(BARE, b"s" * 24)
    dump = repr([tuple(row) for row in store.database.execute("SELECT * FROM rcv_queues JOIN snd_queues")])
    assert "secret@" not in dump
    assert "smp://" in dump


def test_an_unsafe_key_of_a_server_is_refused(store: Store, connection: int) -> None:
    queue = new_queue()
    bad = QueueIds(queue.ids.recipient_id, queue.ids.sender_id, X25519PublicKey(bytes(32)), sender_can_secure=True)
    with pytest.raises(CryptoError):
        store.queues.add_rcv_queue(
            connection, NewRcvQueue(SERVER, bad, queue.auth_key, queue.dh_key, queue.e2e_key, queue.client_version)
        )
    assert store.queues.rcv_queues() == []


def test_deleting_a_connection_leaves_no_row(store: Store, connection: int) -> None:
    store.queues.add_rcv_queue(connection, new_queue())
    queue = store.queues.snd_queue(add_snd_queue(store, connection))
    assert queue is not None
    store.outbox.add(queue, OutboxKind.MESSAGE, 2, b"body", notify=True, now=1.0)
    store.add_message_hash(connection, bytes(32))
    key = SkippedKey(bytes(32), 1, MessageKey(bytes(32), bytes(16)))
    store.ratchets.change_skipped_keys(connection, SkippedDelta((key,)))
    store.delete_connection(connection)
    for table in ("connections", "rcv_queues", "snd_queues", "outbox", "rcv_messages", "skipped_keys"):
        assert store.database.execute(f"SELECT COUNT(*) FROM {table}").fetchone()[0] == 0
    with pytest.raises(UnknownConnection, match=f"connection {connection} "):
        store.connection(connection)
    assert store.add_connection(ConnectionState.INVITED, 7) > connection


def test_hashes_of_messages_are_bounded_per_connection(
    store: Store, connection: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(store_module, "REMEMBERED_MESSAGES", 3)
    other = store.add_connection(ConnectionState.CONNECTED, 7)
    store.add_message_hash(other, b"other")
    for number in range(10):
        store.add_message_hash(connection, b"%d" % number)
    seen = [number for number in range(10) if store.message_seen(connection, b"%d" % number)]
    assert seen == [7, 8, 9]
    assert store.message_seen(other, b"other")
    assert not store.message_seen(other, b"9")


def test_skipped_keys_are_looked_up_one_by_one(store: Store, connection: int) -> None:
    other = store.add_connection(ConnectionState.CONNECTED, 7)
    first, second, third = (bytes([number]) * 32 for number in (5, 3, 9))
    keys = [
        SkippedKey(header_key, number, MessageKey(bytes([number]) * 32, bytes(16)))
        for header_key, number in ((first, 5), (second, 3), (third, 9), (first, 7))
    ]
    store.ratchets.change_skipped_keys(connection, SkippedDelta(tuple(keys)))
    store.ratchets.change_skipped_keys(other, SkippedDelta((SkippedKey(second, 8, MessageKey(bytes(32), bytes(16))),)))
    stored, in_memory = store.ratchets.skipped_keys(connection), SkippedKeys(keys)
    for lookup in (stored, in_memory):
        assert lookup.get(second, 3) == keys[1].key
        assert lookup.get(second, 8) is None
        assert list(lookup.header_keys()) == [first, third, second]
        assert lookup.oldest(2) == [(first, 5), (second, 3)]
        assert lookup.oldest(9) == [(first, 5), (second, 3), (third, 9), (first, 7)]
        assert len(lookup) == 4
    store.ratchets.change_skipped_keys(connection, SkippedDelta((), ((second, 3),)))
    assert stored.get(second, 3) is None
    assert stored.oldest(9) == [(first, 5), (third, 9), (first, 7)]
    stored.clear()
    assert (len(stored), stored.header_keys(), len(store.ratchets.skipped_keys(other))) == (0, [], 1)


def test_outbox_is_a_queue(store: Store, connection: int) -> None:
    first, second = add_snd_queue(store, connection), add_snd_queue(store, connection, b"u" * 24)
    for queue_id, number in ((first, 1), (second, 2), (first, 3)):
        queue = store.queues.snd_queue(queue_id)
        assert queue is not None
        store.outbox.add(queue, OutboxKind.MESSAGE, number, b"body", notify=False, now=5.0)
    assert sorted(store.outbox.queues()) == [first, second]
    item = store.outbox.first(first)
    assert item is not None
    assert (item.number, item.created, item.body) == (1, 5.0, b"body")
    assert store.outbox.delete(item.id)
    assert not store.outbox.delete(item.id)
    assert [item.number for item in store.outbox.take(first)] == [3]
    assert store.outbox.first(first) is None
    assert store.outbox.queues() == [second]


def test_join_keys_are_kept_until_used_or_old(store: Store) -> None:
    first, second = X25519PrivateKey.generate(), X25519PrivateKey.generate()
    assert store.queues.join_key(SERVER, b"s", first, 10.0) == first
    assert store.queues.join_key(BARE, b"s", second, 20.0) == first
    store.queues.delete_join_keys(before=10.0)
    assert store.queues.join_key(BARE, b"s", second, 20.0) == first
    store.queues.delete_join_keys(before=11.0)
    assert store.queues.join_key(BARE, b"s", second, 20.0) == second
    store.queues.delete_join_key(BARE, b"s")
    assert store.queues.join_key(BARE, b"s", first, 30.0) == first


def test_deletions_wait_until_done(store: Store, connection: int) -> None:
    queue = store.queues.add_rcv_queue(connection, new_queue())
    store.queues.add_deletion(queue.subscription, 7.0)
    (deletion,) = store.queues.deletions()
    assert deletion.queue == queue.subscription
    assert deletion.created == 7.0
    store.queues.delete_deletion(deletion.id)
    assert store.queues.deletions() == []


def test_a_database_of_the_first_version_is_migrated() -> None:
    database = Database()
    database.migrate("agent", MIGRATIONS[:1])
    with database.transaction():
        database.execute("INSERT INTO connections (state, agent_version) VALUES ('connected', 7)")
        database.execute(
            "INSERT INTO snd_queues (connection_id, server, sender_id, auth_key, e2e_public, e2e_secret,"
            " client_version, sender_can_secure) VALUES (1, ?, ?, ?, ?, ?, 3, 1)",
            (str(BARE), bytes(24), *(X25519PrivateKey.generate().raw for _ in range(3))),
        )
        database.execute(
            "INSERT INTO rcv_queues (connection_id, server, recipient_id, sender_id, auth_key, server_secret, e2e_key,"
            " client_version, sender_can_secure) VALUES (1, ?, ?, ?, ?, ?, ?, 3, 1)",
            (str(BARE), bytes(24), bytes(24), *(bytes(32) for _ in range(3))),
        )
    store = Store(database)
    connection = store.connection(1)
    assert (connection.state, connection.pq_wanted, connection.pq_supported) == (ConnectionState.CONNECTED, True, False)
    queue = store.queues.snd_queue_of(1)
    assert queue is not None
    assert not queue.is_address
    assert [own.connection_id for own in store.queues.rcv_queues()] == [1]
    assert LinkStore(database).own(1) is None
    assert store.connection_ids() == [1]
    assert store.connection_ids(addresses=True) == []
    database.close()
