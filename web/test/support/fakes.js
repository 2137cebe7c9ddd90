// @ts-check
/** Stand-ins for what the browser gives to a call: time, tracks, connection, worker, devices. */

/** Lets everything that waits for a promise go on. */
export async function settle() {
  for (let turn = 0; turn < 3; turn += 1) await new Promise((resolve) => setImmediate(resolve));
}

/**
 * Waits for what takes its own time (ciphers do).
 *
 * @param {() => unknown} isSo
 */
export async function until(isSo) {
  for (let turn = 0; !isSo(); turn += 1) {
    if (turn > 5000) throw new Error("it does not happen");
    await new Promise((resolve) => setTimeout(resolve, 1));
  }
}

/** A clock that moves when told. */
export class FakeClock {
  #now = 1_000_000;
  #nextId = 1;
  /** @type {Map<number, {at: number, callback: () => void}>} */
  #timers = new Map();

  now = () => this.#now;

  setTimeout = (/** @type {() => void} */ callback, /** @type {number} */ delay) => {
    const id = this.#nextId++;
    this.#timers.set(id, { at: this.#now + delay, callback });
    return id;
  };

  clearTimeout = (/** @type {number} */ id) => {
    this.#timers.delete(id);
  };

  get pending() {
    return this.#timers.size;
  }

  /** @param {number} milliseconds */
  async advance(milliseconds) {
    const end = this.#now + milliseconds;
    await settle();
    for (;;) {
      const due = [...this.#timers].filter(([, { at }]) => at <= end).sort((a, b) => a[1].at - b[1].at)[0];
      if (!due) break;
      this.#timers.delete(due[0]);
      this.#now = due[1].at;
      due[1].callback();
      await settle();
    }
    this.#now = end;
  }
}

export class FakeTrack extends EventTarget {
  enabled = true;
  isStopped = false;

  contentHint = "";
  /** @type {FakeTrack[]} */
  clones = [];
  /** @type {{height?: number, deviceId?: string}} */
  settings = {};

  /** @param {string} kind */
  constructor(kind) {
    super();
    this.kind = kind;
  }

  stop() {
    this.isStopped = true;
  }

  clone() {
    const clone = new FakeTrack(this.kind);
    this.clones.push(clone);
    return clone;
  }

  getSettings() {
    return this.settings;
  }

  /** The device is gone, or the user has ended it elsewhere. */
  end() {
    this.isStopped = true;
    this.dispatchEvent(new Event("ended"));
  }
}

/** A camera with its background blurred. */
export class FakeBlur {
  track = new FakeTrack("video");
  state = "loading";

  /** @param {FakeTrack} camera @param {(state: any) => void} changed */
  constructor(camera, changed) {
    this.camera = camera;
    this.changed = changed;
    Object.assign(this.track, {
      stop: () => {
        camera.stop();
        this.track.isStopped = true;
        this.turn("off");
      },
    });
  }

  /** @param {string} state */
  turn(state) {
    this.state = state;
    this.changed(state);
  }

  release() {
    this.turn("off");
    return this.camera;
  }
}

class FakeSender {
  /** @type {FakeTrack | null} */
  track = null;
  /** @type {unknown} */
  transform = null;
  /** @type {(FakeTrack | null)[]} */
  history = [];

  /** @param {FakeTrack | null} track */
  async replaceTrack(track) {
    this.track = track;
    this.history.push(track);
  }

  setStreams() {}

  /** @type {any} */
  parameters = { encodings: [{ active: true }] };

  getParameters() {
    return this.parameters;
  }

  async setParameters(/** @type {any} */ parameters) {
    this.parameters = parameters;
  }

  createEncodedStreams() {
    return { readable: {}, writable: {} };
  }
}

class FakeReceiver {
  /** @type {{audioLevel?: number}[]} */
  synchronizationSources = [];

  getSynchronizationSources() {
    return this.synchronizationSources;
  }

  /** @type {unknown} */
  transform = null;

  /** @param {FakeTrack} track */
  constructor(track) {
    this.track = track;
  }

  createEncodedStreams() {
    return { readable: {}, writable: {} };
  }
}

export class FakeTransceiver {
  sender = new FakeSender();
  /** @type {string | null} */
  currentDirection = null;
  /** @type {{mimeType: string}[]} */
  codecs = [];

