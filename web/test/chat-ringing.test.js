// @ts-check
import assert from "node:assert/strict";
import { test } from "node:test";
import { answerOf } from "../static/chat/answer-keys.js";
import { loudness } from "../static/common/loudness.js";
import { Ringtone } from "../static/chat/ringtone.js";
import { FakeClock } from "./support/fakes.js";
import { detailsPanel } from "../static/chat/present-details.js";
import { INITIAL, happened, loaded, missedCount, opened } from "../static/chat/model.js";
import { logEntries } from "../static/chat/present-log.js";
import { historyCame } from "../static/chat/log-model.js";
import { bannerWords, quietWords, ringingCard, titleOf } from "../static/chat/present.js";

/** @type {any} */
const BOB = { id: 1, name: "Bob", status: "connected", isConnected: true, unread: 0, missedCalls: 0, createdAt: 1, lastItem: null };
/** @type {any} */
const RINGING = { id: "c", contactId: 1, contactName: "Bob", media: "video", direction: "incoming", state: "ringing", isActive: false, startedAt: 1 };
const t = (/** @type {string} */ id, /** @type {Record<string, any>} */ values = {}) => [id, ...Object.values(values)].join(" ");

/** @param {any} snapshot */
const stateOf = (snapshot) => loaded(INITIAL, { profile: null, contacts: [BOB], requests: [], hasServers: true, calls: [], servers: [], mode: "window", ...snapshot });

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
  assert.equal(words({ state: "connecting", progress: "ringing", consentWanted: "theirs" }), "chat.banner.asking");
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

test("what keeps calls from being heard is said, with what ends it", () => {
  const calling = { ringVolume: 80, isSilent: false, doNotDisturb: false, preview: false };
  assert.equal(quietWords(calling, t), null);
  assert.deepEqual(quietWords({ ...calling, isSilent: true }, t)?.ends, { isSilent: false });
  const both = quietWords({ ...calling, isSilent: true, doNotDisturb: true }, t);
  assert.deepEqual([both?.text, both?.ends], ["chat.quiet.undisturbed", { doNotDisturb: false }]);
});

test("what a contact is told of the wish for their calls", () => {
  const told = (/** @type {object} */ contact, /** @type {boolean | null} */ ownCallsAllowed) => {
    const panel = detailsPanel({ ...BOB, callPermission: "both", ...contact }, /** @type {any} */ ({ ownCallsAllowed, receivingServers: [], route: { choice: null } }), "", t);
    return [panel.calls, panel.callsTold.split(".").at(-1)];
  };
  assert.deepEqual(told({}, null), ["profile", "profile"]);
  assert.deepEqual(told({}, true), ["yes", "yes"]);
  assert.deepEqual(told({ audioOnly: true }, null), ["audio", "audio"]);
  assert.deepEqual(told({ audioOnly: true }, false), ["no", "no"]);
});

test("the volume goes from silence to full in steps that the ear finds equal", () => {
  assert.equal(loudness(0), 0);
  assert.ok(Math.abs(loudness(50) - loudness(100) / 4) < 1e-12);
  assert.equal(loudness(1000), loudness(100));
});

test("a ringtone is tried once, goes on when it rings in earnest, and follows the volume", async () => {
  const gains = /** @type {any[]} */ ([]);
  const parameter = () => ({ value: 0, setTargetAtTime() {}, setValueAtTime() {}, linearRampToValueAtTime() {}, exponentialRampToValueAtTime() {} });
  const node = () => ({ gain: parameter(), frequency: parameter(), connect: (/** @type {any} */ next) => next, disconnect() {}, start() {}, stop() {} });
  const context = {
    currentTime: 0, state: "running", destination: {},
    createGain: () => {
      const made = node();
      gains.push(made);
      return made;
    },
    createOscillator: node,
  };
  const clock = new FakeClock();
  const tone = new Ringtone(() => /** @type {any} */ (context), clock);
  tone.try(50);
  assert.equal(gains[0].gain.value, loudness(50));
  const made = gains.length;
  tone.start(80);
  assert.equal(gains[0].gain.value, loudness(80));
  await clock.advance(2900);
  // it goes on: a second bar was written
  assert.ok(gains.length > made);
  tone.stop();
  await clock.advance(10_000);
  assert.equal(clock.pending, 0);
  tone.try(50);
  await clock.advance(10_000);
  assert.equal(clock.pending, 0);
});

test("the entry of our call says that it rings there, and that it was not reached", () => {
  const titles = (/** @type {any} */ item, /** @type {any[]} */ calls) => {
    const made = { id: 7, contactId: 1, kind: "call", media: "video", direction: "sent", createdAt: 1, sentAt: null, delivery: null, failure: null, ...item };
    const state = historyCame(opened(stateOf({ calls }), 1), 1, [made]);
    const words = /** @type {any} */ ({ t, now: 1, dates: { day: () => "", time: () => "", duration: () => "" } });
    return logEntries(state, words).flatMap((entry) => (entry.kind === "call" ? [entry.title] : []));
  };
  const call = { ...RINGING, direction: "outgoing", state: "calling", itemId: 7, isActive: true };
  assert.deepEqual(titles({ status: "ringing" }, [{ ...call, progress: "sent" }]), ["chat.entry.video.ringing.sent"]);
  assert.deepEqual(titles({ status: "ringing" }, [{ ...call, progress: "ringing" }]), ["chat.entry.rings"]);
  assert.deepEqual(titles({ status: "active" }, [{ ...call, progress: "ringing" }]), ["chat.entry.video.active.sent"]);
  assert.deepEqual(titles({ status: "unreachable" }, []), ["chat.entry.video.unreachable.sent"]);
});
