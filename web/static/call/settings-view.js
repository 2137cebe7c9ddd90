// @ts-check
/** The dialog "Sound and picture". Loaded when it is asked for: a call goes without it. */
import { deviceChoices, meterShare, PICTURE_CHOICES, SOUND_SWITCHES } from "./settings-model.js";
import { playTestSound } from "./test-sound.js";

/**
 * @typedef {import("./snapshot.js").Snapshot} Snapshot
 *
 * @typedef {object} SettingsActions
 * @property {(kind: import("./preferences.js").DeviceKind, id: string | null) => void} choose
 * @property {(changes: Partial<import("./settings.js").MediaSettings>) => void} set
 * @property {() => void} listDevices
 * @property {() => number | null} level  of our own microphone; null while it cannot be told
 */

const METER_MS = 100;
/** Switches with a line that says more. */
const HELPED = ["isBitrateConstant", "isLowData", "isBackgroundBlurred"];
const SVG = "http://www.w3.org/2000/svg";

export class SettingsView {
  #page;
  #t;
  #actions;
  #dialog;
  #meter;
  #noLevel;
  #blurState;
  #canChooseSpeaker;
  /** @type {Map<string, HTMLSelectElement>} */
  #selects = new Map();
  /** @type {Map<string, HTMLInputElement>} */
  #switches = new Map();
  /** @type {Map<string, string>} */
  #shownOptions = new Map();
  /** @type {Snapshot["devices"]["chosen"]["speaker"]} */
  #speaker = null;
  /** @type {ReturnType<typeof setInterval> | undefined} */
  #timer;

