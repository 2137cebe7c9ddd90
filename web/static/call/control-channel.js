// @ts-check
/**
 * What two of our pages tell each other in a call, besides media: which sources are on, texts, reactions, the end.
 *
 * Messages are JSON, each sealed with AES-256-GCM: `counter (8 bytes, big-endian) ‖ ciphertext ‖ tag (16)`, the nonce
 * is four zero bytes and the counter. The keys, one a direction, are HKDF-SHA256 of the call's frame key: without frame
 * encryption there is no channel. Counters only go up, so that nothing can be replayed or put in another order; what
 * does not fit is dropped and counted. DTLS carries the channel, but servers and whoever is in between could end that.
 *
 * Core: knows no RTCDataChannel, only how to send bytes.
 */
import { decodeKey } from "./frames.js";

export const CHANNEL_LABEL = "simplex-calls";
/** The one who offers (the called side) and the one who answers. */
const LABELS = {
  offer: "simplex-calls channel from the offering side",
  answer: "simplex-calls channel from the answering side",
};
const COUNTER_SIZE = 8;
export const MAX_TEXT = 4000;
/** A text of the longest kind, escaped as far as JSON can, and what goes with it. */
const MAX_BYTES = 32_768;
/** Messages a second that are taken of the peer. */
export const MAX_RATE = 20;
/** @type {readonly string[]} */
export const REACTIONS = ["👍", "👎", "👏", "❤️", "😂", "😮", "😢", "🎉"];

/**
 * @typedef {"offer" | "answer"} Role
 * @typedef {import("./sources.js").Sources} Sources
 * @typedef {{t: "media"} & Sources | {t: "text", id: string, text: string} | {t: "reaction", emoji: string} | {t: "bye"}} ControlMessage
 */

/**
 * @param {any} value  whatever came
 * @returns {ControlMessage | null}  null: nothing that we know
 */
export function readMessage(value) {
  switch (value?.t) {
    case "media": {
      const { mic, camera, screenAudio, screenVideo } = value;
      const sources = { mic, camera, screenAudio, screenVideo };
      return Object.values(sources).every((source) => typeof source === "boolean") ? { t: "media", ...sources } : null;
    }
    case "text": {
      const { id, text } = value;
      const isFit = typeof id === "string" && /^[\w-]{1,32}$/.test(id) && isText(text);
      return isFit ? { t: "text", id, text } : null;
    }
    case "reaction":
      return REACTIONS.includes(value.emoji) ? { t: "reaction", emoji: value.emoji } : null;
    case "bye":
      return { t: "bye" };
    default:
      return null;
  }
}

/** @param {unknown} text */
export function isText(text) {
  return typeof text === "string" && text.length <= MAX_TEXT && text.trim() !== "";
}

/** Both directions' keys and counters. */
export class ControlCipher {
  #keys;
  #sent = 0;
  #received = 0;

  /**
   * @param {string} key  the call's frame key in base64url
   * @param {Role} role  ours
   */
  constructor(key, role) {
    const peer = role === "offer" ? "answer" : "offer";
    this.#keys = Promise.all([deriveKey(key, LABELS[role], "encrypt"), deriveKey(key, LABELS[peer], "decrypt")]);
    this.#keys.catch(() => {}); // whoever seals is told
  }

  /**
   * @param {ControlMessage} message
   * @returns {Promise<Uint8Array<ArrayBuffer>>}
   */
  async seal(message) {
    const counter = (this.#sent += 1);
    const [key] = await this.#keys;
    const iv = nonce(counter);
    const body = await crypto.subtle.encrypt({ name: "AES-GCM", iv }, key, new TextEncoder().encode(JSON.stringify(message)));
    const sealed = new Uint8Array(COUNTER_SIZE + body.byteLength);
    sealed.set(iv.subarray(iv.length - COUNTER_SIZE));
    sealed.set(new Uint8Array(body), COUNTER_SIZE);
    return sealed;
  }

  /**
   * One after the other.
   *
   * @param {ArrayBuffer} sealed
   * @returns {Promise<ControlMessage | null>}  null: changed, replayed, out of order, or nothing that we know
   */
  async open(sealed) {
    if (sealed.byteLength <= COUNTER_SIZE || sealed.byteLength > MAX_BYTES) return null;
    const counter = Number(new DataView(sealed).getBigUint64(0));
    if (counter <= this.#received) return null;
    try {
      const [, key] = await this.#keys;
      const body = new Uint8Array(sealed, COUNTER_SIZE);
      const plain = await crypto.subtle.decrypt({ name: "AES-GCM", iv: nonce(counter) }, key, body);
      this.#received = counter;
      return readMessage(JSON.parse(new TextDecoder("utf-8", { fatal: true }).decode(plain)));
    } catch {
      return null;
    }
  }
}

/**
 * @param {string} key
 * @param {string} label
 * @param {"encrypt" | "decrypt"} usage
 */
async function deriveKey(key, label, usage) {
  const secret = await crypto.subtle.importKey("raw", decodeKey(key), "HKDF", false, ["deriveKey"]);
  const parameters = { name: "HKDF", hash: "SHA-256", salt: new Uint8Array(), info: new TextEncoder().encode(label) };
  return crypto.subtle.deriveKey(parameters, secret, { name: "AES-GCM", length: 256 }, false, [usage]);
}

/** @param {number} counter */
function nonce(counter) {
  const iv = new Uint8Array(12);
  new DataView(iv.buffer).setBigUint64(4, BigInt(counter));
  return iv;
}

/**
 * @typedef {object} ControlPort  what carries the messages
 * @property {(bytes: Uint8Array<ArrayBuffer>) => void} send
 */

/** One call's channel: seals what is to be sent, in order, and takes what comes, as much as is fit. */
export class ControlChannel {
  #cipher;
  #port;
  #clock;
  #onMessage;
  /** @type {Promise<unknown>} */
  #sending = Promise.resolve();
  /** @type {Promise<unknown>} */
  #receiving = Promise.resolve();
  /** When the latest messages came. @type {number[]} */
  #taken = [];
  #isClosed = false;
  /** How much of the peer's was of no use. */
  dropped = 0;

  /**
   * @param {ControlCipher} cipher
   * @param {ControlPort} port
   * @param {import("./session.js").Clock} clock
   * @param {(message: ControlMessage) => void} onMessage
   */
  constructor(cipher, port, clock, onMessage) {
    this.#cipher = cipher;
    this.#port = port;
    this.#clock = clock;
    this.#onMessage = onMessage;
  }

  /**
   * Resolves when the message is on its way, or never will be.
   *
   * @param {ControlMessage} message
   */
  send(message) {
    const sent = this.#sending.then(async () => {
      const bytes = await this.#cipher.seal(message);
      if (!this.#isClosed) this.#port.send(bytes);
    });
    this.#sending = sent.catch(() => {});
    return this.#sending;
  }

  /** @param {unknown} data  what came */
  receive(data) {
    const now = this.#clock.now();
    this.#taken = this.#taken.filter((at) => now - at < 1000 && at <= now);
    if (!(data instanceof ArrayBuffer) || this.#taken.length >= MAX_RATE) {
      this.dropped += 1;
      return;
    }
    this.#taken.push(now);
    this.#receiving = this.#receiving.then(async () => {
      const message = await this.#cipher.open(data);
      if (this.#isClosed) return;
      if (message) this.#onMessage(message);
      else this.dropped += 1;
    });
  }

  close() {
    this.#isClosed = true;
  }
}
