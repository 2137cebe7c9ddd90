from __future__ import annotations

import pytest

from simplex_calls.crypto import (
    Ed448PrivateKey,
    Ed25519PrivateKey,
    X448PrivateKey,
    X25519PrivateKey,
    X25519PublicKey,
)
from simplex_calls.relay.sessions import Limits, Outgoing
from simplex_calls.smp.body import QuotaReached, Received
from simplex_calls.smp.commands import Ack, Del, Get, Key, New, NSub, Off, Ping, Que, Send, SKey, Sub
from simplex_calls.smp.errors import CommandFault, ErrorCode, ServerError
from simplex_calls.smp.messages import End, Err, Ids, Info, Msg, Ok, Pong, Sok
from simplex_calls.smp.transmission import AuthorizationKey, decode_transmission, encode_transmission
from tests.relay.peer import AUTH, LARGE_MSG, NO_MSG, QUOTA, START, Queue, Server, cmd

DAY = 24 * 3600


def test_messages_are_delivered_one_at_a_time() -> None:
    server = Server()
    alice, bob = server.peer(), server.peer()
    queue = Queue(alice)
    assert queue.subscribe(bob) == Ok()  # bob's session, as if it were alice's second device
    assert alice.deliveries(queue.recipient_id) == [End()]
    assert queue.subscribe(alice) == Ok()
    for body in (b"one", b"two", b"three"):
        assert queue.send(bob, body, notify=body == b"two") == Ok()
    (first,) = alice.deliveries(queue.recipient_id)
    assert isinstance(first, Msg)
    assert queue.open(first) == Received(int(START), notify=False, body=b"one")
    second = queue.ask(alice, Ack(first.message_id))
    assert isinstance(second, Msg)
    assert queue.open(second) == Received(int(START), notify=True, body=b"two")
    assert queue.ask(alice, Ack(first.message_id)) == NO_MSG
    third = queue.ask(alice, Ack(second.message_id))
    assert isinstance(third, Msg)
    assert queue.ask(alice, Ack(third.message_id)) == Ok()
    assert queue.ask(alice, Ack(third.message_id)) == NO_MSG
    assert queue.send(bob, b"four") == Ok()
    assert len(alice.deliveries(queue.recipient_id)) == 1


def test_an_unacknowledged_message_is_delivered_again() -> None:
    server = Server()
    alice, bob = server.peer(), server.peer()
    queue = Queue(alice)
    queue.send(bob, b"one")
    (lost,) = alice.deliveries(queue.recipient_id)
    again = queue.subscribe(alice)
    assert again == lost
    alice.disconnect()
    queue.send(bob, b"two")
    assert queue.bodies(server.peer()) == [b"one", b"two"]


def test_a_second_subscriber_ends_the_first() -> None:
    server = Server()
    old, new, bob = server.peer(), server.peer(), server.peer()
    queue = Queue(old)
    queue.send(bob, b"one")
    (message,) = old.deliveries(queue.recipient_id)
    assert isinstance(message, Msg)
    assert queue.subscribe(new) == message
    assert old.deliveries(queue.recipient_id) == [End()]
    assert queue.ask(old, Ack(message.message_id)) == NO_MSG
    assert queue.ask(new, Ack(message.message_id)) == Ok()
    queue.send(bob, b"two")
    assert old.deliveries(queue.recipient_id) == []
    assert len(new.deliveries(queue.recipient_id)) == 1
    old.disconnect()
    assert not old.core_session.subscribed
    assert new.core_session.subscribed


def test_a_queue_that_is_only_created_waits_for_its_subscription() -> None:
    server = Server()
    alice = server.peer()
    queue = Queue(alice, subscribe=False)
    assert queue.send(server.peer(), b"one") == Ok()
    assert alice.deliveries(queue.recipient_id) == []
    assert not alice.core_session.subscribed
    assert queue.bodies(alice) == [b"one"]


