from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from types import MappingProxyType

import pytest

from simplex_calls.calls import diagram
from simplex_calls.calls.call import Call, CallFailure, Yielded
from simplex_calls.calls.effects import Effect, EndPage, PageCommand, SendMessage, WantPage
from simplex_calls.calls.keys import CallKeyPair
from simplex_calls.calls.state import (
    ACTIVE_STATES,
    CLOCKS,
    RINGING_STATES,
    TABLE,
    Action,
    CallEvent,
    CallState,
    EndReason,
    transition,
)
from simplex_calls.calls.turn import Turn
from simplex_calls.calls.views import CallPhase, history_details, phase_of
from simplex_calls.chat.history import CallStatus
from simplex_calls.chat.messages import (
    CallAnswer,
    CallEnd,
    CallExtra,
    CallInvitation,
    CallMedia,
    CallOffer,
    CallRestart,
    RestartStep,
    RtcSession,
)

KEYS = CallKeyPair.generate()
PEER = CallKeyPair.generate()
SESSION = RtcSession("ZGVzYw==", "aWNl")
RESTART = CallRestart(b"w" * 16, RestartStep.OFFER, 1, "ZGVzYw==", "aWNl")
SHOWN = {
    Action.ASK_CAPABILITIES: "capabilities",
    Action.PAGE_START: "start",
    Action.PAGE_TAKE_OFFER: "offer",
    Action.PAGE_TAKE_ANSWER: "answer",
    Action.PAGE_TAKE_CANDIDATES: "ice",
    Action.RELEASE_EXTRA: "ice",
    Action.WANT_PAGE: WantPage,
    Action.PAGE_END: EndPage,
    Action.SEND_INVITATION: CallInvitation,
    Action.SEND_OFFER: CallOffer,
    Action.SEND_ANSWER: CallAnswer,
    Action.SEND_CANDIDATES: CallExtra,
    Action.RELEASE_CANDIDATES: CallExtra,
    Action.SEND_END: CallEnd,
    Action.SEND_RESTART: CallRestart,
    Action.PAGE_TAKE_RESTART: "restart",
}


def call_in(state: CallState) -> Call:
    return Call(
        id="c1",
        contact_id=1,
        wire_id=b"w" * 16,
        outgoing=True,
        media=CallMedia.VIDEO,
        state=state,
        started_at=1.0,
        clock_at=1.0,
        keys=KEYS,
        frame_key=KEYS.frame_key(PEER.public),
        offer=CallOffer(b"w" * 16, CallMedia.AUDIO, encryption=True, session=SESSION, dh_key=PEER.public),
        held=("b3duZQ==",),
        held_extra=("dGhlaXI=",),
    )


def shown(effect: Effect) -> object:
    if isinstance(effect, SendMessage):
        return type(effect.message)
    return effect.fields["type"] if isinstance(effect, PageCommand) else type(effect)


@pytest.mark.parametrize(
    ("state", "event"),
    [(state, event) for state in CallState for event in CallEvent if (state, event) in TABLE],
    ids=lambda part: part.value,
)
def test_every_transition(state: CallState, event: CallEvent) -> None:
    expected = TABLE[state, event]
    call = call_in(state)
    turn = Turn({} if state is CallState.NEW else {"c1": call}, (), 5.0)
    assert turn.apply(call, event, session=SESSION, candidates="bmV3", restart=RESTART, failure=CallFailure.PAGE)
    after = turn.changed["c1"]
    assert after.state is expected.state
    assert after.reason is expected.reason
    assert (after.reason is None) == (after.ended_at is None) == (not after.is_ended) == ("c1" in turn.calls)
    holds = {Action.HOLD_CANDIDATES, Action.HOLD_EXTRA}
    assert [shown(effect) for effect in turn.effects] == [SHOWN[a] for a in expected.actions if a not in holds]
    if not after.is_ended:
        sent = {Action.RELEASE_CANDIDATES} & set(expected.actions)
        held = ("b3duZQ==", "bmV3") if Action.HOLD_CANDIDATES in expected.actions else ("b3duZQ==",)
        assert after.held == (() if sent else held)
    else:
        assert (after.keys, after.frame_key, after.offer, after.held, after.held_extra) == (None, None, None, (), ())
    same_clock = CLOCKS.get(state) == CLOCKS.get(expected.state)
    assert after.clock_at == (1.0 if same_clock else 5.0)


