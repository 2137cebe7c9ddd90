// @ts-check
/**
 * The page's texts: the same catalogue as Python's, by a script that the template names.
 *
 * @typedef {(id: string, names?: Record<string, string | number>) => string} Translate
 *   The text `id` with `{name}`s filled in. A text that is missing shows as its id.
 */

/**
 * @param {Record<string, string>} texts
 * @returns {Translate}
 */
export function translator(texts) {
  return (id, names = {}) => {
    const text = Object.hasOwn(texts, id) ? texts[id] : undefined;
    if (text === undefined) {
      console.warn(`The catalogue has no text ${id}.`);
      return id;
    }
    return text.replace(/\{(\w+)\}/g, (whole, name) => (Object.hasOwn(names, name) ? String(names[name]) : whole));
  };
}

/**
 * The translator of this page's catalogue (bridge/page_texts.py).
 *
 * @returns {Translate}
 */
export function pageTranslator() {
  return translator(/** @type {{simplexCallsTexts?: Record<string, string>}} */ (globalThis).simplexCallsTexts ?? {});
}
