// @ts-check
/** Reading commands and making responses: the parts of the page protocol that need no state. */

import { CODE_FEATURE } from "./call-code.js";

/** @typedef {import("./snapshot.js").CallInfo} CallInfo */

const PASTE_STEPS = ["choosing", "offering", "offered", "answering", "answered", "connecting", "connected", "ended"];

/** A command cannot be carried out; the call goes on. */
export class CommandError extends Error {
  name = "CommandError";
}

/** What this page can do beyond the official one; the other side's page is told. @type {readonly string[]} */
export const FEATURES = ["channel", CODE_FEATURE, "restart", "frames2"];
const MAX_FEATURES = 16;

/**
 * The other side's features.
 *
 * @param {any} command
 * @returns {string[]}
 */
export function featuresOf({ features }) {
  return Array.isArray(features) ? features.filter((name) => typeof name === "string").slice(0, MAX_FEATURES) : [];
}

/**
 * What a contact may give to a call's connection. A call has four media; a description of theirs has some 400 lines.
 * Each medium becomes a transceiver and each candidate a connection to try, so thousands would keep the engine busy.
 */
export const LIMITS = { description: 65_536, lines: 3_000, media: 16, candidate: 1_024, candidates: 256 };

/**
 * The contact's session description.
 *
 * @param {any} value  as unpacked
 * @param {"offer" | "answer"} type
 * @returns {RTCSessionDescriptionInit}
 * @throws {Error} if it is none, or larger than any that is meant
 */
export function readDescription(value, type) {
  const sdp = value?.sdp;
  if (value?.type !== type || typeof sdp !== "string") throw new Error("the contact's message cannot be read");
  const lines = sdp.length > LIMITS.description ? [] : sdp.split("\n");
  const media = lines.filter((line) => line.startsWith("m=")).length;
  if (sdp.length > LIMITS.description || lines.length > LIMITS.lines || media > LIMITS.media) {
    throw new Error("the contact's description is too large");
  }
  return { type, sdp };
}

/**
 * The contact's candidates, as many of them as a message may bring.
 *
 * @param {unknown} value  as unpacked
 * @returns {RTCIceCandidateInit[]}
 * @throws {Error} if it is no list
 */
export function readCandidates(value) {
  if (!Array.isArray(value)) throw new Error("the contact's message cannot be read");
  return value
    .slice(0, LIMITS.candidates)
    .filter((item) => typeof item?.candidate === "string" && item.candidate.length <= LIMITS.candidate);
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
    progress: text(call.progress),
    ringVolume: Number.isFinite(call.ringVolume) ? call.ringVolume : 0,
    failure: text(call.failure),
    isQuantumResistant: typeof call.isQuantumResistant === "boolean" ? call.isQuantumResistant : null,
    consentWanted: call.consentWanted === "ours" || call.consentWanted === "theirs" ? call.consentWanted : "",
    others: others.filter((/** @type {any} */ other) => other?.callId !== undefined),
  };
}

/**
 * @param {any} command  `paste`
 * @returns {import("./snapshot.js").PasteInfo}
 */
export function pasteInfo({ step, text: passed, codes, problem, parts, relayOnly }) {
  if (!PASTE_STEPS.includes(step)) throw new CommandError("unknown step");
  return {
    step,
    text: text(passed),
    codes: Array.isArray(codes) ? codes : [],
    problem: text(problem) || null,
    parts: parts ? { read: Number(parts.read), count: Number(parts.count) } : null,
    relayOnly: relayOnly === true,
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
