"""The call page: until it is ready, its main thread, what its frame encryption costs, what it weighs."""

from __future__ import annotations

import asyncio
import base64
import contextlib
import itertools
import json
import os
import statistics
import time
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from playwright.async_api import Browser, Page

from bench.pages import SECONDS, Program, Side, chromium, connect, new_context, program
from bench.plots import Bars, write_plots

PLOT = Path(__file__).parent.parent / "docs" / "images" / "bench-call.svg"

OPENINGS = 10
READY_AIM = 600
LONG_AIM = 50
CALL_SECONDS = 20.0
ROUNDS = 6
SETTLE_SECONDS = 8.0
"""Until the engine's estimate of the network has risen to what the picture needs."""
CPU_SECONDS = 8.0
CPU_AIM = 1.05
WEIGHT_AIM = 150_000
FEATURES = ["channel", "code"]


def measure_call() -> str:
    """The tables of docs/benchmarks.md, and their plot."""
    return asyncio.run(_measure())


async def _measure() -> str:
    load = os.getloadavg()[0]
    async with program() as alice:
        async with chromium() as browser:
            openings = await _openings(browser, alice)
            call = await _one_call(browser, alice)
        async with chromium() as browser:
            rounds = await _rounds(browser, alice)
    ratios = [with_.cpu / without.cpu for with_, without in rounds]
    write_plots(
        PLOT,
        [
            Bars(
                f"From the wish for a call to its page, ms: {OPENINGS} times",
                list(PARTS),
                [[opening[part] for part in PARTS] for opening in openings],
                aim=READY_AIM,
            ),
            Bars(
                f"CPU of both sides' browser in {ROUNDS} rounds, in cores: with frame encryption, and without",
                ["encrypted", "not encrypted"],
                [bar for with_, without in rounds for bar in ([with_.cpu, 0.0], [0.0, without.cpu])],
            ),
        ],
    )
    return "\n".join([_opening_table(openings), "", *call.lines(), "", *_cpu_lines(rounds, ratios), "", _foot(load)])


def _foot(load: float) -> str:
    return (
        f"![the page's start and the CPU of calls](images/{PLOT.name})\n\n"
        f"Load of the machine by other programs before it began: {load:.1f}. Tasks take longer where others want "
        "the cores, their CPU hardly does. Frames that pass through a worker untouched cost two fifths of what the "
        "cipher's workers use: so Chromium hands them there and back, each by itself, and most of them are sound. "
        "Small pictures are the hard case; the larger they are, the less of a call's CPU it is."
    )


# until the page is ready

PARTS = ("program", "tab", "page", "modules", "first command")
"""The program makes a call and its address; the tab begins to load; the page is there; all modules have run; the page
has got its first command from the program and has painted it."""

# When what was there, ms; the first since 1970, the others since then.
TIMES = """() => {
  const [{ responseEnd, domContentLoadedEventStart }] = performance.getEntriesByType("navigation");
  const { readyAt } = bench;
  return { begin: performance.timeOrigin, page: responseEnd, modules: domContentLoadedEventStart, ready: readyAt };
}"""

Opening = dict[str, float]


async def _openings(browser: Browser, alice: Program) -> list[Opening]:
    context = await new_context(browser)
    chat = await context.new_page()
    # any page of ours: from there the tab is opened, as from the chat page
    await chat.goto(f"{alice.bridge.origin}/static/common/icon.svg")
    openings = []
    for number in range(OPENINGS + 1):
        wished = time.time() * 1000
        call_id, url = await alice.dial()
        known = time.time() * 1000
        async with context.expect_page() as opened:
            await chat.evaluate("(url) => void window.open(url, '_blank', 'noopener')", url)
        page = await opened.value
        async with asyncio.timeout(SECONDS):
            while not await page.evaluate("bench.readyAt > 0"):
                await asyncio.sleep(0.02)
        times = await page.evaluate(TIMES)
        await alice.client.hang_up(call_id)
        await page.close()
        # the first one pays for what later ones find compiled
        if number:
            moments = [
                wished,
                known,
                times["begin"],
                *(times["begin"] + times[name] for name in ("page", "modules", "ready")),
            ]
            openings.append(dict(zip(PARTS, (b - a for a, b in itertools.pairwise(moments)), strict=True)))
    await context.close()
    return openings


def _opening_table(openings: list[Opening]) -> str:
    totals = [sum(opening.values()) for opening in openings]
    parts = " | ".join(f"{statistics.median(opening[part] for opening in openings):.0f}" for part in PARTS)
    return "\n".join(
        [
            f"| until the page is ready, ms | {' | '.join(PARTS)} | together | slowest | aim |",
            f"|---|{'---|' * (len(PARTS) + 3)}",
            f"| median of {len(openings)} | {parts} | {statistics.median(totals):.0f} | {max(totals):.0f}"
            f" | {READY_AIM} |",
        ]
    )


# one call


PHASES = ("set-up", "call", "panels")
MAIN_THREAD = "CrRendererMain"