  /**
   * @param {string} kind
   * @param {string | null} mid
   * @param {string} direction
   */
  constructor(kind, mid, direction) {
    this.receiver = new FakeReceiver(new FakeTrack(kind));
    this.mid = mid;
    this.direction = direction;
  }

  /** @param {{mimeType: string}[]} codecs */
  setCodecPreferences(codecs) {
    this.codecs = codecs;
  }
}

/** A data channel; `sent` is what went out, `other` the one at the far end, if any. */
export class FakeChannel extends EventTarget {
  readyState = "connecting";
  binaryType = "blob";
  /** @type {Uint8Array[]} */
  sent = [];
  /** @type {FakeChannel | null} */
  other = null;

  /** @param {Uint8Array} bytes */
  send(bytes) {
    this.sent.push(bytes);
    this.other?.receive(bytes.slice().buffer);
  }

  /** @param {unknown} data */
  receive(data) {
    this.dispatchEvent(Object.assign(new Event("message"), { data }));
  }

  /** @param {"open" | "close"} event */
  become(event) {
    this.readyState = event === "open" ? "open" : "closed";
    this.dispatchEvent(new Event(event));
  }
}

/** Two channels that carry what the other sends. */
export function channelPair() {
  const [one, other] = [new FakeChannel(), new FakeChannel()];
  [one.other, other.other] = [other, one];
  return { one, other };
}

const KINDS = ["audio", "video", "audio", "video"];

/** A peer connection that does what it is told; `sdp` of a peer's offer begins with the number of its transceivers. */
export class FakeConnection extends EventTarget {
  connectionState = "new";
  iceConnectionState = "new";
  iceGatheringState = "new";
  signalingState = "stable";
  /** @type {object | null} */
  localDescription = null;
  /** @type {object | null} */
  remoteDescription = null;
  /** @type {FakeTransceiver[]} */
  transceivers = [];
  /** A line of our descriptions. */
  fingerprint = "";
  /** @type {object[]} */
  remoteCandidates = [];
  isClosed = false;
  /** @type {FakeChannel[]} */
  channels = [];
  /** @type {Map<string, object>} */
  report = new Map();

  /** @param {RTCConfiguration} configuration */
  constructor(configuration) {
    super();
    this.configuration = configuration;
  }

  addTransceiver(/** @type {string} */ kind, /** @type {{direction: string}} */ { direction }) {
    const transceiver = new FakeTransceiver(kind, null, direction);
    this.transceivers.push(transceiver);
    return transceiver;
  }

  createDataChannel(/** @type {string} */ label, /** @type {object} */ options) {
    const channel = Object.assign(new FakeChannel(), { label, ...options });
    this.channels.push(channel);
    return channel;
  }

  getTransceivers() {
    return this.transceivers;
  }

  /** How often ICE began anew by an offer of ours. */
  restarts = 0;

  async createOffer(/** @type {{iceRestart?: boolean}} */ { iceRestart = false } = {}) {
    if (iceRestart) this.restarts += 1;
    return { type: "offer", sdp: iceRestart ? `our offer ${this.restarts}` : `our offer${this.fingerprint}` };
  }

  async createAnswer() {
    return { type: "answer", sdp: `our answer${this.fingerprint}` };
  }

  async setLocalDescription(/** @type {object} */ description) {
    this.localDescription = description;
    this.transceivers.forEach((transceiver, index) => Object.assign(transceiver, { mid: String(index) }));
  }

  async setRemoteDescription(/** @type {{type: string, sdp: string}} */ description) {
    if (description.sdp === "broken") throw new Error("no such description");
    this.remoteDescription = description;
    if (description.type === "offer" && this.transceivers.length === 0) {
      this.transceivers = KINDS.slice(0, Number.parseInt(description.sdp, 10)).map(
        (kind, index) => new FakeTransceiver(kind, String(index), "recvonly"),
      );
    }
  }

  async addIceCandidate(/** @type {{candidate: string}} */ candidate) {
    if (candidate.candidate === "bad") throw new Error("no such candidate");
    this.remoteCandidates.push(candidate);
  }

  async getStats() {
    return this.report;
  }

  close() {
    this.isClosed = true;
    this.connectionState = "closed";
  }

  // What a test lets happen

