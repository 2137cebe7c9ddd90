// @ts-check
/** The settings' dialogue: sections as tabs, each filled when it is looked at. */
import { AddressView } from "./address-view.js";
import { CallingView } from "./calling-view.js";
import { find, show } from "./dom.js";
import { HomeView } from "./home-view.js";
import { IceView } from "./ice-view.js";
import { NetworkView } from "./network-view.js";
import { ProfileView } from "./profile-view.js";
import { ServersView } from "./servers-view.js";

const SECTIONS = /** @type {const} */ (["profile", "address", "calls", "servers", "ice", "network", "home"]);

/** @typedef {typeof SECTIONS[number]} Section */
/**
 * @typedef {object} SettingsActions
 * @property {(section: Exclude<Section, "profile">) => void} load
 * @property {() => import("./api.js").Profile | null} profile
 * @property {(values: Partial<import("./api.js").Network>) => Promise<void>} setNetwork  rejected with Refusal
 *
 * @typedef {SettingsActions & import("./profile-view.js").ProfileActions & import("./address-view.js").AddressActions
 *   & import("./servers-view.js").ServerActions & import("./ice-view.js").IceActions & import("./calling-view.js").CallingActions
 *   & import("./home-view.js").HomeActions} Actions
 */

export class SettingsView {
  #actions;
  #dialog = /** @type {HTMLDialogElement} */ (find("settings-dialog"));
  #profile;
  #address;
  #calling;
  #servers;
  #ice;
  #network;
  #home;
  /** @type {Section[]} */
  #sections;

  /**
   * @param {Actions} actions
   * @param {import("../common/catalogue.js").Translate} t
   */
  constructor(actions, t) {
    this.#actions = actions;
    this.#profile = new ProfileView(actions, t);
    this.#address = new AddressView(actions, t);
    this.#calling = new CallingView(actions, t);
    this.#servers = new ServersView(actions, t);
    this.#ice = new IceView(actions, t);
    this.#network = new NetworkView(actions.setNetwork, t);
    this.#home = new HomeView(actions, t);
    this.#sections = SECTIONS.filter((name) => !find(`section-${name}`).hasAttribute("hidden"));
    for (const [index, name] of this.#sections.entries()) {
      const tab = find(`section-${name}`);
      tab.addEventListener("click", () => this.#show(name));
      tab.addEventListener("keydown", (event) => {
        const step = { ArrowDown: 1, ArrowRight: 1, ArrowUp: -1, ArrowLeft: -1 }[event.key];
        if (!step) return;
        event.preventDefault();
        const count = this.#sections.length;
        const other = this.#sections[(index + step + count) % count] ?? name;
        this.#show(other);
        find(`section-${other}`).focus();
      });
    }
  }

  /** @param {Section} section */
  open(section) {
    if (!this.#dialog.open) this.#dialog.showModal();
    this.#show(section);
    find(`section-${section}`).focus();
  }

  /** @param {import("./model.js").State} state */
  render({ settings, calling }) {
    this.#calling.render(calling);
    this.#address.render(settings);
    this.#servers.render(settings);
    this.#ice.render(settings);
    this.#network.render(settings);
    this.#home.render(settings);
  }

  /** @param {Section} shown */
  #show(shown) {
    for (const name of this.#sections) {
      const tab = find(`section-${name}`);
      tab.setAttribute("aria-selected", String(name === shown));
      tab.tabIndex = name === shown ? 0 : -1;
      if (name === shown) tab.scrollIntoView({ block: "nearest", inline: "center" });
      show(find(`settings-${name}`), name === shown);
    }
    find("settings-sections").scrollTop = 0;
    if (shown === "profile") this.#profile.show(this.#actions.profile());
    else this.#actions.load(shown);
  }
}
