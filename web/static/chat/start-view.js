// @ts-check
/** The first start: through which servers messages shall come. Several can be chosen. */
import { busy, problem, Refusal } from "./dialogs.js";
import { find, show } from "./dom.js";
import { firstProblem, firstServers } from "./settings-model.js";

/**
 * @typedef {import("./settings-model.js").FirstChoice} FirstChoice
 *
 * @typedef {object} StartActions
 * @property {() => Promise<import("./api.js").Servers>} servers  rejected with Refusal
 * @property {(servers: import("./api.js").Servers) => Promise<void>} saveServers  rejected with Refusal
 * @property {(mode: "off" | "machine" | "lan", host: string | null) => Promise<void>} setRelay  rejected with Refusal
 */

const box = (/** @type {string} */ id) => /** @type {HTMLInputElement} */ (find(id));

export class StartView {
  #actions;
  #t;
  #dialog = /** @type {HTMLDialogElement} */ (find("start-dialog"));
  #isNeeded = false;
  /** @type {import("./api.js").Servers | null} */
  #servers = null;

  /**
   * @param {StartActions} actions
   * @param {import("../common/catalogue.js").Translate} t
   */
  constructor(actions, t) {
    this.#actions = actions;
    this.#t = t;
    this.#dialog.addEventListener("cancel", (event) => {
      if (this.#isNeeded) event.preventDefault();
    });
    this.#dialog.addEventListener("close", () => {
      // some engines close at the second Escape whatever we say
      if (this.#isNeeded) this.#dialog.showModal();
    });
    find("start-form").addEventListener("input", () => this.#fit());
    find("start-form").addEventListener("submit", (event) => {
      event.preventDefault();
      void this.#go();
    });
  }

  /** Whether the dialogue waits for a choice. */
  get isNeeded() {
    return this.#isNeeded;
  }

  /** Asks; there is no way around it. */
  async ask() {
    if (this.#isNeeded) return;
    this.#isNeeded = true;
    try {
      this.#servers = await this.#actions.servers();
    } catch (error) {
      problem("start-problem", error);
    }
    const hosts = this.#servers?.relay?.hosts ?? [];
    show(find("start-relay-part"), Boolean(this.#servers?.relay));
    const select = /** @type {HTMLSelectElement} */ (find("start-relay-host"));
    select.replaceChildren(...hosts.map((host) => new Option(host, host)));
    box("start-relay-lan").disabled = hosts.length === 0;
    this.#fit();
    this.#dialog.showModal();
    box("start-simplex").focus();
  }

  /** Nothing can be done any more. */
  giveUp() {
    this.#isNeeded = false;
    this.#dialog.close();
  }

  /** @returns {FirstChoice} */
  #choice() {
    const relay = !box("start-relay").checked ? "off" : box("start-relay-lan").checked ? "lan" : "machine";
    return {
      operators: new Set(["simplex", "flux"].filter((id) => box(`start-${id}`).checked)),
      hasOwn: box("start-own").checked,
      own: /** @type {HTMLTextAreaElement} */ (find("start-own-field")).value,
      relay,
      host: relay === "lan" ? /** @type {HTMLSelectElement} */ (find("start-relay-host")).value : null,
    };
  }

  #fit() {
    show(find("start-own-part"), box("start-own").checked);
    show(find("start-relay-more"), box("start-relay").checked);
    show(find("start-relay-host-part"), box("start-relay").checked && box("start-relay-lan").checked);
    show(find("start-problem"), false);
  }

  async #go() {
    const button = /** @type {HTMLButtonElement} */ (find("start-go"));
    if (button.disabled || !this.#servers) return;
    const choice = this.#choice();
    const t = this.#t;
    const fault = firstProblem(choice);
    if (fault) {
      problem("start-problem", new Refusal(t(fault)));
      if (choice.hasOwn) find("start-own-field").focus();
      return;
    }
    const end = busy(button, find("start-go-text"), t("chat.start.going"));
    try {
      await this.#actions.saveServers(firstServers(this.#servers, choice));
      if (choice.relay !== "off") await this.#actions.setRelay(choice.relay, choice.host);
      this.#isNeeded = false;
      this.#dialog.close();
    } catch (error) {
      problem("start-problem", error);
    } finally {
      end(t("chat.start.go"));
    }
  }
}
