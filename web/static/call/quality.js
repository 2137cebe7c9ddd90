// @ts-check
/**
 * How good a call is: from one reading of the statistics a second to what is shown. Pure.
 *
 * A reading holds counters that only grow; what an engine does not tell is null, and stays null in what is made of it.
 * A counter that starts again (a new stream), and a pause between readings (a computer that slept), make a gap.
 */

/**
 * @typedef {object} DirectionReading  counters since the start, sums over all media of one direction
 * @property {number | null} bytes
 * @property {number | null} packets
 * @property {number | null} lost
 * @property {number | null} fraction  of packets lost, from 0 to 1, as the other side reports it
 * @property {number | null} frames
 * @property {number} width  of the largest picture; 0 without one
 * @property {number} height
 * @property {number | null} jitter  seconds
 * @property {number | null} bufferDelay  seconds that all samples have waited, in sum
 * @property {number | null} buffered  how many samples that were
 * @property {string | null} limitedBy  "cpu", "bandwidth", "other", "none"
 *
 * @typedef {object} Reading
 * @property {number | null} roundTrip  seconds
 * @property {DirectionReading} sent
 * @property {DirectionReading} received
 *
 * @typedef {object} DirectionSample
 * @property {number | null} bitrate  kbit/s
 * @property {number | null} loss  per cent
 * @property {number | null} jitter  milliseconds
 * @property {number | null} frames  a second
 * @property {number} width
 * @property {number} height
 * @property {number | null} buffer  milliseconds
 * @property {string | null} limitedBy
 *
 * @typedef {object} Sample
 * @property {number} at  milliseconds since the epoch
 * @property {number | null} roundTrip  milliseconds
 * @property {DirectionSample} sent
 * @property {DirectionSample} received
 *
 * @typedef {"router" | "low-data" | "camera-off" | "other-side"} Advice
 * @typedef {"cpu" | "bandwidth" | "loss-sent" | "loss-received" | "round-trip" | "jitter" | "buffer"} Limit
 *
 * @typedef {object} QualityView
 * @property {0 | 1 | 2 | 3 | 4} bars
 * @property {boolean} isPoor
 * @property {Advice | null} advice
 * @property {Limit[]} limits  what limits the call now
 * @property {readonly Sample[]} series  of the last five minutes
 *
 * @typedef {object} Circumstances  what we could do about it
 * @property {boolean} isConnected
 * @property {boolean} hasCamera  ours is on
 * @property {boolean} isLowData
 */

/** Five minutes of seconds. */
export const MAX_SAMPLES = 300;
/** A longer pause between readings makes a gap: what happened in it is no rate of a second. */
const MAX_PAUSE_MS = 5000;
/** Bars follow the mean of so many samples … */
const SMOOTHED = 2;
/** … fall when it was worse so many times in a row … */
const FALL_AFTER = 3;
/** … and rise, one at a time, when it was better so many times. */
const RISE_AFTER = 6;

/** From which value on a measure costs bars: three are left, two, one. Loss in per cent, the others in milliseconds. */
const THRESHOLDS = { loss: [2, 6, 15], roundTrip: [300, 600, 1200], jitter: [50, 100, 200], buffer: [250, 500, 1000] };

export class Quality {
  /** @type {Sample[]} */
  #series = [];
  /** @type {{reading: Reading, at: number} | null} */
  #last = null;
  /** @type {QualityView["bars"]} */
  #bars = 4;
  #worse = 0;
  #better = 0;

