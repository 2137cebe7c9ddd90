// @ts-check
import assert from "node:assert/strict";
import { test } from "node:test";
import { INFER_MS, Monitor, sentOf, STATS_MS } from "../static/call/monitor.js";
import { readStats } from "../static/call/statistics.js";
import { FakeClock } from "./support/fakes.js";

const SECONDS = 20_000;

for (const [isExact, pause] of /** @type {const} */ ([[true, STATS_MS], [false, INFER_MS]])) {
  test(`${isExact ? "a peer that says what it mutes" : "another peer"} is looked at every ${pause} ms, Python told once a second`, async () => {
    const clock = new FakeClock();
    let looks = 0;
    let reports = 0;
    const connection = {
      stats: async () => {
        looks += 1;
        return { ...readStats(new Map()), framesDecoded: 1, connectionInfo: null };
      },
    };
    const monitor = new Monitor(clock, { connection, encryption: null, media: "video", isExact: () => isExact }, {
      stats: () => (reports += 1),
      reading: () => {},
      peerMedia: () => {},
      path: () => {},
      undecryptable: () => {},
    });
    await clock.advance(SECONDS);
    monitor.close();
    assert.ok(Math.abs(looks - SECONDS / pause) <= 1, String(looks));
    assert.ok(Math.abs(reports - SECONDS / STATS_MS) <= 1, String(reports));
  });
}

test("frames without a byte explain what was sent beyond the cipher, and no more", () => {
  assert.equal(sentOf(100, 99, 1), 99);
  // in pauses they are not even sent
  assert.equal(sentOf(97, 94, 90), 94);
  assert.equal(sentOf(3, 94, 90), 3);
  // one that went around the cipher is seen
  assert.equal(sentOf(100, 90, 1), 99);
});
