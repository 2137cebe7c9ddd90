"""Short links, notifiers, and what each version of the protocol makes of the commands."""

from __future__ import annotations

import os
import sqlite3
from pathlib import Path

import pytest

from simplex_calls.crypto import BoxKey, Ed25519PrivateKey, X25519PrivateKey, unpad
from simplex_calls.relay.store import Store
from simplex_calls.smp.body import Received
from simplex_calls.smp.commands import (
    Ack,
    Del,
    Get,
    Key,
    LDel,
    LGet,
    LinkData,
    LinkRequest,
    LKey,
    LSet,
    NDel,
    New,
    NKey,
    NotifierRequest,
    NSub,
    Off,
    Ping,
    Que,
    QueueMode,
    Send,
    SKey,
    Sub,
    sender_id_for,
)
from simplex_calls.smp.encoding import Reader
from simplex_calls.smp.errors import CommandFault, ErrorCode, ServerError
from simplex_calls.smp.messages import Deld, End, Err, Ids, Info, Lnk, Msg, Nid, NMsg, Ok, Pong, Sok, max_message_size
from tests.relay.peer import AUTH, LARGE_MSG, QUOTA, START, Peer, Queue, Server, cmd

VERSIONS = range(6, 19)
DATA = LinkData(b"fixed", b"user")


class LinkedQueue(Queue):
    """A queue that was made with the data of its short link."""

    def __init__(self, recipient: Peer, mode: QueueMode, data: LinkData = DATA) -> None:
        self.key = Ed25519PrivateKey.generate()
        self.sender_key = X25519PrivateKey.generate()
        dh_key, corr_id = X25519PrivateKey.generate(), os.urandom(24)
        link_id = os.urandom(24) if mode is QueueMode.CONTACT else None
        request = LinkRequest(sender_id_for(corr_id), data, link_id)
        ids = recipient.ask(New(self.key.public, dh_key.public, mode=mode, link=request), key=self.key, corr_id=corr_id)
        assert isinstance(ids, Ids)
        assert ids.sender_id == sender_id_for(corr_id)
        assert ids.mode is mode
        assert ids.link_id is not None
        assert link_id in (None, ids.link_id)
        self.recipient_id, self.sender_id, self.link_id = ids.recipient_id, ids.sender_id, ids.link_id
        self.box = BoxKey.agree(dh_key, ids.server_dh_key)


def subscribed(version: int) -> Ok | Sok:
    return Sok() if version >= 16 else Ok()


@pytest.mark.parametrize("version", VERSIONS)
def test_every_command_of_a_version(version: int) -> None:
    server = Server()
    alice, other, bob = server.peer(version), server.peer(version), server.peer(version)
    queue = Queue(alice)
    signing = Ed25519PrivateKey.generate()
    queue.sender_key = X25519PrivateKey.generate() if version >= 7 else signing
    if version >= 9:
        assert bob.ask(SKey(queue.sender_key.public), queue.sender_id, queue.sender_key) == Ok()
    else:
        assert queue.ask(alice, Key(queue.sender_key.public)) == Ok()
    assert queue.send(bob, b"unsigned") == AUTH
    size = max_message_size(version)
    assert queue.send(bob, bytes(size), signed=True) == Ok()
    assert queue.send(bob, bytes(size + 1), signed=True) == LARGE_MSG
    assert queue.send(bob, b"two", signed=True, notify=True) == Ok()
    (message,) = alice.deliveries(queue.recipient_id)
    assert isinstance(message, Msg)
    assert queue.open(message) == Received(int(START), notify=False, body=bytes(size))
    assert queue.ask(alice, Get()) == cmd(CommandFault.PROHIBITED)
    assert queue.ask(other, Get()) == message
    again = queue.subscribe(alice)
    assert again == message
    second = queue.ask(alice, Ack(message.message_id))
    assert queue.open(second) == Received(int(START), notify=True, body=b"two")
    assert queue.ask(server.peer(version), Sub()) == subscribed(version)
    assert alice.deliveries(queue.recipient_id) == [End()]
    info = queue.ask(alice, Que())
    assert isinstance(info, Info)
    assert info.parsed()["qiSize"] == 1
    nid = queue.ask(alice, NKey(signing.public, X25519PrivateKey.generate().public))
    assert isinstance(nid, Nid)
    assert bob.ask(NSub(), nid.notifier_id, signing) == subscribed(version)
    assert queue.ask(alice, NDel()) == Ok()
    assert bob.deliveries(nid.notifier_id) == [Deld() if version >= 10 else End()]
    contact = Queue(alice, sender_can_secure=False)
    link_id = os.urandom(24)
    assert contact.ask(alice, LSet(link_id, DATA)) == Ok()
    assert bob.ask(LGet(), link_id) == Lnk(contact.sender_id, DATA)
    assert contact.ask(alice, LDel()) == Ok()
    assert bob.ask(LGet(), link_id) == AUTH
    assert queue.ask(alice, Off()) == Ok()
    assert queue.send(bob, b"late", signed=True) == AUTH
    assert queue.ask(alice, Del()) == Ok()
    assert bob.ask(Ping()) == Pong()


