// @ts-check
import assert from "node:assert/strict";
import { test } from "node:test";
import { LIMITS, readCandidates, readDescription } from "../static/call/protocol.js";

const sdp = (/** @type {number} */ media, filler = "") => `v=0\r\n${"m=audio 9 UDP/TLS/RTP/SAVPF 111\r\n".repeat(media)}${filler}`;

test("a description is of the kind that is expected, and nothing else of it is passed on", () => {
  assert.deepEqual(readDescription({ type: "offer", sdp: sdp(4), more: 1 }, "offer"), { type: "offer", sdp: sdp(4) });
  const wrong = [null, [], "sdp", { type: "answer", sdp: "" }, { type: "rollback" }, { type: "offer", sdp: {} }];
  for (const value of wrong) assert.throws(() => readDescription(value, "offer"), /cannot be read/);
});

test("no description keeps the engine busy", () => {
  assert.ok(readDescription({ type: "answer", sdp: sdp(LIMITS.media) }, "answer"));
  for (const text of [sdp(LIMITS.media + 1), sdp(4, "a=x\r\n".repeat(LIMITS.lines)), sdp(4, "a".repeat(LIMITS.description))]) {
    assert.throws(() => readDescription({ type: "answer", sdp: text }, "answer"), /too large/);
  }
});

test("candidates: what is none is left out, and what is too many", () => {
  const fine = { candidate: "candidate:1 1 udp 2 192.0.2.1 9 typ host" };
  const odd = [null, 1, {}, { candidate: 7 }, { candidate: "x".repeat(LIMITS.candidate + 1) }];
  assert.deepEqual(readCandidates([...odd, fine]), [fine]);
  assert.equal(readCandidates(Array.from({ length: 10_000 }, () => fine)).length, LIMITS.candidates);
  for (const value of [null, {}, "x"]) assert.throws(() => readCandidates(value), /cannot be read/);
});
