// @ts-check
/**
 * One call as the page sees it: Python's commands in, responses out, and a snapshot of what there is to show.
 *
 * The commands and responses are those of the SimpleX apps' call page, so that either page can stand in for the other;
 * ours adds the command `call` (what to show), the responses `stats`, `info`, `accept` and `reject`, and the fields
 * `code` of `error` and `reason` of `ended`.
 *
 * Core: connections, devices, worker, clock and packing come in by {@link Engine}; no DOM, no globals.
 */
import { Connection } from "./connection.js";
import { DeviceError } from "./devices.js";
import { CallEncryption, EncryptionError } from "./encryption.js";
import { LocalMedia } from "./local-media.js";
import { Monitor } from "./monitor.js";
import { nextPhase } from "./phases.js";
import { callInfo, CommandError, pasteInfo, readCandidates, readDescription, text, withoutSecrets } from "./protocol.js";
import { freshSnapshot, isCameraNotice, noticeOf } from "./snapshot.js";
import { noSources } from "./sources.js";

/**
 * @typedef {import("./sources.js").Source} Source
 * @typedef {import("./snapshot.js").Snapshot} Snapshot
 * @typedef {import("./snapshot.js").NoticeCode} NoticeCode
 *
 * @typedef {object} Clock
 * @property {() => number} now  milliseconds since the epoch
 * @property {(callback: () => void, delay: number) => unknown} setTimeout
 * @property {(timer: any) => void} clearTimeout
 *
 * @typedef {object} Engine
 * @property {Clock} clock
 * @property {(configuration: RTCConfiguration) => RTCPeerConnection} createConnection
 * @property {() => MediaStream} createStream
 * @property {(kind: "audio" | "video") => RTCRtpCodec[]} codecs  what the engine can receive
 * @property {Pick<import("./devices.js").Devices, "microphone" | "camera">} devices
 * @property {Omit<import("./encryption.js").EncryptionEngine, "clock">} encryption
 * @property {(value: unknown) => string} pack  as descriptions and candidates travel
 * @property {(text: string) => any} unpack
 */

/** From both descriptions being there to a connection. */
export const CONNECT_MS = 30_000;
const MAX_EARLY_CANDIDATES = 256;

/** The call ended while the command was at work. */
class OverError extends Error {
  name = "OverError";
}

export class Session {
  #engine;
  #respond;
  #changed;
  /** One after the other: an answer must not overtake the offer it belongs to. @type {Promise<unknown>} */
  #queue = Promise.resolve();
  /** Goes up with every new call and every end: what began before it must not touch what came after. */
  #generation = 0;
  /** @type {Connection | null} */
  #connection = null;
  /** @type {CallEncryption | null} */
  #encryption = null;
  /** @type {RTCIceCandidateInit[]} */
  #early = [];
  #local;
  /** @type {unknown} */
  #connectTimer = null;
  /** There from the first time that the connection stands. @type {Monitor | null} */
  #monitor = null;
  /** @type {Snapshot} */
  #state;

  /**
   * @param {Engine} engine
   * @param {(message: {corrId?: number, resp: Record<string, any>, command?: object}) => void} respond
   * @param {() => void} changed  called whenever the snapshot has changed
   */
  constructor(engine, respond, changed) {
    this.#engine = engine;
    this.#respond = respond;
    this.#changed = changed;
    this.#state = freshSnapshot();
    this.#local = this.#createLocalMedia();
  }

  /** @returns {Readonly<Snapshot>} */
  get snapshot() {
    return this.#state;
  }

  /**
   * Carries out one command of Python's and answers it; never rejects.
   *
   * @param {{corrId?: number, command?: any}} message
   */
  async handle({ corrId, command }) {
    /** @type {Record<string, any>} */
    let resp;
    try {
      resp = await this.#dispatch(command ?? {});
    } catch (error) {
      resp = this.#failure(command?.type ?? "command", error);
    }
    this.#respond({ ...(corrId === undefined ? {} : { corrId }), resp, command: withoutSecrets(command) });
  }

