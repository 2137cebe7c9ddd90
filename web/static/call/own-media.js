// @ts-check
/** What we send in one call, and what goes wrong with it: between our devices, the connection and what is shown. */
import { DeviceError } from "./devices.js";
import { EncryptionError } from "./encryption.js";
import { LocalMedia } from "./local-media.js";
import { CommandError } from "./protocol.js";
import { isCameraNotice, noticeOf } from "./snapshot.js";

/**
 * @typedef {import("./sources.js").Source} Source
 * @typedef {import("./snapshot.js").Snapshot} Snapshot
 *
 * @typedef {object} Host  the session, as its parts see it
 * @property {() => Snapshot} snapshot
 * @property {(changes: Partial<Snapshot>) => void} update
 * @property {(resp: Record<string, any>) => void} respond
 * @property {() => import("./connection.js").Connection | null} connection
 */

export class OwnMedia {
  #host;
  #local;
  #isClosed = false;

  /**
   * @param {Pick<import("./devices.js").Devices, "microphone" | "camera">} devices
   * @param {Host} host
   */
  constructor(devices, host) {
    this.#host = host;
    this.#local = new LocalMedia(devices, {
      changed: ({ mic, camera, facing }) => {
        const local = { ...host.snapshot().local, mic, camera: camera !== null };
        host.update({ local, camera, facing });
      },
      send: (source, track) => this.#attach(source, track),
      lost: (source) => host.update({ notice: source === "mic" ? "microphone-lost" : "camera-lost" }),
    });
  }

  /** @throws {DeviceError} */
  async openMicrophone() {
    await this.#local.openMicrophone();
  }

  /**
   * Opens the microphone, and the camera of a video call. The camera is asked for at once too, but second, because
   * engines open one after the other; and nothing waits for it.
   *
   * @param {unknown} media
   * @throws {DeviceError}
   */
  async open(media) {
    const microphone = this.#local.openMicrophone();
    if (media === "video") void this.setCamera(true, "user").catch(() => {});
    await microphone;
  }

  /**
   * @param {boolean} enable
   * @throws {DeviceError}
   */
  async setMicrophone(enable) {
    await this.#local.setMicrophone(enable);
    if (enable && this.#host.snapshot().notice === "microphone-lost") this.#host.update({ notice: null });
  }

  /**
   * @param {boolean} enable
   * @param {"user" | "environment"} facing
   * @throws {DeviceError | CommandError}
   */
  async setCamera(enable, facing) {
    if (enable) this.#checkRoom("camera");
    try {
      await this.#local.setCamera(enable, facing);
      const { local, notice } = this.#host.snapshot();
      if (local.camera && isCameraNotice(notice)) this.#host.update({ notice: null });
    } catch (error) {
      if (!this.#isClosed && error instanceof DeviceError) {
        this.#host.update({ notice: noticeOf(error.code) });
        this.#host.respond({ type: "info", code: error.code, message: error.message });
      }
      throw error;
    }
  }

  /** Hands our tracks to a connection that has just got its transceivers. */
  attachAll() {
    const { mic, camera } = this.#local.tracks;
    void this.#attach("mic", mic).catch(() => {});
    void this.#attach("camera", camera).catch(() => {});
  }

  /** Both descriptions are there: what the peer has no room for is given back. */
  negotiated() {
    if (this.#host.connection()?.canSend("camera") || !this.#host.snapshot().camera) return;
    this.#local.dropCamera();
    this.#host.update({ notice: "old-peer" });
  }

  /** Gives everything back. */
  close() {
    this.#isClosed = true;
    this.#local.close();
  }

  /** @param {"camera"} source */
  #checkRoom(source) {
    const connection = this.#host.connection();
    if (!connection?.hasRemoteDescription || connection.canSend(source)) return;
    this.#host.update({ notice: "old-peer" });
    throw new CommandError(`cannot enable ${source} since the peer has an old version`);
  }

  /**
   * @param {Source} source
   * @param {MediaStreamTrack | null} track
   */
  async #attach(source, track) {
    try {
      await this.#host.connection()?.attach(source, track);
    } catch (error) {
      // without the cipher nothing is attached; whoever waits for `ready` reports it
      if (!(error instanceof EncryptionError)) throw error;
    }
  }
}
