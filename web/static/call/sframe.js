// @ts-check
/**
 * The cipher of media frames between two of our own apps: SFrame (RFC 9605), a key of its own for each track and direction.
 *
 * A sealed frame is `clear ‖ header ‖ ciphertext ‖ tag (16)`. `clear` is what packetizer and depacketizer must read: the
 * first 10 bytes of a VP8 key frame, 1 of others, none of Opus; it is the metadata of the SFrame ciphertext after it
 * (config byte, step of the key, counter; AES-256-GCM, suite 5, header and clear bytes authenticated). A frame without a
 * byte stays empty. Keys change by a ratchet (section 5.1). The Python twin is `simplex_calls/calls/sframe.py`, which
 * says more; both are held to `tests/vectors/frames.json`.
 *
 * Pure: nothing here knows a worker or a stream.
 */
import { FrameError, TAG_SIZE } from "./frames.js";

/**
 * @typedef {"offer" | "answer"} Side
 * @typedef {"opus" | "vp8"} Codec
 */

export const FRAMES_PER_KEY = 2 ** 20;
/** Frames that may overtake one another; a multiple of 32. */
export const WINDOW = 256;
/** So many steps of keys may have been lost on the way, with all their frames. */
export const STEPS_AHEAD = 16;
const MAX_STEP = 0xffff;
const MAX_STEP_SIZE = 2;
const MAX_COUNTER_SIZE = 3;
const SUITE = 5;
const NONCE_SIZE = 12;
const KEY_FRAME_HEADER = 10;
const LABEL = "simplex-calls frames 2\n";
const SIDES = { offer: "offering", answer: "answering" };

/** The frame came before, or is older than the window. */
export class FrameReplayedError extends FrameError {
  name = "FrameReplayedError";
}

/**
 * What both sides agreed on.
 *
 * @typedef {object} Agreement
 * @property {Uint8Array} transcript  32 bytes: the call's id and both public keys
 * @property {string} offering  the offering side's fingerprints
 * @property {string} answering
 */

/**
 * What ties the keys of all tracks to it.
 *
 * @param {Agreement} agreement
 * @returns {Uint8Array<ArrayBuffer>}
 * @throws {TypeError} if there is a fingerprint missing
 */
export function saltOf({ transcript, offering, answering }) {
  if (!offering || !answering) throw new TypeError("A description has no fingerprint.");
  const text = new TextEncoder();
  return new Uint8Array([...text.encode(LABEL), ...transcript, ...text.encode(`${offering}\n${answering}`)]);
}

/**
 * The base key of what a side sends as a track.
 *
 * @param {BufferSource} key  the call's
 * @param {BufferSource} salt  of `saltOf`
 * @param {Side} sender
 * @param {string} track
 */
export function trackKey(key, salt, sender, track) {
  return hkdf("SHA-256", key, salt, encode(`simplex-calls ${track} from the ${SIDES[sender]} side`), 32);
}

/** Cipher and salt of one step (RFC 9605, section 4.4.2). */
export class StepKey {
  /**
   * @param {Uint8Array<ArrayBuffer>} base
   * @param {number} step
   * @param {CryptoKey} cipher
   * @param {Uint8Array<ArrayBuffer>} salt
   */
  constructor(base, step, cipher, salt) {
    this.base = base;
    this.step = step;
    this.cipher = cipher;
    this.salt = salt;
  }

  /**
   * @param {Uint8Array<ArrayBuffer>} base
   * @param {number} step
   */
  static async of(base, step) {
    const [secret, salt] = await Promise.all([
      hkdf("SHA-512", base, new Uint8Array(), info("SFrame 1.0 Secret key ", step), 32),
      hkdf("SHA-512", base, new Uint8Array(), info("SFrame 1.0 Secret salt ", step), NONCE_SIZE),
    ]);
    const cipher = await crypto.subtle.importKey("raw", secret, "AES-GCM", false, ["encrypt", "decrypt"]);
    return new StepKey(base, step, cipher, salt);
  }

  /** @param {number} steps */
  async ahead(steps) {
    let { base } = this;
    for (let left = steps; left > 0; left -= 1) {
      base = await hkdf("SHA-512", base, new Uint8Array(), encode("SFrame 1.0 Ratchet"), 64);
    }
    return StepKey.of(base, this.step + steps);
  }

  /** @param {number} counter  below 2^24 */
  nonce(counter) {
    const nonce = this.salt.slice();
    nonce[9] = /** @type {number} */ (nonce[9]) ^ (counter >>> 16);
    nonce[10] = /** @type {number} */ (nonce[10]) ^ ((counter >>> 8) & 0xff);
    nonce[11] = /** @type {number} */ (nonce[11]) ^ (counter & 0xff);
    return nonce;
  }
}

