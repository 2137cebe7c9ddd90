// @ts-check
/**
 * Our camera with its background blurred. Loaded when it is asked for: a call goes without it.
 *
 * What is sent is the worker's picture from the first on, all of it blurred until the model is there. If anything
 * fails, nothing is sent any more: never the camera's own picture.
 */

/**
 * @typedef {"loading" | "on" | "slow" | "failed" | "off"} BlurState  slow: its pictures are smaller or fewer
 *
 * @typedef {Pick<Worker, "postMessage" | "terminate"> & EventTarget} BlurWorker
 *
 * @typedef {object} Pipe  between a camera's track and the worker
 * @property {MediaStreamTrack} output  what the worker makes
 * @property {Record<string, any>} streams  for the worker's `start`
 * @property {Transferable[]} transfer
 * @property {() => Promise<{frame: ImageBitmap | null, width: number, height: number}>} [take]  the camera's next picture, where there are no streams
 * @property {(picture: ImageBitmap) => void} [show]  puts one into `output`
 * @property {() => void} close
 *
 * @typedef {object} BlurEngine
 * @property {() => BlurWorker} createWorker
 * @property {(track: MediaStreamTrack) => Pipe} createPipe
 */

/** The table: state, what the worker says → state. What is not in it changes nothing. @type {Record<BlurState, Record<string, BlurState>>} */
const TRANSITIONS = {
  loading: { on: "on", reduced: "slow", failed: "failed", closed: "off" },
  on: { reduced: "slow", failed: "failed", closed: "off" },
  slow: { full: "on", failed: "failed", closed: "off" },
  failed: { closed: "off" },
  off: {},
};

export class BlurredCamera {
  /** @type {BlurState} */
  #state = "loading";
  #camera;
  #worker;
  #pipe;
  #changed;

  /**
   * @param {MediaStreamTrack} camera
   * @param {BlurEngine} engine
   * @param {(state: BlurState) => void} changed
   * @throws  if the engine cannot; the camera is as it was
   */
  constructor(camera, engine, changed) {
    this.#camera = camera;
    this.#changed = changed;
    this.#worker = engine.createWorker();
    try {
      this.#pipe = engine.createPipe(camera);
    } catch (error) {
      this.#worker.terminate();
      throw error;
    }
    const { output, streams, transfer } = this.#pipe;
    // for all others it is the camera's track: what it is of, and when it ends
    const end = output.stop.bind(output);
    Object.assign(output, {
      stop: () => {
        this.#camera.stop();
        this.#close();
        end();
      },
      getSettings: () => camera.getSettings(),
    });
    camera.addEventListener("ended", () => {
      if (this.#state !== "off") output.dispatchEvent(new Event("ended"));
    });
    this.#worker.addEventListener("message", (event) => void this.#hear(/** @type {MessageEvent} */ (event).data));
    this.#worker.addEventListener("error", () => this.#move("failed"));
    this.#worker.postMessage({ type: "start", ...streams }, transfer);
  }

  /** What is to be sent and shown. */
  get track() {
    return this.#pipe.output;
  }

  get state() {
    return this.#state;
  }

  /** Ends the blurring; the camera stays open. @returns {MediaStreamTrack}  the camera's own track */
  release() {
    this.#close();
    return this.#camera;
  }

  #close() {
    if (this.#state === "off") return;
    this.#move("closed");
    this.#worker.terminate();
    this.#pipe.close();
  }

  /** @param {any} message */
  async #hear({ type, isReduced, picture }) {
    if (type === "on" || type === "failed") this.#move(type);
    else if (type === "pace") this.#move(isReduced ? "reduced" : "full");
    else if (type === "picture") this.#pipe.show?.(picture);
    else if (type === "want") {
      const taken = await this.#pipe.take?.();
      if (!taken || this.#state === "off") taken?.frame?.close();
      else this.#worker.postMessage({ type: "frame", ...taken }, taken.frame ? [taken.frame] : []);
    }
  }

  /** @param {string} event */
  #move(event) {
    const next = TRANSITIONS[this.#state][event];
    if (!next) return;
    this.#state = next;
    this.#changed(next);
  }
}
