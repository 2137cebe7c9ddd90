// @ts-check
/** How the user looks at the call: who is large, what fills its box. Pure; the call knows nothing of it. */

/**
 * @typedef {"speaker" | "side" | "screen"} Arrangement
 *   speaker: the contact is large; side: both side by side; screen: what the contact shares is large
 *
 * @typedef {object} Viewing
 * @property {Arrangement} arrangement
 * @property {boolean} isSwapped  large and small have changed places
 * @property {"auto" | "fit" | "fill"} fit
 * @property {boolean} hasScreen  the contact shares a screen now
 * @property {Arrangement} before  what it was before the screen came
 */

/** @returns {Viewing} */
export function freshViewing() {
  return { arrangement: "speaker", isSwapped: false, fit: "auto", hasScreen: false, before: "speaker" };
}

/**
 * The next way to arrange the pictures.
 *
 * @param {Viewing} viewing
 * @returns {Viewing}
 */
export function nextArrangement(viewing) {
  /** @type {Arrangement[]} */
  const ways = viewing.hasScreen ? ["screen", "speaker", "side"] : ["speaker", "side"];
  const arrangement = ways[(ways.indexOf(viewing.arrangement) + 1) % ways.length] ?? "speaker";
  return { ...viewing, arrangement, isSwapped: false };
}

/**
 * A shared screen comes first as it begins; when it is gone, all is as it was.
 *
 * @param {Viewing} viewing
 * @param {boolean} hasScreen
 * @returns {Viewing}
 */
export function withScreen(viewing, hasScreen) {
  if (hasScreen === viewing.hasScreen) return viewing;
  if (hasScreen) return { ...viewing, hasScreen, before: viewing.arrangement, arrangement: "screen", isSwapped: false };
  const arrangement = viewing.arrangement === "screen" ? viewing.before : viewing.arrangement;
  return { ...viewing, hasScreen, arrangement, isSwapped: false };
}

/**
 * @param {Viewing} viewing
 * @returns {Viewing}
 */
export function swapped(viewing) {
  return { ...viewing, isSwapped: !viewing.isSwapped };
}

/**
 * Fill where it is whole, whole where it fills.
 *
 * @param {Viewing} viewing
 * @param {boolean} isWhole  as it is now
 * @returns {Viewing}
 */
export function refitted(viewing, isWhole) {
  return { ...viewing, fit: isWhole ? "fill" : "fit" };
}
