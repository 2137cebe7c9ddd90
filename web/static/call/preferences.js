// @ts-check
/** Which devices there are, which of them the user has chosen, and the settings: kept from call to call. Pure. */
import { changedSettings, DEFAULT_SETTINGS } from "./settings.js";

/**
 * @typedef {"microphone" | "camera" | "speaker"} DeviceKind
 * @typedef {{id: string, label: string}} DeviceInfo
 *
 * @typedef {object} DeviceLists
 * @property {DeviceInfo[]} microphones
 * @property {DeviceInfo[]} cameras
 * @property {DeviceInfo[]} speakers
 * @property {Record<DeviceKind, string | null>} chosen  null: the system's choice
 */

/** @type {Record<DeviceKind, "microphones" | "cameras" | "speakers">} */
const LISTS = { microphone: "microphones", camera: "cameras", speaker: "speakers" };
/** @type {readonly DeviceKind[]} */
const KINDS = ["microphone", "camera", "speaker"];
const MAX_LENGTH = 256;

/** @returns {DeviceLists} */
export function noDevices() {
  return { microphones: [], cameras: [], speakers: [], chosen: { microphone: null, camera: null, speaker: null } };
}

export class Preferences {
  settings = { ...DEFAULT_SETTINGS };
  /** What the user chose, there or not. @type {Record<DeviceKind, DeviceInfo | null>} */
  #wanted = { microphone: null, camera: null, speaker: null };
  #lists = noDevices();

  /** @returns {DeviceLists} */
  get devices() {
    const chosen = Object.fromEntries(KINDS.map((kind) => [kind, this.idOf(kind)]));
    return { ...this.#lists, chosen: /** @type {DeviceLists["chosen"]} */ (chosen) };
  }

  /** As Python keeps it. */
  get kept() {
    return { settings: { ...this.settings }, devices: { ...this.#wanted } };
  }

  /** What Python has kept. @param {any} command */
  restore({ settings, devices }) {
    this.settings = changedSettings(DEFAULT_SETTINGS, settings);
    for (const kind of KINDS) {
      const device = devices?.[kind];
      const isDevice = [device?.id, device?.label].every((text) => typeof text === "string" && text.length <= MAX_LENGTH);
      this.#wanted[kind] = isDevice ? { id: device.id, label: device.label } : null;
    }
  }

  /**
   * The device to ask for, if the user's is there: by its id or, where an engine gave it another since, by its name.
   *
   * @param {DeviceKind} kind
   * @returns {string | null}  null: the system's choice
   */
  idOf(kind) {
    const wanted = this.#wanted[kind];
    if (!wanted) return null;
    const list = this.#lists[LISTS[kind]];
    const found = list.find(({ id }) => id === wanted.id) ?? list.find(({ label }) => label !== "" && label === wanted.label);
    return found?.id ?? null;
  }

  /**
   * @param {DeviceKind} kind
   * @param {string | null} id  null: the system's choice
   * @returns {boolean}  whether there is such a device
   */
  choose(kind, id) {
    const device = this.#lists[LISTS[kind]].find((one) => one.id === id);
    if (id !== null && !device) return false;
    this.#wanted[kind] = device ? { id: device.id, label: device.label.slice(0, MAX_LENGTH) } : null;
    return true;
  }

  /**
   * Takes a new list of devices.
   *
   * @param {readonly Pick<MediaDeviceInfo, "kind" | "deviceId" | "label">[]} found
   * @returns {DeviceKind[]}  of which kinds the chosen device was there, and is no more
   */
  refresh(found) {
    const before = this.devices.chosen;
    const list = (/** @type {MediaDeviceKind} */ kind) =>
      found
        .filter((device) => device.kind === kind && !["", "default", "communications"].includes(device.deviceId))
        .map(({ deviceId, label }) => ({ id: deviceId, label }));
    this.#lists = { ...noDevices(), microphones: list("audioinput"), cameras: list("videoinput"), speakers: list("audiooutput") };
    return KINDS.filter((kind) => before[kind] !== null && this.idOf(kind) === null);
  }
}
