// @ts-check
/** Where a profile's key is to be kept, where the system has no keyring: under a passphrase, or in a readable file. */
import { Refusal } from "./dialogs.js";
import { find, show } from "./dom.js";

const box = (/** @type {string} */ id) => /** @type {HTMLInputElement} */ (find(id));

export class KeyChoice {
  #id;
  #t;
  #isNeeded = false;

  /**
   * @param {string} id  the first part of its elements' ids
   * @param {import("../common/catalogue.js").Translate} t
   */
  constructor(id, t) {
    this.#id = id;
    this.#t = t;
    box(`${id}-key-file`).addEventListener("change", () => this.#fit());
  }

  /** Asks, or not. @param {boolean} isNeeded */
  need(isNeeded) {
    this.#isNeeded = isNeeded;
    show(find(`${this.#id}-key`), isNeeded);
  }

  /** What the user wants, for Python; throws Refusal. @returns {{passphrase: string, keyFile: boolean}} */
  read() {
    const id = this.#id;
    if (!this.#isNeeded) return { passphrase: "", keyFile: false };
    if (box(`${id}-key-file`).checked) return { passphrase: "", keyFile: true };
    const passphrase = box(`${id}-key-new`).value;
    if (!passphrase) throw new Refusal(this.#t("chat.key.empty"));
    if (passphrase !== box(`${id}-key-again`).value) throw new Refusal(this.#t("chat.home.passphrase.differ"));
    return { passphrase, keyFile: false };
  }

  /** Forgets what was typed. */
  clear() {
    box(`${this.#id}-key-new`).value = "";
    box(`${this.#id}-key-again`).value = "";
    box(`${this.#id}-key-file`).checked = false;
    this.#fit();
  }

  #fit() {
    show(find(`${this.#id}-key-words`), !box(`${this.#id}-key-file`).checked);
  }
}
