// @ts-check
import assert from "node:assert/strict";
import { test } from "node:test";
import { CallTabs, WAIT_MS } from "../static/chat/call-tabs.js";
import { FakeClock } from "./support/fakes.js";

/** Tabs of a browser that opens them only in answer to a click. */
function bench() {
  const clock = new FakeClock();
  const state = { isClicked: false };
  /** @type {any[]} */
  const opened = [];
  const open = () => {
    if (!state.isClicked) return null;
    /** @type {any} */
    const tab = { closed: false, url: "", close: () => (tab.closed = true), focus() {} };
    tab.location = { replace: (/** @type {string} */ url) => (tab.url = url) };
    opened.push(tab);
    return tab;
  };
  const tabs = new CallTabs(open, clock);
  const click = (/** @type {() => void} */ act) => {
    state.isClicked = true;
    act();
    state.isClicked = false;
  };
  return { tabs, clock, opened, click };
}

test("a click's tab goes to the call's address, and away again if there comes none", async () => {
  const { tabs, clock, opened, click } = bench();
  click(() => tabs.prepare());
  assert.equal(tabs.show("a", "/open/a"), true);
  assert.equal(opened[0].url, "/open/a");
  assert.equal(tabs.focus("a"), true);
  click(() => tabs.prepare());
  await clock.advance(WAIT_MS);
  assert.equal(opened[1].closed, true);
  assert.equal(tabs.show("b", "/open/b"), false);
});

test("a call accepted on the page of the call before takes that page's tab", () => {
  const { tabs, opened, click } = bench();
  click(() => tabs.prepare());
  tabs.show("a", "/open/a");
  assert.equal(tabs.show("b", "/open/b"), false, "the call before is not over yet");
  tabs.forget("a");
  assert.equal(tabs.show("b", "/open/b"), true);
  assert.deepEqual([opened.length, opened[0].url, tabs.focus("b"), tabs.focus("a")], [1, "/open/b", true, false]);
  tabs.forget("b");
  opened[0].closed = true;
  assert.equal(tabs.show("c", "/open/c"), false, "nobody looks at a closed tab");
});

test("a click here opens a new tab, whatever is left of an earlier call", () => {
  const { tabs, opened, click } = bench();
  click(() => tabs.prepare());
  tabs.show("a", "/open/a");
  tabs.forget("a");
  click(() => tabs.prepare());
  tabs.show("b", "/open/b");
  assert.deepEqual(opened.map(({ url }) => url), ["/open/a", "/open/b"]);
  tabs.forget("b");
  assert.equal(tabs.show("c", "/open/c"), true);
  assert.equal(opened[1].url, "/open/c");
});
