// @ts-check
/**
 * The cipher of media frames, as all SimpleX apps do it: AES-256-GCM with the call's key, the same in both directions.
 *
 * An encrypted frame is `clear ‖ ciphertext ‖ tag (16) ‖ iv (12)`, without additional data. `clear` is what packetizer
 * and depacketizer must read: the first 10 bytes of a VP8 key frame, 3 of a delta frame, 1 of an audio frame. A frame
 * that is no longer than its clear part is `clear ‖ iv`; an empty frame stays empty. The Python twin is
 * `simplex_calls/calls/frames.py`; both are held to `tests/vectors/frames.json`.
 *
 * Pure: nothing here knows a worker or a stream.
 */

/** @typedef {"audio" | "key" | "delta"} FrameKind */

export const KEY_SIZE = 32;
const IV_SIZE = 12;
export const TAG_SIZE = 16;

/** @type {Record<FrameKind, number>} */
const CLEAR_SIZE = { audio: 1, delta: 3, key: 10 };

/** A frame that was cut, changed, or encrypted with another key. */
export class FrameError extends Error {
  name = "FrameError";
}

/**
 * The 32 bytes of a call's key, or of what else Python hands over with it.
 *
 * @param {unknown} text  base64url, padded or not
 * @param {string} [name]
 * @returns {Uint8Array<ArrayBuffer>}
 * @throws {TypeError} if there are not 32; its text does not show what was given
 */
export function decodeKey(text, name = "key") {
  let bytes = "";
  try {
    bytes = atob(String(text).replaceAll("-", "+").replaceAll("_", "/"));
  } catch {
    // reported below, without the text
  }
  if (bytes.length !== KEY_SIZE) throw new TypeError(`A call's ${name} is ${KEY_SIZE} bytes in base64url.`);
  return Uint8Array.from(bytes, (byte) => byte.charCodeAt(0));
}

/**
 * @param {BufferSource} bytes  the 32 bytes
 * @returns {Promise<CryptoKey>}  a key that cannot be read out again
 */
export function importKey(bytes) {
  return crypto.subtle.importKey("raw", bytes, "AES-GCM", false, ["encrypt", "decrypt"]);
}

/**
 * @param {CryptoKey} key
 * @param {ArrayBuffer} frame
 * @param {FrameKind} kind
 * @param {(iv: Uint8Array<ArrayBuffer>) => void} [randomize]  fills the iv; never the same twice with one key
 * @returns {Promise<ArrayBuffer>}
 */
export async function encryptFrame(key, frame, kind, randomize = (iv) => void crypto.getRandomValues(iv)) {
  if (frame.byteLength === 0) return frame;
  const clearSize = Math.min(CLEAR_SIZE[kind], frame.byteLength);
  const plainSize = frame.byteLength - clearSize;
  const sealedSize = plainSize && plainSize + TAG_SIZE;
  const encrypted = new Uint8Array(clearSize + sealedSize + IV_SIZE);
  const iv = encrypted.subarray(clearSize + sealedSize);
  randomize(iv);
  encrypted.set(new Uint8Array(frame, 0, clearSize));
  if (plainSize) {
    const sealed = await crypto.subtle.encrypt({ name: "AES-GCM", iv }, key, new Uint8Array(frame, clearSize));
    encrypted.set(new Uint8Array(sealed), clearSize);
  }
  return encrypted.buffer;
}

/**
 * Whether a decrypted frame says that the key is right. One that is no longer than its clear part (a pause in Opus) had
 * nothing to be decrypted in it.
 *
 * @param {ArrayBuffer} frame
 * @param {FrameKind} kind
 */
export function wasSealed(frame, kind) {
  return frame.byteLength > CLEAR_SIZE[kind];
}

/**
 * @param {CryptoKey} key
 * @param {ArrayBuffer} frame
 * @param {FrameKind} kind
 * @returns {Promise<ArrayBuffer>}
 * @throws {FrameError}
 */
export async function decryptFrame(key, frame, kind) {
  if (frame.byteLength === 0) return frame;
  const bodySize = frame.byteLength - IV_SIZE;
  if (bodySize < 0) throw new FrameError("The frame is shorter than an iv.");
  const clearSize = Math.min(CLEAR_SIZE[kind], bodySize);
  const sealedSize = bodySize - clearSize;
  if (sealedSize === 0) return frame.slice(0, clearSize);
  // a sealed part always holds at least one byte besides its tag
  if (sealedSize <= TAG_SIZE) throw new FrameError("The frame has no room for a tag.");
  const iv = new Uint8Array(frame, bodySize);
  let plain;
  try {
    plain = await crypto.subtle.decrypt({ name: "AES-GCM", iv }, key, new Uint8Array(frame, clearSize, sealedSize));
  } catch {
    throw new FrameError("The frame does not decrypt with this call's key.");
  }
  const decrypted = new Uint8Array(clearSize + plain.byteLength);
  decrypted.set(new Uint8Array(frame, 0, clearSize));
  decrypted.set(new Uint8Array(plain), clearSize);
  return decrypted.buffer;
}
