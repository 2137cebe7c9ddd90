// @ts-check
/** The first start where the system has no keyring: where the profile's key is to be kept. */
import { busy, problem } from "./dialogs.js";
import { find, sayWithNames, show } from "./dom.js";
import { KeyChoice } from "./key-choice.js";

export class ProtectView {
  #protect;
  #t;
  #key;
  #dialog = /** @type {HTMLDialogElement} */ (find("protect-dialog"));
  #isNeeded = false;

  /**
   * @param {(choice: {passphrase: string, keyFile: boolean}) => Promise<void>} protect  rejected with Refusal
   * @param {import("../common/catalogue.js").Translate} t
   */
  constructor(protect, t) {
    this.#protect = protect;
    this.#t = t;
    this.#key = new KeyChoice("protect", t);
    this.#dialog.addEventListener("cancel", (event) => {
      if (this.#isNeeded) event.preventDefault();
    });
    this.#dialog.addEventListener("close", () => {
      // some engines close at the second Escape whatever we say
      if (this.#isNeeded) this.#dialog.showModal();
    });
    find("protect-form").addEventListener("input", () => show(find("protect-problem"), false));
    find("protect-form").addEventListener("submit", (event) => {
      event.preventDefault();
      void this.#go();
    });
  }

  /** Asks; there is no way around it. @param {import("./unlock-view.js").Locked} state */
  ask({ locked }) {
    this.#isNeeded = true;
    this.#key.need(true);
    if (locked) {
      const name = locked.name || this.#t("chat.home.unnamed");
      sayWithNames(find("protect-text"), this.#t, "chat.protect.text.old", { name });
    }
    this.#dialog.showModal();
    find("protect-key-new").focus();
  }

  /** Nothing can be done any more. */
  giveUp() {
    this.#isNeeded = false;
    this.#dialog.close();
  }

  async #go() {
    const button = /** @type {HTMLButtonElement} */ (find("protect-go"));
    if (button.disabled) return;
    const end = busy(button, find("protect-go-text"), this.#t("chat.working"));
    show(find("protect-problem"), false);
    try {
      await this.#protect(this.#key.read());
    } catch (error) {
      problem("protect-problem", error);
    } finally {
      end(this.#t("chat.start.go"));
    }
  }
}
