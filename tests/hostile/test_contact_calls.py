"""Attacks with call messages, over a live connection."""

from __future__ import annotations

import asyncio
import time
from typing import Any

from simplex_calls.calls.call import CallFailure
from simplex_calls.calls.keys import CallKeyPair
from simplex_calls.chat.limits import CALL_INVITATIONS, CALL_MESSAGES, Allowance, Rate
from simplex_calls.client import CallDetails, CallPhase, Consent
from simplex_calls.crypto import X25519PublicKey
from simplex_calls.events import CallChanged, PageWanted
from simplex_calls.smp.encoding import base64url
from tests.calls.packing import bomb, pack
from tests.calls.pages import ScriptedPage
from tests.hostile.contact import Meeting, Watched, chat

SESSION = {"rtcSession": pack({"type": "offer", "sdp": "v=0"}), "rtcIceCandidates": pack([])}
ENDLESS = bomb(4_000)
LOW_ORDER = X25519PublicKey(bytes(32))


def kind(*, key: X25519PublicKey | None, media: object = "audio", encryption: object = True) -> dict[str, object]:
    """What invitations and offers say of themselves."""
    value: dict[str, object] = {"callType": {"media": media, "capabilities": {"encryption": encryption}}}
    return value if key is None else value | {"callDhPubKey": base64url(key.der)}


def call_id(number: int) -> bytes:
    return number.to_bytes(16, "big")


def invitation(wire_id: bytes, *, key: X25519PublicKey | None = None, **how: object) -> bytes:
    said = kind(key=CallKeyPair.generate().public if key is None else key, **how)
    return chat("x.call.inv", {"callId": base64url(wire_id), "invitation": said})


def offer(wire_id: bytes, *, session: object = None, **how: Any) -> bytes:
    how = {"key": CallKeyPair.generate().public} | how
    said = kind(**how) | {"rtcSession": SESSION if session is None else session}
    return chat("x.call.offer", {"callId": base64url(wire_id), "offer": said})


def answer(wire_id: bytes, session: object = SESSION) -> bytes:
    return chat("x.call.answer", {"callId": base64url(wire_id), "answer": {"rtcSession": session}})


def extra(wire_id: bytes, candidates: object) -> bytes:
    return chat(
        "x.call.extra", {"callId": base64url(wire_id), "extra": {"rtcExtraInfo": {"rtcIceCandidates": candidates}}}
    )


def end(wire_id: bytes) -> bytes:
    return chat("x.call.end", {"callId": base64url(wire_id)})


def calls(met: Meeting) -> list[CallDetails]:
    return [item.details for item in met.history() if isinstance(item.details, CallDetails)]


async def ended(who: Watched, seen_id: str) -> None:
    await who.until(lambda: who.client.call(seen_id).state is CallPhase.ENDED)


async def bob_calls_alice(met: Meeting) -> None:
    """A whole call of an honest contact, from ring to hang-up."""
    alice, bob = met.alice, met.bob
    before = alice.ringing(met.bob_id)
    call = await bob.client.start_call(met.alice_id, "audio")
    tasks = [asyncio.create_task(bob.client.attach_page(call.id, ScriptedPage()))]
    await alice.until(lambda: alice.ringing(met.bob_id) > before)
    (theirs,) = [one for one in alice.client.calls() if one.contact_id == met.bob_id and one.state is CallPhase.RINGING]
    await alice.client.accept(theirs.id)
    await alice.until(lambda: PageWanted(theirs.id) in alice.seen)
    tasks.append(asyncio.create_task(alice.client.attach_page(theirs.id, ScriptedPage())))
    await alice.until(lambda: alice.client.call(theirs.id).state is CallPhase.CONNECTED)
    await bob.until(lambda: bob.client.call(call.id).state is CallPhase.CONNECTED)
    await bob.client.hang_up(call.id)
    await ended(alice, theirs.id)
    await asyncio.gather(*tasks)


