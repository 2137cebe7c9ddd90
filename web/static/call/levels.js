// @ts-check
/** Who is speaking, from levels of sound: what is decided, and how often it is looked at. No sound goes through here. */

export const LEVEL_MS = 100;
/** Louder than this is speech (0 to 1, root mean square of the samples): some −37 dB. */
const SPEECH = 0.014;
/** Whoever speaks is quieter between words. */
const PAUSE = 0.007;
/** So long after the last sound somebody still counts as speaking. */
export const HOLD_MS = 600;
/** A click or a cough is no speech. */
export const ATTACK_MS = 150;
/** So long must somebody talk while muted before it is said. */
export const MUTED_MS = 800;

/** One voice. */
export class Voice {
  #isSpeaking = false;
  /** Since when it has been loud. @type {number | null} */
  #loudSince = null;
  #heardAt = -Infinity;
  /** @type {number | null} */
  #speakingSince = null;

  /** Milliseconds that it has been speaking. @param {number} now */
  duration(now) {
    return this.#speakingSince === null ? 0 : now - this.#speakingSince;
  }

  /**
   * @param {number | null} level  null: not known, so silent
   * @param {number} now  milliseconds
   * @returns {boolean}  whether it is speaking
   */
  update(level, now) {
    const loudness = level ?? 0;
    if (loudness >= SPEECH) this.#loudSince ??= now;
    else if (loudness < PAUSE && !this.#isSpeaking) this.#loudSince = null;
    if (loudness >= (this.#isSpeaking ? PAUSE : SPEECH)) this.#heardAt = now;
    if (!this.#isSpeaking && this.#loudSince !== null && now - this.#loudSince >= ATTACK_MS) this.#set(true);
    if (this.#isSpeaking && now - this.#heardAt >= HOLD_MS) this.#set(false);
    return this.#isSpeaking;
  }

  /** @param {boolean} isSpeaking */
  #set(isSpeaking) {
    this.#isSpeaking = isSpeaking;
    this.#speakingSince = isSpeaking ? this.#loudSince : null;
    if (!isSpeaking) this.#loudSince = null;
  }
}

/**
 * @typedef {object} Levels
 * @property {number | null} self  what the microphone hears, muted or not
 * @property {number | null} peer
 *
 * @typedef {object} Voices
 * @property {{self: boolean, peer: boolean}} speaking  self: heard by the peer
 * @property {boolean} isTalkingWhileMuted
 */

/** Both voices of a call. */
export class Speech {
  #self = new Voice();
  #peer = new Voice();

  /**
   * @param {Levels} levels
   * @param {boolean} isMuted
   * @param {number} now
   * @returns {Voices}
   */
  update({ self, peer }, isMuted, now) {
    const isTalking = this.#self.update(self, now);
    return {
      speaking: { self: isTalking && !isMuted, peer: this.#peer.update(peer, now) },
      isTalkingWhileMuted: isTalking && isMuted && this.#self.duration(now) >= MUTED_MS,
    };
  }
}

/** @returns {Voices} */
export function noVoices() {
  return { speaking: { self: false, peer: false }, isTalkingWhileMuted: false };
}

/** Looks at the levels as long as it is not closed, and tells when something is different. */
export class SpeechWatch {
  #clock;
  #levels;
  #changed;
  #speech = new Speech();
  #told = JSON.stringify(noVoices());
  /** @type {unknown} */
  #timer;

  /**
   * @param {import("./session.js").Clock} clock
   * @param {() => Levels & {isMuted: boolean}} levels
   * @param {(voices: Voices) => void} changed
   */
  constructor(clock, levels, changed) {
    this.#clock = clock;
    this.#levels = levels;
    this.#changed = changed;
    this.#wait();
  }

  close() {
    this.#clock.clearTimeout(this.#timer);
  }

  #wait() {
    this.#timer = this.#clock.setTimeout(() => this.#look(), LEVEL_MS);
  }

  #look() {
    this.#wait();
    const { isMuted, ...levels } = this.#levels();
    const voices = this.#speech.update(levels, isMuted, this.#clock.now());
    const told = JSON.stringify(voices);
    if (told === this.#told) return;
    this.#told = told;
    this.#changed(voices);
  }
}
