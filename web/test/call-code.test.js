// @ts-check
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { test } from "node:test";
import { webcrypto } from "node:crypto";
import { callCode, EMOJI, fingerprintsOf, shownCode } from "../static/call/call-code.js";

// Node 18 has it under another name
if (!globalThis.crypto) Object.defineProperty(globalThis, "crypto", { value: webcrypto });

const read = (/** @type {string} */ path) => JSON.parse(readFileSync(new URL(`../../${path}`, import.meta.url), "utf8"));
/** @type {{emoji: string, codes: {key: string, binding: string, descriptions: [string, string], code: number[], emoji: string[]}[]}} */
const vectors = read("tests/vectors/call-code.json");
/** @type {string} */
const words = read("app/simplex_calls/locales/en/call.json")["call.code.words"];
const base64url = (/** @type {string} */ hex) => Buffer.from(hex, "hex").toString("base64url");

test("the emoji are those of Python", () => {
  assert.equal(EMOJI.join(""), vectors.emoji);
  assert.equal(new Set(EMOJI).size, 256);
});

for (const [index, { key, binding, descriptions, code, emoji }] of vectors.codes.entries()) {
  test(`vector ${index}, from either side`, async () => {
    const [ours, theirs] = descriptions;
    assert.deepEqual(await callCode(base64url(key), base64url(binding), [ours, theirs]), code);
    assert.deepEqual(await callCode(base64url(key), base64url(binding), [theirs, ours]), code);
    const shown = shownCode(code, words);
    assert.deepEqual(shown.map((one) => one.emoji), emoji);
    assert.ok(shown.every(({ word }) => word !== ""));
  });
}

test("a certificate that was swapped on the way makes another code", async () => {
  const { key, binding, descriptions: [ours, theirs], code } = vectors.codes[0] ?? assert.fail("no vector");
  const swapped = theirs.replace(/bb:03/i, "bb:13");
  assert.notEqual(swapped, theirs);
  assert.notDeepEqual(await callCode(base64url(key), base64url(binding), [ours, swapped]), code);
});

test("no code without a fingerprint, a key or a binding, and errors that show nothing", async () => {
  const { key, binding, descriptions: [ours, theirs] } = vectors.codes[0] ?? assert.fail("no vector");
  for (const [aKey, aBinding, sdp] of [
    [key.slice(2), binding, theirs],
    [key, "ab", theirs],
    [key, binding, "v=0"],
  ]) {
    await assert.rejects(callCode(base64url(aKey ?? ""), base64url(aBinding ?? ""), [ours, sdp ?? ""]), TypeError);
  }
  await assert.rejects(callCode(base64url(key), "é?", [ours, theirs]), TypeError);
  assert.equal(fingerprintsOf("a=fingerprint:sha-256\r\n"), "");
});
