// @ts-check
/** Puts the model on the screen. Nothing is decided here. */
import { drawAvatar } from "../common/avatar.js";
import { LookView } from "./look-view.js";
import { clockText, present } from "./model.js";
import { OthersView } from "./others-view.js";
import { actionOf, keyOf, SHORTCUTS } from "./shortcuts.js";
import { TalkView } from "./talk-view.js";
import { TextsView } from "./texts-view.js";

/**
 * @typedef {object} Actions
 * @property {() => void} mic
 * @property {() => void} camera
 * @property {() => void} share
 * @property {(isHeld: boolean) => void} pushToTalk
 * @property {() => void} stopSharing
 * @property {() => void} switchCamera
 * @property {() => void} settings
 * @property {() => void} hangUp
 * @property {(callId: string | number, unencrypted: boolean) => void} accept
 * @property {(callId: string | number) => void} reject
 * @property {() => void} dismissNotice
 * @property {() => void} dismissPermission
 * @property {(text: string) => boolean} sendText
 * @property {(emoji: string) => boolean} react
 */

/** @typedef {import("./shortcuts.js").Action} Action */

export class CallView {
  #page;
  #t;
  #actions;
  /** @type {import("./snapshot.js").Snapshot | null} */
  #snapshot = null;
  #duration = "";
  #look;
  #texts;
  #talk;
  #others;
  /** @type {Map<HTMLMediaElement, MediaStreamTrack>} */
  #playing = new Map();

  /**
   * @param {Document} page
   * @param {import("../common/catalogue.js").Translate} t
   * @param {Actions} actions
   */
  constructor(page, t, actions) {
    this.#page = page;
    this.#t = t;
    this.#actions = actions;
    this.#look = new LookView(page, (id, text, action) => this.#label(id, text, action));
    this.#texts = new TextsView(page, t, { send: actions.sendText, react: actions.react });
    this.#talk = new TalkView(page, t, actions);
    this.#others = new OthersView(page, t, actions);
    this.#listen();
  }

