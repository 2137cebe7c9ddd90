// @ts-check
import assert from "node:assert/strict";
import { test } from "node:test";
import { freshViewing, nextArrangement, refitted, swapped, withScreen } from "../static/call/viewing.js";

test("arrangements follow each other; a screen is one of them while there is one", () => {
  let viewing = freshViewing();
  /** @type {string[]} */
  const seen = [];
  for (let step = 0; step < 3; step += 1) seen.push((viewing = nextArrangement(viewing)).arrangement);
  assert.deepEqual(seen, ["side", "speaker", "side"]);
  viewing = withScreen(viewing, true);
  seen.length = 0;
  for (let step = 0; step < 3; step += 1) seen.push((viewing = nextArrangement(viewing)).arrangement);
  assert.deepEqual(seen, ["speaker", "side", "screen"]);
});

test("a screen comes first, and leaves all as it was", () => {
  const before = nextArrangement(freshViewing());
  const during = withScreen(before, true);
  assert.equal(during.arrangement, "screen");
  assert.equal(withScreen(during, true), during);
  assert.equal(withScreen(during, false).arrangement, "side");
  // what was chosen meanwhile stays
  assert.equal(withScreen(nextArrangement(during), false).arrangement, "speaker");
});

test("a swap lasts until the arrangement changes", () => {
  const viewing = swapped(freshViewing());
  assert.equal(viewing.isSwapped, true);
  assert.equal(swapped(viewing).isSwapped, false);
  assert.equal(nextArrangement(viewing).isSwapped, false);
  assert.equal(withScreen(viewing, true).isSwapped, false);
});

test("fit and fill, from what is seen now", () => {
  assert.equal(refitted(freshViewing(), true).fit, "fill");
  assert.equal(refitted(freshViewing(), false).fit, "fit");
});
