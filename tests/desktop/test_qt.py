"""The real window, off screen."""

from __future__ import annotations

import asyncio
import importlib.util
import json
import os
import signal
import struct
import sys
import zlib
from pathlib import Path

import pytest

from simplex_calls.catalogue import text

pytestmark = pytest.mark.skipif(
    sys.platform != "linux" or importlib.util.find_spec("PySide6") is None, reason="the Qt window is Linux's"
)

ROOT = Path(__file__).parents[2]


async def run(*arguments: str, **environment: str) -> tuple[int, str]:
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        *arguments,
        cwd=ROOT,
        env={**os.environ, "DISPLAY": "", "WAYLAND_DISPLAY": "", **environment},
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    try:
        async with asyncio.timeout(120):
            output, _ = await process.communicate()
    except TimeoutError:
        process.kill()
        output, _ = await process.communicate()
    assert process.returncode is not None
    return process.returncode, output.decode()


def colours(path: Path) -> int:
    """How many different pixels (of their bytes before filtering) a picture has; its being a PNG is checked."""
    data = path.read_bytes()
    assert data.startswith(b"\x89PNG\r\n\x1a\n")
    pixels, place = b"", 8
    while place < len(data):
        (length,) = struct.unpack(">I", data[place : place + 4])
        if data[place + 4 : place + 8] == b"IDAT":
            pixels += data[place + 8 : place + 8 + length]
        place += length + 12
    return len(set(zlib.decompress(pixels)))


async def test_the_question_which_screen_is_shared(tmp_path: Path) -> None:
    status, output = await run(
        "-m", "tests.desktop.picker_driver", str(tmp_path / "seen.json"),
        QT_QPA_PLATFORM="offscreen", QTWEBENGINE_DISABLE_SANDBOX="1",
    )  # fmt: skip
    assert status == 0, output
    assert json.loads((tmp_path / "seen.json").read_text()) == {
        "dialog": {
            "title": text("desktop.share.title"),
            "question": text("desktop.share.question"),
            "choices": ["Screen: HDMI-1", "Window: Editor", "Window: 2"],
            "before": [False, None],
            "chosen": [False, 0],
            "accepted": 1,
        },
        "asked": text("desktop.share.none"),
        "page": "AbortError",
    }


async def test_the_life_of_windows(tmp_path: Path) -> None:
    status, output = await run("-m", "tests.desktop.qt_driver", str(tmp_path))
    assert status == 0, output
    seen = json.loads((tmp_path / "seen.json").read_text())
    assert seen == {
        "devices": ["audio", "video"],
        "notifications": "denied",
        "place": "denied",
        "stays": True,
        "eval": "EvalError",
        "copied": True,
        "menu": 4,
        "pasted": "pasted",
        "call has a page": True,
        "screenshots": [True, True],
        "on top": [True, True],
        "after a reload": "ended",
        "title": text("bridge.page.used.call"),
        "after a crash": "ended",
        "after closing": "ended",
        "no picture of what is closed": False,
        "main reloaded": "speaks again",
        "main crashed": "speaks again",
        # the last one was going on when the windows closed
        "bob heard of the end": ["ended"] * 4,
    }, output
    for name in ("main.png", "call.png"):
        assert colours(tmp_path / name) > 20
    # the terminal is the user's: nothing but what the debugging port says
    assert [line for line in output.splitlines() if line and not line.startswith("DevTools listening")] == [
        "a page's renderer ended: CrashedTerminationStatus"
    ] * 2


async def test_a_polite_kill_ends_the_program(tmp_path: Path) -> None:
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        "simplex_calls",
        "--data",
        str(tmp_path / "data"),
        "--name",
        "Alice",
        "--server",
        "smp://" + "A" * 43 + "=@127.0.0.1:1",
        "--key-file",
        cwd=ROOT,
        env={**os.environ, "QT_QPA_PLATFORM": "offscreen", "SIMPLEX_CALLS_LOG": "DEBUG"},
        stderr=asyncio.subprocess.PIPE,
    )
    assert process.stderr is not None
    async with asyncio.timeout(60):
        while line := await process.stderr.readline():
            if b"a chat page began its session" in line:
                break
        process.send_signal(signal.SIGTERM)
        _, rest = await process.communicate()
    assert process.returncode == 0, rest.decode()
    assert len(list((tmp_path / "data/profiles").glob("*/profile.db"))) == 1