async def accepted(met: Meeting, wire_id: bytes) -> tuple[str, ScriptedPage, asyncio.Task[None]]:
    """Mallory calls, Alice accepts, her page has made its offer."""
    await met.mallory.say(invitation(wire_id))
    await met.alice.until(lambda: met.alice.ringing(met.mallory_id))
    (call,) = [call for call in met.alice.client.calls() if call.state is CallPhase.RINGING]
    await met.alice.client.accept(call.id)
    page = ScriptedPage()
    task = asyncio.create_task(met.alice.client.attach_page(call.id, page))
    await met.mallory.until(lambda: any(b"x.call.offer" in body for body in met.mallory.bodies))
    return call.id, page, task


async def test_calls_without_end(met: Meeting) -> None:
    for number in range(60):
        await met.mallory.say(invitation(call_id(number)))
        if number in (5, 40):
            await bob_calls_alice(met)
    await met.mallory_is_read()
    # a few ring, one after the other; the rest leaves nothing at all
    assert 0 < len(met.alice.ringing(met.mallory_id)) <= CALL_INVITATIONS.count + 1
    assert len(calls(met)) <= CALL_INVITATIONS.count + 1
    assert len([call for call in met.alice.client.calls() if call.state is CallPhase.RINGING]) == 1
    assert met.contact.unread <= CALL_INVITATIONS.count + 2
    await bob_calls_alice(met)


async def test_calls_of_others_and_of_nobody(met: Meeting) -> None:
    """Whatever Mallory says of a call between Alice and Bob, or of one that was never."""
    alice, bob = met.alice, met.bob
    call = await bob.client.start_call(met.alice_id, "audio")
    page = ScriptedPage()
    tasks = [asyncio.create_task(bob.client.attach_page(call.id, page))]
    await alice.until(lambda: alice.ringing(met.bob_id))
    (theirs,) = alice.client.calls()
    board = alice.client._manager._board  # the id that only Bob and Alice know
    wire_id = board.calls[theirs.id].wire_id
    attacks = [
        end(wire_id),
        answer(wire_id),
        offer(wire_id),
        extra(wire_id, pack([])),
        *(message(call_id(9)) for message in (end, answer, offer)),
        extra(call_id(9), ENDLESS),
        offer(wire_id, media="smell"),
        offer(wire_id, encryption="yes"),
        offer(wire_id, key=LOW_ORDER),
        answer(wire_id, {"rtcSession": 1, "rtcIceCandidates": []}),
        answer(wire_id, {}),
        extra(wire_id, None),
        end(b"x" * 255),
        end(b"x" * 256),
        end(b""),
    ]
    for attack in attacks:
        await met.mallory.say(attack)
    await met.mallory_is_read()
    await alice.client.accept(theirs.id)
    tasks.append(asyncio.create_task(alice.client.attach_page(theirs.id, ScriptedPage())))
    await alice.until(lambda: alice.client.call(theirs.id).state is CallPhase.CONNECTED)
    # and while it goes on: another call waits, and changes nothing
    for attack in [*attacks, invitation(wire_id), invitation(call_id(1)), end(call_id(1))]:
        await met.mallory.say(attack)
    await met.mallory_is_read()
    assert alice.client.call(theirs.id).state is CallPhase.CONNECTED
    assert bob.client.call(call.id).state is CallPhase.CONNECTED
    await alice.client.hang_up(theirs.id)
    await ended(bob, call.id)
    await asyncio.gather(*tasks)


async def test_candidates_without_end_in_an_accepted_call(met: Meeting) -> None:
    seen_id, page, task = await accepted(met, call_id(1))
    inbox = met.alice.client._chat._inbox
    inbox._call_messages = Allowance(Rate(50, CALL_MESSAGES.seconds * 100), time.monotonic)
    # before the answer they are held back, after it the page gets them
    for number in range(90):
        await met.mallory.say(extra(call_id(1), ENDLESS if number % 3 == 0 else pack([{"candidate": "x"}])))
        if number == 20:
            await met.mallory.say(answer(call_id(1)))
            await bob_rings(met)
    await met.mallory_is_read()
    given = [command for command in page.commands if command["type"] == "ice"]
    assert 0 < len(given) <= 50
    assert all(len(command["iceCandidates"]) < 200 for command in given)
    await met.mallory.say(end(call_id(1)))
    await ended(met.alice, seen_id)
    await task
    # for a call that is over
    await met.mallory.say(extra(call_id(1), pack([])))
    await met.mallory.say(answer(call_id(1)))
    await met.mallory_is_read()


