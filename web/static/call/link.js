// @ts-check
/** One call's way to the peer: connection, cipher, channel, and what is seen of the peer's media. */
import { callCode, fingerprintsOf } from "./call-code.js";
import { Connection } from "./connection.js";
import { ControlCipher } from "./control-channel.js";
import { Conversation } from "./conversation.js";
import { CallEncryption } from "./encryption.js";
import { decodeKey } from "./frames.js";
import { Monitor } from "./monitor.js";
import { addressesOf, codeStateOf } from "./protection.js";
import { featuresOf } from "./protocol.js";
import { Quality } from "./quality.js";
import { Reconnection } from "./reconnection.js";
import { noSources, SOURCES } from "./sources.js";

/**
 * @typedef {import("./control-channel.js").Role} Role
 *
 * @typedef {object} LinkEvents
 * @property {(state: RTCPeerConnectionState) => void} state
 * @property {() => void} bye  the peer hangs up
 * @property {() => void} lost  it stood, and no way was found any more
 */

export class Link {
  #engine;
  #preferences;
  #host;
  #events;
  #isClosed = false;
  /** @type {Connection | null} */
  #connection = null;
  /** @type {CallEncryption | null} */
  #encryption = null;
  #conversation;
  /** What waits for the call's key, perhaps. @type {RTCDataChannel | null} */
  #channel = null;
  /** There from the first time that the connection stands. @type {Monitor | null} */
  #monitor = null;
  #quality = new Quality();
  /** What the call code is made of, where the peer knows of it. @type {{key: string, binding: string} | null} */
  #codeSource = null;
  /** @type {import("./protection.js").CodeState} */
  #codeState = "no-frames";
  #isByTexts = false;
  /** @type {Reconnection | null} */
  #reconnection = null;
  /** What the tracks' keys come from, until both descriptions are there. @type {{key: string, transcript: Uint8Array<ArrayBuffer>, role: Role} | null} */
  #trackSource = null;
  #hasTrackKeys = false;
  /** What the cipher has dropped of the peer's. */
  #dropped = { failed: 0, replayed: 0 };
  /** What the connection was made for before it is wanted. @type {{key: unknown, servers: string} | null} */
  #prepared = null;
  /** The peer's sources as far as they can be seen. */
  #inferred = noSources();

