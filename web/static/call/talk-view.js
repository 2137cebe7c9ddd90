// @ts-check
/** Who is speaking, talking by a held key, the word to who talks while muted, and our own screen while it is shared. */
import { present } from "./model.js";
import { HeldKey, MutedHint } from "./talking.js";

/**
 * @typedef {object} TalkActions
 * @property {() => void} mic
 * @property {(isHeld: boolean) => void} pushToTalk
 * @property {() => void} stopSharing
 * @property {() => void} switchCamera
 */

export class TalkView {
  #page;
  #t;
  #actions;
  #hint = new MutedHint();
  #key = new HeldKey();
  /** @type {import("./snapshot.js").Snapshot | null} */
  #snapshot = null;
  /** @type {MediaStreamTrack | null} */
  #screen = null;

  /**
   * @param {Document} page
   * @param {import("../common/catalogue.js").Translate} t
   * @param {TalkActions} actions
   */
  constructor(page, t, actions) {
    this.#page = page;
    this.#t = t;
    this.#actions = actions;
    this.#listen();
  }

  /** @param {import("./snapshot.js").Snapshot} snapshot */
  render(snapshot) {
    this.#snapshot = snapshot;
    const { name, canSwitchCamera, canUnmute } = present(snapshot);
    const { self, peer } = snapshot.speaking;
    // seen, and there to be read by who looks for it; said aloud it would talk over the one who speaks
    Object.assign(this.#find("call").dataset, { selfSpeaking: String(self), peerSpeaking: String(peer) });
    this.#text("speaking", peer ? this.#t("call.speaking", { name: name || this.#t("call.contact") }) : "");
    this.#show("camera-next", canSwitchCamera);
    // the call has ended, or the microphone has gone
    if (!canUnmute && !snapshot.local.mic) this.#key.release();
    this.#show("held", this.#key.isHeld);
    this.#share(snapshot.screen);
    this.tick(Date.now());
  }

  /** @param {number} now  milliseconds since the epoch */
  tick(now) {
    if (!this.#snapshot) return;
    const { canUnmute } = present(this.#snapshot);
    this.#show("talking-muted", this.#hint.update({ ...this.#snapshot, canUnmute }, now));
  }

  /** The key that is held to talk goes down. @returns {boolean}  whether it means something now */
  press() {
    if (!this.#snapshot) return false;
    const { mic, canUnmute } = present(this.#snapshot);
    if (this.#key.press(canUnmute)) {
      this.#show("held", true);
      this.#actions.pushToTalk(true);
    }
    // the page does not scroll under it either
    return mic.isEnabled;
  }

  #release() {
    if (!this.#key.release()) return;
    this.#show("held", false);
    this.#actions.pushToTalk(false);
  }

  /** @param {MediaStreamTrack | null} screen */
  #share(screen) {
    this.#show("sharing", screen !== null);
    if (screen === this.#screen) return;
    this.#screen = screen;
    const video = /** @type {HTMLVideoElement} */ (this.#find("sharing-video"));
    video.srcObject = screen && new MediaStream([screen]);
    // another screen, or none, settles it
    if (screen) video.play().catch(() => {});
  }

  #listen() {
    const on = (/** @type {string} */ id, /** @type {() => void} */ action) => this.#find(id).addEventListener("click", action);
    on("talking-unmute", () => {
      if (this.#snapshot && !this.#snapshot.local.mic) this.#actions.mic();
    });
    on("sharing-stop", this.#actions.stopSharing);
    on("camera-next", this.#actions.switchCamera);
    // a button that was clicked would take the held key for another click
    this.#find("controls").addEventListener("mousedown", (event) => event.preventDefault());
    this.#page.addEventListener("keyup", ({ key }) => {
      if (key === " ") this.#release();
    });
    // a key that is let go elsewhere is let go all the same
    globalThis.addEventListener("blur", () => this.#release());
    this.#page.addEventListener("visibilitychange", () => {
      if (this.#page.hidden) this.#release();
    });
  }

  /**
   * @param {string} id
   * @returns {HTMLElement}
   */
  #find(id) {
    const element = this.#page.getElementById(id);
    if (!element) throw new Error(`The page has no element ${id}.`);
    return element;
  }

  /**
   * @param {string} id
   * @param {string} text
   */
  #text(id, text) {
    const element = this.#find(id);
    if (element.textContent !== text) element.textContent = text;
  }

  /**
   * @param {string} id
   * @param {boolean} isShown
   */
  #show(id, isShown) {
    this.#find(id).toggleAttribute("hidden", !isShown);
  }
}
