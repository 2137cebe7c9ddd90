// @ts-check
/** The keys that answer a call while it rings; the same letters as in the call page. Pure. */

/** @typedef {"accept" | "audio" | "reject"} Answer  `audio`: with the camera off */

/** @type {Readonly<Record<Answer, string>>} */
export const ANSWER_KEYS = { accept: "A", audio: "O", reject: "D" };

/**
 * What a key means while a call rings.
 *
 * @param {Pick<KeyboardEvent, "key" | "shiftKey" | "ctrlKey" | "altKey" | "metaKey" | "repeat">} event
 * @param {{isTyping: boolean}} focus  the keyboard writes a text
 * @returns {Answer | null}
 */
export function answerOf({ key, shiftKey, ctrlKey, altKey, metaKey, repeat }, { isTyping }) {
  // a key that is held down was meant for something else
  if (isTyping || repeat || shiftKey || ctrlKey || altKey || metaKey) return null;
  const found = Object.entries(ANSWER_KEYS).find(([, letter]) => letter === key.toUpperCase());
  return found ? /** @type {Answer} */ (found[0]) : null;
}
