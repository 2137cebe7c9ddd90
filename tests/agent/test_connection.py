from __future__ import annotations

import itertools

import pytest

from simplex_calls.agent.connection import (
    TRANSITIONS,
    ConnectionAction,
    ConnectionEvent,
    ConnectionState,
    transition,
)

S, E, A = ConnectionState, ConnectionEvent, ConnectionAction


def run(state: ConnectionState, *events: ConnectionEvent) -> tuple[ConnectionState, list[ConnectionAction]]:
    actions: list[ConnectionAction] = []
    for event in events:
        step = transition(state, event)
        assert step is not None, (state, event)
        state = step.state
        actions += step.actions
    return state, actions


def test_fast_handshake_of_who_invited() -> None:
    state, actions = run(S.INVITED, E.CONFIRMATION, E.ALLOW, E.CONFIRMATION_SENT_SECURED)
    assert state is S.CONNECTED
    assert actions == [
        A.REPORT_CONFIRMATION,
        A.SECURE_OWN_QUEUE,
        A.SECURE_THEIR_QUEUE,
        A.QUEUE_CONFIRMATION,
        A.REPORT_CONNECTED,
    ]


def test_fast_handshake_of_who_joined() -> None:
    assert run(S.JOINED, E.CONFIRMATION_SENT_SECURED, E.INFO) == (S.CONNECTED, [A.REPORT_INFO, A.REPORT_CONNECTED])
    # the answer may overtake the server's answer to our confirmation
    assert run(S.JOINED, E.INFO, E.CONFIRMATION_SENT_SECURED)[0] is S.CONNECTED


def test_slow_handshake_greets_both_ways() -> None:
    invited, actions = run(S.INVITED, E.CONFIRMATION, E.ALLOW, E.CONFIRMATION_SENT, E.HELLO, E.HELLO_SENT)
    assert invited is S.CONNECTED
    assert actions[-2:] == [A.QUEUE_HELLO, A.REPORT_CONNECTED]
    joined, actions = run(S.JOINED, E.CONFIRMATION_SENT, E.INFO_WITH_KEY, E.HELLO_SENT, E.HELLO)
    assert joined is S.CONNECTED
    assert actions == [A.REPORT_INFO, A.SECURE_OWN_QUEUE, A.QUEUE_HELLO, A.REPORT_CONNECTED]


@pytest.mark.parametrize("start", [S.INVITED, S.JOINED])
def test_connected_is_reported_exactly_once_on_every_path(start: ConnectionState) -> None:
    events = [event for event in E if event is not E.FAIL]
    reports: dict[ConnectionState, set[int]] = {start: {0}}
    frontier = [(start, 0)]
    while frontier:
        state, count = frontier.pop()
        for event in events:
            step = transition(state, event)
            if step is None:
                continue
            following = count + step.actions.count(A.REPORT_CONNECTED)
            if following not in reports.setdefault(step.state, set()):
                assert following <= 1
                reports[step.state].add(following)
                frontier.append((step.state, following))
    assert reports[S.CONNECTED] == {1}
    assert all(counts == {0} for state, counts in reports.items() if state is not S.CONNECTED)


def test_messages_are_sent_only_when_connected_and_never_after_failure() -> None:
    for state, event in itertools.product(S, E):
        step = transition(state, event)
        if event is E.SEND:
            assert (step is not None) == (state is S.CONNECTED)
        if step is not None and state is S.FAILED:
            assert step.state is S.FAILED
        if event is E.FAIL and state is not S.FAILED:
            assert step is not None
            assert step.actions == (A.REPORT_FAILED,)
    assert all(isinstance(step.actions, tuple) for step in TRANSITIONS.values())
