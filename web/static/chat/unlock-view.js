// @ts-check
/** The profile waits for its passphrase; another one can be opened instead. */
import { busy, problem, Refusal } from "./dialogs.js";
import { find, make, sayWithNames, show } from "./dom.js";

/**
 * @typedef {object} Locked  what the method `state` gives without an open profile
 * @property {import("./api.js").HomeProfile | null} locked
 * @property {import("./api.js").HomeProfile[]} profiles
 * @property {string} problem  why it could not be opened; empty if it only waits
 */

export class UnlockView {
  #switch;
  #t;
  #dialog = /** @type {HTMLDialogElement} */ (find("unlock-dialog"));
  #field = /** @type {HTMLInputElement} */ (find("unlock-field"));
  #isNeeded = false;
  #id = "";

  /**
   * @param {(id: string, passphrase?: string) => Promise<void>} switchProfile  rejected with Refusal
   * @param {import("../common/catalogue.js").Translate} t
   */
  constructor(switchProfile, t) {
    this.#switch = switchProfile;
    this.#t = t;
    this.#dialog.addEventListener("cancel", (event) => {
      if (this.#isNeeded) event.preventDefault();
    });
    this.#dialog.addEventListener("close", () => {
      // some engines close at the second Escape whatever we say
      if (this.#isNeeded) this.#dialog.showModal();
    });
    this.#field.addEventListener("input", () => show(find("unlock-problem"), false));
    find("unlock-form").addEventListener("submit", (event) => {
      event.preventDefault();
      void this.#unlock();
    });
  }

  /** @param {Locked} state */
  ask({ locked, profiles, problem: fault }) {
    this.#isNeeded = true;
    this.#id = locked?.id ?? "";
    const name = locked?.name || this.#t("chat.home.unnamed");
    sayWithNames(find("unlock-text"), this.#t, "chat.unlock.text", { name });
    if (fault) problem("unlock-problem", new Refusal(fault));
    const others = profiles.filter(({ id }) => id !== this.#id);
    show(find("unlock-others-part"), others.length > 0);
    find("unlock-others").replaceChildren(
      ...others.map((profile) => {
        const shown = profile.name || this.#t("chat.home.unnamed");
        const button = make("button", { type: "button", class: "button is-quiet is-small" }, make("bdi", {}, shown));
        button.setAttribute("aria-label", this.#t("chat.home.switch.to", { name: shown }));
        button.addEventListener("click", () => void this.#try(() => this.#switch(profile.id)));
        return button;
      }),
    );
    this.#dialog.showModal();
    this.#field.focus();
  }

  /** Nothing can be done any more. */
  giveUp() {
    this.#isNeeded = false;
    this.#dialog.close();
  }

  async #unlock() {
    const button = /** @type {HTMLButtonElement} */ (find("unlock-go"));
    if (button.disabled) return;
    if (!this.#field.value) {
      problem("unlock-problem", new Refusal(this.#t("chat.unlock.empty")));
      this.#field.focus();
      return;
    }
    const end = busy(button, find("unlock-go-text"), this.#t("chat.working"));
    await this.#try(() => this.#switch(this.#id, this.#field.value));
    end(this.#t("chat.unlock.go"));
  }

  /** @param {() => Promise<void>} act */
  async #try(act) {
    show(find("unlock-problem"), false);
    try {
      await act();
    } catch (error) {
      problem("unlock-problem", error);
      this.#field.focus();
      this.#field.select();
    }
  }
}
