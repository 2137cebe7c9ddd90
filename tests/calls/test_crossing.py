"""Both call each other at once: every interleaving of both users, both pages and all messages."""

from __future__ import annotations

from collections.abc import Hashable
from dataclasses import replace

import pytest

from simplex_calls.calls.call import Call
from simplex_calls.calls.keys import CallKeyPair
from simplex_calls.calls.state import CallState
from simplex_calls.chat.messages import (
    CallAnswer,
    CallEnd,
    CallInvitation,
    CallMedia,
    CallMessage,
    CallOffer,
    RtcSession,
)
from tests.calls.world import Side, exchange, run

SESSION = RtcSession("b2ZmZXI=", "aWNl")
Script = tuple[tuple[str, ...], tuple[str, ...]]


def live(side: Side) -> set[bytes]:
    return {call.wire_id for call in side.board.calls.values()}


def explore(one: Side, other: Side, script: Script) -> list[tuple[Side, Side]]:
    """All ends that the two sides can come to, with each user doing their part of ``script`` at any time."""
    ends: list[tuple[Side, Side]] = []
    seen = set()
    waiting = [(one, other, script)]
    while waiting:
        one, other, script = waiting.pop()
        key = (one.identity(), other.identity(), script)
        if key in seen:
            continue
        seen.add(key)
        moves: list[tuple[int, str, Script]] = []
        for number, side in enumerate((one, other)):
            moves += [(number, name, script) for name in side.moves()]
            todo = script[number]
            if todo and (todo[0] == "dial" or side.board.calls):
                rest = (todo[1:], script[1]) if number == 0 else (script[0], todo[1:])
                moves.append((number, todo[0], rest))
        if not moves:
            ends.append((one, other))
        for number, name, rest in moves:
            pair = (one.clone(), other.clone())
            pair[number].move(name)
            exchange(*pair)
            waiting.append((*pair, rest))
    assert len(seen) > 20
    return ends


@pytest.mark.parametrize(("one", "other"), [(b"\1", b"\2"), (b"\2", b"\1")])
def test_two_calls_become_one(one: bytes, other: bytes) -> None:
    ends = explore(Side(one), Side(other), (("dial",), ("dial",)))
    assert ends
    for alice, bob in ends:
        assert alice.call.state is bob.call.state is CallState.CONNECTED
        assert alice.call.wire_id == bob.call.wire_id
        assert alice.call.frame_key == bob.call.frame_key != None  # noqa: E711
        assert not alice.ended
        assert not bob.ended
    assert any(alice.call.outgoing and bob.call.outgoing for alice, bob in ends)


@pytest.mark.parametrize(("one", "other"), [(b"\1", b"\2"), (b"\2", b"\1")])
def test_the_smaller_call_id_goes_on(one: bytes, other: bytes) -> None:
    alice, bob = Side(one), Side(other)
    ids = alice.dial(), bob.dial()
    for side in (alice, bob):
        side.attach()
        side.obey()
        assert side.states == [CallState.CALLING]
    run(alice, bob)
    assert (alice.call.id, bob.call.id) == ids
    assert alice.call.wire_id == bob.call.wire_id
    assert alice.call.wire_id.startswith(b"\1")
    assert alice.states == bob.states == [CallState.CONNECTED]


def test_an_invitation_without_encryption_never_wins() -> None:
    side = Side(b"\2")
    side.dial()
    plain = CallInvitation(b"\1" * 16, CallMedia.AUDIO, encryption=False)
    side.receive(plain)
    assert side.states == [CallState.DIALLING]
    side.attach()
    side.obey()
    side.receive(replace(plain, call_id=b"\0" * 16))
    assert side.states == [CallState.CALLING]


def test_a_late_invitation_of_a_contact_who_accepted_ours_is_no_call() -> None:
    side = Side(b"\1")
    side.dial()
    side.attach()
    side.obey()
    key = CallKeyPair.generate().public
    wire_id = side.call.wire_id
    side.receive(CallOffer(wire_id, CallMedia.AUDIO, encryption=True, session=SESSION, dh_key=key))
    theirs = CallInvitation(b"\0" * 16, CallMedia.AUDIO, encryption=True, dh_key=key)
    side.receive(theirs, sent_at=side.now - 1)
    assert side.states == [CallState.ANSWERING]
    # a new call of the same contact, for they lost the first
    side.receive(replace(theirs, call_id=b"\3" * 16), sent_at=side.now + 1)
    assert side.states == [CallState.ANSWERING, CallState.WAITING]


