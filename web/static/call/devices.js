// @ts-check
/**
 * Microphone, camera, and the screen to be shared.
 *
 * The first two are asked for one by one and side by side: each failure then has one cause that can be named, and a slow
 * camera does not hold up the sound.
 */

/**
 * @typedef {"permission-denied" | "no-microphone" | "microphone-busy" | "camera-denied" | "no-camera" | "camera-busy" | "no-blur" | "no-screen"} DeviceCode
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

/** What the engine has for devices: `navigator.mediaDevices`, of which an insecure page has none, and an engine parts. */
/** @typedef {Partial<Pick<MediaDevices, "getUserMedia" | "getDisplayMedia" | "enumerateDevices" | "addEventListener">>} MediaPort */

export class Devices {
  #media;
  #permissions;

  /**
   * @param {MediaPort | undefined} media
   * @param {Pick<Permissions, "query">} [permissions]
   */
  constructor(media, permissions) {
    this.#media = media;
    this.#permissions = permissions;
  }

  /**
   * Whether the devices of a call can be opened without asking the user, as far as the engine says.
   *
   * @param {unknown} media
   * @returns {Promise<boolean>}
   */
  async areAllowed(media) {
    const names = media === "video" ? ["microphone", "camera"] : ["microphone"];
    try {
      const states = await Promise.all(
        names.map((name) => this.#permissions?.query({ name: /** @type {PermissionName} */ (name) })),
      );
      return states.every((status) => status?.state === "granted");
    } catch {
      return false; // an engine that knows no such permission
    }
  }

  /** Whether a screen can be shared at all. */
  get canShare() {
    return typeof this.#media?.getDisplayMedia === "function";
  }

  /** What there is; without names until a device was allowed. */
  async list() {
    return (await this.#media?.enumerateDevices?.().catch(() => [])) ?? [];
  }

  /** @param {() => void} changed  devices came or went */
  watch(changed) {
    this.#media?.addEventListener?.("devicechange", () => changed());
  }

  /**
   * @param {MediaTrackConstraints} audio
   * @returns {Promise<MediaStreamTrack>}
   * @throws {DeviceError}
   */
  microphone(audio) {
    return this.#open({ audio }, MICROPHONE_CODES, "The microphone");
  }

  /**
   * The user picks a screen or a window.
   *
   * @param {DisplayMediaStreamOptions} options
   * @returns {Promise<{video: MediaStreamTrack, audio: MediaStreamTrack | null} | null>}  null: the user thought better of it
   * @throws {DeviceError}
   */
  async screen(options) {
    try {
      const stream = await this.#media?.getDisplayMedia?.(options);
      const video = stream?.getVideoTracks()[0];
      if (stream && video) return { video, audio: stream.getAudioTracks()[0] ?? null };
    } catch (error) {
      // Qt's own word for a dialog that was closed is the second
      if (error instanceof Error && ["NotAllowedError", "AbortError"].includes(error.name)) return null;
      throw new DeviceError("no-screen", "The screen cannot be shared.");
    }
    throw new DeviceError("no-screen", "The screen cannot be shared.");
  }

  /**
   * @param {MediaTrackConstraints} video
   * @returns {Promise<MediaStreamTrack>}
   * @throws {DeviceError}
   */
  camera(video) {
    return this.#open({ video }, CAMERA_CODES, "The camera");
  }

  /**
   * @param {MediaStreamConstraints} constraints
   * @param {Record<ReturnType<typeof causeOf>, DeviceCode>} codes
   * @param {string} what
   */
  async #open(constraints, codes, what) {
    try {
      const track = (await this.#media?.getUserMedia?.(constraints))?.getTracks()[0];
      if (track) return track;
    } catch (error) {
      const cause = causeOf(error);
      throw new DeviceError(codes[cause], `${what} cannot be used: ${cause}.`);
    }
    throw new DeviceError(codes.missing, `${what} cannot be used: missing.`);
  }
}