def test_get_takes_single_messages() -> None:
    server = Server()
    alice, bob = server.peer(), server.peer()
    queue = Queue(alice, subscribe=False)
    assert queue.ask(alice, Get()) == Ok()
    assert not alice.core_session.subscribed
    queue.send(bob, b"one")
    queue.send(bob, b"two")
    assert alice.deliveries(queue.recipient_id) == []
    first = queue.ask(alice, Get())
    assert queue.ask(alice, Get()) == first
    assert isinstance(first, Msg)
    assert queue.ask(alice, Ack(first.message_id)) == Ok()
    second = queue.ask(alice, Get())
    assert queue.open(second) == Received(int(START), notify=False, body=b"two")
    assert queue.subscribe(alice) == cmd(CommandFault.PROHIBITED)
    subscriber = server.peer()
    assert queue.subscribe(subscriber) == second
    assert queue.ask(subscriber, Get()) == cmd(CommandFault.PROHIBITED)


@pytest.mark.parametrize("sender_key", [X25519PrivateKey.generate(), Ed25519PrivateKey.generate()])
def test_the_sender_secures_the_queue(sender_key: AuthorizationKey) -> None:
    server = Server()
    alice, bob, mallory = server.peer(), server.peer(), server.peer()
    queue = Queue(alice)
    queue.sender_key = sender_key
    assert queue.send(bob, b"too early to sign", signed=True) == AUTH
    skey = SKey(sender_key.public)
    assert bob.ask(skey, queue.sender_id, X25519PrivateKey.generate()) == AUTH  # without the key's private half
    assert bob.ask(skey, queue.sender_id, sender_key) == Ok()
    assert bob.ask(skey, queue.sender_id, sender_key) == Ok()
    other = X25519PrivateKey.generate()
    assert mallory.ask(SKey(other.public), queue.sender_id, other) == AUTH
    assert queue.send(mallory, b"unsigned") == AUTH
    assert mallory.ask(Send(b"forged"), queue.sender_id, other) == AUTH
    assert queue.send(bob, b"signed", signed=True) == Ok()
    assert queue.send(bob, b"again", signed=True) == Ok()
    assert queue.bodies(alice) == [b"signed", b"again"]


def test_a_contact_queue_is_secured_by_its_recipient_alone() -> None:
    server = Server()
    alice, bob = server.peer(), server.peer()
    queue = Queue(alice, sender_can_secure=False)
    key = queue.sender_key.public
    assert bob.ask(SKey(key), queue.sender_id, queue.sender_key) == AUTH
    assert queue.ask(alice, Key(key)) == Ok()
    assert queue.ask(alice, Key(key)) == Ok()
    assert queue.ask(alice, Key(X25519PrivateKey.generate().public)) == AUTH
    assert queue.send(bob, b"unsigned") == AUTH
    assert queue.send(bob, b"signed", signed=True) == Ok()


@pytest.mark.parametrize("key", [X25519PrivateKey.generate(), Ed448PrivateKey.generate()])
def test_recipients_may_use_other_algorithms(key: AuthorizationKey) -> None:
    server = Server()
    alice = server.peer()
    ids = alice.ask(New(key.public, X25519PrivateKey.generate().public), key=key)
    assert isinstance(ids, Ids)
    assert alice.ask(Sub(), ids.recipient_id, key) == Ok()
    assert alice.ask(Sub(), ids.recipient_id, Ed25519PrivateKey.generate()) == AUTH


def test_a_full_queue_takes_nothing_until_it_is_empty() -> None:
    server = Server(limits=Limits(messages_per_queue=3))
    alice, bob = server.peer(), server.peer()
    queue = Queue(alice)
    bodies = [b"one", b"two", b"three"]
    assert [queue.send(bob, body) for body in bodies] == [Ok()] * 3
    assert queue.send(bob, b"four") == QUOTA
    assert queue.send(bob, b"five") == QUOTA
    (message,) = alice.deliveries(queue.recipient_id)
    received: list[bytes] = []
    for _ in range(3):
        assert isinstance(message, Msg)
        content = queue.open(message)
        assert isinstance(content, Received)
        received.append(content.body)
        assert queue.send(bob, b"six") == QUOTA
        message = queue.ask(alice, Ack(message.message_id))
    assert received == bodies
    assert isinstance(message, Msg)
    assert queue.open(message) == QuotaReached(int(START))
    assert queue.send(bob, b"seven") == QUOTA
    assert queue.ask(alice, Ack(message.message_id)) == Ok()
    assert queue.send(bob, b"eight") == Ok()
    assert queue.bodies(alice) == [b"eight"]


