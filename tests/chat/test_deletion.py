"""Contacts deleted by either side, network facts, and what the agent says of a message's place."""

from __future__ import annotations

import asyncio

import pytest

from simplex_calls.agent.events import (
    ConnectionFailed,
    FailureReason,
    Integrity,
    IntegrityKind,
    MessageRejected,
    RejectionReason,
    ServerConnected,
    ServerDisconnected,
    SubscriptionTaken,
)
from simplex_calls.chat.contacts import ContactStatus
from simplex_calls.chat.errors import NotConnectedError
from simplex_calls.chat.events import ContactRemoved, ContactTakenElsewhere, ContactUpdated, ServerStateChanged
from simplex_calls.chat.history import Notice, NoticeDetails, TextDetails
from simplex_calls.chat.messages import CallEnd
from simplex_calls.smp.address import ServerAddress
from tests.chat.conftest import Friends
from tests.chat.fake_agent import Person

DELETED = b'{"event":"x.direct.del","params":{}}'
TEXT = b'{"event":"x.msg.new","params":{"content":{"type":"text","text":"hi"}}}'


async def background(person: Person) -> None:
    """Let the deletions that events started run to their end."""
    while person.chat._tasks:
        await asyncio.gather(*person.chat._tasks)
        await asyncio.sleep(0)


def rows(person: Person, table: str) -> int:
    count: int = person.database.execute(f"SELECT count(*) FROM {table}").fetchone()[0]
    return count


async def test_the_other_side_is_told(friends: Friends) -> None:
    alice, bob = friends.alice, friends.bob
    alice.chat.send_text(friends.bob_id, "hi")
    friends.wire.run()
    alice.take_events()
    await alice.chat.delete_contact(friends.bob_id)
    assert alice.chat.contacts() == []
    assert alice.events == [ContactRemoved(friends.bob_id)]
    assert rows(alice, "chat_items") == 0
    assert alice.agent.deleted == []  # the last message must go first
    bob.take_events()
    friends.wire.run()
    await background(alice)
    await background(bob)
    assert len(alice.agent.deleted) == len(bob.agent.deleted) == 1
    assert rows(alice, "contacts") == 0
    contact = bob.chat.contact(friends.alice_id)
    assert (contact.status, contact.name, contact.connection_id) == (ContactStatus.GONE, "alice", None)
    items = bob.chat.history(friends.alice_id)
    assert [item.details for item in items] == [TextDetails("hi"), NoticeDetails(Notice.CONTACT_DELETED)]
    assert any(isinstance(event, ContactUpdated) for event in bob.events)
    with pytest.raises(NotConnectedError, match="gone"):
        bob.chat.send_text(friends.alice_id, "hello?")
    await bob.chat.delete_contact(friends.alice_id)
    assert rows(bob, "contacts") == rows(bob, "chat_items") == 0


@pytest.mark.parametrize("how", ["failed message", "failed connection"])
async def test_a_contact_goes_even_if_it_cannot_be_told(friends: Friends, how: str) -> None:
    alice = friends.alice
    connection_id = alice.chat.contact(friends.bob_id).connection_id
    assert connection_id is not None
    await alice.chat.delete_contact(friends.bob_id)
    if how == "failed message":
        alice.agent.next_failure = FailureReason.QUEUE_GONE
        friends.wire.run()
    else:
        alice.agent.tell(ConnectionFailed(connection_id, FailureReason.QUEUE_GONE))
    await background(alice)
    assert alice.agent.deleted == [connection_id]
    assert rows(alice, "contacts") == 0


async def test_a_removed_contact_reaches_nobody(friends: Friends) -> None:
    connection_id = friends.alice.chat.contact(friends.bob_id).connection_id
    assert connection_id is not None
    await friends.alice.chat.delete_contact(friends.bob_id)
    friends.alice.take_events()
    for body in (TEXT, DELETED, b'{"event":"x.call.end","params":{"callId":"AAAA"}}'):
        assert friends.alice.agent.receive(connection_id, body)
    assert friends.alice.events == []
    assert friends.alice.calls == []
    assert rows(friends.alice, "chat_items") == 0


