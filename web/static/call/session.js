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
import { ControlCipher } from "./control-channel.js";
import { Conversation } from "./conversation.js";
import { DeviceError } from "./devices.js";
import { CallEncryption } from "./encryption.js";
import { failureOf } from "./failures.js";
import { Monitor } from "./monitor.js";
import { OwnMedia } from "./own-media.js";
import { nextPhase } from "./phases.js";
import { CommandError, FEATURES, featuresOf, readCandidates, readDescription, withoutSecrets } from "./protocol.js";
import { shownBy } from "./showing.js";
import { freshSnapshot, noticeOf } from "./snapshot.js";
import { noSources, SOURCES } from "./sources.js";
import { Turns } from "./turns.js";

/**
 * @typedef {import("./sources.js").Source} Source
 * @typedef {import("./snapshot.js").Snapshot} Snapshot
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

export class Session {
  #engine;
  #respond;
  #changed;
  #turns = new Turns();
  /** @type {Connection | null} */
  #connection = null;
  /** @type {CallEncryption | null} */
  #encryption = null;
  /** @type {RTCIceCandidateInit[]} */
  #early = [];
  #own;
  #conversation;
  /** What waits for the call's key. @type {RTCDataChannel | null} */
  #channel = null;
  /** @type {unknown} */
  #connectTimer = null;
  /** The peer's sources as far as they can be seen. */
  #inferred = noSources();
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
    this.#own = this.#createOwnMedia();
    this.#conversation = this.#createConversation();
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

  /** @param {string} text  @returns {boolean}  whether it was sent */
  sendText(text) {
    return this.#conversation.sendText(text);
  }

  /** @param {string} emoji  one of `REACTIONS`  @returns {boolean}  whether it was sent */
  react(emoji) {
    return this.#conversation.react(emoji);
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
        return this.#turns.enqueue(() => (command.type === "start" ? this.#start(command) : this.#capabilities(command)));
      case "offer":
        return this.#turns.enqueue(() => this.#offer(command));
      case "answer":
        return this.#turns.enqueue(() => this.#answer(command));
      case "ice":
        return this.#turns.enqueue(() => this.#ice(command));
      case "media":
        return this.#turns.enqueue(() => this.#turns.during(() => this.#media(command)));
      case "camera":
        return this.#turns.enqueue(() => this.#turns.during(() => this.#switchCamera(command)));
      case "end":
        this.#finish("end");
        return { type: "ok" };
      default: {
        const shown = shownBy(command);
        if (!shown) return { type: "error", message: "unknown command" };
        this.#update(shown);
        return { type: "ok" };
      }
    }
  }

  /** We call: devices are opened before anything rings at the contact's. @param {any} command */
  #capabilities({ media }) {
    return this.#turns.during(async (generation) => {
      await this.#own.open(media);
      this.#turns.check(generation);
      this.#move("prepared");
      return { type: "capabilities", capabilities: this.#ownCapabilities() };
    });
  }

  /** We were called and have accepted: ours is the offer. @param {any} command */
  #start(command) {
    return this.#turns.during(async (generation) => {
      const encryption = this.#createEncryption(command.keyLater === true ? null : (command.aesKey ?? undefined));
      // The microphone comes first: once it is granted, the engine puts real addresses into the candidates instead of
      // `.local` names, and nothing reaches the caller of a call that cannot take place.
      await this.#own.open(command.media);
      this.#turns.check(generation);
      const connection = this.#connect(command, encryption, "offer");
      const described = connection.createOffer();
      this.#own.attachAll();
      const { description, candidates } = await described;
      this.#turns.check(generation);
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
    return this.#turns.during(async (generation) => {
      const encryption = this.#createEncryption(command.aesKey ?? undefined);
      await (isPrepared ? this.#own.openMicrophone() : this.#own.open(command.media));
      this.#turns.check(generation);
      const connection = this.#connect(command, encryption, "answer");
      connection.addCandidates(early);
      const { description, candidates } = await connection.createAnswer(offer);
      this.#turns.check(generation);
      this.#own.attachAll();
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
    return this.#turns.during(async () => {
      if (this.#encryption?.hasKey === false) {
        this.#encryption.setKey(String(command.aesKey));
        this.#converse(command, "offer");
      }
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
    this.#checkCall();
    if (source === "mic") await this.#own.setMicrophone(Boolean(enable));
    else if (source === "camera") await this.#own.setCamera(Boolean(enable), this.#state.facing);
    else throw new CommandError("this page does not share the screen");
    return { type: "ok" };
  }

  /** @param {any} command */
  async #switchCamera({ camera }) {
    if (camera !== "user" && camera !== "environment") throw new CommandError("unknown camera");
    this.#checkCall();
    await this.#own.setCamera(true, camera);
    return { type: "ok" };
  }

  #checkCall() {
    if (this.#isOver() || this.#state.phase === "idle") throw new CommandError("there is no call");
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
   * @param {any} command  `start` or `offer`
   * @param {CallEncryption | null} encryption
   * @param {import("./control-channel.js").Role} role  ours
   */
  #connect(command, encryption, role) {
    const { iceServers, relay, complete, keyLater } = command;
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
    // whose features come with the key is asked for the channel at a venture: it must be in the offer
    if (encryption && (keyLater === true || featuresOf(command).includes("channel"))) {
      this.#channel = connection.createChannel();
      if (encryption.hasKey) this.#converse(command, role);
    }
    return connection;
  }

  /**
   * @param {any} command  with the call's key and the peer's features
   * @param {import("./control-channel.js").Role} role
   */
  #converse(command, role) {
    const channel = this.#channel;
    if (!channel || !featuresOf(command).includes("channel")) return;
    this.#conversation.begin(channel, new ControlCipher(String(command.aesKey), role));
  }

  #ownCapabilities() {
    return this.#engine.encryption.support === null ? { encryption: false } : { encryption: true, features: [...FEATURES] };
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
      peerMedia: (_source, _enabled, peer) => {
        this.#inferred = peer;
        if (!this.#state.peerIsExact) this.#peerMedia(peer, false);
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
    this.#own.negotiated();
    if (this.#state.phase !== "connecting" || isPatient) return;
    this.#connectTimer = this.#engine.clock.setTimeout(
      () => this.#fail("connection-failed", "The connection could not be made in time."),
      CONNECT_MS,
    );
  }

  /** @returns {OwnMedia} */
  #createOwnMedia() {
    return new OwnMedia(this.#engine.devices, {
      snapshot: () => this.#state,
      update: (changes) => this.#update(changes),
      respond: (resp) => this.#respond({ resp }),
      connection: () => this.#connection,
    });
  }

  /** @returns {Conversation} */
  #createConversation() {
    return new Conversation(this.#engine.clock, {
      changed: (changes) => this.#update(changes),
      peerMedia: (sources) => this.#peerMedia(sources ?? this.#inferred, sources !== null),
      bye: () => this.hangUp(),
    });
  }

  /**
   * What the peer's sources are now: by its own word, or as far as can be seen.
   *
   * @param {import("./sources.js").Sources} peer
   * @param {boolean} peerIsExact
   */
  #peerMedia(peer, peerIsExact) {
    const before = this.#state.peer;
    this.#update({ peer, peerIsExact, peerHasSpoken: this.#state.peerHasSpoken || peer.mic });
    for (const source of SOURCES) {
      if (peer[source] !== before[source]) this.#respond({ resp: { type: "peerMedia", source, enabled: peer[source] } });
    }
  }

  // State

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
    if (changes.local && !this.#isOver()) this.#conversation.tellMedia(this.#state.local);
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
    this.#release(event === "end");
    this.#move(event, {
      camera: null,
      local: noSources(),
      peer: noSources(),
      peerIsExact: false,
      canChat: false,
      reactions: [],
      tracks: {},
      notice: null,
      permission: null,
      ...(error ? { error } : {}),
    });
  }

  /** @param {boolean} [tells]  whether the peer is to learn of it by the channel */
  #release(tells = false) {
    this.#turns.next();
    this.#stopConnectTimer();
    this.#monitor?.close();
    this.#monitor = null;
    // the microphone's and camera's lights go out now, whatever the word of it takes
    this.#own.close();
    this.#own = this.#createOwnMedia();
    this.#closeConnection(tells);
    this.#early = [];
    this.#inferred = noSources();
  }

  /** @param {boolean} tells */
  #closeConnection(tells) {
    const [connection, encryption, conversation] = [this.#connection, this.#encryption, this.#conversation];
    this.#connection = null;
    this.#encryption = null;
    this.#channel = null;
    this.#conversation = this.#createConversation();
    connection?.detach();
    const close = () => {
      connection?.close();
      encryption?.close();
    };
    if (tells) conversation.bye(close);
    else close();
    conversation.close();
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
    const { resp, ends } = failureOf(type, error);
    if (ends && !this.#isOver()) this.#finish("fail", resp.code);
    else if (error instanceof DeviceError && type === "media") this.#update({ notice: noticeOf(error.code) });
    return resp;
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
