// @ts-check
/**
 * The ringtone: a soft bell figure, made by WebAudio note by note, no file. Timing comes from the audio clock; a timer
 * only writes the next bar ahead of it.
 *
 * @typedef {object} Timers
 * @property {(callback: () => void, delay: number) => any} setTimeout
 * @property {(timer: any) => void} clearTimeout
 */

import { loudness } from "../common/loudness.js";

/** Beat (of the bar) and frequency in Hz: a calm figure in E major, up and back. */
export const BAR = /** @type {const} */ ([
  [0, 659.26],
  [1, 830.61],
  [2, 987.77],
  [3, 1318.51],
  [4.5, 987.77],
  [5.5, 830.61],
]);
const BEAT_S = 0.17;
/** One figure and the silence after it. */
export const BAR_S = 2.8;
const AHEAD_S = 0.06;
const FADE_S = 0.015;
/** A bell's partials: multiple of the frequency, loudness, how long it sounds (seconds). */
const PARTIALS = /** @type {const} */ ([
  [1, 1, 1.3],
  [2, 0.32, 0.7],
  [3.01, 0.1, 0.32],
]);

export class Ringtone {
  #createContext;
  #timers;
  /** @type {AudioContext | null} */
  #context = null;
  /** @type {GainNode | null} */
  #volume = null;
  /** @type {any} */
  #timer;
  /** @type {any} */
  #end;

  /**
   * @param {() => AudioContext} createContext
   * @param {Timers} timers
   */
  constructor(createContext, timers) {
    this.#createContext = createContext;
    this.#timers = timers;
  }

  /** Rings from now on; ringing already: goes on. @param {number} percent */
  start(percent) {
    // what was only tried goes on in earnest
    this.#timers.clearTimeout(this.#end);
    if (this.#volume) {
      this.#volume.gain.value = loudness(percent);
      return;
    }
    try {
      this.#context ??= this.#createContext();
    } catch {
      return; // a machine without sound: the page rings for the eye
    }
    const context = this.#context;
    const volume = context.createGain();
    volume.gain.value = loudness(percent);
    volume.connect(context.destination);
    this.#volume = volume;
    // an engine that wants a click first stays silent until then
    const begin = () => {
      if (this.#volume === volume) this.#bar(context.currentTime + AHEAD_S);
    };
    if (context.state === "running") begin();
    else context.resume().then(begin, () => {});
  }

  /** Lets the user hear it once. @param {number} percent */
  try(percent) {
    this.stop();
    this.start(percent);
    this.#end = this.#timers.setTimeout(() => this.stop(), BAR_S * 1000);
  }

  /** Silence at once. */
  stop() {
    this.#timers.clearTimeout(this.#end);
    const [context, volume] = [this.#context, this.#volume];
    this.#volume = null;
    this.#timers.clearTimeout(this.#timer);
    if (!context || !volume) return;
    // a few milliseconds down, so that it does not click; what was written ahead goes with it
    volume.gain.setTargetAtTime(0, context.currentTime, FADE_S / 4);
    this.#timers.setTimeout(() => volume.disconnect(), FADE_S * 2000);
  }

  /** @param {number} time  when the bar begins, on the audio clock */
  #bar(time) {
    for (const [beat, frequency] of BAR) this.#bell(time + beat * BEAT_S, frequency);
    const wait = time + BAR_S - (this.#context?.currentTime ?? 0) - AHEAD_S;
    this.#timer = this.#timers.setTimeout(() => {
      if (this.#context && this.#volume) this.#bar(Math.max(time + BAR_S, this.#context.currentTime));
    }, Math.max(wait, 0) * 1000);
  }

  /**
   * @param {number} time
   * @param {number} frequency
   */
  #bell(time, frequency) {
    const [context, volume] = [this.#context, this.#volume];
    if (!context || !volume) return;
    for (const [multiple, strength, seconds] of PARTIALS) {
      const tone = context.createOscillator();
      const envelope = context.createGain();
      tone.frequency.value = frequency * multiple;
      envelope.gain.setValueAtTime(0, time);
      envelope.gain.linearRampToValueAtTime(strength, time + 0.008);
      envelope.gain.exponentialRampToValueAtTime(0.001, time + seconds);
      tone.connect(envelope).connect(volume);
      tone.start(time);
      tone.stop(time + seconds);
    }
  }
}
