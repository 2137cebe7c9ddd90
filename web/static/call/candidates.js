// @ts-check
/**
 * Groups ICE candidates into messages.
 *
 * Every message travels through queues under a double ratchet, so one a candidate would be slow and wasteful; but
 * waiting for all of them delays the call. The first group goes with the offer or answer: the host candidates come
 * within milliseconds of one another, so it closes a moment after the first of them. What STUN and TURN servers bring
 * later follows in groups, which SimpleX apps take at any time after the offer or answer.
 */

/** The first group closes this long after its first candidate … */
export const SETTLE_MS = 20;
/** … or this long after it was asked for, even when it is empty. */
export const FIRST_MS = 100;
/** Where nothing can follow, the first group is all of them: a server that does not answer is waited for this long. */
export const ALL_MS = 5000;
/** A later group collects for this long. */
export const GROUP_MS = 100;

/** Groups the candidates of one connection. */
export class CandidateGroups {
  /** @type {RTCIceCandidateInit[]} */
  #collected = [];
  #clock;
  #send;
  /** @type {unknown} */
  #timer = null;
  /** @type {"before" | "first" | "all" | "later" | "closed"} */
  #stage = "before";
  #isComplete = false;
  /** When the first of those that were collected came. @type {number | null} */
  #since = null;
  /** @type {((candidates: RTCIceCandidateInit[]) => void) | null} */
  #resolveFirst = null;

  /**
   * @param {import("./session.js").Clock} clock
   * @param {(candidates: RTCIceCandidateInit[]) => void} send  takes every group but the first
   */
  constructor(clock, send) {
    this.#clock = clock;
    this.#send = send;
  }

  /** @param {RTCIceCandidateInit} candidate */
  add(candidate) {
    if (this.#stage === "closed") return;
    this.#collected.push(candidate);
    this.#since ??= this.#clock.now();
    if (this.#stage === "first" && this.#collected.length === 1) this.#startTimer(SETTLE_MS);
    else if (this.#stage === "later" && this.#timer === null) this.#startTimer(GROUP_MS);
  }

  /** There are no more candidates. */
  complete() {
    this.#isComplete = true;
    if (this.#stage !== "before" && this.#stage !== "closed") this.#flush();
  }

  /**
   * The first group; ask for it once, when the local description is set.
   *
   * @param {boolean} [isAll]  there can be no later one
   * @returns {Promise<RTCIceCandidateInit[]>}
   */
  first(isAll = false) {
    return new Promise((resolve) => {
      this.#resolveFirst = resolve;
      this.#stage = isAll ? "all" : "first";
      const hasSettled = this.#since !== null && this.#clock.now() - this.#since >= SETTLE_MS;
      if (this.#isComplete || (hasSettled && !isAll)) this.#flush();
      else if (isAll) this.#startTimer(ALL_MS);
      else this.#startTimer(this.#collected.length > 0 ? SETTLE_MS : FIRST_MS);
    });
  }

  /** ICE begins anew: what was found before is of no use, and there is a first group again. */
  restart() {
    if (this.#stage === "closed") return;
    this.close();
    this.#collected = [];
    this.#isComplete = false;
    this.#since = null;
    this.#stage = "before";
  }

  close() {
    this.#stopTimer();
    this.#stage = "closed";
    this.#resolveFirst?.([]);
    this.#resolveFirst = null;
  }

  #flush() {
    this.#stopTimer();
    const group = this.#collected.splice(0);
    if (this.#resolveFirst) {
      this.#stage = "later";
      this.#resolveFirst(group);
      this.#resolveFirst = null;
    } else if (group.length > 0) {
      this.#send(group);
    }
  }

  /** @param {number} delay */
  #startTimer(delay) {
    this.#stopTimer();
    this.#timer = this.#clock.setTimeout(() => this.#flush(), delay);
  }

  #stopTimer() {
    if (this.#timer !== null) this.#clock.clearTimeout(this.#timer);
    this.#timer = null;
  }
}
