from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from simplex_calls.calls.call import CallFailure
from simplex_calls.calls.effects import EndPage
from simplex_calls.calls.keys import CallKeyPair
from simplex_calls.calls.page import (
    Capabilities,
    PageAnswer,
    PageCandidates,
    PageConnected,
    PageConnection,
    PageConsent,
    PageEnded,
    PageFault,
    PageHangUp,
    PageOffer,
    PageRestart,
)
from simplex_calls.calls.state import RING_SECONDS, CallEvent, CallState, EndReason
from simplex_calls.calls.switchboard import CallMissingError, CallStateError, LineBusyError, UnencryptedError
from simplex_calls.calls.turn import MAX_HELD, MAX_RINGING
from simplex_calls.chat.messages import (
    CallAnswer,
    CallEnd,
    CallExtra,
    CallInvitation,
    CallMedia,
    CallMessage,
    CallOffer,
    CallRestart,
    RestartStep,
    RtcSession,
)
from simplex_calls.crypto import X25519PublicKey
from tests.calls.packing import bomb
from tests.calls.world import CONTACT, Side, exchange, run

SESSION = RtcSession("b2ZmZXI=", "aWNl")
PEER = CallKeyPair.generate()


def invitation(wire_id: bytes = b"i" * 16, *, encryption: bool = True) -> CallInvitation:
    return CallInvitation(wire_id, CallMedia.VIDEO, encryption, PEER.public if encryption else None)


def offer(wire_id: bytes, *, encryption: bool = True) -> CallOffer:
    return CallOffer(wire_id, CallMedia.AUDIO, encryption, SESSION, PEER.public if encryption else None)


def calling() -> Side:
    side = Side(b"\1")
    side.dial()
    side.attach()
    side.obey()
    assert side.states == [CallState.CALLING]
    return side


def ringing(*, encryption: bool = True) -> Side:
    side = Side(b"\1")
    side.receive(invitation(encryption=encryption))
    assert side.states == [CallState.RINGING]
    return side


def offered() -> Side:
    side = ringing()
    side.accept(side.call.id)
    side.attach()
    side.obey()
    assert side.states == [CallState.OFFERED]
    return side


def connected_pair() -> tuple[Side, Side]:
    alice, bob = Side(b"\1"), Side(b"\2")
    alice.dial()
    run(alice, bob)
    bob.accept(bob.call.id)
    run(alice, bob)
    assert alice.states == bob.states == [CallState.CONNECTED]
    return alice, bob


def reason(side: Side) -> tuple[EndReason | None, CallFailure | None]:
    assert not side.board.calls
    return side.ended[-1].reason, side.ended[-1].failure


def test_a_call_from_dialling_to_its_end() -> None:
    alice, bob = connected_pair()
    assert alice.call.encrypted
    assert bob.call.encrypted
    assert alice.call.frame_key == bob.call.frame_key
    alice.now += 42
    alice.end(alice.call.id)
    run(alice, bob)
    assert reason(alice) == reason(bob) == (EndReason.ENDED, None)
    assert alice.ended[0].ended_at == 42 + (alice.ended[0].connected_at or 0)
    assert alice.page is bob.page is None


def test_declining_tells_the_caller() -> None:
    alice, bob = calling(), Side(b"\2")
    run(alice, bob)
    bob.end(bob.call.id, CallEvent.REJECT)
    run(alice, bob)
    assert reason(alice) == reason(bob) == (EndReason.DECLINED, None)


def test_no_answer_after_a_minute() -> None:
    alice, bob = calling(), Side(b"\2")
    run(alice, bob)
    deadline = alice.board.next_deadline
    assert deadline == alice.now + 60
    alice.take(alice.board.tick(deadline - 0.1))
    assert alice.states == [CallState.CALLING]
    alice.take(alice.board.tick(deadline))
    assert reason(alice) == (EndReason.NO_ANSWER, None)
    run(alice, bob)
    assert reason(bob) == (EndReason.MISSED, None)


def test_a_ring_that_nobody_hears_of_any_more_is_missed_after_a_minute() -> None:
    side = ringing()
    side.take(side.board.tick(side.now + 60))
    assert reason(side) == (EndReason.MISSED, None)
    # an official caller would ring for ever
    assert [type(message) for message in side.outbox] == [CallEnd]