  /**
   * @param {Reading} reading
   * @param {number} at  milliseconds since the epoch
   * @param {Circumstances} circumstances
   * @returns {QualityView}
   */
  update(reading, at, circumstances) {
    const last = this.#last;
    const elapsed = last === null ? 0 : at - last.at;
    this.#last = { reading, at };
    const isRate = elapsed > 0 && elapsed <= MAX_PAUSE_MS;
    if (elapsed < 0) this.#series = []; // the clock was set back: what came before has no place any more
    const before = isRate && last ? last.reading : null;
    this.#series.push({
      at,
      roundTrip: inMilliseconds(reading.roundTrip),
      sent: direction(reading.sent, before?.sent, elapsed),
      received: direction(reading.received, before?.received, elapsed),
    });
    if (this.#series.length > MAX_SAMPLES) this.#series.shift();
    return this.#view(circumstances);
  }

  /** @param {Circumstances} circumstances  @returns {QualityView} */
  #view({ isConnected, hasCamera, isLowData }) {
    const now = smoothed(this.#series.slice(-SMOOTHED));
    this.#follow(barsOf(now));
    const bars = isConnected ? this.#bars : 0;
    const isPoor = bars <= 1;
    return {
      bars,
      isPoor,
      advice: isPoor ? adviceOf(now, hasCamera, isLowData) : null,
      // what costs no bar is nothing to worry about
      limits: bars < 4 ? limitsOf(now) : [],
      series: [...this.#series],
    };
  }

  /** @param {1 | 2 | 3 | 4} bars  as they would be without patience */
  #follow(bars) {
    this.#worse = bars < this.#bars ? this.#worse + 1 : 0;
    this.#better = bars > this.#bars ? this.#better + 1 : 0;
    if (this.#worse >= FALL_AFTER) {
      this.#bars = bars;
      this.#worse = 0;
    } else if (this.#better >= RISE_AFTER) {
      this.#bars = /** @type {1 | 2 | 3 | 4} */ (this.#bars + 1);
      this.#better = 0;
    }
  }
}

/**
 * @param {DirectionReading} now
 * @param {DirectionReading | undefined} before  undefined: there is nothing to compare with
 * @param {number} elapsed  milliseconds
 * @returns {DirectionSample}
 */
function direction(now, before, elapsed) {
  const seconds = elapsed / 1000;
  const bytes = grown(now.bytes, before?.bytes);
  const frames = grown(now.frames, before?.frames);
  const delay = grown(now.bufferDelay, before?.bufferDelay);
  const buffered = grown(now.buffered, before?.buffered);
  return {
    bitrate: bytes === null ? null : (bytes * 8) / 1000 / seconds,
    loss: before ? lossOf(now, before) : null,
    jitter: inMilliseconds(now.jitter),
    frames: frames === null ? null : frames / seconds,
    width: now.width,
    height: now.height,
    buffer: delay === null || !buffered ? null : (delay / buffered) * 1000,
    limitedBy: now.limitedBy,
  };
}

/**
 * @param {DirectionReading} now
 * @param {DirectionReading} before
 */
function lossOf(now, before) {
  if (now.fraction !== null) return Math.min(100, Math.max(0, now.fraction * 100));
  const packets = grown(now.packets, before.packets);
  if (packets === null || now.lost === null || before.lost === null) return null;
  // packets that come late are taken back from the lost ones
  const lost = Math.max(0, now.lost - before.lost);
  return packets + lost === 0 ? null : (lost / (packets + lost)) * 100;
}

/**
 * By how much a counter has grown; null if it is not known, or has started again.
 *
 * @param {number | null} now
 * @param {number | null | undefined} before
 */
function grown(now, before) {
  return now === null || before === null || before === undefined || now < before ? null : now - before;
}

/** @param {number | null} seconds */
function inMilliseconds(seconds) {
  return seconds === null ? null : seconds * 1000;
}

/** @typedef {Record<"roundTrip" | "lossSent" | "lossReceived" | "jitter" | "buffer", number> & {limitedBy: string | null}} Smoothed */

/** @param {Sample[]} samples  @returns {Smoothed} */
function smoothed(samples) {
  const mean = (/** @type {(sample: Sample) => number | null} */ measure) => {
    const values = samples.map(measure).filter((value) => value !== null);
    return values.length === 0 ? 0 : values.reduce((sum, value) => sum + value, 0) / values.length;
  };
  return {
    roundTrip: mean(({ roundTrip }) => roundTrip),
    lossSent: mean(({ sent }) => sent.loss),
    lossReceived: mean(({ received }) => received.loss),
    jitter: Math.max(mean(({ sent }) => sent.jitter), mean(({ received }) => received.jitter)),
    buffer: mean(({ received }) => received.buffer),
    limitedBy: samples.at(-1)?.sent.limitedBy ?? null,
  };
}

