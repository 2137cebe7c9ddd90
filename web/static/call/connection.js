// @ts-check
/**
 * One RTCPeerConnection: its transceivers, codecs, cipher, candidates. Knows nothing of commands, phases or the page.
 */
import { CandidateGroups } from "./candidates.js";
import { CHANNEL_LABEL } from "./control-channel.js";
import { fingerprintsOf } from "./reconnection.js";
import { relayed, withoutAddresses } from "./relay-only.js";
import { withOpus } from "./settings.js";
import { kindOf, SOURCES, sourceOfMid } from "./sources.js";
import { readStats, selectedPair } from "./statistics.js";

/**
 * @typedef {import("./sources.js").Source} Source
 *
 * @typedef {object} ConnectionSettings
 * @property {RTCIceServer[]} iceServers
 * @property {boolean} relay  only through TURN servers
 * @property {import("./encryption.js").CallEncryption | null} encryption
 * @property {() => Pick<import("./settings.js").MediaSettings, "isBitrateConstant">} settings
 * @property {boolean} [isEarly]  made before there is a description: looks for ways already
 * @property {boolean} [isPatient]  people carry the descriptions: no candidates can follow them, and they take their time
 *
 * @typedef {object} ConnectionEvents
 * @property {(candidates: RTCIceCandidateInit[]) => void} candidates  more of our candidates, for the peer
 * @property {(state: RTCPeerConnectionState) => void} state
 * @property {() => void} described  both descriptions are there
 * @property {(source: Source, track: MediaStreamTrack) => void} track  a track of the peer's
 */

/** Candidates that come before the peer's description are kept up to this number. */
const MAX_EARLY_CANDIDATES = 256;
/** Where people carry the answer, ways that led nowhere yet are tried again after this long. */
export const RENEW_MS = 8000;

/** Most candidates of the peer in a call: each is tried with each of ours. */
const MAX_CANDIDATES = 512;

/**
 * The cipher leaves bytes in the clear by VP8's and Opus's headers, so no other codec may be agreed on. What goes with
 * any of them (retransmission, error correction, telephone tones) stays.
 */
const CODECS = {
  audio: ["audio/opus", "audio/telephone-event"],
  video: ["video/vp8", "video/rtx", "video/red", "video/ulpfec"],
};

/**
 * VP8 or Opus first, without the codecs that the cipher does not know.
 *
 * @param {"audio" | "video"} kind
 * @param {RTCRtpCodec[]} codecs  what the engine can receive
 * @returns {RTCRtpCodec[]}
 */
export function preferredCodecs(kind, codecs) {
  const allowed = CODECS[kind];
  const rank = (/** @type {RTCRtpCodec} */ codec) => allowed.indexOf(codec.mimeType.toLowerCase());
  return codecs.filter((codec) => rank(codec) >= 0).sort((a, b) => rank(a) - rank(b));
}

/**
 * The description without feedback lines of codecs that it does not offer: Firefox (153) leaves those of codecs that
 * were dropped by preference, and Chromium refuses the whole description for them.
 *
 * @param {string} sdp
 * @returns {string}
 */
export function withoutStrayFeedback(sdp) {
  /** @type {string[]} */
  let offered = [];
  const kept = sdp.split("\r\n").filter((line) => {
    if (line.startsWith("m=")) offered = line.split(" ").slice(3);
    const payload = /^a=rtcp-fb:(\S+)/.exec(line)?.[1];
    return payload === undefined || payload === "*" || offered.includes(payload);
  });
  return kept.join("\r\n");
}

/**
 * SimpleX apps name STUN servers over TLS too; an engine that does not know `stuns:` refuses the whole configuration
 * for it, so it gets the rest.
 *
 * @param {import("./session.js").Engine} engine
 * @param {RTCConfiguration} configuration
 */
function createConnection(engine, configuration) {
  try {
    return engine.createConnection(configuration);
  } catch {
    const iceServers = (configuration.iceServers ?? [])
      .map((server) => ({ ...server, urls: [server.urls].flat().filter((url) => !url.startsWith("stuns:")) }))
      .filter(({ urls }) => urls.length > 0);
    return engine.createConnection({ ...configuration, iceServers });
  }
}

