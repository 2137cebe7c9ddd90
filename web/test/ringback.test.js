// @ts-check
import assert from "node:assert/strict";
import { test } from "node:test";
import { EVERY_S, Ringback } from "../static/call/ringback.js";
import { ringbackOf } from "../static/call/model.js";
import { callInfo } from "../static/call/protocol.js";
import { FakeClock, settle } from "./support/fakes.js";

/** A sound device that counts what it is asked. */
function device(state = "running") {
  const counts = { tones: 0, closed: 0, gains: /** @type {any[]} */ ([]) };
  const parameter = () => ({ value: 0, setTargetAtTime() {}, setValueAtTime() {}, linearRampToValueAtTime() {} });
  const node = () => ({ gain: parameter(), frequency: parameter(), connect: (/** @type {any} */ next) => next, start: () => (counts.tones += 1), stop() {} });
  const context = {
    state, currentTime: 0, destination: {},
    createGain: () => {
      const made = node();
      counts.gains.push(made.gain);
      return made;
    },
    createOscillator: node,
    resume: () => new Promise(() => {}),
    close: async () => {
      counts.closed += 1;
    },
  };
  return { counts, create: () => /** @type {any} */ (context) };
}

test("a tone sounds every few seconds until it is answered, and frees the sound device", async () => {
  const { counts, create } = device();
  const clock = new FakeClock();
  const tone = new Ringback(create, clock);
  tone.follow(0);
  assert.equal(counts.tones, 0);
  tone.follow(80);
  tone.follow(80);
  assert.equal(counts.tones, 1);
  await clock.advance(EVERY_S * 1000);
  assert.equal(counts.tones, 2);
  const loud = counts.gains[0].value;
  tone.follow(40);
  assert.ok(counts.gains[0].value < loud);
  tone.follow(0);
  tone.follow(0);
  await clock.advance(60_000);
  assert.deepEqual([counts.tones, counts.closed, clock.pending], [2, 1, 0]);
});

test("where no sound may be made, none is", async () => {
  const clock = new FakeClock();
  const { counts, create } = device("suspended");
  const waiting = new Ringback(create, clock);
  waiting.follow(80);
  await settle();
  waiting.follow(0);
  await clock.advance(60_000);
  assert.deepEqual([counts.tones, clock.pending], [0, 0]);
  const none = new Ringback(() => {
    throw new Error("no device");
  }, clock);
  none.follow(80);
  none.follow(0);
  assert.equal(clock.pending, 0);
});

test("it is heard only while the other device rings, as loud as the program says", () => {
  const call = { progress: "ringing", ringVolume: 60 };
  assert.equal(ringbackOf({ phase: "waiting", call }), 60);
  assert.equal(ringbackOf({ phase: "waiting", call: { ...call, progress: "sent" } }), 0);
  assert.equal(ringbackOf({ phase: "connecting", call }), 0);
  // they have answered: our user is asked
  assert.equal(ringbackOf({ phase: "waiting", call: { ...call, consentWanted: "theirs" } }), 0);
  assert.equal(ringbackOf({ phase: "waiting", call: { progress: "ringing" } }), 0);
  assert.deepEqual([callInfo({ ringVolume: 60 }).ringVolume, callInfo({ ringVolume: "loud" }).ringVolume], [60, 0]);
});