def test_an_old_invitation_does_not_ring() -> None:
    side = Side(b"\1")
    side.receive(invitation(), sent_at=side.now - 181)
    assert reason(side) == (EndReason.MISSED, None)
    assert side.outbox == ()
    side.receive(invitation(b"j" * 16), sent_at=side.now - 179)
    assert side.states == [CallState.RINGING]


def test_a_newer_invitation_replaces_the_first() -> None:
    side = ringing()
    side.receive(invitation(b"j" * 16))
    assert side.call.wire_id == b"j" * 16
    assert side.ended[0].reason is EndReason.MISSED
    side.receive(invitation(b"j" * 16))
    assert len(side.board.calls) == 1
    side.receive(CallEnd(b"i" * 16))
    assert side.states == [CallState.RINGING]


def test_a_contact_who_calls_again_has_given_up_the_call_that_we_are_answering() -> None:
    side = offered()
    first = side.call.id
    side.receive(invitation(b"j" * 16))
    assert side.states == [CallState.RINGING]
    assert (side.ended[0].id, side.ended[0].reason) == (first, EndReason.ENDED)
    assert side.page is None
    alice, bob = connected_pair()
    alice.receive(invitation(b"j" * 16), alice.now + 1)
    assert alice.states == [CallState.CONNECTED, CallState.WAITING]
    assert bob.states == [CallState.CONNECTED]


def test_an_end_that_overtakes_its_invitation() -> None:
    side = Side(b"\1")
    side.receive(CallEnd(b"i" * 16))
    side.receive(invitation())
    assert reason(side) == (EndReason.MISSED, None)
    # and a call that is over does not ring again
    side.receive(invitation())
    assert len(side.ended) == 1


def test_another_call_waits_and_rings_when_the_line_is_free() -> None:
    alice, _bob = connected_pair()
    first = alice.call.id
    alice.receive(invitation(), contact_id=8)
    waiting = next(call for call in alice.board.calls.values() if call.id != first)
    assert waiting.state is CallState.WAITING
    assert not waiting.is_active
    alice.end(first)
    assert alice.board.get(waiting.id).state is CallState.RINGING
    assert alice.board.get(waiting.id).deadline == waiting.deadline


def test_accepting_the_other_call_ends_the_first() -> None:
    alice, bob = connected_pair()
    first = alice.call.id
    alice.receive(invitation(), contact_id=8)
    alice.accept(next(call.id for call in alice.board.calls.values() if call.is_ringing))
    assert alice.states == [CallState.ACCEPTED]
    assert alice.ended[0].id == first
    assert [type(message) for message in alice.outbox] == [CallEnd]
    run(alice, bob)
    assert reason(bob) == (EndReason.ENDED, None)


def test_a_call_that_came_while_engaged_and_was_not_taken_is_busy() -> None:
    alice, _bob = connected_pair()
    alice.receive(invitation(), contact_id=8)
    alice.receive(CallEnd(b"i" * 16), contact_id=8)
    assert alice.ended[0].reason is EndReason.BUSY
    for contact in range(MAX_RINGING + 1):
        alice.receive(invitation(bytes([contact]) * 16), contact_id=20 + contact)
    assert alice.ended[1].reason is EndReason.BUSY
    assert alice.outbox[-1] == CallEnd(bytes([MAX_RINGING]) * 16)
    assert len(alice.board.calls) == 1 + MAX_RINGING


def test_dialling_somebody_who_rings_accepts() -> None:
    side = ringing()
    call_id = side.call.id
    assert side.dial() == call_id
    assert side.states == [CallState.ACCEPTED]


def test_the_line_is_busy_for_another_call() -> None:
    side = calling()
    with pytest.raises(LineBusyError):
        side.dial()
    with pytest.raises(CallStateError):
        side.accept(side.call.id)
    with pytest.raises(CallStateError):
        side.end(side.call.id, CallEvent.REJECT)
    with pytest.raises(CallStateError):
        side.board.page_attached(side.call.id, 0)
    for missing in (side.board.get, lambda call_id: side.board.accept(call_id, 0)):
        with pytest.raises(CallMissingError):
            missing("nothing")


