"""A call without SimpleX: two programs that know nothing of each other, and two texts that a person carries."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, expect

from e2e.people import HERE, POLL_MS, VIEWPORT
from e2e.programs import Program

PERMISSIONS = ["microphone", "camera", "clipboard-read", "clipboard-write"]


class Side:
    """One side's program and page."""

    def __init__(self, name: str, browser: Browser, artefacts: Path) -> None:
        log = artefacts / "logs" / f"paste-{name}.log"
        log.unlink(missing_ok=True)
        self.log = log
        self.name = name
        self.program = Program("paste", "--browser", "--no-open", "--no-ice-servers", log=log)
        self.context = browser.new_context(viewport=VIEWPORT, permissions=PERMISSIONS)
        self.context.add_init_script(path=str(HERE / "page-hooks.js"))
        self.page: Page = self.context.new_page()
        self.problems: list[str] = []
        self.page.on("pageerror", lambda error: self.problems.append(str(error)))
        self.page.goto(self.program.wait_for_line(r"(http://\S+)"))
        self.panel = self.page.locator("#paste")

    @property
    def text(self) -> str:
        """The text to pass on, as the user copies it."""
        self.panel.get_by_role("button", name="Copy the text").click()
        expect(self.panel.get_by_role("button", name="Copied")).to_be_visible()
        copied: str = self.page.evaluate("navigator.clipboard.readText()")
        return copied

    def paste(self, text: str) -> None:
        """Paste a text into the field, and go on."""
        self.panel.get_by_role("textbox", name=re.compile("text that you were sent|answer that came back")).fill(text)
        self.panel.get_by_role("button", name="Go on").click()

    def expect_call(self) -> None:
        """Wait until video comes out of the decoder, and the page says that it is encrypted."""
        expect(self.page.locator("#status")).to_have_text("Connected")
        expect(self.panel).to_be_hidden()
        expect(self.page.get_by_text("End-to-end encrypted", exact=True)).to_be_visible()
        expect(self.page.locator("#remote-video")).to_be_visible()
        self.page.wait_for_function("async () => (await e2e.stats()).framesDecoded > 10", polling=POLL_MS)

    def close(self) -> None:
        """Close everything; nothing may have gone wrong."""
        self.context.close()
        assert self.program.wait() == 0
        assert self.problems == []
        assert "Traceback" not in self.log.read_text("utf-8")


@pytest.fixture
def sides(browser: Browser, artefacts: Path) -> Iterator[tuple[Side, Side]]:
    both = Side("alice", browser, artefacts), Side("bob", browser, artefacts)
    yield both
    for side in both:
        side.close()


def test_two_texts_make_an_encrypted_video_call(sides: tuple[Side, Side], artefacts: Path) -> None:
    alice, bob = sides
    expect(alice.panel.get_by_text("learns them")).to_be_visible()
    alice.page.screenshot(path=artefacts / "paste-choose.png")
    alice.panel.get_by_role("button", name="Start a video call").click()
    expect(alice.panel.get_by_text("1. Pass this text to the other side")).to_be_visible()
    alice.page.screenshot(path=artefacts / "paste-offer.png")
    alice.panel.get_by_role("button", name="Show QR codes").click()
    expect(alice.panel.get_by_role("img", name="QR code 1 of")).to_be_visible()
    alice.page.screenshot(path=artefacts / "paste-codes.png")
    alice.panel.get_by_role("button", name="Hide QR codes").click()

    # a text that is none, its own text, and one that lost its end
    alice.paste(alice.text)
    expect(alice.panel.get_by_role("alert")).to_contain_text("made here yourself")
    bob.paste("Dear Bob, let us talk")
    expect(bob.panel.get_by_role("alert")).to_contain_text("no text of a call")
    bob.paste(alice.text[:-40])
    expect(bob.panel.get_by_role("alert")).to_contain_text("missing or was changed")

    # as a mail carries it
    text = alice.text
    bob.paste("Here it is:\n\n> " + "\n> ".join(text[start : start + 72] for start in range(0, len(text), 72)))
    expect(bob.panel.get_by_text("Pass this answer back")).to_be_visible()
    bob.page.set_viewport_size({"width": 360, "height": 640})
    bob.page.emulate_media(color_scheme="dark")
    bob.page.screenshot(path=artefacts / "paste-answer-small-dark.png")
    bob.page.set_viewport_size(VIEWPORT)

    alice.paste(bob.text)
    for side in sides:
        side.expect_call()
    bob.page.screenshot(path=artefacts / "paste-connected.png")
    # both pages are ours: they can write to each other, and tell each other of the end
    alice.page.get_by_role("button", name="Texts in this call").click()
    alice.page.get_by_role("textbox", name="Write a text").fill("Hello without SimpleX")
    alice.page.get_by_role("button", name="Send").click()
    expect(bob.page.get_by_role("button", name="Texts in this call, 1 new")).to_be_visible()
    alice.page.get_by_role("button", name="Hang up", exact=True).click()
    expect(bob.page.locator("#status")).to_contain_text("Call ended")
