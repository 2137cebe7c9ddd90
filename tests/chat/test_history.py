from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from simplex_calls.agent.events import FailureReason
from simplex_calls.chat.contacts import Contacts, ContactStatus
from simplex_calls.chat.history import (
    CallDetails,
    CallStatus,
    Delivery,
    Direction,
    History,
    ItemKind,
    Notice,
    NoticeDetails,
    TextDetails,
)
from simplex_calls.chat.messages import CallMedia, Content, ContentType
from simplex_calls.chat.schema import MIGRATIONS
from simplex_calls.database import Database

NOW = datetime(2026, 11, 22, 12, 0, tzinfo=UTC)


@pytest.fixture
def history() -> History:
    database = Database()
    database.migrate("chat", MIGRATIONS)
    contacts = Contacts(database)
    contacts.add(1, ContactStatus.CONNECTED, NOW)
    contacts.add(2, ContactStatus.CONNECTED, NOW)
    return History(database)


def test_items_keep_what_they_are_given(history: History) -> None:
    sent = history.add_sent(1, "hi", b"m1", 7, NOW)
    assert (sent.kind, sent.direction, sent.delivery) == (ItemKind.TEXT, Direction.SENT, Delivery.SENDING)
    assert (sent.details, sent.created_at, sent.sent_at) == (TextDetails("hi"), NOW, None)
    then = NOW - timedelta(minutes=5)
    received = history.add_received(1, Content("look", ContentType.IMAGE), b"m1", NOW, then)
    assert received.details == TextDetails("look", ContentType.IMAGE)
    assert (received.direction, received.sent_at, received.delivery) == (Direction.RECEIVED, then, None)
    call = history.add_call(1, Direction.RECEIVED, CallDetails(CallMedia.VIDEO, CallStatus.RINGING), NOW, then)
    assert (call.kind, call.details) == (ItemKind.CALL, CallDetails(CallMedia.VIDEO, CallStatus.RINGING))
    ended = history.set_call(call.id, CallDetails(CallMedia.VIDEO, CallStatus.ENDED, 61))
    assert ended.details == CallDetails(CallMedia.VIDEO, CallStatus.ENDED, 61)
    assert history.page(1, limit=10, before=None) == [sent, received, ended]
    assert history.page(2, limit=10, before=None) == []


def test_pages_go_back_in_a_stable_order(history: History) -> None:
    # the clock may jump: the order of storing counts
    ids = [history.add_sent(1, str(n), bytes([n]), n, NOW - timedelta(hours=n)).id for n in range(1, 8)]
    history.add_sent(2, "other", b"x", 1, NOW)
    pages, before = [], None
    while page := history.page(1, limit=3, before=before):
        pages.append([item.id for item in page])
        before = page[0].id
    assert pages == [ids[4:7], ids[1:4], ids[0:1]]
    assert history.page(1, limit=0, before=None) == history.page(1, limit=-1, before=None) == []


def test_delivery(history: History) -> None:
    first, second = history.add_sent(1, "a", b"a", 1, NOW), history.add_sent(1, "b", b"b", 2, NOW)
    (done,) = history.delivered(1, 1)
    assert (done.id, done.delivery, done.failure) == (first.id, Delivery.SENT, None)
    (failed,) = history.delivered(1, 2, FailureReason.QUEUE_GONE)
    assert (failed.id, failed.delivery, failed.failure) == (second.id, Delivery.FAILED, FailureReason.QUEUE_GONE)
    assert history.delivered(1, 2) == history.delivered(1, 3) == history.delivered(2, 1) == []


def test_an_edited_text_is_on_its_way_again(history: History) -> None:
    item = history.add_sent(1, "a", b"a", 1, NOW)
    history.delivered(1, 1, FailureReason.EXPIRED)
    edited = history.edit(item.id, Content("b"), 9)
    assert (edited.details, edited.delivery, edited.failure) == (TextDetails("b", edited=True), Delivery.SENDING, None)
    (done,) = history.delivered(1, 9)
    assert done.delivery is Delivery.SENT


def test_calls_cannot_be_changed_as_texts(history: History) -> None:
    call = history.add_call(1, Direction.SENT, CallDetails(CallMedia.AUDIO, CallStatus.MISSED), NOW, None)
    history.edit(call.id, Content("b"))
    history.mark_deleted(call.id)
    history.remove(call.id)
    assert history.get(call.id) == call
    text = history.add_sent(1, "a", b"a", 1, NOW)
    history.set_call(text.id, CallDetails(CallMedia.AUDIO, CallStatus.ENDED, 1))
    assert history.get(text.id) == text
    history.clear(1)
    assert history.get(call.id) is None


def test_a_deleted_text_leaves_its_place_without_words(history: History) -> None:
    item = history.add_received(1, Content("secret"), b"m", NOW, NOW)
    assert history.mark_deleted(item.id).details == TextDetails("", deleted=True)
    assert history.by_message_id(1, Direction.RECEIVED, b"m") is not None
    assert history.by_message_id(1, Direction.SENT, b"m") is None


def test_the_same_notice_is_counted(history: History) -> None:
    first, new = history.add_notice(1, Notice.MESSAGES_LOST, NOW, count=2)
    assert new
    again, new = history.add_notice(1, Notice.MESSAGES_LOST, NOW, count=3)
    assert not new
    assert (again.id, again.details) == (first.id, NoticeDetails(Notice.MESSAGES_LOST, 5))
    huge, _ = history.add_notice(1, Notice.MESSAGES_LOST, NOW, count=2**70)
    assert huge.details == NoticeDetails(Notice.MESSAGES_LOST, 2**31 - 1)
    other, new = history.add_notice(1, Notice.UNREADABLE, NOW)
    assert new
    assert other.id > first.id
    assert history.add_notice(2, Notice.UNREADABLE, NOW)[1]
    renamed, new = history.add_notice(1, Notice.RENAMED, NOW, text="a")
    assert renamed.details == NoticeDetails(Notice.RENAMED, 1, "a")
    assert history.add_notice(1, Notice.RENAMED, NOW, text="b")[1]


def test_words_do_not_show_in_repr(history: History) -> None:
    assert "private" not in repr(history.add_sent(1, "private", b"private", 1, NOW))
    assert "private" not in repr(history.add_notice(1, Notice.RENAMED, NOW, text="private"))