export class Connection {
  #engine;
  #encryption;
  #settings;
  #pc;
  #stream;
  #groups;
  #isClosed = false;
  #isPatient;
  #isRelayed;
  #described;
  /** The peer's candidates, where they may have to be tried again. @type {RTCIceCandidateInit[]} */
  #tried = [];
  /** @type {unknown} */
  #renewal = null;
  /** @type {RTCIceCandidateInit[]} */
  #early = [];
  /** How many of the peer's candidates the engine was given. */
  #taken = 0;
  /** @type {Map<Source, RTCRtpTransceiver>} */
  #transceivers = new Map();
  /** @type {Map<Source, MediaStreamTrack | null>} */
  #tracks = new Map();
  /** Pictures wait: what little comes through is for the sound. */
  #isVideoPaused = false;
  /** Our offer, once it is made. @type {Promise<RTCSessionDescriptionInit> | null} */
  #offer = null;

  /**
   * @param {import("./session.js").Engine} engine
   * @param {ConnectionSettings} settings
   * @param {ConnectionEvents} events
   */
  constructor(engine, { iceServers, relay, encryption, settings, isEarly = false, isPatient = false }, events) {
    this.#settings = settings;
    this.#engine = engine;
    this.#encryption = encryption;
    this.#isPatient = isPatient;
    this.#isRelayed = relay;
    this.#described = events.described;
    this.#groups = new CandidateGroups(engine.clock, events.candidates);
    this.#stream = engine.createStream();
    const pc = createConnection(engine, {
      iceServers,
      iceTransportPolicy: relay ? "relay" : "all",
      bundlePolicy: "max-bundle",
      // all media share one way
      ...(isEarly ? { iceCandidatePoolSize: 1 } : {}),
      ...encryption?.configuration,
    });
    this.#pc = pc;
    pc.addEventListener("icecandidate", ({ candidate }) => {
      // an empty candidate says "no more of this generation": not for the wire
      const told = candidate?.candidate ? candidate.toJSON() : null;
      const shown = told && relay ? relayed(told) : told;
      if (shown) this.#groups.add(shown);
      else if (!candidate) this.#groups.complete();
    });
    pc.addEventListener("connectionstatechange", () => {
      if (this.#isClosed) return;
      if (pc.connectionState === "connected") this.#stopRenewing();
      // the engine tells of a way that it has not found so far; the peer may not even have our answer yet
      else if (pc.connectionState === "failed" && this.#renewal !== null) return;
      events.state(pc.connectionState);
    });
    pc.addEventListener("track", ({ transceiver, track }) => {
      const source = sourceOfMid(transceiver.mid);
      if (source && !this.#isClosed) events.track(source, track);
    });
  }

  /** @returns {{connectionState: string, iceConnectionState: string, iceGatheringState: string, signalingState: string}} */
  get state() {
    const { connectionState, iceConnectionState, iceGatheringState, signalingState } = this.#pc;
    return { connectionState, iceConnectionState, iceGatheringState, signalingState };
  }

  get hasRemoteDescription() {
    return this.#pc.remoteDescription !== null;
  }

  /**
   * Whether the peer takes `source`: an older version has no room for all of them.
   *
   * @param {Source} source
   */
  canSend(source) {
    const transceiver = this.#transceivers.get(source);
    return transceiver !== undefined && !["inactive", "recvonly"].includes(transceiver.currentDirection ?? "");
  }

  /** The in-call channel; before the offer or answer is made. */
  createChannel() {
    return this.#pc.createDataChannel(CHANNEL_LABEL, { negotiated: true, id: 0 });
  }

  /** Makes the offer, which begins the search for ways; nothing is told of them until `createOffer`. */
  prepareOffer() {
    this.#offer ??= this.#makeOffer();
    return this.#offer;
  }

  /** @returns {Promise<{description: RTCSessionDescriptionInit, candidates: RTCIceCandidateInit[]}>} */
  async createOffer() {
    return this.#tell(await this.prepareOffer());
  }

  async #makeOffer() {
    for (const source of SOURCES) {
      const transceiver = this.#pc.addTransceiver(kindOf(source), { direction: "sendrecv", streams: [this.#stream] });
      this.#adopt(source, transceiver);
    }
    const offer = await this.#pc.createOffer();
    await this.#pc.setLocalDescription(offer);
    return offer;
  }

  /**
   * @param {RTCSessionDescriptionInit} offer
   * @returns {Promise<{description: RTCSessionDescriptionInit, candidates: RTCIceCandidateInit[]}>}
   */
  async createAnswer(offer) {
    await this.#pc.setRemoteDescription(this.#tuned(offer));
    // Nothing is awaited up to the answer: the cipher stands before the connection can carry anything. A peer with
    // fewer transceivers is an older version; it gets what it has room for.
    for (const transceiver of this.#pc.getTransceivers()) {
      const source = sourceOfMid(transceiver.mid);
      if (!source || kindOf(source) !== transceiver.receiver.track.kind) continue;
      this.#adopt(source, transceiver);
      const directed = transceiver;
      directed.direction = "sendrecv";
      transceiver.sender.setStreams?.(this.#stream);
    }
    this.#addEarlyCandidates();
    if (this.#isPatient) this.#renewLater();
    const answer = await this.#pc.createAnswer();
    await this.#pc.setLocalDescription(answer);
    this.#described();
    return this.#tell(answer);
  }

  /** @param {RTCSessionDescriptionInit} answer */
  async acceptAnswer(answer) {
    await this.#pc.setRemoteDescription(this.#tuned(answer));
    this.#described();
    this.#addEarlyCandidates();
  }

  /**
   * Takes the peer's candidates; those that come before its description wait for it.
   *
   * @param {RTCIceCandidateInit[]} candidates
   */
  addCandidates(candidates) {
    if (!this.hasRemoteDescription) {
      this.#early.push(...candidates.slice(0, MAX_EARLY_CANDIDATES - this.#early.length));
      return;
    }
    const taken = candidates.slice(0, MAX_CANDIDATES - this.#taken);
    this.#taken += taken.length;
    if (this.#isPatient) this.#tried.push(...taken);
    this.#give(taken);
  }

  /** @param {RTCIceCandidateInit[]} candidates */
  #give(candidates) {
    for (const candidate of candidates) {
      // One that the engine cannot use (an unknown transport, an interface it does not know) says nothing of the others.
      this.#pc.addIceCandidate(candidate).catch(() => {});
    }
  }

  /**
   * Sends `track` as `source`, or nothing: then no more bytes flow, by which the peer sees that it is muted. Nothing is
   * renegotiated. Where frames are encrypted, the track waits until the cipher stands; while there is no key, until
   * `attachAll`.
   *
   * @param {Source} source
   * @param {MediaStreamTrack | null} track
   */
  async attach(source, track) {
    const sender = this.#transceivers.get(source)?.sender;
    this.#tracks.set(source, track);
    if (this.#encryption?.hasKey === false) return;
    await this.#encryption?.ready();
    if (this.#isClosed) return;
    const waits = this.#isVideoPaused && kindOf(source) === "video";
    await sender?.replaceTrack(waits ? null : (this.#tracks.get(source) ?? null));
  }

  /** Stops sending pictures for a while, or sends them again. @param {boolean} isPaused */
  async pauseVideo(isPaused) {
    this.#isVideoPaused = isPaused;
    const videos = [...this.#tracks].filter(([source]) => kindOf(source) === "video");
    await Promise.all(videos.map(([source, track]) => this.attach(source, track)));
  }

  /** Offers a new way (ICE restart): media, keys and certificates stay. */
  async offerRestart() {
    this.#groups.restart();
    const offer = await this.#pc.createOffer({ iceRestart: true });
    await this.#pc.setLocalDescription(offer);
    return this.#tell(offer);
  }

  /**
   * Takes the peer's side of a new way; answers if that is an offer.
   *
   * @param {RTCSessionDescriptionInit} description
   * @param {RTCIceCandidateInit[]} candidates
   * @throws {Error} if somebody else's certificate is in it
   */
  async takeRestart(description, candidates) {
    if (fingerprintsOf(description.sdp ?? "") !== fingerprintsOf(this.#pc.remoteDescription?.sdp ?? "")) {
      throw new Error("the contact's certificate is another one");
    }
    if (description.type === "offer") this.#groups.restart();
    await this.#pc.setRemoteDescription(this.#tuned(description));
    this.#taken = 0;
    this.addCandidates(candidates);
    if (description.type !== "offer") return null;
    const answer = await this.#pc.createAnswer();
    await this.#pc.setLocalDescription(answer);
    return this.#tell(answer);
  }

  /**
   * Tells a sender how much it may send, and what it gives up first. An engine that cannot do it sends as it likes.
   *
   * @param {Source} source
   * @param {ReturnType<typeof import("./settings.js").senderParameters>} parameters
   */
  async tune(source, { degradationPreference, ...encoding }) {
    const sender = this.#transceivers.get(source)?.sender;
    const now = sender?.getParameters?.();
    if (!sender || !now?.encodings?.length) return;
    const encodings = now.encodings.map((one) => ({ ...one, ...encoding }));
    const preference = degradationPreference ? { degradationPreference } : {};
    await sender.setParameters({ ...now, ...preference, encodings }).catch(() => {});
  }

  /** How loud the peer is, from 0 to 1; null if the engine does not say. */
  get peerLevel() {
    const receiver = this.#transceivers.get("mic")?.receiver;
    const [latest] = receiver?.getSynchronizationSources?.() ?? [];
    return latest?.audioLevel ?? null;
  }

  /** The key has come: sends what was to be sent before. */
  async attachAll() {
    await Promise.all([...this.#tracks].map(([source, track]) => this.attach(source, track)));
  }

  /** @returns {Promise<import("./statistics.js").ConnectionStats & {connectionInfo: object | null}>} */
  async stats() {
    const report = /** @type {ReadonlyMap<string, any>} */ (/** @type {unknown} */ (await this.#pc.getStats()));
    const selected = selectedPair(report);
    return {
      ...readStats(report),
      connectionInfo: selected && {
        iceCandidatePair: selected.pair,
        localCandidate: selected.local,
        remoteCandidate: selected.remote,
      },
    };
  }

  /** Both descriptions as they stand, with all candidates so far; null while one is missing. */
  get descriptions() {
    const { localDescription: local, remoteDescription: remote } = this.#pc;
    return local?.sdp && remote?.sdp ? { local: local.sdp, remote: remote.sdp } : null;
  }

  /** The call is over: nothing is said any more; media stop, the channel stays until `close`. */
  detach() {
    this.#isClosed = true;
    this.#stopRenewing();
    this.#groups.close();
  }

  close() {
    this.detach();
    this.#pc.close();
  }

  /**
   * Makes a transceiver that has just come into being ours. Synchronous, for the cipher's sake.
   *
   * @param {Source} source
   * @param {RTCRtpTransceiver} transceiver
   */
  #adopt(source, transceiver) {
    this.#encryption?.protect(transceiver, source);
    this.#transceivers.set(source, transceiver);
    const kind = kindOf(source);
    const codecs = preferredCodecs(kind, this.#engine.codecs(kind));
    if (codecs.length > 0) transceiver.setCodecPreferences?.(codecs);
  }

  /** What the peer is told of us. @param {RTCSessionDescriptionInit} description */
  async #tell(description) {
    const cipher = this.#encryption?.hasKey === false ? null : this.#encryption?.ready();
    const [candidates] = await Promise.all([this.#groups.first(this.#isPatient), cipher]);
    const { sdp } = this.#tuned({ type: description.type, sdp: withoutStrayFeedback(description.sdp ?? "") });
    return { description: { type: description.type, sdp: this.#isRelayed ? withoutAddresses(sdp) : sdp }, candidates };
  }

  /**
   * @template {RTCSdpType} Type
   * @param {{type: Type, sdp?: string}} description
   */
  #tuned({ type, sdp }) {
    return { type, sdp: withOpus(sdp ?? "", this.#settings()) };
  }

  /**
   * Until the peer gets our answer, ours are the only checks, and an engine gives a way up that is silent for long. A
   * candidate that is added again is tried again.
   */
  #renewLater() {
    this.#renewal = this.#engine.clock.setTimeout(() => {
      this.#give(this.#tried);
      this.#renewLater();
    }, RENEW_MS);
  }

  #stopRenewing() {
    if (this.#renewal !== null) this.#engine.clock.clearTimeout(this.#renewal);
    this.#renewal = null;
  }

  #addEarlyCandidates() {
    this.addCandidates(this.#early.splice(0));
  }
}
