"""The pages in another language, as a user chooses it."""

from __future__ import annotations

import re

from playwright.sync_api import expect

from e2e.looks import look
from e2e.people import People, Person


def choose(person: Person, language: str, shown: str) -> None:
    """Choose it in the settings; the page comes again in it."""
    chat = person.chat
    chat.locator("#settings").click()
    chat.locator("#section-home").click()
    with chat.expect_navigation():
        chat.locator("#language").select_option(label=language)
    expect(chat.locator("html")).to_have_attribute("lang", shown)
    person.expect_ready()


def test_a_call_in_german(people: People) -> None:
    carol, alice = people.carol, people.alice
    if alice.name not in carol.knows_of_ip:
        # the warning comes once, and people here answer it in English
        first = carol.call(alice)
        expect(alice.ringing(carol)).to_be_visible()
        first.hang_up()
        expect(alice.ringing(carol)).to_be_hidden()
    choose(carol, "Deutsch", "de")
    try:
        contacts = carol.chat.get_by_role("list", name="Kontakte")
        contacts.get_by_role("button", name=re.compile("^Alice")).click()
        expect(carol.chat.get_by_role("textbox", name=re.compile("Nachricht an .*Alice"))).to_be_visible()
        look(carol, "german-chat")
        hers = carol.open_call(carol.chat.get_by_role("button", name=re.compile("Videoanruf an .*Alice")), alice)
        his = alice.accept(carol)
        page = hers.page
        expect(page.locator("html")).to_have_attribute("lang", "de")
        expect(hers.status).to_have_text("Verbunden")
        for name in ("Mikrofon stummschalten", "Kamera ausschalten", "Bildschirm teilen", "Auflegen"):
            expect(page.get_by_role("button", name=name, exact=True)).to_be_visible()
        look(carol, "german-call", page)
        his.hang_up()
        expect(page.get_by_text("Du kannst dieses Fenster schließen.")).to_be_visible()
    finally:
        choose(carol, "Wie das System", "en")
