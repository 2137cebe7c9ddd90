"""The ``demo`` command."""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import signal
import sys
import tempfile
from pathlib import Path

from simplex_calls.catalogue import text
from simplex_calls.demo.conductor import DemoError, Options, conduct
from simplex_calls.demo.report import SIDES, Account
from simplex_calls.relay import RelayError

HEADLESS_SECONDS = 10.0


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the command's options."""
    parser.add_argument("--headless", action="store_true", help=text("cli.demo.headless.help"))
    parser.add_argument("--duration", type=_seconds, metavar="S", help=text("cli.demo.duration.help"))
    parser.add_argument("--media", choices=("audio", "video"), default="video", help=text("cli.demo.media.help"))
    parser.add_argument("--manual", action="store_true", help=text("cli.demo.manual.help"))
    parser.add_argument("--report", type=Path, metavar="FILE", help=text("cli.demo.report.help"))
    parser.add_argument("--screenshots", type=Path, metavar="DIR", default=None, help=text("cli.demo.screenshots.help"))


def _seconds(value: str) -> float:
    seconds = float(value)
    if not 0 < seconds <= 86400:
        raise argparse.ArgumentTypeError(text("cli.demo.duration.range"))
    return seconds


def run(arguments: argparse.Namespace) -> int:
    """Run the demo; 0 only if both sides decoded encrypted media (with ``--manual``: if it could be started)."""
    has_display = bool(os.environ.get("DISPLAY") or os.environ.get("WAYLAND_DISPLAY"))
    headless = arguments.headless or not has_display
    if headless and arguments.manual:
        return _complain(text("cli.demo.no_display"))
    options = Options(
        media=arguments.media,
        headless=headless,
        duration=arguments.duration or (HEADLESS_SECONDS if headless else None),
        manual=arguments.manual,
        screenshots=arguments.screenshots or (Path("artefacts") if headless else None),
    )
    try:
        for folder in (options.screenshots, arguments.report and arguments.report.parent):
            if folder is not None:
                folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        return _complain(f"{error.filename}: {error.strerror}")
    if headless and not arguments.headless:
        _say(text("cli.demo.becomes_headless"))
    with tempfile.TemporaryDirectory(prefix="simplex-calls-demo-") as folder:
        try:
            account = asyncio.run(_until_interrupted(options, Path(folder)))
        except (DemoError, RelayError) as error:
            return _complain(str(error))
    if account is None:
        return 130
    if arguments.manual:
        return 0
    return _tell(account, arguments.report)


async def _until_interrupted(options: Options, folder: Path) -> Account | None:
    """Run the demo so that Ctrl-C and a polite kill end both sides in order."""
    demo = asyncio.create_task(conduct(options, folder, _say))
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, demo.cancel)
    try:
        return await demo
    except asyncio.CancelledError:
        return None


def _tell(account: Account, report_file: Path | None) -> int:
    report = account.report()
    if report_file is not None:
        try:
            report_file.write_text(json.dumps(report, indent=2, ensure_ascii=False) + "\n", "utf-8")
        except OSError as error:
            return _complain(f"{report_file}: {error.strerror}")
    for side in SIDES:
        _say(text("cli.demo.figures", name=side.capitalize(), **report["sides"][side]))
    for path in report["screenshots"]:
        _say(text("cli.demo.screenshot", path=path))
    for problem in report["problems"]:
        _complain(problem)
    if report["ok"]:
        _say(text("cli.demo.ok", setup=report["setup_ms"], path=text(f"cli.demo.path.{report['path']}")))
    return 0 if report["ok"] else 1


def _say(line: str) -> None:
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


def _complain(line: str) -> int:
    sys.stderr.write(f"simplex-calls demo: {line}\n")
    return 1