  /** The user hangs up: everything stops at once, Python tells the contact. */
  hangUp() {
    if (this.#isOver()) return;
    this.#finish("end");
    this.#respond({ resp: { type: "end" } });
  }

  /**
   * The user turns a source on or off. Python learns of it as with the official page: by the answered command.
   *
   * @param {"mic" | "camera"} source
   */
  async toggle(source) {
    await this.handle({ command: { type: "media", source, enable: !this.#state.local[source] } });
  }

  /** @param {string | number} callId  another call, which ends this one */
  acceptOther(callId) {
    this.#respond({ resp: { type: "accept", callId } });
    this.#forgetOther(callId);
  }

  /** @param {string | number} callId */
  rejectOther(callId) {
    this.#respond({ resp: { type: "reject", callId } });
    this.#forgetOther(callId);
  }

  /** The user starts a call whose texts travel by another channel. @param {"audio" | "video"} media */
  pasteStart(media) {
    this.#respond({ resp: { type: "pasteStart", media } });
  }

  /** The user has pasted a text of such a call, or read a part of it. @param {string} pasted */
  paste(pasted) {
    this.#respond({ resp: { type: "paste", text: pasted } });
  }

  dismissNotice() {
    this.#update({ notice: null });
  }

  dismissPermission() {
    this.#update({ permission: null });
  }

  /** Python is gone (window closing, program ended): nobody is there to speak for this call. */
  disconnected() {
    if (!this.#isOver()) this.#finish("end");
  }

  // Commands

  /**
   * @param {any} command
   * @returns {Promise<Record<string, any>>}
   */
  async #dispatch(command) {
    switch (command.type) {
      case "capabilities":
      case "start":
        // what the last call still waits for (a permission, say) must not hold up this one
        this.#begin(command.media);
        return this.#enqueue(() => (command.type === "start" ? this.#start(command) : this.#capabilities(command)));
      case "offer":
        return this.#enqueue(() => this.#offer(command));
      case "answer":
        return this.#enqueue(() => this.#answer(command));
      case "ice":
        return this.#enqueue(() => this.#ice(command));
      case "media":
        return this.#enqueue(() => this.#during(() => this.#media(command)));
      case "camera":
        return this.#enqueue(() => this.#during(() => this.#switchCamera(command)));
      case "description":
        this.#update({ description: { state: text(command.state), description: text(command.description) } });
        return { type: "ok" };
      case "layout":
        if (!["default", "localVideo", "remoteVideo"].includes(command.layout)) throw new CommandError("unknown layout");
        this.#update({ layout: command.layout });
        return { type: "ok" };
      case "permission": {
        const { title, chrome, safari } = command;
        this.#update({ permission: { title: text(title), chrome: text(chrome), safari: text(safari) } });
        return { type: "ok" };
      }
      case "paste":
        this.#update({ paste: pasteInfo(command) });
        return { type: "ok" };
      case "call":
        this.#update({ call: callInfo(command.call) });
        return { type: "ok" };
      case "end":
        this.#finish("end");
        return { type: "ok" };
      default:
        return { type: "error", message: "unknown command" };
    }
  }

  /**
   * Runs `work` after the commands before it, unless the call has ended by then.
   *
   * @param {() => Promise<Record<string, any>>} work
   * @returns {Promise<Record<string, any>>}
   */
  #enqueue(work) {
    const generation = this.#generation;
    const result = this.#queue.then(() => {
      this.#check(generation);
      return work();
    });
    this.#queue = result.catch(() => {});
    return result;
  }

  /**
   * Runs a part of the call's set-up. Whatever comes of it after the call's end concerns no call any more: not the one
   * that ended, and not one that has begun since.
   *
   * @template T
   * @param {(generation: number) => Promise<T>} work
   * @returns {Promise<T>}
   */
  async #during(work) {
    const generation = this.#generation;
    try {
      return await work(generation);
    } finally {
      this.#check(generation);
    }
  }

