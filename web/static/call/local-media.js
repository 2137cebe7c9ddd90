// @ts-check
/** Our own microphone and camera in one call: opened, muted, switched, lost, given back. */

/**
 * @typedef {"user" | "environment"} Facing
 *
 * @typedef {object} LocalDevices
 * @property {() => Promise<MediaStreamTrack>} microphone
 * @property {(facing: Facing) => Promise<MediaStreamTrack>} camera
 *
 * @typedef {object} LocalState
 * @property {boolean} mic  open, and not muted
 * @property {MediaStreamTrack | null} camera
 * @property {Facing} facing
 *
 * @typedef {object} LocalEvents
 * @property {(state: LocalState) => void} changed
 * @property {(source: "mic" | "camera", track: MediaStreamTrack | null) => Promise<void>} send  what is to be sent now
 * @property {(source: "mic" | "camera") => void} lost  the device is gone
 * @property {(track: MediaStreamTrack | null) => void} [heard]  what the microphone hears, muted or not: never sent
 */

export class LocalMedia {
  #devices;
  #events;
  #isClosed = false;
  /** @type {MediaStreamTrack | null} */
  #microphone = null;
  /** A copy of it that mute does not touch. @type {MediaStreamTrack | null} */
  #heard = null;
  /** The last request to turn the camera on or off: what an earlier one brings is too late. */
  #cameraRequest = 0;
  /** It is open, but not to be sent just now. */
  #isCameraHeldBack = false;
  /** @type {LocalState} */
  #state = { mic: false, camera: null, facing: "user" };

  /**
   * @param {LocalDevices} devices
   * @param {LocalEvents} events
   */
  constructor(devices, events) {
    this.#devices = devices;
    this.#events = events;
  }

  /** What is to be sent now. @returns {{mic: MediaStreamTrack | null, camera: MediaStreamTrack | null}} */
  get tracks() {
    return { mic: this.#state.mic ? this.#microphone : null, camera: this.#isCameraHeldBack ? null : this.#state.camera };
  }

  get facing() {
    return this.#state.facing;
  }

  /** @throws {import("./devices.js").DeviceError} */
  async openMicrophone() {
    if (this.#microphone) return;
    const track = await this.#devices.microphone();
    if (this.#isClosed || this.#microphone) {
      track.stop();
      return;
    }
    this.#take(track);
    this.#change({ mic: true });
  }

  /**
   * Another microphone, or the same one with other settings, takes the place of the one that is open, or was until its
   * device went; muted stays muted.
   *
   * @param {boolean} isOn
   * @throws {import("./devices.js").DeviceError}  then all is as it was
   */
  async reopenMicrophone(isOn = this.#state.mic) {
    const before = this.#microphone;
    const track = await this.#devices.microphone();
    if (this.#isClosed || this.#microphone !== before) {
      track.stop();
      return;
    }
    const isStillOn = before ? this.#state.mic : isOn;
    this.#microphone = null;
    before?.stop();
    this.#take(track);
    track.enabled = isStillOn;
    this.#change({ mic: isStillOn });
    await this.#events.send("mic", this.tracks.mic);
  }

  /** @param {MediaStreamTrack} track */
  #take(track) {
    this.#microphone = track;
    this.#hear(track.clone());
    track.addEventListener("ended", () => {
      if (this.#microphone !== track) return;
      this.#microphone = null;
      this.#hear(null);
      this.#change({ mic: false });
      this.#events.lost("mic");
      void this.#events.send("mic", null);
    });
  }

  /** @param {MediaStreamTrack | null} track */
  #hear(track) {
    this.#heard?.stop();
    this.#heard = track;
    this.#events.heard?.(track);
  }

  /**
   * Mute keeps the microphone open, so that speaking again takes no time; but nothing of it is sent.
   *
   * @param {boolean} enable
   * @throws {import("./devices.js").DeviceError}
   */
  async setMicrophone(enable) {
    if (enable) await this.openMicrophone();
    const track = this.#microphone;
    if (track) track.enabled = enable;
    this.#change({ mic: enable && track !== null });
    await this.#events.send("mic", this.tracks.mic);
  }

  /**
   * Turning the camera off gives it back: its light goes out.
   *
   * @param {boolean} enable
   * @param {Facing} facing
   * @throws {import("./devices.js").DeviceError}  unless a later request has overtaken this one
   */
  async setCamera(enable, facing) {
    if (enable && this.#state.camera && this.#state.facing === facing) this.#cameraRequest += 1;
    else await this.#openCamera(enable, facing);
  }

  /** Another camera, or the same one with other settings. @throws {import("./devices.js").DeviceError} */
  async reopenCamera() {
    if (this.#state.camera) await this.#openCamera(true, this.#state.facing);
  }

  /**
   * The same camera, through something else: what is sent gives way at once, whatever comes then.
   *
   * @param {(camera: MediaStreamTrack) => Promise<MediaStreamTrack>} change  the track that is sent now → the next
   */
  async changeCamera(change) {
    const before = this.#state.camera;
    if (!before) return;
    const request = ++this.#cameraRequest;
    this.#isCameraHeldBack = true;
    try {
      await this.#events.send("camera", null);
      const track = await change(before);
      if (this.#isClosed || request !== this.#cameraRequest) track.stop();
      else this.#takeCamera(track, this.#state.facing);
    } catch (error) {
      before.stop();
      if (request === this.#cameraRequest) this.#change({ camera: null });
      throw error;
    } finally {
      this.#isCameraHeldBack = false;
    }
    if (request === this.#cameraRequest) await this.#events.send("camera", this.#state.camera);
  }

  /**
   * @param {MediaStreamTrack} track
   * @param {Facing} facing
   */
  #takeCamera(track, facing) {
    track.addEventListener("ended", () => {
      if (this.#state.camera === track) this.dropCamera();
    });
    this.#change({ camera: track, facing });
  }

  /**
   * @param {boolean} enable
   * @param {Facing} facing
   */
  async #openCamera(enable, facing) {
    const request = ++this.#cameraRequest;
    const isCurrent = () => !this.#isClosed && request === this.#cameraRequest;
    // The old one goes first: some systems open one camera at a time.
    this.#state.camera?.stop();
    this.#change({ camera: null });
    try {
      const track = enable ? await this.#devices.camera(facing) : null;
      if (!isCurrent()) {
        track?.stop();
        return;
      }
      if (track) this.#takeCamera(track, facing);
    } catch (error) {
      if (!isCurrent()) return;
      await this.#events.send("camera", null);
      throw error;
    }
    await this.#events.send("camera", this.#state.camera);
  }

  /** The camera is gone, or of no use; `lost` is told. */
  dropCamera() {
    if (!this.#state.camera) return;
    this.#state.camera.stop();
    this.#change({ camera: null });
    this.#events.lost("camera");
    void this.#events.send("camera", null);
  }

  /** Gives everything back, also what is still being opened. */
  close() {
    this.#isClosed = true;
    const microphone = this.#microphone;
    this.#microphone = null;
    microphone?.stop();
    this.#hear(null);
    this.#state.camera?.stop();
    this.#state = { ...this.#state, mic: false, camera: null };
  }

  /** @param {Partial<LocalState>} changes */
  #change(changes) {
    if (this.#isClosed) return;
    this.#state = { ...this.#state, ...changes };
    this.#events.changed(this.#state);
  }
}

