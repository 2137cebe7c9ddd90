"""Chat versions of contacts, and what depends on them: compressed messages, several texts in one."""

from __future__ import annotations

import json
import secrets

import pytest

from simplex_calls.agent.events import (
    ConfirmationReceived,
    InfoReceived,
    QueueDirection,
    QueueDrained,
    QueueFull,
    QueueSwitched,
    RatchetOutOfStep,
    RatchetSync,
    SecurityCodeChanged,
    SwitchPhase,
)
from simplex_calls.chat.batch import compressed, decode_body
from simplex_calls.chat.errors import KeysNeededError, TooLargeError
from simplex_calls.chat.events import CallMessageReceived, ContactUpdated
from simplex_calls.chat.history import Delivery, Notice, NoticeDetails, TextDetails
from simplex_calls.chat.limits import CALL_INVITATIONS, CALL_MESSAGES
from simplex_calls.chat.messages import (
    SUPPORTED_VERSIONS,
    CallEnd,
    CallExtra,
    CallInvitation,
    CallMedia,
    ChatMessage,
    Content,
    ContentType,
    DeleteMessage,
    Info,
    NewMessage,
    Profile,
    common_version,
    decode_message,
    encode_message,
)
from simplex_calls.smp.encoding import VersionRange
from tests.chat.conftest import Friends
from tests.chat.fake_agent import BROKER_TIME, Person, Wire


def say(person: Person, connection_id: int, value: object, number: int = 50) -> None:
    person.agent.receive(connection_id, json.dumps(value).encode(), number)


def text_of(text: str, **more: object) -> dict[str, object]:
    return {"event": "x.msg.new", "params": {"content": {"type": "text", "text": text}} | more}


def old(friends: Friends, version: int) -> None:
    """Let bob's program be an old one for alice."""
    friends.alice.database.execute("UPDATE contacts SET chat_version = ?", (version,))


@pytest.mark.parametrize(
    ("theirs", "common"),
    [(None, 1), (VersionRange(1, 1), 1), (VersionRange(1, 17), SUPPORTED_VERSIONS.maximum), (VersionRange(18, 20), 1)],
)
def test_common_version(theirs: VersionRange | None, common: int) -> None:
    assert common_version(theirs) == common


async def test_the_version_starts_by_who_made_the_link_and_only_rises(wire: Wire, alice: Person, bob: Person) -> None:
    invitation = await alice.chat.create_invitation()
    contact = await bob.chat.connect(str(invitation.link))
    wire.moving.clear()
    connection_id = alice.chat.contact(invitation.contact_id).connection_id
    assert connection_id is not None
    bare = encode_message(ChatMessage(Info(Profile("bob"))))
    alice.agent.tell(ConfirmationReceived(connection_id, bare))
    assert alice.chat.contact(invitation.contact_id).chat_version == 1
    assert contact.connection_id is not None
    bob.agent.tell(InfoReceived(contact.connection_id, bare))
    # whose link we used is taken for one that knows compressed messages
    assert bob.chat.contact(contact.id).chat_version == 8
    wire.run()
    say(alice, connection_id, {"v": "1-17"} | text_of("hi"))
    assert alice.chat.contact(invitation.contact_id).chat_version == 9
    say(alice, connection_id, {"v": "1-2"} | text_of("hi"), 51)
    assert alice.chat.contact(invitation.contact_id).chat_version == 9


async def test_what_does_not_fit_is_compressed_for_those_who_know_it(friends: Friends) -> None:
    friends.alice.agent.limit = 1_000
    friends.alice.chat.send_text(friends.bob_id, "x" * 5_000)
    friends.wire.run()
    assert friends.alice.agent.sent[-1][1].startswith(b"X\x011")
    details = friends.bob.chat.history(friends.alice_id)[-1].details
    assert isinstance(details, TextDetails)
    assert details.text == "x" * 5_000
    with pytest.raises(TooLargeError):
        friends.alice.chat.send_text(friends.bob_id, secrets.token_urlsafe(2_000))
    old(friends, 7)
    with pytest.raises(TooLargeError):
        friends.alice.chat.send_text(friends.bob_id, "x" * 5_000)


async def test_a_bomb_is_one_unreadable_message(friends: Friends) -> None:
    connection_id = friends.bob.chat.contact(friends.alice_id).connection_id
    assert connection_id is not None
    friends.bob.agent.receive(connection_id, compressed(b"[" + b" " * 70_000 + b"]"), 50)
    assert friends.bob.chat.history(friends.alice_id)[-1].details == NoticeDetails(Notice.UNREADABLE)
    assert friends.bob.chat.contact(friends.alice_id).is_connected


