"""Calls between people in ordinary browsers: from the click on the camera to the entry in the history."""

from __future__ import annotations

import re

from playwright.sync_api import expect

from e2e.people import People


def test_texts_go_both_ways(people: People) -> None:
    people.alice.write(people.bob, "Hello Bob")
    expect(people.bob.entries(people.alice).last).to_contain_text("Hello Bob")
    people.bob.write(people.alice, "<b>Hello</b> Alice")
    expect(people.alice.entries(people.bob).last).to_contain_text("<b>Hello</b> Alice")
    expect(people.alice.entries(people.bob).nth(-2).get_by_role("img", name="Sent")).to_be_visible()


def test_video_call(people: People) -> None:
    hers, his = people.talk("video")
    hers.expect_media(video=True)
    his.expect_media(video=True)
    his.hang_up()
    for page in (hers, his):
        page.expect_over(re.compile(r"Call ended after \d:\d\d"))
