// @ts-check
/** Reading commands and making responses: the parts of the page protocol that need no state. */

/** @typedef {import("./snapshot.js").CallInfo} CallInfo */

/** A command cannot be carried out; the call goes on. */
export class CommandError extends Error {
  name = "CommandError";
}

/** @param {unknown} value */
export function text(value) {
  return typeof value === "string" ? value : "";
}

/**
 * @param {any} call
 * @returns {Partial<CallInfo>}
 */
export function callInfo(call) {
  if (typeof call !== "object" || call === null) throw new CommandError("there is nothing to show");
  const others = Array.isArray(call.others) ? call.others : [];
  return {
    contactName: text(call.contactName),
    media: call.media === "video" ? "video" : "audio",
    state: text(call.state),
    direction: text(call.direction),
    reason: text(call.reason),
    failure: text(call.failure),
    others: others.filter((/** @type {any} */ other) => other?.callId !== undefined),
  };
}

/**
 * Commands are sent back with their answer; keys, credentials and descriptions need not travel twice.
 *
 * @param {any} command
 */
export function withoutSecrets(command) {
  if (typeof command !== "object" || command === null) return undefined;
  const copy = { ...command };
  delete copy.aesKey;
  delete copy.iceServers;
  return copy;
}
