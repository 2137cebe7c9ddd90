"""The real program as subprocesses: its output is waited for line by line, its log is kept among the artefacts."""

from __future__ import annotations

import os
import queue
import re
import subprocess
import sys
import threading
import time
from pathlib import Path

START_SECONDS = 60.0
STOP_SECONDS = 20.0


class Program:
    """``python -m simplex_calls``, or another ``module``, with ``arguments``; what it logs is appended to ``log``.

    ``home``: the folder of whose program it is.
    """

    def __init__(self, *arguments: str, log: Path, home: Path | None = None, module: str = "simplex_calls") -> None:
        environment = {
            **os.environ,
            "LC_ALL": "C.UTF-8",
            "LANGUAGE": "en",
            "SIMPLEX_CALLS_LOG": "INFO",
            # no notifications on the desktop of whoever runs the tests
            "DBUS_SESSION_BUS_ADDRESS": "unix:path=/nonexistent",
            # and nothing of their profiles, relay and downloads
            **({} if home is None else {"XDG_DATA_HOME": str(home), "HOME": str(home)}),
        }
        self._what = " ".join(arguments[:1])
        with log.open("ab") as errors:
            self._process = subprocess.Popen(
                [sys.executable, "-m", module, *arguments],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=errors,
                text=True,
                env=environment,
            )
        self._lines: queue.Queue[str | None] = queue.Queue()
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def wait_for_line(self, pattern: str) -> str:
        """The first group of the first line from now on that holds ``pattern``."""
        deadline = time.monotonic() + START_SECONDS
        while True:
            line = self._lines.get(timeout=max(0.0, deadline - time.monotonic()))
            if line is None:
                raise AssertionError(f"simplex-calls {self._what} ended ({self._process.wait()}) without {pattern}")
            if found := re.search(pattern, line):
                return found[1]

    def stop(self) -> int:
        """Ask it to end, and give its exit status."""
        self._process.terminate()
        return self._finish()

    def wait(self) -> int:
        """Wait until it ends by itself, and give its exit status."""
        return self._finish()

    def kill(self) -> None:
        """End it without a chance to say goodbye."""
        self._process.kill()
        self._finish()

    def signal(self, number: int) -> None:
        """Send it a signal."""
        self._process.send_signal(number)

    @property
    def runs(self) -> bool:
        """Whether it has not ended."""
        return self._process.poll() is None

    def _finish(self) -> int:
        try:
            return self._process.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
            raise AssertionError(f"simplex-calls {self._what} did not end when it was told to") from None
        finally:
            self._reader.join()
            if self._process.stdout is not None:
                self._process.stdout.close()

    def _read(self) -> None:
        if self._process.stdout is not None:
            for line in self._process.stdout:
                self._lines.put(line)
        self._lines.put(None)
