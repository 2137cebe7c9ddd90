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
 * @property {import("./quality.js").Reading} reading
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
    reading: { roundTrip: null, sent: noReading(), received: noReading() },
  };
  const { sent, received } = stats.reading;
  for (const stat of report.values()) {
    if (stat.type === "inbound-rtp") {
      readInbound(received, stat);
      const source = sourceOfMid(stat.mid);
      if (source) stats.bytesReceived[source] = (stats.bytesReceived[source] ?? 0) + (stat.bytesReceived ?? 0);
      if (stat.kind === "audio") stats.audioPacketsReceived += stat.packetsReceived ?? 0;
      else {
        stats.framesDecoded += stat.framesDecoded ?? 0;
        if (stat.frameWidth && source !== "screenVideo") [stats.width, stats.height] = [stat.frameWidth, stat.frameHeight];
      }
    } else if (stat.type === "remote-inbound-rtp") {
      readReport(sent, stat);
      stats.reading.roundTrip = larger(stats.reading.roundTrip, stat.roundTripTime);
    } else if (stat.type === "outbound-rtp") {
      readOutbound(sent, stat);
      if (stat.kind === "audio") stats.audioPacketsSent += stat.packetsSent ?? 0;
      else stats.framesSent += stat.framesSent ?? stat.framesEncoded ?? 0;
    }
  }
  stats.framesSent += stats.audioPacketsSent;
  const selected = selectedPair(report);
  if (selected) {
    const isRelayed = [selected.local, selected.remote].some((candidate) => candidate?.candidateType === "relay");
    stats.path = isRelayed ? "relay" : "direct";
    stats.reading.roundTrip ??= selected.pair.currentRoundTripTime ?? null;
  }
  return stats;
}

/** @typedef {import("./quality.js").DirectionReading} DirectionReading */

/** @returns {DirectionReading} */
function noReading() {
  return {
    bytes: null,
    packets: null,
    lost: null,
    fraction: null,
    frames: null,
    width: 0,
    height: 0,
    jitter: null,
    bufferDelay: null,
    buffered: null,
    limitedBy: null,
  };
}

/**
 * @param {DirectionReading} reading
 * @param {any} stat  inbound-rtp
 */
function readInbound(reading, stat) {
  reading.bytes = added(reading.bytes, stat.bytesReceived);
  reading.packets = added(reading.packets, stat.packetsReceived);
  reading.lost = added(reading.lost, stat.packetsLost);
  reading.jitter = larger(reading.jitter, stat.jitter);
  if (stat.kind === "audio") {
    // what is heard late is what is felt; a picture waits for its sound
    reading.bufferDelay = added(reading.bufferDelay, stat.jitterBufferDelay);
    reading.buffered = added(reading.buffered, stat.jitterBufferEmittedCount);
  } else {
    reading.frames = added(reading.frames, stat.framesDecoded);
    readSize(reading, stat);
  }
}

/**
 * @param {DirectionReading} reading
 * @param {any} stat  outbound-rtp
 */
function readOutbound(reading, stat) {
  reading.bytes = added(reading.bytes, stat.bytesSent);
  reading.packets = added(reading.packets, stat.packetsSent);
  if (stat.kind === "audio") return;
  reading.frames = added(reading.frames, stat.framesSent ?? stat.framesEncoded);
  readSize(reading, stat);
  const { qualityLimitationReason: reason } = stat;
  if (["cpu", "bandwidth", "other", "none"].includes(reason) && (reading.limitedBy ?? "none") === "none") reading.limitedBy = reason;
}

/**
 * @param {DirectionReading} reading
 * @param {any} stat  remote-inbound-rtp: what the other side says of what we send
 */
function readReport(reading, stat) {
  reading.lost = added(reading.lost, stat.packetsLost);
  reading.fraction = larger(reading.fraction, stat.fractionLost);
  reading.jitter = larger(reading.jitter, stat.jitter);
}

/**
 * @param {DirectionReading} reading
 * @param {any} stat
 */
function readSize(reading, { frameWidth = 0, frameHeight = 0 }) {
  if (frameWidth * frameHeight > reading.width * reading.height) [reading.width, reading.height] = [frameWidth, frameHeight];
}

/**
 * @param {number | null} sum
 * @param {unknown} value
 */
function added(sum, value) {
  return typeof value === "number" && Number.isFinite(value) ? (sum ?? 0) + value : sum;
}

/**
 * @param {number | null} most
 * @param {unknown} value
 */
function larger(most, value) {
  return typeof value === "number" && Number.isFinite(value) ? Math.max(most ?? value, value) : most;
}

/**
 * After this long without a byte a source counts as muted (milliseconds). Opus in its pauses still sends a packet every
 * 400 ms; a camera some pictures a second; a screen on which nothing moves one a second.
 *
 * @type {Record<import("./sources.js").Source, number>}
 */
export const SILENCE_MS = { mic: 1300, camera: 1300, screenAudio: 1300, screenVideo: 3000 };

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
      const enabled = seen !== undefined && now - seen.at < SILENCE_MS[source];
      if (enabled !== this.#sources[source]) {
        this.#sources[source] = enabled;
        changes.push({ source, enabled });
      }
    }
    return changes;
  }
}
