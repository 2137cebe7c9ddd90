from __future__ import annotations

import json
import logging
import secrets
from datetime import UTC, datetime
from pathlib import Path

import pytest

from simplex_calls.agent.events import FailureReason
from simplex_calls.chat.chat import Chat
from simplex_calls.chat.contacts import ContactStatus
from simplex_calls.chat.errors import ChatError, NotConnectedError, TooLargeError
from simplex_calls.chat.events import (
    CallMessageDelivered,
    CallMessageFailed,
    CallMessageReceived,
    ChatEvent,
    ContactAdded,
    ContactConnected,
    ContactRemoved,
    ContactUpdated,
    HistoryCleared,
    ItemAdded,
    ItemRemoved,
    ItemUpdated,
)
from simplex_calls.chat.history import CallDetails, CallStatus, Delivery, Direction, Notice, NoticeDetails, TextDetails
from simplex_calls.chat.messages import (
    CallAnswer,
    CallEnd,
    CallExtra,
    CallInvitation,
    CallMedia,
    CallMessage,
    CallOffer,
    Profile,
    RtcSession,
)
from simplex_calls.crypto import X25519PublicKey
from simplex_calls.database import Database
from tests.chat.conftest import Friends
from tests.chat.fake_agent import BROKER_TIME, Person, Wire, befriend

SESSION = RtcSession("description", "candidates")
KEY = X25519PublicKey(bytes(range(32)))
CALL_MESSAGES: list[CallMessage] = [
    CallInvitation(b"call", CallMedia.VIDEO, encryption=True, dh_key=KEY),
    CallOffer(b"call", CallMedia.VIDEO, encryption=True, session=SESSION, dh_key=KEY),
    CallAnswer(b"call", SESSION),
    CallExtra(b"call", "candidates"),
    CallEnd(b"call"),
]


def texts(chat: Chat, contact_id: int) -> list[str]:
    return [item.details.text for item in chat.history(contact_id) if isinstance(item.details, TextDetails)]


def types(events: list[ChatEvent]) -> list[type[ChatEvent]]:
    return [type(event) for event in events]


async def test_connecting_exchanges_profiles(wire: Wire, alice: Person, bob: Person) -> None:
    invitation = await alice.chat.create_invitation()
    pending = alice.chat.contact(invitation.contact_id)
    assert (pending.status, pending.name) == (ContactStatus.PENDING, "")
    assert pending.created_at == datetime.fromtimestamp(alice.now, UTC)
    assert alice.chat.invitation(pending.id) == invitation
    joined = await bob.chat.connect(f"  {invitation.link}\n")
    assert joined.status is ContactStatus.CONNECTING
    wire.run()
    for person, contact_id, name in ((alice, invitation.contact_id, "bob"), (bob, joined.id, "alice")):
        contact = person.chat.contact(contact_id)
        assert (contact.status, contact.name) == (ContactStatus.CONNECTED, name)
        assert person.chat.contacts() == [contact]
        assert person.chat.invitation(contact_id) is None
        assert types(person.events) == [ContactAdded, ContactUpdated, ContactConnected]
        assert person.events[-1] == ContactConnected(contact)


async def test_a_profile_is_needed_first(wire: Wire) -> None:
    nobody = Person(wire, None)
    profile = nobody.chat.profile
    assert profile is None
    with pytest.raises(ChatError, match="choose a name"):
        await nobody.chat.create_invitation()
    with pytest.raises(ChatError, match="choose a name"):
        await nobody.chat.connect("link")
    with pytest.raises(ChatError, match="visible"):
        nobody.chat.set_profile("\u200b ")
    assert nobody.chat.set_profile(" Zoë\u202e ", "Zoë Z.") == nobody.chat.profile == Profile("Zoë", "Zoë Z.")
    await nobody.chat.create_invitation()


async def test_two_contacts_of_one_name(wire: Wire, alice: Person, bob: Person) -> None:
    await befriend(wire, alice, bob)
    await befriend(wire, alice, Person(wire, "bob"))
    assert [contact.name for contact in alice.chat.contacts()] == ["bob", "bob_1"]


@pytest.mark.parametrize("info", [b"", b"{}", b'{"event":"x.ok","params":{}}', b"X\x00"])
async def test_who_sends_no_profile_is_no_contact(wire: Wire, alice: Person, bob: Person, info: bytes) -> None:
    invitation = await alice.chat.create_invitation()
    connection_id = await bob.agent.join_connection(str(invitation.link), info)
    wire.run()
    contact = alice.chat.contact(invitation.contact_id)
    assert (contact.status, contact.failure) == (ContactStatus.FAILED, FailureReason.INCOMPATIBLE)
    assert connection_id not in bob.agent.connected
    with pytest.raises(NotConnectedError):
        alice.chat.send_text(contact.id, "hi")


