// @ts-check
import assert from "node:assert/strict";
import { test } from "node:test";
import { addressesOf } from "../static/call/protection.js";
import { diagnosticsOf, MAX_SAMPLES, Quality } from "../static/call/quality.js";
import { freshSnapshot } from "../static/call/snapshot.js";
import { readStats } from "../static/call/statistics.js";

/** @typedef {import("../static/call/quality.js").Reading} Reading */

const CALM = { isConnected: true, hasCamera: true, isLowData: false };

/**
 * @param {Partial<Reading["sent"]>} sent
 * @param {Partial<Reading["received"]>} [received]
 * @param {number | null} [roundTrip]
 * @returns {Reading}
 */
function reading(sent, received = {}, roundTrip = 0.02) {
  const none = {
    bytes: null, packets: null, lost: null, fraction: null, frames: null, width: 0, height: 0, jitter: null,
    bufferDelay: null, buffered: null, limitedBy: null,
  };
  return { roundTrip, sent: { ...none, ...sent }, received: { ...none, ...received } };
}

/**
 * @param {Quality} quality
 * @param {number} count
 * @param {(second: number) => Reading} make
 * @param {Partial<typeof CALM>} [circumstances]
 */
function run(quality, count, make, circumstances = {}) {
  let view = null;
  for (let i = 0; i < count; i++) {
    const second = clock++;
    view = quality.update(make(second), second * 1000, { ...CALM, ...circumstances });
  }
  return view ?? assert.fail("no reading");
}
let clock = 1;

test("rates are by the second and by direction; the first reading has none", () => {
  const quality = new Quality();
  assert.equal(quality.update(reading({ bytes: 500 }), 1000, CALM).series[0]?.sent.bitrate, null);
  const first = { bytes: 0, frames: 0, packets: 0, lost: 0, bufferDelay: 0, buffered: 0 };
  quality.update(reading({ bytes: 1000 }, first), 2000, CALM);
  const { series } = quality.update(
    reading(
      { bytes: 126_000, jitter: 0.01 },
      { bytes: 62_500, frames: 60, packets: 95, lost: 5, width: 640, height: 360, bufferDelay: 96, buffered: 960 },
      0.05,
    ),
    4000,
    CALM,
  );
  const last = series.at(-1) ?? assert.fail("no sample");
  assert.equal(last.roundTrip, 50);
  assert.equal(last.sent.bitrate, 500);
  assert.equal(last.sent.jitter, 10);
  assert.equal(last.received.bitrate, 250);
  assert.equal(last.received.frames, 30);
  assert.equal(last.received.loss, 5);
  assert.equal(last.received.buffer, 100);
  assert.deepEqual([last.received.width, last.received.height], [640, 360]);
});

test("a counter that starts again, a pause, and the same time twice are gaps, not rates", () => {
  const quality = new Quality();
  const at = (/** @type {number} */ time, /** @type {number} */ bytes) =>
    quality.update(reading({ bytes }), time, CALM).series.at(-1)?.sent.bitrate;
  at(1000, 1000);
  assert.equal(at(2000, 2000), 8);
  assert.equal(at(3000, 10), null);
  assert.equal(at(4000, 1010), 8);
  assert.equal(at(4000, 1020), null);
  assert.equal(at(60_000, 9_000_000), null);
  assert.equal(at(61_000, 9_001_000), 8);
});

test("a clock that was set back starts the plots again", () => {
  const quality = new Quality();
  quality.update(reading({}), 90_000, CALM);
  assert.equal(quality.update(reading({}), 10_000, CALM).series.length, 1);
});

test("packets that come late take nothing away; the other side's own word counts for what we send", () => {
  const quality = new Quality();
  quality.update(reading({ packets: 0, lost: 0 }, { packets: 0, lost: 10 }), 1000, CALM);
  const { series } = quality.update(reading({ packets: 50, lost: 9, fraction: 0.25 }, { packets: 50, lost: 4 }), 2000, CALM);
  assert.equal(series.at(-1)?.received.loss, 0);
  assert.equal(series.at(-1)?.sent.loss, 25);
  const silent = quality.update(reading({}, { packets: 50, lost: 4 }), 3000, CALM);
  assert.equal(silent.series.at(-1)?.received.loss, null);
});