  /**
   * @param {Document} page
   * @param {import("../common/catalogue.js").Translate} t
   * @param {SettingsActions} actions
   */
  constructor(page, t, actions) {
    this.#page = page;
    this.#t = t;
    this.#actions = actions;
    this.#canChooseSpeaker = "setSinkId" in HTMLMediaElement.prototype;
    this.#meter = this.#make("meter", { className: "level", max: 1 });
    this.#meter.setAttribute("aria-label", t("call.settings.level"));
    this.#noLevel = this.#make("p", { className: "muted", textContent: t("call.settings.level.none") });
    this.#blurState = this.#make("p", { className: "muted", role: "status", hidden: true });
    this.#dialog = this.#build();
    this.#dialog.addEventListener("close", () => clearInterval(this.#timer));
    page.getElementById("call")?.append(this.#dialog);
  }

  /**
   * Opens the dialog, or closes it.
   *
   * @param {Snapshot} snapshot
   */
  toggle(snapshot) {
    if (this.#dialog.open) {
      this.#dialog.close();
      return;
    }
    this.render(snapshot);
    this.#actions.listDevices();
    this.#dialog.showModal();
    this.#showLevel();
    this.#timer = setInterval(() => this.#showLevel(), METER_MS);
  }

  /** @param {Snapshot} snapshot */
  render({ devices, settings, blur }) {
    this.#speaker = devices.chosen.speaker;
    for (const { kind, chosen, options } of deviceChoices(devices, this.#t, { canChooseSpeaker: this.#canChooseSpeaker })) {
      this.#options(kind, options);
      this.#select(kind).value = chosen;
    }
    for (const { name } of PICTURE_CHOICES) this.#select(name).value = String(settings[name]);
    for (const [name, input] of this.#switches) {
      input.checked = settings[/** @type {"isLowData"} */ (name)];
    }
    const isSaid = settings.isBackgroundBlurred && blur !== "on" && blur !== "off";
    const words = isSaid ? this.#t(`call.settings.blur.${blur}`) : "";
    this.#blurState.hidden = !isSaid;
    if (this.#blurState.textContent !== words) this.#blurState.textContent = words;
  }

  #showLevel() {
    const level = this.#actions.level();
    this.#meter.hidden = level === null;
    this.#noLevel.hidden = level !== null;
    this.#meter.value = meterShare(level);
  }

  #build() {
    const t = this.#t;
    const dialog = this.#make("dialog", { className: "help settings card", id: "settings" });
    dialog.setAttribute("aria-labelledby", "settings-title");
    const head = this.#make("header", { className: "side-head" });
    const close = this.#make("button", { type: "button", className: "icon-button is-quiet" });
    close.setAttribute("aria-label", t("call.settings.close"));
    close.append(this.#icon("close"));
    close.addEventListener("click", () => dialog.close());
    head.append(this.#make("h2", { id: "settings-title", textContent: t("call.settings") }), close);

    const device = (/** @type {import("./preferences.js").DeviceKind} */ kind) =>
      this.#row(kind, (value) => this.#actions.choose(kind, value || null));
    const sound = this.#group("call.settings.sound", [
      device("microphone"),
      this.#meter,
      this.#noLevel,
      ...(this.#canChooseSpeaker ? [device("speaker")] : []),
      this.#testButton(),
      ...SOUND_SWITCHES.map((name) => this.#switch(name)),
    ]);
    const choices = PICTURE_CHOICES.map(({ name, values }) => {
      const row = this.#row(name, (value) => {
        this.#actions.set({ [name]: values.find((one) => String(one) === value) });
      });
      this.#options(name, values.map((value) => ({ value: String(value), label: t(`call.settings.${name}.${value}`) })));
      return row;
    });
    const picture = this.#group("call.settings.picture", [device("camera"), this.#switch("isBackgroundBlurred"), this.#blurState, ...choices, this.#switch("isLowData")]);
    dialog.append(head, sound, picture);
    return dialog;
  }

  /**
   * @param {string} title
   * @param {HTMLElement[]} rows
   */
  #group(title, rows) {
    const group = this.#make("fieldset", { className: "settings-group" });
    group.append(this.#make("legend", { textContent: this.#t(title) }), ...rows);
    return group;
  }

  /**
   * @param {string} name
   * @param {(value: string) => void} choose
   */
  #row(name, choose) {
    const row = this.#make("label", { className: "settings-row" });
    const select = this.#make("select", { className: "field" });
    select.addEventListener("change", () => choose(select.value));
    this.#selects.set(name, select);
    row.append(this.#make("span", { textContent: this.#t(`call.settings.${name}`) }), select);
    return row;
  }

  /** @param {(typeof SOUND_SWITCHES)[number] | "isLowData" | "isBackgroundBlurred"} name */
  #switch(name) {
    const row = this.#make("label", { className: "settings-switch" });
    const input = this.#make("input", { type: "checkbox" });
    input.addEventListener("change", () => this.#actions.set({ [name]: input.checked }));
    this.#switches.set(name, input);
    const words = this.#make("span", { textContent: this.#t(`call.settings.${name}`) });
    row.append(input, words);
    if (!HELPED.includes(name)) return row;
    const help = this.#make("span", { className: "muted", textContent: this.#t(`call.settings.${name}.help`), id: `settings-${name}-help` });
    input.setAttribute("aria-describedby", help.id);
    const both = this.#make("div", { className: "settings-helped" });
    both.append(row, help);
    return both;
  }

  #testButton() {
    const button = this.#make("button", { type: "button", className: "button is-quiet" });
    button.append(this.#icon("sound"), this.#t("call.settings.test"));
    button.addEventListener("click", () => void this.#test(button));
    return button;
  }

  /** @param {HTMLButtonElement} button */
  async #test(button) {
    button.disabled = true;
    try {
      await playTestSound(this.#speaker);
    } catch {
      button.replaceChildren(this.#icon("sound"), this.#t("call.settings.test.failed"));
    } finally {
      button.disabled = false;
    }
  }

  /** @param {string} name */
  #select(name) {
    const select = this.#selects.get(name);
    if (!select) throw new Error(`There is no choice of ${name}.`);
    return select;
  }

  /**
   * @param {string} name
   * @param {import("./settings-model.js").Option[]} options
   */
  #options(name, options) {
    // built anew only when they have changed: a list that is open must not jump
    const shown = JSON.stringify(options);
    if (this.#shownOptions.get(name) === shown) return;
    this.#shownOptions.set(name, shown);
    const made = options.map(({ value, label }) => this.#make("option", { value, textContent: label }));
    this.#select(name).replaceChildren(...made);
  }

  /** @param {string} name */
  #icon(name) {
    const icon = this.#page.createElementNS(SVG, "svg");
    icon.setAttribute("class", "icon");
    icon.setAttribute("aria-hidden", "true");
    const use = this.#page.createElementNS(SVG, "use");
    use.setAttribute("href", `#icon-${name}`);
    icon.append(use);
    return icon;
  }

  /**
   * @template {keyof HTMLElementTagNameMap} Tag
   * @param {Tag} tag
   * @param {Partial<HTMLElementTagNameMap[Tag]>} [properties]
   * @returns {HTMLElementTagNameMap[Tag]}
   */
  #make(tag, properties = {}) {
    return Object.assign(this.#page.createElement(tag), properties);
  }
}
