// @ts-check
/** Short messages that come and go: faults and good news. */
import { find, fromTemplate, icon, part } from "./dom.js";

const QUIET_MS = 5000;
const LOUD_MS = 12_000;
const MOST = 4;

/**
 * @param {string | Node} content
 * @param {"bad" | "good"} tone
 */
export function toast(content, tone) {
  const place = find(tone === "bad" ? "toasts-loud" : "toasts-quiet");
  const element = fromTemplate("toast-template");
  element.classList.add(tone === "bad" ? "is-bad" : "is-good-news");
  icon(part(element, ".icon"), tone === "bad" ? "alert" : "check");
  part(element, "p").append(content);
  // the same again takes the old one's place
  for (const other of [...place.children]) {
    if (other.querySelector("p")?.textContent === element.querySelector("p")?.textContent) other.remove();
  }
  while (place.children.length >= MOST) place.firstElementChild?.remove();
  place.append(element);
  /** @type {ReturnType<typeof setTimeout>} */
  let timer;
  const wait = () => {
    timer = setTimeout(() => element.remove(), tone === "bad" ? LOUD_MS : QUIET_MS);
  };
  const rest = () => clearTimeout(timer);
  // who reads it, or is at its button, has all the time
  element.addEventListener("pointerenter", rest);
  element.addEventListener("pointerleave", wait);
  element.addEventListener("focusin", rest);
  element.addEventListener("focusout", wait);
  part(element, "button").addEventListener("click", () => element.remove());
  wait();
}