test("five minutes are kept", () => {
  assert.equal(run(new Quality(), MAX_SAMPLES + 20, () => reading({})).series.length, MAX_SAMPLES);
});

test("bars fall after some bad seconds, not at one, and rise one by one", () => {
  const quality = new Quality();
  assert.equal(run(quality, 5, () => reading({})).bars, 4);
  assert.equal(run(quality, 1, () => reading({ fraction: 0.3 })).bars, 4);
  assert.equal(run(quality, 8, () => reading({})).bars, 4);
  const poor = run(quality, 8, () => reading({ fraction: 0.3 }));
  assert.equal(poor.bars, 1);
  assert.equal(poor.isPoor, true);
  const better = run(quality, 10, () => reading({}));
  assert.ok(better.bars > 1 && better.bars < 4, `${better.bars} bars`);
  assert.equal(run(quality, 20, () => reading({})).bars, 4);
});

test("bars that swing around a limit stay", () => {
  const quality = new Quality();
  run(quality, 4, () => reading({}));
  /** @type {Set<number>} */
  const seen = new Set();
  for (let i = 0; i < 60; i++) seen.add(run(quality, 1, () => reading({}, {}, i % 4 < 2 ? 0.2 : 0.32)).bars);
  assert.deepEqual([...seen], [4]);
});

test("an encoder that holds back costs a bar, and what costs none is not told", () => {
  const quality = new Quality();
  run(quality, 4, () => reading({}));
  const first = run(quality, 1, () => reading({ limitedBy: "bandwidth" }));
  assert.deepEqual([first.bars, first.limits], [4, []]);
  const later = run(quality, 4, () => reading({ limitedBy: "bandwidth" }));
  assert.deepEqual([later.bars, later.limits], [3, ["bandwidth"]]);
});

test("without a connection there are no bars", () => {
  const quality = new Quality();
  assert.equal(run(quality, 3, () => reading({}), { isConnected: false }).bars, 0);
  assert.equal(run(quality, 1, () => reading({})).bars, 4);
});

test("what limits a call, and what can be done", () => {
  /** @type {[Reading, Partial<typeof CALM>, string[], string][]} */
  const cases = [
    [reading({ fraction: 0.3 }), {}, ["loss-sent"], "low-data"],
    [reading({ fraction: 0.3 }), { isLowData: true }, ["loss-sent"], "camera-off"],
    [reading({ fraction: 0.3 }), { isLowData: true, hasCamera: false }, ["loss-sent"], "router"],
    [reading({ limitedBy: "bandwidth" }, {}, 2), {}, ["bandwidth", "round-trip"], "low-data"],
    [reading({ limitedBy: "cpu" }, { jitter: 0.3 }), {}, ["cpu", "jitter"], "camera-off"],
    [reading({}, {}, 2), {}, ["round-trip"], "router"],
    [reading({}, { fraction: 0.4 }), {}, ["loss-received"], "other-side"],
  ];
  for (const [each, circumstances, limits, advice] of cases) {
    const view = run(new Quality(), 10, () => each, circumstances);
    assert.deepEqual(view.limits, limits);
    assert.equal(view.advice, advice);
  }
  assert.equal(run(new Quality(), 10, () => reading({})).advice, null);
});

test("a reading is summed over the media; what an engine does not tell stays unknown", () => {
  const report = new Map(
    [
      { type: "outbound-rtp", kind: "audio", bytesSent: 100, packetsSent: 10 },
      { type: "outbound-rtp", kind: "video", bytesSent: 900, packetsSent: 20, framesEncoded: 7, frameWidth: 320, frameHeight: 180, qualityLimitationReason: "none" },
      { type: "outbound-rtp", kind: "video", bytesSent: 0, packetsSent: 0, frameWidth: 1280, frameHeight: 720, qualityLimitationReason: "cpu" },
      { type: "remote-inbound-rtp", kind: "audio", packetsLost: 2, roundTripTime: 0.1, jitter: 0.001 },
      { type: "remote-inbound-rtp", kind: "video", packetsLost: 1, roundTripTime: 0.3, jitter: 0.004 },
      { type: "inbound-rtp", kind: "audio", bytesReceived: 5, packetsReceived: 1, packetsLost: -1, jitter: "?", jitterBufferDelay: 3, jitterBufferEmittedCount: 30 },
      { type: "inbound-rtp", kind: "video", bytesReceived: 7 },
    ].map((stat, index) => [String(index), stat]),
  );
  const { roundTrip, sent, received } = readStats(report).reading;
  assert.equal(roundTrip, 0.3);
  assert.deepEqual(sent, {
    bytes: 1000, packets: 30, lost: 3, fraction: null, frames: 7, width: 1280, height: 720, jitter: 0.004,
    bufferDelay: null, buffered: null, limitedBy: "cpu",
  });
  assert.deepEqual(received, {
    bytes: 12, packets: 1, lost: -1, fraction: null, frames: null, width: 0, height: 0, jitter: null,
    bufferDelay: 3, buffered: 30, limitedBy: null,
  });
  assert.deepEqual(readStats(new Map()).reading, reading({}, {}, null));
});

