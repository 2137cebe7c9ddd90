// @ts-check
import assert from "node:assert/strict";
import { test } from "node:test";
import { MAX_LENGTH, shrink } from "../static/chat/image.js";

/** Pictures whose data take `density` characters a pixel. */
const encoder = (/** @type {number} */ density, /** @type {number[]} */ sides) => async (/** @type {number} */ side) => {
  sides.push(side);
  return "x".repeat(Math.ceil(side * side * density));
};

test("a picture that is short enough stays as it is", async () => {
  /** @type {number[]} */
  const sides = [];
  assert.equal((await shrink(100, encoder(1, sides))).length, 10_000);
  assert.deepEqual(sides, [100]);
});

test("a picture shrinks until it is short enough, and not far below", async () => {
  for (const [side, density] of [[4000, 0.5], [4000, 3], [640, 1.7], [113, 1]]) {
    /** @type {number[]} */
    const sides = [];
    const url = await shrink(side ?? 0, encoder(density ?? 1, sides));
    assert.ok(url.length <= MAX_LENGTH);
    assert.ok(url.length > MAX_LENGTH * 0.9, `${url.length}`);
    assert.ok(sides.length < 8);
  }
});

test("what can never be short enough is refused", async () => {
  await assert.rejects(shrink(500, encoder(1000, [])), RangeError);
});
