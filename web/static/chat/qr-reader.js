// @ts-check
/** Reading QR codes in a worker, which is made when the first code is to be read. */

/** The worker cannot be had: the page was not loaded whole. */
export class ReaderError extends Error {}

/** @typedef {{data: Uint8ClampedArray<ArrayBuffer>, width: number, height: number}} Pixels  as of a canvas; used up */
/** @typedef {Pick<Worker, "postMessage" | "addEventListener" | "terminate">} WorkerPort */

export class QrReader {
  #create;
  /** @type {WorkerPort | null} */
  #worker = null;
  #last = 0;
  /** @type {Map<number, {resolve: (text: string | null) => void, reject: (error: Error) => void}>} */
  #waiting = new Map();

  /** @param {() => WorkerPort} create */
  constructor(create) {
    this.#create = create;
  }

  /**
   * The text of a code that is in a picture, `null` if none is found; rejected with ReaderError.
   *
   * @param {Pixels} pixels
   * @returns {Promise<string | null>}
   */
  read({ data, width, height }) {
    const worker = (this.#worker ??= this.#start());
    this.#last += 1;
    const id = this.#last;
    return new Promise((resolve, reject) => {
      this.#waiting.set(id, { resolve, reject });
      worker.postMessage({ id, width, height, pixels: data.buffer }, [data.buffer]);
    });
  }

  /** Lets the worker go; what was being read has no code. */
  stop() {
    this.#worker?.terminate();
    this.#worker = null;
    for (const { resolve } of this.#waiting.values()) resolve(null);
    this.#waiting.clear();
  }

  #start() {
    const worker = this.#create();
    worker.addEventListener("message", (/** @type {any} */ { data: { id, text } }) => {
      this.#waiting.get(id)?.resolve(text);
      this.#waiting.delete(id);
    });
    worker.addEventListener("error", () => {
      if (this.#worker !== worker) return;
      const waiting = [...this.#waiting.values()];
      this.#waiting.clear();
      this.stop();
      for (const { reject } of waiting) reject(new ReaderError("the worker that reads codes failed"));
    });
    return worker;
  }
}
