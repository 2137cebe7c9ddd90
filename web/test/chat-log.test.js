// @ts-check
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { test } from "node:test";
import { translator } from "../static/common/catalogue.js";
import { Dates } from "../static/chat/dates.js";
import * as log from "../static/chat/log-model.js";
import * as model from "../static/chat/model.js";
import { contactRows, networkWords, titleOf } from "../static/chat/present.js";
import { logEntries, segments } from "../static/chat/present-log.js";

const texts = JSON.parse(readFileSync(new URL("../../app/simplex_calls/locales/en/chat.json", import.meta.url), "utf8"));
const NOW = new Date(2026, 2, 10, 15, 0).getTime();
const words = { t: translator(texts), dates: new Dates("en-GB"), now: NOW };

/** @param {object} [changes] @returns {import("../static/chat/api.js").Contact} */
const contact = (changes) => ({
  id: 1, name: "Bob", fullName: "", status: "connected", isConnected: true, callsAllowed: true, callPermission: "both", isVerified: false, image: null, failure: null, unread: 0,
  createdAt: NOW - 1000, lastItem: null, ...changes,
});

/** @param {number} id @param {object} [changes] @returns {import("../static/chat/api.js").Item} */
const item = (id, changes) => ({
  id, contactId: 1, kind: "text", direction: "received", createdAt: NOW - 60_000, sentAt: null, delivery: null,
  failure: null, text: `text ${id}`, content: "text", ...changes,
});

const range = (/** @type {number} */ from, /** @type {number} */ to) => Array.from({ length: to - from }, (_, at) => item(from + at));

const begin = () =>
  model.opened(
    model.loaded(model.INITIAL, {
      profile: { displayName: "Alice", fullName: "", image: null, callsAllowed: true }, contacts: [contact(), contact({ id: 2, name: "Carol" })],
      requests: [], hasServers: true, calls: [], servers: [], mode: "browser",
    }),
    1,
  );

/** @param {model.State} state */
const shown = (state) => state.log.items.slice(state.log.start, state.log.end).map(({ id }) => id);

test("older pages come before what is there, and the page never holds more than its bound", () => {
  let state = log.historyCame(begin(), 1, range(951, 1001));
  assert.equal(state.log.hasOlder, true);
  for (let first = 951; first > 501; first -= 50) {
    const asking = log.asking(state);
    assert.ok(asking);
    assert.equal(log.asking(asking), null, "one request at a time");
    state = log.historyCame(asking, 1, range(first - 50, first));
  }
  assert.deepEqual(shown(state), range(501, 701).map(({ id }) => id));
  const down = log.later(state);
  assert.deepEqual([shown(down)[0], shown(down).at(-1)], [551, 750]);
  assert.deepEqual([shown(log.earlier(down))[0], shown(log.earlier(down)).length], [501, log.SHOWN]);
  const end = log.newest(state);
  assert.deepEqual([shown(end).length, shown(end).at(-1)], [log.PAGE, 1000]);
  // what comes while the user reads far above is kept, not shown
  const more = model.happened(state, { event: "item", item: item(1001) });
  assert.deepEqual(shown(more), shown(state));
  assert.equal(shown(log.newest(more)).at(-1), 1001);
});

test("a short page is the beginning; an answer for a conversation left behind is dropped", () => {
  const state = log.historyCame(begin(), 1, range(1, 4));
  assert.equal(log.asking(state), null);
  assert.equal(log.historyCame(model.opened(state, 2), 1, range(1, 4)).log.isLoaded, false);
});

test("an item that comes before the history's answer is there once", () => {
  const early = model.happened(begin(), { event: "item", item: item(3) });
  const state = log.historyCame(early, 1, range(1, 4));
  assert.deepEqual(shown(state), [1, 2, 3]);
  const changed = model.happened(state, { event: "item", item: item(2, { text: "", deleted: true }) });
  assert.equal(changed.log.items[1]?.deleted, true);
  const removed = model.happened(changed, { event: "item_removed", contactId: 1, itemId: 1 });
  assert.deepEqual(shown(removed), [2, 3]);
  assert.deepEqual(shown(model.happened(removed, { event: "history_cleared", contactId: 1 })), []);
});

test("what comes elsewhere, or behind a hidden page, is unread until it is seen", () => {
  let state = model.happened(begin(), { event: "item", item: item(1) });
  assert.equal(model.unreadCount(state), 0);
  state = model.happened(state, { event: "item", item: item(2, { contactId: 2 }) });
  state = model.happened(state, { event: "item", item: item(2, { contactId: 2, edited: true }) });
  state = model.happened(state, { event: "item", item: item(3, { contactId: 2, direction: "sent" }) });
  assert.deepEqual([...state.unread], [[2, 1]]);
  state = model.happened(model.visible(state, false), { event: "item", item: item(4) });
  assert.equal(titleOf(state, words.t), "(2) SimpleX Calls");
  assert.deepEqual([...model.visible(state, true).unread], [[2, 1]]);
  assert.deepEqual([...model.opened(model.visible(state, true), 2).unread], []);
});

