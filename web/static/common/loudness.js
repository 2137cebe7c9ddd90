// @ts-check
/** How loud what rings is. Pure. */

const LOUDEST = 0.32;

/**
 * The gain of a volume; the ear takes equal steps of the volume for equal steps.
 *
 * @param {number} percent
 */
export function loudness(percent) {
  return LOUDEST * (Math.min(Math.max(percent, 0), 100) / 100) ** 2;
}
