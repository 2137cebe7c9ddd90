"""The demo as the README starts it: its exit status, its report, its pictures, and how it ends when it is told to."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
from pathlib import Path
from typing import Any

import pytest
from PySide6.QtGui import QImage

SECONDS = 120


def demo(*arguments: str) -> subprocess.Popen[str]:
    environment = {key: value for key, value in os.environ.items() if key not in {"DISPLAY", "WAYLAND_DISPLAY"}}
    return subprocess.Popen(
        [sys.executable, "-m", "simplex_calls", "demo", *arguments],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={**environment, "LC_ALL": "C.UTF-8", "LANGUAGE": "en"},
        start_new_session=True,
    )


def finished(process: subprocess.Popen[str]) -> tuple[int, str, str]:
    output, errors = process.communicate(timeout=SECONDS)
    return process.returncode, output, errors


def processes_of(mark: str) -> list[str]:
    """The commands of all processes that still run and carry ``mark`` in their environment."""
    found = []
    for stat in Path("/proc").glob("[0-9]*/environ"):
        try:
            if f"SIMPLEX_CALLS_TEST={mark}\0".encode() in stat.read_bytes():
                found.append((stat.parent / "cmdline").read_bytes().replace(b"\0", b" ").decode())
        except OSError:
            continue
    return [command for command in found if command.strip()]


@pytest.mark.parametrize("media", ["video", "audio"])
def test_both_see_and_hear_each_other(media: str, tmp_path: Path, artefacts: Path) -> None:
    report_file = tmp_path / "report.json"
    pictures = artefacts / f"demo-{media}"
    status, output, errors = finished(
        demo("--media", media, "--duration", "3", "--report", str(report_file), "--screenshots", str(pictures))
    )
    assert (status, errors) == (0, ""), output
    assert output.splitlines()[-1].startswith("All is well")

    report: dict[str, Any] = json.loads(report_file.read_text("utf-8"))
    assert report["ok"] is True
    assert report["problems"] == []
    assert (report["media"], report["path"], report["encrypted"]) == (media, "direct", True)
    moments = ["called", "ringing", "accepted", "offered", "answered", "connected"]
    assert [moment for moment in report["timeline_ms"] if moment in moments] == moments
    timeline = report["timeline_ms"]
    later = max(timeline["first_frame_alice"], timeline["first_frame_bob"])
    assert report["setup_ms"] == pytest.approx(later - timeline["accepted"], abs=2)

    for side in ("alice", "bob"):
        counters = report["sides"][side]
        assert 0 < counters["frames_sent"] <= counters["frames_encrypted"]
        assert counters["frames_decrypted"] > 0
        assert counters["audio_packets_received"] > 50
        assert (counters["frames_decoded"] > 10) is (media == "video")
        [entry] = report["history"][side]
        assert entry["direction"] == ("sent" if side == "alice" else "received")
        assert (entry["kind"], entry["media"], entry["status"]) == ("call", media, "ended")
        assert 2 <= entry["duration"] <= 30
        assert str(pictures / f"{side}.png") in report["screenshots"]
        picture = QImage(str(pictures / f"{side}.png"))
        colours = {picture.pixel(x, y) for x in range(0, picture.width(), 7) for y in range(0, picture.height(), 7)}
        assert len(colours) > 20


def started_call(monkeypatch: pytest.MonkeyPatch, mark: str, *arguments: str) -> subprocess.Popen[str]:
    """A demo whose call is connected; its processes carry ``mark`` in their environment."""
    monkeypatch.setenv("SIMPLEX_CALLS_TEST", mark)
    process = demo("--duration", "600", *arguments)
    assert process.stdout is not None
    watchdog = threading.Timer(SECONDS, process.kill)
    watchdog.start()
    try:
        for line in process.stdout:
            if "The call is connected" in line:
                return process
    finally:
        watchdog.cancel()
    raise AssertionError(finished(process))


def test_ctrl_c_hangs_up_and_gives_the_account(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    report_file = tmp_path / "report.json"
    process = started_call(monkeypatch, "interrupt", "--report", str(report_file), "--screenshots", str(tmp_path))
    process.send_signal(signal.SIGINT)
    _, output, errors = finished(process)
    assert "The call has ended." in output
    assert "Traceback" not in errors
    assert [entry["status"] for entry in json.loads(report_file.read_text())["history"]["bob"]] == ["ended"]
    assert processes_of("interrupt") == []


def test_a_polite_kill_ends_all_processes(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    process = started_call(monkeypatch, "terminate", "--screenshots", str(tmp_path))
    process.terminate()
    status, _, errors = finished(process)
    assert status == 128 + signal.SIGTERM
    assert errors == ""
    assert processes_of("terminate") == []


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--duration", "soon"], "more than 0"),
        (["--duration", "-1"], "more than 0"),
        (["--media", "smell"], "invalid choice"),
        (["--manual"], "--manual needs windows"),
        (["--report", "/proc/nowhere/report.json"], "/proc/nowhere"),
    ],
)
def test_bad_arguments_are_told(arguments: list[str], words: str) -> None:
    status, output, errors = finished(demo(*arguments))
    assert status in {1, 2}
    assert words in errors
    assert "Traceback" not in errors + output
