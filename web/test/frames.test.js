// @ts-check
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { test } from "node:test";
import { webcrypto } from "node:crypto";
import { FrameError, decodeKey, decryptFrame, encryptFrame, importKey, wasSealed } from "../static/call/frames.js";

// Node 18 has it under another name
if (!globalThis.crypto) Object.defineProperty(globalThis, "crypto", { value: webcrypto });

const file = new URL("../../tests/vectors/frames.json", import.meta.url);
/** @type {{key: string, frames: {kind: string, iv: string, clear: string, encrypted: string}[]}} */
const vectors = JSON.parse(readFileSync(file, "utf8"));

/** @type {Record<string, import("../static/call/frames.js").FrameKind>} */
const KINDS = { audio: "audio", video_key: "key", video_delta: "delta" };

/** @param {string} hex */
const bytes = (hex) => Uint8Array.from(Buffer.from(hex, "hex"));
/** @param {ArrayBuffer} buffer */
const hex = (buffer) => Buffer.from(buffer).toString("hex");

const key = await importKey(bytes(vectors.key));

for (const [index, { kind, iv, clear, encrypted }] of vectors.frames.entries()) {
  const frameKind = KINDS[kind] ?? assert.fail(`unknown kind ${kind}`);
  test(`vector ${index} (${kind}, ${clear.length / 2} bytes) in both directions`, async () => {
    const fill = (/** @type {Uint8Array} */ target) => target.set(bytes(iv));
    assert.equal(hex(await encryptFrame(key, bytes(clear).buffer, frameKind, fill)), encrypted);
    assert.equal(hex(await decryptFrame(key, bytes(encrypted).buffer, frameKind)), clear);
  });
}

test("every frame has an iv of its own", async () => {
  const frame = bytes("f8fffe");
  const ivs = new Set();
  for (let round = 0; round < 50; round += 1) ivs.add(hex(await encryptFrame(key, frame.buffer, "audio")).slice(-24));
  assert.equal(ivs.size, 50);
});

test("one changed byte, wherever it is sealed, makes a frame fail", async () => {
  const encrypted = new Uint8Array(await encryptFrame(key, new Uint8Array(40).fill(7).buffer, "delta"));
  for (let at = 3; at < encrypted.length; at += 1) {
    const changed = encrypted.slice();
    changed[at] = (changed[at] ?? 0) ^ 1;
    await assert.rejects(decryptFrame(key, changed.buffer, "delta"), FrameError);
  }
});

test("another key fails", async () => {
  const other = await importKey(new Uint8Array(32).fill(9));
  const encrypted = await encryptFrame(key, new Uint8Array(40).buffer, "key");
  await assert.rejects(decryptFrame(other, encrypted, "key"), FrameError);
});

test("frames that were cut fail, whatever their length", async () => {
  const encrypted = await encryptFrame(key, new Uint8Array(30).fill(1).buffer, "audio");
  for (let size = 14; size < encrypted.byteLength; size += 1) {
    await assert.rejects(decryptFrame(key, encrypted.slice(0, size), "audio"), FrameError);
  }
  for (let size = 1; size < 12; size += 1) {
    await assert.rejects(decryptFrame(key, encrypted.slice(0, size), "audio"), FrameError);
  }
});

test("a key is 32 bytes in base64url, padded or not", () => {
  const padded = Buffer.from(bytes(vectors.key)).toString("base64").replaceAll("+", "-").replaceAll("/", "_");
  assert.deepEqual(decodeKey(padded), bytes(vectors.key));
  assert.deepEqual(decodeKey(padded.replace("=", "")), bytes(vectors.key));
  assert.deepEqual(decodeKey("_-".repeat(21) + "8"), Uint8Array.from(Buffer.from("_-".repeat(21) + "8", "base64url")));
  for (const wrong of ["", "AAAA", "!".repeat(43), padded + padded]) assert.throws(() => decodeKey(wrong), TypeError);
});

test("a key cannot be read out of the engine again", async () => {
  assert.equal(key.extractable, false);
});

test("a frame that had nothing to be decrypted in it says nothing of the key", () => {
  assert.equal(wasSealed(new ArrayBuffer(1), "audio"), false);
  assert.equal(wasSealed(new ArrayBuffer(2), "audio"), true);
  assert.equal(wasSealed(new ArrayBuffer(3), "delta"), false);
});