def test_our_candidates_wait_until_the_other_side_can_take_them() -> None:
    caller = calling()
    caller.say(PageCandidates("ZWFybHk="))
    caller.receive(offer(caller.call.wire_id))
    caller.say(PageCandidates("Zmlyc3Q="))
    caller.obey()
    caller.say(PageCandidates("c2Vjb25k"))
    sent = [m.candidates if isinstance(m, CallExtra) else type(m) for m in caller.outbox]
    assert sent == [CallInvitation, CallAnswer, "Zmlyc3Q=", "c2Vjb25k"]

    called = ringing()
    called.accept(called.call.id)
    called.attach()
    called.say(PageCandidates("Zmlyc3Q="))
    called.obey()
    called.say(PageCandidates("c2Vjb25k"))
    sent = [m.candidates if isinstance(m, CallExtra) else type(m) for m in called.outbox]
    assert sent == [CallOffer, "Zmlyc3Q=", "c2Vjb25k"]


def test_their_candidates_wait_until_our_page_can_take_them() -> None:
    caller = calling()
    wire_id = caller.call.wire_id
    caller.receive(CallExtra(wire_id, "ZWFybHk="))
    caller.receive(offer(wire_id))
    caller.receive(CallExtra(wire_id, "bGF0ZQ=="))
    assert [command["type"] for command in caller.commands] == ["offer", "ice", "ice"]
    assert [command.get("iceCandidates") for command in caller.commands] == ["aWNl", "ZWFybHk=", "bGF0ZQ=="]

    called = offered()
    called.receive(CallExtra(b"i" * 16, "ZWFybHk="))
    assert not called.commands
    called.receive(CallAnswer(b"i" * 16, SESSION))
    assert [command["type"] for command in called.commands] == ["answer", "ice"]
    for _ in range(MAX_HELD + 5):
        called.receive(CallExtra(b"i" * 16, "eA=="))
    assert called.states == [CallState.CONNECTING]


def test_no_more_candidates_are_held_than_fit() -> None:
    called = offered()
    for _ in range(MAX_HELD + 5):
        called.receive(CallExtra(b"i" * 16, "eA=="))
    assert len(called.call.held_extra) == MAX_HELD


def test_a_description_that_expands_without_end_ends_the_call() -> None:
    endless = bomb(3_000)
    for session in (RtcSession(endless, SESSION.candidates), RtcSession(SESSION.description, endless)):
        side = calling()
        side.receive(replace(offer(side.call.wire_id), session=session))
        assert reason(side) == (EndReason.FAILED, CallFailure.BAD_DESCRIPTION)
        side = offered()
        side.receive(CallAnswer(side.call.wire_id, session))
        assert reason(side) == (EndReason.FAILED, CallFailure.BAD_DESCRIPTION)
        # what was not awaited changes nothing, whatever it is
        side = ringing()
        side.receive(CallAnswer(side.call.wire_id, session))
        side.receive(CallOffer(side.call.wire_id, CallMedia.AUDIO, True, session, PEER.public))
        assert side.states == [CallState.RINGING]


def test_candidates_that_expand_without_end_are_passed_over() -> None:
    side = offered()
    side.receive(CallExtra(side.call.wire_id, bomb(3_000)))
    side.receive(CallExtra(side.call.wire_id, SESSION.candidates))
    assert side.call.held_extra == (SESSION.candidates,)


def test_nobody_crowds_out_what_is_known_of_anothers_calls() -> None:
    side = ringing()
    wire_id = side.call.wire_id
    side.receive(CallEnd(wire_id))
    for number in range(2_000):
        side.receive(CallEnd(number.to_bytes(16, "big")), contact_id=CONTACT + 1)
    # this invitation came already: it does not ring again
    side.receive(invitation(wire_id))
    assert side.states == []
    for contact_id in range(1_000, 2_000):
        side.receive(CallEnd(b"x"), contact_id=contact_id)
    assert len(side.board.past) == 512