  /**
   * @param {import("./session.js").Engine} engine
   * @param {import("./preferences.js").Preferences} preferences
   * @param {Pick<import("./own-media.js").Host, "snapshot" | "update" | "respond">} host
   * @param {LinkEvents} events
   */
  constructor(engine, preferences, host, events) {
    this.#engine = engine;
    this.#preferences = preferences;
    this.#host = host;
    this.#events = events;
    this.#conversation = new Conversation(engine.clock, {
      changed: (changes) => host.update(changes),
      peerMedia: (sources) => this.#peerMedia(sources ?? this.#inferred, sources !== null),
      bye: () => events.bye(),
    });
  }

  get connection() {
    return this.#connection;
  }

  get encryption() {
    return this.#encryption;
  }

  get conversation() {
    return this.#conversation;
  }

  /**
   * Encrypts frames, if there is a key or will be. Where each track gets its own, they wait for both descriptions.
   *
   * @param {any} command  `start`, `offer` or `prepare`
   * @param {Role} role  ours
   */
  encrypt(command, role) {
    const isLater = command.keyLater === true;
    if (!isLater && (command.aesKey ?? null) === null) return;
    const { encryption, clock } = this.#engine;
    if (!this.#prepared) {
      this.#encryption?.close();
      this.#encryption = new CallEncryption({ ...encryption, clock }, null);
    }
    if (!isLater) this.#takeKey(command, role);
  }

  /**
   * @param {any} command  with the key, and the peer's features
   * @param {Role} role  ours
   */
  #takeKey({ aesKey, transcript, ...command }, role) {
    if (!this.#encryption || this.#encryption.hasKey) return;
    const key = String(aesKey);
    if (featuresOf(command).includes("frames2")) {
      this.#trackSource = { key, transcript: decodeKey(transcript, "transcript"), role };
    } else {
      this.#encryption.setKey(key);
    }
  }

  /** Both descriptions are there: what ties the tracks' keys to this connection is known. */
  #described() {
    const descriptions = this.#connection?.descriptions;
    if (!this.#trackSource || !descriptions) return;
    const { key, transcript, role } = this.#trackSource;
    const { local, remote } = descriptions;
    const [offering, answering] = (role === "offer" ? [local, remote] : [remote, local]).map(fingerprintsOf);
    if (!offering || !answering) throw new TypeError("A description has no fingerprint.");
    this.#trackSource = null;
    this.#hasTrackKeys = true;
    this.#encryption?.setKey(key, { transcript, offering, answering, role });
  }

  /**
   * Makes the connection before it is wanted, while somebody rings: then its ways are known, and its relays are ready.
   * Nothing is told of it, and nothing opens a device.
   *
   * @param {any} command  as `start`, or only with the servers: then the key comes with the offer
   * @param {Role} role  ours
   */
  async prepare(command, role) {
    this.encrypt(role === "offer" ? command : { keyLater: true }, role);
    this.#prepared = { key: command.aesKey, servers: serversOf(command) };
    const connection = this.#create(command, role === "answer");
    if (role !== "offer") return;
    this.#openChannel(connection, command);
    await connection.prepareOffer();
  }

  /** Whether what was prepared is what is wanted now. @param {any} command  `start` or `offer` */
  fits(command) {
    if (!this.#prepared || this.#prepared.servers !== serversOf(command)) return false;
    const { key } = this.#prepared;
    return this.#encryption && key === undefined ? typeof command.aesKey === "string" : key === command.aesKey;
  }

  /**
   * @param {any} command  `start` or `offer`
   * @param {Role} role  ours
   */
  connect(command, role) {
    this.#isByTexts = Boolean(command.complete);
    this.#takeCodeSource(command);
    const connection = this.#connection ?? this.#create(command);
    this.#host.update({ encrypted: this.#encryption !== null });
    this.#openChannel(connection, command);
    if (this.#encryption && typeof command.aesKey === "string") this.#converse(command, role);
    // people who carry texts cannot carry new ones within a minute
    const canRestart = !this.#isByTexts && featuresOf(command).includes("restart");
    this.#reconnection = new Reconnection(
      this.#engine.clock,
      { isOffering: role === "offer", canRestart },
      {
        offer: (number) => void this.#offerRestart(number).catch(() => {}), // the next try is planned
        ask: (number) => this.#tellRestart("ask", number, null),
        video: (isPaused) => void connection.pauseVideo(isPaused).catch(() => {}),
        lost: () => this.#events.lost(),
      },
    );
    return connection;
  }

  get reconnection() {
    return this.#reconnection;
  }

  /**
   * The peer's offer of a new way, or its answer to ours; what is not the newest is passed over.
   *
   * @param {unknown} number
   * @param {RTCSessionDescriptionInit} description
   * @param {RTCIceCandidateInit[]} candidates
   */
  async takeRestart(number, description, candidates) {
    if (!this.#connection || !this.#reconnection?.isNewest(number)) return;
    const answer = await this.#connection.takeRestart(description, candidates);
    if (answer && this.#reconnection.isNewest(number)) this.#tellRestart("answer", Number(number), answer);
  }

  /** @param {number} number */
  async #offerRestart(number) {
    const offer = await this.#connection?.offerRestart();
    if (offer && this.#reconnection?.isNewest(number)) this.#tellRestart("offer", number, offer);
  }

  /**
   * @param {"ask" | "offer" | "answer"} step
   * @param {number} number
   * @param {{description: RTCSessionDescriptionInit, candidates: RTCIceCandidateInit[]} | null} told
   */
  #tellRestart(step, number, told) {
    if (this.#isClosed) return;
    const { pack } = this.#engine;
    const description = told ? { description: pack(told.description) } : {};
    this.#host.respond({ type: "restart", step, number, ...description, iceCandidates: pack(told?.candidates ?? []) });
  }

  /**
   * Whose features come with the key is asked for the channel at a venture: it must be in the offer.
   *
   * @param {Connection} connection
   * @param {any} command
   */
  #openChannel(connection, command) {
    if (this.#encryption && (command.keyLater === true || featuresOf(command).includes("channel"))) {
      this.#channel ??= connection.createChannel();
    }
  }

  /**
   * @param {any} command
   * @param {boolean} [isEarly]
   */
  #create(command, isEarly = false) {
    const { iceServers, relay, complete } = command;
    const encryption = this.#encryption;
    const connection = new Connection(
      this.#engine,
      {
        iceServers: iceServers ?? [],
        relay: Boolean(relay),
        encryption,
        settings: () => this.#preferences.settings,
        isEarly,
        isPatient: Boolean(complete),
      },
      {
        candidates: (candidates) => this.#host.respond({ type: "ice", iceCandidates: this.#engine.pack(candidates) }),
        state: (state) => {
          if (this.#isClosed) return;
          this.#host.respond({ type: "connection", state: connection.state });
          // what was recorded before cannot be opened by what somebody finds here later
          if (state === "connected" && this.#monitor) this.#encryption?.changeKeys();
          this.#events.state(state);
        },
        described: () => this.#described(),
        track: (source, track) => this.#host.update({ tracks: { ...this.#host.snapshot().tracks, [source]: track } }),
      },
    );
    this.#connection = connection;
    return connection;
  }

  /** The key, where it comes with the answer to our offer. @param {any} command */
  setKey(command) {
    if (this.#encryption?.hasKey !== false || this.#trackSource) return;
    this.#takeKey(command, "offer");
    this.#takeCodeSource(command);
    this.#converse(command, "offer");
  }

  /** The connection stands. */
  async watch() {
    const connection = this.#connection;
    if (this.#monitor || !connection) return;
    const { respond, update, snapshot } = this.#host;
    this.#monitor = new Monitor(
      this.#engine.clock,
      { connection, encryption: this.#encryption, media: snapshot().media, isExact: () => snapshot().peerIsExact },
      {
        stats: (stats) => {
          this.#dropped = { failed: stats.framesFailed, replayed: stats.framesReplayed };
          respond({ type: "stats", stats });
        },
        reading: (reading, at) => this.#measured(reading, at),
        peerMedia: (_source, _enabled, peer) => {
          this.#inferred = peer;
          if (!snapshot().peerIsExact) this.#peerMedia(peer, false);
        },
        path: (path) => update({ path }),
        undecryptable: () => update({ notice: "undecryptable" }),
      },
    );
    void this.#workOutCode();
    const stats = await connection.stats().catch(() => null);
    if (this.#isClosed) return;
    respond({ type: "connected", connectionInfo: stats?.connectionInfo ?? { iceCandidatePair: {} } });
  }

  /**
   * Closes all; the peer is told by the channel, where there is one, which then takes a moment.
   *
   * @param {boolean} tells
   */
  close(tells) {
    this.#isClosed = true;
    this.#reconnection?.close();
    this.#monitor?.close();
    this.#connection?.detach();
    const close = () => {
      this.#connection?.close();
      this.#encryption?.close();
    };
    if (tells) this.#conversation.bye(close);
    else close();
    this.#conversation.close();
  }

  /** @param {any} command */
  #takeCodeSource(command) {
    this.#codeState = codeStateOf(this.#encryption !== null, command);
    if (this.#codeState === "pending") this.#codeSource = { key: command.aesKey, binding: command.binding };
  }

  /** The code takes a moment of computing on purpose; the call stands already, and does not wait for it. */
  async #workOutCode() {
    const descriptions = this.#connection?.descriptions;
    if (this.#codeSource && descriptions) {
      this.#showProtection();
      const { key, binding } = this.#codeSource;
      const code = await callCode(key, binding, [descriptions.local, descriptions.remote]).catch(() => null);
      this.#codeSource = null;
      if (this.#isClosed) return;
      this.#codeState = code ? "there" : "failed";
      this.#host.update({ code });
    }
    this.#showProtection();
  }

  /** Says anew what protects the call, if it has changed: candidates come and go with networks. */
  #showProtection() {
    const { local, remote } = this.#connection?.descriptions ?? { local: "", remote: "" };
    /** @type {import("./protection.js").ProtectionDetails} */
    const protectionDetails = {
      canEncrypt: this.#engine.encryption.support !== null,
      scheme: this.#encryption ? (this.#hasTrackKeys ? "tracks" : "frames") : "transport",
      dropped: this.#dropped,
      keyAgreement: this.#isByTexts ? "texts" : "simplex",
      localAddresses: addressesOf(local),
      remoteAddresses: addressesOf(remote),
      codeState: this.#codeState,
    };
    if (JSON.stringify(protectionDetails) !== JSON.stringify(this.#host.snapshot().protectionDetails)) {
      this.#host.update({ protectionDetails });
    }
  }

  /**
   * @param {import("./quality.js").Reading} reading
   * @param {number} at
   */
  #measured(reading, at) {
    const { phase, local, settings } = this.#host.snapshot();
    const circumstances = { isConnected: phase === "connected", hasCamera: local.camera, isLowData: settings.isLowData };
    this.#host.update({ quality: this.#quality.update(reading, at, circumstances) });
    this.#showProtection();
  }

  /**
   * @param {any} command  with the call's key and the peer's features
   * @param {Role} role
   */
  #converse(command, role) {
    const channel = this.#channel;
    if (!channel || !featuresOf(command).includes("channel")) return;
    this.#conversation.begin(channel, new ControlCipher(String(command.aesKey), role));
  }

  /**
   * What the peer's sources are now: by its own word, or as far as can be seen.
   *
   * @param {import("./sources.js").Sources} peer
   * @param {boolean} peerIsExact
   */
  #peerMedia(peer, peerIsExact) {
    const before = this.#host.snapshot();
    this.#host.update({ peer, peerIsExact, peerHasSpoken: before.peerHasSpoken || peer.mic });
    for (const source of SOURCES) {
      if (peer[source] !== before.peer[source]) this.#host.respond({ type: "peerMedia", source, enabled: peer[source] });
    }
  }
}

/** The servers by which a connection was made, without credentials, which are others each time. @param {any} command */
function serversOf({ iceServers, relay }) {
  return JSON.stringify([Boolean(relay), (iceServers ?? []).map((/** @type {RTCIceServer} */ { urls }) => urls)]);
}
