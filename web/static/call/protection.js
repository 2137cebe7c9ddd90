// @ts-check
/** What protects a call, as far as it can be told, and which addresses the two sides showed each other. Pure. */
import { CODE_FEATURE } from "./call-code.js";
import { featuresOf } from "./protocol.js";

/**
 * @typedef {"host" | "srflx" | "prflx" | "relay"} AddressKind
 *
 * @typedef {object} ShownAddress
 * @property {string} address  empty for one that the engine hides (`.local`)
 * @property {AddressKind} kind  of a device itself, of its network as servers see it, of a relay
 *
 * @typedef {"there" | "pending" | "no-frames" | "peer" | "no-binding" | "failed"} CodeState
 *   of the call code: the last four say why there is none
 *
 * @typedef {object} ProtectionDetails
 * @property {boolean} canEncrypt  our engine can encrypt frames: without them it is the other side's that cannot
 * @property {"tracks" | "frames" | "transport"} scheme  frames encrypted with keys of each track; with one key for all; not
 * @property {{failed: number, replayed: number}} dropped  frames of the peer's, so far
 * @property {"simplex" | "texts"} keyAgreement  over the conversation, or by two texts that people carried
 * @property {ShownAddress[]} localAddresses  ours, that the contact was shown
 * @property {ShownAddress[]} remoteAddresses  theirs, that we were shown
 * @property {CodeState} codeState
 */

/**
 * Whether there will be a call code.
 *
 * @param {boolean} isEncrypted  frames are
 * @param {any} command  with the call's key, the binding and the peer's features
 * @returns {CodeState}
 */
export function codeStateOf(isEncrypted, command) {
  if (!isEncrypted) return "no-frames";
  if (!featuresOf(command).includes(CODE_FEATURE)) return "peer";
  return typeof command.aesKey === "string" && typeof command.binding === "string" ? "pending" : "no-binding";
}

/**
 * What protects the call, one sentence each.
 *
 * @param {Pick<import("./snapshot.js").Snapshot, "encrypted" | "protectionDetails" | "paste" | "call">} snapshot
 * @returns {string[]}  ids of texts
 */
export function protectionItems({ encrypted, protectionDetails: details, paste, call }) {
  if (!encrypted) {
    const whose = details?.canEncrypt === false ? "call.lock.item.no-frames.ours" : "call.lock.item.no-frames";
    return ["call.lock.item.transport", whose];
  }
  const items = ["call.lock.item.frames", "call.lock.item.transport"];
  if (paste !== null || details?.keyAgreement === "texts") return [...items, "call.lock.item.key.texts"];
  items.push("call.lock.item.key");
  if (typeof call.isQuantumResistant === "boolean") {
    items.push(call.isQuantumResistant ? "call.lock.item.quantum" : "call.lock.item.no-quantum");
  }
  return items;
}

/** So many addresses of a side are listed. */
const MAX_ADDRESSES = 64;
/** @type {readonly string[]} */
const KINDS = ["host", "srflx", "prflx", "relay"];

/**
 * The addresses in a description's candidates (RFC 8839, section 5.1), each once. A candidate of a server's names the
 * address behind it as well.
 *
 * @param {string} sdp
 * @returns {ShownAddress[]}
 */
export function addressesOf(sdp) {
  /** @type {Map<string, ShownAddress>} */
  const found = new Map();
  const add = (/** @type {string} */ address, /** @type {string} */ kind) => {
    if (!KINDS.includes(kind) || isNone(address)) return;
    const shown = address.toLowerCase().endsWith(".local") ? "" : address;
    const key = `${kind} ${shown}`;
    if (found.size < MAX_ADDRESSES && !found.has(key)) found.set(key, { address: shown, kind: /** @type {AddressKind} */ (kind) });
  };
  for (const line of sdp.split(/\r?\n/)) {
    const match = /^a=candidate:\S+ \d+ \S+ \d+ (\S+) \d+ typ (\S+)(?: raddr (\S+))?/.exec(line);
    if (!match) continue;
    const [, address = "", kind = "", behind] = match;
    add(address, kind);
    if (behind) add(behind, kind === "relay" ? "srflx" : "host");
  }
  return [...found.values()];
}

/** @param {string} address */
function isNone(address) {
  return address === "0.0.0.0" || address === "::" || address === "";
}