/** Seals the frames of one track, each under the next counter. */
export class FrameSealer {
  #key;
  #codec;
  #counter = 0;
  #isDue = false;
  /** Under way to the next key. @type {Promise<void> | null} */
  #turning = null;

  /**
   * @param {StepKey} key
   * @param {Codec} codec
   */
  constructor(key, codec) {
    this.#key = key;
    this.#codec = codec;
  }

  /**
   * @param {Uint8Array<ArrayBuffer>} baseKey
   * @param {Codec} codec
   */
  static async of(baseKey, codec) {
    return new FrameSealer(await StepKey.of(baseKey, 0), codec);
  }

  /**
   * @param {ArrayBuffer} frame
   * @returns {Promise<ArrayBuffer>}
   * @throws {FrameError}
   */
  async seal(frame) {
    if (frame.byteLength === 0) return frame;
    const bytes = new Uint8Array(frame);
    const clear = bytes.subarray(0, clearSize(bytes, this.#codec));
    while (this.#isDue) await (this.#turning ??= this.#turn());
    const { step, cipher } = this.#key;
    const counter = this.#counter;
    // used up, whatever comes of it
    this.#counter += 1;
    this.#isDue = this.#counter >= FRAMES_PER_KEY;
    const iv = this.#key.nonce(counter);
    const header = encodeHeader(step, counter);
    const additionalData = join(header, clear);
    const sealed = await crypto.subtle.encrypt({ name: "AES-GCM", iv, additionalData }, cipher, bytes.subarray(clear.length));
    const whole = new Uint8Array(clear.length + header.length + sealed.byteLength);
    whole.set(clear);
    whole.set(header, clear.length);
    whole.set(new Uint8Array(sealed), clear.length + header.length);
    return whole.buffer;
  }

  /** Goes on with the next key from the next frame; without a frame under the present one there is nothing to change. */
  changeKey() {
    if (this.#counter > 0) this.#isDue = true;
  }

  async #turn() {
    if (this.#key.step >= MAX_STEP) throw new FrameError("The call has used up its keys.");
    this.#key = await this.#key.ahead(1);
    [this.#counter, this.#isDue, this.#turning] = [0, false, null];
  }
}

/** Which counters of one key came. */
class Window {
  highest = -1;
  /** The place of a counter is the counter modulo the window's size. */
  #seen = new Uint32Array(WINDOW / 32);

  /** @param {number} counter */
  isNew(counter) {
    if (counter > this.highest) return true;
    return this.highest - counter < WINDOW && !(this.#word(counter) & (1 << counter % 32));
  }

  /** @param {number} counter */
  add(counter) {
    if (counter - this.highest >= WINDOW) this.#seen.fill(0);
    else for (let passed = this.highest + 1; passed < counter; passed += 1) this.#set(passed, false);
    this.#set(counter, true);
    if (counter > this.highest) this.highest = counter;
  }

  /** @param {number} counter */
  #word(counter) {
    return this.#seen[(counter % WINDOW) >> 5] ?? 0;
  }

  /**
   * @param {number} counter
   * @param {boolean} isSeen
   */
  #set(counter, isSeen) {
    const bit = 1 << counter % 32;
    this.#seen[(counter % WINDOW) >> 5] = isSeen ? this.#word(counter) | bit : this.#word(counter) & ~bit;
  }
}

/** Opens the frames of one track, each once; one after the other. */
export class FrameOpener {
  #key;
  #codec;
  #window = new Window();
  /** The last key, for frames that were overtaken by the change. @type {{key: StepKey, window: Window} | null} */
  #before = null;

  /**
   * @param {StepKey} key
   * @param {Codec} codec
   */
  constructor(key, codec) {
    this.#key = key;
    this.#codec = codec;
  }

  /**
   * @param {Uint8Array<ArrayBuffer>} baseKey
   * @param {Codec} codec
   */
  static async of(baseKey, codec) {
    return new FrameOpener(await StepKey.of(baseKey, 0), codec);
  }

  /**
   * @param {ArrayBuffer} frame
   * @returns {Promise<ArrayBuffer>}
   * @throws {FrameError}  also FrameReplayedError; the next frame opens all the same
   */
  async open(frame) {
    if (frame.byteLength === 0) return frame;
    const bytes = new Uint8Array(frame);
    const clear = bytes.subarray(0, clearSize(bytes, this.#codec));
    const { step, counter, end } = decodeHeader(bytes, clear.length);
    if (bytes.length < end + TAG_SIZE) throw new FrameError("The frame has no room for a tag.");
    const { key, window } = await this.#keyOf(step);
    if (!window.isNew(counter)) throw new FrameReplayedError("The frame came before, or far too late.");
    const additionalData = join(bytes.subarray(clear.length, end), clear);
    let plain;
    try {
      const how = { name: "AES-GCM", iv: key.nonce(counter), additionalData };
      plain = await crypto.subtle.decrypt(how, key.cipher, bytes.subarray(end));
    } catch {
      throw new FrameError("The frame does not open with this track's key.");
    }
    window.add(counter);
    if (step > this.#key.step) {
      this.#before = { key: this.#key, window: this.#window };
      [this.#key, this.#window] = [key, window];
    } else if (this.#before && this.#window.highest >= WINDOW) {
      this.#before = null;
    }
    if (clear.length === 0) return plain;
    const whole = new Uint8Array(clear.length + plain.byteLength);
    whole.set(clear);
    whole.set(new Uint8Array(plain), clear.length);
    return whole.buffer;
  }

  /** @param {number} step */
  async #keyOf(step) {
    const ahead = step - this.#key.step;
    if (ahead === 0) return { key: this.#key, window: this.#window };
    if (this.#before?.key.step === step) return this.#before;
    if (ahead < 0 || ahead > STEPS_AHEAD) throw new FrameError("The frame names a key that is not known.");
    return { key: await this.#key.ahead(ahead), window: new Window() };
  }
}

/**
 * Config byte, KID and CTR: 1 to 6 bytes.
 *
 * @param {number} step
 * @param {number} counter
 */
export function encodeHeader(step, counter) {
  const config = part(step, 4) | part(counter, 0);
  return new Uint8Array([config, ...rest(step), ...rest(counter)]);
}

/**
 * @param {Uint8Array} bytes
 * @param {number} start
 * @throws {FrameError}
 */
export function decodeHeader(bytes, start) {
  const config = bytes[start];
  if (config === undefined) throw new FrameError("The frame has no header.");
  let end = start + 1;
  const read = (/** @type {number} */ four, /** @type {number} */ most) => {
    if (four < 8) return four;
    const size = four - 7;
    if (size > most) throw new FrameError("The frame's header has a number that is not used.");
    let value = 0;
    for (const byte of bytes.subarray(end, end + size)) value = value * 256 + byte;
    end += size;
    return value;
  };
  const step = read(config >> 4, MAX_STEP_SIZE);
  const counter = read(config & 15, MAX_COUNTER_SIZE);
  return { step, counter, end };
}

/** @param {number} value */
function rest(value) {
  if (value < 8) return [];
  if (value < 0x100) return [value];
  if (value < 0x10000) return [value >> 8, value & 0xff];
  return [value >> 16, (value >> 8) & 0xff, value & 0xff];
}

/**
 * @param {number} value
 * @param {number} shift
 */
function part(value, shift) {
  return (value < 8 ? value : 7 + rest(value).length) << shift;
}

/**
 * @param {Uint8Array} bytes  one at least
 * @param {Codec} codec
 */
function clearSize(bytes, codec) {
  if (codec === "opus") return 0;
  // the lowest bit of VP8 says whether it is a key frame, whose size depacketizers read
  if (/** @type {number} */ (bytes[0]) & 1) return 1;
  if (bytes.length < KEY_FRAME_HEADER) throw new FrameError("A VP8 key frame has 10 bytes at least.");
  return KEY_FRAME_HEADER;
}

/**
 * @param {Uint8Array<ArrayBuffer>} header
 * @param {Uint8Array} clear
 */
function join(header, clear) {
  if (clear.length === 0) return header;
  const joined = new Uint8Array(header.length + clear.length);
  joined.set(header);
  joined.set(clear, header.length);
  return joined;
}

/**
 * @param {string} label
 * @param {number} step
 */
function info(label, step) {
  return new Uint8Array([...encode(label), 0, 0, 0, 0, 0, 0, step >> 8, step & 0xff, 0, SUITE]);
}

/** @param {string} text */
function encode(text) {
  return new TextEncoder().encode(text);
}

/**
 * @param {"SHA-256" | "SHA-512"} hash
 * @param {BufferSource} key
 * @param {BufferSource} salt
 * @param {BufferSource} about
 * @param {number} size  bytes
 */
async function hkdf(hash, key, salt, about, size) {
  const secret = await crypto.subtle.importKey("raw", key, "HKDF", false, ["deriveBits"]);
  return new Uint8Array(await crypto.subtle.deriveBits({ name: "HKDF", hash, salt, info: about }, secret, size * 8));
}
