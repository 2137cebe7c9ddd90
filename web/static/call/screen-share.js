// @ts-check
/** Our own screen in one call: a screen or window that the user picked, with its sound where the engine gives it. */

/**
 * @typedef {object} ScreenState
 * @property {MediaStreamTrack | null} video
 * @property {MediaStreamTrack | null} audio
 *
 * @typedef {object} ScreenEvents
 * @property {(state: ScreenState) => void} changed
 * @property {(source: "screenVideo" | "screenAudio", track: MediaStreamTrack | null) => Promise<void>} send
 */

export class ScreenShare {
  #pick;
  #events;
  #isClosed = false;
  /** The last request to share or not: what an earlier one brings is too late. */
  #request = 0;
  /** @type {ScreenState} */
  #state = { video: null, audio: null };

  /**
   * @param {(withSound: boolean) => Promise<{video: MediaStreamTrack, audio: MediaStreamTrack | null} | null>} pick
   * @param {ScreenEvents} events
   */
  constructor(pick, events) {
    this.#pick = pick;
    this.#events = events;
  }

  get tracks() {
    return { ...this.#state };
  }

  /**
   * Lets the user pick what to share; what is shared already stays until then.
   *
   * @param {boolean} withSound
   * @returns {Promise<boolean>}  whether something is shared
   * @throws {import("./devices.js").DeviceError}
   */
  async start(withSound) {
    const request = ++this.#request;
    const picked = await this.#pick(withSound);
    if (!picked || this.#isClosed || request !== this.#request) {
      picked?.video.stop();
      picked?.audio?.stop();
      return this.#state.video !== null;
    }
    this.#give();
    const { video, audio } = picked;
    // the browser's own bar, or the window that was shared is closed
    video.addEventListener("ended", () => {
      if (this.#state.video === video) void this.stop();
    });
    audio?.addEventListener("ended", () => {
      if (this.#state.audio === audio) void this.stopSound();
    });
    await this.#change({ video, audio });
    return true;
  }

  async stop() {
    this.#request += 1;
    this.#give();
    await this.#change({ video: null, audio: null });
  }

  /** The picture goes on without its sound. */
  async stopSound() {
    this.#state.audio?.stop();
    await this.#change({ ...this.#state, audio: null });
  }

  close() {
    this.#isClosed = true;
    this.#give();
    this.#state = { video: null, audio: null };
  }

  #give() {
    this.#state.video?.stop();
    this.#state.audio?.stop();
  }

  /** @param {ScreenState} state */
  async #change(state) {
    if (this.#isClosed) return;
    this.#state = state;
    this.#events.changed(state);
    await Promise.all([this.#events.send("screenVideo", state.video), this.#events.send("screenAudio", state.audio)]);
  }
}