  /** @param {string} state */
  become(state) {
    this.connectionState = state;
    this.dispatchEvent(new Event("connectionstatechange"));
  }

  /** @param {string | null} candidate  null: no more of them */
  gather(candidate) {
    const value = candidate === null ? null : { candidate, toJSON: () => ({ candidate }) };
    this.dispatchEvent(Object.assign(new Event("icecandidate"), { candidate: value }));
  }

  /** @param {number} index */
  receive(index) {
    const transceiver = this.transceivers[index];
    this.dispatchEvent(Object.assign(new Event("track"), { transceiver, track: transceiver?.receiver.track }));
  }
}

/** A worker that answers as the real one does, or not at all. */
export class FakeWorker extends EventTarget {
  /** @type {any[]} */
  messages = [];
  isTerminated = false;
  isSilent = false;
  counters = {
    encrypted: { audio: 0, video: 0 },
    empty: { audio: 0, video: 0 },
    decrypted: { audio: 0, video: 0 },
    failed: { audio: 0, video: 0 },
    replayed: { audio: 0, video: 0 },
  };

  /** @param {any} message */
  postMessage(message) {
    this.messages.push(message);
    if (this.isSilent) return;
    if (message.type === "transform") this.say({ type: "ready", id: message.id });
    if (message.type === "count") this.say({ type: "counters", id: message.id, counters: this.counters });
  }

  /** @param {object} data */
  say(data) {
    queueMicrotask(() => this.dispatchEvent(Object.assign(new Event("message"), { data })));
  }

  /** What the engine does with `new RTCRtpScriptTransform(worker, options)`. @param {any} options */
  scriptTransform(options) {
    this.messages.push({ type: "transform", ...options });
    if (!this.isSilent) this.say({ type: "ready", id: options.id });
    return { options };
  }

  terminate() {
    this.isTerminated = true;
  }
}

/** Microphone and camera; `failures` says which cannot be had, `isHeld` keeps requests open until `release`. */
export class FakeDevices {
  /** @type {{microphone?: Error, camera?: Error, screen?: Error}} */
  failures = {};
  /** What `enumerateDevices` finds. @type {{kind: MediaDeviceKind, deviceId: string, label: string}[]} */
  found = [];
  /** What the user picks to share. @type {{video: FakeTrack, audio: FakeTrack | null} | null} */
  picked = null;
  /** @type {any[]} */
  constraints = [];
  /** @type {(() => void) | null} */
  #watcher = null;
  /** @type {FakeTrack[]} */
  tracks = [];
  /** @type {string[]} */
  asked = [];
  /** @type {boolean | "camera"} */
  isHeld = false;
  /** @type {(() => void)[]} */
  #held = [];

  microphone = (/** @type {any} */ constraints) => {
    this.constraints.push(constraints);
    return this.#open("microphone", "audio");
  };

  camera = (/** @type {any} */ constraints) => {
    this.constraints.push(constraints);
    this.asked.push(constraints.facingMode);
    return this.#open("camera", "video");
  };

  screen = async (/** @type {any} */ options) => {
    this.constraints.push(options);
    if (this.isHeld) await new Promise((resolve) => this.#held.push(() => resolve(undefined)));
    if (this.failures.screen) throw this.failures.screen;
    return /** @type {any} */ (this.picked);
  };

  canShare = true;

  isAllowed = false;
  areAllowed = async () => this.isAllowed;

  list = async () => /** @type {any} */ (this.found);

  watch = (/** @type {() => void} */ changed) => {
    this.#watcher = changed;
  };

  /** @param {FakeDevices["found"]} found */
  change(found) {
    this.found = found;
    this.#watcher?.();
  }

  release() {
    this.isHeld = false;
    for (const go of this.#held.splice(0)) go();
  }

  /** @param {string} kind */
  open(kind) {
    return this.tracks.filter((track) => track.kind === kind && !track.isStopped);
  }

  /**
   * @param {"microphone" | "camera"} what
   * @param {string} kind
   * @returns {Promise<any>}
   */
  async #open(what, kind) {
    if (this.isHeld === true || this.isHeld === what) await new Promise((resolve) => this.#held.push(() => resolve(undefined)));
    const failure = this.failures[what];
    if (failure) throw failure;
    const track = new FakeTrack(kind);
    this.tracks.push(track);
    return track;
  }
}
