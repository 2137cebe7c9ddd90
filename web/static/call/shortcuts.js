// @ts-check
/** The keys of the call page: one table for what they do, for the list that `?` shows, and for the buttons' hints. Pure. */

/**
 * @typedef {"mic" | "talk" | "camera" | "switchCamera" | "share" | "chat" | "reactions" | "layout" | "swap" | "fit" | "fullscreen" | "pip" | "onTop" | "details" | "settings" | "help" |
 *   "acceptOther" | "rejectOther" | "hangUp" | "close"} Action
 *
 * @typedef {object} Shortcut
 * @property {Action} action
 * @property {string} key  as `KeyboardEvent.key` in lower case
 * @property {boolean} [shift]
 * @property {string} shown  as it is written on the key, or the id of its name
 */

/** @type {readonly Shortcut[]} */
export const SHORTCUTS = [
  { action: "mic", key: "m", shown: "M" },
  { action: "talk", key: " ", shown: "call.key.space" },
  { action: "camera", key: "v", shown: "V" },
  { action: "switchCamera", key: "n", shown: "N" },
  { action: "share", key: "s", shown: "S" },
  { action: "chat", key: "c", shown: "C" },
  { action: "reactions", key: "r", shown: "R" },
  { action: "layout", key: "l", shown: "L" },
  { action: "swap", key: "w", shown: "W" },
  { action: "fit", key: "z", shown: "Z" },
  { action: "fullscreen", key: "f", shown: "F" },
  { action: "pip", key: "p", shown: "P" },
  { action: "onTop", key: "t", shown: "T" },
  { action: "details", key: "i", shown: "I" },
  { action: "settings", key: ",", shown: "," },
  { action: "acceptOther", key: "a", shown: "A" },
  { action: "rejectOther", key: "d", shown: "D" },
  { action: "hangUp", key: "h", shift: true, shown: "⇧H" },
  { action: "help", key: "?", shown: "?" },
  { action: "close", key: "escape", shown: "Esc" },
];

/**
 * What a key means.
 *
 * @param {Pick<KeyboardEvent, "key" | "shiftKey" | "ctrlKey" | "altKey" | "metaKey">} event
 * @param {{isTyping: boolean, isOnButton: boolean}} focus  the keyboard writes a text, or would press a button
 * @returns {Action | null}
 */
export function actionOf({ key, shiftKey, ctrlKey, altKey, metaKey }, { isTyping, isOnButton }) {
  if (ctrlKey || altKey || metaKey) return null;
  const pressed = key.toLowerCase();
  // on many keyboards "?" itself needs Shift
  const found = SHORTCUTS.find((one) => one.key === pressed && (pressed === "?" || Boolean(one.shift) === shiftKey));
  if (!found) return null;
  if (isOnButton && pressed === " ") return null;
  if (isTyping) return found.action === "close" ? "close" : null;
  return found.action;
}

/** @param {Action} action */
export function keyOf(action) {
  return SHORTCUTS.find((one) => one.action === action)?.shown ?? "";
}
