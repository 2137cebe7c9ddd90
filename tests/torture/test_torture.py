"""Thirty rounds; ``make torture`` has a thousand."""

from __future__ import annotations

import tempfile
from pathlib import Path

from tests.torture.rounds import Torture
from tests.torture.world import World

ROUNDS = 30


async def test_killed_at_any_moment_nothing_is_lost_or_doubled() -> None:
    # not pytest's folder: the path of a socket is short
    with tempfile.TemporaryDirectory(prefix="torture-") as folder:
        async with World(Path(folder)) as world:
            torture = Torture(world, seed=1)
            await torture.begin()
            for _ in range(ROUNDS):
                await torture.round()