async def test_who_answers_without_profile_is_no_contact(wire: Wire, alice: Person, bob: Person) -> None:
    link = (await alice.chat.create_invitation()).link
    connection_id = alice.chat.contacts()[0].connection_id
    assert connection_id is not None
    contact = await bob.chat.connect(str(link))
    wire.moving.clear()
    alice.agent.allow_connection(connection_id, b"{}")
    wire.run()
    assert bob.chat.contact(contact.id).status is ContactStatus.FAILED
    await bob.chat.delete_contact(contact.id)
    assert bob.chat.contacts() == []


async def test_a_link_that_nobody_saw_is_removed_at_the_start(wire: Wire, alice: Person) -> None:
    alice.agent.dies_after_making = True
    with pytest.raises(KeyboardInterrupt):
        await alice.chat.create_invitation()
    (lost,) = alice.chat.contacts()
    assert alice.chat.invitation(lost.id) is None
    alice.agent.dies_after_making = False
    kept = await alice.chat.create_invitation()
    await alice.chat.start()
    assert [contact.id for contact in alice.chat.contacts()] == [kept.contact_id]
    assert alice.agent.deleted == [lost.connection_id]


async def test_a_join_is_kept_with_its_connection(wire: Wire, alice: Person, bob: Person) -> None:
    """The process ends as soon as the agent stored the connection: the contact is there and goes on."""
    invitation = await alice.chat.create_invitation()
    bob.agent.dies_after_making = True
    with pytest.raises(KeyboardInterrupt):
        await bob.chat.connect(str(invitation.link))
    assert [contact.status for contact in bob.chat.contacts()] == [ContactStatus.CONNECTING]


async def test_texts_go_both_ways(friends: Friends) -> None:
    alice, bob = friends.alice, friends.bob
    item = alice.chat.send_text(friends.bob_id, "hi ✓")
    assert (item.delivery, item.direction) == (Delivery.SENDING, Direction.SENT)
    bob.now += 60
    friends.wire.run()
    bob.chat.send_text(friends.alice_id, "hello")
    friends.wire.run()
    assert texts(alice.chat, friends.bob_id) == texts(bob.chat, friends.alice_id) == ["hi ✓", "hello"]
    sent, answer = alice.chat.history(friends.bob_id)
    assert (sent.delivery, sent.failure) == (Delivery.SENT, None)
    assert alice.take_events() == [ItemAdded(item), ItemUpdated(sent), ItemAdded(answer)]
    received = bob.chat.history(friends.alice_id)[0]
    assert received.sent_at == BROKER_TIME
    assert received.created_at == datetime.fromtimestamp(bob.now, UTC)


async def test_what_is_on_the_wire(friends: Friends) -> None:
    friends.alice.chat.send_text(friends.bob_id, "hi")
    friends.alice.chat.send_call_message(friends.bob_id, CALL_MESSAGES[0])
    friends.alice.chat.send_call_message(friends.bob_id, CALL_MESSAGES[4])
    friends.alice.chat.set_profile("alice", "Alice A.")
    bodies = [json.loads(body) for _, body, _ in friends.alice.agent.sent]
    assert [body["event"] for body in bodies] == ["x.msg.new", "x.call.inv", "x.call.end", "x.info"]
    assert [notify for _, _, notify in friends.alice.agent.sent] == [True, True, False, False]
    assert all(body["v"] == "1-9" and len(body["msgId"]) == 16 for body in bodies)
    assert len({body["msgId"] for body in bodies}) == 4


async def test_what_cannot_be_sent(friends: Friends) -> None:
    chat = friends.alice.chat
    with pytest.raises(TooLargeError):
        chat.send_text(friends.bob_id, "x" * 15_600)
    friends.alice.agent.limit = 1000
    with pytest.raises(TooLargeError):
        # nor does it fit compressed
        chat.send_text(friends.bob_id, secrets.token_urlsafe(2000))
    with pytest.raises(ChatError, match="no text"):
        chat.send_text(friends.bob_id, " \n")
    with pytest.raises(ChatError, match="characters"):
        chat.send_text(friends.bob_id, "\ud800")
    with pytest.raises(ChatError, match="does not exist"):
        chat.send_text(999, "hi")
    assert chat.history(friends.bob_id) == []
    assert friends.alice.events == []
    pending = await chat.create_invitation()
    with pytest.raises(NotConnectedError, match="pending"):
        chat.send_text(pending.contact_id, "hi")


