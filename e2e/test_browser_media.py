"""What goes on in a call: screens, the in-call channel, devices that go."""

from __future__ import annotations

from playwright.sync_api import Page, expect

from e2e.people import CallPage, People

WATCH_MUTED = """() => new Promise((resolve) => {
  const muted = document.getElementById("peer-muted");
  new MutationObserver((_, observer) => {
    observer.disconnect();
    resolve(Date.now());
  }).observe(muted, { attributes: true, attributeFilter: ["hidden"] });
})"""

PRESS_MUTE = "() => { const at = Date.now(); document.getElementById('mic').click(); return at; }"


def test_mute_is_seen_at_once(people: People) -> None:
    hers, his = people.talk("audio")
    times = []
    for is_muted in (True, False, True):
        # started first, so that nothing is missed; its answer is asked for later
        his.page.evaluate(f"() => {{ globalThis.seen = ({WATCH_MUTED})(); }}")
        pressed = hers.page.evaluate(
            "() => { const at = Date.now(); document.getElementById('mic').click(); return at; }"
        )
        times.append(his.page.evaluate("() => globalThis.seen") - pressed)
        expect(his.peer_muted).to_be_visible(visible=is_muted)
    # what is inferred takes two seconds and more
    assert max(times) < 1000, times
    print("mute seen after", times, "ms")


def test_a_screen_is_shared(people: People) -> None:
    hers, his = people.talk("audio")
    screen = his.page.locator("#remote-screen")
    hers.page.get_by_role("button", name="Share screen").click()
    expect(screen).to_be_visible()
    _expect_pictures(his.page)
    his.wait_for_report(lambda stats: stats["framesFailed"] == 0 and stats["videoFramesDecrypted"] > 0)
    hers.page.keyboard.press("s")
    expect(screen).to_be_hidden()
    expect(hers.page.get_by_role("button", name="Share screen")).to_be_visible()
    hers.expect_media(video=False)


def test_a_microphone_that_is_pulled_out(people: People) -> None:
    hers, his = people.talk("audio")
    hers.page.evaluate("e2e.pull('audio', { others: true })")
    expect(hers.notice).to_contain_text("Another one is used")
    his.expect_media(video=False)
    hers.page.evaluate("e2e.pull('audio', { others: false })")
    expect(hers.notice).to_contain_text("you cannot be heard")
    expect(his.peer_muted).to_have_text("Alice is muted")
    _expect_unmuted_again(hers, his)


def _expect_unmuted_again(hers: CallPage, his: CallPage) -> None:
    hers.mic.click()
    expect(his.peer_muted).to_be_hidden()


def _expect_pictures(page: Page) -> None:
    before = page.evaluate("document.getElementById('remote-screen').currentTime")
    page.wait_for_function(
        "before => document.getElementById('remote-screen').currentTime > before", arg=before, polling=100
    )
