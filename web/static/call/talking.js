// @ts-check
/** Talking by a held key, and the word to who talks while muted: what is decided. Pure; talk-view.js shows it. */

/** So long the word stays after the last sound, so that there is time to reach its button. */
export const HINT_MS = 5000;

/** "You are muted": for as long as somebody talks, and a while longer. */
export class MutedHint {
  #until = -Infinity;

  /**
   * @param {{isTalkingWhileMuted: boolean, canUnmute: boolean}} state
   * @param {number} now  milliseconds
   * @returns {boolean}  whether it is shown
   */
  update({ isTalkingWhileMuted, canUnmute }, now) {
    if (!canUnmute) this.#until = -Infinity;
    else if (isTalkingWhileMuted) this.#until = now + HINT_MS;
    return now < this.#until;
  }
}

/** The key that is held to talk. A microphone that is on anyway is left alone. */
export class HeldKey {
  #isHeld = false;

  get isHeld() {
    return this.#isHeld;
  }

  /**
   * @param {boolean} canUnmute  there is a microphone, and it is muted
   * @returns {boolean}  whether talking begins
   */
  press(canUnmute) {
    if (this.#isHeld || !canUnmute) return false;
    this.#isHeld = true;
    return true;
  }

  /** @returns {boolean}  whether talking ends */
  release() {
    const wasHeld = this.#isHeld;
    this.#isHeld = false;
    return wasHeld;
  }
}
