// @ts-check
/** What the settings of sound and picture offer. Pure; loaded with settings-view.js. */

/**
 * @typedef {import("./preferences.js").DeviceKind} DeviceKind
 * @typedef {import("./settings.js").MediaSettings} MediaSettings
 * @typedef {{value: string, label: string}} Option
 * @typedef {{kind: DeviceKind, chosen: string, options: Option[]}} DeviceChoice  chosen: "" for the system's choice
 */

/** Quieter than this, in decibels, is nothing. */
const FLOOR_DB = -60;

/** @type {readonly (keyof MediaSettings & ("echoCancellation" | "noiseSuppression" | "autoGainControl" | "isBitrateConstant"))[]} */
export const SOUND_SWITCHES = ["echoCancellation", "noiseSuppression", "autoGainControl", "isBitrateConstant"];

/** What is chosen from few. @type {{name: "resolution" | "screenContent", values: (360 | 720 | 1080 | "text" | "motion")[]}[]} */
export const PICTURE_CHOICES = [
  { name: "resolution", values: [360, 720, 1080] },
  { name: "screenContent", values: ["text", "motion"] },
];

/**
 * The devices to choose from, each with a name, under the system's choice.
 *
 * @param {import("./preferences.js").DeviceLists} devices
 * @param {import("../common/catalogue.js").Translate} t
 * @param {{canChooseSpeaker: boolean}} engine
 * @returns {DeviceChoice[]}
 */
export function deviceChoices(devices, t, { canChooseSpeaker }) {
  const { microphones, cameras, speakers, chosen } = devices;
  /** @type {[DeviceKind, import("./preferences.js").DeviceInfo[]][]} */
  const lists = [
    ["microphone", microphones],
    ["camera", cameras],
    ...(canChooseSpeaker ? [/** @type {[DeviceKind, typeof speakers]} */ (["speaker", speakers])] : []),
  ];
  return lists.map(([kind, list]) => ({
    kind,
    chosen: chosen[kind] ?? "",
    options: [
      { value: "", label: t("call.settings.system") },
      // an engine tells no names before a device was allowed
      ...list.map(({ id, label }, index) => ({ value: id, label: label || t(`call.settings.unnamed.${kind}`, { number: index + 1 }) })),
    ],
  }));
}

/**
 * How far a meter goes for a level: by decibels, as one hears.
 *
 * @param {number | null} level  root mean square, from 0 to 1
 * @returns {number}  from 0 to 1
 */
export function meterShare(level) {
  if (!level || level <= 0) return 0;
  return Math.min(1, Math.max(0, 1 - (20 * Math.log10(level)) / FLOOR_DB));
}
