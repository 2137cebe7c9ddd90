// @ts-check
/**
 * The settings: fetched when they are looked at, changed at once.
 *
 * @typedef {import("./controller.js").Parts} Parts
 * @typedef {import("./api.js").Servers} Servers
 */
import * as model from "./model.js";
import * as settings from "./settings-model.js";

export class SettingsController {
  #store;
  #parts;

  /**
   * @param {import("./store.js").Store} store
   * @param {Parts} parts
   */
  constructor(store, parts) {
    this.#store = store;
    this.#parts = parts;
  }

  /** Fetches what a section of the settings shows. @param {"address" | "calls" | "servers" | "ice" | "network" | "home"} section */
  async load(section) {
    const store = this.#store;
    try {
      if (section === "calls") store.set({ ...store.state, calling: await store.request("call_settings") });
      else if (section === "address") this.#came({ address: { value: await store.request("address") } });
      else if (section === "home") {
        const [profiles, keepsKeys] = await Promise.all([store.request("profiles"), store.request("keeps_keys")]);
        this.#came({ profiles, keepsKeys });
      }
      else this.#came({ [section]: await store.request(section) });
    } catch (error) {
      store.failed(error);
    }
  }

  /** @param {Partial<settings.Settings>} values */
  #came(values) {
    this.#store.set(model.settingsCame(this.#store.state, values));
  }

  // servers

  /** The servers as they are set, fetched if need be; rejected with Refusal. @returns {Promise<Servers>} */
  async servers() {
    const known = this.#store.state.settings.servers;
    if (known) return known;
    const servers = await this.#store.ask("servers");
    this.#came({ servers });
    return servers;
  }

  /** @param {string} uri @param {boolean} isOn */
  switchServer(uri, isOn) {
    return this.#change((servers) => settings.serverSwitched(servers, uri, isOn));
  }

  /** @param {string} id @param {boolean} isOn */
  switchOperator(id, isOn) {
    return this.#change((servers) => settings.operatorSwitched(servers, id, isOn));
  }

  /** @param {string} uri */
  removeServer(uri) {
    return this.#change((servers) => settings.serverRemoved(servers, uri));
  }

  /** Adds an own server; rejected with Refusal. @param {string} uri */
  async addServer(uri) {
    await this.saveServers(settings.serverAdded(await this.servers(), uri.trim()));
  }

  /**
   * Lets the program use these servers; rejected with Refusal.
   *
   * @param {Servers} servers
   */
  async saveServers(servers) {
    const saved = await this.#store.ask("set_servers", { servers: settings.chosen(servers) });
    this.#served(saved);
  }

  /**
   * Runs the built-in relay, or stops it; rejected with Refusal.
   *
   * @param {"off" | "machine" | "lan"} mode
   * @param {string | null} host
   */
  async setRelay(mode, host) {
    this.#served(await this.#store.ask("set_relay", host === null ? { mode } : { mode, host }));
  }

  /** @param {Servers} servers */
  #served(servers) {
    const { state } = this.#store;
    this.#store.set(model.settingsCame({ ...state, hasServers: settings.hasServer(servers) }, { servers }));
  }

  /** @param {(servers: Servers) => Servers} change */
  async #change(change) {
    const store = this.#store;
    const before = store.state.settings.servers;
    if (!before) return;
    const after = change(before);
    // at once, and back again if it is refused
    this.#came({ servers: after });
    try {
      this.#served(await store.request("set_servers", { servers: settings.chosen(after) }));
    } catch (error) {
      this.#came({ servers: before });
      store.failed(error);
    }
  }

  /** Connects to a server and tries it. @param {string} uri */
  testServer(uri) {
    return this.#test("test_server", uri);
  }

  /** @param {"test_server" | "test_ice_server"} method @param {string} uri */
  async #test(method, uri) {
    const store = this.#store;
    if (store.state.settings.verdicts.get(uri) === "testing") return;
    store.set(model.serverTested(store.state, uri, "testing"));
    try {
      const verdict = await store.request(method, { uri });
      store.set(model.serverTested(store.state, uri, verdict));
    } catch (error) {
      store.set(model.serverTested(store.state, uri, { kind: "failed", roundTrip: null }));
      store.failed(error);
    }
  }

  // STUN and TURN servers

  /** @param {string} uri @param {boolean} isOn */
  switchIceServer(uri, isOn) {
    return this.#changeIce((servers) => servers.map((server) => (server.uri === uri ? { ...server, isOn } : server)));
  }

  /** @param {string} uri */
  removeIceServer(uri) {
    return this.#changeIce((servers) => servers.filter((server) => server.uri !== uri));
  }

  /** @param {(servers: import("./api.js").IceServer[]) => import("./api.js").IceServer[]} change */
  async #changeIce(change) {
    const { ice } = this.#store.state.settings;
    if (!ice) return;
    const servers = change(ice.servers).map(({ uri, isOn }) => ({ uri, isOn }));
    await this.#setIce("set_ice", { servers });
  }

  /** Whose calls go through relays only. @param {import("./api.js").Ice["relay"]} relay */
  async setRelayPolicy(relay) {
    await this.#setIce("set_ice", { relay });
  }

  /** The servers of the beginning. */
  async resetIce() {
    const question = { title: "chat.ice.reset", text: "chat.ice.reset.text", go: "chat.ice.reset", name: "" };
    const { isConfirmed } = await this.#parts.view.confirm(question);
    if (isConfirmed) await this.#setIce("reset_ice");
  }

  /** @param {"set_ice" | "reset_ice"} method @param {Record<string, any>} [params] */
  async #setIce(method, params) {
    const store = this.#store;
    try {
      this.#came({ ice: await store.request(method, params) });
    } catch (error) {
      // as they stand
      this.#came({ ice: store.state.settings.ice });
      store.failed(error);
    }
  }

  /**
   * Adds the servers of a text; rejected with Refusal.
   *
   * @param {string} text
   * @returns {Promise<{servers: number, iceServers: number}>}  how many there were in it
   */
  async addServers(text) {
    const store = this.#store;
    const added = await store.ask("add_servers", { text });
    this.#came({ ice: await store.ask("ice") });
    if (added.servers > 0) this.#served(await store.ask("servers"));
    return added;
  }

  /** @param {string} uri */
  testIceServer(uri) {
    return this.#test("test_ice_server", uri);
  }

  // the network

  /** Changes some of the network's settings; rejected with Refusal. @param {Partial<import("./api.js").Network>} values */
  async setNetwork(values) {
    this.#came({ network: await this.#store.ask("set_network", values) });
  }

  // the own address

  /** Rejected with Refusal. */
  async createAddress() {
    this.#came({ address: { value: await this.#store.ask("create_address") } });
  }

  async deleteAddress() {
    const { isConfirmed } = await this.#parts.view.confirm({
      title: "chat.address.delete.title",
      text: "chat.address.delete.text",
      go: "chat.address.delete.go",
      name: "",
    });
    if (isConfirmed && (await this.#store.do("delete_address"))) this.#came({ address: { value: null } });
  }

  // profiles of this machine

  /**
   * Something about profiles or backups; rejected with Refusal. Gives the answer.
   *
   * @param {"change_passphrase" | "export_archive" | "import_archive" | "add_profile" | "remove_profile"
   *   | "set_language"} method
   * @param {Record<string, any>} params
   */
  async home(method, params) {
    try {
      return await this.#store.ask(method, params);
    } finally {
      this.#came({ progress: null });
      await this.load("home");
    }
  }

  /** Ends the backup, or its restoration, that goes on. */
  cancelArchive() {
    return this.#store.do("cancel_archive");
  }

  /** Says where the key is to be kept; the page loads anew. @param {{passphrase: string, keyFile: boolean}} choice */
  async protectProfile(choice) {
    await this.#store.ask("protect_profile", choice);
  }

  /** Opens another profile: the page loads anew. @param {string} id @param {string} [passphrase] */
  async switchProfile(id, passphrase) {
    await this.#store.ask("switch_profile", passphrase === undefined ? { id } : { id, passphrase });
  }
}
