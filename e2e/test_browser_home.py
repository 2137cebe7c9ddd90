"""The first start, the servers, and the profiles of one machine, clicked through in the browser."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, expect

from e2e.looks import look
from e2e.people import Person

SECRET = "correct horse battery staple"


@pytest.fixture
def dora(browser: Browser, artefacts: Path, tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[Person]:
    """Somebody who has never started the program; the page has asked for nothing yet."""
    folder = tmp_path / "dora"
    folder.mkdir()
    person = Person("Dora", folder, None, browser, artefacts)
    person.key_options = getattr(request, "param", person.key_options)
    person.launch()
    try:
        person.open_locked()
        if person.key_options:
            person.expect_ready()
        yield person
        failed = getattr(request.node, "rep_call", None)
        if failed is None or failed.failed:
            person.take_failure_pictures(request.node.name)
    finally:
        person.stop()
    person.check_log()
    assert person.problems == []


def give_name(person: Person) -> None:
    dialog = person.chat.get_by_role("dialog", name="What shall contacts call you?")
    dialog.get_by_role("textbox", name="Your name").fill(person.name)
    dialog.get_by_role("button", name="Continue").click()


def choose_relay(person: Person) -> None:
    """Take no server but the one of the program."""
    dialog = person.chat.get_by_role("dialog", name="Through which servers")
    dialog.get_by_role("checkbox", name="Public servers of SimpleX Chat").uncheck()
    dialog.get_by_role("checkbox", name="The relay of this program").check()
    dialog.get_by_role("radio", name="For this computer only").check()
    dialog.get_by_role("button", name="Continue").click()
    expect(dialog).to_be_hidden()


def test_the_first_start_asks_for_servers(dora: Person, relay: str) -> None:
    give_name(dora)
    dialog = dora.chat.get_by_role("dialog", name="Through which servers")
    expect(dialog).to_be_visible()
    # there is no way around it
    dora.chat.keyboard.press("Escape")
    expect(dialog).to_be_visible()
    public = dialog.get_by_role("checkbox", name="Public servers of SimpleX Chat")
    expect(public).to_be_checked()
    look(dora, "start")
    public.uncheck()
    dialog.get_by_role("button", name="Continue").click()
    expect(dialog.get_by_role("alert")).to_have_text("Choose at least one.")
    dialog.get_by_role("checkbox", name="My own servers").check()
    field = dialog.get_by_role("textbox", name="Addresses of own servers, one a line")
    field.fill("https://example.org")
    dialog.get_by_role("button", name="Continue").click()
    expect(dialog.get_by_role("alert")).to_contain_text("smp://fingerprint@host")
    field.fill(relay)
    look(dora, "start-own")
    dialog.get_by_role("button", name="Continue").click()
    expect(dialog).to_be_hidden()
    dora.create_link()
    # it was remembered: the next start asks for nothing
    dora.stop()
    dora.restart()
    expect(dora.chat.get_by_role("dialog")).to_be_hidden()
    expect(dora.chat.get_by_role("list", name="Contacts").get_by_role("listitem")).to_have_count(1)


def test_servers_in_the_settings(dora: Person, relay: str) -> None:
    give_name(dora)
    choose_relay(dora)
    servers = dora.open_settings("Servers")
    expect(servers.get_by_role("radio", name="For this computer only")).to_be_checked()
    expect(servers.get_by_role("textbox", name="Address of the relay")).to_have_value(re.compile("^smp://.*@127"))
    # published ones: with their operator, and one by one
    group = servers.get_by_role("region", name="SimpleX Chat")
    expect(group).to_contain_text("Not used")
    group.get_by_role("switch", name="Use servers of SimpleX Chat").check()
    expect(group).to_contain_text(re.compile(r"11 of 1\d are used"))
    group.get_by_text("Show the servers").click()
    group.get_by_role("switch", name="Use smp8.simplex.im").uncheck()
    expect(group).to_contain_text(re.compile(r"10 of 1\d are used"))
    group.get_by_role("switch", name="Use servers of SimpleX Chat").uncheck()
    expect(group).to_contain_text("Not used")
    # an own one
    field = servers.get_by_role("textbox", name="Address of a server")
    field.fill(relay)
    servers.get_by_role("button", name="Add", exact=True).click()
    host = relay.rsplit("@", 1)[1]
    use = servers.get_by_role("switch", name=f"Use {host}")
    expect(use).to_be_checked()
    servers.get_by_role("button", name="Show address").click()
    expect(servers.get_by_role("img", name="QR code of the server's address")).to_be_visible()
    look(dora, "servers")
    use.uncheck()
    servers.get_by_role("button", name=f"Remove {host}").click()
    expect(servers.get_by_text("No server of your own yet.")).to_be_visible()
    # without any, nothing new can be made, and the next start asks again
    servers.get_by_role("radio", name="Off").check()
    expect(servers.get_by_role("textbox", name="Address of the relay")).to_be_hidden()
    dora.stop()
    dora.restart()
    choose_relay(dora)


def test_profiles_passphrase_and_backup(dora: Person, tmp_path: Path) -> None:
    give_name(dora)
    choose_relay(dora)
    home = dora.open_settings("Profiles")
    # a passphrase, asked for at the next start
    home.get_by_label("New passphrase").fill(SECRET)
    home.get_by_label("The same again").first.fill("something else")
    home.get_by_role("button", name="Change passphrase").click()
    expect(home.get_by_role("alert")).to_contain_text("The two passphrases differ")
    home.get_by_label("The same again").first.fill(SECRET)
    home.get_by_role("button", name="Change passphrase").click()
    expect(home.get_by_text("The passphrase is set.")).to_be_visible()
    # a backup
    home.get_by_label("Passphrase of the backup").first.fill(SECRET)
    home.get_by_label("The same again").nth(1).fill(SECRET)
    home.get_by_role("button", name="Save backup").click()
    saved = home.get_by_text("Saved as")
    expect(saved).to_be_visible()
    path = saved.inner_text().removeprefix("Saved as ")
    assert Path(path).is_file()
    look(dora, "profiles")
    # another profile
    home.get_by_role("textbox", name="Name of the new profile").fill("Work")
    home.get_by_role("button", name="Add profile").click()
    home.get_by_role("button", name="Switch to Work").click()
    dora.expect_ready()
    expect(dora.chat.locator("#me-name")).to_have_text("Work")
    choose_relay(dora)
    # what was saved comes back as one more
    home = dora.open_settings("Profiles")
    home.get_by_label("File of the backup, with its folder").fill(path)
    home.get_by_label("Passphrase of the backup").nth(1).fill("not it at all")
    home.get_by_role("button", name="Restore").click()
    expect(home.get_by_role("alert")).to_be_visible()
    home.get_by_label("Passphrase of the backup").nth(1).fill(SECRET)
    home.get_by_role("button", name="Restore").click()
    expect(home.get_by_text("Dora was restored.")).to_be_visible()
    # the sealed one asks for its passphrase
    home.get_by_role("button", name="Switch to Dora").first.click()
    unlock = dora.chat.get_by_role("dialog", name="Unlock your profile")
    expect(unlock).to_contain_text("Dora")
    look(dora, "unlock")
    unlock.get_by_label("Passphrase").fill("not it at all")
    unlock.get_by_role("button", name="Unlock").click()
    expect(unlock.get_by_role("alert")).to_have_text("That is not the passphrase.")
    unlock.get_by_label("Passphrase").fill(SECRET)
    unlock.get_by_role("button", name="Unlock").click()
    expect(unlock).to_be_hidden()
    dora.expect_ready()
    expect(dora.chat.locator("#me-name")).to_have_text("Dora")
    # and so does the next start
    dora.stop()
    dora.launch()
    dora.open_locked()
    expect(dora.chat.get_by_role("dialog", name="Unlock your profile")).to_be_visible()


@pytest.mark.parametrize("dora", [()], indirect=True, ids=["no keyring"])
def test_the_first_start_asks_where_the_key_is_kept(dora: Person) -> None:
    dialog = dora.chat.get_by_role("dialog", name="Protect your profile")
    expect(dialog).to_be_visible()
    dora.chat.keyboard.press("Escape")
    go = dialog.get_by_role("button", name="Continue")
    go.click()
    expect(dialog.get_by_role("alert")).to_contain_text("Choose a passphrase for the profile")
    # the file is only used on the user's word, which shows what it means
    in_file = dialog.get_by_role("checkbox", name="Keep the key in a file instead")
    expect(in_file).not_to_be_checked()
    expect(dialog).to_contain_text("whoever copies the folder reads everything")
    look(dora, "protect")
    in_file.check()
    expect(dialog.get_by_label("Repeat the passphrase")).to_be_hidden()
    in_file.uncheck()
    dialog.get_by_label("Passphrase for the profile").fill(SECRET)
    dialog.get_by_label("Repeat the passphrase").fill("something else")
    go.click()
    expect(dialog.get_by_role("alert")).to_contain_text("The two passphrases differ")
    dialog.get_by_label("Repeat the passphrase").fill(SECRET)
    go.click()
    expect(dialog).to_be_hidden()
    dora.expect_ready()
    give_name(dora)
    choose_relay(dora)
    # another profile needs the same word
    home = dora.open_settings("Profiles")
    home.get_by_role("textbox", name="Name of the new profile").fill("Work")
    home.get_by_role("button", name="Add profile").click()
    expect(home.get_by_role("alert")).to_contain_text("Choose a passphrase for the profile")
    home.get_by_role("checkbox", name="Keep the key in a file instead").first.check()
    home.get_by_role("button", name="Add profile").click()
    expect(home.get_by_text("Work was added.")).to_be_visible()
    dora.stop()
    dora.launch()
    dora.open_locked()
    expect(dora.chat.get_by_role("dialog", name="Unlock your profile")).to_be_visible()
