// @ts-check
/** What we send in one call, and what goes wrong with it: between our devices, the connection and what is shown. */
import { DeviceError } from "./devices.js";
import { EncryptionError } from "./encryption.js";
import { LocalMedia } from "./local-media.js";
import { CommandError } from "./protocol.js";
import { ScreenShare } from "./screen-share.js";
import { cameraConstraints, contentHint, microphoneConstraints, screenConstraints, senderParameters } from "./settings.js";
import { isCameraNotice, noticeOf } from "./snapshot.js";
import { SOURCES } from "./sources.js";

/**
 * @typedef {import("./sources.js").Source} Source
 * @typedef {import("./snapshot.js").Snapshot} Snapshot
 * @typedef {import("./preferences.js").Preferences} Preferences
 *
 * @typedef {object} Host  the session, as its parts see it
 * @property {() => Snapshot} snapshot
 * @property {(changes: Partial<Snapshot>) => void} update
 * @property {(resp: Record<string, any>) => void} respond
 * @property {() => import("./connection.js").Connection | null} connection
 * @property {(track: MediaStreamTrack | null) => void} heard  what the microphone hears, muted or not
 */

/** @typedef {Pick<import("./devices.js").Devices, "microphone" | "camera" | "screen" | "list">} OwnDevices */

/**
 * A camera's track with its background blurred; rejects where that cannot be done.
 *
 * @typedef {(camera: MediaStreamTrack, changed: (state: import("./blur.js").BlurState) => void) => Promise<Pick<import("./blur.js").BlurredCamera, "track" | "release" | "state">>} Blurring
 */

export class OwnMedia {
  #devices;
  #preferences;
  #host;
  #local;
  #screen;
  #blur;
  /** What blurs the camera's picture now. @type {Awaited<ReturnType<Blurring>> | null} */
  #blurred = null;
  #isClosed = false;
  /** The video that each source sends. @type {Map<Source, MediaStreamTrack | null>} */
  #sent = new Map();

