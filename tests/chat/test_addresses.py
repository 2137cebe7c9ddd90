"""Our address, who asks through it, and what links show."""

from __future__ import annotations

import json

import pytest
import zstandard
from hypothesis import given
from hypothesis import strategies as st

from simplex_calls.agent.details import LinkKind
from simplex_calls.agent.links import ConnectionLink
from simplex_calls.chat.addresses import is_address
from simplex_calls.chat.contacts import CallPermission, ContactStatus
from simplex_calls.chat.errors import ChatError
from simplex_calls.chat.events import ContactAdded, ContactRequestAdded, ContactRequestRemoved
from simplex_calls.chat.link_data import decode_link_data, encode_link_data
from simplex_calls.chat.messages import ChatMessage, ContactRequest, Profile, encode_message
from simplex_calls.chat.requests import MAX_REQUESTS
from simplex_calls.smp.encoding import VersionRange
from tests.chat.fake_agent import Person, Wire

IMAGE = "data:image/jpg;base64,/9j/wAALCAABAAEBAREA"
IDENTITY = bytes(range(16))


def ask(person: Person, profile: Profile, request_id: bytes | None = IDENTITY, asker: int = 999) -> None:
    """Let a stranger ask through the person's address."""
    body = encode_message(ChatMessage(ContactRequest(profile, request_id), versions=VersionRange(1, 17)))
    person.agent.ask(person.agent.own_addresses[0], body, (person.agent, asker))


async def test_who_asks_and_is_accepted_is_a_contact(wire: Wire, alice: Person, bob: Person) -> None:
    assert alice.chat.addresses.link() is None
    link = await alice.chat.create_address()
    assert link == alice.chat.addresses.link() == await alice.chat.create_address()
    waiting = await bob.chat.connect(str(link))
    wire.run()
    assert bob.chat.contact(waiting.id).status is ContactStatus.CONNECTING
    (request,) = alice.chat.addresses.requests()
    assert request.name == "bob"
    assert alice.take_events() == [ContactRequestAdded(request)]
    contact = await alice.chat.accept_request(request.id)
    assert (contact.name, contact.status) == ("bob", ContactStatus.CONNECTING)
    assert alice.chat.addresses.requests() == []
    wire.run()
    assert alice.chat.contact(contact.id).is_connected
    assert bob.chat.contact(waiting.id).is_connected
    assert bob.chat.contact(waiting.id).name == "alice"
    bob.chat.send_text(waiting.id, "hi")
    wire.run()
    assert len(alice.chat.history(contact.id)) == 1


async def test_who_is_rejected_is_forgotten(wire: Wire, alice: Person, bob: Person) -> None:
    await bob.chat.connect(str(await alice.chat.create_address()))
    wire.run()
    (request,) = alice.chat.addresses.requests()
    alice.chat.addresses.reject(request.id)
    assert alice.chat.addresses.requests() == []
    assert alice.agent.requests == {}
    assert alice.take_events()[-1] == ContactRequestRemoved(request.id)
    for again in (alice.chat.addresses.reject,):
        with pytest.raises(ChatError):
            again(request.id)
    with pytest.raises(ChatError):
        await alice.chat.accept_request(request.id)


async def test_who_asks_again_takes_the_place_of_before(alice: Person) -> None:
    await alice.chat.create_address()
    ask(alice, Profile("Carol"))
    ask(alice, Profile("Dave"), b"another")
    ask(alice, Profile("Caroline", "C.", {"calls": {"allow": "no"}}, IMAGE))
    dave, carol = alice.chat.addresses.requests()
    assert (dave.name, carol.name, carol.profile.image) == ("Dave", "Caroline", IMAGE)
    assert not carol.profile.calls_allowed
    assert set(alice.agent.requests) == {dave.id, carol.id}
    # without an identity, everyone is somebody else
    ask(alice, Profile("Eve"), None)
    ask(alice, Profile("Eve"), None)
    assert len(alice.chat.addresses.requests()) == 4


@pytest.mark.parametrize("info", [b"", b"{", b'{"event":"x.ok","params":{}}', b"X\x01"])
async def test_who_says_no_name_is_not_noted(alice: Person, info: bytes) -> None:
    await alice.chat.create_address()
    alice.agent.ask(alice.agent.own_addresses[0], info, (alice.agent, 999))
    assert alice.chat.addresses.requests() == []
    assert alice.agent.requests == {}