@dataclass(frozen=True)
class Busy:
    """What the busier page's main thread did for a while: the longest task, ms, and the part of a core in use."""

    wall: float
    cpu: float
    share: float


@dataclass(frozen=True)
class OneCall:
    """What was seen in one call with everything in it."""

    busy: dict[str, Busy]
    weight: dict[str, int]

    def lines(self) -> list[str]:
        """The tables."""
        walls, cpus, shares = (
            [getattr(self.busy[phase], name) for phase in PHASES] for name in ("wall", "cpu", "share")
        )
        return [
            f"| main thread of a page | set-up | {CALL_SECONDS:.0f} s in a call | panels open | aim |",
            "|---|---|---|---|---|",
            f"| longest task, ms | {' | '.join(f'{wall:.0f}' for wall in walls)} | {LONG_AIM} |",
            f"| longest task, ms of CPU | {' | '.join(f'{cpu:.0f}' for cpu in cpus)} | |",
            f"| part of a core in use | {' | '.join(f'{100 * share:.1f}%' for share in shares)} | |",
            "",
            "| what a call's page loads | files | as sent, kB | uncompressed, kB | aim, as sent |",
            "|---|---|---|---|---|",
            f"| until pictures flow | {self.weight['files']} | {self.weight['sent'] / 1000:.0f}"
            f" | {self.weight['size'] / 1000:.0f} | {WEIGHT_AIM / 1000:.0f} |",
        ]


async def _one_call(browser: Browser, alice: Program) -> OneCall:
    busy: dict[str, Busy] = {}
    await _trace(browser)
    sides = [await _open(browser, alice) for _ in range(2)]
    await connect(*sides, key=_key(), features=FEATURES)
    busy["set-up"] = _read(await browser.stop_tracing())
    await _trace(browser)
    await asyncio.sleep(CALL_SECONDS)
    busy["call"] = _read(await browser.stop_tracing())
    await _trace(browser)
    for side in sides:
        await _open_panels(side.page)
    busy["panels"] = _read(await browser.stop_tracing())
    weight = await _weight(sides[0].page)
    await _close(sides)
    return OneCall(busy, weight)


async def _trace(browser: Browser) -> None:
    await browser.start_tracing(categories=["disabled-by-default-devtools.timeline", "__metadata"])


def _read(trace: bytes) -> Busy:
    """The tasks of all pages' main threads in a trace of Chromium's; times are in microseconds there."""
    events = json.loads(trace)["traceEvents"]
    mains = {
        (event["pid"], event["tid"])
        for event in events
        if event["name"] == "thread_name" and event["args"]["name"] == MAIN_THREAD
    }
    tasks: dict[tuple[int, int], list[dict[str, Any]]] = {thread: [] for thread in mains}
    for event in events:
        if event["name"] == "RunTask" and "dur" in event and (event["pid"], event["tid"]) in mains:
            tasks[event["pid"], event["tid"]].append(event)
    every = [task for found in tasks.values() for task in found]
    begin, end = min(task["ts"] for task in every), max(task["ts"] + task["dur"] for task in every)
    return Busy(
        max(task["dur"] for task in every) / 1000,
        max(task["tdur"] for task in every) / 1000,
        max(sum(task["tdur"] for task in found) for found in tasks.values()) / (end - begin),
    )


async def _open_panels(page: Page) -> None:
    """Everything that can be opened; the panels that are drawn anew each second for as long as that takes."""
    for summary in ("#lock", "#quality"):
        await page.locator(f"{summary} summary").click()
        await asyncio.sleep(2.5)
        await page.locator(f"{summary} summary").click()
    for key, panel in (("c", "#texts"), ("?", "#help"), ("r", "#reactions"), (",", "#settings")):
        await page.keyboard.press(key)
        await page.locator(panel).wait_for(state="visible")
        await asyncio.sleep(0.5)
        await page.keyboard.press("Escape")
        await page.locator(panel).wait_for(state="hidden")


async def _weight(page: Page) -> dict[str, int]:
    sizes = """() => [...performance.getEntriesByType("navigation"), ...performance.getEntriesByType("resource")]
      .map(({ name, encodedBodySize, decodedBodySize }) => [name, encodedBodySize, decodedBodySize])"""
    files: list[list[Any]] = await page.evaluate(sizes)
    for worker in page.workers:
        # the worker's own file is counted by the page already, or by neither
        known = {name for name, _, _ in files}
        found = await worker.evaluate(sizes)
        files += [file for file in found if file[0] not in known or "worker" not in file[0]]
    sent = [file for file in files if file[1]]
    return {"files": len(sent), "sent": sum(file[1] for file in sent), "size": sum(file[2] for file in sent)}


# CPU


@dataclass(frozen=True)
class Turn:
    """A call for some seconds, all per second: CPU of the browser's processes, and what was done with it."""

    cpu: float
    workers: float
    pictures: float
    size: float