def test_the_page_gets_the_key_and_only_where_frames_are_encrypted() -> None:
    caller = calling()
    assert caller.call.encrypted is None
    caller.receive(offer(caller.call.wire_id))
    assert caller.call.frame_key is not None
    assert caller.commands[0]["aesKey"] == caller.call.frame_key.text

    called = ringing(encryption=False)
    assert called.call.encrypted is False
    called.accept(called.call.id, unencrypted=True)
    called.attach()
    assert "aesKey" not in called.commands[0]
    called.obey()
    message = called.outbox[-1]
    assert isinstance(message, CallOffer)
    assert not message.encryption
    assert message.dh_key is None


def test_an_invitation_that_promises_encryption_without_a_key_is_shown_as_what_it_is() -> None:
    side = Side(b"\1")
    side.receive(replace(invitation(), dh_key=None))
    assert side.call.encrypted is False


FEATURES = ("channel", "code")
UNENCRYPTED = {
    "says no": replace(offer(b"", encryption=False), features=FEATURES),
    "says no, with a key": replace(offer(b""), encryption=False, features=FEATURES),
    "says yes, without a key": replace(offer(b""), dh_key=None, features=FEATURES),
}
"""What a peer that does not encrypt answers, whatever else it claims."""


def asked_to_answer(answer: CallOffer = UNENCRYPTED["says no"]) -> Side:
    """Our user is asked, as their app does not encrypt."""
    side = calling()
    side.receive(replace(answer, call_id=side.call.wire_id))
    assert side.states == [CallState.CONSENTING_TO_ANSWER]
    return side


def asked_to_call() -> Side:
    """Our user is asked, as our page cannot encrypt."""
    side = Side(b"\1")
    side.dial()
    side.attach()
    side.commands = ()
    side.say(Capabilities(encryption=False))
    assert side.states == [CallState.CONSENTING_TO_CALL]
    return side


@pytest.mark.parametrize("answer", UNENCRYPTED.values(), ids=UNENCRYPTED.keys())
def test_a_peer_that_does_not_encrypt_is_answered_after_a_yes_only(answer: CallOffer) -> None:
    side = asked_to_answer(answer)
    wire_id = side.call.wire_id
    assert side.call.encrypted is False
    # nothing that comes meanwhile reaches the page, or makes the call another one
    side.receive(CallExtra(wire_id, "ZWFybHk="))
    side.receive(offer(wire_id))
    assert (side.commands, side.call.frame_key) == ((), None)
    assert [type(message) for message in side.outbox] == [CallInvitation]
    side.consent()
    assert side.states == [CallState.ANSWERING]
    assert [command["type"] for command in side.commands] == ["offer", "ice"]
    assert not {"aesKey", "features"} & side.commands[0].keys()
    side.obey()
    side.say(PageConnected(None))
    assert (side.states, side.call.encrypted) == ([CallState.CONNECTED], False)


def test_a_page_that_cannot_encrypt_calls_after_a_yes_only() -> None:
    side = asked_to_call()
    wire_id = side.call.wire_id
    assert not side.outbox
    side.say(PageConsent())
    (sent,) = side.outbox
    assert isinstance(sent, CallInvitation)
    assert (sent.encryption, sent.dh_key, sent.features) == (False, None, ())
    assert side.call.encrypted is False
    # a peer that claims to encrypt all the same has nothing to do it with
    side.receive(replace(offer(wire_id), features=FEATURES))
    assert side.states == [CallState.ANSWERING]
    assert (side.call.encrypted, side.call.frame_key) == (False, None)
    assert not {"aesKey", "features"} & side.commands[0].keys()


@pytest.mark.parametrize("how", ["no", "no time", "not any more", "page gone", "restart"])
@pytest.mark.parametrize("asked", [asked_to_call, asked_to_answer], ids=lambda made: made.__name__)
def test_no_yes_is_a_no(asked: Callable[[], Side], how: str) -> None:
    side = asked()
    call_id, deadline = side.call.id, side.now + 60
    match how:
        case "no":
            side.say(PageHangUp())
        case "no time":
            assert side.board.next_deadline == deadline
            side.take(side.board.tick(deadline - 0.1))
            assert side.board.calls
            side.take(side.board.tick(deadline))
        case "not any more":
            side.receive(CallEnd(side.call.wire_id))
        case "page gone":
            side.end(call_id, CallEvent.PAGE_CLOSED)
        case "restart":
            side.take(side.board.restart(side.now))
    if how == "not any more" and asked is asked_to_call:
        # the other side does not know of the call
        assert side.states == [CallState.CONSENTING_TO_CALL]
        return
    failure = CallFailure.NO_ENCRYPTION if asked is asked_to_call else CallFailure.PEER_NO_ENCRYPTION
    assert reason(side) == ((EndReason.FAILED, failure) if how in {"no", "no time"} else (EndReason.ENDED, None))
    sent = [CallInvitation, *([] if how == "not any more" else [CallEnd])] if asked is asked_to_answer else []
    assert [type(message) for message in side.outbox] == sent
    with pytest.raises(CallMissingError):
        side.board.consent(call_id, side.now)


