// @ts-check
/**
 * When a call that stood looks for a new way (ICE restart, RFC 8445 section 9), and when it is lost.
 *
 * The side that offered at the call's beginning makes all new offers, the other one asks for them: so two offers never
 * cross. Offers are numbered, and only the newest one's answer counts: those that waited while messages could not be
 * delivered are passed over.
 *
 * Core: what is to be done comes out as events.
 */

/** After this long without a connection the call is over. */
export const LOST_MS = 60_000;
/** Engines call a way "disconnected" that comes back by itself within a second or two. */
export const DISCONNECTED_MS = 2_000;
/** Between two tries at first; each one doubles it. */
export const GAP_MS = 1_500;
export const MAX_GAP_MS = 10_000;
/** Networks change in several steps. */
export const SETTLE_MS = 300;
/** Sound comes back first, pictures this much later. */
export const VIDEO_BACK_MS = 1_000;

/**
 * @typedef {object} ReconnectionEvents
 * @property {(number: number) => void} offer  make the offer of this number
 * @property {(number: number) => void} ask  ask the other side for one after this number
 * @property {(isPaused: boolean) => void} video  pause or send pictures
 * @property {() => void} lost
 */

export class Reconnection {
  #clock;
  #isOffering;
  #canRestart;
  #events;
  #number = 0;
  #tries = 0;
  /** When the newest try was made. @type {number | null} */
  #triedAt = null;
  /** @type {{at: number, timer: unknown} | null} */
  #plan = null;
  /** @type {unknown} */
  #lost = null;
  /** @type {unknown} */
  #video = null;
  #hasStood = false;

  /**
   * @param {import("./session.js").Clock} clock
   * @param {{isOffering: boolean, canRestart: boolean}} options  canRestart: the other side knows how to, too
   * @param {ReconnectionEvents} events
   */
  constructor(clock, { isOffering, canRestart }, events) {
    this.#clock = clock;
    this.#isOffering = isOffering;
    this.#canRestart = canRestart;
    this.#events = events;
  }

  /** The connection stands. */
  back() {
    this.#hasStood = true;
    this.#tries = 0;
    this.#stopPlan();
    if (this.#lost === null) return;
    this.#clock.clearTimeout(this.#lost);
    this.#lost = null;
    this.#video ??= this.#clock.setTimeout(() => {
      this.#video = null;
      this.#events.video(false);
    }, VIDEO_BACK_MS);
  }

  /** The connection is gone. @param {boolean} hasFailed  the engine has given up */
  away(hasFailed) {
    if (this.#lost === null) {
      this.#lost = this.#clock.setTimeout(() => {
        this.close();
        this.#events.lost();
      }, LOST_MS);
      this.#stopVideo();
      this.#events.video(true);
    }
    this.#planIn(hasFailed ? 0 : DISCONNECTED_MS);
  }

  /** The system says that it is on a network again; the old way may seem to stand for a while. */
  networkChanged() {
    if (!this.#hasStood) return;
    this.#tries = 0;
    this.#planIn(SETTLE_MS);
  }

  /** The other side asks for an offer. @param {unknown} number  of the newest one that it had */
  asked(number) {
    // a newer one is on its way already
    if (this.#isOffering && number === this.#number) this.#planIn(0);
  }

  /** The other side offers. @param {unknown} number  @returns {boolean}  whether that is to be answered */
  offered(number) {
    const newer = Number.isSafeInteger(number) ? Number(number) : 0;
    if (this.#isOffering || !this.#canRestart || newer <= this.#number) return false;
    this.#number = newer;
    this.#triedAt = this.#clock.now();
    this.#stopPlan();
    this.#planNext();
    return true;
  }

  /** Whether nothing newer has come, or been made, since. @param {unknown} number */
  isNewest(number) {
    return this.#canRestart && number === this.#number;
  }

  close() {
    this.#stopPlan();
    this.#stopVideo();
    if (this.#lost !== null) this.#clock.clearTimeout(this.#lost);
    this.#lost = null;
    this.#canRestart = false;
  }

  #try() {
    this.#tries += 1;
    this.#triedAt = this.#clock.now();
    if (this.#isOffering) {
      this.#number += 1;
      this.#events.offer(this.#number);
    } else {
      this.#events.ask(this.#number);
    }
    this.#planNext();
  }

  #planNext() {
    if (this.#lost !== null) this.#planIn(MAX_GAP_MS);
  }

  /** @param {number} delay */
  #planIn(delay) {
    if (!this.#canRestart) return;
    const gap = this.#tries === 0 ? 0 : Math.min(GAP_MS * 2 ** (this.#tries - 1), MAX_GAP_MS);
    const now = this.#clock.now();
    const at = Math.max(now + delay, (this.#triedAt ?? now - gap) + gap);
    if (this.#plan && this.#plan.at <= at) return;
    this.#stopPlan();
    const timer = this.#clock.setTimeout(() => {
      this.#plan = null;
      this.#try();
    }, at - now);
    this.#plan = { at, timer };
  }

  #stopPlan() {
    if (this.#plan) this.#clock.clearTimeout(this.#plan.timer);
    this.#plan = null;
  }

  #stopVideo() {
    if (this.#video !== null) this.#clock.clearTimeout(this.#video);
    this.#video = null;
  }
}

/**
 * The certificates of a description, as one text: they must stay what they were over a restart.
 *
 * @param {string} sdp
 */
export function fingerprintsOf(sdp) {
  const found = [...sdp.matchAll(/^a=fingerprint:(\S+ \S+)/gm)].map(([, print]) => String(print).toLowerCase());
  return [...new Set(found)].sort().join(",");
}