async def _rounds(browser: Browser, alice: Program) -> list[tuple[Turn, Turn]]:
    """With and without encryption, in turns that change which comes first."""
    rounds = []
    for number in range(ROUNDS):
        order = (True, False) if number % 2 == 0 else (False, True)
        turns = {is_encrypted: await _turn(browser, alice, is_encrypted=is_encrypted) for is_encrypted in order}
        rounds.append((turns[True], turns[False]))
    return rounds


async def _turn(browser: Browser, alice: Program, *, is_encrypted: bool) -> Turn:
    sides = [await _open(browser, alice) for _ in range(2)]
    for side in sides:
        # small pictures: of their cost, encryption is the larger part; and two cores are never full
        await side.ask(type="settings", settings={"resolution": 360}, devices={})
    # no channel, which goes with encryption only: the media alone differ
    await connect(*sides, key=_key() if is_encrypted else None, features=[])
    await asyncio.sleep(SETTLE_SECONDS)
    before = (time.monotonic(), *_cpu(), *await _media(sides))
    await asyncio.sleep(CPU_SECONDS)
    after = (time.monotonic(), *_cpu(), *await _media(sides))
    await _close(sides)
    seconds, *spent = (b - a for a, b in zip(before, after, strict=True))
    return Turn(*(value / seconds for value in spent))


async def _media(sides: Iterable[Side]) -> tuple[float, float]:
    """Pictures decoded and bytes received by both."""
    sums = [0.0, 0.0]
    for side in sides:
        found = await side.page.evaluate("benchMedia()")
        sums = [a + b for a, b in zip(sums, found, strict=True)]
    return sums[0], sums[1]


def _cpu() -> tuple[float, float]:
    """CPU seconds so far of all of Chromium's processes that this one has started, and of their workers' threads."""
    children: dict[int, list[int]] = {}
    browsers: set[int] = set()
    for entry in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):
            # whoever has ended meanwhile has no file any more
            name, _, rest = (entry / "stat").read_text("ascii", "replace").rpartition(")")
            children.setdefault(int(rest.split()[1]), []).append(int(entry.name))
            if "chrom" in name:
                browsers.add(int(entry.name))
    total = workers = 0.0
    waiting = [os.getpid()]
    while waiting:
        pid = waiting.pop()
        waiting += children.get(pid, [])
        for thread in Path(f"/proc/{pid}/task").glob("*") if pid in browsers else ():
            with contextlib.suppress(OSError):
                # proc(5): nanoseconds on a core come first
                spent = int((thread / "schedstat").read_text("ascii").split()[0]) / 1e9
                total += spent
                if (thread / "comm").read_text("ascii").startswith("DedicatedWorker"):
                    workers += spent
    return total, workers


def _cpu_lines(rounds: list[tuple[Turn, Turn]], ratios: list[float]) -> list[str]:
    lines = [
        "| CPU of both sides' browser | cores | of which the cipher's workers | pictures/s | kbit/s |",
        "|---|---|---|---|---|",
    ]
    for label, turns in (("with frame encryption", [it[0] for it in rounds]), ("without", [it[1] for it in rounds])):
        cpu, workers, pictures, size = (
            statistics.median(getattr(turn, name) for turn in turns) for name in ("cpu", "workers", "pictures", "size")
        )
        lines.append(f"| {label} | {cpu:.3f} | {workers:.3f} | {pictures:.1f} | {size * 8 / 1000:,.0f} |")
    lines += [
        "",
        f"Ratio in the same round, median of {len(ratios)}: **{statistics.median(ratios):.3f}** "
        f"(from {min(ratios):.3f} to {max(ratios):.3f}; aim ≤ {CPU_AIM}). "
        f"640 × 360 at 30 pictures a second both ways, turns of {CPU_SECONDS:.0f} s, all processes of the browser.",
    ]
    return lines


# both


async def _open(browser: Browser, alice: Program) -> Side:
    context = await new_context(browser)
    await context.add_init_script(MEDIA)
    side = Side(await context.new_page())
    call_id, url = await alice.dial()
    await side.open(url)
    await alice.client.hang_up(call_id)
    return side


# What the engine has decoded and received in this page.
MEDIA = """
const connections = [];
const Native = RTCPeerConnection;
globalThis.RTCPeerConnection = class extends Native {
  constructor(...given) {
    super(...given);
    connections.push(this);
  }
};
globalThis.benchMedia = async () => {
  const sums = [0, 0];
  for (const connection of connections) {
    for (const report of (await connection.getStats()).values()) {
      if (report.type !== "inbound-rtp") continue;
      sums[0] += report.framesDecoded ?? 0;
      sums[1] += report.bytesReceived ?? 0;
    }
  }
  return sums;
};
"""


async def _close(sides: Iterable[Side]) -> None:
    for side in sides:
        await side.page.context.close()


def _key() -> str:
    return base64.urlsafe_b64encode(os.urandom(32)).decode().rstrip("=")


if __name__ == "__main__":
    print(measure_call())
