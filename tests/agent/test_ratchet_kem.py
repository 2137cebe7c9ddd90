"""The ratchet's KEM states, from off to on and back, and what does not fit them."""

from __future__ import annotations

from dataclasses import replace

import pytest

from simplex_calls.agent import ratchet
from simplex_calls.agent.kem import KemAccepted, KemKeys
from simplex_calls.agent.ratchet import RatchetState, SkippedKeys
from simplex_calls.agent.x3dh import E2EPrivateKeys, reply_kem
from simplex_calls.crypto import KemCiphertext, X448PrivateKey
from tests.agent.pooled_kem import PooledKem
from tests.agent.test_ratchet_properties import MODES, Party, parties, seeded

H = bytes.fromhex


def states(ends: list[Party]) -> list[str]:
    """What each side knows: s and r for protection by KEM in sending and receiving, P or A for its own keys."""
    described = []
    for end in ends:
        state = end.state
        kem = "" if state.kem is None else "P" if state.kem.accepted is None else "A"
        described.append(f"{'s' * state.sending_kem}{'r' * state.receiving_kem}{kem}")
    return described


def exchange(ends: list[Party], pq: tuple[bool | None, bool | None] = (None, None)) -> list[str]:
    """One message each way, the joiner's first."""
    ends[1].receive(ends[0].send(b"to the initiator", pq=pq[0]))
    ends[0].receive(ends[1].send(b"to the joiner", pq=pq[1]))
    return states(ends)


def test_on_from_the_first_message() -> None:
    ends = parties("with KEM")
    assert states(ends) == ["sA", "srA"]
    assert ends[1].state.is_quantum_resistant
    assert not ends[0].state.is_quantum_resistant
    assert exchange(ends) == ["srA", "srA"]


def test_proposed_by_the_joiner() -> None:
    source = PooledKem()
    inviting = E2EPrivateKeys.generate(seeded(b"i"))
    joining = E2EPrivateKeys.generate(seeded(b"j"), reply_kem(inviting.public_at(3), source, wanted=True))
    ends = [
        Party(
            ratchet.init_sending(joining, inviting.public_at(3), X448PrivateKey.generate(), 3).to_bytes(), seeded(b"j2")
        ),
        Party(ratchet.init_receiving(inviting, joining.public_at(3), 3, pq=True).to_bytes(), seeded(b"i2")),
    ]
    assert states(ends) == ["P", ""]
    ends[1].receive(ends[0].send(b"confirmation"))
    assert states(ends) == ["P", "sA"]
    ends[0].receive(ends[1].send(b"answer"))
    assert states(ends) == ["srA", "sA"]
    assert exchange(ends) == ["srA", "srA"]


def test_an_initiator_that_does_not_want_it() -> None:
    source = PooledKem()
    inviting = E2EPrivateKeys.generate(seeded(b"i"), KemKeys.propose(source))
    joining = E2EPrivateKeys.generate(seeded(b"j"), reply_kem(inviting.public_at(3), source, wanted=True))
    ends = [
        Party(
            ratchet.init_sending(joining, inviting.public_at(3), X448PrivateKey.generate(), 3).to_bytes(), seeded(b"j2")
        ),
        Party(ratchet.init_receiving(inviting, joining.public_at(3), 3, pq=False).to_bytes(), seeded(b"i2")),
    ]
    ends[1].receive(ends[0].send(b"confirmation"))
    assert states(ends) == ["sA", "r"]
    ends[0].receive(ends[1].send(b"answer"))
    assert states(ends) == ["", "r"]
    # who was once protected proposes again, unless the user says no with every message
    assert exchange(ends) == ["", "P"]
    assert exchange(ends, (None, False)) == ["", ""]
    assert exchange(ends, (None, False)) == ["", ""]


def test_on_and_off_in_the_middle() -> None:
    ends = parties("version 3")
    assert exchange(ends) == ["", ""]
    # one side alone proposes and takes it back
    assert exchange(ends, (True, None)) == ["P", ""]
    assert exchange(ends) == ["", ""]
    # both want it: without another word it is made so
    assert exchange(ends, (True, True)) == ["P", ""]
    assert exchange(ends) == ["srA", "sA"]
    assert exchange(ends) == ["srA", "srA"]
    assert exchange(ends, (True, True)) == ["srA", "srA"]
    # one side turns it off, and says so with every message: it is off for both
    assert exchange(ends, (None, False)) == ["srA", "srP"]
    assert exchange(ends, (None, False)) == ["", "r"]
    for _ in range(3):
        assert exchange(ends, (None, False)) == ["", ""]