async def test_not_everybody_can_wait(alice: Person) -> None:
    await alice.chat.create_address()
    for number in range(MAX_REQUESTS + 3):
        ask(alice, Profile("x"), number.to_bytes(2, "big"))
    assert len(alice.chat.addresses.requests()) == len(alice.agent.requests) == MAX_REQUESTS


async def test_the_request_is_kept_if_it_cannot_be_answered_now(wire: Wire, alice: Person, bob: Person) -> None:
    await bob.chat.connect(str(await alice.chat.create_address()))
    wire.run()
    (request,) = alice.chat.addresses.requests()
    alice.agent.dies_after_making = True
    with pytest.raises(KeyboardInterrupt):
        await alice.chat.accept_request(request.id)
    # the contact was stored, and the request forgotten with it
    assert alice.chat.addresses.requests() == []
    assert isinstance(alice.take_events()[-1], ContactAdded)


async def test_deleting_the_address_forgets_who_waits(alice: Person) -> None:
    await alice.chat.create_address()
    ask(alice, Profile("Carol"))
    await alice.chat.addresses.delete()
    assert alice.chat.addresses.link() is None
    assert alice.chat.addresses.requests() == []
    await alice.chat.addresses.delete()


async def test_the_address_shows_the_profile(wire: Wire, alice: Person, bob: Person) -> None:
    link = str(await alice.chat.create_address())
    preview, profile, contact = await bob.chat.look_up_link(f" {link} ")
    assert (preview.kind, preview.is_own, contact) == (LinkKind.CONTACT, False, None)
    assert profile is not None
    assert profile.display_name == "alice"
    alice.chat.set_profile("Alicia", calls_allowed=False)
    await alice.chat.stop()  # waits for what it has begun
    await alice.chat.addresses.show(alice.chat._own.link_data())
    _, profile, _ = await bob.chat.look_up_link(link)
    assert profile is not None
    assert (profile.display_name, profile.calls_allowed) == ("Alicia", False)


async def test_ones_own_invitation_is_recognized(alice: Person) -> None:
    invitation = await alice.chat.create_invitation()
    preview, profile, contact = await alice.chat.look_up_link(str(invitation.link))
    assert (preview.kind, preview.is_own) == (LinkKind.INVITATION, True)
    assert profile is not None
    assert contact is not None
    assert contact.id == invitation.contact_id
    assert alice.chat.invitation(contact.id) == invitation
    # one that was made before there were short links
    alice.agent.links.clear()
    found = alice.chat.invitation(contact.id)
    assert found is not None
    assert found.link == ConnectionLink(invitation.link.full)


async def test_a_request_knows_whose_calls_are_welcome(wire: Wire, alice: Person, bob: Person) -> None:
    bob.chat.set_profile("bob", calls_allowed=False)
    await bob.chat.connect(str(await alice.chat.create_address()))
    wire.run()
    contact = await alice.chat.accept_request(alice.chat.addresses.requests()[0].id)
    assert contact.call_permission is CallPermission.THEY_REFUSE


def test_link_data_as_official_clients_have_them() -> None:
    official = b'{"profile":{"displayName":"carol","fullName":"","preferences":{}},"business":false}'
    assert decode_link_data(official) == Profile("carol", "", {})
    assert json.loads(encode_link_data(Profile("a", "b"))) == {
        "profile": {"displayName": "a", "fullName": "b"},
        "business": False,
    }
    large = Profile("a", image=IMAGE + "A" * 12_000)
    assert encode_link_data(large)[:1] == b"X"
    assert decode_link_data(encode_link_data(large)) == large


@pytest.mark.parametrize(
    "data",
    [
        None,
        b"",
        b"{",
        b"[]",
        b'{"profile":1}',
        b"X",
        b"Xnothing",
        b"X" + zstandard.ZstdCompressor().compress(bytes(100_000)),
        b"X" + zstandard.ZstdCompressor(write_content_size=False).compress(b"{}"),
    ],
)
def test_other_link_data_show_nothing(data: bytes | None) -> None:
    assert decode_link_data(data) is None


def test_addresses_are_told_from_invitations() -> None:
    assert not is_address("")
    assert not is_address("https://example.org")
    assert is_address("https://smp1.example.org/a#" + "A" * 43 + "?c=" + "A" * 43)
    assert not is_address("https://smp1.example.org/i#" + "A" * 32 + "/" + "A" * 43 + "?c=" + "A" * 43)


@given(st.binary(max_size=200) | st.binary(max_size=200).map(lambda data: b"X" + data))
def test_any_link_data(data: bytes) -> None:
    assert decode_link_data(data) is None or data[:1] in (b"{", b"X", b" ", b"\n", b"\r", b"\t")
