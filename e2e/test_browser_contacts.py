"""The panel of a contact, pictures, and the settings that concern contacts, clicked through in the browser."""

from __future__ import annotations

import re

from playwright.sync_api import Locator, expect

from e2e.looks import look
from e2e.people import People, Person

PICTURE = """async () => {
  const canvas = Object.assign(document.createElement("canvas"), { width: 900, height: 600 });
  const context = canvas.getContext("2d");
  for (let x = 0; x < 900; x += 30) for (let y = 0; y < 600; y += 30) {
    context.fillStyle = `hsl(${x} 70% ${20 + y / 10}%)`;
    context.fillRect(x, y, 30, 30);
  }
  const blob = await new Promise(resolve => canvas.toBlob(resolve, "image/png"));
  const transfer = new DataTransfer();
  transfer.items.add(new File([blob], "me.png", { type: "image/png" }));
  const field = document.getElementById("profile-file");
  field.files = transfer.files;
  field.dispatchEvent(new Event("change"));
}"""


def open_details(person: Person, contact: Person) -> Locator:
    person.open_conversation(contact)
    person.chat.get_by_role("heading", level=1, name=contact.name).get_by_role("button").click()
    dialog = person.chat.get_by_role("dialog", name=contact.name)
    expect(dialog.get_by_role("region", name="Security code")).to_be_visible()
    return dialog


def test_security_codes_are_compared(people: People) -> None:
    # what was written both ways has both sides' post-quantum keys
    for text in ("one", "two"):
        people.alice.write(people.bob, text)
        expect(people.bob.entries(people.alice).last).to_contain_text(text)
        people.bob.write(people.alice, f"{text} again")
        expect(people.alice.entries(people.bob).last).to_contain_text(f"{text} again")
    his = open_details(people.bob, people.alice)
    code = his.locator("#details-code").inner_text()
    his.get_by_role("button", name="Close").click()

    hers = open_details(people.alice, people.bob)
    expect(hers.get_by_text("Quantum-resistant", exact=True)).to_be_visible()
    expect(hers.get_by_text("Not verified")).to_be_visible()
    expect(hers.get_by_role("img", name="QR code of the security code")).to_be_visible()
    field = hers.get_by_role("textbox", name="Security code of your contact")
    field.fill(f"1{code}")
    hers.get_by_role("button", name="Compare").click()
    expect(hers.get_by_text("The codes differ.")).to_be_visible()
    expect(hers.get_by_text("Not verified")).to_be_visible()
    field.fill(re.sub(r"\s", "", code))
    hers.get_by_role("button", name="Compare").click()
    expect(hers.get_by_text("The codes are the same.")).to_be_visible()
    expect(hers.get_by_text("Verified", exact=True)).to_be_visible()
    look(people.alice, "details")
    hers.get_by_role("button", name="Close").click()
    expect(people.alice.chat.locator("#head-verified")).to_be_visible()
    open_details(people.alice, people.bob).get_by_role("button", name="Remove the mark").click()
    expect(hers.get_by_text("Not verified")).to_be_visible()
    hers.get_by_role("button", name="Close").click()


def test_calls_that_are_not_welcome(people: People) -> None:
    details = open_details(people.alice, people.carol)
    choice = details.get_by_role("combobox", name="Calls", exact=True)
    choice.select_option("Not from this contact")
    expect(details.get_by_text("You do not take calls from this contact.")).to_be_visible()
    details.get_by_role("button", name="Close").click()
    people.carol.open_conversation(people.alice)
    refused = people.carol.chat.get_by_role("button", name="This contact does not take calls")
    expect(refused.first).to_have_attribute("aria-disabled", "true")
    open_details(people.alice, people.carol)
    choice.select_option("As set in my profile")
    expect(details.get_by_text("You can call each other.")).to_be_visible()
    details.get_by_role("button", name="Close").click()
    expect(people.carol.chat.get_by_role("button", name="Video call to").first).to_have_attribute(
        "aria-disabled", "false"
    )


def test_a_picture_reaches_the_contacts(people: People) -> None:
    people.carol.open_conversation(people.alice)
    profile = people.alice.open_settings("Profile")
    profile.locator("#profile-file").evaluate(PICTURE)
    expect(profile.locator("#profile-avatar img")).to_be_visible()
    profile.get_by_role("textbox", name="Full name").fill("Alice of the tests")
    profile.get_by_role("button", name="Save").click()
    expect(profile.get_by_text("Saved")).to_be_visible()
    look(people.alice, "profile")
    people.alice.chat.get_by_role("dialog", name="Settings").get_by_role("button", name="Close").click()
    expect(people.alice.chat.locator("#me-avatar img")).to_be_visible()
    shown = people.carol.chat.locator("#head-avatar img")
    expect(shown).to_be_visible()
    assert len(shown.get_attribute("src") or "") <= 12_500
    details = open_details(people.carol, people.alice)
    expect(details.get_by_text("Alice of the tests")).to_be_visible()
    details.get_by_role("button", name="Close").click()