@pytest.mark.parametrize("mode", MODES)
def test_header_sizes(mode: str) -> None:
    ends = parties(mode)
    message = ends[0].send(b"text")
    # length, version, iv, tag, length, header, tag, body
    sizes = {"version 2": 1 + 2 + 32 + 1 + 88, "version 3": 2 + 2 + 32 + 2 + 88, "with KEM": 2 + 2 + 32 + 2 + 2310}
    assert len(message) == sizes[mode] + 16 + 64
    # room for KEM keys stays, whether there are any or not
    exchange(ends, (False, False))
    exchange(ends, (False, False))
    assert len(ends[0].send(b"text")) == len(message) if mode != "version 2" else sizes["version 3"] + 16 + 64


def test_either_way_to_write_a_length_is_read() -> None:
    """Official peers read both, so that a version can rise within one message; the length itself is not secret."""
    ends = parties("version 2")
    message = ends[0].send(b"two bytes")
    assert ends[1].receive(b"\0" + message) == b"two bytes"
    ends = parties("version 3")
    message = ends[0].send(b"one byte")
    assert message[0] == 0
    assert ends[1].receive(message[1:]) == b"one byte"


def stored_before_kem(state: RatchetState) -> bytes:
    """A state as it was stored before there was KEM."""
    assert state.kem is None
    data = state.to_bytes()
    assert data[:1] == b"\2"
    assert data[-5:] == b"0FFFF"
    return b"\1" + data[1:-5]


def test_a_ratchet_from_before_kem_rises() -> None:
    ends = parties("version 2")
    for end in ends:
        stored = stored_before_kem(replace(end.state, max_version=2))
        assert RatchetState.from_bytes(stored) == replace(end.state, max_version=2)
        end.stored = stored
    assert [end.state.version for end in ends] == [2, 2]
    history = [exchange(ends, (True, True)) for _ in range(4)]
    assert [end.state.version for end in ends] == [3, 3]
    assert history[-1] == ["srA", "srA"]


def test_a_peer_that_stays_at_version_2() -> None:
    ends = parties("version 2")
    for number in range(3):
        state, message = ratchet.encrypt(ends[0].state, b"old", 64, max_version=2)
        ends[0].stored = state.to_bytes()
        assert ends[1].receive(message) == b"old"
        assert ends[0].receive(ends[1].send(b"new %d" % number, pq=True)) == b"new %d" % number
        # it never announces more than it speaks
        ends[0].stored = replace(ends[0].state, version=2, max_version=2).to_bytes()
        assert ends[1].state.version == 2
        assert states(ends) == ["", ""]


def test_keys_that_do_not_fit() -> None:
    ends = parties("version 3")
    source = PooledKem()
    kem = KemKeys.accept(source, source.generate().public)
    sender = replace(ends[0].state, kem=kem, supports_kem=True)
    _, message = ratchet.encrypt(sender, b"text", 64, max_version=3)
    with pytest.raises(ratchet.UnsupportedRatchetError, match="not proposed"):
        # a turn with an answer to no proposal
        joiner = replace(ends[1].state, receiving=None, next_receiving_header_key=sender.sending.header_key)  # type: ignore[union-attr]
        ratchet.decrypt(joiner, SkippedKeys(), message, seeded(b"x"))


def test_a_ciphertext_for_another_key_is_not_read() -> None:
    ends = parties("with KEM")
    exchange(ends)
    state = ends[0].state
    assert state.kem is not None
    assert state.kem.accepted is not None
    before = ends[1].stored
    wrong = replace(state.kem.accepted, ciphertext=KemCiphertext(bytes(KemCiphertext.size)))
    _, message = ratchet.encrypt(replace(state, kem=replace(state.kem, accepted=wrong)), b"text", 64)
    with pytest.raises(ratchet.MessageError):
        ends[1].receive(message)
    assert ends[1].stored == before
    assert ends[1].receive(ends[0].send(b"text")) == b"text"


def test_kem_secrets_do_not_show() -> None:
    state = parties("with KEM")[0].state
    assert state.kem is not None
    assert state.kem.accepted is not None
    shown = repr(state)
    assert repr(state.kem.own.raw)[2:40] not in shown.replace(repr(state.kem.own.public.raw), "")
    assert repr(state.kem.accepted.shared)[2:-1] not in shown
    assert isinstance(state.kem.params, KemAccepted)
