// @ts-check
/** A link to hand on: its QR code, the link in its short and its full form, and a button that copies it. */
import { part, say, show } from "./dom.js";

const DONE_MS = 2500;

/**
 * Puts a link to share into `place`.
 *
 * @param {HTMLElement} place
 * @param {import("./api.js").Address} address
 * @param {import("../common/catalogue.js").Translate} t
 * @param {(text: string) => Promise<boolean>} copy
 * @param {"invitation" | "address"} [kind]
 */
export function showShare(place, { link, fullLink, qr }, t, copy, kind = "invitation") {
  const target = place;
  if (target.dataset.link === link) return;
  target.dataset.link = link;
  const content = /** @type {HTMLTemplateElement} */ (document.getElementById("share-template")).content;
  const share = /** @type {DocumentFragment} */ (content.cloneNode(true));
  part(share, ".qr svg").setAttribute("viewBox", `0 0 ${qr.size} ${qr.size}`);
  part(share, ".qr path").setAttribute("d", qr.path);
  const field = /** @type {HTMLInputElement} */ (part(share, ".share-field"));
  field.value = link;
  if (kind === "address") {
    part(share, ".qr svg").setAttribute("aria-label", t("chat.address.qr"));
    field.setAttribute("aria-label", t("chat.address.link"));
  }
  // apps of before short links need the full one
  const full = part(share, ".share-full");
  show(full, Boolean(fullLink) && fullLink !== link);
  const box = /** @type {HTMLInputElement} */ (part(full, "input"));
  box.addEventListener("change", () => {
    field.value = box.checked ? fullLink : link;
  });
  field.addEventListener("focus", () => field.select());
  const button = part(share, ".share-copy");
  const words = part(button, "span");
  say(words, t("chat.add.copy"));
  words.setAttribute("aria-live", "polite");
  /** @type {ReturnType<typeof setTimeout> | undefined} */
  let timer;
  button.addEventListener("click", async () => {
    if (!(await copy(field.value))) return;
    clearTimeout(timer);
    button.classList.add("is-done");
    say(words, t("chat.copied"));
    timer = setTimeout(() => {
      button.classList.remove("is-done");
      say(words, t("chat.add.copy"));
    }, DONE_MS);
  });
  target.replaceChildren(share);
}

/**
 * Copies a text. Where the engine does not give pages the clipboard, the older way is tried.
 *
 * @param {string} text
 * @returns {Promise<boolean>}  whether it is in the clipboard
 */
export async function copyText(text) {
  try {
    await navigator.clipboard.writeText(text);
    return true;
  } catch {
    const before = document.activeElement;
    const field = document.createElement("textarea");
    field.className = "visually-hidden";
    field.value = text;
    // within an open dialog nothing outside of it can be selected
    (document.querySelector("dialog[open]") ?? document.body).append(field);
    field.select();
    const isCopied = document.execCommand("copy");
    field.remove();
    if (before instanceof HTMLElement) before.focus();
    return isCopied;
  }
}