async def test_nothing_leaves_when_the_transaction_fails(friends: Friends) -> None:
    with pytest.raises(KeyError), friends.alice.database.transaction():
        friends.alice.chat.send_text(friends.bob_id, "hi")
        raise KeyError
    assert friends.alice.agent.sent == []
    assert friends.alice.events == []
    assert friends.alice.chat.history(friends.bob_id) == []


async def test_a_text_that_is_never_delivered(friends: Friends) -> None:
    item = friends.alice.chat.send_text(friends.bob_id, "hi")
    friends.alice.agent.next_failure = FailureReason.QUEUE_GONE
    friends.wire.run()
    (failed,) = friends.alice.chat.history(friends.bob_id)
    assert (failed.id, failed.delivery, failed.failure) == (item.id, Delivery.FAILED, FailureReason.QUEUE_GONE)


async def test_edits_and_deletions_reach_the_other_side(friends: Friends) -> None:
    alice, bob = friends.alice, friends.bob
    first, second = alice.chat.send_text(friends.bob_id, "one"), alice.chat.send_text(friends.bob_id, "two")
    friends.wire.run()
    assert alice.chat.edit_text(first.id, "1").details == TextDetails("1", edited=True)
    alice.chat.delete_item(second.id, for_everyone=True)
    bob.take_events()
    friends.wire.run()
    assert texts(alice.chat, friends.bob_id) == ["1"]
    assert alice.chat.history(friends.bob_id)[0].delivery is Delivery.SENT
    items = bob.chat.history(friends.alice_id)
    assert [item.details for item in items] == [TextDetails("1", edited=True), TextDetails("", deleted=True)]
    assert bob.take_events() == [ItemUpdated(item) for item in items]


async def test_only_own_texts_can_be_changed(friends: Friends) -> None:
    alice = friends.alice
    friends.bob.chat.send_text(friends.alice_id, "mine")
    friends.wire.run()
    (theirs,) = alice.chat.history(friends.bob_id)
    with pytest.raises(ChatError, match="your own"):
        alice.chat.edit_text(theirs.id, "yours")
    with pytest.raises(ChatError, match="your own"):
        alice.chat.delete_item(theirs.id, for_everyone=True)
    alice.take_events()
    alice.chat.delete_item(theirs.id)
    assert alice.take_events() == [ItemRemoved(friends.bob_id, theirs.id)]
    assert alice.chat.history(friends.bob_id) == []
    assert texts(friends.bob.chat, friends.alice_id) == ["mine"]
    with pytest.raises(ChatError, match="does not exist"):
        alice.chat.delete_item(theirs.id)


async def test_call_entries_cannot_be_changed_singly(friends: Friends) -> None:
    chat = friends.alice.chat
    call = chat.put_call_item(friends.bob_id, Direction.SENT, CallDetails(CallMedia.AUDIO, CallStatus.RINGING))
    with pytest.raises(ChatError, match="calls cannot be edited"):
        chat.edit_text(call.id, "x")
    for for_everyone in (False, True):
        with pytest.raises(ChatError, match="calls cannot be deleted"):
            chat.delete_item(call.id, for_everyone=for_everyone)
    assert chat.history(friends.bob_id) == [call]
    ended = chat.update_call_item(call.id, CallDetails(CallMedia.AUDIO, CallStatus.ENDED, 12))
    assert chat.update_call_item(call.id, CallDetails(CallMedia.AUDIO, CallStatus.ENDED, 12)) == ended
    assert ended is not None
    assert friends.alice.take_events() == [ItemAdded(call), ItemUpdated(ended)]
    text = chat.send_text(friends.bob_id, "hi")
    with pytest.raises(ChatError, match="not a call"):
        chat.update_call_item(text.id, CallDetails(CallMedia.AUDIO, CallStatus.ENDED, 12))
    friends.alice.take_events()
    chat.clear_history(friends.bob_id)
    assert friends.alice.take_events() == [HistoryCleared(friends.bob_id)]
    assert chat.history(friends.bob_id) == []
    assert chat.update_call_item(call.id, CallDetails(CallMedia.AUDIO, CallStatus.FAILED)) is None


