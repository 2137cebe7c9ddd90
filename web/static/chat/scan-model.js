// @ts-check
/** What the scanner of QR codes decides. Pure; `scan-view.js` has the camera. */

/** @typedef {"link" | "code" | "servers"} Wanted  an invitation or address, a security code, or servers' addresses */

const KINDS = {
  link: /^(?:simplex:\/|https:\/\/\S+\/(?:invitation|contact|[aci])\/?#)\S+$/iu,
  // as official apps write it: groups of digits
  // message servers and those of calls, one a line
  servers: /^(?:(?:smp:\/\/|stuns?:|turns?:)\S+(?:\s+|$))+$/u,
  code: /^\d[\d\s]{10,200}$/u,
};

/**
 * What was read, if it is what is wanted.
 *
 * @param {string} text
 * @param {Wanted} wanted
 * @returns {string | null}
 */
export function wantedText(text, wanted) {
  const clean = text.trim();
  return KINDS[wanted].test(clean) ? clean : null;
}

const PROBLEMS = new Map([
  ["NotAllowedError", "chat.scan.refused"],
  ["SecurityError", "chat.scan.refused"],
  ["NotFoundError", "chat.scan.absent"],
  ["OverconstrainedError", "chat.scan.absent"],
  ["NotReadableError", "chat.scan.busy"],
  ["AbortError", "chat.scan.busy"],
]);

/**
 * The id of the words for a camera that cannot be had.
 *
 * @param {unknown} error  of getUserMedia; undefined where there is none
 */
export function cameraProblem(error) {
  const name = error instanceof Error ? error.name : "";
  return PROBLEMS.get(name) ?? "chat.scan.absent";
}

/** Longest sides, in pixels, that a picture is looked at with: codes that fill it, and those that are a part of it. */
const SIDES = [800, 1600, 400];

/**
 * A size with `longest` as its longer side, but no larger than it is.
 *
 * @param {number} width
 * @param {number} height
 * @param {number} longest
 */
export function fit(width, height, longest) {
  const scale = Math.min(1, longest / Math.max(width, height));
  return { width: Math.max(1, Math.round(width * scale)), height: Math.max(1, Math.round(height * scale)) };
}

/**
 * The sizes to look at a picture with, one after the other.
 *
 * @param {number} width
 * @param {number} height
 */
export function sizes(width, height) {
  const all = SIDES.map((side) => fit(width, height, side));
  return all.filter((size, index) => all.findIndex((other) => other.width === size.width) === index);
}
