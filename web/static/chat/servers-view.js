// @ts-check
/** The message servers in the settings: those of operators, own ones, and the relay that is built in. */
import { arrange, find, make, makeQr, part, say, show } from "./dom.js";
import { problem } from "./dialogs.js";
import { countWords, isServerAddress, verdictWords } from "./settings-model.js";

/**
 * @typedef {import("../common/catalogue.js").Translate} Translate
 * @typedef {import("./api.js").SmpServer} SmpServer
 *
 * @typedef {object} ServerActions
 * @property {(uri: string, isOn: boolean) => void} switchServer
 * @property {(id: string, isOn: boolean) => void} switchOperator
 * @property {(uri: string) => void} removeServer
 * @property {(uri: string) => Promise<void>} addServer  rejected with Refusal
 * @property {(uri: string) => void} testServer
 * @property {(mode: "off" | "machine" | "lan", host: string | null) => Promise<void>} setRelay  rejected with Refusal
 * @property {(text: string) => Promise<boolean>} copyText
 */

export class ServersView {
  #actions;
  #t;
  /** @type {Map<string, HTMLElement>} */
  #groups = new Map();
  /** @type {Map<string, HTMLElement>} */
  #rows = new Map();
  #relayKey = "";

  /**
   * @param {ServerActions} actions
   * @param {Translate} t
   */
  constructor(actions, t) {
    this.#actions = actions;
    this.#t = t;
    const field = /** @type {HTMLInputElement} */ (find("server-field"));
    const form = find("server-form");
    field.addEventListener("input", () => show(find("server-problem"), false));
    form.addEventListener("submit", async (event) => {
      event.preventDefault();
      if (!isServerAddress(field.value)) {
        say(find("server-problem"), t("chat.start.own.form"));
        show(find("server-problem"), true);
        field.focus();
        return;
      }
      try {
        await actions.addServer(field.value);
        field.value = "";
      } catch (error) {
        problem("server-problem", error);
      }
    });
    for (const mode of /** @type {const} */ (["off", "machine", "lan"])) {
      find(`relay-${mode}`).addEventListener("change", () => void this.#setRelay(mode));
    }
    find("relay-host").addEventListener("change", () => void this.#setRelay("lan"));
  }

  /** @param {import("./settings-model.js").Settings} settings */
  render({ servers, verdicts }) {
    show(find("servers-content"), servers !== null);
    if (!servers) return;
    const t = this.#t;
    const groups = find("server-groups");
    for (const operator of servers.operators) {
      const group = this.#groups.get(operator.id) ?? this.#newGroup(operator.id, operator.name, groups);
      const box = /** @type {HTMLInputElement} */ (part(group, "input.operator-switch"));
      box.checked = operator.servers.some(({ isOn }) => isOn);
      say(part(group, ".operator-count"), countWords(operator.servers, t));
      const list = part(group, "ul");
      arrange(list, this.#list(operator.servers, verdicts, false));
    }
    const own = find("own-servers");
    arrange(own, this.#list(servers.own, verdicts, true));
    show(find("own-none"), servers.own.length === 0);
    this.#relay(servers.relay, verdicts);
  }

  /**
   * @param {SmpServer[]} servers
   * @param {import("./settings-model.js").Settings["verdicts"]} verdicts
   * @param {boolean} isOwn
   */
  #list(servers, verdicts, isOwn) {
    return servers.map((server) => {
      const row = this.#rows.get(server.uri) ?? this.#newRow(server, isOwn);
      /** @type {HTMLInputElement} */ (part(row, "input")).checked = server.isOn;
      this.#verdict(row, verdicts.get(server.uri));
      return row;
    });
  }

  /** @param {HTMLElement} row @param {import("./api.js").Verdict | "testing" | undefined} verdict */
  #verdict(row, verdict) {
    const { tone, text } = verdictWords(verdict, this.#t);
    const words = part(row, ".server-verdict");
    words.dataset.tone = tone;
    say(words, text);
    const button = part(row, ".server-test");
    button.setAttribute("aria-disabled", String(tone === "busy"));
  }

  /**
   * @param {string} id
   * @param {string} name
   * @param {Element} place
   */
  #newGroup(id, name, place) {
    const t = this.#t;
    const box = make("input", {
      type: "checkbox",
      role: "switch",
      class: "operator-switch",
      "aria-label": t("chat.servers.operator", { name }),
      onchange: () => this.#actions.switchOperator(id, box.checked),
    });
    const group = make(
      "section",
      { class: "server-group", "aria-label": name },
      make(
        "div",
        { class: "setting-row" },
        make("div", { class: "setting-words" }, make("h4", {}, name), make("p", { class: "muted operator-count" })),
        box,
      ),
      make("details", {}, make("summary", {}, t("chat.servers.list")), make("ul", { class: "server-list" })),
    );
    this.#groups.set(id, group);
    place.append(group);
    return group;
  }

  /** @param {SmpServer} server @param {boolean} isOwn */
  #newRow({ uri, host, onion, qr }, isOwn) {
    const t = this.#t;
    const actions = this.#actions;
    const box = make("input", {
      type: "checkbox",
      role: "switch",
      "aria-label": t("chat.servers.use", { host }),
      onchange: () => actions.switchServer(uri, box.checked),
    });
    const test = make("button", { type: "button", class: "button is-quiet is-small server-test" }, t("chat.servers.test"));
    test.setAttribute("aria-label", t("chat.servers.test.of", { host }));
    test.addEventListener("click", () => actions.testServer(uri));
    const buttons = make("div", { class: "server-buttons" }, test);
    const row = make(
      "li",
      { class: "server" },
      make(
        "div",
        { class: "setting-row" },
        make(
          "div",
          { class: "setting-words" },
          make("p", { class: "server-host" }, host),
          onion ? make("p", { class: "muted server-onion" }, t("chat.servers.onion")) : null,
        ),
        box,
      ),
      buttons,
      make("p", { class: "server-verdict", role: "status" }),
    );
    if (isOwn) {
      if (qr) buttons.append(...this.#codeParts(row, uri, qr));
      const remove = make("button", { type: "button", class: "button is-quiet is-small" }, t("chat.servers.remove"));
      remove.setAttribute("aria-label", t("chat.servers.remove.of", { host }));
      remove.addEventListener("click", () => actions.removeServer(uri));
      buttons.append(remove);
    }
    this.#rows.set(uri, row);
    return row;
  }

  /**
   * The buttons that show and copy an address.
   *
   * @param {HTMLElement} row
   * @param {string} uri
   * @param {import("./api.js").Qr} qr
   */
  #codeParts(row, uri, qr) {
    const t = this.#t;
    const code = make(
      "div",
      { class: "server-code" },
      makeQr(qr, t("chat.servers.qr")),
      make("input", { class: "field share-field", readonly: true, value: uri, "aria-label": t("chat.servers.address") }),
    );
    show(code, false);
    row.append(code);
    const toggle = make("button", { type: "button", class: "button is-quiet is-small", "aria-expanded": "false" }, t("chat.servers.show"));
    toggle.addEventListener("click", () => {
      const isShown = toggle.getAttribute("aria-expanded") !== "true";
      toggle.setAttribute("aria-expanded", String(isShown));
      show(code, isShown);
    });
    const copy = make("button", { type: "button", class: "button is-quiet is-small" }, t("chat.servers.copy"));
    copy.addEventListener("click", async () => {
      if (await this.#actions.copyText(uri)) say(copy, t("chat.copied"));
    });
    return [toggle, copy];
  }

  // the built-in relay

  /** @param {"off" | "machine" | "lan"} mode */
  async #setRelay(mode) {
    const host = /** @type {HTMLSelectElement} */ (find("relay-host")).value || null;
    show(find("relay-problem"), false);
    try {
      await this.#actions.setRelay(mode, mode === "lan" ? host : null);
    } catch (error) {
      problem("relay-problem", error);
    }
  }

  /**
   * @param {import("./api.js").Relay | null} relay
   * @param {import("./settings-model.js").Settings["verdicts"]} verdicts
   */
  #relay(relay, verdicts) {
    show(find("relay-part"), relay !== null);
    if (!relay) return;
    const t = this.#t;
    /** @type {HTMLInputElement} */ (find(`relay-${relay.mode}`)).checked = true;
    const select = /** @type {HTMLSelectElement} */ (find("relay-host"));
    const hosts = [...new Set([...relay.hosts, ...(relay.mode === "lan" && relay.host ? [relay.host] : [])])];
    if ([...select.options].map(({ value }) => value).join() !== hosts.join()) {
      select.replaceChildren(...hosts.map((host) => make("option", { value: host }, host)));
    }
    if (relay.host && hosts.includes(relay.host)) select.value = relay.host;
    show(find("relay-host-part"), relay.mode === "lan" || hosts.length > 1);
    find("relay-lan").toggleAttribute("disabled", hosts.length === 0);
    show(find("relay-nowhere"), hosts.length === 0);
    const place = find("relay-address");
    const key = relay.uri ?? "";
    show(place, relay.uri !== null);
    if (relay.uri && relay.qr && key !== this.#relayKey) {
      const { uri, qr } = relay;
      const copy = make("button", { type: "button", class: "button is-quiet is-small" }, t("chat.servers.copy"));
      copy.addEventListener("click", async () => {
        if (await this.#actions.copyText(uri)) say(copy, t("chat.copied"));
      });
      const test = make("button", { type: "button", class: "button is-quiet is-small server-test" }, t("chat.servers.test"));
      test.addEventListener("click", () => this.#actions.testServer(uri));
      place.replaceChildren(
        makeQr(qr, t("chat.relay.qr")),
        make("input", { class: "field share-field", readonly: true, value: uri, "aria-label": t("chat.relay.address") }),
        make("div", { class: "server-buttons" }, copy, test),
        make("p", { class: "server-verdict", role: "status" }),
      );
    }
    this.#relayKey = key;
    if (relay.uri && relay.qr) this.#verdict(place, verdicts.get(relay.uri));
    say(find("relay-state"), t(relay.mode === "lan" ? "chat.relay.lan.text" : "chat.relay.machine.text"));
    show(find("relay-state"), relay.mode !== "off");
  }
}

