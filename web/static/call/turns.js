// @ts-check
/** The order in which a call's commands are carried out, and which call they belong to. */

/** The call ended while the command was at work. */
export class OverError extends Error {
  name = "OverError";
}

export class Turns {
  /** One after the other: an answer must not overtake the offer it belongs to. @type {Promise<unknown>} */
  #queue = Promise.resolve();
  /** Goes up with every new call and every end: what began before it must not touch what came after. */
  #generation = 0;

  get generation() {
    return this.#generation;
  }

  /** What waits, waits no longer for what the call before still waits for (a permission, say). */
  next() {
    this.#generation += 1;
    this.#queue = Promise.resolve();
  }

  /**
   * @param {number} generation
   * @throws {OverError} if the call has ended since
   */
  check(generation) {
    if (generation !== this.#generation) throw new OverError("the call is over");
  }

  /**
   * Runs `work` after the commands before it, unless the call has ended by then.
   *
   * @template T
   * @param {() => Promise<T>} work
   * @returns {Promise<T>}
   */
  enqueue(work) {
    const generation = this.#generation;
    const result = this.#queue.then(() => {
      this.check(generation);
      return work();
    });
    this.#queue = result.catch(() => {});
    return result;
  }

  /**
   * Runs a part of the call's set-up. Whatever comes of it after the call's end concerns no call any more: not the one
   * that ended, and not one that has begun since.
   *
   * @template T
   * @param {(generation: number) => Promise<T>} work
   * @returns {Promise<T>}
   */
  async during(work) {
    const generation = this.#generation;
    try {
      return await work(generation);
    } finally {
      this.check(generation);
    }
  }
}