test("the pair's own round trip stands in until the other side reports", () => {
  const report = new Map([["p", { type: "candidate-pair", state: "succeeded", nominated: true, currentRoundTripTime: 0.007 }]]);
  assert.equal(readStats(report).reading.roundTrip, 0.007);
});

test("diagnostics hold numbers and plain words, nothing that says who or where", () => {
  const quality = run(new Quality(), 3, () => reading({ bytes: 5 }));
  const SECRETS = ["Alice", "192.0.2.7", "headset of Bob", "a text", "device-id", "v=0"];
  const snapshot = {
    ...freshSnapshot(),
    quality,
    code: [1, 2, 3, 4],
    connectedAt: 1000,
    call: { contactName: "Alice" },
    messages: [{ id: "1", isOurs: true, text: "a text", at: 3 }],
    devices: /** @type {any} */ ({ microphones: [{ id: "device-id", label: "headset of Bob" }] }),
    description: { state: "v=0", description: "v=0" },
    protectionDetails: /** @type {any} */ ({
      scheme: "tracks",
      dropped: { failed: 1, replayed: 2 },
      localAddresses: [{ address: "192.0.2.7", kind: "host" }],
    }),
    // what may be added to the settings one day does not get in by itself
    settings: { ...freshSnapshot().settings, secret: "Alice" },
  };
  const written = JSON.stringify(diagnosticsOf(snapshot, 61_000, "Chromium 120"));
  for (const secret of SECRETS) assert.ok(!written.includes(secret), secret);
  const read = JSON.parse(written);
  assert.equal(read.seconds, 60);
  assert.equal(read.series.length, 3);
  assert.deepEqual(Object.keys(read), ["format", "savedAt", "seconds", "engine", "call", "frames", "settings", "quality", "series"]);
  assert.deepEqual(read.frames, { scheme: "tracks", dropped: { failed: 1, replayed: 2 } });
  assert.deepEqual(Object.keys(read.call), ["phase", "media", "path", "encrypted", "error"]);
  assert.deepEqual(diagnosticsOf(freshSnapshot(), 5, "").series, []);
});

test("addresses that a description shows, each once", () => {
  const sdp = [
    "a=candidate:1 1 udp 2122260223 192.0.2.7 50000 typ host generation 0",
    "a=candidate:1 1 udp 2122260223 192.0.2.7 50001 typ host generation 0",
    "a=candidate:2 1 udp 1686052607 198.51.100.3 50000 typ srflx raddr 192.0.2.7 rport 50000",
    "a=candidate:3 1 udp 41885439 203.0.113.9 61000 typ relay raddr 198.51.100.4 rport 50000",
    "a=candidate:4 1 udp 41885439 203.0.113.9 61000 typ relay raddr 0.0.0.0 rport 0",
    "a=candidate:5 1 udp 1 0f3c.local 5000 typ host",
    "a=candidate:broken",
    "a=candidate:6 1 udp 1 192.0.2.8 5000 typ unheard",
  ].join("\r\n");
  assert.deepEqual(addressesOf(sdp), [
    { address: "192.0.2.7", kind: "host" },
    { address: "198.51.100.3", kind: "srflx" },
    { address: "203.0.113.9", kind: "relay" },
    { address: "198.51.100.4", kind: "srflx" },
    { address: "", kind: "host" },
  ]);
  assert.deepEqual(addressesOf("v=0"), []);
});