def test_who_said_no_does_not_need_to_be_told_why() -> None:
    for event, keep in ((CallEvent.HANG_UP, False), (CallEvent.TIMEOUT, True)):
        side = asked_to_answer()
        step = side.board.end(side.call.id, event, side.now)
        assert EndPage(side.call.id, keep) in step.effects


def test_consent_is_for_who_was_asked() -> None:
    for side in (calling(), ringing(encryption=False), connected_pair()[0]):
        before = side.states
        with pytest.raises(CallStateError):
            side.consent()
        if side.page is not None:
            side.say(PageConsent())
        assert side.states == before


def test_an_unencrypted_description_that_expands_without_end_is_not_asked_about() -> None:
    side = calling()
    session = RtcSession(bomb(3_000), SESSION.candidates)
    side.receive(replace(UNENCRYPTED["says no"], call_id=side.call.wire_id, session=session))
    assert reason(side) == (EndReason.FAILED, CallFailure.BAD_DESCRIPTION)


def test_crossing_while_our_user_is_asked() -> None:
    # theirs is encrypted: it goes on, and our page says that it cannot
    side = asked_to_call()
    side.receive(invitation())
    assert side.states == [CallState.OFFERING]
    assert "aesKey" in side.commands[0]
    side.say(PageFault("", "start", "no-encryption"))
    assert reason(side) == (EndReason.FAILED, CallFailure.NO_ENCRYPTION)
    # theirs is not: it is a call of its own, with a question of its own
    side = asked_to_call()
    side.receive(invitation(encryption=False))
    assert side.states == [CallState.CONSENTING_TO_CALL, CallState.WAITING]
    # they have accepted ours, and call again
    side = asked_to_answer()
    side.receive(invitation(), side.now + 1)
    assert side.states == [CallState.CONSENTING_TO_ANSWER, CallState.WAITING]


@pytest.mark.parametrize("theirs", [b"\0" * 16, b"\xff" * 16], ids=["smaller", "greater"])
def test_an_invitation_without_encryption_gives_way_to_one_with_it(theirs: bytes) -> None:
    side = asked_to_call()
    side.consent()
    side.receive(invitation(theirs))
    assert (side.states, side.call.encrypted) == ([CallState.OFFERING], True)
    side = calling()
    side.receive(invitation(theirs, encryption=False))
    assert side.states == [CallState.CALLING]
    # of two without it the smaller goes on
    side = asked_to_call()
    side.consent()
    side.receive(invitation(theirs, encryption=False))
    assert side.states == [CallState.OFFERING if theirs == b"\0" * 16 else CallState.CALLING]
    assert side.call.encrypted is False


def test_an_offer_to_our_earlier_invitation_is_never_taken_without_encryption() -> None:
    side = calling()
    earlier = side.call.wire_id
    side.receive(invitation(b"\0" * 16))
    side.receive(replace(UNENCRYPTED["says no"], call_id=earlier))
    assert reason(side) == (EndReason.FAILED, CallFailure.PEER_NO_ENCRYPTION)


def test_a_page_that_cannot_encrypt_never_takes_an_encrypted_call() -> None:
    called = ringing()
    called.accept(called.call.id)
    called.attach()
    called.say(PageOffer("b2ZmZXI=", "aWNl", encryption=False))
    assert reason(called) == (EndReason.FAILED, CallFailure.NO_ENCRYPTION)
    assert [type(message) for message in called.outbox] == [CallEnd]


