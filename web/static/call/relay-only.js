// @ts-check
/**
 * What a call through relays only may tell the peer. The engine gathers nothing else, so nothing is to be taken out; but
 * engines have told a device's own address as the one behind a relay's, or in a description's lines. Pure.
 */

/** A candidate's address and port behind a relay's (RFC 8839, section 5.1). */
const BEHIND = / raddr \S+ rport \d+/g;
const NOWHERE = " raddr 0.0.0.0 rport 0";

/**
 * A candidate as it may be told; null if it may not.
 *
 * @param {RTCIceCandidateInit} candidate
 * @returns {RTCIceCandidateInit | null}
 */
export function relayed(candidate) {
  const words = candidate.candidate?.split(" ") ?? [];
  if (words[6] !== "typ" || words[7] !== "relay") return null;
  return { ...candidate, candidate: candidate.candidate?.replace(BEHIND, NOWHERE) };
}

/**
 * A description without candidates that are no relay's, and without addresses of its own.
 *
 * @param {string} sdp
 * @returns {string}
 */
export function withoutAddresses(sdp) {
  return sdp
    .split("\r\n")
    .filter((line) => !line.startsWith("a=candidate:") || relayed({ candidate: line.slice(2) }) !== null)
    .map((line) =>
      line
        .replace(/^(c=|a=rtcp:\d+ |o=.* )IN (?:IP4|IP6) \S+$/, "$1IN IP4 0.0.0.0")
        .replace(BEHIND, NOWHERE),
    )
    .join("\r\n");
}