def test_old_messages_expire() -> None:
    server = Server(limits=Limits(message_seconds=21 * DAY, messages_per_queue=2))
    alice, bob = server.peer(), server.peer()
    queue, other = Queue(alice), Queue(alice, subscribe=False)
    queue.send(bob, b"old")
    other.send(bob, b"old")
    server.now += 20 * DAY
    queue.send(bob, b"new")
    assert queue.send(bob, b"marker") == QUOTA
    server.now += 2 * DAY
    server.core.expire(server.now)
    server.commit()
    assert other.bodies(server.peer()) == []
    # the one in delivery is gone too, its ACK leads to the next
    (delivered,) = alice.deliveries(queue.recipient_id)
    assert isinstance(delivered, Msg)
    message = queue.ask(alice, Ack(delivered.message_id))
    content = queue.open(message)
    assert content == Received(int(START) + 20 * DAY, notify=False, body=b"new")
    server.now += 100 * DAY
    assert queue.bodies(server.peer()) == [b"QUOTA"]
    assert queue.bodies(server.peer()) == []


def test_a_suspended_queue_takes_nothing_and_is_deleted_in_the_end() -> None:
    server = Server(limits=Limits(suspended_seconds=30 * DAY))
    alice, bob = server.peer(), server.peer()
    queue, kept = Queue(alice), Queue(alice)
    queue.send(bob, b"before")
    assert queue.ask(alice, Off()) == Ok()
    assert queue.ask(alice, Off()) == Ok()
    assert queue.send(bob, b"after") == AUTH
    assert queue.bodies(alice) == [b"before"]
    server.now += 31 * DAY
    alice.received.clear()
    server.take(server.core.expire(server.now))
    server.commit()
    assert alice.deliveries(queue.recipient_id) == [End()]
    assert queue.subscribe(alice) == AUTH
    assert kept.subscribe(alice) == Ok()
    assert server.core.queue_count == 1


def test_delete_removes_everything() -> None:
    server = Server()
    alice, second, bob = server.peer(), server.peer(), server.peer()
    queue = Queue(alice)
    queue.send(bob, b"one")
    alice.deliveries(queue.recipient_id)
    assert queue.ask(second, Del()) == Ok()
    assert alice.deliveries(queue.recipient_id) == [End()]
    assert not alice.core_session.subscribed
    assert queue.ask(second, Del()) == AUTH
    assert queue.send(bob, b"two") == AUTH
    assert server.core.queue_count == 0
    own = Queue(alice)
    assert own.ask(alice, Del()) == Ok()
    assert alice.deliveries(own.recipient_id) == []


def test_a_password_is_needed_to_create_queues() -> None:
    server = Server(password="open sesame")
    alice = server.peer()
    key, dh_key = Ed25519PrivateKey.generate(), X25519PrivateKey.generate().public
    assert alice.ask(New(key.public, dh_key), key=key) == AUTH
    assert alice.ask(New(key.public, dh_key, "wrong"), key=key) == AUTH
    assert isinstance(alice.ask(New(key.public, dh_key, "open sesame"), key=key), Ids)
    assert server.core.queue_count == 1


def test_the_number_of_queues_is_limited() -> None:
    server = Server(limits=Limits(queues=1))
    alice = server.peer()
    Queue(alice)
    key = Ed25519PrivateKey.generate()
    answer = alice.ask(New(key.public, X25519PrivateKey.generate().public), key=key)
    assert answer == Err(ServerError(ErrorCode.INTERNAL))