def test_a_call_without_encryption_is_accepted_after_a_yes_only() -> None:
    plain = ringing(encryption=False)
    with pytest.raises(UnencryptedError):
        plain.board.accept(plain.call.id, plain.now)
    with pytest.raises(UnencryptedError):
        plain.board.dial(plain.call.contact_id, CallMedia.AUDIO, plain.now, bytes)
    assert plain.call.is_ringing
    assert plain.outbox == ()
    plain.accept(plain.call.id, unencrypted=True)
    plain.attach()
    plain.say(PageOffer("b2ZmZXI=", "aWNl", encryption=False))
    assert plain.states == [CallState.OFFERED]


def test_keys_that_lead_to_nothing_secret_are_refused() -> None:
    zero = X25519PublicKey(bytes(32))
    side = Side(b"\1")
    side.receive(replace(invitation(), dh_key=zero))
    assert reason(side) == (EndReason.FAILED, CallFailure.BAD_KEY)
    caller = calling()
    caller.receive(replace(offer(caller.call.wire_id), dh_key=zero))
    assert reason(caller) == (EndReason.FAILED, CallFailure.BAD_KEY)
    crossing = calling()
    crossing.receive(replace(invitation(b"\0" * 16), dh_key=zero))
    assert reason(crossing) == (EndReason.FAILED, CallFailure.BAD_KEY)


@pytest.mark.parametrize(
    ("response", "expected"),
    [
        (PageHangUp(), (EndReason.ENDED, None)),
        (PageEnded(), (EndReason.LOST, CallFailure.CONNECTION_LOST)),
        (PageFault("", None, "connection-failed"), (EndReason.LOST, CallFailure.CONNECTION_LOST)),
        (PageFault("", None, "connection-lost"), (EndReason.LOST, CallFailure.CONNECTION_LOST)),
        (PageFault("", "answer", None), (EndReason.FAILED, CallFailure.PAGE)),
    ],
)
def test_pages_end_calls(
    response: PageHangUp | PageEnded | PageConnection | PageFault,
    expected: tuple[EndReason, CallFailure | None],
) -> None:
    alice, bob = connected_pair()
    alice.say(response)
    assert reason(alice) == expected
    run(alice, bob)
    assert reason(bob) == (EndReason.ENDED, None)


@pytest.mark.parametrize(
    ("fault", "failure"),
    [
        (PageFault("", "capabilities", None), CallFailure.PERMISSION_DENIED),
        (PageFault("", "capabilities", "no-microphone"), CallFailure.NO_MICROPHONE),
        (PageFault("", None, "permission-denied"), CallFailure.PERMISSION_DENIED),
        (PageFault("", "capabilities", "setup-failed"), CallFailure.PAGE),
    ],
)
def test_page_faults_before_the_call(fault: PageFault, failure: CallFailure) -> None:
    side = Side(b"\1")
    side.dial()
    side.attach()
    side.say(fault)
    assert reason(side) == (EndReason.FAILED, failure)


@pytest.mark.parametrize(
    "fault",
    [
        PageFault("", "media", "permission-denied"),
        PageFault("", "start", "no-camera"),
        PageFault("", "offer", "ended"),
        PageFault("", "ice", None),
        PageFault("", None, None),
        PageFault("", "call", None),
    ],
)
def test_faults_that_a_call_goes_on_with(fault: PageFault) -> None:
    alice, _ = connected_pair()
    alice.say(fault)
    assert alice.states == [CallState.CONNECTED]


def test_a_restart_closes_everything() -> None:
    alice, bob = connected_pair()
    alice.receive(invitation(), contact_id=8)
    alice.take(alice.board.restart(alice.now))
    assert {call.reason for call in alice.ended} == {EndReason.ENDED, EndReason.MISSED}
    assert [type(message) for message in alice.outbox] == [CallEnd, CallEnd]
    dialled = Side(b"\1")
    dialled.dial()
    dialled.take(dialled.board.restart(dialled.now))
    assert dialled.outbox == ()
    exchange(alice, bob)


