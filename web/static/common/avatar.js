// @ts-check
/** A contact's picture where there is none: initials on a colour that stays the same for the same name. */

const HUES = 8;

/**
 * One or two letters of a name: "Ada Lovelace" → "AL".
 *
 * @param {string} name
 * @returns {string}
 */
export function initials(name) {
  const words = name.trim().split(/[\s_.-]+/u).filter((word) => /[\p{L}\p{N}]/u.test(word));
  const letters = [words[0], words.length > 1 ? words.at(-1) : undefined].map(
    (word) => [...(word ?? "")].find((letter) => /[\p{L}\p{N}]/u.test(letter)) ?? "",
  );
  return letters.join("").toLocaleUpperCase() || "?";
}

/**
 * Which of the hues of base.css a name has (0 … 7).
 *
 * @param {string} name
 * @returns {number}
 */
export function hue(name) {
  let hash = 0;
  for (const letter of name) hash = (hash * 31 + (letter.codePointAt(0) ?? 0)) >>> 0;
  return hash % HUES;
}

const PICTURE = /^data:image\/(?:jpg|jpeg|png);base64,[\w+/=]+$/u;

/**
 * Draws the avatar of `name` into `element` (class "avatar"): the picture where there is one that can be shown.
 *
 * @param {HTMLElement} element
 * @param {string} name
 * @param {string | null} [image]  a data: URL
 */
export function drawAvatar(element, name, image = null) {
  const drawn = element;
  drawn.dataset.hue = String(hue(name));
  if (!image || !PICTURE.test(image)) {
    drawn.textContent = initials(name);
    return;
  }
  const shown = drawn.querySelector("img");
  if (shown?.src === image) return;
  const picture = document.createElement("img");
  picture.alt = "";
  picture.draggable = false;
  picture.addEventListener("error", () => drawAvatar(drawn, name));
  picture.src = image;
  drawn.replaceChildren(picture);
}
