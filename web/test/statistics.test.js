// @ts-check
import assert from "node:assert/strict";
import { test } from "node:test";
import { PeerMedia, SILENCE_MS, readStats, selectedPair } from "../static/call/statistics.js";

/** @param {object[]} stats */
const report = (...stats) => new Map(stats.map((stat, index) => [/** @type {any} */ (stat).id ?? `s${index}`, stat]));

const PAIR = { id: "p", type: "candidate-pair", state: "succeeded", localCandidateId: "l", remoteCandidateId: "r" };
const TRANSPORT = { id: "t", type: "transport", selectedCandidatePairId: "p" };

test("video frames and audio packets are frames sent; an empty report counts nothing", () => {
  const stats = readStats(
    report(
      { type: "outbound-rtp", kind: "audio", packetsSent: 50 },
      { type: "outbound-rtp", kind: "video", framesSent: 30, framesEncoded: 31 },
      { type: "outbound-rtp", kind: "video", framesEncoded: 4 },
      { type: "inbound-rtp", kind: "audio", mid: "0", packetsReceived: 40, bytesReceived: 400 },
      { type: "inbound-rtp", kind: "video", mid: "1", framesDecoded: 20, frameWidth: 640, frameHeight: 360, bytesReceived: 900 },
      { type: "inbound-rtp", kind: "video", mid: "3", framesDecoded: 2, frameWidth: 1920, frameHeight: 1080, bytesReceived: 7 },
    ),
  );
  assert.equal(stats.framesSent, 84);
  assert.equal(stats.audioPacketsSent, 50);
  assert.equal(stats.audioPacketsReceived, 40);
  assert.equal(stats.framesDecoded, 22);
  assert.deepEqual([stats.width, stats.height], [640, 360]);
  assert.deepEqual(stats.bytesReceived, { mic: 400, camera: 900, screenVideo: 7 });
  assert.equal(stats.path, null);
  assert.equal(readStats(report()).framesSent, 0);
});

test("the path is relayed if either side's candidate is", () => {
  const local = (/** @type {string} */ candidateType) => ({ id: "l", type: "local-candidate", candidateType });
  const remote = (/** @type {string} */ candidateType) => ({ id: "r", type: "remote-candidate", candidateType });
  const path = (/** @type {string} */ a, /** @type {string} */ b) => readStats(report(PAIR, TRANSPORT, local(a), remote(b))).path;
  assert.equal(path("host", "srflx"), "direct");
  assert.equal(path("relay", "host"), "relay");
  assert.equal(path("host", "relay"), "relay");
});

test("Firefox has no transport entry, but marks the pair", () => {
  assert.equal(selectedPair(report({ ...PAIR, selected: true }))?.pair.id, "p");
  assert.equal(selectedPair(report(PAIR)), null);
});

test("a source is on with its first byte, and muted when no more come", () => {
  const media = new PeerMedia();
  assert.deepEqual(media.update({}, 0), []);
  assert.deepEqual(media.update({ mic: 0, camera: 10 }, 100), [{ source: "camera", enabled: true }]);
  assert.deepEqual(media.update({ mic: 5, camera: 20 }, 1100), [{ source: "mic", enabled: true }]);
  assert.deepEqual(media.update({ mic: 5, camera: 30 }, 2100), []);
  assert.deepEqual(media.update({ mic: 5, camera: 40 }, 1100 + SILENCE_MS.mic), [{ source: "mic", enabled: false }]);
  assert.deepEqual(media.sources, { mic: false, camera: true, screenAudio: false, screenVideo: false });
  assert.deepEqual(media.update({ mic: 6, camera: 40 }, 2500), [{ source: "mic", enabled: true }]);
});

test("a screen on which nothing moves is not taken for one that is gone", () => {
  const media = new PeerMedia();
  media.update({ screenVideo: 10, screenAudio: 10 }, 0);
  assert.deepEqual(media.update({ screenVideo: 10, screenAudio: 10 }, 2000), [{ source: "screenAudio", enabled: false }]);
  assert.deepEqual(media.update({ screenVideo: 10, screenAudio: 10 }, 3000), [{ source: "screenVideo", enabled: false }]);
});
