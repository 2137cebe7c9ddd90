// @ts-check
import assert from "node:assert/strict";
import { createRequire } from "node:module";
import { test } from "node:test";
import { MAX_PACKED, MAX_UNPACKED, unpack, unpackedLength } from "../static/call/packed.js";

/** @type {{compressToBase64: (text: string) => string, decompressFromBase64: (text: string) => string | null}} */
const LZString = createRequire(import.meta.url)("lz-string");
const expand = (/** @type {string} */ text) => LZString.decompressFromBase64(text);

test("the length of what a text expands to is known before it is expanded", () => {
  const lines = Array.from({ length: 400 }, (_, n) => `a=rtpmap:${n} opus/${n * 7919}/2\r\n`).join("");
  for (const text of ["", "x", "aaaa", "a=candidate:1", lines, "é€😀".repeat(50), "ab".repeat(40_000), "\0".repeat(9)]) {
    assert.equal(unpackedLength(LZString.compressToBase64(text), MAX_UNPACKED), text.length);
  }
});

test("a few kilobytes that would become megabytes are refused before they do", () => {
  const bomb = LZString.compressToBase64(`"${"a".repeat(400_000)}"`);
  assert.ok(bomb.length < 3_000);
  assert.ok(unpackedLength(bomb, MAX_UNPACKED) > MAX_UNPACKED);
  assert.throws(() => unpack(bomb, () => assert.fail("it was expanded")), RangeError);
  assert.throws(() => unpack("A".repeat(MAX_PACKED + 1), () => assert.fail("it was expanded")), RangeError);
});

test("damaged texts are never shorter than what the library makes of them", () => {
  const seed = LZString.compressToBase64(JSON.stringify([{ candidate: "candidate:1 1 udp 2 192.0.2.1 9 typ host" }]));
  for (let place = 0; place < seed.length; place += 1) {
    for (const letter of ["", "A", "/", "=", "z", "é"]) {
      const text = seed.slice(0, place) + letter + seed.slice(place + 1);
      /** @type {string | null} */
      let expanded = null;
      try {
        expanded = expand(text);
      } catch {
        // the library fails on some; those are refused
      }
      assert.ok(unpackedLength(text, MAX_UNPACKED) >= (expanded?.length ?? 0), text);
    }
  }
});

test("what the page packs is unpacked", () => {
  const value = [{ candidate: "candidate:1", sdpMid: "0" }];
  assert.deepEqual(unpack(LZString.compressToBase64(JSON.stringify(value)), expand), value);
  for (const text of ["", "D", "not packed", "////"]) assert.throws(() => unpack(text, expand));
});