def _waiting(events: list[CallChanged], contact_id: int) -> bool:
    return any(event.call.contact_id == contact_id and event.call.state is CallPhase.RINGING for event in events)


async def bob_rings(met: Meeting) -> None:
    """Bob's call is shown while the other goes on, and he is told when it is declined."""
    before = met.alice.of(CallChanged)
    call = await met.bob.client.start_call(met.alice_id, "audio")
    task = asyncio.create_task(met.bob.client.attach_page(call.id, ScriptedPage()))
    await met.alice.until(lambda: _waiting(met.alice.of(CallChanged)[len(before) :], met.bob_id))
    (theirs,) = [one for one in met.alice.client.calls() if one.contact_id == met.bob_id]
    await met.alice.client.reject(theirs.id)
    await ended(met.bob, call.id)
    await task


async def test_an_answer_without_end(met: Meeting) -> None:
    seen_id, page, task = await accepted(met, call_id(1))
    await met.mallory.say(answer(call_id(1), {"rtcSession": ENDLESS, "rtcIceCandidates": pack([])}))
    await ended(met.alice, seen_id)
    await task
    assert met.alice.client.call(seen_id).failure is CallFailure.BAD_DESCRIPTION
    assert "answer" not in page.types()
    await bob_calls_alice(met)


async def test_offers_to_our_call(met: Meeting) -> None:
    for session, how, failure in (
        ({"rtcSession": SESSION["rtcSession"], "rtcIceCandidates": ENDLESS}, {}, CallFailure.BAD_DESCRIPTION),
        (SESSION, {"key": LOW_ORDER}, CallFailure.BAD_KEY),
        (SESSION, {"key": None, "encryption": False}, CallFailure.PEER_NO_ENCRYPTION),
        (SESSION, {"key": None, "encryption": True}, CallFailure.PEER_NO_ENCRYPTION),
    ):
        met.mallory.events.clear()
        call = await met.alice.client.start_call(met.mallory_id, "video")
        page = ScriptedPage()
        task = asyncio.create_task(met.alice.client.attach_page(call.id, page))
        await met.mallory.until(lambda: any(b"x.call.inv" in body for body in met.mallory.bodies))
        wire_id = met.alice.client._manager._board.calls[call.id].wire_id
        await met.mallory.say(answer(wire_id))
        await met.mallory.say(offer(call_id(9)))
        await met.mallory.say(offer(wire_id, session=session, **how))
        if failure is CallFailure.PEER_NO_ENCRYPTION:
            # the user is asked, and no other offer comes in between
            await met.mallory.say(offer(wire_id))
            await met.mallory_is_read()
            assert met.alice.client.call(call.id).consent_wanted is Consent.THEIRS
            await met.alice.client.hang_up(call.id)
        await ended(met.alice, call.id)
        await task
        assert met.alice.client.call(call.id).failure is failure
        assert page.types()[:1] == ["capabilities"]
        assert "offer" not in page.types()
    await bob_calls_alice(met)


async def test_invitations_that_are_not_what_they_say(met: Meeting) -> None:
    broken = [
        invitation(call_id(1), key=LOW_ORDER),
        chat("x.call.inv", {"callId": base64url(call_id(2)), "invitation": kind(key=None)}),
        invitation(call_id(3), media="x" * 5_000),
        invitation(b""),
        invitation(b"x" * 256),
        chat("x.call.inv", {"callId": base64url(call_id(4)), "invitation": kind(key=None) | {"callDhPubKey": "AAAA"}}),
        chat("x.call.inv", {"callId": 7, "invitation": 10**40}),
        invitation(call_id(5)),
        invitation(call_id(5)),
    ]
    for body in broken:
        await met.mallory.say(body)
    await met.mallory_is_read()
    rang = [event.call for event in met.alice.of(CallChanged) if event.call.state is CallPhase.RINGING]
    assert len({call.id for call in rang}) == 2
    failed = [event.call for event in met.alice.of(CallChanged) if event.call.failure is CallFailure.BAD_KEY]
    assert len(failed) == 1
    # an end that comes before its invitation: that call is missed, and does not ring
    await met.mallory.say(end(call_id(6)))
    await met.mallory.say(invitation(call_id(6)))
    await met.mallory_is_read()
    assert len(met.alice.ringing(met.mallory_id)) == 2
