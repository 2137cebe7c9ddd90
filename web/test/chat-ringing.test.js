// @ts-check
import assert from "node:assert/strict";
import { test } from "node:test";
import { answerOf } from "../static/chat/answer-keys.js";
import { INITIAL, happened, loaded, missedCount, opened } from "../static/chat/model.js";
import { bannerWords, ringingCard, titleOf } from "../static/chat/present.js";

/** @type {any} */
const BOB = { id: 1, name: "Bob", status: "connected", isConnected: true, unread: 0, missedCalls: 0, createdAt: 1, lastItem: null };
/** @type {any} */
const RINGING = { id: "c", contactId: 1, contactName: "Bob", media: "video", direction: "incoming", state: "ringing", isActive: false, startedAt: 1 };
const t = (/** @type {string} */ id, /** @type {Record<string, any>} */ values = {}) => [id, ...Object.values(values)].join(" ");

/** @param {any} snapshot */
const stateOf = (snapshot) => loaded(INITIAL, { profile: null, contacts: [BOB], requests: [], hasServers: true, calls: [], servers: [], isIpExposureConfirmed: true, mode: "window", ...snapshot });

const key = (/** @type {string} */ name, /** @type {object} */ more = {}) => ({ key: name, shiftKey: false, ctrlKey: false, altKey: false, metaKey: false, repeat: false, ...more });

test("a call is answered by keys, but not while one types or holds a key down", () => {
  const answers = ["a", "A", "o", "d", "x", "Enter"].map((name) => answerOf(key(name), { isTyping: false }));
  assert.deepEqual(answers, ["accept", "accept", "audio", "reject", null, null]);
  assert.equal(answerOf(key("a"), { isTyping: true }), null);
  for (const more of [{ ctrlKey: true }, { altKey: true }, { metaKey: true }, { shiftKey: true }, { repeat: true }]) {
    assert.equal(answerOf(key("d", more), { isTyping: false }), null);
  }
});

test("a video call is accepted with video or with audio only, an audio call with audio", () => {
  const video = ringingCard(RINGING, stateOf({}), t);
  assert.deepEqual([video.note, video.accept.label, video.accept.icon, video.audioOnly?.label], ["", "chat.incoming.accept.video", "camera", "chat.incoming.accept.audio-only"]);
  const audio = ringingCard({ ...RINGING, media: "audio" }, stateOf({}), t);
  assert.deepEqual([audio.accept.label, audio.accept.icon, audio.audioOnly], ["chat.incoming.accept.audio", "phone", null]);
});

test("where calls of a contact are taken with audio only, the card says so and offers no video", () => {
  const state = stateOf({ contacts: [{ ...BOB, audioOnly: true }] });
  const card = ringingCard(RINGING, state, t);
  assert.deepEqual([card.note, card.accept.label, card.audioOnly], ["chat.incoming.audio-only.always", "chat.incoming.accept.audio", null]);
  // an audio call is as it is
  assert.equal(ringingCard({ ...RINGING, media: "audio" }, state, t).note, "");
});

test("in a call, accepting says that it hangs up", () => {
  const active = { ...RINGING, id: "b", state: "connected", isActive: true };
  const card = ringingCard(RINGING, stateOf({ calls: [active, RINGING] }), t);
  assert.deepEqual([card.accept.text, card.accept.label, card.note], ["chat.incoming.accept.engaged", "chat.incoming.accept.engaged.video", "chat.incoming.engaged"]);
});

test("the banner says that it rings once the other device has the call", () => {
  const words = (/** @type {any} */ call) => bannerWords({ ...RINGING, direction: "outgoing", ...call }, t);
  assert.equal(words({ state: "calling", progress: "none" }), "chat.banner.calling");
  assert.equal(words({ state: "calling", progress: "sent" }), "chat.banner.calling");
  assert.equal(words({ state: "calling", progress: "ringing" }), "chat.banner.ringing");
  assert.equal(words({ state: "connecting", progress: "ringing" }), "chat.banner.connecting");
});

test("missed calls are counted until their conversation is read", () => {
  const missed = { ...BOB, unread: 3, missedCalls: 2 };
  const state = stateOf({ contacts: [missed, { ...BOB, id: 2, unread: 1, missedCalls: 1 }] });
  assert.equal(missedCount(state), 3);
  assert.equal(titleOf(state, t), "chat.title.missed 4 chat.contact.missed 3");
  const read = opened(state, 1);
  assert.equal(missedCount(read), 1);
  assert.equal(titleOf(read, t), "chat.title.missed 1 chat.contact.missed.one");
  assert.equal(missedCount(happened(read, { event: "contact", contact: { ...BOB, id: 2 } })), 0);
  assert.equal(titleOf(stateOf({ calls: [RINGING], contacts: [missed] }), t), "chat.title.ringing Bob");
});