/** @param {Smoothed} now  @returns {1 | 2 | 3 | 4} */
function barsOf({ roundTrip, lossSent, lossReceived, jitter, buffer, limitedBy }) {
  const left = (/** @type {number} */ value, /** @type {number[]} */ limits) => 4 - limits.filter((limit) => value >= limit).length;
  const bars = Math.min(
    left(roundTrip, THRESHOLDS.roundTrip),
    left(Math.max(lossSent, lossReceived), THRESHOLDS.loss),
    left(jitter, THRESHOLDS.jitter),
    left(buffer, THRESHOLDS.buffer),
    limitedBy === "cpu" || limitedBy === "bandwidth" ? 3 : 4,
  );
  return /** @type {1 | 2 | 3 | 4} */ (bars);
}

/** @param {Smoothed} now  @returns {Limit[]} */
function limitsOf(now) {
  /** @type {Limit[]} */
  const limits = [];
  const over = (/** @type {number} */ value, /** @type {keyof typeof THRESHOLDS} */ measure) =>
    value >= (THRESHOLDS[measure][0] ?? Infinity);
  if (now.limitedBy === "cpu" || now.limitedBy === "bandwidth") limits.push(now.limitedBy);
  if (over(now.lossSent, "loss")) limits.push("loss-sent");
  if (over(now.lossReceived, "loss")) limits.push("loss-received");
  if (over(now.roundTrip, "roundTrip")) limits.push("round-trip");
  if (over(now.jitter, "jitter")) limits.push("jitter");
  if (over(now.buffer, "buffer")) limits.push("buffer");
  return limits;
}

/**
 * What the user can do. Loss of what we send alone is our way out being too narrow: sending less helps. Loss of what
 * the other side sends alone is more likely its own.
 *
 * @param {Smoothed} now
 * @param {boolean} hasCamera
 * @param {boolean} isLowData
 * @returns {Advice}
 */
function adviceOf(now, hasCamera, isLowData) {
  const [first = 0] = THRESHOLDS.loss;
  if (now.lossReceived >= first && now.lossSent < first) return "other-side";
  const isTight = now.lossSent >= first || now.limitedBy === "bandwidth";
  if (now.limitedBy === "cpu" && hasCamera) return "camera-off";
  if (isTight && !isLowData) return "low-data";
  return isTight && hasCamera ? "camera-off" : "router";
}

/**
 * What goes into a diagnostics file: numbers and plain words, picked one by one. No address, name, key or description
 * is among them.
 *
 * @param {Pick<import("./snapshot.js").Snapshot, "phase" | "media" | "path" | "encrypted" | "connectedAt" | "settings" | "quality" | "protectionDetails" | "error">} snapshot
 * @param {number} now  milliseconds since the epoch
 * @param {string} engine  name and version of the browser
 */
export function diagnosticsOf({ phase, media, path, encrypted, connectedAt, settings, quality, protectionDetails, error }, now, engine) {
  const { bars, isPoor, advice, limits, series } = quality ?? { bars: 0, isPoor: false, advice: null, limits: [], series: [] };
  const { echoCancellation, noiseSuppression, autoGainControl, isBitrateConstant, isLowData, resolution, screenContent } = settings;
  return {
    format: "simplex-calls diagnostics 1",
    savedAt: new Date(now).toISOString(),
    seconds: connectedAt === null ? null : Math.round((now - connectedAt) / 1000),
    engine,
    call: { phase, media, path, encrypted, error },
    frames: protectionDetails && { scheme: protectionDetails.scheme, dropped: protectionDetails.dropped },
    settings: { echoCancellation, noiseSuppression, autoGainControl, isBitrateConstant, isLowData, resolution, screenContent },
    quality: { bars, isPoor, advice, limits },
    series: series.map((sample) => ({ ...sample, at: sample.at - (connectedAt ?? sample.at) })),
  };
}
