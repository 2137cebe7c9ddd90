// @ts-check
/** The user's devices and settings: chosen, kept by Python, carried over to what is open, and fallen back from. */
import { DeviceError } from "./devices.js";
import { Preferences } from "./preferences.js";
import { changedSettings } from "./settings.js";
import { noticeOf } from "./snapshot.js";

/** @typedef {import("./own-media.js").OwnMedia} OwnMedia */

export class Choices {
  preferences = new Preferences();
  #devices;
  #host;
  #own;

  /**
   * @param {Pick<import("./devices.js").Devices, "list" | "watch">} devices
   * @param {Pick<import("./own-media.js").Host, "update" | "respond">} host
   * @param {() => OwnMedia} own  what is sent in the present call
   */
  constructor(devices, host, own) {
    this.#devices = devices;
    this.#host = host;
    this.#own = own;
    devices.watch(() => void this.refresh());
  }

  /** What Python has kept. @param {any} command */
  restore(command) {
    this.preferences.restore(command);
    this.#show();
  }

  /**
   * @param {import("./preferences.js").DeviceKind} kind
   * @param {string | null} id  null: the system's choice
   */
  async choose(kind, id) {
    if (!this.preferences.choose(kind, id)) return;
    this.#keep();
    await this.#carryOver(() => this.#own().changeDevice(kind));
  }

  /** @param {Partial<import("./settings.js").MediaSettings>} changes */
  async set(changes) {
    const before = this.preferences.settings;
    this.preferences.settings = changedSettings(before, changes);
    this.#keep();
    await this.#carryOver(() => this.#own().changeSettings(before));
  }

  /** Devices came or went, or their names can be known now. */
  async refresh() {
    const gone = this.preferences.refresh(await this.#devices.list());
    this.#show();
    for (const kind of gone) await this.#own().fallBack(kind);
  }

  #show() {
    const { devices, settings } = this.preferences;
    this.#host.update({ devices, settings });
  }

  #keep() {
    this.#show();
    this.#host.respond({ type: "settings", ...this.preferences.kept });
  }

  /**
   * A device that cannot be had is said.
   *
   * @param {() => Promise<void>} change
   */
  async #carryOver(change) {
    try {
      await change();
    } catch (error) {
      if (error instanceof DeviceError) this.#host.update({ notice: noticeOf(error.code) });
    }
  }
}
