// @ts-check
/** Puts the model on the screen. Nothing is decided here. */
import { drawAvatar } from "../common/avatar.js";
import { clockText, fit, present } from "./model.js";

/**
 * @typedef {object} Actions
 * @property {() => void} mic
 * @property {() => void} camera
 * @property {() => void} hangUp
 * @property {(callId: string | number) => void} accept
 * @property {(callId: string | number) => void} reject
 * @property {() => void} dismissNotice
 * @property {() => void} dismissPermission
 */

/** In full screen the controls over a picture fade away after this long without a movement. */
const IDLE_MS = 4000;

export class CallView {
  #page;
  #t;
  #actions;
  /** @type {import("./snapshot.js").Snapshot | null} */
  #snapshot = null;
  /** @type {string} */
  #shownOthers = "";
  #duration = "";
  /** @type {ReturnType<typeof setTimeout> | undefined} */
  #idleTimer;
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

    this.#control("mic", model.mic, "M");
    this.#control("camera", model.camera, "V");
    this.#label("hang-up", "call.hang-up", "Shift+H");
    this.#show("controls", !model.isOver);
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
    this.#others(model.isOver ? [] : (snapshot.call.others ?? []));
    this.#wake();
  }

  /** Moves the timer on. @param {number} now  milliseconds since the epoch */
  tick(now) {
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
    const items =
      protection === "frames"
        ? ["call.lock.item.frames", "call.lock.item.transport", "call.lock.item.key"]
        : ["call.lock.item.transport", "call.lock.item.no-frames"];
    this.#find("lock-items").replaceChildren(
      ...items.map((id) => Object.assign(this.#page.createElement("li"), { textContent: t(id) })),
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

  /** @param {import("./snapshot.js").OtherCall[]} others */
  #others(others) {
    // Built anew only when they have changed: a button must not vanish under a finger, nor be read out twice.
    const shown = JSON.stringify(others);
    if (shown === this.#shownOthers) return;
    this.#shownOthers = shown;
    const template = /** @type {HTMLTemplateElement} */ (this.#find("other-template"));
    const cards = others.map(({ callId, contactName, media }) => {
      const card = /** @type {HTMLElement} */ (template.content.firstElementChild?.cloneNode(true));
      const part = (/** @type {string} */ selector) => /** @type {HTMLElement} */ (card.querySelector(selector));
      const name = contactName || this.#t("call.contact");
      card.setAttribute("role", "group");
      card.setAttribute("aria-label", this.#t("call.other.label", { name }));
      drawAvatar(part(".avatar"), name);
      part(".other-name").textContent = name;
      part(".other-media").textContent = this.#t(media === "video" ? "call.other.video" : "call.other.audio");
      part('[data-action="accept"]').addEventListener("click", () => this.#actions.accept(callId));
      part('[data-action="reject"]').addEventListener("click", () => this.#actions.reject(callId));
      return card;
    });
    this.#find("others").replaceChildren(...cards);
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
   * @param {"mic" | "camera"} id
   * @param {{isOn: boolean, label: string, isEnabled: boolean}} state
   * @param {string} key
   */
  #control(id, { isOn, label, isEnabled }, key) {
    const button = /** @type {HTMLButtonElement} */ (this.#find(id));
    button.disabled = !isEnabled;
    button.classList.toggle("is-off", !isOn && isEnabled);
    this.#label(id, label, key);
  }

  /**
   * @param {string} id
   * @param {string} text
   * @param {string} key
   */
  #label(id, text, key) {
    const label = this.#t(text);
    const element = this.#find(id);
    element.setAttribute("aria-label", label);
    element.title = this.#t("call.shortcut", { label, key });
  }

  #listen() {
    const on = (/** @type {string} */ id, /** @type {() => void} */ action) =>
      this.#find(id).addEventListener("click", action);
    on("mic", this.#actions.mic);
    on("camera", this.#actions.camera);
    on("hang-up", this.#actions.hangUp);
    on("notice-dismiss", this.#actions.dismissNotice);
    on("permission-dismiss", this.#actions.dismissPermission);
    on("sound-play", () => {
      this.#show("sound", false);
      for (const element of this.#playing.keys()) this.#start(element);
    });
    this.#listenForFullscreen();
    const lock = /** @type {HTMLDetailsElement} */ (this.#find("lock"));
    this.#page.addEventListener("pointerdown", (event) => {
      if (!lock.contains(/** @type {Node} */ (event.target))) lock.open = false;
    });
    this.#page.addEventListener("keydown", (event) => this.#key(event, lock));
    for (const type of ["pointermove", "pointerdown", "keydown", "focusin"]) {
      this.#page.addEventListener(type, () => this.#wake());
    }
    for (const id of ["remote-video", "remote-screen"]) {
      const video = /** @type {HTMLVideoElement} */ (this.#find(id));
      video.addEventListener("resize", () => this.#fit(video));
      video.addEventListener("loadedmetadata", () => this.#fit(video));
      new ResizeObserver(() => this.#fit(video)).observe(video);
    }
  }

  #listenForFullscreen() {
    const page = this.#page;
    if (!page.fullscreenEnabled) return;
    const toggle = () =>
      void (page.fullscreenElement ? page.exitFullscreen() : page.documentElement.requestFullscreen()).catch(() => {});
    const label = () =>
      this.#label("fullscreen", page.fullscreenElement ? "call.fullscreen.leave" : "call.fullscreen.enter", "F");
    this.#show("fullscreen", true);
    label();
    this.#find("fullscreen").addEventListener("click", toggle);
    this.#find("stage").addEventListener("dblclick", toggle);
    page.addEventListener("fullscreenchange", label);
  }

  /**
   * @param {KeyboardEvent} event
   * @param {HTMLDetailsElement} lock
   */
  #key(event, lock) {
    if (event.ctrlKey || event.altKey || event.metaKey || event.repeat) return;
    // whoever writes means letters
    if (event.target instanceof HTMLTextAreaElement || event.target instanceof HTMLInputElement) return;
    const press = (/** @type {string} */ id) => {
      event.preventDefault();
      this.#find(id).click();
    };
    const key = event.key.toLowerCase();
    if (key === "escape" && lock.open) {
      lock.open = false;
      lock.querySelector("summary")?.focus();
    } else if (key === "m") press("mic");
    else if (key === "v") press("camera");
    else if (key === "f") press("fullscreen");
    else if (key === "h" && event.shiftKey && !this.#find("controls").hidden) press("hang-up");
  }

  /** Shows the controls, and lets them go after a while where they stand before a picture that fills the screen. */
  #wake() {
    const root = this.#find("call");
    root.classList.remove("is-idle");
    clearTimeout(this.#idleTimer);
    this.#idleTimer = setTimeout(() => {
      const isBusy = root.querySelector("[open], :focus-visible, .cards .card:not([hidden])");
      const isPicture = this.#page.fullscreenElement && root.dataset.stage !== "none" && root.dataset.phase === "connected";
      if (isPicture && !isBusy) root.classList.add("is-idle");
    }, IDLE_MS);
  }

  /** @param {HTMLVideoElement} video */
  #fit(video) {
    const mode = fit(video.videoWidth, video.videoHeight, video.clientWidth, video.clientHeight);
    video.classList.toggle("is-whole", mode === "contain" || video.id === "remote-screen");
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
