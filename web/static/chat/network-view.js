// @ts-check
/** How messages travel, in the settings: proxy, private routing, quantum resistance, receipts. */
import { problem, Refusal } from "./dialogs.js";
import { find, say, show } from "./dom.js";

const ROUTES = /** @type {const} */ (["always", "unknown", "never"]);
const SWITCHES = /** @type {const} */ ({ "network-quantum": "quantumResistance", "network-receipts": "receipts" });
const PROXY = /^(?:\[[0-9a-f:.]+\]|[^\s:/@[\]]+):\d{1,5}$/iu;

/**
 * Whether a text is a proxy's "host:port".
 *
 * @param {string} text
 */
export function isProxy(text) {
  const port = Number(text.split(":").at(-1));
  return PROXY.test(text) && port > 0 && port < 65_536;
}

export class NetworkView {
  #set;
  #t;
  #proxy = /** @type {HTMLInputElement} */ (find("network-proxy"));
  #isShown = false;

  /**
   * @param {(values: Partial<import("./api.js").Network>) => Promise<void>} set  rejected with Refusal
   * @param {import("../common/catalogue.js").Translate} t
   */
  constructor(set, t) {
    this.#set = set;
    this.#t = t;
    for (const route of ROUTES) {
      find(`route-${route}`).addEventListener("change", () => void this.#save({ privateRouting: route }));
    }
    for (const [id, name] of Object.entries(SWITCHES)) {
      const box = /** @type {HTMLInputElement} */ (find(id));
      box.addEventListener("change", () => void this.#save({ [name]: box.checked }));
    }
    this.#proxy.addEventListener("input", () => {
      show(find("network-problem"), false);
      say(find("network-saved"), "");
    });
    find("proxy-form").addEventListener("submit", (event) => {
      event.preventDefault();
      const text = this.#proxy.value.trim();
      if (text === "" || isProxy(text)) void this.#save({ socksProxy: text });
      else problem("network-problem", new Refusal(t("chat.network.proxy.form")));
    });
    find("proxy-tor").addEventListener("click", () => {
      this.#proxy.value = "127.0.0.1:9050";
      this.#proxy.focus();
    });
  }

  /** @param {import("./settings-model.js").Settings} settings */
  render({ network }) {
    show(find("network-content"), network !== null);
    if (!network) {
      this.#isShown = false;
      return;
    }
    /** @type {HTMLInputElement} */ (find(`route-${network.privateRouting}`)).checked = true;
    for (const [id, name] of Object.entries(SWITCHES)) {
      /** @type {HTMLInputElement} */ (find(id)).checked = network[name];
    }
    // what is being typed is not taken away
    if (!this.#isShown) this.#proxy.value = network.socksProxy;
    this.#isShown = true;
  }

  /** @param {Partial<import("./api.js").Network>} values */
  async #save(values) {
    show(find("network-problem"), false);
    say(find("network-saved"), "");
    try {
      await this.#set(values);
      say(find("network-saved"), this.#t("chat.network.saved"));
    } catch (error) {
      problem("network-problem", error);
    }
  }
}