def test_how_messages_travel(people: People) -> None:
    network = people.alice.open_settings("Privacy")
    expect(network.get_by_role("radio", name="For servers that are not mine")).to_be_checked()
    network.get_by_role("textbox", name=re.compile("Proxy")).fill("nonsense")
    network.get_by_role("button", name="Save").click()
    expect(network.get_by_role("alert")).to_contain_text("host:port")
    network.get_by_role("switch", name="Delivery receipts").uncheck()
    expect(network.get_by_text("Saved")).to_be_visible()
    look(people.alice, "privacy")
    network.get_by_role("switch", name="Delivery receipts").check()
    people.alice.chat.get_by_role("dialog", name="Settings").get_by_role("button", name="Close").click()


def test_a_server_is_tested(people: People, relay: str) -> None:
    servers = people.alice.open_settings("Servers")
    host = relay.rsplit("@", 1)[1]
    servers.get_by_role("button", name=f"Test {host}").click()
    expect(servers.get_by_text(re.compile(r"Works\. It answered in \d+ ms\."))).to_be_visible()
    field = servers.get_by_role("textbox", name="Address of a server")
    wrong = f"smp://{'A' * 43}=@{host}"
    field.fill(wrong)
    servers.get_by_role("button", name="Add", exact=True).click()
    servers.get_by_role("button", name=f"Test {host}").nth(1).click()
    expect(servers.get_by_text("Another server answered")).to_be_visible()
    look(people.alice, "servers-tested")
    servers.get_by_role("button", name=f"Remove {host}").nth(1).click()
    expect(servers.get_by_role("button", name=f"Test {host}")).to_have_count(1)
    people.alice.chat.get_by_role("dialog", name="Settings").get_by_role("button", name="Close").click()


def test_an_address_and_who_asks_through_it(people: People) -> None:
    bob, carol = people.bob, people.carol
    address = bob.open_settings("Address")
    address.get_by_role("button", name="Create an address").click()
    field = address.get_by_role("textbox", name="Your address")
    expect(field).to_have_value(re.compile(r"/a#"))
    link = field.input_value()
    expect(address.get_by_role("img", name="QR code of your address")).to_be_visible()
    look(bob, "address")
    address.get_by_role("checkbox", name="Full link, for older apps").check()
    expect(field).to_have_value(re.compile(r"/contact#"))
    bob.chat.get_by_role("dialog", name="Settings").get_by_role("button", name="Close").click()

    # who it is of is seen before anything is sent
    carol.chat.get_by_role("button", name="Add contact").first.click()
    dialog = carol.chat.get_by_role("dialog", name="Add contact")
    dialog.get_by_role("tab", name="Use a link").click()
    dialog.get_by_role("textbox", name="Link", exact=True).fill(link)
    dialog.get_by_role("button", name="Continue").click()
    expect(dialog.get_by_text("This is Bob")).to_be_visible()
    expect(dialog.get_by_text("A contact address.")).to_be_visible()
    look(carol, "preview")
    dialog.get_by_role("button", name="Connect").click()
    expect(dialog).to_be_hidden()

    # asked and accepted
    request = bob.chat.get_by_role("group", name=re.compile("Carol.* wants to connect"))
    expect(request).to_be_visible()
    look(bob, "request")
    request.get_by_role("button", name="Accept").click()
    expect(request).to_be_hidden()
    for person, contact in ((bob, carol), (carol, bob)):
        person.open_conversation(contact)
        expect(person.chat.locator("#head-state")).to_have_text("Connected")
    bob.write(carol, "You are in.")
    expect(carol.entries(bob).last).to_contain_text("You are in.")

    address = bob.open_settings("Address")
    address.get_by_role("button", name="Delete the address").click()
    bob.chat.get_by_role("dialog", name="Delete your address?").get_by_role("button", name="Delete address").click()
    expect(address.get_by_role("button", name="Create an address")).to_be_visible()
    bob.chat.get_by_role("dialog", name="Settings").get_by_role("button", name="Close").click()
