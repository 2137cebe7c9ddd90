// @ts-check
/** Small helpers of the views. Data only ever becomes text, never markup. */

/**
 * The element of the page with this id.
 *
 * @template {HTMLElement} [T=HTMLElement]
 * @param {string} id
 * @returns {T}
 */
export function find(id) {
  const element = document.getElementById(id);
  if (!element) throw new Error(`The page has no element ${id}.`);
  return /** @type {T} */ (element);
}

/**
 * The part of `element` that a selector names.
 *
 * @template {Element} [T=HTMLElement]
 * @param {Element | DocumentFragment} element
 * @param {string} selector
 * @returns {T}
 */
export function part(element, selector) {
  const found = element.querySelector(selector);
  if (!found) throw new Error(`There is no ${selector} in the element.`);
  return /** @type {T} */ (found);
}

/**
 * A copy of a template's element.
 *
 * @param {string} id
 * @returns {HTMLElement}
 */
export function fromTemplate(id) {
  const template = /** @type {HTMLTemplateElement} */ (find(id));
  return /** @type {HTMLElement} */ (template.content.firstElementChild?.cloneNode(true));
}

/**
 * @param {Element} element
 * @param {boolean} isShown
 */
export function show(element, isShown) {
  element.toggleAttribute("hidden", !isShown);
}

/**
 * Sets a text; the same one again would be read out again.
 *
 * @param {Element} element
 * @param {string} text
 */
export function say(element, text) {
  const target = element;
  if (target.textContent !== text) target.textContent = text;
}

/**
 * Sets a text with names in it, each in a bdi of its own.
 *
 * @param {Element} element
 * @param {import("../common/catalogue.js").Translate} t
 * @param {string} id
 * @param {Record<string, string>} names
 */
export function sayWithNames(element, t, id, names) {
  const keys = Object.keys(names);
  // private-use characters mark where the names go
  const marks = Object.fromEntries(keys.map((key, index) => [key, String.fromCodePoint(0xf0000 + index)]));
  const nodes = t(id, marks)
    .split(/([\u{f0000}-\u{f00ff}])/u)
    .filter(Boolean)
    .map((piece) => {
      const key = keys[(piece.codePointAt(0) ?? 0) - 0xf0000];
      if (key === undefined) return document.createTextNode(piece);
      return Object.assign(document.createElement("bdi"), { textContent: names[key] });
    });
  const words = nodes.map((node) => node.textContent).join("");
  if (element.textContent !== words) element.replaceChildren(...nodes);
}

/**
 * Names a control: what it is called, and what a pointer over it shows.
 *
 * @param {HTMLElement} element
 * @param {string} words
 */
export function label(element, words) {
  const target = element;
  if (target.title === words) return;
  target.setAttribute("aria-label", words);
  target.title = words;
}

/**
 * Shows another icon in an svg.
 *
 * @param {Element} svg  with a use element
 * @param {string} name
 */
export function icon(svg, name) {
  part(svg, "use").setAttribute("href", `#icon-${name}`);
}

/**
 * Puts `nodes` into `parent` in this order, and takes away what else is there; nodes that stay are not touched, so that
 * focus and selection stay too.
 *
 * @param {Element} parent
 * @param {Element[]} nodes
 */
export function arrange(parent, nodes) {
  const wanted = new Set(nodes);
  for (const child of [...parent.children]) if (!wanted.has(child)) child.remove();
  let next = parent.firstElementChild;
  for (const node of nodes) {
    if (node === next) next = next.nextElementSibling;
    else parent.insertBefore(node, next);
  }
}

/**
 * An element with attributes and children; texts stay texts. Attributes that are `null` or `false` are left out, `on…`
 * ones are listeners.
 *
 * @template {keyof HTMLElementTagNameMap} K
 * @param {K} tag
 * @param {Record<string, string | number | boolean | null | ((event: any) => void)>} [attributes]
 * @param {...(Node | string | null)} children
 * @returns {HTMLElementTagNameMap[K]}
 */
export function make(tag, attributes = {}, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (typeof value === "function") element.addEventListener(name.slice(2), value);
    else if (value !== null && value !== false) element.setAttribute(name, value === true ? "" : String(value));
  }
  element.append(...children.filter((child) => child !== null));
  return element;
}

const SVG = "http://www.w3.org/2000/svg";

/**
 * An icon of the page.
 *
 * @param {string} name
 * @param {string} [classes]
 */
export function makeIcon(name, classes = "icon") {
  const svg = document.createElementNS(SVG, "svg");
  svg.setAttribute("class", classes);
  svg.setAttribute("aria-hidden", "true");
  svg.append(document.createElementNS(SVG, "use"));
  icon(svg, name);
  return svg;
}

/**
 * A QR code: dark on light in both schemes, cameras want it so.
 *
 * @param {import("./api.js").Qr} qr
 * @param {string} words  what it is a code of
 */
export function makeQr(qr, words) {
  const svg = document.createElementNS(SVG, "svg");
  svg.setAttribute("viewBox", `0 0 ${qr.size} ${qr.size}`);
  svg.setAttribute("role", "img");
  svg.setAttribute("aria-label", words);
  svg.setAttribute("shape-rendering", "crispEdges");
  const path = document.createElementNS(SVG, "path");
  path.setAttribute("d", qr.path);
  svg.append(path);
  return make("div", { class: "qr" }, svg);
}