def test_new_refuses_bad_keys() -> None:
    server = Server()
    alice = server.peer()
    key = Ed25519PrivateKey.generate()
    dh_key = X25519PrivateKey.generate().public
    assert alice.ask(New(key.public, X25519PublicKey(bytes(32))), key=key) == cmd(CommandFault.SYNTAX)
    assert alice.ask(New(key.public, dh_key), key=Ed25519PrivateKey.generate()) == AUTH
    useless = X448PrivateKey.generate().public
    assert alice.ask(New(useless, dh_key), key=key) == cmd(CommandFault.SYNTAX)
    assert server.core.queue_count == 0
    queue = Queue(alice)
    assert queue.ask(alice, Key(useless)) == cmd(CommandFault.SYNTAX)
    assert alice.ask(SKey(useless), queue.sender_id, key) == cmd(CommandFault.SYNTAX)


def test_the_queue_tells_its_state() -> None:
    server = Server()
    alice, bob = server.peer(), server.peer()
    queue = Queue(alice, subscribe=False)

    def info() -> dict[str, object]:
        answer = queue.ask(alice, Que())
        assert isinstance(answer, Info)
        return answer.parsed()

    assert info() == {"qiSnd": False, "qiNtf": False, "qiSize": 0}
    queue.subscribe(alice)
    queue.ask(alice, Key(queue.sender_key.public))
    queue.send(bob, b"one", signed=True)
    state = info()
    assert state["qiSnd"] is True
    assert state["qiSize"] == 1
    subscription, message = state["qiSub"], state["qiMsg"]
    assert isinstance(subscription, dict)
    assert isinstance(message, dict)
    assert subscription == {"qSubThread": "noSub", "qDelivered": message["msgId"]}
    assert message["msgTs"] == "2023-11-14T22:13:20Z"
    assert message["msgType"] == "message"


def test_ids_of_the_other_side_are_refused() -> None:
    server = Server()
    alice = server.peer()
    queue = Queue(alice)
    assert queue.recipient_id != queue.sender_id
    assert {len(queue.recipient_id), len(queue.sender_id)} == {24}
    assert alice.ask(Sub(), queue.sender_id, queue.key) == AUTH
    assert alice.ask(Send(b""), queue.recipient_id) == AUTH
    assert alice.ask(SKey(queue.sender_key.public), queue.recipient_id, queue.sender_key) == AUTH


def test_commands_need_their_credentials() -> None:
    server = Server()
    alice = server.peer()
    queue = Queue(alice)
    key = Ed25519PrivateKey.generate()
    new = New(key.public, X25519PrivateKey.generate().public)
    assert alice.ask(Ping()) == Pong()
    assert alice.ask(Ping(), queue.recipient_id) == cmd(CommandFault.HAS_AUTH)
    assert alice.ask(Ping(), key=key) == cmd(CommandFault.HAS_AUTH)
    assert alice.ask(new) == cmd(CommandFault.NO_AUTH)
    assert alice.ask(new, queue.recipient_id, key) == cmd(CommandFault.HAS_AUTH)
    assert alice.ask(Send(b"")) == cmd(CommandFault.NO_ENTITY)
    for command in (Sub(), Get(), Ack(b"x"), Off(), Del(), Que(), Key(key.public), SKey(key.public)):
        assert alice.ask(command, queue.recipient_id) == cmd(CommandFault.NO_AUTH)
        assert alice.ask(command, key=key) == cmd(CommandFault.NO_AUTH)
    assert alice.ask_raw(b"HELP", queue.recipient_id, key) == cmd(CommandFault.UNKNOWN)
    assert alice.ask_raw(b"", queue.recipient_id, key) == cmd(CommandFault.UNKNOWN)
    assert alice.ask(NSub(), queue.recipient_id, key) == AUTH
    assert alice.ask_raw(b"SUBS", queue.recipient_id, key) == Err(ServerError(ErrorCode.SERVICE))
    assert alice.ask_raw(b"NSUBS") == cmd(CommandFault.NO_AUTH)
    assert alice.ask_raw(b"ACK", queue.recipient_id, queue.key) == cmd(CommandFault.SYNTAX)
    assert alice.ask_raw(b"SUB ", queue.recipient_id, queue.key) == cmd(CommandFault.SYNTAX)
    assert queue.subscribe(alice) == Ok()


