"""Both machines against each other: every order of whatever users, pages and messages do, eight steps deep.

Messages travel in two lossless queues, in order and as late as it happens. Wherever the two sides have got to after
those steps, everything is then delivered and the clocks run: both must come to the same end.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable
from contextlib import suppress

import pytest

from simplex_calls.calls.page import PageConnection, PageEnded, PageFault
from simplex_calls.calls.state import CallEvent, CallState
from simplex_calls.calls.switchboard import CallStateError, LineBusyError
from tests.calls.world import Side, exchange, run

DEPTH = 8


class Person(Side):
    """A side whose user and page do whatever they can do at any time, also twice."""

    def anything(self) -> list[str]:
        found = [*self.moves(), "dial"]
        calls = list(self.board.calls.values())
        if any(call.is_ringing for call in calls):
            found += ["accept", "reject"]
        if calls:
            found.append("hang up")
        if self.page is not None:
            found.append("close the page")
            state = self.board.get(self.page).state
            if state in {CallState.CONNECTING, CallState.CONNECTED}:
                found += ["lose the connection", "end by the page"]
            if state is CallState.RECONNECTING:
                found += ["find it again", "give it up"]
        return found

    def move(self, name: str) -> None:
        match name:
            case "dial":
                with suppress(LineBusyError):  # a second click
                    self.dial()
            case "reject":
                self.end(next(call.id for call in self.board.calls.values() if call.is_ringing), CallEvent.REJECT)
            case "close the page":
                assert self.page is not None
                self.end(self.page, CallEvent.PAGE_CLOSED)
            case "lose the connection":
                self.say(PageConnection("failed"))
            case "find it again":
                self.say(PageConnection("connected"))
            case "give it up":
                self.say(PageFault("", None, "connection-lost"))
            case "end by the page":
                self.say(PageEnded())
            case _:
                super().move(name)


def agreed(one: Side, other: Side) -> list[tuple[str, bytes]]:
    """What both sides hold in common, or fail: each call on one side is the same call on the other."""
    calls = [sorted((call.wire_id, call.state) for call in side.board.calls.values()) for side in (one, other)]
    wires = [[wire_id for wire_id, _ in side] for side in calls]
    assert wires[0] == wires[1], calls
    return [(state.value, wire_id) for wire_id, state in calls[0]]


def let_it_end(one: Side, other: Side) -> None:
    """Deliver all, and let time pass until no clock runs any more."""
    run(one, other)
    for _ in range(20):
        agreed(one, other)
        deadlines = [side.board.next_deadline for side in (one, other)]
        running = [deadline for deadline in deadlines if deadline is not None]
        if not running:
            break
        for side in (one, other):
            side.now = max(side.now, min(running))
            side.take(side.board.tick(side.now))
        run(one, other)
    else:
        pytest.fail("it never ends")
    held = agreed(one, other)
    assert held == [] or [state for state, _ in held] == [CallState.CONNECTED.value]
    assert {call.state for side in (one, other) for call in side.board.calls.values()} <= {CallState.CONNECTED}
    if held:
        assert one.call.frame_key == other.call.frame_key


def explore(one: Person, other: Person, depth: int) -> int:
    """Try every order of moves from here; how many different situations there were."""
    seen: dict[Hashable, None] = {}
    ends: set[Hashable] = set()
    waiting: list[tuple[Side, Side, tuple[str, ...]]] = [(one, other, ())]
    for step in range(depth + 1):
        following: list[tuple[Side, Side, tuple[str, ...]]] = []
        for pair in waiting:
            key = (pair[0].identity(), pair[1].identity())
            if key in seen:
                continue
            seen[key] = None
            if step == depth:
                continue
            for number in (0, 1):
                side = pair[number]
                assert isinstance(side, Person)
                for name in side.anything():
                    clones = (pair[0].clone(), pair[1].clone())
                    clones[number].move(name)
                    exchange(*clones)
                    following.append((*clones, (*pair[2], f"{number}: {name}")))
        waiting = following
        for pair in following:
            key = (pair[0].identity(), pair[1].identity())
            if key in ends:
                continue
            ends.add(key)
            clones = (pair[0].clone(), pair[1].clone())
            try:
                let_it_end(*clones)
            except (AssertionError, CallStateError) as error:
                raise AssertionError(f"after {', '.join(pair[2])}: {error}") from error
    return len(seen)


def nothing(one: Person, other: Person) -> None:
    """No call yet."""


def ringing(one: Person, other: Person) -> None:
    one.dial()
    run(one, other)
    assert other.states == [CallState.RINGING]


def accepted(one: Person, other: Person) -> None:
    ringing(one, other)
    other.accept(other.call.id)
    other.attach()
    assert other.states == [CallState.OFFERING]


def connected(one: Person, other: Person) -> None:
    accepted(one, other)
    run(one, other)
    assert one.states == other.states == [CallState.CONNECTED]


@pytest.mark.parametrize("begin", [nothing, ringing, accepted, connected], ids=lambda begin: begin.__name__)
@pytest.mark.parametrize("seeds", [(b"\1", b"\2"), (b"\2", b"\1")], ids=["smaller calls", "larger calls"])
def test_every_order_ends_alike(begin: Callable[[Person, Person], None], seeds: tuple[bytes, bytes]) -> None:
    one, other = (Person(seed) for seed in seeds)
    begin(one, other)
    assert explore(one, other, DEPTH) > 300