  /** @param {import("./snapshot.js").Snapshot} snapshot */
  render(snapshot) {
    this.#snapshot = snapshot;
    const model = present(snapshot);
    const t = this.#t;
    const name = model.name || t("call.contact");
    const root = this.#find("call");
    Object.assign(root.dataset, { phase: snapshot.phase, stage: model.stage, mood: model.mood, layout: snapshot.layout });

    const title = model.name ? t("call.title.with", { name }) : t("call.title");
    this.#page.title = title;
    this.#text("heading", title);
    this.#text("name", name);
    drawAvatar(this.#find("avatar"), model.name);
    this.#status(model);
    this.#text("peer-muted-text", t("call.peer.muted", { name }));
    this.#show("peer-muted", model.peerIsMuted);

    this.#play("remote-video", snapshot.tracks.camera, model.stage === "camera" || model.stage === "both");
    this.#play("remote-screen", snapshot.tracks.screenVideo, model.stage === "screen" || model.stage === "both");
    this.#play("remote-audio", snapshot.tracks.mic, true);
    this.#play("remote-screen-audio", snapshot.tracks.screenAudio, true);
    this.#find("remote-video").setAttribute("aria-label", t("call.video.remote", { name }));
    this.#find("remote-screen").setAttribute("aria-label", t("call.video.screen", { name }));
    this.#play("self-video", snapshot.camera ?? undefined, true);
    this.#show("self", model.showsSelf);
    this.#find("self").classList.toggle("is-mirrored", model.mirrorsSelf);
    this.#show("self-muted", !model.mic.isOn && !model.isOver);

    this.#control("mic", model.mic);
    this.#control("camera", model.camera);
    this.#control("share", model.share);
    this.#show("share", model.share.isEnabled);
    this.#label("hang-up", "call.hang-up", "hangUp");
    this.#show("controls", !model.isOver);
    this.#show("hang-up", !model.isPreview);
    this.#show("outcome", model.isOver);
    this.#show("failure", model.failure !== null);
    if (model.failure) {
      this.#text("failure-title", t(model.failure.title));
      this.#text("failure-help", t(model.failure.help));
    }

    this.#lock(model);
    this.#show("notice", model.notice !== null);
    if (model.notice) this.#text("notice-text", t(model.notice));
    this.#permission(snapshot.permission);
    this.#others.render(model.isOver ? [] : (snapshot.call.others ?? []), snapshot.askedOther);
    this.#look.render(snapshot);
    this.#texts.render(snapshot);
    this.#talk.render(snapshot);
    this.#label("settings-open", "call.settings", "settings");
    this.#label("camera-next", "call.camera.next", "switchCamera");
  }

  /** Moves the timer on. @param {number} now  milliseconds since the epoch */
  tick(now) {
    this.#talk.tick(now);
    const connectedAt = this.#snapshot?.connectedAt;
    if (connectedAt === null || connectedAt === undefined) return;
    if (this.#snapshot?.phase !== "connected" && this.#snapshot?.phase !== "reconnecting") return;
    this.#duration = clockText(now - connectedAt);
    this.#text("timer", this.#duration);
  }

  /** @param {import("./model.js").Model} model */
  #status(model) {
    const t = this.#t;
    const hasLasted = model.isOver && model.status === "call.status.ended" && this.#duration !== "";
    let words = model.description ?? t(model.status);
    if (hasLasted) words = t("call.status.ended.after", { duration: this.#duration });
    this.#text("status", words);
    // the words stay there for screen readers
    this.#find("status").classList.toggle("visually-hidden", model.showsTimer);
    this.#show("timer", model.showsTimer);
    if (model.showsTimer && this.#find("timer").textContent === "") this.#text("timer", clockText(0));
  }

  /** @param {import("./model.js").Model} model */
  #lock(model) {
    const t = this.#t;
    const { protection, path } = model;
    this.#show("lock", protection !== "none");
    if (protection === "none") return;
    this.#find("lock").dataset.protection = protection;
    this.#text("lock-text", t(`call.lock.${protection}`));
    this.#text("lock-title", t(`call.lock.${protection}.title`));
    this.#find("lock-items").replaceChildren(
      ...model.protectionItems.map((id) => Object.assign(this.#page.createElement("li"), { textContent: t(id) })),
    );
    this.#show("lock-path", path !== null);
    if (path) this.#text("lock-path", t(`call.lock.path.${path}`));
  }

  /** @param {import("./snapshot.js").Snapshot["permission"]} permission */
  #permission(permission) {
    this.#show("permission", permission !== null);
    if (!permission) return;
    const isSafari = "safari" in window;
    this.#text("permission-title", permission.title);
    this.#text("permission-text", isSafari ? permission.safari : permission.chrome);
  }

  /**
   * Plays `track` in the element `id`. One element a track: an engine that waits for the first picture of a stream
   * must not hold back the sound.
   *
   * @param {string} id
   * @param {MediaStreamTrack | undefined} track
   * @param {boolean} isShown
   */
  #play(id, track, isShown) {
    const element = /** @type {HTMLMediaElement} */ (this.#find(id));
    element.hidden = !isShown || !track;
    if (!track) {
      if (element.srcObject) element.srcObject = null;
      this.#playing.delete(element);
      return;
    }
    if (this.#playing.get(element) === track) return;
    this.#playing.set(element, track);
    element.srcObject = new MediaStream([track]);
    this.#start(element);
  }

  /** @param {HTMLMediaElement} element */
  #start(element) {
    element.play().catch((/** @type {unknown} */ error) => {
      // anything else (a newer track, a closed call) settles itself
      if (error instanceof Error && error.name === "NotAllowedError") this.#show("sound", true);
    });
  }

  /**
   * @param {"mic" | "camera" | "share"} id
   * @param {{isOn: boolean, label: string, isEnabled: boolean}} state
   */
  #control(id, { isOn, label, isEnabled }) {
    const button = /** @type {HTMLButtonElement} */ (this.#find(id));
    button.disabled = !isEnabled;
    button.classList.toggle("is-off", !isOn && isEnabled);
    this.#label(id, label, id);
  }

  /**
   * @param {string} id
   * @param {string} text
   * @param {Action} action  whose key is told along
   */
  #label(id, text, action) {
    const label = this.#t(text);
    const element = this.#find(id);
    const words = element.querySelector(".words-of");
    if (words) words.textContent = label;
    else element.setAttribute("aria-label", label);
    element.title = this.#t("call.shortcut", { label, key: this.#keyName(keyOf(action)) });
  }

  #listen() {
    const on = (/** @type {string} */ id, /** @type {() => void} */ action) =>
      this.#find(id).addEventListener("click", action);
    on("mic", this.#actions.mic);
    on("camera", this.#actions.camera);
    on("share", this.#actions.share);
    on("settings-open", this.#actions.settings);
    on("hang-up", this.#actions.hangUp);
    on("notice-dismiss", this.#actions.dismissNotice);
    on("permission-dismiss", this.#actions.dismissPermission);
    on("sound-play", () => {
      this.#show("sound", false);
      for (const element of this.#playing.keys()) this.#start(element);
    });
    const lock = /** @type {HTMLDetailsElement} */ (this.#find("lock"));
    this.#page.addEventListener("pointerdown", (event) => {
      if (!lock.contains(/** @type {Node} */ (event.target))) lock.open = false;
    });
    this.#page.addEventListener("keydown", (event) => this.#key(event, lock));
    this.#listHelp();
    on("help-open", () => this.#toggleHelp());
    on("help-close", () => this.#toggleHelp());
  }

  /**
   * @param {KeyboardEvent} event
   * @param {HTMLDetailsElement} lock
   */
  #key(event, lock) {
    const target = event.target instanceof HTMLElement ? event.target : null;
    const isTyping = Boolean(target?.closest("textarea, input, select, [contenteditable]"));
    const isOnButton = Boolean(target?.closest("button, summary, a[href]"));
    const action = actionOf(event, { isTyping, isOnButton });
    if (!action || (event.repeat && action !== "talk")) return;
    if (action === "close") {
      // what the engine closes itself (dialogs, menus) it has closed
      if (lock.open) {
        lock.open = false;
        lock.querySelector("summary")?.focus();
      } else this.#texts.close();
      return;
    }
    const done = this.#act(action, lock);
    if (done) event.preventDefault();
  }

  /**
   * @param {Action} action
   * @param {HTMLDetailsElement} lock
   * @returns {boolean}  whether it means something now
   */
  #act(action, lock) {
    const press = (/** @type {string} */ id) => {
      const element = this.#find(id);
      if (element.closest("[hidden]") || /** @type {HTMLButtonElement} */ (element).disabled) return false;
      element.click();
      return true;
    };
    switch (action) {
      case "mic":
      case "camera":
      case "share":
      case "fullscreen":
      case "layout":
      case "swap":
      case "fit":
      case "pip":
        return press(action);
      case "talk":
        return this.#talk.press();
      case "onTop":
        return press("on-top");
      case "switchCamera":
        return press("camera-next");
      case "hangUp":
        return press("hang-up");
      case "chat":
        this.#texts.toggle();
        return true;
      case "reactions":
        this.#texts.toggleReactions();
        return true;
      case "details":
        lock.open = !lock.open && !lock.hidden;
        return true;
      case "settings":
        this.#actions.settings();
        return true;
      case "help":
        this.#toggleHelp();
        return true;
      case "acceptOther":
        return this.#others.press("accept");
      case "rejectOther":
        return this.#others.press("reject");
      default:
        return false;
    }
  }

  #toggleHelp() {
    const help = /** @type {HTMLDialogElement} */ (this.#find("help"));
    if (help.open) help.close();
    else help.showModal();
  }

  /** @param {string} shown  see `Shortcut` */
  #keyName(shown) {
    return shown.startsWith("call.") ? this.#t(shown) : shown;
  }

  /** The keys, for whoever asks by `?`. */
  #listHelp() {
    const rows = SHORTCUTS.map(({ action, shown }) => {
      const key = Object.assign(this.#page.createElement("kbd"), { textContent: this.#keyName(shown) });
      const term = this.#page.createElement("dt");
      term.append(key);
      const words = Object.assign(this.#page.createElement("dd"), { textContent: this.#t(`call.shortcut.${action}`) });
      const row = this.#page.createElement("div");
      row.append(term, words);
      return row;
    });
    this.#find("help-keys").replaceChildren(...rows);
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
    // the same text again would be read out again
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
