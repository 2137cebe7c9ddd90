"""Somebody with Debian's Firefox, among people with Chromium and with windows."""

from __future__ import annotations

import json
import queue
import re
import shutil
from pathlib import Path

import pytest

from e2e.bidi import Firefox, Json, Tab
from e2e.people import HERE, PATIENCE_MS, POLL_MS, Named, Person, filled_in
from e2e.programs import Program


class FirefoxCall:
    """The tab of one call; see :class:`e2e.people.CallPage`."""

    def __init__(self, tab: Tab) -> None:
        self.tab = tab

    def expect_connected(self) -> None:
        """Wait until the call stands, and is said to be encrypted."""
        self.expect_text("status", "Connected")
        self.expect_text("lock-text", "End-to-end encrypted")

    def expect_media(self, *, video: bool) -> None:
        """Wait until sound, and pictures, come out of the decoders and go on coming."""
        start = self.stats()
        self.wait_for("s => s.energy > {energy}", start)
        if video:
            self.wait_for("s => s.framesDecoded > {framesDecoded} + 5", start)
            self._wait_for("((v) => v.checkVisibility() && v.videoWidth > 0)(document.getElementById('remote-video'))")

    def stats(self) -> dict[str, float]:
        """What the engine and the cipher have counted (page-hooks.js)."""
        stats: dict[str, float] = self.tab.evaluate("e2e.stats()")
        return stats

    def wait_for(self, condition: str, values: dict[str, float] | None = None) -> None:
        """Wait until the counters fulfil ``condition``, a JavaScript function with ``{names}`` of values."""
        self._wait_for(f"e2e.stats().then({filled_in(condition, values)})")

    def mute(self) -> None:
        """Click on the microphone."""
        self.tab.click("#mic")

    def expect_peer_muted(self, words: str) -> None:
        """Wait until it is shown that the other is muted."""
        self.expect_text("peer-muted-text", words)

    def hang_up(self) -> None:
        """Click on the red button."""
        self.tab.click("#hang-up")

    def expect_over(self, words: re.Pattern[str]) -> None:
        """Wait until the page says that the call is over, and how."""
        self._wait_for(f"/{words.pattern}/.test(document.getElementById('status').textContent)")

    def expect_text(self, element: str, text: str) -> None:
        """Wait until an element shows a text."""
        shown = f"((e) => e.checkVisibility() && e.textContent)(document.getElementById('{element}'))"
        self._wait_for(f"{shown} === {json.dumps(text)}")

    def _wait_for(self, condition: str) -> None:
        self.tab.wait_for(condition, PATIENCE_MS, POLL_MS)


