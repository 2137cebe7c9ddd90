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
from simplex_calls.demo.conductor import DemoError, Interrupted, Options, conduct
from simplex_calls.demo.report import SIDES, Account
from simplex_calls.relay import RelayError

HEADLESS_SECONDS = 10.0
INTERRUPTED = 128 + signal.SIGINT
TERMINATED = 128 + signal.SIGTERM


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the command's options."""
    parser.add_argument("--headless", action="store_true", help=text("cli.demo.headless.help"))
    parser.add_argument("--duration", type=_seconds, metavar="S", help=text("cli.demo.duration.help"))
    parser.add_argument("--media", choices=("audio", "video"), default="video", help=text("cli.demo.media.help"))
    parser.add_argument("--manual", action="store_true", help=text("cli.demo.manual.help"))
    parser.add_argument("--report", type=Path, metavar="FILE", help=text("cli.demo.report.help"))
    parser.add_argument("--screenshots", type=Path, metavar="DIR", default=None, help=text("cli.demo.screenshots.help"))


def _seconds(value: str) -> float:
    try:
        seconds = float(value)
    except ValueError:
        seconds = 0.0
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
    report: Path | None = arguments.report
    if report is not None and (report.is_dir() or not os.access(report if report.exists() else report.parent, os.W_OK)):
        # told now rather than after the call
        return _complain(text("cli.demo.report.refused", path=report))
    if headless and not arguments.headless:
        _say(text("cli.demo.becomes_headless"))
    account = Account(options.media)
    with tempfile.TemporaryDirectory(prefix="simplex-calls-demo-") as folder:
        try:
            if not asyncio.run(_until_interrupted(options, account, Path(folder))):
                return TERMINATED
        except (DemoError, RelayError) as error:
            if str(error) not in account.failures:
                account.failures.append(str(error))
        except Interrupted:
            return INTERRUPTED
    if arguments.manual:
        for failure in account.failures:
            _complain(failure)
        return 1 if account.failures else 0
    return _tell(account, report)


async def _until_interrupted(options: Options, account: Account, folder: Path) -> bool:
    """Run the demo so that Ctrl-C hangs up, and a polite kill ends both sides in order (``False``)."""
    interrupted = asyncio.Event()
    demo = asyncio.create_task(conduct(options, account, folder, _say, interrupted))

    def interrupt() -> None:
        if interrupted.is_set():
            # who presses Ctrl-C twice does not want to wait
            demo.cancel()
        interrupted.set()

    loop = asyncio.get_running_loop()
    loop.add_signal_handler(signal.SIGINT, interrupt)
    loop.add_signal_handler(signal.SIGTERM, demo.cancel)
    try:
        await demo
    except asyncio.CancelledError:
        return False
    return True


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
