// @ts-check
/** How sound and picture are taken and sent: the user's settings, and what the engine is told for them. Pure. */

/**
 * @typedef {object} MediaSettings
 * @property {boolean} echoCancellation
 * @property {boolean} noiseSuppression
 * @property {boolean} autoGainControl
 * @property {boolean} isBitrateConstant  the size of sound packets says nothing of what is spoken
 * @property {boolean} isLowData
 * @property {boolean} isBackgroundBlurred  behind us, in the camera's picture
 * @property {360 | 720 | 1080} resolution  of the camera, at most
 * @property {"motion" | "text"} screenContent  what a shared screen mostly shows
 *
 * @typedef {import("./sources.js").Source} Source
 */

/** @type {Readonly<MediaSettings>} */
export const DEFAULT_SETTINGS = Object.freeze({
  echoCancellation: true,
  noiseSuppression: true,
  autoGainControl: true,
  isBitrateConstant: false,
  isLowData: false,
  isBackgroundBlurred: false,
  resolution: 720,
  screenContent: "text",
});

/** @type {{[Name in keyof MediaSettings]: readonly MediaSettings[Name][]}} */
const VALUES = {
  echoCancellation: [true, false],
  noiseSuppression: [true, false],
  autoGainControl: [true, false],
  isBitrateConstant: [true, false],
  isLowData: [true, false],
  isBackgroundBlurred: [true, false],
  resolution: [360, 720, 1080],
  screenContent: ["motion", "text"],
};

/**
 * The settings after `changes`; what is none is passed over.
 *
 * @param {Readonly<MediaSettings>} settings
 * @param {any} changes
 * @returns {MediaSettings}
 */
export function changedSettings(settings, changes) {
  const known = Object.entries(VALUES).filter(([name, values]) => /** @type {readonly any[]} */ (values).includes(changes?.[name]));
  return { ...settings, ...Object.fromEntries(known.map(([name]) => [name, changes[name]])) };
}

/**
 * @param {MediaSettings} settings
 * @param {string | null} deviceId  null: the system's choice
 * @returns {MediaTrackConstraints}
 */
export function microphoneConstraints({ echoCancellation, noiseSuppression, autoGainControl }, deviceId) {
  return { echoCancellation, noiseSuppression, autoGainControl, ...device(deviceId) };
}

/**
 * @param {MediaSettings} settings
 * @param {"user" | "environment"} facing
 * @param {string | null} deviceId
 * @returns {MediaTrackConstraints}
 */
export function cameraConstraints({ resolution, isLowData }, facing, deviceId) {
  const height = isLowData ? 360 : resolution;
  const rate = isLowData ? 20 : 30;
  return {
    ...(deviceId ? device(deviceId) : { facingMode: facing }),
    width: { ideal: (height * 16) / 9 },
    height: { ideal: height },
    frameRate: { ideal: rate, max: rate },
  };
}

/** @param {string | null} deviceId */
function device(deviceId) {
  return deviceId ? { deviceId: { exact: deviceId } } : {};
}

/**
 * @param {MediaSettings} settings
 * @param {boolean} withSound
 * @returns {DisplayMediaStreamOptions}
 */
export function screenConstraints({ screenContent, isLowData }, withSound) {
  const rate = screenContent === "motion" && !isLowData ? 30 : 15;
  return {
    video: { frameRate: { ideal: rate, max: rate } },
    // what is played is to be heard as it is
    audio: withSound ? { echoCancellation: false, noiseSuppression: false, autoGainControl: false } : false,
  };
}

/**
 * What the engine is told of a track's content, so that it knows what to give up first.
 *
 * @param {Source} source
 * @param {MediaSettings} settings
 * @returns {"" | "speech" | "music" | "motion" | "detail"}
 */
export function contentHint(source, { screenContent }) {
  if (source === "screenVideo") return screenContent === "text" ? "detail" : "motion";
  if (source === "screenAudio") return "music";
  return source === "mic" ? "speech" : "motion";
}

/** Bits a second, at most. @type {Record<360 | 720 | 1080, number>} */
const CAMERA_BITRATES = { 360: 800_000, 720: 2_000_000, 1080: 4_000_000 };

/**
 * How much a sender may send, and what it gives up when that is not to be had.
 *
 * @param {Source} source
 * @param {MediaSettings} settings
 * @param {number} [height]  of the picture that is taken
 * @returns {{maxBitrate: number, maxFramerate?: number, scaleResolutionDownBy?: number, degradationPreference?: RTCDegradationPreference}}
 */
export function senderParameters(source, { isLowData, resolution, screenContent }, height = 0) {
  switch (source) {
    case "mic":
      return { maxBitrate: isLowData ? 16_000 : 40_000 };
    case "screenAudio":
      return { maxBitrate: isLowData ? 32_000 : 96_000 };
    case "camera": {
      const most = isLowData ? 360 : resolution;
      return {
        maxBitrate: isLowData ? 250_000 : CAMERA_BITRATES[most],
        maxFramerate: isLowData ? 20 : 30,
        // a camera may give more than it was asked for
        scaleResolutionDownBy: Math.max(1, height / most),
        degradationPreference: "balanced",
      };
    }
    case "screenVideo":
      return {
        maxBitrate: isLowData ? 500_000 : 2_500_000,
        maxFramerate: screenContent === "motion" && !isLowData ? 30 : isLowData ? 5 : 15,
        scaleResolutionDownBy: 1,
        degradationPreference: screenContent === "text" ? "maintain-resolution" : "maintain-framerate",
      };
  }
}

/**
 * A description that asks for Opus with in-band error correction, and pauses that are not sent, or for a constant
 * bitrate, which excludes those. An engine encodes by what the other side's description asks for: so this is done to
 * what we send, for what we get, and to what we get, for what we send. Who asks for a constant bitrate gets one.
 *
 * @param {string} sdp
 * @param {Pick<MediaSettings, "isBitrateConstant">} settings
 * @returns {string}
 */
export function withOpus(sdp, { isBitrateConstant }) {
  const payloads = new Set([...sdp.matchAll(/^a=rtpmap:(\d+) opus\/48000/gim)].map(([, payload]) => payload));
  const lines = sdp.split("\r\n");
  const changed = lines.map((line) => {
    const [, payload, given = ""] = /^a=fmtp:(\d+) (.*)$/.exec(line) ?? [];
    if (!payload || !payloads.has(payload)) return line;
    payloads.delete(payload);
    return `a=fmtp:${payload} ${opusParameters(given, isBitrateConstant)}`;
  });
  return changed
    .flatMap((line) => {
      const payload = /^a=rtpmap:(\d+) opus\/48000/i.exec(line)?.[1];
      return payload && payloads.has(payload) ? [line, `a=fmtp:${payload} ${opusParameters("", isBitrateConstant)}`] : [line];
    })
    .join("\r\n");
}

/**
 * @param {string} given  `name=value;…`
 * @param {boolean} isBitrateConstant
 */
function opusParameters(given, isBitrateConstant) {
  const parameters = new Map(
    given
      .split(";")
      .map((part) => part.trim())
      .filter(Boolean)
      .map((part) => /** @type {[string, string]} */ (part.split("=", 2))),
  );
  const isConstant = isBitrateConstant || parameters.get("cbr") === "1";
  if (!parameters.has("minptime")) parameters.set("minptime", "10");
  parameters.set("useinbandfec", "1");
  parameters.set("usedtx", isConstant ? "0" : "1");
  parameters.set("cbr", isConstant ? "1" : "0");
  return [...parameters].map(([name, value]) => (value === undefined ? name : `${name}=${value}`)).join(";");
}
