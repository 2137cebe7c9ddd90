from __future__ import annotations

import hashlib
from dataclasses import replace

from simplex_calls.agent.security_code import code_digest, is_same_code, security_code
from tests.agent.test_ratchet import SCENARIOS, set_up
from tests.agent.test_ratchet_properties import parties


def test_the_digits() -> None:
    states = set_up(SCENARIOS["v3, KEM proposed in invitation and accepted in reply"])
    code = security_code(states["joiner"])
    assert code == security_code(states["initiator"])
    associated = bytes.fromhex(SCENARIOS["v3, KEM proposed in invitation and accepted in reply"]["x3dh"]["assoc_data"])
    assert int(code.replace(" ", "")) == int(hashlib.sha256(associated).hexdigest(), 16)
    *groups, last = code.split(" ")
    assert {len(group) for group in groups} == {5}
    assert 1 <= len(last) <= 5
    assert code_digest(code) == hashlib.sha256(associated).digest()


def test_digits_of_a_known_text() -> None:
    # the SHA-256 of nothing: 0xe3b0c442 98fc1c14 …
    state = replace(set_up(SCENARIOS["v2 (no PQ)"])["joiner"], associated_data=b"")
    assert security_code(state) == (
        "10298 73362 49554 09702 95352 12322 58132 27897 99900 64819 80349 93379 39700 11156 65086 549"
    )


def test_it_stays_while_the_ratchet_turns() -> None:
    ends = parties("with KEM")
    before = security_code(ends[0].state)
    for _ in range(3):
        ends[1].receive(ends[0].send(b"a"))
        ends[0].receive(ends[1].send(b"b"))
    assert [security_code(end.state) for end in ends] == [before, before]


def test_comparison() -> None:
    assert is_same_code("12345 6789", "123456789\n")
    assert not is_same_code("12345 6789", "12345 6788")
    assert not is_same_code("", "")
