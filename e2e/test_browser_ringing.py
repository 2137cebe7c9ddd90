"""How calls ring: answered by keys, with audio only, unheard; what the caller sees; missed calls, and who may call."""

from __future__ import annotations

import re

from playwright.sync_api import Locator, expect

from e2e.looks import look
from e2e.people import CallPage, People, Person

TONES = """
  globalThis.e2eTones = [];
  const { start } = OscillatorNode.prototype;
  OscillatorNode.prototype.start = function (...given) {
    if (this.frequency.value === 425) e2eTones.push(this.context);
    return start.apply(this, given);
  };
"""
"""Keeps the sound devices that a ringback tone begins on."""


def test_accepted_with_audio_only_by_key(people: People) -> None:
    hers = people.alice.call(people.bob)
    card = people.bob.ringing(people.alice)
    expect(card.get_by_role("button", name="Accept with audio only")).to_be_visible()
    # while one types, letters are letters
    people.bob.open_conversation(people.alice)
    field = people.bob.chat.get_by_role("textbox", name=re.compile("Message to"))
    field.press("o")
    expect(field).to_have_value("o")
    expect(card).to_be_visible()
    field.fill("")
    his = _opened(people.bob, people.alice, "o")
    hers.expect_connected()
    expect(his.camera).to_have_accessible_name("Turn camera on")
    expect(hers.camera).to_have_accessible_name("Turn camera off")
    expect(hers.remote_video).to_be_hidden()
    # a second call: the card of the chat page says what accepting does, and the call page takes the same keys
    carols = people.carol.call(people.alice)
    hang_up = people.alice.ringing(people.carol).get_by_role("button", name="Hang up and accept with video")
    expect(hang_up).to_be_visible()
    look(people.alice, "ringing-in-a-call")
    expect(hers.page.get_by_role("group", name="Another incoming call from Carol")).to_be_visible()
    hers.page.keyboard.press("d")
    carols.expect_over("Call declined")
    hers.hang_up()
    his.expect_over(re.compile("^Call ended"))


def test_caller_hears_that_it_rings(people: People) -> None:
    people.alice.context.add_init_script(TONES)
    hers = people.alice.call(people.bob)
    expect(hers.status).to_have_text("Ringing…")
    hers.page.wait_for_function("() => e2eTones.length > 0 && e2eTones.every(it => it.state === 'running')")
    his = people.bob.accept(people.alice)
    hers.expect_connected()
    hers.page.wait_for_function("() => e2eTones.every(it => it.state === 'closed')")
    his.hang_up()
    hers.expect_over(re.compile("^Call ended"))


def test_declined_by_key_and_missed(people: People) -> None:
    people.alice.open_conversation(people.carol)
    hers = people.bob.call(people.alice, "audio")
    expect(people.alice.ringing(people.bob)).to_be_visible()
    people.alice.chat.locator("#log").focus()
    people.alice.chat.keyboard.press("d")
    hers.expect_over("Call declined")
    # the next one is missed
    his = people.bob.call(people.alice, "audio")
    expect(people.alice.ringing(people.bob)).to_be_visible()
    his.hang_up()
    row = people.alice.chat.get_by_role("list", name="Contacts").get_by_role("button", name=re.compile("^Bob"))
    expect(row.get_by_role("img", name="1 missed call")).to_be_visible()
    expect(people.alice.chat).to_have_title(re.compile(r"^\(\d+\) 1 missed call"))
    look(people.alice, "missed-call")
    people.alice.open_conversation(people.bob)
    expect(row.get_by_role("img", name="1 missed call")).to_be_hidden()
    expect(people.alice.chat).not_to_have_title(re.compile("missed"))


