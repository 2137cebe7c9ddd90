// @ts-check
/**
 * The worker that every frame of an encrypted call goes through.
 *
 * In: `{type: "key", key, tracks}` once, `tracks` where each track gets a key of its own; `{type: "transform", id,
 * operation, media, track, readable, writable}` for engines with createEncodedStreams (the others hand over the same by
 * the `rtctransform` event); `{type: "changeKeys"}`; `{type: "count", id}`.
 * Out: `{type: "ready", id}` when a transform stands, `{type: "counters", id, counters}`, `{type: "failed", id, message}`.
 */
import { FrameError, decryptFrame, encryptFrame, importKey, wasSealed } from "./frames.js";
import { FrameOpener, FrameReplayedError, FrameSealer, saltOf, trackKey } from "./sframe.js";

/** @typedef {RTCEncodedVideoFrame | RTCEncodedAudioFrame} Frame */
/** @typedef {{id: number, operation: "encrypt" | "decrypt", media: "audio" | "video", track: string}} TransformOptions */
/** @typedef {(frame: Frame) => Promise<boolean>} Cipher  changes a frame; whether it was sealed */
/** @typedef {{readable: ReadableStream<Frame>, writable: WritableStream<Frame>}} Streams */

/**
 * How many frames went through, by operation and media; `failed` ones (damaged, forged, of another track or side) and
 * `replayed` ones were dropped, `empty` ones sent as they were.
 */
const counters = {
  encrypted: { audio: 0, video: 0 },
  empty: { audio: 0, video: 0 },
  decrypted: { audio: 0, video: 0 },
  failed: { audio: 0, video: 0 },
  replayed: { audio: 0, video: 0 },
};

/** What makes the cipher of a transform, once there is the key. @type {(make: (options: TransformOptions) => Promise<Cipher>) => void} */
let setKey;
/** @type {Promise<(options: TransformOptions) => Promise<Cipher>>} */
const callKey = new Promise((resolve) => (setKey = resolve));
/** By track. @type {Map<string, FrameSealer>} */
const sealers = new Map();

/**
 * @param {Frame} frame
 * @param {"audio" | "video"} media
 * @returns {import("./frames.js").FrameKind}
 */
function kindOf(frame, media) {
  if (media === "audio") return "audio";
  return /** @type {RTCEncodedVideoFrame} */ (frame).type === "key" ? "key" : "delta";
}

/**
 * One key for all, as the official apps do it.
 *
 * @param {CryptoKey} key
 * @param {TransformOptions} options
 * @returns {Cipher}
 */
function callCipher(key, { operation, media }) {
  return async (frame) => {
    const changed = frame;
    const kind = kindOf(frame, media);
    changed.data = await (operation === "encrypt" ? encryptFrame : decryptFrame)(key, frame.data, kind);
    return operation === "encrypt" || wasSealed(changed.data, kind);
  };
}

/**
 * A key for each track and direction.
 *
 * @param {Uint8Array<ArrayBuffer>} key
 * @param {Uint8Array<ArrayBuffer>} salt
 * @param {import("./sframe.js").Side} role  ours
 * @param {TransformOptions} options
 * @returns {Promise<Cipher>}
 */
async function trackCipher(key, salt, role, { operation, media, track }) {
  // connection.js agrees on no other codecs
  const codec = media === "audio" ? "opus" : "vp8";
  const peer = role === "offer" ? "answer" : "offer";
  const base = await trackKey(key, salt, operation === "encrypt" ? role : peer, track);
  /** @type {(data: ArrayBuffer) => Promise<ArrayBuffer>} */
  let change;
  if (operation === "encrypt") {
    const sealer = await FrameSealer.of(base, codec);
    // two with one key would use each number twice, which gives the key of the authentication away
    if (sealers.has(track)) throw new Error("The track has its cipher already.");
    sealers.set(track, sealer);
    change = (data) => sealer.seal(data);
  } else {
    const opener = await FrameOpener.of(base, codec);
    change = (data) => opener.open(data);
  }
  return async (frame) => {
    const changed = frame;
    changed.data = await change(frame.data);
    return true;
  };
}

/**
 * @param {Cipher} cipher
 * @param {TransformOptions} options
 * @returns {TransformStream<Frame, Frame>}
 */
function cipherStream(cipher, { operation, media }) {
  const done = operation === "encrypt" ? counters.encrypted : counters.decrypted;
  return new TransformStream({
    // A stream waits for one frame before it hands over the next: their order stays.
    async transform(frame, controller) {
      try {
        // Now and then, near the start, Chromium sends an audio frame without a byte: it passes, there is nothing in it.
        if (frame.data.byteLength === 0) {
          if (operation === "encrypt") counters.empty[media] += 1;
        } else if (await cipher(frame)) {
          done[media] += 1;
        }
      } catch (error) {
        // An exception would end the stream, and so the picture, for good: drop this frame, the next one plays.
        const dropped = error instanceof FrameReplayedError ? counters.replayed : counters.failed;
        dropped[media] += 1;
        if (!(error instanceof FrameError)) console.error(`A frame could not be ${operation}ed.`);
        return;
      }
      controller.enqueue(frame);
    },
  });
}

/**
 * @param {TransformOptions} options
 * @param {Streams} streams
 */
async function start(options, { readable, writable }) {
  try {
    const cipher = await (await callKey)(options);
    // Ends with the call, when the connection closes its streams.
    void readable.pipeThrough(cipherStream(cipher, options)).pipeTo(writable).catch(() => {});
    postMessage({ type: "ready", id: options.id });
  } catch {
    postMessage({ type: "failed", id: options.id, message: "The transform could not be set up." });
  }
}

addEventListener("message", async ({ data }) => {
  if (data.type === "key") {
    try {
      const { key, tracks } = data;
      if (tracks) {
        const salt = saltOf(tracks);
        setKey((options) => trackCipher(key, salt, tracks.role, options));
      } else {
        const imported = await importKey(key);
        setKey(async (options) => callCipher(imported, options));
      }
    } catch {
      postMessage({ type: "failed", message: "The key could not be used." });
    }
  } else if (data.type === "transform") {
    await start(data, data);
  } else if (data.type === "changeKeys") {
    for (const sealer of sealers.values()) sealer.changeKey();
  } else if (data.type === "count") {
    postMessage({ type: "counters", id: data.id, counters });
  }
});

addEventListener("rtctransform", (event) => {
  const { transformer } = /** @type {Event & {transformer: Streams & {options: TransformOptions}}} */ (event);
  void start(transformer.options, transformer);
});