test("the list tells of the last entry, the latest contact first", () => {
  let state = model.happened(begin(), { event: "item", item: item(5, { contactId: 2, kind: "call", media: "video", status: "missed" }) });
  state = model.happened(state, { event: "item", item: item(6, { direction: "sent", text: "a\n b", createdAt: NOW - 2 * 86_400_000 }) });
  const [first, second] = contactRows(state, words);
  assert.deepEqual([first?.name, first?.text, first?.tone, first?.icon, first?.unread], ["Carol", "Missed video call", "missed", "camera", 1]);
  assert.deepEqual([second?.text, second?.time], ["You: \u2068a b\u2069", "Sunday"]);
});

test("the log has days, groups of bubbles, delivery, calls and notices", () => {
  const items = [
    item(1, { createdAt: NOW - 86_400_000 }),
    item(2), item(3),
    item(4, { direction: "sent", delivery: "failed", failure: "queue gone" }),
    item(5, { kind: "call", media: "audio", status: "ended", duration: 75 }),
    item(6, { kind: "notice", notice: "messages-lost", count: 1 }),
    item(7, { text: "", deleted: true }),
  ];
  const entries = logEntries(log.historyCame(begin(), 1, items), words);
  assert.deepEqual(entries.map(({ kind }) => kind), ["day", "text", "day", "text", "text", "text", "call", "note", "text"]);
  const of = (/** @type {number} */ at) => /** @type {any} */ (entries[at]);
  assert.deepEqual([of(0).text, of(2).text], ["Yesterday", "Today"]);
  assert.deepEqual([of(3).isFirst, of(3).isLast, of(4).isFirst, of(4).isLast], [true, false, false, true]);
  assert.deepEqual([of(5).delivery.icon, of(5).failure], ["alert", "Not delivered: the contact has ended the connection"]);
  assert.deepEqual([of(6).title, of(6).tone, of(6).again], ["Incoming audio call", "answered", "Call back"]);
  assert.match(of(6).duration, /^1 min.* 15 sec/);
  assert.equal(words.t(of(7).id, of(7).names), "A message was lost on the way");
  assert.deepEqual(of(8).segments, [{ text: "This message was deleted" }]);
});

test("every status of a call has words, in both directions and media", () => {
  for (const status of ["ringing", "active", "ended", "declined", "no-answer", "cancelled", "missed", "busy", "failed"]) {
    for (const media of ["audio", "video"]) {
      for (const direction of ["sent", "received"]) assert.ok(texts[`chat.entry.${media}.${status}.${direction}`]);
    }
  }
});

test("a picture without words has some in the list", () => {
  const last = (/** @type {object} */ changes) =>
    contactRows(model.happened(begin(), { event: "item", item: item(1, changes) }), words).find(({ id }) => id === 1)?.text;
  for (const [content, name] of [["image", "Picture"], ["video", "Video"], ["voice", "Voice message"], ["file", "File"]]) {
    assert.equal(last({ content, text: "" }), name);
    assert.equal(last({ content, text: "look" }), "look");
  }
  assert.ok(last({ content: "other", text: "" }));
});

test("pictures come with their preview, and words that say what it is", () => {
  const preview = "data:image/jpeg;base64,AAAA";
  const items = [
    item(1, { content: "image", preview }),
    item(2, { content: "image" }),
    item(3, { content: "video", preview }),
    item(4, { content: "image", preview, deleted: true, text: "" }),
  ];
  const entries = /** @type {any[]} */ (logEntries(log.historyCame(begin(), 1, items), words)).slice(1);
  assert.deepEqual(entries.map((entry) => entry.preview), [preview, null, preview, null]);
  assert.equal(entries[0].fileAlone, entries[1].file);
  assert.deepEqual(entries.map(({ file }) => file), [
    "A preview. The picture itself cannot be fetched here.",
    "A picture was sent. It cannot be shown here.",
    "A preview. The video cannot be played here.",
    "",
  ]);
});

test("only web addresses become links, without what closes the sentence", () => {
  assert.deepEqual(segments("see (https://a.example/b?c=1)."), [
    { text: "see (" }, { text: "https://a.example/b?c=1", href: "https://a.example/b?c=1" }, { text: ")." },
  ]);
  for (const text of ["javascript:alert(1)", "https://", "file:///etc", "", "a\u202ehttps"]) {
    assert.deepEqual(segments(text), [{ text }]);
  }
});

test("servers that are lost are told of", () => {
  const state = model.happened(begin(), { event: "server", server: "a", isConnected: true });
  assert.equal(networkWords(state, words.t), "");
  assert.match(networkWords(model.happened(state, { event: "server", server: "a", isConnected: false }), words.t), /not connected/);
});
