"""People in tests: each has the program in a process of its own, and clicks through its pages in a browser."""

from __future__ import annotations

import base64
import contextlib
import json
import re
import signal
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, Protocol

from playwright.sync_api import (
    Browser,
    BrowserContext,
    ConsoleMessage,
    Error,
    Locator,
    Page,
    Request,
    Route,
    ViewportSize,
    WebError,
    WebSocket,
    expect,
)

from e2e.programs import Program
from simplex_calls.calls.call_code import fingerprints_of
from simplex_calls.calls.sframe import Side, Track, track_key

HERE = Path(__file__).parent
POLL_MS = 100
PATIENCE_MS = 30_000
"""How long anything may take that a test waits for: machines may be slow and busy."""

VIEWPORT: ViewportSize = {"width": 1280, "height": 800}

Media = Literal["audio", "video"]


class Named(Protocol):
    """Somebody, with whatever they look at their pages."""

    name: str


@dataclass(frozen=True)
class Recorded:
    """One frame as a page's worker saw it; ``after`` is None if it was dropped."""

    type: str
    before: bytes
    after: bytes | None


class CallPage:
    """The tab of one call."""

    def __init__(self, page: Page, owner: Person) -> None:
        self.page = page
        self.owner = owner
        self.mic = page.get_by_role("button", name=re.compile("microphone"))
        self.camera = page.get_by_role("button", name=re.compile("Turn camera"))
        self.hang_up_button = page.get_by_role("button", name="Hang up", exact=True)
        self.status = page.locator("#status")
        self.timer = page.get_by_role("timer")
        self.peer_muted = page.locator("#peer-muted")
        self.remote_video = page.locator("#remote-video")
        self.notice = page.locator("#notice")
        self.failure = page.locator("#failure")

    @property
    def traffic(self) -> Traffic:
        """What the page and its program said to each other."""
        return self.owner.traffic[self.page]

    def expect_connected(self) -> None:
        """Wait until the call stands, and is said to be encrypted."""
        expect(self.status).to_have_text("Connected")
        expect(self.timer).to_be_visible()
        expect(self.page.get_by_text("End-to-end encrypted", exact=True)).to_be_visible()

    def expect_media(self, *, video: bool) -> None:
        """Wait until sound, and pictures, come out of the decoders and go on coming."""
        start = self.stats()
        self.wait_for("s => s.audioReceived > {audioReceived} + 25 && s.energy > {energy}", start)
        if video:
            expect(self.remote_video).to_be_visible()
            self.wait_for("s => s.framesDecoded > {framesDecoded} + 5", start)
            self.page.wait_for_function(
                "time => document.getElementById('remote-video').currentTime > time",
                arg=self.page.evaluate("document.getElementById('remote-video').currentTime"),
                polling=POLL_MS,
            )
        else:
            expect(self.remote_video).to_be_hidden()

    def expect_over(self, words: str | re.Pattern[str]) -> None:
        """Wait until the page says that the call is over, and how."""
        expect(self.status).to_have_text(words)
        expect(self.page.get_by_text("You can close this window.")).to_be_visible()
        expect(self.hang_up_button).to_be_hidden()

    def stats(self) -> dict[str, float]:
        """What the engine and the cipher have counted (page-hooks.js)."""
        stats: dict[str, float] = self.page.evaluate("e2e.stats()")
        return stats

    def wait_for(self, condition: str, values: dict[str, float] | None = None) -> None:
        """Wait until the engine's counters fulfil ``condition``, a JavaScript function with ``{names}`` of values."""
        condition = filled_in(condition, values)
        # not wait_for_function: it takes a promise for a yes
        self.page.evaluate(
            f"""deadline => new Promise((resolve, reject) => {{
              const look = async () => {{
                const stats = await e2e.stats();
                if (({condition})(stats)) resolve();
                else if (performance.now() > deadline) reject(new Error(JSON.stringify(stats)));
                else setTimeout(look, {POLL_MS});
              }};
              deadline += performance.now();
              void look().catch(reject);
            }})""",
            PATIENCE_MS,
        )

    def wait_for_report(self, condition: Callable[[dict[str, Any]], bool]) -> dict[str, Any]:
        """Wait until the statistics that the page reports to its program fulfil ``condition``."""
        return self.traffic.wait_for_stats(condition)

    def frames(self) -> list[Recorded]:
        """What the page's worker has recorded; see :meth:`Person.record_frames`."""
        (worker,) = self.page.workers
        return [
            Recorded(kind, base64.b64decode(before), None if after is None else base64.b64decode(after))
            for kind, before, after in worker.evaluate("e2eRecorded()")
        ]

    def frame_counts(self) -> dict[str, dict[str, int]]:
        """How many frames the worker has seen, and what became of them; see :meth:`Person.record_frames`."""
        (worker,) = self.page.workers
        counts: dict[str, dict[str, int]] = worker.evaluate("e2eCounts")
        return counts

    def tampering(self) -> dict[str, Any]:
        """What was done to frames, and how many of such came through; see :meth:`Person.tamper_with_frames`."""
        (worker,) = self.page.workers
        tampered: dict[str, Any] = worker.evaluate("e2eTampered")
        return tampered

    def track_key(self, sender: Side, track: Track) -> bytes:
        """The base key of a track, worked out from what the page was told and what its connection says."""
        told = next(command for command in self.traffic.commands if command["type"] in {"start", "offer"})
        local, remote = (fingerprints_of(sdp) for sdp in self.page.evaluate("e2e.descriptions()"))
        return track_key(
            base64.urlsafe_b64decode(told["aesKey"]),
            base64.urlsafe_b64decode(told["transcript"]),
            (local, remote) if self.role == "offer" else (remote, local),
            sender=sender,
            track=track,
        )

    @property
    def role(self) -> Side:
        """Who was called offers."""
        return "offer" if any(command["type"] == "start" for command in self.traffic.commands) else "answer"

    def mute(self) -> None:
        """Click on the microphone."""
        self.mic.click()

    def expect_peer_muted(self, words: str) -> None:
        """Wait until it is shown that the other is muted."""
        expect(self.peer_muted).to_have_text(words)

    def hang_up(self) -> None:
        """Click on the red button."""
        self.hang_up_button.click()

    def close(self) -> None:
        """Close the tab."""
        self.page.close()


