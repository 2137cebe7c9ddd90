// @ts-check
/** Which speaker a page's sound comes from. Shell. */

/**
 * @param {HTMLMediaElement[]} elements  that play sound
 * @returns {(id: string | null) => void}  null: the system's choice
 */
export function speakerOf(elements) {
  /** @type {string | null} */
  let used = null;
  return (id) => {
    if (id === used) return;
    used = id;
    // an engine that cannot, or a speaker that has just gone: the system's choice goes on
    for (const element of elements) void element.setSinkId?.(id ?? "").catch(() => {});
  };
}