@pytest.mark.parametrize(("one", "other"), [(b"\1", b"\2"), (b"\2", b"\1")])
@pytest.mark.parametrize("script", [(("dial", "hang up"), ("dial",)), (("dial", "hang up"), ("dial", "hang up"))])
def test_hanging_up_at_any_moment_leaves_both_sides_agreed(one: bytes, other: bytes, script: Script) -> None:
    for alice, bob in explore(Side(one), Side(other), script):
        assert live(alice) == live(bob)


def test_a_plain_call_can_be_hung_up_at_any_moment() -> None:
    for alice, bob in explore(Side(b"\1"), Side(b"\2"), (("dial", "hang up"), ("accept",))):
        assert live(alice) == live(bob) == set()
    for alice, bob in explore(Side(b"\1"), Side(b"\2"), (("dial",), ("accept", "hang up"))):
        assert live(alice) == live(bob)


class OfficialSide(Side):
    """What an official app does: one call per contact, the newest invitation in or out is it; no rule for crossing.

    Its user accepts our call as soon as it rings.
    """

    current: tuple[str, bytes] | None = None
    keys: CallKeyPair | None = None
    errors: tuple[str, ...] = ()

    def identity(self) -> tuple[Hashable, ...]:
        return (*super().identity(), self.current, self.errors)

    def moves(self) -> list[str]:
        found = ["receive"] if self.inbox else []
        if self.current is not None and self.current[0] in {"received", "offer received"}:
            found.append("go on")
        return found

    def move(self, name: str) -> None:
        match name, self.current:
            case "dial", None | ("received", _):
                self.keys = CallKeyPair.generate(self.random)
                call_id = self.random(16)
                self.current = ("sent", call_id)
                self.outbox += (CallInvitation(call_id, CallMedia.AUDIO, encryption=True, dh_key=self.keys.public),)
            case "go on", ("received", call_id):
                assert self.keys
                self.current = ("offered", call_id)
                self.outbox += (
                    CallOffer(call_id, CallMedia.AUDIO, encryption=True, session=SESSION, dh_key=self.keys.public),
                )
            case "go on", ("offer received", call_id):
                self.current = ("negotiated", call_id)
                self.outbox += (CallAnswer(call_id, SESSION),)
            case "receive", _:
                message, self.inbox = self.inbox[0], self.inbox[1:]
                self.hear(message)

    def hear(self, message: CallMessage) -> None:
        match message, self.current:
            case CallInvitation(), _:
                self.keys = CallKeyPair.generate(self.random)
                self.current = ("received", message.call_id)
            case CallOffer(), ("sent", call_id) if call_id == message.call_id:
                self.current = ("offer received", call_id)
            case CallAnswer(), ("offered", call_id) if call_id == message.call_id:
                self.current = ("negotiated", call_id)
            case CallEnd(), (_, call_id) if call_id == message.call_id:
                self.current = None
            case _:
                self.errors += (type(message).__name__,)


@pytest.mark.parametrize(("one", "other"), [(b"\1", b"\2"), (b"\2", b"\1")])
def test_crossing_with_an_official_app_ends_in_one_call(one: bytes, other: bytes) -> None:
    outcomes: list[tuple[Call, tuple[str, bytes]]] = []
    for ours, theirs in explore(Side(one), OfficialSide(other), (("dial",), ("dial",))):
        assert isinstance(theirs, OfficialSide)
        assert theirs.current is not None
        if ours.states == [CallState.CALLING]:
            # it forgot our invitation when its user called after that had come; ours goes unanswered
            assert one < other
            assert theirs.current[0] == "sent"
            continue
        outcomes.append((ours.call, theirs.current))
    assert outcomes
    for call, (state, wire_id) in outcomes:
        assert (call.state, state) == (CallState.CONNECTED, "negotiated")
        assert call.wire_id == wire_id
    assert any(call.outgoing for call, _ in outcomes)
