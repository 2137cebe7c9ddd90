// @ts-check
/** The in-call channel as the session uses it: what was said, and what the peer says of its own media. */
import { ControlChannel, isText, REACTIONS } from "./control-channel.js";

/**
 * @typedef {import("./sources.js").Sources} Sources
 *
 * @typedef {object} CallText
 * @property {string} id
 * @property {boolean} isOurs
 * @property {string} text
 * @property {number} at  milliseconds since the epoch
 *
 * @typedef {object} Reaction
 * @property {string} id
 * @property {string} emoji
 * @property {boolean} isOurs
 * @property {number} at
 *
 * @typedef {object} ConversationEvents
 * @property {(changes: {messages?: CallText[], reactions?: Reaction[], canChat?: boolean}) => void} changed
 * @property {(sources: Sources | null) => void} peerMedia  null: the peer does not say any more
 * @property {() => void} bye  the peer hangs up
 */

const MAX_MESSAGES = 500;
const MAX_REACTIONS = 20;
/** So long a reaction is shown. */
export const REACTION_MS = 5000;
/** Messages a second of ours: fewer than the peer takes. */
const MAX_OWN_RATE = 10;
/** Hanging up waits this long for the word of it to leave. */
export const BYE_MS = 50;

export class Conversation {
  #clock;
  #events;
  #isClosed = false;
  #nextId = 1;
  /** @type {ControlChannel | null} */
  #channel = null;
  #canChat = false;
  /** @type {Sources | null} */
  #media = null;
  /** @type {string} */
  #toldMedia = "";
  /** @type {CallText[]} */
  #messages = [];
  /** @type {Reaction[]} */
  #reactions = [];
  /** @type {number[]} */
  #sent = [];
  /** @type {Set<unknown>} */
  #timers = new Set();

  /**
   * @param {import("./session.js").Clock} clock
   * @param {ConversationEvents} events
   */
  constructor(clock, events) {
    this.#clock = clock;
    this.#events = events;
  }

  /** How much of the peer's was of no use. */
  get dropped() {
    return this.#channel?.dropped ?? 0;
  }

  /**
   * Begins, as soon as `port` is open.
   *
   * @param {RTCDataChannel} port
   * @param {import("./control-channel.js").ControlCipher} cipher
   */
  begin(port, cipher) {
    port.binaryType = "arraybuffer";
    const channel = new ControlChannel(
      cipher,
      {
        send: (bytes) => {
          if (port.readyState === "open") port.send(bytes);
        },
      },
      this.#clock,
      (message) => this.#take(message),
    );
    this.#channel = channel;
    port.addEventListener("message", ({ data }) => channel.receive(data));
    port.addEventListener("close", () => this.#shut());
    if (port.readyState === "open") this.#open();
    else port.addEventListener("open", () => this.#open());
  }

  /** Says which of our sources are on, now or once it can be said. @param {Sources} sources */
  tellMedia(sources) {
    this.#media = sources;
    const told = JSON.stringify(sources);
    if (!this.#canChat || told === this.#toldMedia) return;
    this.#toldMedia = told;
    void this.#channel?.send({ t: "media", ...sources });
  }

  /** @param {string} text  @returns {boolean}  whether it was sent */
  sendText(text) {
    if (!isText(text) || !this.#maySend()) return false;
    const id = this.#id();
    void this.#channel?.send({ t: "text", id, text });
    this.#addText({ id, isOurs: true, text, at: this.#clock.now() });
    return true;
  }

  /** @param {string} emoji  @returns {boolean}  whether it was sent */
  react(emoji) {
    if (!REACTIONS.includes(emoji) || !this.#maySend()) return false;
    void this.#channel?.send({ t: "reaction", emoji });
    this.#addReaction(emoji, true);
    return true;
  }

  /**
   * Says that we hang up, if it can be said; `done` is called when it has had its time.
   *
   * @param {() => void} done
   */
  bye(done) {
    const channel = this.#channel;
    if (!channel || !this.#canChat) {
      done();
      return;
    }
    void channel.send({ t: "bye" }).then(() => this.#clock.setTimeout(done, BYE_MS));
  }

  close() {
    this.#isClosed = true;
    this.#canChat = false;
    for (const timer of this.#timers) this.#clock.clearTimeout(timer);
    this.#timers.clear();
  }

  #open() {
    if (this.#isClosed) return;
    this.#canChat = true;
    this.#events.changed({ canChat: true });
    if (this.#media) this.tellMedia(this.#media);
  }

  #shut() {
    if (this.#isClosed) return;
    this.#canChat = false;
    this.#events.changed({ canChat: false });
    this.#events.peerMedia(null);
  }

  /** @param {import("./control-channel.js").ControlMessage} message */
  #take(message) {
    if (this.#isClosed) return;
    if (message.t === "media") {
      const { mic, camera, screenAudio, screenVideo } = message;
      this.#events.peerMedia({ mic, camera, screenAudio, screenVideo });
    } else if (message.t === "text") {
      this.#addText({ id: this.#id(), isOurs: false, text: message.text, at: this.#clock.now() });
    } else if (message.t === "reaction") this.#addReaction(message.emoji, false);
    else this.#events.bye();
  }

  #maySend() {
    const now = this.#clock.now();
    this.#sent = this.#sent.filter((at) => now - at < 1000 && at <= now);
    if (!this.#canChat || this.#sent.length >= MAX_OWN_RATE) return false;
    this.#sent.push(now);
    return true;
  }

  /** @param {CallText} text */
  #addText(text) {
    this.#messages = [...this.#messages, text].slice(-MAX_MESSAGES);
    this.#events.changed({ messages: this.#messages });
  }

  /**
   * @param {string} emoji
   * @param {boolean} isOurs
   */
  #addReaction(emoji, isOurs) {
    const reaction = { id: this.#id(), emoji, isOurs, at: this.#clock.now() };
    this.#reactions = [...this.#reactions, reaction].slice(-MAX_REACTIONS);
    this.#events.changed({ reactions: this.#reactions });
    const timer = this.#clock.setTimeout(() => {
      this.#timers.delete(timer);
      this.#reactions = this.#reactions.filter((shown) => shown !== reaction);
      this.#events.changed({ reactions: this.#reactions });
    }, REACTION_MS);
    this.#timers.add(timer);
  }

  #id() {
    return `t${this.#nextId++}`;
  }
}