def filled_in(condition: str, values: dict[str, float] | None) -> str:
    """A condition with numbers in place of ``{names}``."""
    for name, value in (values or {}).items():
        condition = condition.replace("{" + name + "}", str(value))
    return condition


class Traffic:
    """The page protocol of one call page, as it went over its WebSocket."""

    _socket: WebSocket

    def __init__(self) -> None:
        self.commands: list[dict[str, Any]] = []
        self.responses: list[dict[str, Any]] = []

    @property
    def keys(self) -> list[bytes]:
        """The keys of the calls' frames, as the page was given them."""
        return [base64.urlsafe_b64decode(command["aesKey"]) for command in self.commands if command.get("aesKey")]

    @property
    def stats(self) -> dict[str, Any]:
        """What the page reported last."""
        reports = [resp["stats"] for resp in self.responses if resp["type"] == "stats"]
        return reports[-1] if reports else {}

    def wait_for_stats(self, condition: Callable[[dict[str, Any]], bool]) -> dict[str, Any]:
        """Wait for a report that fulfils ``condition``; there is one a second."""

        def fulfils(payload: str | bytes) -> bool:
            resp = json.loads(payload).get("resp", {})
            return resp.get("type") == "stats" and condition(resp["stats"])

        if not (self.stats and condition(self.stats)):
            self._socket.wait_for_event("framesent", predicate=fulfils)
        return self.stats

    def watch(self, socket: WebSocket) -> None:
        """Listen."""
        self._socket = socket
        socket.on("framereceived", lambda payload: self._take(self.commands, payload, "command"))
        socket.on("framesent", lambda payload: self._take(self.responses, payload, "resp"))

    @staticmethod
    def _take(into: list[dict[str, Any]], payload: str | bytes, name: str) -> None:
        message = json.loads(payload)
        if isinstance(message.get(name), dict):
            into.append(message[name])


