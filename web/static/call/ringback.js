// @ts-check
/**
 * What a caller hears while it rings on the other side: a quiet tone, made by WebAudio, no file. Loaded when it is first
 * heard.
 */
import { loudness } from "../common/loudness.js";

/** The tone that many telephone networks have, softened: Hz, seconds of sound, seconds from one to the next. */
const TONE_HZ = 425;
const TONE_S = 1;
export const EVERY_S = 4;
/** Quieter than what wakes the one who is called. */
const SHARE = 0.35;
const FADE_S = 0.03;

export class Ringback {
  #createContext;
  #timers;
  /** @type {AudioContext | null} */
  #context = null;
  /** @type {GainNode | null} */
  #volume = null;
  /** @type {any} */
  #timer;

  /**
   * @param {() => AudioContext} createContext
   * @param {{setTimeout: (callback: () => void, delay: number) => any, clearTimeout: (timer: any) => void}} timers
   */
  constructor(createContext, timers) {
    this.#createContext = createContext;
    this.#timers = timers;
  }

  /** Sounds at this volume from now on, or is silent. @param {number} percent  0: silent */
  follow(percent) {
    if (percent <= 0) this.#stop();
    else if (this.#volume) this.#volume.gain.value = SHARE * loudness(percent);
    else this.#start(percent);
  }

  /** @param {number} percent */
  #start(percent) {
    try {
      this.#context = this.#createContext();
    } catch {
      return; // a machine without sound: the page says it in words
    }
    const context = this.#context;
    const volume = context.createGain();
    volume.gain.value = SHARE * loudness(percent);
    volume.connect(context.destination);
    this.#volume = volume;
    const begin = () => {
      if (this.#volume === volume) this.#tone(context, volume);
    };
    // an engine that wants a click first stays silent until then
    if (context.state === "running") begin();
    else context.resume().then(begin, () => {});
  }

  /** @param {AudioContext} context @param {GainNode} volume */
  #tone(context, volume) {
    const start = context.currentTime;
    const tone = context.createOscillator();
    const envelope = context.createGain();
    tone.frequency.value = TONE_HZ;
    envelope.gain.setValueAtTime(0, start);
    envelope.gain.linearRampToValueAtTime(1, start + FADE_S);
    envelope.gain.setValueAtTime(1, start + TONE_S - FADE_S);
    envelope.gain.linearRampToValueAtTime(0, start + TONE_S);
    tone.connect(envelope).connect(volume);
    tone.start(start);
    tone.stop(start + TONE_S);
    this.#timer = this.#timers.setTimeout(() => this.#tone(context, volume), EVERY_S * 1000);
  }

  /** At once, and without a click. */
  #stop() {
    const [context, volume] = [this.#context, this.#volume];
    if (!context || !volume) return;
    this.#context = null;
    this.#volume = null;
    this.#timers.clearTimeout(this.#timer);
    volume.gain.setTargetAtTime(0, context.currentTime, FADE_S / 4);
    // the sound device is free for the call
    this.#timers.setTimeout(() => void context.close().catch(() => {}), FADE_S * 2000);
  }
}