def test_modes_that_versions_can_say() -> None:
    server = Server()
    for version in VERSIONS:
        alice = server.peer(version)
        key = Ed25519PrivateKey.generate()
        for mode in (QueueMode.MESSAGING, QueueMode.CONTACT, None):
            ids = alice.ask(New(key.public, X25519PrivateKey.generate().public, mode=mode), key=key)
            assert isinstance(ids, Ids)
            queue = server.core._queues.by_recipient[ids.recipient_id]
            if version >= 15:
                assert queue.mode is ids.mode is mode
            elif version >= 9:
                assert queue.mode is (mode or QueueMode.CONTACT)
            else:
                assert queue.mode is None


@pytest.mark.parametrize("version", [15, 18])
def test_a_one_time_link(version: int) -> None:
    server = Server()
    alice, bob, mallory = server.peer(version), server.peer(version), server.peer(version)
    queue = LinkedQueue(alice, QueueMode.MESSAGING)
    assert mallory.ask(LGet(), queue.link_id) == AUTH
    lkey = LKey(queue.sender_key.public)
    assert mallory.ask(lkey, queue.link_id, X25519PrivateKey.generate()) == AUTH
    assert mallory.ask(lkey, queue.sender_id, queue.sender_key) == AUTH
    for _ in range(2):
        assert bob.ask(lkey, queue.link_id, queue.sender_key) == Lnk(queue.sender_id, DATA)
    other = X25519PrivateKey.generate()
    assert mallory.ask(LKey(other.public), queue.link_id, other) == AUTH
    assert queue.ask(alice, LSet(queue.link_id, LinkData(b"fixed", b"late"))) == AUTH
    # the first message shows that the joining side has the link's data
    assert queue.send(bob, b"hello", signed=True) == Ok()
    assert bob.ask(lkey, queue.link_id, queue.sender_key) == AUTH
    assert server.core._queues.by_link == {}


@pytest.mark.parametrize("version", [15, 18])
def test_a_contacts_link(version: int) -> None:
    server = Server()
    alice, bob = server.peer(version), server.peer(version)
    queue, second = LinkedQueue(alice, QueueMode.CONTACT), LinkedQueue(alice, QueueMode.CONTACT)
    assert bob.ask(LGet(), queue.link_id) == Lnk(queue.sender_id, DATA)
    assert bob.ask(LGet(), queue.link_id, queue.sender_key) == cmd(CommandFault.HAS_AUTH)
    assert bob.ask(LGet()) == cmd(CommandFault.NO_ENTITY)
    key = X25519PrivateKey.generate()
    assert bob.ask(LKey(key.public), queue.link_id, key) == AUTH
    assert bob.ask(SKey(key.public), queue.sender_id, key) == AUTH
    changed = LinkData(DATA.fixed, b"new picture")
    assert queue.ask(alice, LSet(queue.link_id, changed)) == Ok()
    assert bob.ask(LGet(), queue.link_id) == Lnk(queue.sender_id, changed)
    for link_id, data in ((queue.link_id, LinkData(b"other", b"")), (second.link_id, changed), (b"new", changed)):
        assert queue.ask(alice, LSet(link_id, data)) == AUTH
    assert queue.send(bob, b"hello") == Ok()
    assert bob.ask(LGet(), queue.link_id) == Lnk(queue.sender_id, changed)
    assert queue.ask(alice, LDel()) == Ok()
    assert queue.ask(alice, LDel()) == Ok()
    assert queue.ask(alice, LSet(second.link_id, changed)) == AUTH
    assert queue.ask(alice, LSet(queue.link_id, changed)) == Ok()
    assert queue.ask(alice, Del()) == Ok()
    assert bob.ask(LGet(), queue.link_id) == AUTH
    assert bob.ask(LGet(), second.link_id) == Lnk(second.sender_id, DATA)


def test_ids_of_a_new_queue_cannot_be_tried_out() -> None:
    server = Server()
    alice = server.peer(18)
    queue = LinkedQueue(alice, QueueMode.CONTACT)
    key, dh_key = Ed25519PrivateKey.generate(), X25519PrivateKey.generate().public

    def create(request: LinkRequest, corr_id: bytes) -> object:
        new = New(key.public, dh_key, mode=QueueMode.CONTACT, link=request)
        return alice.ask(new, key=key, corr_id=corr_id)

    corr_id = os.urandom(24)
    assert create(LinkRequest(queue.sender_id, DATA, b"new"), corr_id) == cmd(CommandFault.PROHIBITED)
    assert create(LinkRequest(sender_id_for(corr_id), DATA, queue.link_id), corr_id) == AUTH
    assert server.core.queue_count == 1
    assert isinstance(create(LinkRequest(sender_id_for(corr_id), DATA, b"new"), corr_id), Ids)
    assert create(LinkRequest(sender_id_for(corr_id), DATA, b"newer"), corr_id) == AUTH


