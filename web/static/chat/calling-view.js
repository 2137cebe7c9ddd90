// @ts-check
/** How calls ring: volume, silence, do not disturb, in the settings and as a state above the list of contacts. */
import { problem } from "./dialogs.js";
import { find, icon, say, show } from "./dom.js";
import { quietWords } from "./present.js";

const SWITCHES = /** @type {const} */ ({ "calls-silent": "isSilent", "calls-undisturbed": "doNotDisturb", "calls-preview": "preview" });

/**
 * @typedef {object} CallingActions
 * @property {(values: Partial<import("./api.js").CallSettings>) => Promise<void>} setCalling  rejected with Refusal
 * @property {(percent: number) => void} trySound
 */

export class CallingView {
  #set;
  #t;
  #volume = /** @type {HTMLInputElement} */ (find("calls-volume"));
  #shown = -1;

  /**
   * @param {CallingActions} actions
   * @param {import("../common/catalogue.js").Translate} t
   */
  constructor(actions, t) {
    this.#set = actions.setCalling;
    this.#t = t;
    this.#volume.addEventListener("input", () => this.#sayVolume());
    this.#volume.addEventListener("change", () => void this.#save({ ringVolume: this.#volume.valueAsNumber }));
    find("calls-try").addEventListener("click", () => actions.trySound(this.#volume.valueAsNumber));
    for (const [id, name] of Object.entries(SWITCHES)) {
      const box = /** @type {HTMLInputElement} */ (find(id));
      box.addEventListener("change", () => void this.#save({ [name]: box.checked }));
    }
  }

  /** @param {import("./api.js").CallSettings} calling */
  render(calling) {
    // not while it is being moved
    if (this.#shown !== calling.ringVolume) {
      this.#shown = calling.ringVolume;
      this.#volume.value = String(calling.ringVolume);
      this.#sayVolume();
    }
    for (const [id, name] of Object.entries(SWITCHES)) {
      /** @type {HTMLInputElement} */ (find(id)).checked = calling[name];
    }
    show(find("calls-silent-now"), calling.isSilent || calling.doNotDisturb);
  }

  #sayVolume() {
    const words = this.#t("chat.calls.volume.percent", { percent: this.#volume.value });
    say(find("calls-volume-words"), words);
    this.#volume.setAttribute("aria-valuetext", words);
  }

  /** @param {Partial<import("./api.js").CallSettings>} values */
  async #save(values) {
    show(find("calls-problem"), false);
    try {
      await this.#set(values);
    } catch (error) {
      // as it stands
      this.#shown = -1;
      problem("calls-problem", error);
    }
  }
}

/** The state that keeps calls from being heard, with the click that ends it. */
export class QuietView {
  #t;
  /** @type {import("./present.js").Quiet | null} */
  #quiet = null;

  /**
   * @param {(values: Partial<import("./api.js").CallSettings>) => void} set
   * @param {import("../common/catalogue.js").Translate} t
   */
  constructor(set, t) {
    this.#t = t;
    find("quiet-end").addEventListener("click", () => {
      if (this.#quiet) set(this.#quiet.ends);
      // the button goes, and the keyboard stays near
      find("side-more").focus();
    });
  }

  /** @param {import("./api.js").CallSettings} calling */
  render(calling) {
    const quiet = quietWords(calling, this.#t);
    this.#quiet = quiet;
    show(find("quiet"), quiet !== null);
    say(find("quiet-text"), quiet?.text ?? "");
    if (!quiet) return;
    icon(find("quiet"), quiet.icon);
    say(find("quiet-end"), quiet.end);
    find("quiet-end").setAttribute("aria-label", quiet.endLabel);
  }
}