def test_a_command_of_another_session_is_refused() -> None:
    server = Server()
    alice, mallory = server.peer(), server.peer()
    queue = Queue(alice)
    data = encode_transmission(alice.session, bytes(24), queue.recipient_id, b"SUB", queue.key)
    for peer, expected in ((mallory, AUTH), (alice, Sok())):
        outgoing: list[Outgoing] = []
        server.core.handle(peer.core_session, decode_transmission(peer.session, data), START, outgoing)
        assert [message.message for message in outgoing] == [expected]


def test_large_messages_are_refused() -> None:
    server = Server()
    alice, bob = server.peer(), server.peer()
    queue = Queue(alice)
    assert queue.send(bob, bytes(16065)) == LARGE_MSG
    assert queue.send(bob, bytes(16064)) == Ok()
    (message,) = alice.deliveries(queue.recipient_id)
    assert isinstance(message, Msg)
    assert len(message.body) == 16106 + 16
    assert queue.open(message) == Received(int(START), notify=False, body=bytes(16064))


def test_a_session_without_room_gets_its_messages_later() -> None:
    server = Server(limits=Limits(deliveries=2))
    alice, bob = server.peer(), server.peer()
    queues = [Queue(alice, subscribe=False) for _ in range(5)]
    for queue in queues:
        queue.send(bob, b"one")
    answers = [queue.subscribe(alice) for queue in queues]
    assert [isinstance(answer, Msg) for answer in answers] == [True, True, False, False, False]
    queues[2].send(bob, b"two")
    assert alice.received == []
    assert queues[4].subscribe(server.peer()) != Ok()  # one goes to another session meanwhile
    assert alice.deliveries(queues[4].recipient_id) == [End()]
    server.take(server.core.refill(alice.core_session, server.now))
    for queue in queues[2:4]:
        (message,) = alice.deliveries(queue.recipient_id)
        assert queue.open(message) == Received(int(START), notify=False, body=b"one")
        assert isinstance(message, Msg)
        answer = queue.ask(alice, Ack(message.message_id))
        assert answer == Ok()  # no room for the next one yet
    server.take(server.core.refill(alice.core_session, server.now))
    (message,) = alice.deliveries(queues[2].recipient_id)
    assert queues[2].open(message) == Received(int(START), notify=False, body=b"two")
    assert server.core.refill(alice.core_session, server.now) == []


def test_what_was_not_stored_is_forgotten() -> None:
    server = Server()
    alice, bob = server.peer(), server.peer()
    queue, deleted = Queue(alice), Queue(alice)
    queue.send(bob, b"stored")
    deleted.send(bob, b"kept")
    commit, server.commit = server.commit, lambda: None  # type: ignore[method-assign]
    (message,) = alice.deliveries(queue.recipient_id)
    assert isinstance(message, Msg)
    queue.send(bob, b"lost")
    queue.ask(alice, Ack(message.message_id))
    queue.ask(alice, Off())
    queue.ask(alice, Key(queue.sender_key.public))
    deleted.ask(alice, Del())
    lost = Queue(alice)
    server.core.take_changes()  # being written, which fails
    queue.send(bob, b"lost as well")
    server.core.recover()
    alice.disconnect()
    server.commit = commit  # type: ignore[method-assign]
    again = server.peer()
    assert lost.subscribe(again) == AUTH
    assert queue.bodies(again) == [b"stored"]
    assert deleted.bodies(again) == [b"kept"]
    assert queue.send(bob, b"unsigned") == Ok()
    assert server.core.queue_count == 2
