// @ts-check
/** Watches a connection from the moment it stands: numbers for Python, the peer's sources, the path, undecryptable media. */
import { PeerMedia } from "./statistics.js";

export const STATS_MS = 1000;
/** Where the peer does not say what it has muted, the statistics are read this often to see it. */
export const INFER_MS = 500;
/** Until the first frame the statistics are read this often, to see it in time … */
export const FIRST_FRAME_POLL_MS = 50;
/** … but no longer than this. */
const FIRST_FRAME_MS = 3000;
/** The engine counts a frame as sent before the cipher has it: the cipher gets this long to catch up, looked at so often. */
const SETTLE_MS = 500;
const SETTLE_POLL_MS = 20;
/** So many frames that fail, and none that does not, are no accident: a second or two of sound. */
const HOPELESS_FRAMES = 60;

/**
 * @typedef {import("./encryption.js").FrameCounters} FrameCounters
 * @typedef {import("./statistics.js").ConnectionStats} ConnectionStats
 *
 * @typedef {object} Watched
 * @property {Pick<import("./connection.js").Connection, "stats">} connection
 * @property {Pick<import("./encryption.js").CallEncryption, "counters"> | null} encryption
 * @property {"audio" | "video"} media
 * @property {() => boolean} isExact  the peer says itself what it has muted
 *
 * @typedef {object} Findings
 * @property {(stats: ReturnType<typeof numbers>) => void} stats  once a second, and at the first frame
 * @property {(reading: import("./quality.js").Reading, at: number) => void} reading  as often as `stats`
 * @property {(source: import("./sources.js").Source, enabled: boolean, sources: import("./sources.js").Sources) => void} peerMedia
 * @property {(path: "direct" | "relay" | null) => void} path
 * @property {() => void} undecryptable  not one frame of many could be decrypted
 */

export class Monitor {
  #clock;
  #watched;
  #findings;
  #peerMedia = new PeerMedia();
  #startedAt;
  #isClosed = false;
  /** @type {unknown} */
  #timer = null;
  /** @type {number | null} */
  #firstFrameAt = null;
  #statsAt = 0;
  #wasHopeless = false;
  /** @type {"direct" | "relay" | null} */
  #path = null;

  /**
   * @param {import("./session.js").Clock} clock
   * @param {Watched} watched
   * @param {Findings} findings
   */
  constructor(clock, watched, findings) {
    this.#clock = clock;
    this.#watched = watched;
    this.#findings = findings;
    this.#startedAt = clock.now();
    this.#pollAfter(FIRST_FRAME_POLL_MS);
  }

  close() {
    this.#isClosed = true;
    this.#clock.clearTimeout(this.#timer);
  }

  /** @param {number} delay */
  #pollAfter(delay) {
    this.#timer = this.#clock.setTimeout(() => void this.#poll(), delay);
  }

  async #poll() {
    try {
      const stats = await this.#watched.connection.stats();
      const at = this.#clock.now();
      const counters = await this.#countersOf(stats.framesSent);
      if (this.#isClosed) return;
      this.#report(stats, counters, at);
    } catch {
      // statistics of a connection that is closing: the next round, if there is one, reads them again
    }
    if (this.#isClosed) return;
    const isWaiting = this.#firstFrameAt === null && this.#clock.now() - this.#startedAt < FIRST_FRAME_MS;
    const usual = this.#watched.isExact() ? STATS_MS : INFER_MS;
    this.#pollAfter(isWaiting ? FIRST_FRAME_POLL_MS : usual);
  }

  /**
   * What the cipher has counted once it is through with the frames sent so far, or at the latest after a while.
   *
   * @param {number} sent
   * @returns {Promise<FrameCounters | null>}
   */
  async #countersOf(sent) {
    const deadline = this.#clock.now() + SETTLE_MS;
    for (;;) {
      const counters = (await this.#watched.encryption?.counters()) ?? null;
      const isSettled = !counters || sum(counters.encrypted) + sum(counters.empty) >= sent;
      if (isSettled || this.#isClosed || this.#clock.now() >= deadline) return counters;
      await new Promise((resolve) => this.#clock.setTimeout(() => resolve(null), SETTLE_POLL_MS));
    }
  }

  /**
   * @param {ConnectionStats} stats
   * @param {FrameCounters | null} counters
   * @param {number} at  when the statistics were read
   */
  #report(stats, counters, at) {
    const isFirst = this.#firstFrameAt === null && this.#hasFrame(stats);
    if (isFirst) this.#firstFrameAt = at;
    if (isFirst || at - this.#statsAt >= STATS_MS - FIRST_FRAME_POLL_MS) {
      this.#statsAt = at;
      this.#findings.stats(numbers(stats, counters, this.#firstFrameAt));
      this.#findings.reading(stats.reading, at);
    }
    for (const { source, enabled } of this.#peerMedia.update(stats.bytesReceived, at)) {
      this.#findings.peerMedia(source, enabled, this.#peerMedia.sources);
    }
    if (stats.path !== this.#path) this.#findings.path((this.#path = stats.path));
    this.#watchDecryption(counters);
  }

  /**
   * Of an audio call the first sound counts. A video call's first frame may never come (the contact has no camera):
   * then it has none.
   *
   * @param {ConnectionStats} stats
   */
  #hasFrame(stats) {
    return stats.framesDecoded > 0 || (this.#watched.media === "audio" && stats.audioPacketsReceived > 0);
  }

  /**
   * Single frames may fail; when not one can be decrypted, silence needs an explanation.
   *
   * @param {FrameCounters | null} counters
   */
  #watchDecryption(counters) {
    if (!counters) return;
    const isHopeless = sum(counters.decrypted) === 0 && sum(counters.failed) >= HOPELESS_FRAMES;
    if (isHopeless && !this.#wasHopeless) this.#findings.undecryptable();
    this.#wasHopeless = isHopeless;
  }
}

/** @param {{audio: number, video: number}} frames */
function sum({ audio, video }) {
  return audio + video;
}

/**
 * The numbers as Python gets them.
 *
 * @param {ConnectionStats} stats
 * @param {FrameCounters | null} counters  null where frames are not encrypted
 * @param {number | null} firstFrameAt
 */
function numbers(stats, counters, firstFrameAt) {
  const { framesSent, framesDecoded, audioPacketsReceived, audioPacketsSent, path, width, height } = stats;
  return {
    framesSent: counters ? sentOf(framesSent, sum(counters.encrypted), sum(counters.empty)) : framesSent,
    framesEncrypted: counters ? sum(counters.encrypted) : 0,
    framesDecrypted: counters ? sum(counters.decrypted) : 0,
    framesFailed: counters ? sum(counters.failed) : 0,
    framesReplayed: counters ? sum(counters.replayed) : 0,
    framesDecoded,
    audioPacketsReceived,
    audioPacketsSent,
    videoFramesDecrypted: counters?.decrypted.video ?? 0,
    path,
    width,
    height,
    ...(firstFrameAt === null ? {} : { firstFrameAt }),
  };
}

/**
 * The frames that were sent and needed the cipher. One without a byte needs none: where it was sent it would look like
 * one that went around the cipher. In the pauses of speech (DTX) most of them are not sent, so they explain no more than
 * what was sent beyond what was encrypted.
 *
 * @param {number} sent
 * @param {number} encrypted
 * @param {number} empty
 */
export function sentOf(sent, encrypted, empty) {
  return sent - Math.min(empty, Math.max(0, sent - encrypted));
}
