"""Two ratchets in memory over a network that loses, repeats, reorders and changes messages."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import dataclass, field

from hypothesis import given, settings
from hypothesis import strategies as st

from simplex_calls.agent import ratchet
from simplex_calls.agent.ratchet import RatchetState, SkippedKeys
from simplex_calls.agent.x3dh import E2EPrivateKeys
from simplex_calls.crypto import X448PrivateKey

PADDED = 64


def seeded(seed: bytes) -> Callable[[int], bytes]:
    """A reproducible source of bytes."""
    count = 0

    def random(size: int) -> bytes:
        nonlocal count
        count += 1
        return hashlib.shake_256(seed + count.to_bytes(4, "big")).digest(size)

    return random


_RANDOM = seeded(b"set-up")
_INVITING, _JOINING = E2EPrivateKeys.generate(_RANDOM), E2EPrivateKeys.generate(_RANDOM)
_RATCHET_KEY = X448PrivateKey.generate(_RANDOM)


@dataclass
class Party:
    """One end, which stores what it would store in a database."""

    stored: bytes
    random: Callable[[int], bytes]
    skipped: SkippedKeys = field(default_factory=SkippedKeys)
    read: set[bytes] = field(default_factory=set)

    def send(self, text: bytes) -> bytes:
        state, message = ratchet.encrypt(RatchetState.from_bytes(self.stored), text, PADDED)
        self.stored = state.to_bytes()
        return message

    def receive(self, message: bytes) -> bytes:
        state = RatchetState.from_bytes(self.stored)
        before = (state.to_bytes(), SkippedKeys(self.skipped))
        try:
            result = ratchet.decrypt(state, self.skipped, message, self.random)
        except ratchet.RatchetError:
            assert (state.to_bytes(), self.skipped) == before
            raise
        self.skipped = SkippedKeys(list(self.skipped.applied(result.skipped_delta)))
        self.stored = result.state.to_bytes()
        return result.plaintext


def parties() -> list[Party]:
    joiner = ratchet.init_sending(_JOINING, _INVITING.public_at(2), _RATCHET_KEY)
    initiator = ratchet.init_receiving(_INVITING, _JOINING.public_at(2))
    ends = [Party(joiner.to_bytes(), seeded(b"joiner")), Party(initiator.to_bytes(), seeded(b"initiator"))]
    assert ends[1].receive(ends[0].send(b"confirmation")) == b"confirmation"
    return ends


# what happens next: who, and send (None) or deliver the nth message in flight, and in which way
ACTIONS = st.lists(
    st.tuples(
        st.integers(0, 1),
        st.one_of(
            st.none(),
            st.tuples(st.integers(0, 30), st.sampled_from(["deliver", "deliver", "deliver", "repeat", "change"])),
        ),
    ),
    max_size=60,
)


@settings(max_examples=60, deadline=None)
@given(ACTIONS)
def test_every_message_that_arrives_is_read_once_and_exactly(
    actions: list[tuple[int, tuple[int, str] | None]],
) -> None:
    ends = parties()
    in_flight: tuple[dict[int, bytes], dict[int, bytes]] = ({}, {})
    read: tuple[set[int], set[int]] = (set(), set())
    for number, (who, delivery) in enumerate(actions):
        if delivery is None:
            in_flight[1 - who][number] = ends[who].send(b"text %d" % number)
            continue
        index, how = delivery
        if not in_flight[who]:
            continue
        sent = list(in_flight[who])[index % len(in_flight[who])]
        message = in_flight[who][sent]
        if how == "change":
            try:
                ends[who].receive(message[:-1] + bytes((message[-1] ^ 1,)))
            except ratchet.RatchetError:
                continue
            raise AssertionError("a changed message was read")
        if sent in read[who]:
            try:
                ends[who].receive(message)
            except (ratchet.EarlierMessageError, ratchet.HeaderError):
                continue
            raise AssertionError("a message was read twice")
        assert ends[who].receive(message) == b"text %d" % sent
        read[who].add(sent)
        if how == "deliver":
            # lost to the network now; "repeat" leaves it to come again
            del in_flight[who][sent]
    # whatever was not lost for good arrives in the end, late ones last first
    for who in (0, 1):
        for sent in sorted(in_flight[who].keys() - read[who], reverse=True):
            assert ends[who].receive(in_flight[who][sent]) == b"text %d" % sent


@settings(max_examples=15, deadline=None)
@given(st.lists(st.tuples(st.integers(0, 300), st.booleans()), min_size=1, max_size=12))
def test_what_is_kept_for_lost_messages_is_bounded(rounds: list[tuple[int, bool]]) -> None:
    joiner, initiator = parties()
    for lost, answered in rounds:
        for _ in range(lost):
            joiner.send(b"lost")
        assert initiator.receive(joiner.send(b"arrives")) == b"arrives"
        if answered:
            joiner.receive(initiator.send(b"answer"))
        assert len(initiator.skipped) <= ratchet.MAX_SKIPPED_STORED
    assert len(joiner.skipped) == 0


@given(st.binary(max_size=400))
def test_garbage_raises_only_ratchet_errors(data: bytes) -> None:
    end = Party(_PARTY.stored, seeded(b"x"))
    for message in (data, _MESSAGE[: len(data)] + data, data + _MESSAGE, _MESSAGE[: len(data)]):
        if message == _MESSAGE:
            continue
        try:
            end.receive(message)
        except ratchet.RatchetError:
            continue
        raise AssertionError("garbage was read")


@given(st.binary(max_size=500))
def test_garbage_is_no_stored_state(data: bytes) -> None:
    for stored in (data, _PARTY.stored[: len(data)] + data, _PARTY.stored[: len(data)]):
        try:
            state = RatchetState.from_bytes(stored)
        except ratchet.StoredRatchetError:
            continue
        assert state.to_bytes() == stored


_SENDER, _PARTY = parties()
_MESSAGE = _SENDER.send(b"text")
