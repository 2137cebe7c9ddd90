"""The background of one's own camera, blurred, as the other sees it."""

from __future__ import annotations

from playwright.sync_api import Page, expect

from e2e.people import People

SHARPNESS = """() => {
  const video = document.getElementById("remote-video");
  if (!video.videoWidth) return null;
  const [width, height] = [320, 180];
  const context = new OffscreenCanvas(width, height).getContext("2d");
  context.drawImage(video, 0, 0, width, height);
  const { data } = context.getImageData(0, 0, width, height / 4);
  let steps = 0;
  for (let at = 4; at < data.length; at += 4) steps = Math.max(steps, Math.abs(data[at + 1] - data[at - 3]));
  return steps;
}"""
"""The hardest edge in the upper part of the picture that arrives, `null` while there is none: there the test camera has
letters, and nothing that could be taken for a person."""


def _wait_for_sharpness(page: Page, condition: str) -> None:
    page.wait_for_function(
        f"() => {{ const sharpness = ({SHARPNESS})(); return sharpness !== null && {condition}; }}", polling=100
    )


def test_what_is_sent_is_blurred_until_it_is_switched_off(people: People) -> None:
    hers, his = people.talk("video")
    _wait_for_sharpness(his.page, "sharpness > 70")
    hers.page.keyboard.press(",")
    switch = hers.page.get_by_role("checkbox", name="Blur what is behind you")
    with hers.page.expect_worker(lambda worker: worker.url.endswith("blur-worker.js")):
        switch.check()
    _wait_for_sharpness(his.page, "sharpness < 40")
    # the model is there: its program may run where the page's own policy forbids it
    expect(hers.page.locator("#settings").get_by_text("Until then all of your picture is blurred.")).to_be_hidden()
    expect(hers.page.locator("#settings [role=status]")).not_to_contain_text("failed")
    people.alice.picture("blur-settings", hers.page)
    hers.page.keyboard.press("Escape")
    people.alice.picture("blur-own", hers.page)
    people.bob.picture("blur-seen", his.page)
    hers.page.keyboard.press(",")
    switch.uncheck()
    _wait_for_sharpness(his.page, "sharpness > 70")
