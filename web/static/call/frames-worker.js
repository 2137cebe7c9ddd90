// @ts-check
/**
 * The worker that every frame of an encrypted call goes through.
 *
 * In: `{type: "key", key}` once; `{type: "transform", id, operation, media, readable, writable}` for engines with
 * createEncodedStreams (the others hand over the same by the `rtctransform` event); `{type: "count", id}`.
 * Out: `{type: "ready", id}` when a transform stands, `{type: "counters", id, counters}`, `{type: "failed", id, message}`.
 */
import { FrameError, decryptFrame, encryptFrame, importKey, wasSealed } from "./frames.js";

/** @typedef {RTCEncodedVideoFrame | RTCEncodedAudioFrame} Frame */
/** @typedef {{id: number, operation: "encrypt" | "decrypt", media: "audio" | "video"}} TransformOptions */
/** @typedef {{readable: ReadableStream<Frame>, writable: WritableStream<Frame>}} Streams */

/** How many frames went through, by operation and media; `failed` ones were dropped, `empty` ones sent as they were. */
const counters = {
  encrypted: { audio: 0, video: 0 },
  empty: { audio: 0, video: 0 },
  decrypted: { audio: 0, video: 0 },
  failed: { audio: 0, video: 0 },
};

/** @type {(key: CryptoKey) => void} */
let setKey;
/** @type {Promise<CryptoKey>} */
const callKey = new Promise((resolve) => (setKey = resolve));

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
 * @param {CryptoKey} key
 * @param {TransformOptions} options
 * @returns {TransformStream<Frame, Frame>}
 */
function cipherStream(key, { operation, media }) {
  return new TransformStream({
    // A stream waits for one frame before it hands over the next: their order stays.
    async transform(frame, controller) {
      const changed = frame;
      try {
        const kind = kindOf(frame, media);
        // Now and then, near the start, Chromium sends an audio frame without a byte: it passes, there is nothing in it.
        if (frame.data.byteLength === 0) {
          if (operation === "encrypt") counters.empty[media] += 1;
        } else if (operation === "encrypt") {
          changed.data = await encryptFrame(key, frame.data, kind);
          counters.encrypted[media] += 1;
        } else {
          changed.data = await decryptFrame(key, frame.data, kind);
          if (wasSealed(changed.data, kind)) counters.decrypted[media] += 1;
        }
      } catch (error) {
        // An exception would end the stream, and so the picture, for good: drop this frame, the next one plays.
        counters.failed[media] += 1;
        if (!(error instanceof FrameError)) console.error(`A frame could not be ${operation}ed.`);
        return;
      }
      controller.enqueue(changed);
    },
  });
}

/**
 * @param {TransformOptions} options
 * @param {Streams} streams
 */
async function start(options, { readable, writable }) {
  try {
    const key = await callKey;
    // Ends with the call, when the connection closes its streams.
    void readable.pipeThrough(cipherStream(key, options)).pipeTo(writable).catch(() => {});
    postMessage({ type: "ready", id: options.id });
  } catch {
    postMessage({ type: "failed", id: options.id, message: "The transform could not be set up." });
  }
}

addEventListener("message", async ({ data }) => {
  if (data.type === "key") {
    try {
      setKey(await importKey(data.key));
    } catch {
      postMessage({ type: "failed", message: "The key could not be used." });
    }
  } else if (data.type === "transform") {
    await start(data, data);
  } else if (data.type === "count") {
    postMessage({ type: "counters", id: data.id, counters });
  }
});

addEventListener("rtctransform", (event) => {
  const { transformer } = /** @type {Event & {transformer: Streams & {options: TransformOptions}}} */ (event);
  void start(transformer.options, transformer);
});
