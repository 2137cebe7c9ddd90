// @ts-check
/**
 * The page's texts: the same catalogue as Python's, put into the page by its template as JSON.
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
 * The translator of this page's catalogue (`<script type="application/json" id="catalogue">`).
 *
 * @param {Document} page
 * @returns {Translate}
 */
export function pageTranslator(page = document) {
  return translator(JSON.parse(page.getElementById("catalogue")?.textContent || "{}"));
}
