"""Two ratchets in memory over a network that loses, repeats, reorders and changes messages."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import dataclass, field, replace

from hypothesis import given, settings
from hypothesis import strategies as st

from simplex_calls.agent import ratchet
from simplex_calls.agent.kem import KemKeys
from simplex_calls.agent.ratchet import RatchetState, SkippedKeys
from simplex_calls.agent.x3dh import E2EPrivateKeys, reply_kem
from simplex_calls.crypto import SystemKem, X448PrivateKey
from tests.agent.pooled_kem import PooledKem

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
MODES = ["version 2", "version 3", "with KEM"]


@dataclass
class Party:
    """One end, which stores what it would store in a database."""

    stored: bytes
    random: Callable[[int], bytes]
    skipped: SkippedKeys = field(default_factory=SkippedKeys)
    read: set[bytes] = field(default_factory=set)

    kem: SystemKem = field(default_factory=PooledKem)

    @property
    def state(self) -> RatchetState:
        return RatchetState.from_bytes(self.stored)

    def send(self, text: bytes, *, pq: bool | None = None) -> bytes:
        state, message = ratchet.encrypt(self.state, text, PADDED, pq=pq, max_version=3)
        self.stored = state.to_bytes()
        return message

    def receive(self, message: bytes) -> bytes:
        state = self.state
        before = (state.to_bytes(), SkippedKeys(self.skipped))
        try:
            result = ratchet.decrypt(state, self.skipped, message, self.random, self.kem)
        except ratchet.RatchetError:
            assert (state.to_bytes(), self.skipped) == before
            raise
        self.skipped = SkippedKeys(list(self.skipped.applied(result.skipped_delta)))
        self.stored = result.state.to_bytes()
        return result.plaintext


def parties(mode: str = "version 2") -> list[Party]:
    """The joiner and the initiator, after the confirmation."""
    version, pq = 2 if mode == "version 2" else 3, mode == "with KEM"
    source = PooledKem()
    inviting = replace(_INVITING, kem=KemKeys.propose(source)) if pq else _INVITING
    joining = replace(_JOINING, kem=reply_kem(inviting.public_at(version), source, wanted=pq))
    joiner = ratchet.init_sending(joining, inviting.public_at(version), _RATCHET_KEY, version)
    initiator = ratchet.init_receiving(inviting, joining.public_at(version), version, pq=pq)
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
@given(ACTIONS, st.sampled_from(MODES))
def test_every_message_that_arrives_is_read_once_and_exactly(
    actions: list[tuple[int, tuple[int, str] | None]], mode: str
) -> None:
    ends = parties(mode)
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


@settings(max_examples=40, deadline=None)
@given(
    st.lists(st.tuples(st.integers(0, 1), st.sampled_from([None, None, True, False])), max_size=60),
    st.sampled_from(MODES),
)
def test_kem_is_turned_on_and_off_at_any_time(actions: list[tuple[int, bool | None]], mode: str) -> None:
    ends = parties(mode)
    waiting: tuple[list[tuple[bytes, bytes]], list[tuple[bytes, bytes]]] = ([], [])
    for number, (who, pq) in enumerate(actions):
        if number % 3 == 2:
            for text, message in waiting[who]:
                assert ends[who].receive(message) == text
            waiting[who].clear()
        if ends[who].state.sending is not None:
            waiting[1 - who].append((b"%d" % number, ends[who].send(b"%d" % number, pq=pq)))
    for who in (0, 1):
        for text, message in waiting[who]:
            assert ends[who].receive(message) == text
    # whatever was before: what both want is so after some turns, and both know it
    for wanted in (True, False):
        for _ in range(4):
            ends[1].receive(ends[0].send(b"", pq=wanted))
            ends[0].receive(ends[1].send(b"", pq=wanted))
        for end in ends:
            assert end.state.version == 3
            assert (end.state.sending_kem, end.state.receiving_kem) == (wanted, wanted)
            assert (end.state.kem is not None) == wanted
            assert end.state.supports_kem


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


@given(st.binary(max_size=400), st.sampled_from(MODES))
def test_garbage_raises_only_ratchet_errors(data: bytes, mode: str) -> None:
    stored, true_message = SENT[mode]
    end = Party(stored, seeded(b"x"))
    for message in (data, true_message[: len(data)] + data, data + true_message, true_message[: len(data)]):
        # the header's length may be written in one byte or in two, whatever the version
        if message in (true_message, b"\0" + true_message):
            continue
        try:
            end.receive(message)
        except ratchet.RatchetError:
            continue
        raise AssertionError("garbage was read")


@given(st.binary(max_size=500), st.sampled_from(MODES), st.integers(0, 6000))
def test_garbage_is_no_stored_state(data: bytes, mode: str, cut: int) -> None:
    whole = SENT[mode][0]
    for stored in (data, whole[: len(data)] + data, whole[: len(data)], whole[:cut] + data, b"\1" + whole[1:-5] + data):
        try:
            state = RatchetState.from_bytes(stored)
        except ratchet.StoredRatchetError:
            continue
        assert state.to_bytes() == (stored if stored[:1] == b"\2" else b"\2" + stored[1:] + b"0FFFF")


def sent(mode: str) -> tuple[bytes, bytes]:
    """A stored state, and a message for it."""
    sender, party = parties(mode)
    return party.stored, sender.send(b"text")


SENT = {mode: sent(mode) for mode in MODES}
