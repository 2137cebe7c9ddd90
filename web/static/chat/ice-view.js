// @ts-check
/** The STUN and TURN servers in the settings, and whose calls go through relays only. */
import { arrange, find, make, makeQr, part, say, show } from "./dom.js";
import { problem, Refusal } from "./dialogs.js";
import { verdictWords } from "./settings-model.js";

const POLICIES = /** @type {const} */ (["always", "unverified", "never"]);

/**
 * @typedef {object} IceActions
 * @property {(uri: string, isOn: boolean) => void} switchIceServer
 * @property {(uri: string) => void} removeIceServer
 * @property {(uri: string) => void} testIceServer
 * @property {(text: string) => Promise<{servers: number, iceServers: number}>} addServers  rejected with Refusal
 * @property {() => Promise<string | null>} scanServers  the text of the code that was scanned
 * @property {() => void} resetIce
 * @property {(policy: typeof POLICIES[number]) => void} setRelayPolicy
 * @property {(text: string) => Promise<boolean>} copyText
 */

export class IceView {
  #actions;
  #t;
  #field = /** @type {HTMLTextAreaElement} */ (find("ice-field"));
  /** @type {Map<string, HTMLElement>} */
  #rows = new Map();

  /**
   * @param {IceActions} actions
   * @param {import("../common/catalogue.js").Translate} t
   */
  constructor(actions, t) {
    this.#actions = actions;
    this.#t = t;
    this.#field.addEventListener("input", () => this.#quiet());
    find("ice-form").addEventListener("submit", (event) => {
      event.preventDefault();
      void this.#add(this.#field.value);
    });
    find("ice-scan").addEventListener("click", async () => {
      const text = await actions.scanServers();
      if (text !== null) await this.#add(text);
    });
    find("ice-reset").addEventListener("click", actions.resetIce);
    for (const policy of POLICIES) {
      find(`ice-relay-${policy}`).addEventListener("change", () => actions.setRelayPolicy(policy));
    }
  }

  /** @param {import("./settings-model.js").Settings} settings */
  render({ ice, verdicts }) {
    show(find("ice-content"), ice !== null);
    if (!ice) {
      this.#quiet();
      return;
    }
    const rows = ice.servers.map((server) => {
      const row = this.#rows.get(server.uri) ?? this.#newRow(server);
      /** @type {HTMLInputElement} */ (part(row, "input")).checked = server.isOn;
      const { tone, text } = verdictWords(verdicts.get(server.uri), this.#t, "chat.ice.verdict");
      const words = part(row, ".server-verdict");
      words.dataset.tone = tone;
      say(words, text);
      part(row, ".server-test").setAttribute("aria-disabled", String(tone === "busy"));
      return row;
    });
    arrange(find("ice-servers"), rows);
    show(find("ice-none"), !ice.servers.some(({ isOn }) => isOn));
    show(find("ice-reset"), !(ice.servers.length > 0 && ice.servers.every(({ isDefault }) => isDefault)));
    /** @type {HTMLInputElement} */ (find(`ice-relay-${ice.relay}`)).checked = true;
    show(find("ice-relay-missing"), ice.relay !== "never" && !ice.hasRelay);
  }

  #quiet() {
    show(find("ice-problem"), false);
    say(find("ice-done"), "");
  }

  /** @param {string} text */
  async #add(text) {
    const t = this.#t;
    this.#quiet();
    try {
      if (!text.trim()) throw new Refusal(t("chat.ice.add.empty"));
      const { servers, iceServers } = await this.#actions.addServers(text);
      if (text === this.#field.value) this.#field.value = "";
      say(find("ice-done"), t("chat.ice.added", { servers, ice: iceServers }));
    } catch (error) {
      problem("ice-problem", error);
      this.#field.focus();
    }
  }

  /** @param {import("./api.js").IceServer} server */
  #newRow({ uri, url, isRelay, hasSecret, qr }) {
    const t = this.#t;
    const actions = this.#actions;
    const box = make("input", {
      type: "checkbox",
      role: "switch",
      "aria-label": t("chat.servers.use", { host: url }),
      onchange: () => actions.switchIceServer(uri, box.checked),
    });
    const test = make("button", { type: "button", class: "button is-quiet is-small server-test" }, t("chat.servers.test"));
    test.setAttribute("aria-label", t("chat.servers.test.of", { host: url }));
    test.addEventListener("click", () => actions.testIceServer(uri));
    const code = make(
      "div",
      { class: "server-code" },
      makeQr(qr, t("chat.ice.qr")),
      make("input", { class: "field share-field", readonly: true, value: uri, "aria-label": t("chat.servers.address") }),
    );
    show(code, false);
    const toggle = make("button", { type: "button", class: "button is-quiet is-small", "aria-expanded": "false" }, t("chat.servers.show"));
    toggle.addEventListener("click", () => {
      const isShown = toggle.getAttribute("aria-expanded") !== "true";
      toggle.setAttribute("aria-expanded", String(isShown));
      show(code, isShown);
    });
    const copy = make("button", { type: "button", class: "button is-quiet is-small" }, t("chat.servers.copy"));
    copy.addEventListener("click", async () => {
      if (await actions.copyText(uri)) say(copy, t("chat.copied"));
    });
    const remove = make("button", { type: "button", class: "button is-quiet is-small" }, t("chat.servers.remove"));
    remove.setAttribute("aria-label", t("chat.servers.remove.of", { host: url }));
    remove.addEventListener("click", () => actions.removeIceServer(uri));
    const kind = isRelay ? (hasSecret ? "chat.ice.turn.secret" : "chat.ice.turn") : "chat.ice.stun";
    const row = make(
      "li",
      { class: "server" },
      make(
        "div",
        { class: "setting-row" },
        make("div", { class: "setting-words" }, make("p", { class: "server-host" }, url), make("p", { class: "muted" }, t(kind))),
        box,
      ),
      make("div", { class: "server-buttons" }, test, toggle, copy, remove),
      make("p", { class: "server-verdict", role: "status" }),
      code,
    );
    this.#rows.set(uri, row);
    return row;
  }
}
