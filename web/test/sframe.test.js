// @ts-check
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { test } from "node:test";
import { webcrypto } from "node:crypto";
import { FrameError } from "../static/call/frames.js";
import {
  FrameOpener,
  FrameReplayedError,
  FrameSealer,
  STEPS_AHEAD,
  StepKey,
  WINDOW,
  decodeHeader,
  encodeHeader,
  saltOf,
  trackKey,
} from "../static/call/sframe.js";

// Node 18 has it under another name
if (!globalThis.crypto) Object.defineProperty(globalThis, "crypto", { value: webcrypto });

/** @typedef {import("../static/call/sframe.js").Codec} Codec */

const file = new URL("../../tests/vectors/frames.json", import.meta.url);
const vectors = JSON.parse(readFileSync(file, "utf8")).sframe;

/** @param {string} hex */
const bytes = (hex) => Uint8Array.from(Buffer.from(hex, "hex"));
/** @param {ArrayBuffer | Uint8Array} buffer */
const hex = (buffer) => Buffer.from(/** @type {Uint8Array} */ (buffer)).toString("hex");
/** @param {number[]} content */
const frameOf = (...content) => Uint8Array.from(content).buffer;

const key = bytes(vectors.key);
const agreement = {
  transcript: bytes(vectors.transcript),
  offering: vectors.offering_fingerprints,
  answering: vectors.answering_fingerprints,
};
const salt = saltOf(agreement);
const base = await trackKey(key, salt, "offer", "mic");
/** @param {number} size */
const delta = (size) => Uint8Array.from({ length: size }, (_, at) => (at === 0 ? 0x31 : at % 256)).buffer;

/** @param {Codec} [codec] */
async function pair(codec = "opus") {
  return { sealer: await FrameSealer.of(base, codec), opener: await FrameOpener.of(base, codec) };
}

test("base keys are those of the vectors, each another", async () => {
  for (const { sender, track, base_key: expected } of vectors.base_keys) {
    assert.equal(hex(await trackKey(key, salt, sender, track)), expected);
  }
  assert.throws(() => saltOf({ ...agreement, offering: "" }), TypeError);
});

test("the vector of RFC 9605", async () => {
  const { base_key: rfcBase, kid, ctr, nonce, metadata, aad, plain, sealed } = vectors.rfc9605;
  const step = await StepKey.of(bytes(rfcBase), kid);
  assert.equal(hex(step.nonce(ctr)), nonce);
  const header = encodeHeader(kid, ctr);
  const additionalData = new Uint8Array([...header, ...bytes(metadata)]);
  assert.equal(hex(additionalData), aad);
  const body = await crypto.subtle.encrypt({ name: "AES-GCM", iv: step.nonce(ctr), additionalData }, step.cipher, bytes(plain));
  assert.equal(hex(header) + hex(new Uint8Array(body)), sealed);
});

test("headers are those of the vectors, in both directions", () => {
  for (const { step, counter, header } of vectors.headers) {
    assert.equal(hex(encodeHeader(step, counter)), header);
    assert.deepEqual(decodeHeader(bytes(`ff${header}`), 1), { step, counter, end: 1 + header.length / 2 });
    assert.ok(header.length / 2 <= 6);
  }
});

for (const { codec, base_key: trackBase, change_key_after: changed, frames } of vectors.tracks) {
  test(`vectors of ${codec}, in both directions, with a change of the key`, async () => {
    const sealer = await FrameSealer.of(bytes(trackBase), codec);
    const opener = await FrameOpener.of(bytes(trackBase), codec);
    for (const [index, { clear, sealed }] of frames.entries()) {
      if (index === changed) sealer.changeKey();
      assert.equal(hex(new Uint8Array(await sealer.seal(bytes(clear).buffer))), sealed);
      assert.equal(hex(new Uint8Array(await opener.open(bytes(sealed).buffer))), clear);
      assert.ok(sealed.length - clear.length <= 2 * 22);
    }
  });
}

test("a frame without a byte stays so", async () => {
  const { sealer, opener } = await pair();
  assert.equal((await sealer.seal(new ArrayBuffer(0))).byteLength, 0);
  assert.equal((await opener.open(new ArrayBuffer(0))).byteLength, 0);
});

test("a VP8 key frame that has no size is no frame", async () => {
  const { sealer, opener } = await pair("vp8");
  await assert.rejects(sealer.seal(frameOf(0x30, 1, 2)), FrameError);
  await assert.rejects(opener.open(frameOf(0x30, 1, 2)), FrameError);
});

test("replayed frames are dropped, and the stream goes on", async () => {
  const { sealer, opener } = await pair("vp8");
  const first = await sealer.seal(delta(30));
  const second = await sealer.seal(delta(31));
  await opener.open(first);
  await assert.rejects(opener.open(first), FrameReplayedError);
  assert.deepEqual(await opener.open(second), delta(31));
  await assert.rejects(opener.open(first), FrameReplayedError);
});

