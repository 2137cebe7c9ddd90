// @ts-check
/** A session with everything around it faked. */
import assert from "node:assert/strict";
import { FIRST_MS } from "../../static/call/candidates.js";
import { Session } from "../../static/call/session.js";
import { FakeBlur, FakeClock, FakeConnection, FakeDevices, FakeWorker, settle } from "./fakes.js";

export const KEY = Buffer.alloc(32, 1).toString("base64");

export const pack = (/** @type {unknown} */ value) => Buffer.from(JSON.stringify(value)).toString("base64");
export const unpack = (/** @type {string} */ text) => JSON.parse(Buffer.from(text, "base64").toString());

/** One page with everything around it faked. */
export class Bench {
  clock = new FakeClock();
  devices = new FakeDevices();
  /** @type {FakeConnection[]} */
  connections = [];
  /** @type {FakeWorker[]} */
  workers = [];
  /** @type {any[]} */
  responses = [];
  /** @type {"streams" | "script" | null} */
  support = "script";
  isWorkerSilent = false;
  /** A line of our descriptions. */
  fingerprint = "";
  /** What the microphone hears. @type {number | null} */
  level = null;
  /** @type {{track: any}[]} */
  meters = [];
  /** @type {FakeBlur[]} */
  blurs = [];
  isBlurRefused = false;
  /** @type {string[]} */
  refusedUrls = [];
  changeNetwork = () => {};
  #corrId = 0;

  constructor() {
    const bench = this;
    this.session = new Session(
      {
        clock: this.clock,
        createConnection: (configuration) => {
          const urls = (configuration.iceServers ?? []).flatMap((server) => server.urls);
          if (urls.some((url) => this.refusedUrls.some((refused) => url.startsWith(refused)))) throw new SyntaxError("no");
          const connection = new FakeConnection(configuration);
          connection.fingerprint = this.fingerprint;
          this.connections.push(connection);
          return /** @type {any} */ (connection);
        },
        createStream: () => /** @type {any} */ ({}),
        codecs: (kind) => /** @type {any} */ ([`${kind}/H264`, `${kind}/${kind === "audio" ? "opus" : "VP8"}`].map((mimeType) => ({ mimeType }))),
        devices: this.devices,
        meter: (track) => {
          const meter = { track, level: () => this.level, close: () => (this.meters = this.meters.filter((one) => one !== meter)) };
          this.meters.push(meter);
          return meter;
        },
        blur: async (camera, changed) => {
          const blurred = new FakeBlur(/** @type {any} */ (camera), changed);
          if (this.isBlurRefused) throw new Error("no blur");
          this.blurs.push(blurred);
          return /** @type {any} */ (blurred);
        },
        encryption: {
          get support() {
            return bench.support;
          },
          createWorker: () => {
            const worker = new FakeWorker();
            worker.isSilent = this.isWorkerSilent;
            this.workers.push(worker);
            return /** @type {any} */ (worker);
          },
          createScriptTransform: (worker, options) => /** @type {any} */ (worker).scriptTransform(options),
        },
        watchNetwork: (changed) => {
          this.changeNetwork = changed;
        },
        pack,
        unpack,
      },
      (message) => this.responses.push(message),
      () => {},
    );
  }

  get shot() {
    return this.session.snapshot;
  }

  get connection() {
    return this.connections.at(-1) ?? assert.fail("there is no connection");
  }

  /** @param {string} type */
  said(type) {
    return this.responses.filter(({ resp }) => resp.type === type);
  }

  /**
   * Sends a command; resolves with its answer.
   *
   * @param {any} command
   * @returns {Promise<any>}
   */
  async command(command) {
    const corrId = ++this.#corrId;
    const handled = this.session.handle({ corrId, command });
    await settle();
    await this.clock.advance(FIRST_MS);
    await handled;
    const answers = this.responses.filter((message) => message.corrId === corrId);
    assert.equal(answers.length, 1);
    return answers[0].resp;
  }

  /** @param {object} [more] */
  capabilities(more = {}) {
    return this.command({ type: "capabilities", media: "video", ...more });
  }

  /** @param {object} [more] */
  start(more = {}) {
    return this.command({ type: "start", media: "video", iceServers: [], aesKey: KEY, ...more });
  }

  /**
   * @param {object} [more]
   * @param {number} [transceivers]
   */
  offer(more = {}, transceivers = 4) {
    const offer = pack({ type: "offer", sdp: String(transceivers) });
    return this.command({ type: "offer", offer, iceCandidates: pack([{ candidate: "theirs" }]), media: "video", aesKey: KEY, ...more });
  }

  answer() {
    return this.command({ type: "answer", answer: pack({ type: "answer", sdp: "4" }), iceCandidates: pack([{ candidate: "theirs" }]) });
  }

  /** A connected call that we made. */
  async connected() {
    await this.capabilities();
    await this.offer();
    for (const index of [0, 1]) this.connection.receive(index);
    this.connection.become("connected");
    await settle();
    return this;
  }

  /** What the sources send now. */
  sent() {
    return this.connection.transceivers.map(({ sender }) => sender.track?.kind ?? null);
  }
}