messages = st.sampled_from(
    [
        invitation(b"\0" * 16),
        invitation(b"\xff" * 16),
        invitation(b"p" * 16, encryption=False),
        "offer",
        "plain offer",
        "answer",
        "extra",
        "end",
        CallEnd(b"\0" * 16),
        offer(b"\0" * 16),
    ]
)
deeds = st.sampled_from(["dial", "accept", "hang up", "attach", "obey", "tick", "late"])
said = st.sampled_from(
    [
        Capabilities(encryption=True),
        Capabilities(encryption=False),
        PageConsent(),
        PageOffer("b2ZmZXI=", "aWNl", encryption=True),
        PageAnswer("YQ==", "aWNl"),
        PageCandidates("YQ=="),
        PageConnected(None),
        PageEnded(),
        PageHangUp(),
        PageFault("", "offer", None),
    ]
)


def _message(what: CallMessage | str, wire_id: bytes) -> CallMessage:
    match what:
        case "offer" | "plain offer":
            return offer(wire_id, encryption=what == "offer")
        case "answer":
            return CallAnswer(wire_id, SESSION)
        case "extra":
            return CallExtra(wire_id, "YQ==")
        case "end":
            return CallEnd(wire_id)
    assert not isinstance(what, str)
    return what


@settings(max_examples=400, deadline=None)
@given(st.lists(messages | deeds | said, max_size=25), st.data())
def test_anything_in_any_order_neither_crashes_nor_breaks_the_rules(events: list[object], data: st.DataObject) -> None:
    side = Side(b"\x80")
    for event in events:
        contact = data.draw(st.sampled_from([CONTACT, CONTACT + 1]))
        ids = [call.wire_id for call in side.board.calls.values()] or [b"?" * 16]
        match event:
            case "tick":
                side.now += 61
                side.take(side.board.tick(side.now))
            case "late":
                side.receive(invitation(b"l" * 16), side.now - 200, contact)
            case "attach":
                if side.wants_page:
                    side.attach()
            case "obey":
                if side.commands:
                    side.obey()
            case "hang up" if not side.board.calls:
                pass
            case "accept" if not any(call.is_ringing for call in side.board.calls.values()):
                pass
            case str() if event in {"dial", "accept", "hang up"}:
                side.move(event)
            case str() | CallInvitation() | CallEnd() | CallOffer():
                side.receive(_message(event, data.draw(st.sampled_from(ids))), None, contact)
            case _:
                if side.page is not None:
                    side.say(event)  # type: ignore[arg-type]
        calls = side.board.calls.values()
        assert sum(call.is_active for call in calls) <= 1
        assert not any(call.is_ended for call in calls)
        assert len({(call.contact_id, call.wire_id) for call in calls}) == len(calls)
        busy = side.board.active is not None
        assert all(
            call.state is (CallState.WAITING if busy else CallState.RINGING) for call in calls if call.is_ringing
        )
        assert side.page is None or side.page in side.board.calls
        for call in side.ended:
            assert call.reason is not None
            assert (call.keys, call.frame_key) == (None, None)
            assert (call.failure is not None) == (call.reason is EndReason.FAILED)