test("frames in another order are taken, each once, within the window", async () => {
  const { sealer, opener } = await pair();
  /** @type {ArrayBuffer[]} */
  const sealed = [];
  for (let at = 0; at < 2 * WINDOW + 40; at += 1) sealed.push(await sealer.seal(frameOf(at % 256)));
  const order = sealed.map((_, at) => at).sort((a, b) => ((a * 7919) % 64) + a - (((b * 7919) % 64) + b));
  for (const at of order) assert.deepEqual(await opener.open(sealed[at] ?? assert.fail()), frameOf(at % 256));
  for (const frame of sealed) await assert.rejects(opener.open(frame), FrameReplayedError);
  assert.deepEqual(await opener.open(await sealer.seal(frameOf(9))), frameOf(9));
});

for (const newest of [WINDOW - 1, WINDOW, 3 * WINDOW]) {
  test(`the window's edges, ${newest} frames on`, async () => {
    const { sealer, opener } = await pair();
    /** @type {ArrayBuffer[]} */
    const sealed = [];
    for (let at = 0; at <= newest; at += 1) sealed.push(await sealer.seal(frameOf(at % 256)));
    const at = (/** @type {number} */ place) => sealed[place] ?? assert.fail();
    await opener.open(at(newest));
    const oldest = newest - WINDOW + 1;
    assert.deepEqual(await opener.open(at(oldest)), frameOf(oldest % 256));
    await assert.rejects(opener.open(at(oldest)), FrameReplayedError);
    if (oldest > 0) await assert.rejects(opener.open(at(oldest - 1)), FrameReplayedError);
  });
}

test("reflected frames, and those of other tracks, are dropped", async () => {
  const theirs = await trackKey(key, salt, "answer", "mic");
  const opener = await FrameOpener.of(theirs, "opus");
  for (const [sender, track] of /** @type {const} */ ([["offer", "mic"], ["answer", "screenAudio"]])) {
    const other = await FrameSealer.of(await trackKey(key, salt, sender, track), "opus");
    await assert.rejects(opener.open(await other.seal(frameOf(1, 2, 3))), FrameError);
  }
  const sealer = await FrameSealer.of(theirs, "opus");
  assert.deepEqual(await opener.open(await sealer.seal(frameOf(1, 2, 3))), frameOf(1, 2, 3));
});

for (const [name, codec, frame] of /** @type {[string, Codec, ArrayBuffer][]} */ ([
  ["sound", "opus", frameOf(0x78, 1, 2, 3, 4, 5)],
  ["a picture", "vp8", delta(20)],
  ["a key picture", "vp8", frameOf(0x30, ...Array(25).keys())],
])) {
  test(`${name}: a changed bit anywhere, or a cut, is noticed; the stream goes on`, async () => {
    const { sealer, opener } = await pair(codec);
    await opener.open(await sealer.seal(frame));
    const sealed = new Uint8Array(await sealer.seal(frame));
    for (let at = 0; at < sealed.length; at += 1) {
      for (let bit = 0; bit < 8; bit += 1) {
        const changed = sealed.slice();
        changed[at] = (changed[at] ?? 0) ^ (1 << bit);
        await assert.rejects(opener.open(changed.buffer), FrameError);
      }
      if (at > 0) await assert.rejects(opener.open(sealed.slice(0, at).buffer), FrameError);
    }
    assert.deepEqual(await opener.open(sealed.buffer), frame);
  });
}

test("frames that a change of the key has overtaken are taken; the old key is forgotten a window later", async () => {
  const { sealer, opener } = await pair();
  const old = [await sealer.seal(frameOf(0)), await sealer.seal(frameOf(1))];
  sealer.changeKey();
  assert.deepEqual(await opener.open(await sealer.seal(frameOf(2))), frameOf(2));
  assert.deepEqual(await opener.open(old[0] ?? assert.fail()), frameOf(0));
  for (let at = 0; at <= WINDOW; at += 1) await opener.open(await sealer.seal(frameOf(3)));
  await assert.rejects(opener.open(old[1] ?? assert.fail()), { name: "FrameError" });
});

test("keys of which no frame came are caught up with, up to a bound; forged ones move nothing", async () => {
  const { sealer, opener } = await pair();
  await assert.rejects(opener.open(new Uint8Array([...encodeHeader(5, 0), ...Array(40).fill(1)]).buffer), FrameError);
  const skip = async (/** @type {number} */ steps) => {
    for (let left = steps; left > 0; left -= 1) {
      await sealer.seal(frameOf(1));
      sealer.changeKey();
      // nothing was sent under it: it stays
      sealer.changeKey();
    }
  };
  await skip(STEPS_AHEAD);
  assert.deepEqual(await opener.open(await sealer.seal(frameOf(7))), frameOf(7));
  await skip(STEPS_AHEAD + 1);
  await assert.rejects(opener.open(await sealer.seal(frameOf(8))), FrameError);
});

test("a change of the key while frames are under way: no number is used twice", async () => {
  const { sealer, opener } = await pair();
  await sealer.seal(frameOf(0));
  sealer.changeKey();
  const sealed = await Promise.all([1, 2, 3].map((content) => sealer.seal(frameOf(content))));
  const headers = sealed.map((frame) => decodeHeader(new Uint8Array(frame), 0));
  assert.deepEqual(headers.map(({ step, counter }) => [step, counter]), [[1, 0], [1, 1], [1, 2]]);
  for (const [at, frame] of sealed.entries()) assert.deepEqual(await opener.open(frame), frameOf(at + 1));
});