class FirefoxPerson:
    """Somebody whose program shows its pages in Firefox."""

    _tab: Tab
    _firefox: Firefox
    _program: Program

    def __init__(self, name: str, folder: Path, server: str, artefacts: Path) -> None:
        self.name = name
        self.problems: list[str] = []
        """What pages complained of: errors on the console, violations of policy, requests to elsewhere."""
        self._folder = folder
        self._server = server
        self._artefacts = artefacts
        self._log = artefacts / "logs" / f"{name.lower()}.log"
        self._log.unlink(missing_ok=True)
        self._opened: list[str] = []
        self._loaded: queue.Queue[str] = queue.Queue()
        self._knows_of_ip: set[str] = set()

    def launch(self) -> None:
        """Start the program and the browser."""
        self._program = Program(
            *("window", "--browser", "--no-open", "--data", str(self._folder / "profiles"), "--key-file"),
            *("--name", self.name, "--server", self._server),
            log=self._log,
            home=self._folder,
        )
        executable = shutil.which("firefox-esr") or shutil.which("firefox")
        if executable is None:
            pytest.fail("Firefox is missing: apt-get install firefox-esr")
        self._firefox = Firefox(executable, self._folder / "firefox", self._take)

    def open(self) -> None:
        """Open the page of the program that was just started."""
        self._firefox.connect()
        hooks = (HERE / "page-hooks.js").read_text("utf-8")
        self._firefox.send("script.addPreloadScript", functionDeclaration=f"() => {{ {hooks} }}")
        self._firefox.open(self._program.wait_for_line(r"(http://127\.0\.0\.1:\d+/\S+)"))
        self._tab = self._next_tab()
        self._wait_for("document.getElementById('app').dataset.phase === 'ready'")

    def stop(self) -> None:
        """End the browser, and the program politely."""
        if hasattr(self, "_firefox"):
            self._firefox.stop()
        if hasattr(self, "_program"):
            assert self._program.stop() == 0

    def check_log(self) -> None:
        """Nothing unexpected was logged."""
        log = self._log.read_text("utf-8")
        assert "Traceback" not in log
        assert " ERROR " not in log

    def befriend(self, other: Person) -> None:
        """Paste a link of the other's."""
        for selector in ("#add", "#tab-paste"):
            self._tab.click(selector)
        self._tab.fill("#paste", other.create_link())
        self._tab.click("#paste-go")
        self._wait_for("!document.getElementById('preview').hidden")
        self._tab.click("#paste-go")
        self._wait_for("!document.getElementById('add-dialog').open")
        self._open_conversation(other)
        self._wait_for("document.getElementById('head-state').textContent === 'Connected'")

    def call(self, contact: Named) -> FirefoxCall:
        """Press the camera."""
        self._open_conversation(contact)
        return self._open_call("#call-video", contact)

    def accept(self, caller: Named) -> FirefoxCall:
        """Accept a call in the chat page."""
        self._wait_for(f"document.querySelector('#incoming bdi')?.textContent === {json.dumps(caller.name)}")
        return self._open_call("#incoming [data-action=accept]", caller)

    def settle(self) -> None:
        """Close the tabs of calls."""
        for context in self._opened:
            Tab(self._firefox, context).close()
        self._opened.clear()
        self._wait_for("document.getElementById('banner').hidden")

    def take_failure_pictures(self, test: str) -> None:
        """Keep what the pages look like when a test has failed."""
        for number, context in enumerate([self._tab.context, *self._opened]):
            name = re.sub(r"[^\w-]+", "-", f"failed-{test}-{self.name.lower()}-{number}")
            (self._artefacts / f"{name}.png").write_bytes(Tab(self._firefox, context).picture())

    def _open_conversation(self, contact: Named) -> None:
        entry = f"[...document.querySelectorAll('#contacts bdi')].find((e) => e.textContent === '{contact.name}')"
        self._wait_for(f"Boolean({entry})")
        self._tab.evaluate(f"{entry}.closest('button').click()")
        self._wait_for(f"document.getElementById('head-name').textContent === {json.dumps(contact.name)}")

    def _open_call(self, selector: str, contact: Named) -> FirefoxCall:
        self._tab.click(selector)
        if contact.name not in self._knows_of_ip:
            self._tab.click("#ip-go")
            self._knows_of_ip.add(contact.name)
        tab = self._next_tab()
        self._opened.append(tab.context)
        return FirefoxCall(tab)

    def _next_tab(self) -> Tab:
        return Tab(self._firefox, self._loaded.get(timeout=PATIENCE_MS / 1000))

    def _wait_for(self, condition: str) -> None:
        self._tab.wait_for(condition, PATIENCE_MS, POLL_MS)

    def _take(self, event: str, what: Json) -> None:
        if event == "log.entryAdded" and what["level"] in ("warn", "error"):
            self.problems.append(f"{self.name}: console: {what['text']}")
        elif event == "browsingContext.domContentLoaded" and what["url"].startswith("http"):
            # a tab begins empty
            self._loaded.put(what["context"])
        elif event == "network.beforeRequestSent":
            url = what["request"]["url"]
            if not re.match(r"(http|ws)://127\.0\.0\.1:|blob:|data:", url):
                self.problems.append(f"{self.name}: request to {url}")
