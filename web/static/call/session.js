// @ts-check
/**
 * One call as the page sees it: Python's commands in, responses out, and a snapshot of what there is to show.
 *
 * The commands and responses are those of the SimpleX apps' call page, so that either page can stand in for the other;
 * ours adds the commands `call` (what to show) and `prepare` (it rings), the responses `stats`, `info`, `accept` and `reject`, and the fields
 * `code` of `error` and `reason` of `ended`.
 *
 * Core: connections, devices, worker, clock and packing come in by {@link Engine}; no DOM, no globals.
 */
import { Choices } from "./choices.js";
import { DeviceError } from "./devices.js";
import { failureOf } from "./failures.js";
import { noVoices, SpeechWatch } from "./levels.js";
import { Link } from "./link.js";
import { OwnMedia } from "./own-media.js";
import { nextPhase } from "./phases.js";
import { CommandError, FEATURES, readCandidates, readDescription, withoutSecrets } from "./protocol.js";
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
 * @typedef {object} Meter  of one track's sound
 * @property {() => number | null} level  from 0 to 1; null while it cannot be told
 * @property {() => void} close
 *
 * @typedef {object} Engine
 * @property {Clock} clock
 * @property {(configuration: RTCConfiguration) => RTCPeerConnection} createConnection
 * @property {() => MediaStream} createStream
 * @property {(kind: "audio" | "video") => RTCRtpCodec[]} codecs  what the engine can receive
 * @property {Pick<import("./devices.js").Devices, "microphone" | "camera" | "screen" | "canShare" | "areAllowed" | "list" | "watch">} devices
 * @property {(track: MediaStreamTrack) => Meter} meter
 * @property {import("./own-media.js").Blurring} blur
 * @property {Omit<import("./encryption.js").EncryptionEngine, "clock">} encryption
 * @property {(changed: () => void) => void} watchNetwork  calls back when there is a network again
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
  #choices;
  /** @type {RTCIceCandidateInit[]} */
  #early = [];
  #own;
  #link;
  /** Made while somebody rings, for the call that may come of it. @type {Link | null} */
  #spare = null;
  /** Ends the preview by what to begin with; null: the call is over. @type {((media: "audio" | "video" | null) => void) | null} */
  #beginCall = null;
  /** The user has seen the preview of this page's call. */
  #hasPreviewed = false;
  /** @type {unknown} */
  #connectTimer = null;
  /** @type {Meter | null} */
  #meter = null;
  /** @type {SpeechWatch | null} */
  #speech = null;
  /** The microphone is on for as long as a key is held. */
  #isHeldToTalk = false;
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
    this.#state = { ...freshSnapshot(), canShare: engine.devices.canShare };
    this.#choices = new Choices(engine.devices, this.#host(), () => this.#own);
    this.#own = this.#createOwnMedia();
    this.#link = this.#createLink();
    engine.watchNetwork(() => this.#link.reconnection?.networkChanged());
  }

  /** @returns {Readonly<Snapshot>} */
  get snapshot() {
    return this.#state;
  }

  /** Whether our own microphone is open, muted or not: without one, engines let no sound begin by itself. */
  get hasMicrophone() {
    return this.#meter !== null;
  }

  /** How loud our own microphone is, muted or not; null while it cannot be told. */
  get level() {
    return this.#meter?.level() ?? null;
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

  /** The user begins the call that they looked at in the preview. @param {"audio" | "video"} media */
  begin(media) {
    this.#beginCall?.(media);
    this.#beginCall = null;
  }

  /** @param {string} text  @returns {boolean}  whether it was sent */
  sendText(text) {
    return this.#link.conversation.sendText(text);
  }

  /** @param {string} emoji  one of `REACTIONS`  @returns {boolean}  whether it was sent */
  react(emoji) {
    return this.#link.conversation.react(emoji);
  }

  /**
   * The user turns a source on or off. Python learns of it as with the official page: by the answered command.
   *
   * @param {"mic" | "camera"} source
   */
  async toggle(source) {
    if (source === "mic") this.#isHeldToTalk = false;
    await this.#turn(source, !this.#state.local[source]);
  }

  /**
   * The user shares a screen or a window that the engine lets them pick, or another than before.
   *
   * @param {{withSound?: boolean}} [options]
   */
  async shareScreen({ withSound = false } = {}) {
    await this.#turn(withSound ? "screenAudio" : "screenVideo", true);
  }

  async stopSharing() {
    await this.#turn("screenVideo", false);
  }

  /** The camera on the other side of a phone, or the next one of several. */
  async switchCamera() {
    const { cameras } = this.#state.devices;
    const current = cameras.findIndex(({ id }) => id === this.#state.camera?.getSettings().deviceId);
    const next = cameras[(current + 1) % cameras.length];
    if (cameras.length > 1 && next) await this.choose("camera", next.id);
    else await this.handle({ command: { type: "camera", camera: this.#state.facing === "user" ? "environment" : "user" } });
  }

  /**
   * The user chooses a device, for this call and later ones.
   *
   * @param {import("./preferences.js").DeviceKind} kind
   * @param {string | null} id  null: the system's choice
   */
  async choose(kind, id) {
    await this.#choices.choose(kind, id);
  }

  /** @param {Partial<import("./settings.js").MediaSettings>} changes */
  async set(changes) {
    await this.#choices.set(changes);
  }

  /**
   * A key is held to talk: the microphone is on until it is let go, unless it was on already.
   *
   * @param {boolean} isHeld
   */
  async pushToTalk(isHeld) {
    if (isHeld === this.#isHeldToTalk || (isHeld && this.#state.local.mic)) return;
    this.#isHeldToTalk = isHeld;
    await this.#turn("mic", isHeld);
  }

  /** Which devices there are, where the engine has not said so: before a call, say. */
  async listDevices() {
    await this.#choices.refresh();
  }

  /**
   * @param {Source} source
   * @param {boolean} enable
   */
  #turn(source, enable) {
    return this.handle({ command: { type: "media", source, enable } });
  }

  /** The user goes on without frame encryption, as was asked. */
  consent() {
    if (!this.#state.call.consentWanted || this.#isOver()) return;
    this.#update({ call: { ...this.#state.call, consentWanted: "" } });
    this.#respond({ resp: { type: "consent" } });
  }

  /**
   * The user takes another call, which ends this one; where the other app does not encrypt it, a question comes first.
   *
   * @param {string | number} callId
   * @param {boolean} [unencrypted]  the question was asked
   */
  acceptOther(callId, unencrypted = false) {
    const other = this.#state.call.others?.find((one) => one.callId === callId);
    if (other?.encrypted === false && !unencrypted) {
      this.#update({ askedOther: callId });
      return;
    }
    this.#respond({ resp: { type: "accept", callId, ...(unencrypted ? { unencrypted } : {}) } });
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
        return this.#setUp(command.preview && !this.#hasPreviewed ? await this.#preview(command) : command);
      case "prepare":
        await this.#prepare(command, "offer");
        return { type: "ok" };
      case "offer":
        return this.#turns.enqueue(() => this.#offer(command));
      case "answer":
        return this.#turns.enqueue(() => this.#answer(command));
      case "ice":
        return this.#turns.enqueue(() => this.#ice(command));
      case "restart": {
        // those that waited together are passed over but for the newest
        if (command.step === "offer" && !this.#link.reconnection?.offered(command.number)) return { type: "ok" };
        return this.#turns.enqueue(() => this.#turns.during(() => this.#restart(command)));
      }
      case "media":
        return this.#turns.enqueue(() => this.#turns.during(() => this.#media(command)));
      case "camera":
        return this.#turns.enqueue(() => this.#turns.during(() => this.#switchCamera(command)));
      case "settings":
        this.#choices.restore(command);
        return { type: "ok" };
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

  /**
   * @param {any} command  `capabilities` or `start`
   * @returns {Promise<Record<string, any>>}
   */
  #setUp(command) {
    return this.#turns.enqueue(async () => {
      return command.type === "start" ? this.#start(command) : this.#capabilities(command);
    });
  }

  /**
   * The user sees and hears themselves, and chooses devices, before anything of them is sent. Not one of the turns:
   * commands for the devices are carried out meanwhile.
   *
   * @param {any} command
   * @returns {Promise<any>}  the command, as the user wants it
   */
  async #preview(command) {
    const { generation } = this.#turns;
    this.#move("preview");
    this.#own.open(command.media).catch((error) => {
      if (generation === this.#turns.generation && error instanceof DeviceError) this.#update({ notice: noticeOf(error.code) });
    });
    void this.#choices.refresh();
    const media = await new Promise((resolve) => (this.#beginCall = resolve));
    this.#turns.check(generation);
    this.#hasPreviewed = true;
    this.#move("begin", { media });
    if (media === "audio") await this.#own.setCamera(false, this.#state.facing);
    this.#turns.check(generation);
    return { ...command, media };
  }

  /**
   * We call: what can be done is known once devices are allowed; then it rings at the contact's, and while it does, the
   * devices are opened and the ways looked for.
   *
   * @param {any} command
   */
  #capabilities(command) {
    return this.#turns.during(async (generation) => {
      const opened = this.#own.open(command.media);
      opened.catch(() => {}); // told below, once it is known whether anybody waits for it
      if (await this.#engine.devices.areAllowed(command.media)) void this.#attachLater(generation, opened);
      else await opened;
      this.#turns.check(generation);
      if (command.iceServers) void opened.then(() => this.#prepare(command, "answer")).catch(() => {});
      this.#move("prepared");
      const chosen = command.preview ? { media: this.#state.media } : {};
      return { type: "capabilities", capabilities: this.#ownCapabilities(), ...chosen };
    });
  }

  /**
   * It rings, here or there: whatever accepting would wait for is done now, but no device is opened for it.
   *
   * @param {any} command
   * @param {import("./control-channel.js").Role} role  ours
   */
  async #prepare(command, role) {
    if (this.#link.connection) return;
    this.#dropSpare();
    const spare = (this.#spare = this.#createLink());
    // what fails now fails again when it is wanted, and is told then
    await spare.prepare(command, role).catch(() => this.#dropSpare(spare));
  }

  /**
   * Goes on with what was prepared, if it is for this call.
   *
   * @param {any} command  `start` or `offer`
   * @returns {boolean}  whether it is
   */
  #useSpare(command) {
    const spare = this.#spare;
    if (!spare?.fits(command)) {
      this.#dropSpare();
      return false;
    }
    this.#spare = null;
    this.#link.close(false);
    this.#link = spare;
    return true;
  }

  #dropSpare(spare = this.#spare) {
    spare?.close(false);
    if (spare === this.#spare) this.#spare = null;
  }

  /** We were called and have accepted: ours is the offer. @param {any} command */
  #start(command) {
    return this.#turns.during(async (generation) => {
      const isPrepared = this.#useSpare(command);
      this.#link.encrypt(command, "offer");
      const opened = this.#own.open(command.media);
      // The microphone comes first: once it is granted, the engine puts real addresses into the candidates instead of
      // `.local` names, and nothing reaches the caller of a call that cannot take place. Where the candidates are there
      // already, nothing waits for it.
      if (isPrepared) void this.#attachLater(generation, opened);
      else await opened;
      this.#turns.check(generation);
      const connection = this.#connect(command, "offer");
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
    if (this.#link.connection) throw new CommandError("call already started");
    const offer = readDescription(this.#unpack(command.offer), "offer");
    const early = readCandidates(this.#unpack(command.iceCandidates));
    const isPrepared = this.#state.phase === "waiting";
    if (!isPrepared) this.#begin(command.media);
    return this.#turns.during(async (generation) => {
      this.#useSpare(command);
      this.#link.encrypt(command, "answer");
      await (isPrepared ? this.#own.openMicrophone() : this.#own.open(command.media));
      this.#turns.check(generation);
      const connection = this.#connect(command, "answer");
      connection.addCandidates(early);
      const { description, candidates } = await connection.createAnswer(offer);
      this.#turns.check(generation);
      this.#own.attachAll();
      this.#move("negotiate");
      this.#negotiated({ isPatient: Boolean(command.complete) });
      const answer = { answer: this.#engine.pack(description), iceCandidates: this.#engine.pack(candidates) };
      // who was not asked before what it can do says so now
      return { type: "answer", ...answer, ...(isPrepared ? {} : { capabilities: this.#ownCapabilities() }) };
    });
  }

  /** @param {any} command */
  async #answer(command) {
    const { connection } = this.#link;
    if (!connection) throw new CommandError("call not started");
    if (connection.hasRemoteDescription) throw new CommandError("remote description already set");
    const answer = readDescription(this.#unpack(command.answer), "answer");
    const candidates = readCandidates(this.#unpack(command.iceCandidates));
    return this.#turns.during(async (generation) => {
      this.#link.setKey(command);
      connection.addCandidates(candidates);
      await connection.acceptAnswer(answer);
      await connection.attachAll();
      this.#turns.check(generation);
      this.#negotiated();
      return { type: "ok" };
    });
  }

  /** @param {any} command */
  async #ice(command) {
    const candidates = readCandidates(this.#unpack(command.iceCandidates));
    if (this.#link.connection) {
      this.#link.connection.addCandidates(candidates);
      return { type: "ok" };
    }
    this.#early.push(...candidates.slice(0, MAX_EARLY_CANDIDATES - this.#early.length));
    throw new CommandError("call not started yet, will add candidates later");
  }

  /** The peer's page looks for a new way. @param {any} command */
  async #restart({ step, number, description, iceCandidates }) {
    if (step === "ask") {
      this.#link.reconnection?.asked(number);
      return { type: "ok" };
    }
    const read = readDescription(this.#unpack(description), step === "offer" ? "offer" : "answer");
    await this.#link.takeRestart(number, read, readCandidates(this.#unpack(iceCandidates)));
    return { type: "ok" };
  }

  /** @param {any} command */
  async #media({ source, enable }) {
    this.#checkCall();
    if (!SOURCES.includes(source)) throw new CommandError("unknown source");
    await this.#own.set(source, Boolean(enable));
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
    const { call, paste, devices, settings, canShare } = this.#state;
    this.#state = { ...freshSnapshot(), call, paste, devices, settings, canShare, media: media === "video" ? "video" : "audio" };
    this.#move("prepare");
  }

  /**
   * @param {any} command  `start` or `offer`
   * @param {import("./control-channel.js").Role} role  ours
   */
  #connect(command, role) {
    const connection = this.#link.connect(command, role);
    connection.addCandidates(this.#early.splice(0));
    // names of devices are told once one of them was allowed
    void this.#choices.refresh();
    return connection;
  }

  #ownCapabilities() {
    return this.#engine.encryption.support === null ? { encryption: false } : { encryption: true, features: [...FEATURES] };
  }

  /** @param {RTCPeerConnectionState} state */
  #connectionState(state) {
    if (state === "connected") {
      this.#stopConnectTimer();
      this.#link.reconnection?.back();
      const connectedAt = this.#state.connectedAt ?? this.#engine.clock.now();
      if (!this.#move("connect", { connectedAt })) return;
      void this.#link.watch();
      this.#speech ??= new SpeechWatch(this.#engine.clock, () => this.#levels(), (voices) => this.#update(voices));
    } else if (this.#state.connectedAt !== null && (state === "disconnected" || state === "failed")) {
      // it may come back by itself, or by a new way
      this.#move("disconnect");
      this.#link.reconnection?.away(state === "failed");
    } else if (state === "failed") {
      this.#fail("connection-failed", "The connection was lost or could not be made.");
    } else if (state === "closed") {
      this.#finish("end");
      this.#respond({ resp: { type: "ended" } });
    }
  }

  #levels() {
    const { local, peer } = this.#state;
    const peerLevel = peer.mic ? (this.#link.connection?.peerLevel ?? null) : null;
    return { self: this.level, peer: peerLevel, isMuted: !local.mic };
  }

  /**
   * Both descriptions are there: what the peer has room for is known, and the connection has its time; as long as it
   * takes where people carry the answer.
   *
   * @param {{isPatient?: boolean}} [options]
   */
  #negotiated({ isPatient = false } = {}) {
    this.#own.negotiated();
    if (this.#state.phase !== "connecting" || isPatient) return;
    this.#connectTimer = this.#engine.clock.setTimeout(
      () => this.#fail("connection-failed", "The connection could not be made in time."),
      CONNECT_MS,
    );
  }

  #createOwnMedia() {
    const host = {
      ...this.#host(),
      connection: () => this.#link.connection,
      heard: (/** @type {MediaStreamTrack | null} */ track) => {
        this.#meter?.close();
        this.#meter = track && this.#engine.meter(track);
      },
    };
    return new OwnMedia(this.#engine.devices, this.#choices.preferences, host, this.#engine.blur);
  }

  #createLink() {
    return new Link(this.#engine, this.#choices.preferences, this.#host(), {
      state: (state) => this.#connectionState(state),
      bye: () => this.hangUp(),
      lost: () => this.#fail("connection-lost", "The connection was lost, and did not come back."),
    });
  }

  /** What the parts of a call may do with the session. */
  #host() {
    return {
      snapshot: () => this.#state,
      update: (/** @type {Partial<Snapshot>} */ changes) => this.#update(changes),
      respond: (/** @type {Record<string, any>} */ resp) => this.#respond({ resp }),
    };
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
    if (changes.local && !this.#isOver()) this.#link.conversation.tellMedia(this.#state.local);
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
   * Sends what nobody waited for as soon as it is there; the call cannot go on without it.
   *
   * @param {number} generation
   * @param {Promise<void>} opened
   */
  async #attachLater(generation, opened) {
    try {
      await opened;
      if (generation === this.#turns.generation) this.#own.attachAll();
    } catch (error) {
      if (generation !== this.#turns.generation) return;
      const { resp } = failureOf("start", error);
      this.#fail(resp.code ?? "setup-failed", resp.message);
    }
  }

  /**
   * @param {"end" | "fail"} event
   * @param {string} [error]
   */
  #finish(event, error) {
    this.#dropSpare();
    this.#hasPreviewed = false;
    this.#release(event === "end");
    this.#move(event, {
      camera: null,
      screen: null,
      hasScreenSound: false,
      ...noVoices(),
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
    this.#beginCall?.(null);
    this.#beginCall = null;
    this.#stopConnectTimer();
    this.#speech?.close();
    this.#speech = null;
    this.#isHeldToTalk = false;
    // the microphone's and camera's lights go out now, whatever the word of it takes
    this.#own.close();
    this.#own = this.#createOwnMedia();
    this.#link.close(tells);
    this.#link = this.#createLink();
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