  /**
   * @param {OwnDevices} devices
   * @param {Preferences} preferences
   * @param {Host} host
   * @param {Blurring} blur
   */
  constructor(devices, preferences, host, blur) {
    this.#devices = devices;
    this.#blur = blur;
    this.#preferences = preferences;
    this.#host = host;
    this.#local = new LocalMedia(
      { microphone: () => this.#openMicrophone(), camera: (facing) => this.#openCamera(facing) },
      {
        changed: ({ mic, camera, facing }) => {
          const local = { ...host.snapshot().local, mic, camera: camera !== null };
          host.update({ local, camera, facing });
        },
        send: (source, track) => this.#attach(source, track),
        lost: (source) => void this.#lost(source),
        heard: (track) => host.heard(track),
      },
    );
    this.#screen = new ScreenShare((withSound) => devices.screen(screenConstraints(preferences.settings, withSound)), {
      changed: ({ video, audio }) => {
        const local = { ...host.snapshot().local, screenVideo: video !== null, screenAudio: audio !== null };
        host.update({ local, screen: video, hasScreenSound: audio !== null });
      },
      send: (source, track) => this.#attach(source, track),
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
   * @param {Source} source
   * @param {boolean} enable
   * @throws {DeviceError | CommandError}
   */
  async set(source, enable) {
    if (source === "mic") await this.setMicrophone(enable);
    else if (source === "camera") await this.setCamera(enable, this.#host.snapshot().facing);
    else if (source === "screenVideo") await (enable ? this.share(false) : this.#screen.stop());
    else if (enable) await this.share(true);
    else await this.#screen.stopSound();
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

  /**
   * @param {boolean} withSound
   * @throws {DeviceError | CommandError}
   */
  async share(withSound) {
    this.#checkRoom("screenVideo");
    if (!(await this.#screen.start(withSound))) throw new CommandError("nothing was picked to be shared");
  }

  /**
   * The user chose another device.
   *
   * @param {import("./preferences.js").DeviceKind} kind
   */
  async changeDevice(kind) {
    if (kind === "microphone") await this.#local.reopenMicrophone();
    else if (kind === "camera") await this.#local.reopenCamera();
  }

  /**
   * The chosen device is gone: the system's choice takes its place.
   *
   * @param {import("./preferences.js").DeviceKind} kind
   */
  async fallBack(kind) {
    this.#host.update({ notice: `${kind}-changed` });
    await this.changeDevice(kind).catch(() => {});
  }

  /**
   * The settings are others now: what is open is opened again if it must be, what is sent is sent as they say.
   *
   * @param {import("./settings.js").MediaSettings} before
   */
  async changeSettings(before) {
    const { settings } = this.#preferences;
    const differs = (/** @type {(keyof typeof settings)[]} */ ...names) => names.some((name) => settings[name] !== before[name]);
    const work = [];
    if (differs("echoCancellation", "noiseSuppression", "autoGainControl")) work.push(this.#local.reopenMicrophone());
    if (differs("resolution", "isLowData")) work.push(this.#local.reopenCamera());
    else if (differs("isBackgroundBlurred")) work.push(this.#local.changeCamera((camera) => this.#blurOrNot(camera)));
    const sent = await Promise.allSettled(work);
    for (const source of SOURCES) this.#tune(source);
    const failed = sent.find((result) => result.status === "rejected");
    if (failed) throw failed.reason;
  }

  /** Hands our tracks to a connection that has just got its transceivers. */
  attachAll() {
    const { mic, camera } = this.#local.tracks;
    const { video, audio } = this.#screen.tracks;
    void this.#attach("mic", mic).catch(() => {});
    void this.#attach("camera", camera).catch(() => {});
    if (video) void this.#attach("screenVideo", video).catch(() => {});
    if (audio) void this.#attach("screenAudio", audio).catch(() => {});
  }

  /** Both descriptions are there: what the peer has no room for is given back. */
  negotiated() {
    const connection = this.#host.connection();
    if (connection?.canSend("screenVideo") === false && this.#host.snapshot().screen) void this.#screen.stop();
    if (connection?.canSend("camera") || !this.#host.snapshot().camera) return;
    this.#local.dropCamera();
    this.#host.update({ notice: "old-peer" });
  }

  /** Gives everything back. */
  close() {
    this.#isClosed = true;
    this.#local.close();
    this.#screen.close();
  }

  async #openMicrophone() {
    const { settings } = this.#preferences;
    return this.#openDevice("microphone", (id) => this.#devices.microphone(microphoneConstraints(settings, id)));
  }

  /** @param {"user" | "environment"} facing */
  async #openCamera(facing) {
    const { settings } = this.#preferences;
    const camera = await this.#openDevice("camera", (id) => this.#devices.camera(cameraConstraints(settings, facing, id)));
    return this.#blurOrNot(camera);
  }

  /**
   * The camera's track as the settings want it; the camera is given back if that cannot be had.
   *
   * @param {MediaStreamTrack} track  its own, or a blurred one
   * @throws {DeviceError}
   */
  async #blurOrNot(track) {
    const blurred = this.#blurred?.track === track ? this.#blurred : null;
    if (this.#preferences.settings.isBackgroundBlurred === (blurred !== null)) return track;
    if (blurred) {
      this.#blurred = null;
      return blurred.release();
    }
    try {
      const made = await this.#blur(track, (state) => this.#blurChanged(made, state));
      this.#blurred = made;
      if (!this.#isClosed) this.#host.update({ blur: made.state });
      return made.track;
    } catch {
      track.stop();
      throw new DeviceError("no-blur", "The background cannot be blurred.");
    }
  }

  /**
   * @param {Awaited<ReturnType<Blurring>>} of
   * @param {import("./blur.js").BlurState} state
   */
  #blurChanged(of, state) {
    if (this.#isClosed || (this.#blurred !== of && this.#blurred !== null)) return;
    // once it has failed, that stays said
    if (state === "off" && this.#host.snapshot().blur === "failed") return;
    this.#host.update({ blur: state });
    if (state === "slow" && this.#host.snapshot().notice === null) this.#host.update({ notice: "slow-blur" });
    if (state === "on" && this.#host.snapshot().notice === "slow-blur") this.#host.update({ notice: null });
    if (state !== "failed") return;
    // nothing is sent rather than what was not to be seen
    this.#host.update({ notice: "no-blur" });
    void this.#local.setCamera(false, this.#host.snapshot().facing).catch(() => {});
  }

  /**
   * The user's device, or the system's choice if that cannot be had.
   *
   * @param {"microphone" | "camera"} kind
   * @param {(id: string | null) => Promise<MediaStreamTrack>} open
   */
  async #openDevice(kind, open) {
    const id = this.#preferences.idOf(kind);
    if (id === null) return open(null);
    try {
      return await open(id);
    } catch {
      const track = await open(null);
      if (!this.#isClosed) this.#host.update({ notice: `${kind}-changed` });
      return track;
    }
  }

  /**
   * A device that was in use is gone; another one takes its place, if there is one.
   *
   * @param {"mic" | "camera"} source
   */
  async #lost(source) {
    const kind = source === "mic" ? "microphone" : "camera";
    this.#host.update({ notice: `${kind}-lost` });
    const input = source === "mic" ? "audioinput" : "videoinput";
    const others = (await this.#devices.list()).filter((device) => device.kind === input);
    const { local, facing } = this.#host.snapshot();
    if (others.length === 0 || this.#isClosed || local[source]) return;
    try {
      await (source === "mic" ? this.#local.reopenMicrophone(true) : this.#local.setCamera(true, facing));
      if (!this.#isClosed) this.#host.update({ notice: `${kind}-changed` });
    } catch {
      // the notice says that it is gone
    }
  }

  /** @param {"camera" | "screenVideo"} source */
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
    this.#sent.set(source, track);
    if (track) Object.assign(track, { contentHint: contentHint(source, this.#preferences.settings) });
    try {
      await this.#host.connection()?.attach(source, track);
      this.#tune(source);
    } catch (error) {
      // without the cipher nothing is attached; whoever waits for `ready` reports it
      if (!(error instanceof EncryptionError)) throw error;
    }
  }

  /** Tells the sender how to send. @param {Source} source */
  #tune(source) {
    const track = this.#sent.get(source);
    if (!track) return;
    const { settings } = this.#preferences;
    Object.assign(track, { contentHint: contentHint(source, settings) });
    const height = track.getSettings().height;
    void this.#host.connection()?.tune(source, senderParameters(source, settings, height));
  }
}
