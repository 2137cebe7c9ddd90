// @ts-check
/** What a connection's statistics say: numbers for Python, the path for the padlock, and what the peer has muted. */
import { noSources, sourceOfMid, SOURCES } from "./sources.js";

/**
 * @typedef {object} ConnectionStats
 * @property {number} framesSent  video frames and audio packets (an audio packet is one frame) handed to the network
 * @property {number} framesDecoded  video frames
 * @property {number} audioPacketsSent
 * @property {number} audioPacketsReceived
 * @property {number} width  of the peer's picture, pixels; 0 while there is none
 * @property {number} height
 * @property {"direct" | "relay" | null} path
 * @property {Partial<Record<import("./sources.js").Source, number>>} bytesReceived
 */

/**
 * The candidate pair that a connection uses.
 *
 * @param {ReadonlyMap<string, any>} report
 * @returns {{pair: any, local: any, remote: any} | null}
 */
export function selectedPair(report) {
  let pair = null;
  for (const stat of report.values()) {
    if (stat.type === "transport" && stat.selectedCandidatePairId) pair = report.get(stat.selectedCandidatePairId) ?? pair;
    // Firefox has no transport entry, but marks the pair
    else if (stat.type === "candidate-pair" && stat.state === "succeeded" && (stat.selected || stat.nominated)) pair ??= stat;
  }
  return pair && { pair, local: report.get(pair.localCandidateId), remote: report.get(pair.remoteCandidateId) };
}

/**
 * @param {ReadonlyMap<string, any>} report
 * @returns {ConnectionStats}
 */
export function readStats(report) {
  /** @type {ConnectionStats} */
  const stats = {
    framesSent: 0,
    framesDecoded: 0,
    audioPacketsSent: 0,
    audioPacketsReceived: 0,
    width: 0,
    height: 0,
    path: null,
    bytesReceived: {},
  };
  for (const stat of report.values()) {
    if (stat.type === "inbound-rtp") {
      const source = sourceOfMid(stat.mid);
      if (source) stats.bytesReceived[source] = (stats.bytesReceived[source] ?? 0) + (stat.bytesReceived ?? 0);
      if (stat.kind === "audio") stats.audioPacketsReceived += stat.packetsReceived ?? 0;
      else {
        stats.framesDecoded += stat.framesDecoded ?? 0;
        if (stat.frameWidth && source !== "screenVideo") [stats.width, stats.height] = [stat.frameWidth, stat.frameHeight];
      }
    } else if (stat.type === "outbound-rtp") {
      if (stat.kind === "audio") stats.audioPacketsSent += stat.packetsSent ?? 0;
      else stats.framesSent += stat.framesSent ?? stat.framesEncoded ?? 0;
    }
  }
  stats.framesSent += stats.audioPacketsSent;
  const selected = selectedPair(report);
  if (selected) {
    const isRelayed = [selected.local, selected.remote].some((candidate) => candidate?.candidateType === "relay");
    stats.path = isRelayed ? "relay" : "direct";
  }
  return stats;
}

/** After this long without a byte a source counts as muted. Sound and video have no pauses of that length. */
export const SILENCE_MS = 2000;

/** Infers what the peer has muted: there is no message for it, its bytes just stop coming. */
export class PeerMedia {
  #sources = noSources();
  /** @type {Partial<Record<import("./sources.js").Source, {bytes: number, at: number}>>} */
  #last = {};

  get sources() {
    return { ...this.#sources };
  }

  /**
   * @param {ConnectionStats["bytesReceived"]} bytesReceived
   * @param {number} now  milliseconds
   * @returns {{source: import("./sources.js").Source, enabled: boolean}[]}  what has changed
   */
  update(bytesReceived, now) {
    const changes = [];
    for (const source of SOURCES) {
      const bytes = bytesReceived[source] ?? 0;
      const last = this.#last[source];
      if (bytes > (last?.bytes ?? 0)) this.#last[source] = { bytes, at: now };
      const seen = this.#last[source];
      const enabled = seen !== undefined && now - seen.at < SILENCE_MS;
      if (enabled !== this.#sources[source]) {
        this.#sources[source] = enabled;
        changes.push({ source, enabled });
      }
    }
    return changes;
  }
}
