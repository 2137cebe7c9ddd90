// @ts-check
/** The profile waits for its passphrase, or could not be opened; another one can be opened instead. */
import { busy, problem, Refusal } from "./dialogs.js";
import { find, make, say, sayWithNames, show } from "./dom.js";

/**
 * @typedef {object} Locked  what the method `state` gives without an open profile
 * @property {import("./api.js").HomeProfile | null} locked
 * @property {import("./api.js").HomeProfile[]} profiles
 * @property {boolean} isProtectionWanted  it is to be said first where its key is to be kept, or that of a first one
 * @property {string} problem  why it could not be opened; empty if it only waits
 */

export class UnlockView {
  #switch;
  #t;
  #dialog = /** @type {HTMLDialogElement} */ (find("unlock-dialog"));
  #field = /** @type {HTMLInputElement} */ (find("unlock-field"));
  #isNeeded = false;
  #hasPassphrase = true;
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
    this.#hasPassphrase = locked?.hasPassphrase ?? false;
    show(find("unlock-words"), this.#hasPassphrase);
    if (!this.#hasPassphrase) say(find("unlock-title"), this.#t("chat.unlock.failed.title"));
    say(find("unlock-go-text"), this.#word);
    const words = this.#hasPassphrase ? "chat.unlock.text" : "chat.unlock.failed.text";
    sayWithNames(find("unlock-text"), this.#t, words, { name });
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
    (this.#hasPassphrase ? this.#field : find("unlock-go")).focus();
  }

  get #word() {
    return this.#t(this.#hasPassphrase ? "chat.unlock.go" : "chat.unlock.again");
  }

  /** Nothing can be done any more. */
  giveUp() {
    this.#isNeeded = false;
    this.#dialog.close();
  }

  async #unlock() {
    const button = /** @type {HTMLButtonElement} */ (find("unlock-go"));
    if (button.disabled) return;
    if (this.#hasPassphrase && !this.#field.value) {
      problem("unlock-problem", new Refusal(this.#t("chat.unlock.empty")));
      this.#field.focus();
      return;
    }
    const end = busy(button, find("unlock-go-text"), this.#t("chat.working"));
    await this.#try(() => (this.#hasPassphrase ? this.#switch(this.#id, this.#field.value) : this.#switch(this.#id)));
    end(this.#word);
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
