// @ts-check
import assert from "node:assert/strict";
import { test } from "node:test";
import { ATTACK_MS, HOLD_MS, LEVEL_MS, MUTED_MS, noVoices, Speech, SpeechWatch, Voice } from "../static/call/levels.js";
import { FakeClock } from "./support/fakes.js";

const LOUD = 0.1;

/**
 * Feeds a voice.
 *
 * @param {Voice} voice
 * @param {number} from
 * @param {number} to
 * @param {number | null} level
 */
function feed(voice, from, to, level) {
  let isSpeaking = false;
  for (let now = from; now <= to; now += 50) isSpeaking = voice.update(level, now);
  return isSpeaking;
}

test("speech lasts; a click does not", () => {
  const voice = new Voice();
  assert.equal(voice.update(LOUD, 0), false);
  assert.equal(voice.update(0, 50), false);
  assert.equal(feed(voice, 100, 1000, 0), false);
  assert.equal(feed(voice, 1050, 1050 + ATTACK_MS, LOUD), true);
});

test("between words somebody still speaks; after a while no more", () => {
  const voice = new Voice();
  feed(voice, 0, 1000, LOUD);
  assert.equal(feed(voice, 1050, 1000 + HOLD_MS - 50, 0), true);
  assert.equal(voice.update(0, 1000 + HOLD_MS), false);
  assert.equal(voice.duration(5000), 0);
});

test("a level that is not known is silence, and a hum is none", () => {
  assert.equal(feed(new Voice(), 0, 2000, null), false);
  assert.equal(feed(new Voice(), 0, 2000, 0.005), false);
});

test("what is said while muted is heard by nobody, and told when it lasts", () => {
  const speech = new Speech();
  /** @type {import("../static/call/levels.js").Voices} */
  let voices = noVoices();
  for (let now = 0; now < MUTED_MS; now += 100) voices = speech.update({ self: LOUD, peer: null }, true, now);
  assert.deepEqual(voices, noVoices());
  voices = speech.update({ self: LOUD, peer: null }, true, MUTED_MS);
  assert.deepEqual(voices, { speaking: { self: false, peer: false }, isTalkingWhileMuted: true });
  voices = speech.update({ self: LOUD, peer: null }, false, MUTED_MS + 100);
  assert.deepEqual(voices, { speaking: { self: true, peer: false }, isTalkingWhileMuted: false });
});

test("both may speak", () => {
  const speech = new Speech();
  speech.update({ self: LOUD, peer: LOUD }, false, 0);
  assert.deepEqual(speech.update({ self: LOUD, peer: LOUD }, false, ATTACK_MS).speaking, { self: true, peer: true });
});

test("only what is different is told, and nothing after the end", async () => {
  const clock = new FakeClock();
  let level = 0;
  /** @type {object[]} */
  const told = [];
  const watch = new SpeechWatch(clock, () => ({ self: level, peer: null, isMuted: false }), (voices) => told.push(voices));
  await clock.advance(1000);
  assert.deepEqual(told, []);
  level = LOUD;
  await clock.advance(1000);
  assert.deepEqual(told, [{ speaking: { self: true, peer: false }, isTalkingWhileMuted: false }]);
  level = 0;
  await clock.advance(HOLD_MS + LEVEL_MS);
  assert.equal(told.length, 2);
  watch.close();
  assert.equal(clock.pending, 0);
});
