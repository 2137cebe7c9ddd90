// @ts-check
import assert from "node:assert/strict";
import { test } from "node:test";
import { HeldKey, HINT_MS, MutedHint } from "../static/call/talking.js";

test("who talks while muted is told, long enough to act on it", () => {
  const hint = new MutedHint();
  assert.equal(hint.update({ isTalkingWhileMuted: false, canUnmute: true }, 0), false);
  assert.equal(hint.update({ isTalkingWhileMuted: true, canUnmute: true }, 1000), true);
  assert.equal(hint.update({ isTalkingWhileMuted: false, canUnmute: true }, 999 + HINT_MS), true);
  assert.equal(hint.update({ isTalkingWhileMuted: false, canUnmute: true }, 1000 + HINT_MS), false);
});

test("it goes at once where one is not muted any more, and does not come back", () => {
  const hint = new MutedHint();
  hint.update({ isTalkingWhileMuted: true, canUnmute: true }, 0);
  assert.equal(hint.update({ isTalkingWhileMuted: false, canUnmute: false }, 1), false);
  assert.equal(hint.update({ isTalkingWhileMuted: false, canUnmute: true }, 2), false);
});

test("a key is held once, and let go once", () => {
  const key = new HeldKey();
  assert.equal(key.release(), false);
  assert.equal(key.press(true), true);
  assert.equal(key.press(true), false, "keys repeat");
  assert.equal(key.isHeld, true);
  assert.equal(key.release(), true);
  assert.equal(key.release(), false);
  assert.equal(key.press(false), false, "the microphone is on anyway");
});
