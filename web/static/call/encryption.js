// @ts-check
/**
 * Puts the frame cipher between a connection's senders and receivers and the network.
 *
 * The trap that shapes this file: a script transform that is set late lets media out in the clear, silently, and a
 * receiver's that is set in `ontrack` on the offering side is bypassed. So `protect` runs in the very task in which a
 * transceiver comes into being, and no track is attached before `ready` (see connection.js). Where the engine has both
 * ways, createEncodedStreams comes first: with `encodedInsertableStreams` such a connection sends nothing at all until
 * its streams are piped, so it fails closed by itself.
 */
import { decodeKey } from "./frames.js";

/**
 * @typedef {object} FrameCounters
 * @property {{audio: number, video: number}} encrypted
 * @property {{audio: number, video: number}} empty  sent without a byte in them
 * @property {{audio: number, video: number}} decrypted
 * @property {{audio: number, video: number}} failed  dropped: damaged, forged, of another track or side
 * @property {{audio: number, video: number}} replayed  dropped: it came before
 *
 * What goes into the keys where each track has its own (sframe.js).
 *
 * @typedef {import("./sframe.js").Agreement & {role: import("./sframe.js").Side}} Tracks  the role is ours
 */

/** The engine cannot encrypt frames, or the worker did not start. */
export class EncryptionError extends Error {
  name = "EncryptionError";
}

/**
 * How this engine lets a page transform encoded frames.
 *
 * @param {{RTCRtpSender?: unknown, RTCRtpScriptTransform?: unknown, Worker?: unknown}} engine  `globalThis` of a page
 * @returns {"streams" | "script" | null}
 */
export function transformSupport(engine) {
  if (typeof engine.Worker !== "function") return null;
  const sender = /** @type {{prototype?: object} | undefined} */ (engine.RTCRtpSender);
  if (sender?.prototype && "createEncodedStreams" in sender.prototype) return "streams";
  return typeof engine.RTCRtpScriptTransform === "function" ? "script" : null;
}

/**
 * The parts of the engine that encryption needs.
 *
 * @typedef {object} EncryptionEngine
 * @property {"streams" | "script" | null} support
 * @property {() => Worker} createWorker
 * @property {(worker: Worker, options: object) => unknown} createScriptTransform
 * @property {import("./session.js").Clock} clock
 */

const READY_MS = 8000;
const COUNT_MS = 1000;

/** The encryption of one call: one worker, one key. */
export class CallEncryption {
  #engine;
  #worker;
  #nextId = 1;
  /** @type {Map<number, {resolve: (value: any) => void, reject: (error: Error) => void}>} */
  #waiting = new Map();
  /** @type {Promise<unknown>[]} */
  #transforms = [];
  /** @type {EncryptionError | null} */
  #failure = null;
  #hasKey = false;
  /** What begins with the key: until it is there the worker confirms nothing. @type {(() => void)[]} */
  #afterKey = [];

  /**
   * @param {EncryptionEngine} engine
   * @param {string | null} key  the call's key in base64url; null if it comes later (`setKey`), and nothing flows before
   * @throws {EncryptionError} if the engine cannot; TypeError if the key is none
   */
  constructor(engine, key) {
    if (!engine.support) throw new EncryptionError("This browser cannot encrypt media frames.");
    const bytes = key === null ? null : decodeKey(key);
    this.#engine = engine;
    this.#worker = engine.createWorker();
    this.#worker.addEventListener("message", ({ data }) => this.#receive(data));
    this.#worker.addEventListener("error", () => this.#fail("The encryption worker did not start."));
    if (bytes) this.#giveKey(bytes);
  }

  get hasKey() {
    return this.#hasKey;
  }

