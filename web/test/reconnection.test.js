// @ts-check
import assert from "node:assert/strict";
import { test } from "node:test";
import {
  DISCONNECTED_MS,
  fingerprintsOf,
  GAP_MS,
  LOST_MS,
  MAX_GAP_MS,
  Reconnection,
  SETTLE_MS,
  VIDEO_BACK_MS,
} from "../static/call/reconnection.js";
import { FakeClock } from "./support/fakes.js";

/** @param {{isOffering?: boolean, canRestart?: boolean}} [options] */
function watched({ isOffering = true, canRestart = true } = {}) {
  const clock = new FakeClock();
  /** @type {string[]} */
  const happened = [];
  const reconnection = new Reconnection(
    clock,
    { isOffering, canRestart },
    {
      offer: (number) => happened.push(`offer ${number}`),
      ask: (number) => happened.push(`ask ${number}`),
      video: (isPaused) => happened.push(isPaused ? "pause" : "video"),
      lost: () => happened.push("lost"),
    },
  );
  reconnection.back();
  return { clock, happened, reconnection };
}

test("what comes back by itself within two seconds needs no new way; sound is back first, pictures a second later", async () => {
  const { clock, happened, reconnection } = watched();
  reconnection.away(false);
  await clock.advance(DISCONNECTED_MS - 1);
  reconnection.back();
  await clock.advance(VIDEO_BACK_MS - 1);
  assert.deepEqual(happened, ["pause"]);
  await clock.advance(LOST_MS);
  assert.deepEqual(happened, ["pause", "video"]);
  assert.equal(clock.pending, 0);
});

test("a way that has failed is replaced at once, again and again, less and less often, for a minute", async () => {
  const { clock, happened, reconnection } = watched();
  reconnection.away(false);
  reconnection.away(true);
  await clock.advance(0);
  assert.deepEqual(happened, ["pause", "offer 1"]);
  reconnection.away(true);
  await clock.advance(GAP_MS - 1);
  assert.equal(happened.at(-1), "offer 1");
  await clock.advance(1);
  assert.equal(happened.at(-1), "offer 2");
  await clock.advance(MAX_GAP_MS - 1);
  assert.equal(happened.at(-1), "offer 2");
  await clock.advance(1);
  assert.equal(happened.at(-1), "offer 3");
  await clock.advance(LOST_MS);
  assert.equal(happened.at(-1), "lost");
  assert.equal(happened.filter((one) => one === "lost").length, 1);
  assert.ok(happened.length <= 10);
});

test("a side that cannot have a new way waits for the old one", async () => {
  const { clock, happened, reconnection } = watched({ canRestart: false });
  reconnection.networkChanged();
  reconnection.away(true);
  await clock.advance(LOST_MS);
  assert.deepEqual(happened, ["pause", "lost"]);
});

test("another network is a reason before anything is lost, once for all of its steps, and not before the call stands", async () => {
  const { clock, happened, reconnection } = watched();
  reconnection.networkChanged();
  await clock.advance(SETTLE_MS - 1);
  reconnection.networkChanged();
  await clock.advance(LOST_MS);
  assert.deepEqual(happened, ["offer 1"]);
  const early = new Reconnection(clock, { isOffering: true, canRestart: true }, /** @type {any} */ ({}));
  early.networkChanged();
  assert.equal(clock.pending, 0);
});

test("the other side asks, and says what it has had; a newer offer on its way answers it", async () => {
  const { clock, happened, reconnection } = watched();
  reconnection.asked(0);
  await clock.advance(0);
  assert.deepEqual(happened, ["offer 1"]);
  reconnection.asked(0);
  for (const odd of [undefined, "1", 7]) reconnection.asked(odd);
  assert.equal(clock.pending, 0);
  assert.equal(reconnection.isNewest(1), true);
  assert.equal(reconnection.isNewest(0), false);
  assert.equal(reconnection.offered(2), false, "who offers takes no offers");
});

test("who answers asks, and takes only offers that are newer", async () => {
  const { clock, happened, reconnection } = watched({ isOffering: false });
  reconnection.away(true);
  await clock.advance(0);
  assert.deepEqual(happened, ["pause", "ask 0"]);
  assert.equal(reconnection.offered(2), true);
  assert.deepEqual([1, 2, "3", undefined, NaN].map((number) => reconnection.offered(number)), Array(5).fill(false));
  reconnection.asked(2);
  await clock.advance(MAX_GAP_MS - 1);
  assert.equal(happened.at(-1), "ask 0");
  await clock.advance(1);
  assert.equal(happened.at(-1), "ask 2");
  reconnection.close();
  assert.equal(clock.pending, 0);
  assert.equal(reconnection.offered(9), false);
});

test("certificates are compared as a set, whatever their order", () => {
  const sdp = "v=0\r\na=fingerprint:sha-256 AA:01\r\nm=audio\r\na=fingerprint:sha-256 aa:01\r\n";
  assert.equal(fingerprintsOf(sdp), "sha-256 aa:01");
  assert.notEqual(fingerprintsOf(sdp), fingerprintsOf(`${sdp}a=fingerprint:sha-256 BB:02\r\n`));
  assert.equal(fingerprintsOf(""), "");
});
