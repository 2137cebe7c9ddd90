// @ts-check
/** What the browser gives to blur.js: a worker, and a way from a camera's track through it into another track. */
import { BlurredCamera } from "./blur.js";

/** @type {import("./blur.js").BlurEngine} */
const engine = {
  createWorker: () => new Worker(new URL("./blur-worker.js", import.meta.url)),
  createPipe: (track) => ("MediaStreamTrackProcessor" in globalThis ? streamPipe(track) : canvasPipe(track)),
};

/**
 * @param {MediaStreamTrack} camera
 * @param {(state: import("./blur.js").BlurState) => void} changed
 */
export function blurred(camera, changed) {
  return new BlurredCamera(camera, engine, changed);
}

/**
 * Chromium and Qt: the pictures never pass the page's own thread.
 *
 * @param {MediaStreamTrack} track
 * @returns {import("./blur.js").Pipe}
 */
function streamPipe(track) {
  // a copy: it can be ended alone, and its reader with it
  const source = track.clone();
  // of pictures that wait, the last
  const { readable } = new MediaStreamTrackProcessor({ track: source, maxBufferSize: 1 });
  const output = new MediaStreamTrackGenerator({ kind: "video" });
  const { writable } = output;
  return { output, streams: { readable, writable }, transfer: [readable, writable], close: () => source.stop() };
}

/**
 * Firefox: pictures are taken from a video that nobody sees, and put into a canvas.
 *
 * @param {MediaStreamTrack} track
 * @returns {import("./blur.js").Pipe}
 */
function canvasPipe(track) {
  const video = Object.assign(document.createElement("video"), { muted: true });
  video.srcObject = new MediaStream([track]);
  void video.play().catch(() => {});
  const canvas = document.createElement("canvas");
  const context = canvas.getContext("bitmaprenderer");
  const output = canvas.captureStream().getVideoTracks()[0];
  if (!context || !output) throw new Error("the picture of a canvas cannot be sent");
  return {
    output,
    streams: {},
    transfer: [],
    async take() {
      const { videoWidth: width, videoHeight: height } = video;
      // none before the first picture, nor where the camera has just ended
      const frame = width > 0 ? await createImageBitmap(video).catch(() => null) : null;
      return { frame, width, height };
    },
    show(picture) {
      if (canvas.width !== picture.width || canvas.height !== picture.height) {
        Object.assign(canvas, { width: picture.width, height: picture.height });
      }
      context.transferFromImageBitmap(picture);
    },
    close() {
      video.srcObject = null;
    },
  };
}
