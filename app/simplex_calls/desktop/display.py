"""Whether there is something to draw windows on. Qt ends the process if there is not, so it is asked before."""

from __future__ import annotations

import ctypes
import os
import re
import socket
import sys
from collections.abc import Mapping
from pathlib import Path

from simplex_calls.catalogue import text
from simplex_calls.desktop.errors import DesktopError


def check_display(environment: Mapping[str, str]) -> None:
    """Raise :class:`DesktopError` if windows cannot be shown."""
    if sys.platform != "linux" or environment.get("WAYLAND_DISPLAY") or environment.get("QT_QPA_PLATFORM"):
        return
    display = environment.get("DISPLAY", "")
    local = re.fullmatch(r"(?:unix)?:(\d+)(?:\.\d+)?", display)
    if not display or (local is not None and not _answers(int(local[1]))):
        raise DesktopError(text("desktop.error.display"))
    try:
        # the one library of Qt's that a fresh desktop does not have
        ctypes.CDLL("libxcb-cursor.so.0")
    except OSError as error:
        raise DesktopError(text("desktop.error.qt", detail=error)) from None


def _answers(number: int) -> bool:
    path = f"/tmp/.X11-unix/X{number}"  # noqa: S108 - where X servers listen
    for address in (f"\0{path}", path):
        with socket.socket(socket.AF_UNIX) as probe:
            probe.settimeout(2.0)
            try:
                probe.connect(address)
            except OSError:
                continue
            return True
    return False


def prepare_environment(*, offscreen: bool, fake_devices: bool, debugging_port: int | None) -> None:
    """Set what Qt reads from the environment when it starts; what the user has set there is kept."""
    os.environ["QT_API"] = "pyside6"
    if offscreen:
        os.environ["QT_QPA_PLATFORM"] = "offscreen"
    if sys.platform == "linux" and os.geteuid() == 0:
        # Chromium's sandbox does not work for root, and only for root is it turned off
        os.environ["QTWEBENGINE_DISABLE_SANDBOX"] = "1"
    # Chromium's own log goes to the terminal: only what ends it is for there
    wanted = ["--log-level=3", os.environ.get("QTWEBENGINE_CHROMIUM_FLAGS", "")]
    if not _has_sound(os.environ):
        # libasound would fill the terminal with errors on every attempt
        wanted.append("--disable-audio-output")
    # the pages are ours: addresses are hidden from them by what they are told to use, not by names of one network, and
    # the search for a way begins before the microphone is open
    wanted.append("--disable-features=WebRtcHideLocalIpsWithMdns")
    if fake_devices:
        wanted.append("--use-fake-device-for-media-stream=fps=30")
    if debugging_port is not None:
        wanted.append(f"--remote-debugging-port={debugging_port}")
    os.environ["QTWEBENGINE_CHROMIUM_FLAGS"] = " ".join(flag for flag in wanted if flag)


def _has_sound(environment: Mapping[str, str]) -> bool:
    """Whether there is anything to play sound on."""
    if sys.platform != "linux" or environment.get("PULSE_SERVER"):
        return True
    runtime = Path(environment.get("XDG_RUNTIME_DIR") or f"/run/user/{os.geteuid()}")
    if (runtime / "pulse/native").exists():
        return True
    cards = Path("/dev/snd")
    return cards.is_dir() and any(cards.glob("pcm*p"))
