// @ts-check
/** What protects a call, as far as it can be told: which addresses the two sides showed each other. Pure. */

/**
 * @typedef {"host" | "srflx" | "prflx" | "relay"} AddressKind
 *
 * @typedef {object} ShownAddress
 * @property {string} address  empty for one that the engine hides (`.local`)
 * @property {AddressKind} kind  of a device itself, of its network as servers see it, of a relay
 *
 * @typedef {object} ProtectionDetails
 * @property {"frames" | "transport"} scheme
 * @property {"simplex" | "texts"} keyAgreement  over the conversation, or by two texts that people carried
 * @property {ShownAddress[]} localAddresses  ours, that the contact was shown
 * @property {ShownAddress[]} remoteAddresses  theirs, that we were shown
 * @property {"none" | "pending" | "there"} codeState
 */

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