  /** We call: devices are opened before anything rings at the contact's. @param {any} command */
  #capabilities({ media }) {
    return this.#during(async () => {
      await this.#openDevices(media);
      this.#move("prepared");
      return { type: "capabilities", capabilities: this.#ownCapabilities() };
    });
  }

  /** We were called and have accepted: ours is the offer. @param {any} command */
  #start(command) {
    return this.#during(async (generation) => {
      const encryption = this.#createEncryption(command.keyLater === true ? null : (command.aesKey ?? undefined));
      // The microphone comes first: once it is granted, the engine puts real addresses into the candidates instead of
      // `.local` names, and nothing reaches the caller of a call that cannot take place.
      await this.#openDevices(command.media);
      const connection = this.#connect(command, encryption);
      const described = connection.createOffer();
      this.#attachOwn();
      const { description, candidates } = await described;
      this.#check(generation);
      this.#move("negotiate");
      return {
        type: "offer",
        offer: this.#engine.pack(description),
        iceCandidates: this.#engine.pack(candidates),
        capabilities: this.#ownCapabilities(),
      };
    });
  }

  /** We called and the contact has accepted: here is its offer. @param {any} command */
  async #offer(command) {
    if (this.#connection) throw new CommandError("call already started");
    const offer = readDescription(this.#unpack(command.offer), "offer");
    const early = readCandidates(this.#unpack(command.iceCandidates));
    const isPrepared = this.#state.phase === "waiting";
    if (!isPrepared) this.#begin(command.media);
    return this.#during(async (generation) => {
      const encryption = this.#createEncryption(command.aesKey ?? undefined);
      await (isPrepared ? this.#local.openMicrophone() : this.#openDevices(command.media));
      const connection = this.#connect(command, encryption);
      connection.addCandidates(early);
      const { description, candidates } = await connection.createAnswer(offer);
      this.#check(generation);
      this.#attachOwn();
      this.#move("negotiate");
      this.#negotiated(connection, { isPatient: Boolean(command.complete) });
      return { type: "answer", answer: this.#engine.pack(description), iceCandidates: this.#engine.pack(candidates) };
    });
  }

  /** @param {any} command */
  async #answer(command) {
    const connection = this.#connection;
    if (!connection) throw new CommandError("call not started");
    if (connection.hasRemoteDescription) throw new CommandError("remote description already set");
    const answer = readDescription(this.#unpack(command.answer), "answer");
    const candidates = readCandidates(this.#unpack(command.iceCandidates));
    return this.#during(async () => {
      if (this.#encryption?.hasKey === false) this.#encryption.setKey(String(command.aesKey));
      connection.addCandidates(candidates);
      await connection.acceptAnswer(answer);
      await connection.attachAll();
      this.#negotiated(connection);
      return { type: "ok" };
    });
  }

  /** @param {any} command */
  async #ice(command) {
    const candidates = readCandidates(this.#unpack(command.iceCandidates));
    if (this.#connection) {
      this.#connection.addCandidates(candidates);
      return { type: "ok" };
    }
    this.#early.push(...candidates.slice(0, MAX_EARLY_CANDIDATES - this.#early.length));
    throw new CommandError("call not started yet, will add candidates later");
  }

  /** @param {any} command */
  async #media({ source, enable }) {
    if (["idle", "ended", "failed"].includes(this.#state.phase)) throw new CommandError("there is no call");
    if (source === "mic") await this.#setMicrophone(Boolean(enable));
    else if (source === "camera") await this.#setCamera(Boolean(enable), this.#state.facing);
    else throw new CommandError("this page does not share the screen");
    return { type: "ok" };
  }

  /** @param {any} command */
  async #switchCamera({ camera }) {
    if (camera !== "user" && camera !== "environment") throw new CommandError("unknown camera");
    if (["idle", "ended", "failed"].includes(this.#state.phase)) throw new CommandError("there is no call");
    await this.#setCamera(true, camera);
    return { type: "ok" };
  }

  // The call's parts

  /**
   * A new call: whatever the page carried before is over.
   *
   * @param {unknown} media
   */
  #begin(media) {
    // candidates that came before the first command belong to this call
    const early = this.#state.phase === "idle" ? this.#early : [];
    this.#release();
    this.#early = early;
    this.#state = { ...freshSnapshot(), call: this.#state.call, paste: this.#state.paste, media: media === "video" ? "video" : "audio" };
    this.#move("prepare");
  }

  /** @param {unknown} key  undefined: frames are not encrypted; null: it comes later, with the answer */
  #createEncryption(key) {
    if (key === undefined) return null;
    const { encryption, clock } = this.#engine;
    this.#encryption?.close();
    this.#encryption = new CallEncryption({ ...encryption, clock }, key === null ? null : String(key));
    return this.#encryption;
  }

  /**
   * @param {{iceServers?: RTCIceServer[], relay?: boolean, complete?: boolean}} command
   * @param {CallEncryption | null} encryption
   */
  #connect({ iceServers, relay, complete }, encryption) {
    /** @type {Connection} */
    const connection = new Connection(
      this.#engine,
      { iceServers: iceServers ?? [], relay: Boolean(relay), encryption, isPatient: Boolean(complete) },
      {
        candidates: (candidates) =>
          this.#respond({ resp: { type: "ice", iceCandidates: this.#engine.pack(candidates) } }),
        state: (state) => void this.#connectionState(connection, state),
        track: (source, track) => this.#update({ tracks: { ...this.#state.tracks, [source]: track } }),
      },
    );
    this.#connection = connection;
    connection.addCandidates(this.#early.splice(0));
    this.#update({ encrypted: encryption !== null });
    return connection;
  }

  #ownCapabilities() {
    return { encryption: this.#engine.encryption.support !== null };
  }

  /**
   * @param {Connection} connection
   * @param {RTCPeerConnectionState} state
   */
  async #connectionState(connection, state) {
    if (connection !== this.#connection) return;
    this.#respond({ resp: { type: "connection", state: connection.state } });
    if (state === "connected") {
      this.#stopConnectTimer();
      const connectedAt = this.#state.connectedAt ?? this.#engine.clock.now();
      if (this.#move("connect", { connectedAt })) await this.#connected(connection);
    } else if (state === "disconnected") {
      // The engine goes on looking for a path, and says "failed" when it gives up.
      this.#move("disconnect");
    } else if (state === "failed") {
      this.#fail("connection-failed", "The connection was lost or could not be made.");
    } else if (state === "closed") {
      this.#finish("end");
      this.#respond({ resp: { type: "ended" } });
    }
  }

  /** @param {Connection} connection */
  async #connected(connection) {
    if (this.#monitor) return;
    const watched = { connection, encryption: this.#encryption, media: this.#state.media };
    this.#monitor = new Monitor(this.#engine.clock, watched, {
      stats: (stats) => this.#respond({ resp: { type: "stats", stats } }),
      peerMedia: (source, enabled, peer) => {
        this.#respond({ resp: { type: "peerMedia", source, enabled } });
        this.#update({ peer, peerHasSpoken: this.#state.peerHasSpoken || peer.mic });
      },
      path: (path) => this.#update({ path }),
      undecryptable: () => this.#update({ notice: "undecryptable" }),
    });
    const stats = await connection.stats().catch(() => null);
    if (connection !== this.#connection) return;
    this.#respond({ resp: { type: "connected", connectionInfo: stats?.connectionInfo ?? { iceCandidatePair: {} } } });
  }

  /**
   * Both descriptions are there: what the peer has room for is known, and the connection has its time; as long as it
   * takes where people carry the answer.
   *
   * @param {Connection} connection
   * @param {{isPatient?: boolean}} [options]
   */
  #negotiated(connection, { isPatient = false } = {}) {
    if (connection !== this.#connection) return;
    if (!connection.canSend("camera") && this.#state.camera) {
      this.#local.dropCamera();
      this.#update({ notice: "old-peer" });
    }
    if (this.#state.phase !== "connecting" || isPatient) return;
    this.#connectTimer = this.#engine.clock.setTimeout(
      () => this.#fail("connection-failed", "The connection could not be made in time."),
      CONNECT_MS,
    );
  }

  // Devices

  /** @returns {LocalMedia} */
  #createLocalMedia() {
    return new LocalMedia(this.#engine.devices, {
      changed: ({ mic, camera, facing }) => {
        const local = { ...this.#state.local, mic, camera: camera !== null };
        this.#update({ local, camera, facing });
      },
      send: (source, track) => this.#attach(source, track),
      lost: (source) => this.#update({ notice: source === "mic" ? "microphone-lost" : "camera-lost" }),
    });
  }

  /**
   * Opens the microphone, and the camera of a video call. The camera is asked for at once too, but second, because
   * engines open one after the other; and nothing waits for it.
   *
   * @param {unknown} media
   */
  async #openDevices(media) {
    const generation = this.#generation;
    const microphone = this.#local.openMicrophone();
    if (media === "video") void this.#setCamera(true, "user").catch(() => {});
    await microphone;
    this.#check(generation);
  }

  /** @param {boolean} enable */
  async #setMicrophone(enable) {
    await this.#local.setMicrophone(enable);
    if (enable && this.#state.notice === "microphone-lost") this.#update({ notice: null });
  }

  /**
   * @param {boolean} enable
   * @param {"user" | "environment"} facing
   */
  async #setCamera(enable, facing) {
    if (enable && this.#connection?.hasRemoteDescription && !this.#connection.canSend("camera")) {
      this.#update({ notice: "old-peer" });
      throw new CommandError("cannot enable camera since the peer has an old version");
    }
    const generation = this.#generation;
    try {
      await this.#local.setCamera(enable, facing);
      if (this.#state.local.camera && isCameraNotice(this.#state.notice)) this.#update({ notice: null });
    } catch (error) {
      if (generation === this.#generation && error instanceof DeviceError) {
        this.#update({ notice: noticeOf(error.code) });
        this.#respond({ resp: { type: "info", code: error.code, message: error.message } });
      }
      throw error;
    }
  }

  /**
   * @param {Source} source
   * @param {MediaStreamTrack | null} track
   */
  async #attach(source, track) {
    try {
      await this.#connection?.attach(source, track);
    } catch (error) {
      // without the cipher nothing is attached; whoever waits for `ready` reports it
      if (!(error instanceof EncryptionError)) throw error;
    }
  }

  /** Hands our tracks to a connection that has just got its transceivers. */
  #attachOwn() {
    const { mic, camera } = this.#local.tracks;
    void this.#attach("mic", mic).catch(() => {});
    void this.#attach("camera", camera).catch(() => {});
  }

  // State

  /** @param {number} generation */
  #check(generation) {
    if (generation !== this.#generation) throw new OverError("the call is over");
  }

  #isOver() {
    return this.#state.phase === "ended" || this.#state.phase === "failed";
  }

  /**
   * @param {import("./phases.js").PhaseEvent} event
   * @param {Partial<Snapshot>} [changes]  what changes along with the phase
   * @returns {boolean}  whether the table has this transition
   */
  #move(event, changes = {}) {
    const phase = nextPhase(this.#state.phase, event);
    if (!phase) return false;
    this.#update({ phase, ...changes });
    return true;
  }

  /** @param {Partial<Snapshot>} changes */
  #update(changes) {
    this.#state = { ...this.#state, ...changes };
    this.#changed();
  }

  /** @param {string | number} callId */
  #forgetOther(callId) {
    const others = (this.#state.call.others ?? []).filter((other) => other.callId !== callId);
    this.#update({ call: { ...this.#state.call, others } });
  }

  /**
   * @param {string} code
   * @param {string} message
   */
  #fail(code, message) {
    this.#finish("fail", code);
    this.#respond({ resp: { type: "error", message, code } });
    this.#respond({ resp: { type: "ended", reason: code } });
  }

  /**
   * @param {"end" | "fail"} event
   * @param {string} [error]
   */
  #finish(event, error) {
    this.#release();
    this.#move(event, {
      camera: null,
      local: noSources(),
      peer: noSources(),
      tracks: {},
      notice: null,
      permission: null,
      ...(error ? { error } : {}),
    });
  }

  #release() {
    this.#generation += 1;
    this.#queue = Promise.resolve();
    this.#stopConnectTimer();
    this.#monitor?.close();
    this.#monitor = null;
    this.#connection?.close();
    this.#connection = null;
    this.#encryption?.close();
    this.#encryption = null;
    this.#local.close();
    this.#local = this.#createLocalMedia();
    this.#early = [];
  }

  #stopConnectTimer() {
    if (this.#connectTimer !== null) this.#engine.clock.clearTimeout(this.#connectTimer);
    this.#connectTimer = null;
  }

  /**
   * What a failed command says to Python. Whatever keeps a call from starting ends it here too.
   *
   * @param {string} type
   * @param {unknown} error
   */
  #failure(type, error) {
    const message = `${type}: ${error instanceof Error ? error.message : "failed"}`;
    if (error instanceof OverError) return { type: "error", message, code: "ended" };
    if (error instanceof CommandError) return { type: "error", message };
    const isSetUp = ["capabilities", "start", "offer", "answer"].includes(type);
    let code = isSetUp ? "setup-failed" : undefined;
    if (error instanceof DeviceError) code = error.code;
    else if (error instanceof EncryptionError) code = "no-encryption";
    if (isSetUp && !this.#isOver()) this.#finish("fail", code);
    else if (error instanceof DeviceError && type === "media") this.#update({ notice: noticeOf(error.code) });
    return code ? { type: "error", message, code } : { type: "error", message };
  }

  /** @param {unknown} packed */
  #unpack(packed) {
    /** @type {unknown} */
    let value;
    try {
      value = this.#engine.unpack(String(packed));
    } catch {
      // reported below, without the text
    }
    if (typeof value !== "object" || value === null) throw new Error("the contact's message cannot be read");
    return /** @type {any} */ (value);
  }
}
