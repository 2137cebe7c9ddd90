"""Pages in both sizes, and pictures of them in both colours: nothing is cut off, and everything has a name."""

from __future__ import annotations

import os
from typing import Literal

from playwright.sync_api import Page

from e2e.people import Person

NAMELESS = """() => {
  const text = element => element?.textContent.trim() ?? "";
  const nameOf = element =>
    element.getAttribute("aria-label")?.trim() ||
    (element.getAttribute("aria-labelledby") ?? "").split(" ").map(id => text(document.getElementById(id))).join("") ||
    [...(element.labels ?? [])].map(text).join("") ||
    (["INPUT", "TEXTAREA", "SELECT"].includes(element.tagName) ? "" : text(element));
  const controls = "button, a[href], input, textarea, select, summary, [role=button], [role=tab], [tabindex='0']";
  return [...document.querySelectorAll(controls)]
    .filter(element => element.checkVisibility({ visibilityProperty: true }) && !nameOf(element))
    .map(element => element.outerHTML.slice(0, 200));
}"""
"""Visible controls without an accessible name."""

OVERFLOW = "() => document.documentElement.scrollWidth - document.documentElement.clientWidth"

SIZES = {"wide": (1280, 800), "narrow": (360, 740)}

_PICTURES = bool(os.environ.get("E2E_PICTURES"))
"""Pictures are for people to look at, and a tenth of what all tests cost: they are taken when somebody wants them."""

_COLOURS: tuple[Literal["light", "dark"], ...] = ("light", "dark")


def look(person: Person, name: str, page: Page | None = None) -> None:
    """In both sizes nothing is cut off at the side, and everything has a name; pictures in both colours, if wanted."""
    shown = page or person.chat
    before = shown.viewport_size
    assert before is not None
    for size, (width, height) in SIZES.items():
        shown.set_viewport_size({"width": width, "height": height})
        for colours in _COLOURS if _PICTURES else ():
            shown.emulate_media(color_scheme=colours)
            person.picture(f"{name}-{size}-{colours}", shown)
        assert shown.evaluate(OVERFLOW) <= 0, f"{name} is wider than {width} pixels"
        assert shown.evaluate(NAMELESS) == []
    shown.emulate_media(color_scheme="light")
    shown.set_viewport_size(before)
