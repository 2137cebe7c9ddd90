// @ts-check
/** Which scheme frames are encrypted by, and when its keys are there. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { Bench, KEY, pack } from "./support/bench.js";
import { settle } from "./support/fakes.js";

const HERS = "\r\na=fingerprint:sha-256 AA:AA";
const HIS = "\r\na=fingerprint:sha-256 bb:bb";
const TRANSCRIPT = Buffer.alloc(32, 7).toString("base64");
const AGREED = { aesKey: KEY, features: ["channel", "frames2"], transcript: TRANSCRIPT };
const EXPECTED = { transcript: new Uint8Array(32).fill(7), offering: "sha-256 AA:AA", answering: "sha-256 BB:BB" };
const answer = { type: "answer", answer: pack({ type: "answer", sdp: `4${HIS}` }), iceCandidates: pack([]) };
const offer = (/** @type {object} */ more) => ({ offer: pack({ type: "offer", sdp: `4${HERS}` }), ...AGREED, ...more });

/** @param {Bench} bench */
const keys = (bench) => bench.workers.flatMap(({ messages }) => messages.filter(({ type }) => type === "key"));

/** @param {string} fingerprint */
function page(fingerprint) {
  const bench = new Bench();
  bench.fingerprint = fingerprint;
  return bench;
}

test("the offering side: keys of tracks come with the answer, and nothing is sent before", async () => {
  const bench = page(HERS);
  await bench.start(AGREED);
  assert.deepEqual(keys(bench), []);
  assert.deepEqual(bench.sent(), [null, null, null, null]);
  await bench.command(answer);
  const [{ key, tracks }] = keys(bench);
  assert.deepEqual([...key], Array(32).fill(1));
  assert.deepEqual(tracks, { ...EXPECTED, role: "offer" });
  assert.deepEqual(bench.sent(), ["audio", "video", null, null]);
  bench.connection.become("connected");
  await settle();
  assert.equal(bench.shot.protectionDetails?.scheme, "tracks");
});

test("the answering side: the same, with its answer", async () => {
  const bench = page(HIS);
  await bench.capabilities();
  await bench.offer(offer({}));
  assert.deepEqual(keys(bench)[0].tracks, { ...EXPECTED, role: "answer" });
  assert.deepEqual(bench.sent(), ["audio", "video", null, null]);
  assert.equal(bench.connection.channels.length, 1);
});

test("what was prepared while it rang goes on with keys of tracks, on both sides", async () => {
  const called = page(HERS);
  await called.command({ type: "prepare", media: "video", iceServers: [], ...AGREED });
  await called.start(AGREED);
  await called.command(answer);
  assert.equal(called.connections.length, 1);
  assert.deepEqual(keys(called)[0].tracks.role, "offer");
  const caller = page(HIS);
  await caller.capabilities({ iceServers: [] });
  await caller.offer(offer({ iceServers: [] }));
  assert.equal(caller.connections.length, 1);
  assert.deepEqual(keys(caller)[0].tracks, { ...EXPECTED, role: "answer" });
});

test("where the key comes with the answer, so does the scheme", async () => {
  for (const [features, scheme] of /** @type {[string[], string][]} */ ([[["frames2"], "tracks"], [["channel"], "frames"]])) {
    const bench = page(HERS);
    await bench.start({ aesKey: undefined, keyLater: true });
    assert.deepEqual(keys(bench), []);
    await bench.command({ ...answer, ...AGREED, features });
    assert.equal(keys(bench).length, 1);
    assert.equal(keys(bench)[0].tracks?.role, scheme === "tracks" ? "offer" : undefined);
    bench.connection.become("connected");
    await settle();
    assert.equal(bench.shot.protectionDetails?.scheme, scheme);
  }
});

test("towards an app that does not know of it: the official scheme, whose key is there at once", async () => {
  const bench = page(HERS);
  await bench.start({ features: ["channel", "code"] });
  assert.equal(keys(bench)[0].tracks, undefined);
  assert.deepEqual(bench.sent(), ["audio", "video", null, null]);
  await bench.command(answer);
  assert.equal(keys(bench).length, 1);
  bench.connection.become("connected");
  await settle();
  assert.equal(bench.shot.protectionDetails?.scheme, "frames");
});

test("without a fingerprint or a transcript there is no call by keys of tracks", async () => {
  const bench = page("");
  await bench.start(AGREED);
  assert.equal((await bench.command(answer)).type, "error");
  assert.equal(bench.shot.phase, "failed");
  for (const transcript of [undefined, "AAAA"]) {
    const caller = page(HIS);
    assert.equal((await caller.offer(offer({ transcript }))).type, "error");
    assert.equal(caller.shot.phase, "failed");
    assert.deepEqual(keys(caller), []);
  }
});

test("keys change when the connection is back; what was dropped is told", async () => {
  const bench = page(HIS);
  await bench.capabilities();
  await bench.offer(offer({}));
  bench.connection.become("connected");
  await settle();
  const changes = () => bench.workers[0]?.messages.filter(({ type }) => type === "changeKeys").length;
  assert.equal(changes(), 0);
  bench.connection.become("disconnected");
  bench.connection.become("connected");
  assert.equal(changes(), 1);
  const counters = bench.workers[0]?.counters ?? assert.fail();
  counters.failed.audio = 3;
  counters.replayed.video = 2;
  await bench.clock.advance(3000);
  assert.deepEqual(bench.shot.protectionDetails?.dropped, { failed: 3, replayed: 2 });
  assert.equal(bench.said("stats").at(-1)?.resp.stats.framesReplayed, 2);
});
