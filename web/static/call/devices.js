// @ts-check
/**
 * Microphone and camera.
 *
 * They are asked for one by one and side by side: each failure then has one cause that can be named, and a slow
 * camera does not hold up the sound.
 */

/**
 * @typedef {"permission-denied" | "no-microphone" | "microphone-busy" | "camera-denied" | "no-camera" | "camera-busy"} DeviceCode
 */

/** A device cannot be had; `code` says why. */
export class DeviceError extends Error {
  name = "DeviceError";

  /**
   * @param {DeviceCode} code
   * @param {string} message
   */
  constructor(code, message) {
    super(message);
    this.code = code;
  }
}

/**
 * @param {unknown} error  what getUserMedia rejected with
 * @returns {"denied" | "busy" | "missing"}
 */
function causeOf(error) {
  const name = error instanceof Error ? error.name : "";
  if (name === "NotAllowedError" || name === "SecurityError") return "denied";
  if (name === "NotReadableError" || name === "AbortError") return "busy";
  return "missing";
}

/** @type {Record<ReturnType<typeof causeOf>, DeviceCode>} */
const MICROPHONE_CODES = { denied: "permission-denied", busy: "microphone-busy", missing: "no-microphone" };
/** @type {Record<ReturnType<typeof causeOf>, DeviceCode>} */
const CAMERA_CODES = { denied: "camera-denied", busy: "camera-busy", missing: "no-camera" };

export class Devices {
  #media;

  /** @param {Pick<MediaDevices, "getUserMedia"> | undefined} media  `navigator.mediaDevices`; insecure pages have none */
  constructor(media) {
    this.#media = media;
  }

  /**
   * @returns {Promise<MediaStreamTrack>}
   * @throws {DeviceError}
   */
  microphone() {
    const audio = { echoCancellation: true, noiseSuppression: true, autoGainControl: true };
    return this.#open({ audio }, MICROPHONE_CODES, "The microphone");
  }

  /**
   * @param {"user" | "environment"} facing
   * @returns {Promise<MediaStreamTrack>}
   * @throws {DeviceError}
   */
  camera(facing) {
    const video = {
      facingMode: facing,
      width: { ideal: 1280 },
      height: { ideal: 720 },
      frameRate: { ideal: 30, max: 30 },
    };
    return this.#open({ video }, CAMERA_CODES, "The camera");
  }

  /**
   * @param {MediaStreamConstraints} constraints
   * @param {Record<ReturnType<typeof causeOf>, DeviceCode>} codes
   * @param {string} what
   */
  async #open(constraints, codes, what) {
    try {
      const track = (await this.#media?.getUserMedia(constraints))?.getTracks()[0];
      if (track) return track;
    } catch (error) {
      const cause = causeOf(error);
      throw new DeviceError(codes[cause], `${what} cannot be used: ${cause}.`);
    }
    throw new DeviceError(codes.missing, `${what} cannot be used: missing.`);
  }
}