async def test_several_texts_go_together_to_those_who_know_it(friends: Friends) -> None:
    before = len(friends.alice.agent.sent)
    items = friends.alice.chat.send_texts(friends.bob_id, ["one", "two", "three"])
    assert [item.delivery for item in items] == [Delivery.SENDING] * 3
    friends.wire.run()
    assert len(friends.alice.agent.sent) == before + 1
    body = friends.alice.agent.sent[-1][1]
    assert body.startswith(b"[{")
    assert len(decode_body(body)) == 3
    texts = [item.details for item in friends.bob.chat.history(friends.alice_id)]
    assert texts == [TextDetails("one"), TextDetails("two"), TextDetails("three")]
    assert [item.delivery for item in friends.alice.chat.history(friends.bob_id)] == [Delivery.SENT] * 3
    old(friends, 8)
    friends.alice.chat.send_texts(friends.bob_id, ["four", "five"])
    friends.wire.run()
    assert len(friends.alice.agent.sent) == before + 3
    assert len(friends.bob.chat.history(friends.alice_id)) == 5


async def test_texts_that_do_not_fit_together_go_apart(friends: Friends) -> None:
    before = len(friends.alice.agent.sent)
    friends.alice.chat.send_texts(friends.bob_id, ["a" * 9_000, "b" * 9_000, "c" * 100])
    friends.wire.run()
    assert len(friends.alice.agent.sent) == before + 2
    assert max(len(body) for _, body, _ in friends.alice.agent.sent) <= 15_602
    assert len(friends.bob.chat.history(friends.alice_id)) == 3


async def test_receipts_are_sent_for_texts_and_calls_and_shown(friends: Friends) -> None:
    friends.wire.has_receipts = True
    item = friends.alice.chat.send_text(friends.bob_id, "hi")
    friends.wire.run()
    assert friends.alice.chat.history(friends.bob_id)[-1].delivery is Delivery.DELIVERED_TO_CONTACT
    friends.bob.chat.sends_receipts = False
    friends.alice.chat.edit_text(item.id, "ho")
    friends.alice.chat.send_text(friends.bob_id, "hm")
    friends.wire.run()
    assert [it.delivery for it in friends.alice.chat.history(friends.bob_id)] == [Delivery.SENT] * 2


async def test_unread_until_read(friends: Friends) -> None:
    for text in ("one", "two"):
        friends.alice.chat.send_text(friends.bob_id, text)
    friends.wire.run()
    friends.bob.take_events()
    assert friends.bob.chat.contact(friends.alice_id).unread == 2
    assert friends.alice.chat.contact(friends.bob_id).unread == 0
    friends.bob.chat.mark_read(friends.alice_id)
    friends.bob.chat.mark_read(friends.alice_id)
    assert friends.bob.chat.contact(friends.alice_id).unread == 0
    assert friends.bob.take_events() == [ContactUpdated(friends.bob.chat.contact(friends.alice_id))]


async def test_quotes_are_readable(friends: Friends) -> None:
    connection_id = friends.bob.chat.contact(friends.alice_id).connection_id
    assert connection_id is not None
    quote = {"msgRef": {"sent": True}, "content": {"type": "text", "text": "What?\nWhen?"}}
    say(friends.bob, connection_id, text_of("Now", quote=quote))
    details = friends.bob.chat.history(friends.alice_id)[-1].details
    assert isinstance(details, TextDetails)
    assert (details.text, details.readable) == ("Now", "> What?\n> When?\nNow")
    say(friends.bob, connection_id, text_of("Yes", quote={"content": 1}), 51)
    assert friends.bob.chat.history(friends.alice_id)[-1].details == TextDetails("Yes")


def test_a_text_with_a_file_is_one() -> None:
    message = decode_message(json.dumps(text_of("see", file={"fileName": "x", "fileSize": 1})).encode())
    assert isinstance(message.event, NewMessage)
    assert message.event.content.kind is ContentType.FILE


async def test_texts_can_be_taken_back_for_some_days(friends: Friends) -> None:
    connection_id = friends.bob.chat.contact(friends.alice_id).connection_id
    assert connection_id is not None
    for number, hours in ((60, 77), (61, 79)):
        target = bytes([number]) * 4
        friends.bob.agent.receive(connection_id, encode_message(ChatMessage(NewMessage(Content("x")), target)), number)
        item = friends.bob.chat.history(friends.alice_id)[-1]
        age = hours * 3600 * 1_000_000
        friends.bob.database.execute("UPDATE chat_items SET sent_at = sent_at - ? WHERE id = ?", (age, item.id))
        friends.bob.agent.receive(connection_id, encode_message(ChatMessage(DeleteMessage(target))), number + 100)
        details = friends.bob.chat.history(friends.alice_id)[-1].details
        assert isinstance(details, TextDetails)
        assert details.deleted == (hours < 78)


