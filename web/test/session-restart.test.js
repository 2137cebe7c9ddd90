// @ts-check
import assert from "node:assert/strict";
import { test } from "node:test";
import { FIRST_MS } from "../static/call/candidates.js";
import { DISCONNECTED_MS, LOST_MS, SETTLE_MS, VIDEO_BACK_MS } from "../static/call/reconnection.js";
import { Bench, pack, unpack } from "./support/bench.js";
import { settle } from "./support/fakes.js";

const WITH = { features: ["restart"] };
const SDP = "4\r\na=fingerprint:sha-256 AA:01\r\n";

/** A call that stands: the peer called, so ours was the offer. */
async function offering(more = WITH) {
  const bench = new Bench();
  await bench.start(more);
  await bench.command({ type: "answer", answer: pack({ type: "answer", sdp: SDP }), iceCandidates: pack([]) });
  bench.connection.become("connected");
  await settle();
  return bench;
}

/** A call that stands: we called, so ours was the answer. */
async function answering() {
  const bench = new Bench();
  await bench.capabilities();
  await bench.offer({ ...WITH, offer: pack({ type: "offer", sdp: "4" }) });
  bench.connection.remoteDescription = { type: "offer", sdp: SDP };
  bench.connection.become("connected");
  await settle();
  return bench;
}

/** @param {Bench} bench */
const said = (bench) => bench.said("restart").map(({ resp }) => `${resp.step} ${resp.number}`);

test("a failed way: the offering side sends a new offer, with what is found then, and takes the answer", async () => {
  const bench = await offering();
  const { connectedAt } = bench.shot;
  bench.connection.become("failed");
  assert.equal(bench.shot.phase, "reconnecting");
  assert.equal(bench.shot.connectedAt, connectedAt);
  await settle();
  assert.deepEqual(bench.sent(), ["audio", null, null, null], "sound goes before pictures");
  await bench.clock.advance(0);
  bench.connection.gather("new way");
  await bench.clock.advance(FIRST_MS);
  const [{ resp }] = bench.said("restart");
  assert.deepEqual(unpack(resp.description), { type: "offer", sdp: "our offer 1" });
  assert.deepEqual(unpack(resp.iceCandidates), [{ candidate: "new way" }]);
  const answer = { type: "restart", step: "answer", description: pack({ type: "answer", sdp: SDP }), iceCandidates: pack([{ candidate: "their way" }]) };
  await bench.command({ ...answer, number: 0, description: pack({ type: "answer", sdp: `${SDP}stale` }) });
  assert.deepEqual(bench.connection.remoteDescription, { type: "answer", sdp: SDP });
  assert.deepEqual(await bench.command({ ...answer, number: 1 }), { type: "ok" });
  assert.deepEqual(bench.connection.remoteCandidates.at(-1), { candidate: "their way" });
  bench.connection.become("connected");
  assert.equal(bench.shot.phase, "connected");
  await bench.clock.advance(VIDEO_BACK_MS);
  assert.deepEqual(bench.sent(), ["audio", "video", null, null]);
  assert.deepEqual(said(bench), ["offer 1"]);
});

test("the answering side asks, answers the newest of several offers, and keeps its peer's certificate", async () => {
  const bench = await answering();
  bench.connection.become("disconnected");
  await bench.clock.advance(DISCONNECTED_MS);
  assert.deepEqual(said(bench), ["ask 0"]);
  const offer = (/** @type {number} */ number, sdp = SDP) => ({ type: "restart", step: "offer", number, description: pack({ type: "offer", sdp }), iceCandidates: pack([]) });
  const waiting = [1, 2].map((number) => bench.command(offer(number, `${SDP}a=x:${number}\r\n`)));
  await Promise.all(waiting);
  await bench.clock.advance(FIRST_MS);
  assert.deepEqual(said(bench), ["ask 0", "answer 2"]);
  assert.match(/** @type {any} */ (bench.connection.remoteDescription).sdp, /x:2/);
  const refused = await bench.command(offer(3, SDP.replace("AA", "BB")));
  assert.equal(refused.type, "error");
  assert.match(/** @type {any} */ (bench.connection.remoteDescription).sdp, /AA:01/);
  assert.equal(bench.shot.phase, "reconnecting");
});

test("another network: a new way before the old one is missed", async () => {
  const bench = await offering();
  bench.changeNetwork();
  await bench.clock.advance(SETTLE_MS + FIRST_MS);
  assert.deepEqual(said(bench), ["offer 1"]);
  assert.equal(bench.shot.phase, "connected");
});

test("the peer's question makes an offer", async () => {
  const bench = await offering();
  assert.deepEqual(await bench.command({ type: "restart", step: "ask", number: 0, iceCandidates: pack([]) }), { type: "ok" });
  await bench.clock.advance(FIRST_MS);
  assert.deepEqual(said(bench), ["offer 1"]);
});

test("a peer without the feature is told nothing; after a minute the call is over, and says why", async () => {
  const bench = await offering({ features: [] });
  bench.connection.become("disconnected");
  bench.connection.become("failed");
  await bench.clock.advance(LOST_MS - 1000);
  assert.equal(bench.shot.phase, "reconnecting");
  await bench.clock.advance(1000);
  assert.deepEqual(said(bench), []);
  assert.deepEqual([bench.shot.phase, bench.shot.error], ["failed", "connection-lost"]);
  assert.equal(bench.said("error").at(-1)?.resp.code, "connection-lost");
});