def test_do_not_disturb(people: People) -> None:
    settings = people.bob.open_settings("Calls")
    settings.get_by_role("slider", name="Volume of the ringtone").fill("30")
    expect(settings.get_by_text("30 %")).to_be_visible()
    settings.get_by_role("button", name="Play the ringtone").click()
    settings.get_by_role("switch", name="Do not disturb").check()
    expect(settings.get_by_text("Calls are not heard now")).to_be_visible()
    look(people.bob, "settings-calls")
    people.bob.chat.get_by_role("dialog", name="Settings").get_by_role("button", name="Close").click()
    quiet = people.bob.chat.locator("#quiet")
    expect(quiet).to_contain_text("Do not disturb")
    hers = people.alice.call(people.bob)
    # it is shown, and the caller is not told
    expect(people.bob.ringing(people.alice)).to_be_visible()
    expect(hers.status).to_have_text("Ringing…")
    expect(people.alice.chat.locator("#banner-state")).to_have_text("Ringing…")
    look(people.bob, "undisturbed")
    hers.hang_up()
    quiet.get_by_role("button", name="End do not disturb").click()
    expect(quiet).to_be_hidden()
    # the volume was kept
    expect(people.bob.open_settings("Calls").get_by_role("slider")).to_have_value("30")
    people.bob.chat.get_by_role("dialog", name="Settings").get_by_role("button", name="Close").click()


def test_calls_of_a_contact_with_audio_only(people: People) -> None:
    panel = _panel(people.bob, people.alice)
    choice = panel.get_by_role("combobox", name="Calls", exact=True)
    choice.select_option("With audio only")
    expect(panel).to_contain_text("They are not told. You take their video calls with your camera off")
    choice.scroll_into_view_if_needed()
    look(people.bob, "contact-audio-only")
    panel.get_by_role("button", name="Close").click()
    hers = people.alice.call(people.bob)
    card = people.bob.ringing(people.alice)
    expect(card).to_contain_text("You take calls of this contact with audio only.")
    people.bob.chat.locator("#log").focus()
    look(people.bob, "ringing-audio-only")
    his = people.bob.accept(people.alice)
    hers.expect_connected()
    expect(his.camera).to_have_accessible_name("Turn camera on")
    his.hang_up()
    hers.expect_over(re.compile("^Call ended"))
    panel = _panel(people.bob, people.alice)
    panel.get_by_role("combobox", name="Calls", exact=True).select_option("Not from this contact")
    expect(panel).to_contain_text("They are told that you take no calls")
    button = people.alice.chat.get_by_role("button", name=re.compile("^Video call"))
    people.alice.open_conversation(people.bob)
    expect(button).to_have_accessible_name("Video call: This contact does not take calls")
    panel.get_by_role("combobox", name="Calls", exact=True).select_option("As set in my profile")
    expect(button).to_have_accessible_name(re.compile("^Video call to"))
    panel.get_by_role("button", name="Close").click()


def test_call_without_simplex_from_the_menu(people: People) -> None:
    people.alice.chat.locator("#side-more").click()
    menu = people.alice.chat.get_by_role("menu", name="More")
    expect(menu).to_be_visible()
    look(people.alice, "side-menu")
    with people.alice.context.expect_page() as opened:
        menu.get_by_role("menuitem", name="Call without SimpleX…").click()
    page = opened.value
    expect(page.locator("#paste")).to_be_visible()
    page.close()


def _opened(person: Person, contact: Person, key: str) -> CallPage:
    """The call's page that a key opens in the chat page."""
    person.chat.locator("#log").focus()
    with person.context.expect_page() as opened:
        person.chat.keyboard.press(key)
        if contact.name not in person.knows_of_ip:
            dialog = person.chat.get_by_role("dialog", name=re.compile("Calls with .* show your IP address"))
            dialog.get_by_role("button", name="Understood, accept").click()
            person.knows_of_ip.add(contact.name)
    return CallPage(opened.value, person)


def _panel(person: Person, contact: Person) -> Locator:
    person.open_conversation(contact)
    person.chat.get_by_role("button", name=f"{contact.name}", exact=True).first.click()
    panel = person.chat.get_by_role("dialog", name=contact.name)
    expect(panel.get_by_role("combobox", name="Calls", exact=True)).to_be_visible()
    return panel