@pytest.mark.parametrize("version", [9, 17])
def test_notifications(version: int) -> None:
    server = Server()
    alice, bob, push, other = (server.peer(version) for _ in range(4))
    queue, key, dh_key = Queue(alice, subscribe=False), Ed25519PrivateKey.generate(), X25519PrivateKey.generate()
    nid = queue.ask(alice, NKey(key.public, dh_key.public))
    assert isinstance(nid, Nid)
    box = BoxKey.agree(dh_key, nid.server_dh_key)
    queue.send(bob, b"one", notify=True)
    queue.send(bob, b"silent")
    assert push.ask(NSub(), nid.notifier_id, queue.key) == AUTH
    assert push.ask(NSub(), nid.notifier_id, key) == subscribed(version)
    (first,) = push.deliveries(nid.notifier_id)
    queue.send(bob, b"two", notify=True)
    (second,) = push.deliveries(nid.notifier_id)
    stored = server.core._queues.by_recipient[queue.recipient_id].messages
    for notification, message in ((first, stored[0]), (second, stored[2])):
        assert isinstance(notification, NMsg)
        reader = Reader(unpad(box.open(notification.nonce, notification.data)))
        assert (reader.short(), reader.int64()) == (message.message_id, int(START))
    assert other.ask(NSub(), nid.notifier_id, key) == subscribed(version)
    assert push.deliveries(nid.notifier_id) == [End()]
    push.disconnect()
    again = queue.ask(alice, NKey(key.public, dh_key.public))
    assert isinstance(again, Nid)
    assert again.notifier_id != nid.notifier_id
    assert other.deliveries(nid.notifier_id) == [Deld() if version >= 10 else End()]
    assert not other.core_session.subscribed
    assert other.ask(NSub(), nid.notifier_id, key) == AUTH
    assert other.ask(NSub(), again.notifier_id, key) == subscribed(version)
    other.disconnect()
    for number in range(20):
        queue.send(bob, str(number).encode(), notify=True)
    late = server.peer(version)
    late.ask(NSub(), again.notifier_id, key)
    assert len(late.deliveries(again.notifier_id)) == 16
    assert queue.ask(alice, NDel()) == Ok()
    assert queue.ask(alice, NDel()) == Ok()


def test_notifications_from_the_first_moment() -> None:
    server = Server()
    alice, push = server.peer(17), server.peer(17)
    key, dh_key = Ed25519PrivateKey.generate(), X25519PrivateKey.generate()
    new = New(key.public, dh_key.public, notifier=NotifierRequest(key.public, dh_key.public))
    ids = alice.ask(new, key=key)
    assert isinstance(ids, Ids)
    assert ids.notifier is not None
    assert push.ask(NSub(), ids.notifier.notifier_id, key) == Sok()
    assert alice.ask(Del(), ids.recipient_id, key) == Ok()
    assert push.deliveries(ids.notifier.notifier_id) == [Deld()]


def test_links_and_notifiers_survive_a_restart(tmp_path: Path) -> None:
    store = Store(tmp_path / "relay.db")
    alice = Server(store).peer(18)
    contact, invitation = LinkedQueue(alice, QueueMode.CONTACT), LinkedQueue(alice, QueueMode.MESSAGING)
    gone = LinkedQueue(alice, QueueMode.CONTACT)
    gone.ask(alice, Del())
    key = Ed25519PrivateKey.generate()
    nid = contact.ask(alice, NKey(key.public, X25519PrivateKey.generate().public))
    assert isinstance(nid, Nid)
    store.close()
    store = Store(tmp_path / "relay.db")
    bob = Server(store).peer(18)
    assert bob.ask(LGet(), contact.link_id) == Lnk(contact.sender_id, DATA)
    assert bob.ask(LKey(invitation.sender_key.public), invitation.link_id, invitation.sender_key) == Lnk(
        invitation.sender_id, DATA
    )
    assert bob.ask(LGet(), gone.link_id) == AUTH
    assert bob.ask(NSub(), nid.notifier_id, key) == Sok()
    assert store._connection.execute("SELECT COUNT(*) FROM links").fetchone() == (2,)
    store.close()


