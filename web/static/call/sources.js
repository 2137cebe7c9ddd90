// @ts-check
/**
 * The media sources of a call. Their order is the order of the transceivers, and so of the mids, in every SimpleX app:
 * "0" microphone, "1" camera, "2" sound of a shared screen, "3" the shared screen.
 *
 * @typedef {"mic" | "camera" | "screenAudio" | "screenVideo"} Source
 * @typedef {Record<Source, boolean>} Sources
 */

/** @type {readonly Source[]} */
export const SOURCES = ["mic", "camera", "screenAudio", "screenVideo"];

/** @returns {Sources} */
export function noSources() {
  return { mic: false, camera: false, screenAudio: false, screenVideo: false };
}

/**
 * @param {Source} source
 * @returns {"audio" | "video"}
 */
export function kindOf(source) {
  return source === "mic" || source === "screenAudio" ? "audio" : "video";
}

/**
 * @param {string | null | undefined} mid
 * @returns {Source | undefined}
 */
export function sourceOfMid(mid) {
  return mid && /^\d$/.test(mid) ? SOURCES[Number(mid)] : undefined;
}
