"""Pictures, and whose calls are welcome."""

from __future__ import annotations

import base64
import secrets

import pytest

from simplex_calls.chat.batch import compressed
from simplex_calls.chat.contacts import CallPermission
from simplex_calls.chat.errors import ImageError
from simplex_calls.chat.history import Notice, NoticeDetails
from simplex_calls.chat.messages import MAX_IMAGE_LENGTH, MAX_INFO_LENGTH, CallInvitation, CallMedia, is_image
from tests.chat.conftest import Friends

IMAGE = "data:image/jpg;base64,/9j/wAALCAABAAEBAREA"


def picture(length: int) -> str:
    """A picture that does not get smaller."""
    head = IMAGE
    return head + base64.b64encode(secrets.token_bytes((length - len(head)) // 4 * 3)).decode()


async def test_a_picture_reaches_the_contacts(friends: Friends) -> None:
    alice, bob = friends.alice.chat, friends.bob.chat
    alice.set_profile("Alice", "A. L.", IMAGE)
    friends.wire.run()
    contact = bob.contact(friends.alice_id)
    assert (contact.full_name, contact.image) == ("A. L.", IMAGE)
    profile = alice.profile
    assert profile is not None
    assert profile.image == IMAGE
    alice.set_profile("Alice")
    friends.wire.run()
    assert bob.contact(friends.alice_id).image is None


async def test_the_largest_picture_fits_beside_post_quantum_keys(friends: Friends) -> None:
    friends.alice.agent.limit = 13_380
    image = picture(MAX_IMAGE_LENGTH)
    friends.alice.chat.set_profile("A" * 50, "B" * 100, image)
    assert len(friends.alice.chat._own.info()) <= MAX_INFO_LENGTH
    assert len(compressed(friends.alice.chat._own.info())) <= 10_706
    friends.wire.run()
    assert friends.bob.chat.contact(friends.alice_id).image == image


@pytest.mark.parametrize(
    "image",
    ["", "x", "https://example.org/x.png", "data:text/html;base64,AAAA", IMAGE + "\n", "data:image/jpg;base64,<>"],
)
async def test_what_is_no_picture_is_refused(friends: Friends, image: str) -> None:
    assert not is_image(image)
    before = friends.alice.chat.profile
    for bad in (image, picture(MAX_IMAGE_LENGTH + 100)):
        with pytest.raises(ImageError):
            friends.alice.chat.set_profile("Alice", "", bad)
    assert friends.alice.chat.profile == before


async def test_calls_are_welcome_unless_one_side_says_no(friends: Friends) -> None:
    alice, bob = friends.alice.chat, friends.bob.chat

    def both() -> tuple[CallPermission, CallPermission]:
        friends.wire.run()
        return alice.contact(friends.bob_id).call_permission, bob.contact(friends.alice_id).call_permission

    assert both() == (CallPermission.BOTH, CallPermission.BOTH)
    alice.set_profile("Alice", calls_allowed=False)
    assert both() == (CallPermission.WE_REFUSE, CallPermission.THEY_REFUSE)
    # an exception for this contact, whatever the profile says
    alice.set_calls_allowed(friends.bob_id, True)
    assert both() == (CallPermission.BOTH, CallPermission.BOTH)
    alice.set_profile("Ally", calls_allowed=False)
    assert both() == (CallPermission.BOTH, CallPermission.BOTH)
    alice.set_calls_allowed(friends.bob_id, None)
    assert both() == (CallPermission.WE_REFUSE, CallPermission.THEY_REFUSE)
    alice.set_profile("Ally")
    assert both() == (CallPermission.BOTH, CallPermission.BOTH)
    alice.set_calls_allowed(friends.bob_id, False)
    assert both() == (CallPermission.WE_REFUSE, CallPermission.THEY_REFUSE)


async def test_a_call_that_is_not_welcome_does_not_ring(friends: Friends) -> None:
    friends.alice.chat.set_calls_allowed(friends.bob_id, False)
    # without a look at what was said: an app that does not know of it
    friends.bob.chat.send_call_message(friends.alice_id, CallInvitation(b"call", CallMedia.AUDIO, encryption=False))
    friends.wire.run()
    details = [item.details for item in friends.alice.chat.history(friends.bob_id)]
    assert details == [NoticeDetails(Notice.CALL_REFUSED)]


async def test_a_security_code_that_was_compared_is_kept(friends: Friends) -> None:
    chat = friends.alice.chat
    assert chat.set_verified_code(friends.bob_id, "12345 67890").verified_code == "12345 67890"
    assert "12345" not in repr(chat.contact(friends.bob_id))
    assert chat.set_verified_code(friends.bob_id, None).verified_code is None
