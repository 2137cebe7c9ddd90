// @ts-check
/** How the pictures lie on the page: arrangement, swap, fit, full screen, picture in picture. */
import { fit, present } from "./model.js";
import { freshViewing, nextArrangement, refitted, swapped, withScreen } from "./viewing.js";

/** In full screen the controls over a picture fade away after this long without a movement. */
const IDLE_MS = 4000;

export class LookView {
  #page;
  #label;
  #viewing = freshViewing();
  /** @type {"none" | "camera" | "screen" | "both"} */
  #stage = "none";
  #isOnTop = false;
  /** @type {ReturnType<typeof setTimeout> | undefined} */
  #idleTimer;

  /**
   * @param {Document} page
   * @param {(id: string, text: string, action: import("./shortcuts.js").Action) => void} label  gives a button its words
   */
  constructor(page, label) {
    this.#page = page;
    this.#label = label;
    this.#listen();
  }

  /** @param {import("./snapshot.js").Snapshot} snapshot */
  render(snapshot) {
    const { stage, showsSelf } = present(snapshot);
    this.#stage = stage;
    this.#viewing = withScreen(this.#viewing, stage === "screen" || stage === "both");
    // where there is one picture there is nothing to arrange
    const canSwap = stage !== "none" && showsSelf;
    this.#show("swap", canSwap || stage === "both");
    this.#show("layout", canSwap || stage === "both");
    this.#show("fit", stage !== "none");
    this.#show("pip", stage !== "none" && this.#page.pictureInPictureEnabled);
    this.#apply();
    this.wake();
  }

  layout() {
    this.#viewing = nextArrangement(this.#viewing);
    this.#apply();
  }

  swap() {
    this.#viewing = swapped(this.#viewing);
    this.#apply();
  }

  refit() {
    this.#viewing = refitted(this.#viewing, this.#main().classList.contains("is-whole"));
    this.#apply();
  }

  fullscreen() {
    const page = this.#page;
    if (!page.fullscreenEnabled) return;
    void (page.fullscreenElement ? page.exitFullscreen() : page.documentElement.requestFullscreen()).catch(() => {});
  }

  /** The large picture in a window of its own that stays above all others. */
  async pictureInPicture() {
    const page = this.#page;
    try {
      if (page.pictureInPictureElement) await page.exitPictureInPicture();
      else if (this.#stage !== "none") await this.#main().requestPictureInPicture();
    } catch {
      // the engine refuses it while there is no picture, or where nobody clicked; nothing is lost
    }
  }

  /** The window stays above all others, or does so no more: only our own window can. */
  stayOnTop() {
    this.#isOnTop = !this.#isOnTop;
    this.#page.defaultView?.pywebview?.api.stayOnTop?.(this.#isOnTop);
    this.#apply();
  }

  /** Shows the controls, and lets them go after a while where they stand before a picture that fills the screen. */
  wake() {
    const root = this.#find("call");
    root.classList.remove("is-idle");
    clearTimeout(this.#idleTimer);
    this.#idleTimer = setTimeout(() => {
      const isBusy = root.querySelector("[open], :popover-open, :focus-visible, .cards .card:not([hidden]), .side:not([hidden])");
      const isPicture = this.#page.fullscreenElement && root.dataset.stage !== "none" && root.dataset.phase === "connected";
      if (isPicture && !isBusy) root.classList.add("is-idle");
    }, IDLE_MS);
  }

  /** The picture that is large now. */
  #main() {
    const isScreen = this.#stage === "screen" || (this.#stage === "both" && this.#viewing.arrangement !== "speaker");
    return /** @type {HTMLVideoElement} */ (this.#find(isScreen ? "remote-screen" : "remote-video"));
  }

  #apply() {
    const { arrangement, isSwapped, fit: wish } = this.#viewing;
    Object.assign(this.#find("call").dataset, { arrangement, swapped: String(isSwapped), fit: wish });
    for (const id of ["remote-video", "remote-screen"]) this.#fit(/** @type {HTMLVideoElement} */ (this.#find(id)));
    this.#label("layout", `call.layout.${arrangement}`, "layout");
    this.#label("swap", "call.layout.swap", "swap");
    this.#label("fit", this.#main().classList.contains("is-whole") ? "call.layout.fill" : "call.layout.fit", "fit");
    this.#label("pip", "call.pip", "pip");
    this.#show("on-top", Boolean(this.#page.defaultView?.pywebview?.api.stayOnTop));
    this.#label("on-top", this.#isOnTop ? "call.on-top.stop" : "call.on-top.start", "onTop");
  }

  #listen() {
    const page = this.#page;
    const on = (/** @type {string} */ id, /** @type {() => void} */ action) => this.#find(id).addEventListener("click", action);
    on("layout", () => this.layout());
    on("swap", () => this.swap());
    on("fit", () => this.refit());
    on("on-top", () => this.stayOnTop());
    on("pip", () => void this.pictureInPicture());
    this.#find("self").addEventListener("dblclick", () => this.swap());
    for (const type of ["pointermove", "pointerdown", "keydown", "focusin"]) page.addEventListener(type, () => this.wake());
    for (const id of ["remote-video", "remote-screen"]) {
      const video = /** @type {HTMLVideoElement} */ (this.#find(id));
      video.addEventListener("resize", () => this.#apply());
      video.addEventListener("loadedmetadata", () => this.#apply());
      new ResizeObserver(() => this.#apply()).observe(video);
    }
    this.#show("fullscreen", page.fullscreenEnabled);
    if (!page.fullscreenEnabled) return;
    const label = () =>
      this.#label("fullscreen", page.fullscreenElement ? "call.fullscreen.leave" : "call.fullscreen.enter", "fullscreen");
    label();
    on("fullscreen", () => this.fullscreen());
    this.#find("stage").addEventListener("dblclick", () => this.fullscreen());
    page.addEventListener("fullscreenchange", label);
  }

  /** @param {HTMLVideoElement} video */
  #fit(video) {
    const wish = this.#viewing.fit;
    const natural = fit(video.videoWidth, video.videoHeight, video.clientWidth, video.clientHeight);
    const isScreen = video.id === "remote-screen";
    const isWhole = wish === "auto" ? natural === "contain" || isScreen : wish === "fit";
    video.classList.toggle("is-whole", isWhole);
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
   * @param {boolean} isShown
   */
  #show(id, isShown) {
    this.#find(id).toggleAttribute("hidden", !isShown);
  }
}