  /**
   * The call's key, if it was not there from the start.
   *
   * @param {string} key  in base64url
   * @param {Tracks} [tracks]  each track gets a key of its own; without: one for all, as the official apps do it
   * @throws {TypeError} if it is none
   */
  setKey(key, tracks) {
    if (this.#hasKey) throw new EncryptionError("The call has its key already.");
    this.#giveKey(decodeKey(key), tracks);
  }

  /** Goes on with new keys, where tracks have their own. */
  changeKeys() {
    if (!this.#failure) this.#worker.postMessage({ type: "changeKeys" });
  }

  /** What the connection's configuration needs so that frames can be transformed. */
  get configuration() {
    return this.#engine.support === "streams" ? { encodedInsertableStreams: true } : {};
  }

  /**
   * Puts the cipher on both directions of a transceiver. Synchronous: call it in the task that made the transceiver.
   *
   * @param {RTCRtpTransceiver} transceiver
   * @param {import("./sources.js").Source} track
   */
  protect(transceiver, track) {
    const media = transceiver.receiver.track.kind;
    this.#attach({ operation: "encrypt", media, track }, transceiver.sender);
    this.#attach({ operation: "decrypt", media, track }, transceiver.receiver);
  }

  /** Resolves when the worker has confirmed every transform so far; rejects with EncryptionError. */
  async ready() {
    await Promise.all(this.#transforms);
  }

  /** @returns {Promise<FrameCounters | null>} what the worker has counted, null if it does not answer */
  async counters() {
    if (this.#failure) return null;
    const id = this.#nextId++;
    try {
      const answer = this.#reply(id, COUNT_MS);
      this.#worker.postMessage({ type: "count", id });
      return await answer;
    } catch {
      return null;
    }
  }

  close() {
    this.#fail("The call is over.");
    this.#worker.terminate();
  }

  /**
   * @param {Uint8Array<ArrayBuffer>} bytes
   * @param {Tracks} [tracks]
   */
  #giveKey(bytes, tracks) {
    this.#hasKey = true;
    this.#worker.postMessage({ type: "key", key: bytes, tracks }, [bytes.buffer]);
    for (const start of this.#afterKey.splice(0)) start();
  }

  /**
   * @param {{operation: "encrypt" | "decrypt", media: string, track: string}} what
   * @param {RTCRtpSender | RTCRtpReceiver} end
   */
  #attach(what, end) {
    const options = { id: this.#nextId++, ...what };
    const confirmed = this.#reply(options.id, READY_MS);
    confirmed.catch(() => {}); // `ready` reports it
    this.#transforms.push(confirmed);
    if (this.#engine.support === "streams") {
      const { readable, writable } = /** @type {any} */ (end).createEncodedStreams();
      this.#worker.postMessage({ type: "transform", ...options, readable, writable }, [readable, writable]);
    } else {
      /** @type {any} */ (end).transform = this.#engine.createScriptTransform(this.#worker, options);
    }
  }

  /**
   * @param {number} id
   * @param {number} timeout  milliseconds
   * @returns {Promise<any>}
   */
  #reply(id, timeout) {
    return new Promise((resolve, reject) => {
      if (this.#failure) {
        reject(this.#failure);
        return;
      }
      const { clock } = this.#engine;
      /** @type {unknown} */
      let timer;
      const startTimer = () => {
        timer = clock.setTimeout(() => {
          this.#waiting.delete(id);
          reject(new EncryptionError("The encryption worker does not answer."));
        }, timeout);
      };
      if (this.#hasKey) startTimer();
      else this.#afterKey.push(startTimer);
      this.#waiting.set(id, {
        resolve: (value) => {
          clock.clearTimeout(timer);
          resolve(value);
        },
        reject: (error) => {
          clock.clearTimeout(timer);
          reject(error);
        },
      });
    });
  }

  /** @param {{type: string, id: number, counters?: FrameCounters, message?: string}} message */
  #receive({ type, id, counters, message }) {
    if (type === "failed") {
      this.#fail(message ?? "The encryption worker failed.");
      return;
    }
    this.#waiting.get(id)?.resolve(counters);
    this.#waiting.delete(id);
  }

  /** @param {string} message */
  #fail(message) {
    this.#afterKey = [];
    this.#failure ??= new EncryptionError(message);
    for (const { reject } of this.#waiting.values()) reject(this.#failure);
    this.#waiting.clear();
  }
}
