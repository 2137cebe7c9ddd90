"""Each decoder on changed true messages: the quick form of ``make fuzz``."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.fuzz.targets import TARGETS, Target

NAMES = {target.name: target for target in TARGETS}


@pytest.mark.parametrize("name", NAMES)
def test_true_messages_are_taken(name: str) -> None:
    target = NAMES[name]
    assert target.seeds
    for seed in target.seeds:
        target.run(seed)


def changed(target: Target) -> st.SearchStrategy[bytes]:
    """Any bytes, and true messages with some bytes replaced, removed, or put in."""

    def change(seed: bytes, place: int, removed: int, put: bytes, again: int) -> bytes:
        start = place % (len(seed) + 1)
        once = seed[:start] + put + seed[start + removed :]
        start = again % (len(once) + 1)
        return once[:start] + put[:2] + once[start + len(put[:2]) :]

    places = st.integers(0, 20_000)
    return st.binary(max_size=300) | st.builds(
        change, st.sampled_from(target.seeds), places, st.integers(0, 4), st.binary(max_size=6), places
    )


@pytest.mark.parametrize("name", NAMES)
def test_changed_messages_raise_only_what_they_may(name: str) -> None:
    target = NAMES[name]

    @settings(max_examples=200, deadline=None)
    @given(changed(target))
    def search(data: bytes) -> None:
        target.run(data)

    search()