async def test_a_peer_cannot_touch_our_items(friends: Friends) -> None:
    ours = friends.alice.chat.send_text(friends.bob_id, "ours")
    friends.alice.chat.put_call_item(
        friends.bob_id, Direction.RECEIVED, CallDetails(CallMedia.AUDIO, CallStatus.MISSED)
    )
    friends.wire.run()
    before = friends.alice.chat.history(friends.bob_id)
    message = json.loads(friends.alice.agent.sent[-1][1])
    friends.to_alice(json.dumps({"event": "x.msg.del", "params": {"msgId": message["msgId"]}}).encode())
    assert friends.alice.chat.history(friends.bob_id) == before
    assert before[0].id == ours.id
    # an update of an unknown message is a new one, as the protocol says: under the same id, but theirs
    content = {"type": "text", "text": "changed"}
    update = {"event": "x.msg.update", "params": {"msgId": message["msgId"], "content": content}}
    friends.to_alice(json.dumps(update).encode())
    assert friends.alice.chat.history(friends.bob_id)[:2] == before
    assert friends.alice.chat.history(friends.bob_id)[2].details == TextDetails("changed", edited=True)


def new_message(text: str, message_id: str | None = None) -> bytes:
    value = {"event": "x.msg.new", "params": {"content": {"type": "text", "text": text}}}
    return json.dumps(value | ({"msgId": message_id} if message_id else {})).encode()


async def test_a_repeated_message_is_shown_once(friends: Friends) -> None:
    for text in ("a", "b"):
        assert friends.to_alice(new_message(text, "AAAA"))
        assert friends.to_alice(new_message(text))
    assert texts(friends.alice.chat, friends.bob_id) == ["a", "a", "b"]
    friends.to_alice(b'{"event":"x.msg.del","params":{"msgId":"AAAA"}}')
    friends.to_alice(new_message("again", "AAAA"))
    friends.to_alice(b'{"event":"x.msg.update","params":{"msgId":"AAAA","content":{"type":"text","text":"back"}}}')
    assert texts(friends.alice.chat, friends.bob_id) == ["", "a", "b"]