async def test_an_interrupted_deletion_is_finished_at_the_start(friends: Friends) -> None:
    alice = friends.alice
    connection_id = alice.chat.contact(friends.bob_id).connection_id
    assert connection_id is not None
    await alice.chat.delete_contact(friends.bob_id)
    await alice.chat.start()
    assert alice.agent.deleted == []  # bob is not told yet
    friends.wire.run()
    await alice.chat.stop()  # before the deletion ran
    assert alice.agent.deleted == []
    await alice.chat.start()
    assert alice.agent.deleted == [connection_id]
    assert rows(alice, "contacts") == 0


async def test_a_connection_that_is_gone_already_is_no_error(friends: Friends) -> None:
    invitation = await friends.alice.chat.create_invitation()
    connection_id = friends.alice.chat.contact(invitation.contact_id).connection_id
    assert connection_id is not None
    await friends.alice.agent.delete_connection(connection_id)
    await friends.alice.chat.delete_contact(invitation.contact_id)
    assert [contact.id for contact in friends.alice.chat.contacts()] == [friends.bob_id]


async def test_a_failed_contact_can_still_say_goodbye(friends: Friends) -> None:
    alice = friends.alice
    contact = alice.chat.contact(friends.bob_id)
    assert contact.connection_id is not None
    alice.agent.tell(ConnectionFailed(contact.connection_id, FailureReason.QUEUE_GONE))
    failed = alice.chat.contact(friends.bob_id)
    assert (failed.status, failed.failure) == (ContactStatus.FAILED, FailureReason.QUEUE_GONE)
    with pytest.raises(NotConnectedError):
        alice.chat.send_call_message(friends.bob_id, CallEnd(b"call"))
    friends.to_alice(TEXT)
    friends.to_alice(b'{"event":"x.call.end","params":{"callId":"AAAA"}}')
    friends.to_alice(DELETED)
    friends.to_alice(TEXT)
    await background(alice)
    assert alice.calls == []
    assert alice.chat.contact(friends.bob_id).status is ContactStatus.GONE
    assert [item.details for item in alice.chat.history(friends.bob_id)] == [
        TextDetails("hi"),
        NoticeDetails(Notice.CONTACT_DELETED),
    ]


async def test_messages_before_the_profile_are_ignored(friends: Friends) -> None:
    invitation = await friends.alice.chat.create_invitation()
    contact = friends.alice.chat.contact(invitation.contact_id)
    assert contact.connection_id is not None
    assert friends.alice.agent.receive(contact.connection_id, TEXT)
    assert friends.alice.agent.receive(contact.connection_id, DELETED)
    assert friends.alice.chat.history(contact.id) == []
    assert friends.alice.chat.contact(contact.id) == contact


async def test_integrity_is_shown(friends: Friends) -> None:
    alice = friends.alice
    connection_id = alice.chat.contact(friends.bob_id).connection_id
    assert connection_id is not None
    for integrity in (
        Integrity(IntegrityKind.GAP, 3, 5),
        Integrity(IntegrityKind.BAD_HASH),
        Integrity(IntegrityKind.DUPLICATE),
    ):
        assert alice.agent.receive(connection_id, TEXT, 6, integrity)
    for reason in RejectionReason:
        alice.agent.tell(MessageRejected(connection_id, reason))
    assert [item.details for item in alice.chat.history(friends.bob_id)] == [
        NoticeDetails(Notice.MESSAGES_LOST, 3),
        TextDetails("hi"),
        NoticeDetails(Notice.OUT_OF_STEP),
        TextDetails("hi"),
        NoticeDetails(Notice.OUT_OF_STEP),
        TextDetails("hi"),
        NoticeDetails(Notice.UNREADABLE, len(RejectionReason) - 2),
    ]


async def test_network_facts_name_contacts(friends: Friends) -> None:
    alice = friends.alice
    connection_id = alice.chat.contact(friends.bob_id).connection_id
    assert connection_id is not None
    server = ServerAddress(("relay.example",), None, bytes(32))
    with alice.database.transaction():
        alice.agent.handler(ServerConnected(server, (connection_id, 999)))
        alice.agent.handler(ServerDisconnected(server, (connection_id,)))
        alice.agent.handler(SubscriptionTaken(connection_id))
        alice.agent.handler(SubscriptionTaken(999))
    assert alice.events == [
        ServerStateChanged(server.uri(), connected=True, contact_ids=(friends.bob_id,)),
        ServerStateChanged(server.uri(), connected=False, contact_ids=(friends.bob_id,)),
        ContactTakenElsewhere(friends.bob_id),
    ]