class Person:
    """Somebody with a profile."""

    context: BrowserContext
    chat: Page
    _program: Program

    def __init__(self, name: str, folder: Path, server: str | None, browser: Browser, artefacts: Path) -> None:
        self.name = name
        self.problems: list[str] = []
        """What pages complained of: errors on the console, violations of policy, requests to elsewhere."""
        self.traffic: dict[Page, Traffic] = {}
        self._folder = folder
        self._server = server
        self._browser = browser
        self._artefacts = artefacts
        self._log = artefacts / "logs" / f"{name.lower()}.log"
        self._log.unlink(missing_ok=True)
        self.knows_of_ip: set[str] = set()
        """The contacts whose calls were explained to show the IP address."""
        self._secrets: set[str] = set()

    # the program

    key_options: tuple[str, ...] = ("--key-file",)
    """No keyring is there, and nobody is to be asked for a passphrase."""

    def launch(self) -> None:
        """Start the program."""
        self._program = Program(
            *("window", "--browser", "--no-open", "--data", str(self._folder / "profiles"), *self.key_options),
            # who has neither is asked for both
            *(() if self._server is None else ("--name", self.name, "--server", self._server)),
            log=self._log,
            home=self._folder,
        )

    def open(self) -> None:
        """Open the page of the program that was just started, in a browser of one's own."""
        self.open_locked()
        self.expect_ready()

    def open_locked(self) -> None:
        """The same, where the page may ask for a passphrase."""
        self.traffic.clear()
        self.open_browser(self._program.wait_for_line(r"(http://127\.0\.0\.1:\d+/\S+)"))

    def open_browser(self, url: str) -> None:
        """A fresh browser profile with the chat page at ``url``."""
        self.context = self._browser.new_context(viewport=VIEWPORT, locale="en-GB")
        self.context.set_default_timeout(PATIENCE_MS)
        self.context.add_init_script(path=HERE / "page-hooks.js")
        self.context.on("console", self._console)
        self.context.on("weberror", self._weberror)
        self.context.on("request", self._request)
        self.context.on("page", self._watch)
        self.chat = self.context.new_page()
        self.chat.goto(url)

    def expect_ready(self) -> None:
        """Wait until the chat page shows the profile."""
        expect(self.chat.locator("#app")).to_have_attribute("data-phase", "ready")

    def open_settings(self, section: str) -> Locator:
        """Open a section of the settings."""
        dialog = self.chat.get_by_role("dialog", name="Settings")
        if not dialog.is_visible():
            self.chat.get_by_role("button", name="Settings").click()
        dialog.get_by_role("tab", name=re.compile(f"^{section}\\b")).click()
        return dialog.get_by_role("tabpanel", name=re.compile(f"^{section}\\b"))

    def stop(self) -> None:
        """End the program politely, and close the browser."""
        if hasattr(self, "context"):
            self.context.close()
        if hasattr(self, "_program") and self._program.runs:
            assert self._program.stop() == 0

    def kill(self) -> None:
        """End the program at once; its pages stay."""
        self._program.kill()

    def kill_with(self, call: CallPage) -> None:
        """End the program and a call's page at once: neither has a chance to say goodbye."""
        self._program.signal(signal.SIGSTOP)
        with contextlib.suppress(Error):
            # there is nobody left to answer
            call.page.goto("chrome://crash", timeout=3000)
        self._program.kill()

    def restart(self) -> None:
        """Start the program again after it was killed, with a browser that knows nothing."""
        self.context.close()
        self.launch()
        self.open()

    def check_log(self) -> None:
        """Nothing unexpected was logged, and no secret."""
        log = self._log.read_text("utf-8")
        assert "Traceback" not in log
        assert " ERROR " not in log
        for secret in self._secrets:
            assert secret not in log

    # contacts

    def befriend(self, other: Person) -> None:
        """Create a link, and let the other paste it."""
        other.use_link(self.create_link())
        for person, contact in ((self, other), (other, self)):
            person.open_conversation(contact)
            expect(person.chat.locator("#head-state")).to_have_text("Connected")

    def create_link(self) -> str:
        """Click one's way to an invitation link."""
        self.chat.get_by_role("button", name="Add contact").first.click()
        dialog = self.chat.get_by_role("dialog", name="Add contact")
        dialog.get_by_role("button", name="Create a link").click()
        field = dialog.get_by_role("textbox", name="Invitation link")
        expect(field).to_have_value(re.compile(r"/(invitation|i)#"))
        link = field.input_value()
        self._secrets.add(link.split("#", 1)[1])
        return link

    def use_link(self, link: str) -> None:
        """Paste a link."""
        self._secrets.add(link.split("#", 1)[1])
        self.chat.get_by_role("button", name="Add contact").first.click()
        dialog = self.chat.get_by_role("dialog", name="Add contact")
        dialog.get_by_role("tab", name="Use a link").click()
        dialog.get_by_role("textbox", name="Link", exact=True).fill(link)
        dialog.get_by_role("button", name="Continue").click()
        dialog.get_by_role("button", name="Connect").click()
        expect(dialog).to_be_hidden()

    def open_conversation(self, contact: Named) -> None:
        """Click on a contact."""
        contacts = self.chat.get_by_role("list", name="Contacts")
        contacts.get_by_role("button", name=re.compile(f"^{contact.name}")).click()
        expect(self.chat.get_by_role("heading", level=1, name=contact.name)).to_be_visible()

    # texts

    def write(self, contact: Named, text: str) -> None:
        """Write a text and press Enter."""
        self.open_conversation(contact)
        self.chat.get_by_role("textbox", name=re.compile("Message to")).fill(text)
        self.chat.keyboard.press("Enter")

    def entries(self, contact: Named) -> Locator:
        """The entries of the conversation, the newest last."""
        self.open_conversation(contact)
        return self.chat.get_by_role("region", name=re.compile("Messages and calls with")).locator("li.item")

    def expect_call_entry(self, contact: Named, title: str, *, lasted: bool = False) -> None:
        """Wait until the newest entry is this call's; nothing can be edited or deleted on it."""
        entry = self.entries(contact).last
        expect(entry.locator(".entry-title")).to_have_text(title)
        duration = entry.locator(".entry-duration")
        if lasted:
            expect(duration).to_have_text(re.compile(r"\d"))
        else:
            expect(duration).to_be_hidden()
        expect(entry.get_by_role("button")).to_have_text(re.compile("^Call (again|back)$"))

    # calls

    def call(self, contact: Named, media: Media = "video") -> CallPage:
        """Press the telephone or the camera."""
        self.open_conversation(contact)
        button = self.chat.get_by_role("button", name=re.compile(f"^{media.title()} call to"))
        expect(button).to_be_enabled()
        return self.open_call(button, contact)

    def ringing(self, caller: Named) -> Locator:
        """The card that says that somebody calls."""
        return self.chat.get_by_role("group", name=re.compile(f"Incoming call from .*{caller.name}"))

    def accept(self, caller: Named) -> CallPage:
        """Accept a call in the chat page."""
        return self.open_call(
            self.ringing(caller).get_by_role("button", name=re.compile("^(Hang up and a|A)ccept with (audio|video)$")),
            caller,
            "Understood, accept",
        )

    def reject(self, caller: Named) -> None:
        """Decline a call in the chat page."""
        self.ringing(caller).get_by_role("button", name="Decline").click()

    def know_of_ip(self, contact: Named) -> None:
        """Get over the warning before calls with a contact."""
        if contact.name not in self.knows_of_ip:
            self.call(contact).hang_up()

    def open_call(self, button: Locator, contact: Named, understood: str = "Understood, call") -> CallPage:
        """Click on what opens a call's tab; the first time with a contact there is a warning to confirm."""
        with self.context.expect_page() as opened:
            button.click()
            if contact.name not in self.knows_of_ip:
                dialog = self.chat.get_by_role("dialog", name=re.compile("Calls with .* show your IP address"))
                dialog.get_by_role("button", name=understood).click()
                self.knows_of_ip.add(contact.name)
        page = opened.value
        page.wait_for_url(re.compile(r"^http://127\.0\.0\.1:"))
        return CallPage(page, self)

    # what a test may wish for

    def wish(self, **wishes: bool | str) -> None:
        """Let pages that open from now on lack something (page-hooks.js); forgotten at the end of the test."""
        self.chat.evaluate("wishes => localStorage.setItem('e2e-wishes', JSON.stringify(wishes))", wishes)

    def record_frames(self) -> None:
        """Let the workers of call pages keep what goes through them (frame-recorder.js), for this test."""
        self._put_before_worker("frame-recorder.js")

    def tamper_with_frames(self) -> None:
        """Let somebody sit between the network and the cipher of call pages (frame-tamperer.js), for this test."""
        self._put_before_worker("frame-tamperer.js")

    def _put_before_worker(self, name: str) -> None:
        script = (HERE / name).read_text("utf-8")

        def add(route: Route) -> None:
            response = route.fetch()
            route.fulfill(response=response, body=f"{script}\n{response.text()}")

        self.context.route("**/frames-worker.js", add)

    # the end of a test

    def settle(self) -> None:
        """Leave everything that a test may have left: calls, tabs, wishes."""
        if not self._program.runs:
            self.restart()
        for page in self.context.pages:
            if page is not self.chat:
                page.close()
        expect(self.chat.locator("#banner")).to_be_hidden()
        expect(self.chat.locator("#incoming")).to_be_hidden()
        self.chat.set_viewport_size(VIEWPORT)
        self.context.unroute("**/frames-worker.js")
        self.wish()

    def picture(self, name: str, page: Page | None = None) -> None:
        """Keep a picture of a page (the chat page) among the artefacts."""
        (page or self.chat).screenshot(path=self._artefacts / f"{name}.png", animations="disabled")

    def take_failure_pictures(self, test: str) -> None:
        """Keep what the pages look like when a test has failed."""
        for number, page in enumerate(self.context.pages):
            name = re.sub(r"[^\w-]+", "-", f"failed-{test}-{self.name.lower()}-{number}")
            self.picture(name, page)

    def excuse(self, pattern: str) -> None:
        """A problem like this has to be there, and is no fault."""
        excused = [problem for problem in self.problems if re.search(pattern, problem)]
        assert excused, self.problems
        self.problems = [problem for problem in self.problems if problem not in excused]

    # watching

    def _watch(self, page: Page) -> None:
        traffic = self.traffic[page] = Traffic()
        page.on("websocket", traffic.watch)

    def _console(self, message: ConsoleMessage) -> None:
        if message.type in ("error", "warning"):
            self.problems.append(f"{self.name}: console: {message.text}")

    def _weberror(self, error: WebError) -> None:
        self.problems.append(f"{self.name}: {error.error}")

    def _request(self, request: Request) -> None:
        if not re.match(r"(https?|wss?)://127\.0\.0\.1:|blob:|data:|about:", request.url):
            self.problems.append(f"{self.name}: request to {request.url}")


@dataclass(frozen=True)
class People:
    """Everybody of the tests."""

    alice: Person
    bob: Person
    carol: Person

    def __iter__(self) -> Iterator[Person]:
        return iter((self.alice, self.bob, self.carol))

    def talk(self, media: Media = "video") -> tuple[CallPage, CallPage]:
        """Alice calls Bob, and he accepts: both pages once the call stands."""
        hers = self.alice.call(self.bob, media)
        his = self.bob.accept(self.alice)
        hers.expect_connected()
        his.expect_connected()
        return hers, his
