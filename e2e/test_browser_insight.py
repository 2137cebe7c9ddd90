"""What a call's page tells of the call: its code, the addresses, how good it is, and the diagnostics file."""

from __future__ import annotations

import json
import re
from pathlib import Path

from playwright.sync_api import expect

from e2e.looks import look
from e2e.people import CallPage, People


def code_of(call: CallPage) -> list[str]:
    """The call code as it is read out."""
    call.page.locator("#lock > summary").click()
    words = call.page.locator("#code li")
    expect(words).to_have_count(4)
    expect(words.first).to_be_visible()
    return words.all_text_contents()


def test_code_addresses_quality_and_diagnostics(people: People) -> None:
    hers, his = people.talk("video")
    for call in (hers, his):
        call.expect_media(video=True)
    code = code_of(hers)
    assert code == code_of(his)
    assert all(len(part) > 2 for part in code)
    ours = hers.page.locator("#addresses-local")
    expect(ours).to_contain_text("of the device")
    addresses = ours.locator("bdi").all_text_contents()
    assert sorted(addresses) == sorted(his.page.locator("#addresses-remote bdi").all_text_contents())
    expect(hers.page.locator("#lock-items")).to_contain_text("That conversation is quantum resistant")
    look(people.alice, "call-protection", hers.page)

    hers.page.locator("#quality > summary").click()
    expect(hers.page.locator("#quality")).to_have_attribute("data-bars", re.compile("[34]"))
    expect(hers.page.locator("#quality-state")).to_have_text(re.compile("(Very g|G)ood connection"))
    plots = hers.page.locator("#quality-plots figure")
    expect(plots).to_have_count(6)
    # two seconds and more of a plot
    expect(plots.first.locator(".plot-sent")).to_have_attribute("d", re.compile("M.+L"))
    expect(plots.first.locator(".plot-times")).to_contain_text("now")
    expect(plots.first.get_by_role("listitem").first).to_contain_text("now: ")
    look(people.alice, "call-quality", hers.page)
    with hers.page.expect_download() as saving:
        hers.page.get_by_role("button", name="Save diagnostics").click()
    written = Path(saving.value.path()).read_text()
    saved = json.loads(written)
    assert saved["format"] == "simplex-calls diagnostics 1"
    assert any(sample["sent"]["bitrate"] for sample in saved["series"])
    for secret in ("Alice", "Bob", *filter(None, addresses)):
        assert secret not in written
    his.hang_up()
