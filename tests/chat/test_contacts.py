from __future__ import annotations

import unicodedata
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from simplex_calls.agent.events import FailureReason
from simplex_calls.chat.contacts import (
    MAX_NAME_LENGTH,
    TRANSITIONS,
    Contact,
    ContactChange,
    Contacts,
    ContactStatus,
    clean_name,
    from_microseconds,
    to_microseconds,
)
from simplex_calls.chat.messages import Profile
from simplex_calls.chat.schema import MIGRATIONS
from simplex_calls.database import Database

NOW = datetime(2026, 11, 22, 12, 30, 15, 123456, tzinfo=UTC)


@pytest.fixture
def contacts() -> Contacts:
    database = Database()
    database.migrate("chat", MIGRATIONS)
    return Contacts(database)


def named(contacts: Contacts, connection_id: int, name: str) -> Contact:
    return contacts.set_profile(contacts.add(connection_id, ContactStatus.CONNECTING, NOW), Profile(name))


@pytest.mark.parametrize(
    ("raw", "shown"),
    [
        ("alice", "alice"),
        ("  al \t\n ice\u2028 ", "al ice"),
        ("a\u202egnp.exe\u202c", "agnp.exe"),
        ("a\u0000\u001b[31m\u200b\u2066b\ufeff", "a[31mb"),
        ("e\u0301", "é"),
        ("x" * 60, "x" * 50),
        ("x" * 49 + " y", "x" * 49),
        ("\u200f\u00ad", ""),
        ("अनुज", "अनुज"),
    ],
)
def test_clean_names(raw: str, shown: str) -> None:
    assert clean_name(raw) == shown


@given(st.text(max_size=600))
def test_shown_names_are_bounded_and_clean(raw: str) -> None:
    name = clean_name(raw)
    assert len(name) <= MAX_NAME_LENGTH
    assert name == name.strip()
    assert not any(unicodedata.category(character) in ("Cc", "Cf", "Cs", "Zl", "Zp") for character in name)
    assert clean_name(name) == name


def test_names_do_not_collide(contacts: Contacts) -> None:
    assert [
        named(contacts, n, name).name for n, name in enumerate(["bob", "bob", "Bob", "ｂｏｂ", "bob_1", "", ""])
    ] == [
        "bob",
        "bob_1",
        "Bob_2",
        "ｂｏｂ_3",
        "bob_1_1",
        "?",
        "?_1",
    ]


def test_a_name_is_kept_until_it_changes(contacts: Contacts) -> None:
    named(contacts, 1, "bob")
    second = named(contacts, 2, "bob")
    assert second.name == "bob_1"
    assert contacts.set_profile(second, Profile("bob", "Robert")).name == "bob_1"
    assert contacts.set_profile(second, Profile("robert")).name == "robert"
    assert named(contacts, 3, "bob").name == "bob_1"


def test_every_transition_of_the_table_and_no_other(contacts: Contacts) -> None:
    for number, (status, change) in enumerate((s, c) for s in ContactStatus for c in ContactChange):
        contact = contacts.add(number, status, NOW)
        contacts.set_link(contact, "link")
        changed = contacts.change(contact, change, FailureReason.EXPIRED if change is ContactChange.FAILED else None)
        expected = TRANSITIONS.get((status, change))
        if expected is None:
            assert changed is None
            assert contacts.by_connection(number) == contact
        else:
            assert changed is not None
            assert changed.status is expected
            assert changed.failure is (FailureReason.EXPIRED if change is ContactChange.FAILED else None)
            assert contacts.link(contact.id) is None


def test_connected_is_only_reached_through_a_profile() -> None:
    assert [key for key, status in TRANSITIONS.items() if status is ContactStatus.CONNECTED] == [
        (ContactStatus.CONNECTING, ContactChange.CONNECTED)
    ]
    assert not [key for key in TRANSITIONS if key[0] is ContactStatus.REMOVED]


def test_links_are_kept_while_nobody_used_them(contacts: Contacts) -> None:
    pending, joined = contacts.add(7, ContactStatus.PENDING, NOW), contacts.add(8, ContactStatus.CONNECTING, NOW)
    assert pending.created_at == NOW
    assert contacts.without_link() == [pending]
    for contact in (pending, joined):
        contacts.set_link(contact, "link")
    assert (contacts.link(pending.id), contacts.link(joined.id), contacts.link(99)) == ("link", None, None)
    assert contacts.without_link() == []


def test_hidden_contacts_leave_nothing_of_the_person(contacts: Contacts) -> None:
    contact = named(contacts, 1, "bob")
    contacts.hide(contact, farewell_number=5)
    assert contacts.all() == []
    assert contacts.get(contact.id) is None
    hidden = contacts.by_connection(1)
    assert hidden is not None
    assert (hidden.name, hidden.full_name, hidden.status) == ("", "", ContactStatus.REMOVED)
    assert contacts.ids_of((1,)) == ()
    assert contacts.to_close() == []
    assert not contacts.farewell_done(hidden, 4)
    assert contacts.farewell_done(hidden, 5)
    assert not contacts.farewell_done(hidden, 5)
    assert contacts.to_close() == [hidden]
    contacts.connection_closed(hidden.id)
    assert contacts.by_connection(1) is None
    assert named(contacts, 2, "bob").name == "bob"


def test_contact_ids_are_not_used_again(contacts: Contacts) -> None:
    first = named(contacts, 1, "bob")
    contacts.hide(first, None)
    contacts.connection_closed(first.id)
    assert contacts.add(2, ContactStatus.PENDING, NOW).id > first.id


@given(st.datetimes(timezones=st.just(UTC)))
def test_times_round_trip(moment: datetime) -> None:
    assert from_microseconds(to_microseconds(moment)) == moment


def test_names_do_not_show_in_repr(contacts: Contacts) -> None:
    assert "bob" not in repr(named(contacts, 1, "bob"))