@settings(max_examples=200, deadline=None)
@given(st.booleans(), st.lists(st.integers(0, 11), max_size=60), st.lists(st.integers(0, 5), max_size=30))
def test_two_sides_whose_messages_come_in_any_order_end_up_agreed(
    swapped: bool, choices: list[int], order: list[int]
) -> None:
    sides = [Side(b"\1"), Side(b"\2")]
    if swapped:
        sides.reverse()
    for choice in choices:
        side = sides[choice % 2]
        exchange(*sides)
        if order and len(side.inbox) > 1:
            # one message overtakes the others, and comes twice
            first = side.inbox[order.pop() % len(side.inbox)]
            side.inbox = (first, *side.inbox)
        moves = [*side.moves(), "dial", *(["accept"] if any(c.is_ringing for c in side.board.calls.values()) else [])]
        if side.board.calls and choice > 9:
            moves = ["hang up"]
        side.move(moves[choice // 2 % len(moves)])
        assert sum(call.is_active for call in side.board.calls.values()) <= 1
    for _ in range(5):
        run(*sides)
        for side in sides:
            side.now += 200
            side.take(side.board.tick(side.now))
    # whatever came of it: nobody is left ringing or waiting, and who is in a call is in the same one
    for side in sides:
        assert all(call.state is CallState.CONNECTED for call in side.board.calls.values())
    for side in sides:
        for call in list(side.board.calls.values()):
            side.end(call.id)
    run(*sides)
    assert not sides[0].board.calls
    assert not sides[1].board.calls


def test_a_clock_that_is_set_back() -> None:
    alice = Side(b"a")
    alice.dial()
    alice.attach()
    alice.obey()
    alice.now -= 3600
    alice.take(alice.board.tick(alice.now))
    assert alice.states == [CallState.CALLING]
    assert alice.board.next_deadline == alice.now + RING_SECONDS
    alice.now += RING_SECONDS
    alice.take(alice.board.tick(alice.now))
    assert [call.reason for call in alice.ended] == [EndReason.NO_ANSWER]


def restarting_pair() -> tuple[Side, Side]:
    """A connected call of two pages that know how to find a new way."""
    alice, bob = connected_pair()
    for side in (alice, bob):
        (call,) = side.board.calls.values()
        known = replace(call, features=("restart",), peer_features=("restart",))
        side.board = replace(side.board, calls={call.id: known})
        side.say(PageConnection("disconnected"))
        assert side.states == [CallState.RECONNECTING]
    return alice, bob


def test_a_new_way_is_agreed_on_by_messages() -> None:
    alice, bob = restarting_pair()
    connected_at = alice.call.connected_at
    alice.say(PageRestart(RestartStep.ASK, 0, "", "aWNl"))
    assert alice.outbox == (CallRestart(alice.call.wire_id, RestartStep.ASK, 0, "", "aWNl"),)
    exchange(alice, bob)
    bob.move("receive")
    assert bob.commands == ({"type": "restart", "step": "ask", "number": 0, "iceCandidates": "aWNl"},)
    bob.commands = ()
    bob.say(PageRestart(RestartStep.OFFER, 1, "b2ZmZXI=", "aWNl"))
    bob.say(PageCandidates("bGF0ZXI="))
    exchange(alice, bob)
    run(alice, bob)
    alice.say(PageConnected(None))
    bob.say(PageConnection("connected"))
    assert alice.states == bob.states == [CallState.CONNECTED]
    assert alice.call.connected_at == connected_at
    assert alice.call.deadline is None


def test_a_restart_needs_the_feature_on_both_sides_and_a_size_that_is_meant() -> None:
    alice, bob = connected_pair()
    alice.say(PageRestart(RestartStep.OFFER, 1, "b2ZmZXI=", "aWNl"))
    assert alice.outbox == ()
    bob.receive(CallRestart(bob.call.wire_id, RestartStep.OFFER, 1, "b2ZmZXI=", "aWNl"))
    assert bob.commands == ()
    alice, bob = restarting_pair()
    for description, candidates in ((bomb(1000), "aWNl"), ("b2ZmZXI=", bomb(1000))):
        bob.receive(CallRestart(bob.call.wire_id, RestartStep.OFFER, 1, description, candidates))
    bob.receive(CallRestart(b"x" * 16, RestartStep.OFFER, 1, "b2ZmZXI=", "aWNl"))
    assert bob.commands == ()
    assert bob.states == [CallState.RECONNECTING]


def test_a_call_that_stays_lost_ends_on_both_sides_with_that_reason() -> None:
    alice, bob = restarting_pair()
    deadline = alice.board.next_deadline
    assert deadline == alice.now + 65
    alice.take(alice.board.tick(deadline))
    run(alice, bob)
    assert reason(alice) == reason(bob) == (EndReason.LOST, CallFailure.CONNECTION_LOST)


def test_who_calls_while_we_look_for_them_has_given_the_call_up() -> None:
    alice, _bob = restarting_pair()
    alice.receive(invitation(b"j" * 16), alice.now + 1)
    assert alice.states == [CallState.RINGING]
    assert alice.ended[0].reason is EndReason.LOST


def test_hanging_up_while_we_look_for_them_is_an_end_as_always() -> None:
    alice, _bob = restarting_pair()
    alice.end(alice.call.id)
    assert reason(alice) == (EndReason.ENDED, None)
    assert [type(message) for message in alice.outbox] == [CallEnd]
