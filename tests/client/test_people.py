"""Two real clients over a real relay: short links, addresses, receipts, pictures, security codes, refused calls."""

from __future__ import annotations

import asyncio
import base64
import secrets
from collections.abc import AsyncIterator
from pathlib import Path
from typing import TypeVar

import pytest

from simplex_calls.agent.details import LinkKind
from simplex_calls.chat.history import Delivery
from simplex_calls.client import PLAIN, CallPermission, Client, ClientError
from simplex_calls.events import (
    ContactConnected,
    ContactRequestAdded,
    ContactUpdated,
    Event,
    Events,
    ItemUpdated,
)
from simplex_calls.relay import Relay, RelayConfig

# the head of a JPEG of one pixel, and anything after it
_HEAD = "data:image/jpg;base64,/9j/wAALCAABAAEBAREA"
PICTURE = _HEAD + base64.b64encode(secrets.token_bytes((12_500 - len(_HEAD)) // 4 * 3)).decode()


@pytest.fixture
async def people(tmp_path: Path) -> AsyncIterator[tuple[Client, Client]]:
    """Alice, with a picture as large as may be, and Bob."""
    async with Relay(RelayConfig(port=0)) as relay:
        servers = [relay.address.uri()]
        async with (
            Client(tmp_path / "alice", "Alice", servers, key=PLAIN) as alice,
            Client(tmp_path / "bob", "Bob", servers, key=PLAIN) as bob,
        ):
            alice.set_profile("Alice", "Alice L.", PICTURE)
            yield alice, bob


E = TypeVar("E", bound=Event)


async def until(events: Events, kind: type[E]) -> E:
    async with asyncio.timeout(60):
        async for event in events:
            if isinstance(event, kind):
                return event
    raise AssertionError(kind)


async def test_by_an_address(people: tuple[Client, Client]) -> None:
    alice, bob = people
    hers, his = alice.events(), bob.events()
    link = await alice.create_address()
    assert alice.address() == link
    assert link.short is not None
    preview = await bob.look_up_link(link)
    assert (preview.kind, preview.is_own, preview.contact_id) == (LinkKind.CONTACT, False, None)
    assert preview.profile is not None
    assert (preview.profile.display_name, preview.profile.image) == ("Alice", PICTURE)
    assert (await alice.look_up_link(link)).is_own
    waiting = await bob.connect(link)
    request = (await until(hers, ContactRequestAdded)).request
    assert (request.name, alice.contact_requests()) == ("Bob", [request])
    assert (await bob.look_up_link(link)).contact_id == waiting.id
    contact = await alice.accept_request(request.id)
    assert alice.contact_requests() == []
    await until(hers, ContactConnected)
    await until(his, ContactConnected)
    assert (bob.contact(waiting.id).name, bob.contact(waiting.id).image) == ("Alice", PICTURE)
    await alice.delete_address()
    assert alice.address() is None
    with pytest.raises(ClientError):
        alice.reject_request(request.id)
    alice.send_text(contact.id, "Welcome")
    assert (await until(hers, ItemUpdated)).item.delivery is Delivery.SENT
    # a receipt of the other side's program
    while (await until(hers, ItemUpdated)).item.delivery is not Delivery.DELIVERED_TO_CONTACT:
        pass
    assert bob.contact(waiting.id).unread == 1
    bob.mark_read(waiting.id)
    assert bob.contact(waiting.id).unread == 0


async def test_by_a_short_invitation(people: tuple[Client, Client]) -> None:
    alice, bob = people
    hers, his = alice.events(), bob.events()
    link = await bob.create_invitation()
    assert link.short is not None
    assert bob.invitation_link(bob.contacts()[0].id) == link
    preview = await alice.look_up_link(str(link))
    assert preview.kind is LinkKind.INVITATION
    contact = await alice.connect(str(link))
    await until(hers, ContactConnected)
    await until(his, ContactConnected)
    other = bob.contacts()[0]
    assert other.image == PICTURE
    mine, theirs = alice.details(contact.id), bob.details(other.id)
    assert mine.security_code
    assert mine.security_code == theirs.security_code
    assert not alice.verify(contact.id, "12345")
    assert alice.verify(contact.id, mine.security_code.replace(" ", ""))
    assert alice.details(contact.id).is_verified
    alice.verify(contact.id, None)
    assert not alice.details(contact.id).is_verified
    # calls are not welcome any more, and the other side knows it
    alice.set_calls_allowed(contact.id, False)
    async with asyncio.timeout(30):
        while bob.contact(other.id).call_permission is not CallPermission.THEY_REFUSE:
            await until(his, ContactUpdated)
    for client, contact_id, message_id in (
        (bob, other.id, "client.error.calls-not-allowed"),
        (alice, contact.id, "client.error.calls-not-wanted"),
    ):
        with pytest.raises(ClientError) as caught:
            await client.start_call(contact_id, "audio")
        assert caught.value.message_id == message_id
    # new keys by consent
    alice.verify(contact.id, mine.security_code)
    items = alice.send_texts(contact.id, ["one", "two"])
    assert [item.details.readable for item in items] == ["one", "two"]  # type: ignore[union-attr]
    await alice.delete_contact(contact.id)
    async with asyncio.timeout(30):
        while bob.contact(other.id).is_connected:
            await until(his, ContactUpdated)