async def test_a_flood_of_calls_reaches_nobody(friends: Friends) -> None:
    connection_id = friends.bob.chat.contact(friends.alice_id).connection_id
    assert connection_id is not None
    for number in range(100):
        call = CallInvitation(number.to_bytes(2, "big"), CallMedia.AUDIO, encryption=False)
        friends.bob.agent.receive(connection_id, encode_message(ChatMessage(call)), 100 + number)
    assert len(friends.bob.calls) <= CALL_INVITATIONS.count + 1
    friends.bob.calls.clear()
    for number in range(1_000):
        extra = encode_message(ChatMessage(CallExtra(b"call", "W10=")))
        friends.bob.agent.receive(connection_id, extra, 300 + number)
    assert len(friends.bob.calls) <= CALL_MESSAGES.count + 100
    friends.bob.calls.clear()
    # an end is always taken
    friends.bob.agent.receive(connection_id, encode_message(ChatMessage(CallEnd(b"call"))), 2_000)
    assert friends.bob.calls == [CallMessageReceived(friends.alice_id, CallEnd(b"call"), BROKER_TIME)]


async def test_many_names_are_one_notice(friends: Friends) -> None:
    for number in range(20):
        friends.alice.chat.set_profile(f"alice {number}")
    friends.wire.run()
    assert friends.bob.chat.contact(friends.alice_id).name == "alice 19"
    assert [item.details for item in friends.bob.chat.history(friends.alice_id)] == [
        NoticeDetails(Notice.RENAMED, text="alice")
    ]


async def test_a_contact_can_be_removed_without_a_word(friends: Friends) -> None:
    before = len(friends.alice.agent.sent)
    await friends.alice.chat.delete_contact(friends.bob_id, tell=False)
    friends.wire.run()
    assert len(friends.alice.agent.sent) == before
    assert friends.bob.chat.contact(friends.alice_id).is_connected


async def test_new_keys_take_the_mark_away(friends: Friends) -> None:
    friends.alice.chat.set_verified_code(friends.bob_id, "12345")
    contact = friends.alice.chat.contact(friends.bob_id)
    assert contact.connection_id is not None
    friends.alice.agent.tell(SecurityCodeChanged(contact.connection_id))
    assert friends.alice.chat.contact(friends.bob_id).verified_code is None
    assert friends.alice.chat.history(friends.bob_id)[-1].details == NoticeDetails(Notice.CODE_CHANGED)
    friends.alice.take_events()
    friends.alice.agent.tell(RatchetOutOfStep(contact.connection_id, RatchetSync.REQUIRED))
    assert friends.alice.take_events() == [ContactUpdated(friends.alice.chat.contact(friends.bob_id))]


async def test_replaced_queues_are_told_once_they_are_used(friends: Friends) -> None:
    alice, contact = friends.alice, friends.alice.chat.contact(friends.bob_id)
    assert contact.connection_id is not None
    for direction, notice in (
        (QueueDirection.RECEIVING, Notice.ADDRESS_CHANGED),
        (QueueDirection.SENDING, Notice.CONTACT_CHANGED_ADDRESS),
    ):
        before = alice.chat.history(friends.bob_id)
        for phase in (SwitchPhase.STARTED, SwitchPhase.CONFIRMED, SwitchPhase.SECURED, SwitchPhase.ABORTED):
            alice.take_events()
            alice.agent.tell(QueueSwitched(contact.connection_id, direction, phase))
            assert alice.take_events() == [ContactUpdated(contact)]
        assert alice.chat.history(friends.bob_id) == before
        alice.agent.tell(QueueSwitched(contact.connection_id, direction, SwitchPhase.COMPLETED))
        assert alice.chat.history(friends.bob_id)[-1].details == NoticeDetails(notice)
        assert ContactUpdated(contact) in alice.take_events()
    alice.agent.tell(QueueDrained(contact.connection_id))
    assert alice.take_events() == [ContactUpdated(contact)]


async def test_a_full_queue_is_told_once(friends: Friends) -> None:
    alice = friends.alice
    contact = alice.chat.contact(friends.bob_id)
    assert contact.connection_id is not None

    def notices() -> int:
        details = [item.details for item in alice.chat.history(friends.bob_id)]
        return sum(isinstance(it, NoticeDetails) and it.notice is Notice.QUEUE_FULL for it in details)

    alice.chat.send_text(friends.bob_id, "waits")
    alice.agent.tell(QueueFull(contact.connection_id))
    assert notices() == 1
    assert ContactUpdated(contact) in alice.take_events()
    # started again while it lasts, and written more
    alice.chat.send_text(friends.bob_id, "waits, too")
    alice.agent.tell(QueueFull(contact.connection_id))
    assert notices() == 1
    # what was written since was delivered: another time
    friends.wire.run()
    alice.agent.tell(QueueFull(contact.connection_id))
    assert notices() == 2


async def test_nothing_is_sent_before_there_are_new_keys(friends: Friends) -> None:
    contact = friends.alice.chat.contact(friends.bob_id)
    assert contact.connection_id is not None
    friends.alice.agent.sync[contact.connection_id] = RatchetSync.REQUIRED
    with pytest.raises(KeysNeededError):
        friends.alice.chat.send_text(friends.bob_id, "Hi")
    assert friends.alice.chat.history(friends.bob_id) == []
