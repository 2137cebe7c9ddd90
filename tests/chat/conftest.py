from __future__ import annotations

from dataclasses import dataclass

import pytest

from tests.chat.fake_agent import Person, Wire, befriend


@dataclass
class Friends:
    """Alice invited Bob; each knows the other as contact ``bob_id`` and ``alice_id``."""

    wire: Wire
    alice: Person
    bob: Person
    bob_id: int
    alice_id: int

    def to_alice(self, body: bytes) -> bool:
        """Something that Bob's app, whatever it is, sends."""
        contact = self.alice.chat.contact(self.bob_id)
        assert contact.connection_id is not None
        return self.alice.agent.receive(contact.connection_id, body)


@pytest.fixture
def wire() -> Wire:
    return Wire()


@pytest.fixture
def alice(wire: Wire) -> Person:
    return Person(wire, "alice")


@pytest.fixture
def bob(wire: Wire) -> Person:
    return Person(wire, "bob")


@pytest.fixture
async def friends(wire: Wire, alice: Person, bob: Person) -> Friends:
    return Friends(wire, alice, bob, *await befriend(wire, alice, bob))
