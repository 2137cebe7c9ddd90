// @ts-check
/** The user's own address in the settings: made, shared, deleted. */
import { busy, problem } from "./dialogs.js";
import { find, show } from "./dom.js";
import { showShare } from "./share.js";

/**
 * @typedef {object} AddressActions
 * @property {() => Promise<void>} createAddress  rejected with Refusal
 * @property {() => void} deleteAddress
 * @property {(text: string) => Promise<boolean>} copyText
 */

export class AddressView {
  #actions;
  #t;

  /**
   * @param {AddressActions} actions
   * @param {import("../common/catalogue.js").Translate} t
   */
  constructor(actions, t) {
    this.#actions = actions;
    this.#t = t;
    find("address-create").addEventListener("click", () => void this.#create());
    find("address-delete").addEventListener("click", actions.deleteAddress);
  }

  /** @param {import("./settings-model.js").Settings} settings */
  render({ address }) {
    show(find("address-content"), address !== null);
    if (!address) return;
    const { value } = address;
    show(find("address-none"), value === null);
    show(find("address-there"), value !== null);
    if (value) showShare(find("address-share"), value, this.#t, this.#actions.copyText, "address");
  }

  async #create() {
    const t = this.#t;
    const button = /** @type {HTMLButtonElement} */ (find("address-create"));
    const end = busy(button, find("address-create-text"), t("chat.add.creating"));
    show(find("address-problem"), false);
    try {
      await this.#actions.createAddress();
    } catch (error) {
      problem("address-problem", error);
    } finally {
      end(t("chat.address.create"));
    }
  }
}
