// @ts-check
/** What is to be passed on, and where the other side's text is pasted: shown until the call connects. */

const COPIED_MS = 2500;

/**
 * @typedef {import("../call/snapshot.js").PasteInfo} PasteInfo
 *
 * @typedef {object} PasteActions
 * @property {(media: "audio" | "video") => void} start
 * @property {(text: string) => void} paste
 */

export class PasteView {
  #page;
  #t;
  #actions;
  /** @type {PasteInfo | null} */
  #paste = null;
  #code = 0;
  /** @type {ReturnType<typeof setTimeout> | undefined} */
  #copied;

  /**
   * @param {Document} page
   * @param {import("../common/catalogue.js").Translate} t
   * @param {PasteActions} actions
   */
  constructor(page, t, actions) {
    this.#page = page;
    this.#t = t;
    this.#actions = actions;
    this.#listen();
  }

  /** @param {import("../call/snapshot.js").Snapshot} snapshot */
  render({ paste, phase }) {
    const isShown = paste !== null && !["connected", "ended", "failed", "reconnecting"].includes(phase) && paste.step !== "connecting";
    const root = this.#find("call");
    if (isShown) root.dataset.paste = paste.step;
    else delete root.dataset.paste;
    this.#show("paste", isShown);
    if (!isShown || paste === this.#paste) return;
    const isNewStep = paste.step !== this.#paste?.step;
    this.#paste = paste;
    this.#renderStep(paste);
    if (isNewStep) this.#begin(paste);
  }

  /** @param {PasteInfo} paste */
  #renderStep({ step, text, codes, problem, parts, relayOnly }) {
    const t = this.#t;
    this.#show("paste-choose", step === "choosing");
    this.#text("paste-ip", t(relayOnly ? "paste.ip.relay" : "paste.ip"));
    this.#show("paste-making", step === "offering" || step === "answering");
    const isGiving = step === "offered" || step === "answered";
    this.#show("paste-give", isGiving);
    if (isGiving) {
      this.#text("paste-give-title", t(step === "offered" ? "paste.give.offer" : "paste.give.answer"));
      /** @type {HTMLTextAreaElement} */ (this.#find("paste-text")).value = text;
      this.#show("paste-show-codes", codes.length > 0);
    }
    this.#show("paste-wait", step === "answered");
    this.#show("paste-take", step === "choosing" || step === "offered");
    this.#show("paste-take-title", step === "offered");
    this.#text("paste-label", t(step === "offered" ? "paste.input.answer" : "paste.input.offer"));
    this.#show("paste-problem", problem !== null);
    if (problem) this.#text("paste-problem", t(`paste.problem.${problem}`));
    this.#show("paste-parts", parts !== null);
    if (parts) this.#text("paste-parts", t("paste.parts", parts));
  }

  /** A new step: what was typed or shown for the last one is over. @param {PasteInfo} paste */
  #begin({ step }) {
    /** @type {HTMLTextAreaElement} */ (this.#find("paste-input")).value = "";
    this.#code = 0;
    this.#copyDone(false);
    this.#showCodes(false);
    // the keyboard goes where the next thing is to be done
    if (step === "choosing") this.#find("paste-start-video").focus();
    else if (step === "offered" || step === "answered") this.#find("paste-copy").focus();
  }

  #listen() {
    const on = (/** @type {string} */ id, /** @type {() => void} */ action) => this.#find(id).addEventListener("click", action);
    on("paste-start-video", () => this.#actions.start("video"));
    on("paste-start-audio", () => this.#actions.start("audio"));
    on("paste-copy", () => void this.#copy());
    on("paste-show-codes", () => this.#showCodes(this.#find("paste-codes").hasAttribute("hidden")));
    on("paste-next", () => this.#turn(1));
    on("paste-previous", () => this.#turn(-1));
    const text = /** @type {HTMLTextAreaElement} */ (this.#find("paste-text"));
    text.addEventListener("focus", () => text.select());
    const input = /** @type {HTMLTextAreaElement} */ (this.#find("paste-input"));
    this.#find("paste-take").addEventListener("submit", (event) => {
      event.preventDefault();
      this.#actions.paste(input.value);
    });
    // what was pasted is meant to be taken
    input.addEventListener("input", (event) => {
      if (/** @type {InputEvent} */ (event).inputType === "insertFromPaste") this.#actions.paste(input.value);
    });
  }

  async #copy() {
    const text = /** @type {HTMLTextAreaElement} */ (this.#find("paste-text"));
    try {
      await navigator.clipboard.writeText(text.value);
    } catch {
      // an engine that gives pages no clipboard has the older way
      text.focus();
      text.select();
      if (!this.#page.execCommand("copy")) return;
    }
    this.#copyDone(true);
  }

  /** @param {boolean} isDone */
  #copyDone(isDone) {
    clearTimeout(this.#copied);
    const words = this.#find("paste-copy").firstElementChild;
    if (words) words.textContent = this.#t(isDone ? "paste.copied" : "paste.copy");
    if (isDone) this.#copied = setTimeout(() => this.#copyDone(false), COPIED_MS);
  }

  /** @param {boolean} isShown */
  #showCodes(isShown) {
    this.#show("paste-codes", isShown);
    const button = this.#find("paste-show-codes");
    button.setAttribute("aria-expanded", String(isShown));
    button.textContent = this.#t(isShown ? "paste.codes.hide" : "paste.codes");
    // the codes take the text's place: both do not fit
    this.#show("paste-text", !isShown);
    if (isShown) this.#turn(0);
  }

  /** @param {number} by */
  #turn(by) {
    const codes = this.#paste?.codes ?? [];
    this.#code = (this.#code + by + codes.length) % Math.max(1, codes.length);
    const code = codes[this.#code];
    if (!code) return;
    const words = this.#t("paste.code", { number: this.#code + 1, count: codes.length });
    const svg = this.#find("paste-codes").querySelector("svg");
    svg?.setAttribute("viewBox", `0 0 ${code.size} ${code.size}`);
    svg?.setAttribute("aria-label", words);
    svg?.querySelector("path")?.setAttribute("d", code.path);
    this.#text("paste-number", words);
    this.#show("paste-turn", codes.length > 1);
  }

  /** @param {string} id */
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
