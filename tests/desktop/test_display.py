from __future__ import annotations

import ctypes
import os
import socket
import sys
from pathlib import Path

import pytest

from simplex_calls.catalogue import text
from simplex_calls.desktop.display import check_display, prepare_environment
from simplex_calls.desktop.errors import DesktopError

linux = pytest.mark.skipif(sys.platform != "linux", reason="other systems always have a display")


@linux
@pytest.mark.parametrize("environment", [{}, {"DISPLAY": ""}, {"DISPLAY": ":98765"}, {"DISPLAY": "unix:98765.0"}])
def test_without_a_display_there_is_a_clear_word(environment: dict[str, str]) -> None:
    with pytest.raises(DesktopError) as caught:
        check_display(environment)
    assert str(caught.value) == text("desktop.error.display")


@linux
def test_a_display_that_answers_is_enough(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ctypes, "CDLL", lambda _: None)
    with socket.socket(socket.AF_UNIX) as server:
        server.bind("\0/tmp/.X11-unix/X98764")
        server.listen()
        check_display({"DISPLAY": ":98764"})
    # elsewhere, or of another kind: Qt is asked
    check_display({"DISPLAY": "desk.example:0"})
    check_display({"WAYLAND_DISPLAY": "wayland-0"})
    check_display({"QT_QPA_PLATFORM": "offscreen"})


@linux
def test_a_missing_library_of_qt_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    def missing(name: str) -> None:
        raise OSError(f"{name}: cannot open shared object file")

    monkeypatch.setattr(ctypes, "CDLL", missing)
    with pytest.raises(DesktopError, match=r"libxcb-cursor\.so\.0"):
        check_display({"DISPLAY": "desk.example:0"})


@linux
def test_only_root_goes_without_the_sandbox(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "environ", {"QTWEBENGINE_CHROMIUM_FLAGS": "--mine"})
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    prepare_environment(offscreen=False, fake_devices=False, debugging_port=None)
    assert "QTWEBENGINE_DISABLE_SANDBOX" not in os.environ
    assert "QT_QPA_PLATFORM" not in os.environ
    flags = os.environ["QTWEBENGINE_CHROMIUM_FLAGS"].split()
    assert "--mine" in flags
    assert not any("fake" in flag or "debugging" in flag for flag in flags)
    monkeypatch.setattr(os, "geteuid", lambda: 0)
    prepare_environment(offscreen=True, fake_devices=True, debugging_port=9333)
    assert os.environ["QTWEBENGINE_DISABLE_SANDBOX"] == "1"
    assert os.environ["QT_QPA_PLATFORM"] == "offscreen"
    flags = os.environ["QTWEBENGINE_CHROMIUM_FLAGS"].split()
    assert {"--use-fake-device-for-media-stream=fps=30", "--remote-debugging-port=9333", "--mine"} <= set(flags)
    # nothing lets pages use devices without being asked
    assert not any("fake-ui" in flag for flag in flags)


@linux
def test_where_there_is_sound_it_is_used(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for environment, has_sound in (
        ({"PULSE_SERVER": "tcp:desk"}, True),
        ({"XDG_RUNTIME_DIR": str(tmp_path)}, True),
    ):
        (tmp_path / "pulse").mkdir(exist_ok=True)
        (tmp_path / "pulse/native").touch()
        monkeypatch.setattr(os, "environ", dict(environment))
        prepare_environment(offscreen=False, fake_devices=False, debugging_port=None)
        assert ("--disable-audio-output" not in os.environ["QTWEBENGINE_CHROMIUM_FLAGS"]) is has_sound
