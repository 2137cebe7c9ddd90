"""``make torture``: a thousand rounds, or as many as are asked for."""

from __future__ import annotations

import argparse
import asyncio
import shutil
import sys
import tempfile
import time
from pathlib import Path

from tests.torture.rounds import Broken, Torture
from tests.torture.world import World


async def torture(rounds: int, seed: int, folder: Path) -> None:
    """Rounds, with a line of progress for each ten."""
    started = time.monotonic()
    async with World(folder) as world:
        torture = Torture(world, seed)
        await torture.begin()
        for number in range(1, rounds + 1):
            await torture.round()
            if number % 10 == 0 or number == rounds:
                print(
                    f"{number} of {rounds} rounds, {torture.kills} kills, {torture.texts} texts,"
                    f" {time.monotonic() - started:.0f} s",
                    flush=True,
                )


def main() -> int:
    """Torture, and say with which seed; 1 if something broke, and the folder with logs and profiles stays."""
    parser = argparse.ArgumentParser(prog="make torture")
    parser.add_argument("--rounds", type=int, default=1000)
    parser.add_argument("--seed", type=int, default=int(time.time()))
    options = parser.parse_args()
    print(f"seed {options.seed}", flush=True)
    folder = Path(tempfile.mkdtemp(prefix="simplex-calls-torture-"))
    try:
        asyncio.run(torture(options.rounds, options.seed, folder))
    except Broken as error:
        print(f"broken: {error}\nseed {options.seed}, logs and profiles in {folder}", file=sys.stderr)
        return 1
    shutil.rmtree(folder)
    return 0


if __name__ == "__main__":
    sys.exit(main())