def test_a_database_of_the_first_version(tmp_path: Path) -> None:
    path = tmp_path / "relay.db"
    store = Store(path)
    alice = Server(store).peer()
    messaging, contact = Queue(alice), Queue(alice, sender_can_secure=False)
    messaging.send(alice, b"one")
    store.close()
    # as it was then
    old = sqlite3.connect(path)
    old.executescript(
        """ALTER TABLE queues ADD COLUMN sender_can_secure INTEGER;
        UPDATE queues SET sender_can_secure = mode = 'M';
        CREATE TABLE before (
         number INTEGER PRIMARY KEY,
         recipient_id BLOB NOT NULL,
         sender_id BLOB NOT NULL,
         recipient_key BLOB NOT NULL,
         box_key BLOB NOT NULL,
         sender_can_secure INTEGER NOT NULL,
         sender_key BLOB,
         suspended_at INTEGER
        );
        INSERT INTO before SELECT number, recipient_id, sender_id, recipient_key, box_key, sender_can_secure,
          sender_key, suspended_at FROM queues;
        DROP TABLE queues; DROP TABLE links; ALTER TABLE before RENAME TO queues; PRAGMA user_version = 1;"""
    )
    old.close()
    store = Store(path)
    server = Server(store)
    bob = server.peer(18)
    assert messaging.bodies(bob) == [b"one"]
    assert bob.ask(SKey(messaging.sender_key.public), messaging.sender_id, messaging.sender_key) == Ok()
    assert bob.ask(SKey(contact.sender_key.public), contact.sender_id, contact.sender_key) == AUTH
    assert contact.ask(bob, LSet(b"link", DATA)) == Ok()
    assert bob.ask(LGet(), b"link") == Lnk(contact.sender_id, DATA)
    LinkedQueue(bob, QueueMode.MESSAGING)
    store.close()


def test_what_was_not_stored_of_links_and_notifiers_is_forgotten() -> None:
    server = Server()
    alice = server.peer(18)
    queue, kept = Queue(alice, sender_can_secure=False), LinkedQueue(alice, QueueMode.CONTACT)
    server.commit = lambda: None  # type: ignore[method-assign]
    queue.ask(alice, LSet(b"link", DATA))
    kept.ask(alice, LDel())
    nid = queue.ask(alice, NKey(queue.key.public, X25519PrivateKey.generate().public))
    assert isinstance(nid, Nid)
    server.core.recover()
    assert alice.ask(LGet(), b"link") == AUTH
    assert alice.ask(LGet(), kept.link_id) == Lnk(kept.sender_id, DATA)
    assert alice.ask(NSub(), nid.notifier_id, queue.key) == AUTH


def test_a_full_disk_refuses_only_what_needs_room() -> None:
    server = Server()
    alice, bob = server.peer(18), server.peer(18)
    queue = LinkedQueue(alice, QueueMode.CONTACT)
    for body in (b"one", b"two"):
        queue.send(bob, body)
    server.core.is_full = True
    refused = Err(ServerError(ErrorCode.STORE, detail="disk is full"))
    key, dh_key = Ed25519PrivateKey.generate(), X25519PrivateKey.generate().public
    assert queue.send(bob, b"three") == QUOTA
    assert alice.ask(New(key.public, dh_key), key=key) == refused
    assert queue.ask(alice, NKey(key.public, dh_key)) == refused
    assert queue.ask(alice, LSet(queue.link_id, DATA)) == refused
    assert queue.bodies(alice) == [b"one", b"two"]
    assert queue.ask(alice, Del()) == Ok()


def test_a_batch_of_subscriptions_is_answered_before_its_messages() -> None:
    server = Server()
    alice, bob = server.peer(18), server.peer(18)
    queues = [Queue(alice, subscribe=False) for _ in range(3)]
    for queue in queues:
        queue.send(bob, b"one")
    outgoing: list[object] = []
    from simplex_calls.relay.sessions import Outgoing
    from simplex_calls.smp.commands import encode_command
    from simplex_calls.smp.transmission import decode_transmission, encode_transmission

    sent: list[Outgoing] = []
    for queue in queues:
        data = encode_transmission(
            alice.session, os.urandom(24), queue.recipient_id, encode_command(Sub(), 18), queue.key
        )
        server.core.handle(alice.core_session, decode_transmission(alice.session, data), START, sent)
    server.core.end_block(alice.core_session, sent)
    outgoing += [type(item.message) for item in sent]
    assert outgoing == [Sok] * 3 + [Msg] * 3
    assert [item.corr_id for item in sent[3:]] == [b""] * 3


def test_an_empty_acknowledgement_deletes_nothing() -> None:
    server = Server()
    alice, bob = server.peer(18), server.peer(18)
    queue = Queue(alice)
    queue.send(bob, b"one")
    (message,) = alice.deliveries(queue.recipient_id)
    assert queue.ask(alice, Ack(b"")) == message
    assert alice.ask(Send(b"", notify=False), queue.recipient_id) == AUTH