async def test_batches_bad_parts_and_unknown_events(friends: Friends, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    body = b'[{"event":"x.ok","params":{"private":1}},7,' + new_message("private", "AAAA") + b',{"event":"x.msg.new"}]'
    assert friends.to_alice(body)
    assert friends.to_alice(b"private garbage")
    friends.to_alice(b'{"event":"x.info.probe","params":{"probe":"private"}}')
    items = friends.alice.chat.history(friends.bob_id)
    assert [item.details for item in items] == [TextDetails("private"), NoticeDetails(Notice.UNREADABLE, 2)]
    assert "x.ok is ignored" in caplog.text
    assert "x.info.probe is ignored" in caplog.text
    assert "private" not in caplog.text


@pytest.mark.parametrize("message", CALL_MESSAGES, ids=lambda message: type(message).__name__)
async def test_call_messages_come_inside_the_transaction(friends: Friends, message: CallMessage) -> None:
    def answer(event: CallMessageReceived) -> None:
        friends.bob.calls.append(event)
        call = CallDetails(CallMedia.VIDEO, CallStatus.RINGING)
        friends.bob.chat.put_call_item(event.contact_id, Direction.RECEIVED, call, sent_at=event.broker_time)
        friends.bob.chat.send_call_message(event.contact_id, CallEnd(b"call"))
        assert friends.bob.events == []
        assert friends.bob.agent.sent == []

    friends.bob.call_handler = answer
    with friends.alice.database.transaction():
        friends.alice.chat.send_call_message(friends.bob_id, message)
        assert friends.alice.agent.sent == []
    friends.wire.run()
    assert friends.bob.calls == [CallMessageReceived(friends.alice_id, message, BROKER_TIME)]
    assert friends.alice.calls == [CallMessageReceived(friends.bob_id, CallEnd(b"call"), BROKER_TIME)]
    assert types(friends.bob.events) == [ItemAdded, CallMessageDelivered]
    assert friends.alice.events == [CallMessageDelivered(friends.bob_id, b"call", type(message))]


async def test_a_call_message_that_fails_above_leaves_nothing(friends: Friends) -> None:
    def fail(event: CallMessageReceived) -> None:
        friends.bob.chat.put_call_item(
            event.contact_id, Direction.RECEIVED, CallDetails(CallMedia.AUDIO, CallStatus.RINGING)
        )
        friends.bob.chat.send_call_message(event.contact_id, CallEnd(b"call"))
        raise KeyError

    friends.bob.call_handler = fail
    friends.alice.chat.send_call_message(friends.bob_id, CallEnd(b"call"))
    friends.wire.run()
    assert [item.details for item in friends.bob.chat.history(friends.alice_id)] == [NoticeDetails(Notice.UNREADABLE)]
    assert friends.bob.agent.sent == []


async def test_a_call_message_that_is_never_delivered(friends: Friends) -> None:
    friends.alice.chat.send_call_message(friends.bob_id, CALL_MESSAGES[0])
    friends.alice.agent.next_failure = FailureReason.EXPIRED
    friends.wire.run()
    friends.wire.run()
    assert friends.alice.events == [CallMessageFailed(friends.bob_id, b"call", CallInvitation, FailureReason.EXPIRED)]


async def test_an_offer_that_is_too_large(friends: Friends) -> None:
    offer = CallOffer(b"call", CallMedia.VIDEO, encryption=False, session=RtcSession("x" * 15_600, ""))
    with pytest.raises(TooLargeError, match=r"x\.call\.offer has 15\d\d\d bytes"):
        friends.alice.chat.send_call_message(friends.bob_id, offer)
    with friends.alice.database.transaction():
        with pytest.raises(TooLargeError), friends.alice.database.savepoint():
            friends.alice.chat.send_call_message(friends.bob_id, offer)
        friends.alice.chat.send_call_message(friends.bob_id, CallEnd(b"call"))
    assert len(friends.alice.agent.sent) == 1


async def test_a_new_profile_is_told_and_taken(friends: Friends, bob: Person) -> None:
    friends.alice.chat.set_profile("alicia")
    friends.wire.run()
    renamed = bob.chat.contact(friends.alice_id)
    assert renamed.name == "alicia"
    (notice,) = bob.chat.history(friends.alice_id)
    assert notice.details == NoticeDetails(Notice.RENAMED, 1, "alice")
    assert bob.take_events() == [ItemAdded(notice), ContactUpdated(renamed)]
    friends.alice.chat.set_profile("alicia")
    friends.wire.run()
    assert bob.events == []


async def test_calls_may_be_unwelcome(friends: Friends) -> None:
    profile = b'{"displayName":"bob","fullName":"","preferences":{"calls":{"allow":"%s"}}}'
    for allow in (b"no", b"yes"):
        friends.to_alice(b'{"event":"x.info","params":{"profile":%s}}' % (profile % allow))
        assert friends.alice.chat.contact(friends.bob_id).calls_allowed == (allow == b"yes")


async def test_a_fault_above_stops_nothing(friends: Friends, caplog: pytest.LogCaptureFixture) -> None:
    failing = Person(friends.wire, "carol")
    contact_id, carol_id = await befriend(friends.wire, failing, friends.alice)
    failing.event_error = AttributeError("private")
    friends.alice.chat.send_text(carol_id, "private")
    friends.wire.run()
    assert texts(failing.chat, contact_id) == ["private"]
    assert "ItemAdded is not handled: AttributeError" in caplog.text
    assert "private" not in caplog.text


async def test_everything_is_there_after_a_restart(tmp_path: Path, wire: Wire, bob: Person) -> None:
    alice = Person(wire, "alice", Database(tmp_path / "alice.db"))
    bob_id, alice_id = await befriend(wire, alice, bob)
    alice.chat.send_text(bob_id, "hi")
    bob.chat.send_text(alice_id, "hello")
    wire.run()
    contacts, history = alice.chat.contacts(), alice.chat.history(bob_id)
    alice.database.close()
    again = Person(wire, None, Database(tmp_path / "alice.db"))
    assert again.chat.profile == Profile("alice")
    assert again.chat.contacts() == contacts
    assert again.chat.history(bob_id) == history
    again.database.close()


async def test_start_and_stop_run_the_agent(alice: Person) -> None:
    await alice.chat.start()
    assert alice.agent.running
    await alice.chat.stop()
    assert not alice.agent.running


async def test_a_pending_invitation_can_be_removed(alice: Person) -> None:
    invitation = await alice.chat.create_invitation()
    alice.take_events()
    await alice.chat.delete_contact(invitation.contact_id)
    assert alice.take_events() == [ContactRemoved(invitation.contact_id)]
    assert len(alice.agent.deleted) == 1
    assert alice.database.execute("SELECT count(*) FROM contacts").fetchone()[0] == 0
    with pytest.raises(ChatError, match="does not exist"):
        await alice.chat.delete_contact(invitation.contact_id)