@pytest.mark.parametrize("state", CallState)
@pytest.mark.parametrize("event", CallEvent)
def test_what_is_not_in_the_table_changes_nothing(state: CallState, event: CallEvent) -> None:
    if transition(state, event) is not None:
        return
    call = call_in(state)
    turn = Turn({"c1": call}, (), 5.0)
    assert not turn.apply(call, event)
    assert turn.calls == {"c1": call}
    assert turn.changed == {}
    assert turn.effects == []
    assert turn.ignored


def test_every_live_state_can_be_ended_from_all_sides() -> None:
    live = set(CallState) - {CallState.NEW, CallState.ENDED}
    for state in live:
        for event in (CallEvent.HANG_UP, CallEvent.FAILURE, CallEvent.RESTART):
            found = transition(state, event)
            assert found
            assert found.state is CallState.ENDED
        peer_knows = state not in {CallState.DIALLING, CallState.PREPARING, CallState.CONSENTING_TO_CALL}
        assert (transition(state, CallEvent.PEER_END) is not None) == peer_knows
        assert (transition(state, CallEvent.TIMEOUT) is not None) == (state in CLOCKS)
    assert live - set(CLOCKS) == {CallState.CONNECTED}
    assert not any(state is CallState.ENDED for state, _ in TABLE)


def test_ends_that_the_other_side_must_hear_of_are_told() -> None:
    for (state, event), found in TABLE.items():
        if found.state is not CallState.ENDED:
            continue
        peer_knows = state not in {CallState.DIALLING, CallState.PREPARING, CallState.CONSENTING_TO_CALL}
        theirs = {CallEvent.PEER_END, CallEvent.INVITATION_REPLACED, CallEvent.INVITATION_TOO_OLD}
        assert (Action.SEND_END in found.actions) == (peer_knows and event not in theirs)
        assert (Action.PAGE_END in found.actions) == (state in ACTIVE_STATES)


def test_states_are_ringing_active_or_neither() -> None:
    assert not RINGING_STATES & ACTIVE_STATES
    assert {phase_of(state) for state in RINGING_STATES} == {CallPhase.RINGING}
    assert {phase_of(state) for state in ACTIVE_STATES} == {
        CallPhase.CALLING,
        CallPhase.CONNECTING,
        CallPhase.CONNECTED,
    }


@pytest.mark.parametrize(
    ("outgoing", "reason", "connected", "status", "duration"),
    [
        (True, EndReason.ENDED, 10.0, CallStatus.ENDED, 20),
        (True, EndReason.ENDED, None, CallStatus.CANCELLED, None),
        (False, EndReason.ENDED, None, CallStatus.ENDED, 0),
        (True, EndReason.DECLINED, None, CallStatus.DECLINED, None),
        (True, EndReason.NO_ANSWER, None, CallStatus.NO_ANSWER, None),
        (False, EndReason.MISSED, None, CallStatus.MISSED, None),
        (False, EndReason.BUSY, None, CallStatus.BUSY, None),
        (False, EndReason.FAILED, 10.0, CallStatus.FAILED, 20),
        (True, EndReason.LOST, 10.0, CallStatus.LOST, 20),
    ],
)
def test_history_says_what_came_of_a_call(
    outgoing: bool, reason: EndReason, connected: float | None, status: CallStatus, duration: int | None
) -> None:
    call = replace(call_in(CallState.ENDED), outgoing=outgoing, reason=reason, connected_at=connected, ended_at=30.9)
    details = history_details(call)
    assert (details.status, details.duration) == (status, duration)


def test_an_invitation_that_gave_way_is_taken_back_at_the_end() -> None:
    call = replace(call_in(CallState.OFFERED), yielded=Yielded(b"y" * 16, KEYS))
    turn = Turn(MappingProxyType({"c1": call}), (), 5.0)
    turn.apply(call, CallEvent.PEER_END)
    ends = [effect.message for effect in turn.effects if isinstance(effect, SendMessage)]
    assert ends == [CallEnd(b"y" * 16)]


def test_the_documentation_is_current() -> None:
    path = Path(__file__).parents[2] / "docs" / "call-states.md"
    assert path.read_text("utf-8") == diagram.document()
