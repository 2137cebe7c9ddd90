// @ts-check
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { test } from "node:test";
import { actionOf, keyOf, SHORTCUTS } from "../static/call/shortcuts.js";

const press = (/** @type {string} */ key, more = {}, focus = {}) =>
  actionOf(
    { key, shiftKey: false, ctrlKey: false, altKey: false, metaKey: false, ...more },
    { isTyping: false, isOnButton: false, ...focus },
  );

test("each key means one thing, and each action has one key", () => {
  assert.equal(new Set(SHORTCUTS.map(({ key, shift }) => `${shift}${key}`)).size, SHORTCUTS.length);
  assert.equal(new Set(SHORTCUTS.map(({ action }) => action)).size, SHORTCUTS.length);
  for (const { action, key, shift } of SHORTCUTS) assert.equal(press(key, { shiftKey: Boolean(shift) }), action);
});

test("capital letters count, Shift where it is not asked for does not", () => {
  assert.equal(press("M"), "mic");
  assert.equal(press("m", { shiftKey: true }), null);
  assert.equal(press("h"), null);
  assert.equal(press("H", { shiftKey: true }), "hangUp");
  assert.equal(press("?", { shiftKey: true }), "help");
});

test("keys of the browser and of the system are left alone", () => {
  for (const modifier of ["ctrlKey", "altKey", "metaKey"]) assert.equal(press("s", { [modifier]: true }), null);
  assert.equal(press("x"), null);
});

test("whoever writes means letters, and Escape", () => {
  assert.equal(press("m", {}, { isTyping: true }), null);
  assert.equal(press("Escape", {}, { isTyping: true }), "close");
});

test("Space presses a button where it is on one, and is a letter where one writes", () => {
  assert.equal(press(" "), "talk");
  assert.equal(press(" ", {}, { isOnButton: true }), null);
  assert.equal(press(" ", {}, { isTyping: true }), null);
  assert.equal(press("m", {}, { isOnButton: true }), "mic");
});

test("every shortcut has its words", () => {
  const texts = JSON.parse(readFileSync(new URL("../../app/simplex_calls/locales/en/call.json", import.meta.url), "utf8"));
  for (const { action, shown } of SHORTCUTS) {
    assert.ok(texts[`call.shortcut.${action}`], action);
    assert.ok(!shown.startsWith("call.") || texts[shown], shown);
  }
  assert.equal(keyOf("mic"), "M");
});
