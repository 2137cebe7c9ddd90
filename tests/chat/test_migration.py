"""Profiles of earlier states of the tables."""

from __future__ import annotations

from simplex_calls.chat.contacts import CallPermission
from simplex_calls.chat.history import Delivery, TextDetails
from simplex_calls.chat.schema import MIGRATIONS
from simplex_calls.database import Database
from tests.chat.fake_agent import Person, Wire


async def test_the_first_tables_are_taken_over() -> None:
    database = Database()
    database.migrate("chat", MIGRATIONS[:1])
    with database.transaction():
        database.execute("INSERT INTO profile VALUES (1, 'alice', 'Alice L.')")
        database.execute(
            "INSERT INTO contacts (id, connection_id, status, name, name_key, display_name, calls_allowed, created_at)"
            " VALUES (4, 7, 'connected', 'bob', 'bob', 'bob', 0, 1)"
        )
        database.execute(
            "INSERT INTO chat_items (contact_id, direction, kind, created_at, message_id, agent_number, delivery, text,"
            " content) VALUES (4, 'sent', 'text', 1, x'01', 3, 'sent', 'hi', 'text')"
        )
    alice = Person(Wire(), None, database)
    profile = alice.chat.profile
    assert profile is not None
    assert (profile.display_name, profile.full_name, profile.image, profile.calls_allowed) == (
        "alice",
        "Alice L.",
        None,
        True,
    )
    contact = alice.chat.contact(4)
    assert (contact.call_permission, contact.unread, contact.chat_version) == (CallPermission.THEY_REFUSE, 0, 1)
    (item,) = alice.chat.history(4)
    assert (item.details, item.delivery) == (TextDetails("hi"), Delivery.SENT)
    assert alice.chat.addresses.requests() == []
