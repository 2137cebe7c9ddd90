// @ts-check
/** A menu that a button opens: one at a time, closed by a choice, Escape, Tab or a click elsewhere. */
import { makeIcon } from "./dom.js";

/**
 * @typedef {object} Choice
 * @property {string} icon
 * @property {string} text
 * @property {boolean} [isDangerous]
 * @property {() => void} act
 */

/** @type {(() => void) | null} */
let closeOpen = null;

/**
 * Opens a menu at its button, or closes it if it is open.
 *
 * @param {HTMLElement} button  in an element of the class "menu-place"
 * @param {string} words  what the menu is called
 * @param {Choice[]} choices
 */
export function toggleMenu(button, words, choices) {
  const wasOpen = button.getAttribute("aria-expanded") === "true";
  closeOpen?.();
  if (wasOpen) return;

  const menu = document.createElement("div");
  menu.className = "menu card";
  menu.setAttribute("role", "menu");
  menu.setAttribute("aria-label", words);
  const items = choices.map((choice) => item(choice, () => close(true)));
  menu.append(...items);
  button.setAttribute("aria-expanded", "true");
  button.parentElement?.append(menu);
  // where there is no room below, it opens upwards
  const place = menu.closest(".log") ?? document.documentElement;
  menu.classList.toggle("is-above", menu.getBoundingClientRect().bottom > place.getBoundingClientRect().bottom);
  items[0]?.focus();

  /** @param {boolean} returnsFocus */
  function close(returnsFocus) {
    closeOpen = null;
    menu.remove();
    button.setAttribute("aria-expanded", "false");
    document.removeEventListener("pointerdown", outside, true);
    if (returnsFocus) button.focus();
  }

  /** @param {PointerEvent} event */
  function outside(event) {
    const target = /** @type {Node} */ (event.target);
    if (!menu.contains(target) && !button.contains(target)) close(false);
  }

  menu.addEventListener("keydown", (event) => {
    const at = items.findIndex((element) => element === document.activeElement);
    const to = { ArrowDown: at + 1, ArrowUp: at - 1 + items.length, Home: 0, End: items.length - 1 }[event.key];
    if (event.key === "Escape" || event.key === "Tab") close(true);
    else if (to !== undefined) items[to % items.length]?.focus();
    else return;
    if (event.key !== "Tab") event.preventDefault();
    event.stopPropagation();
  });
  document.addEventListener("pointerdown", outside, true);
  closeOpen = () => close(false);
}

/**
 * @param {Choice} choice
 * @param {() => void} close
 */
function item(choice, close) {
  const element = document.createElement("button");
  element.type = "button";
  element.className = choice.isDangerous ? "menu-item is-dangerous" : "menu-item";
  element.setAttribute("role", "menuitem");
  element.tabIndex = -1;
  element.append(makeIcon(choice.icon), choice.text);
  element.addEventListener("click", () => {
    close();
    choice.act();
  });
  return element;
}
