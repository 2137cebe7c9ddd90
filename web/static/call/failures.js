// @ts-check
/** What a command that failed says to Python, and whether it ends the call. Pure. */
import { DeviceError } from "./devices.js";
import { EncryptionError } from "./encryption.js";
import { CommandError } from "./protocol.js";
import { OverError } from "./turns.js";

/** Whatever keeps a call from starting ends it. */
const SET_UP = ["capabilities", "start", "offer", "answer"];

/**
 * @param {string} type  of the command
 * @param {unknown} error
 * @returns {{resp: {type: "error", message: string, code?: string}, ends: boolean}}
 */
export function failureOf(type, error) {
  const message = `${type}: ${error instanceof Error ? error.message : "failed"}`;
  if (error instanceof OverError) return { resp: { type: "error", message, code: "ended" }, ends: false };
  if (error instanceof CommandError) return { resp: { type: "error", message }, ends: false };
  const ends = SET_UP.includes(type);
  let code = ends ? "setup-failed" : undefined;
  if (error instanceof DeviceError) code = error.code;
  else if (error instanceof EncryptionError) code = "no-encryption";
  return { resp: code ? { type: "error", message, code } : { type: "error", message }, ends };
}
