"""Run all measurements, or some (``--only Relay``), print their tables and write docs/benchmarks.md."""

from __future__ import annotations

import argparse
import asyncio
import datetime as dt
import os
import platform
import sys
from collections.abc import Callable
from pathlib import Path

from bench.call import measure_call
from bench.frames import measure_frames
from bench.frames_pages import measure_frames_in_pages
from bench.ratchet import measure_ratchet
from bench.relay import measure_relay
from bench.start import measure_start

PAGE = Path(__file__).parent.parent / "docs" / "benchmarks.md"


def main() -> int:
    measurements: dict[str, Callable[[], str]] = {
        "Relay": lambda: asyncio.run(measure_relay()),
        "Double ratchet": measure_ratchet,
        "Start": measure_start,
        "Media frames in Python": measure_frames,
        "Media frames in pages": measure_frames_in_pages,
        "Call page": measure_call,
    }
    parser = argparse.ArgumentParser()
    parser.add_argument("--only", action="append", choices=list(measurements), help="leave the others as they are")
    chosen = parser.parse_args().only or list(measurements)
    parts = (part.partition("\n") for part in PAGE.read_text("utf-8").split("\n## ")[1:])
    tables = {title: table.strip() for title, _, table in parts}
    for title in chosen:
        print(f"measuring: {title} …", flush=True)
        tables[title] = measurements[title]()
        print(tables[title], flush=True)
    sections = [f"## {title}\n\n{tables[title]}\n" for title in measurements if title in tables]
    head = (
        "# Benchmarks\n\n"
        f"Written by `make bench` on {dt.date.today()}: {os.cpu_count()} cores, {platform.machine()}, "
        f"Python {platform.python_version()}. Machines differ and are noisy: the ratios, measured side by side in one "
        "run, say more than the times.\n\n"
    )
    PAGE.write_text(head + "\n".join(sections), "utf-8")
    print(f"written: {PAGE.name}")
    return 0


sys.exit(main())
