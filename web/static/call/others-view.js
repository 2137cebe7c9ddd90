// @ts-check
/** The cards of other calls that ring during this one. Nothing is decided here. */
import { drawAvatar } from "../common/avatar.js";

/**
 * @typedef {object} OtherActions
 * @property {(callId: string | number, unencrypted: boolean) => void} accept  `unencrypted`: the card said that it is
 * @property {(callId: string | number) => void} reject
 */

export class OthersView {
  #page;
  #t;
  #actions;
  #shown = "";

  /**
   * @param {Document} page
   * @param {import("../common/catalogue.js").Translate} t
   * @param {OtherActions} actions
   */
  constructor(page, t, actions) {
    this.#page = page;
    this.#t = t;
    this.#actions = actions;
  }

  /**
   * @param {import("./snapshot.js").OtherCall[]} others
   * @param {string | number | null} asked  whose card asks whether it is to be taken without encryption
   */
  render(others, asked) {
    // Built anew only when they have changed: a button must not vanish under a finger, nor be read out twice.
    const shown = JSON.stringify([others, asked]);
    if (shown === this.#shown) return;
    this.#shown = shown;
    const cards = this.#find("others");
    const hadFocus = cards.contains(this.#page.activeElement);
    cards.replaceChildren(...others.map((other) => this.#card(other, other.callId === asked)));
    // who came here by the keyboard stays, at the question
    if (hadFocus) /** @type {HTMLElement | null} */ (cards.querySelector(".is-asked button"))?.focus();
  }

  /** The key for it was pressed. @param {"accept" | "reject"} answer  @returns {boolean}  whether there is such a call */
  press(answer) {
    const button = /** @type {HTMLElement | null} */ (this.#find("others").querySelector(`[data-action="${answer}"]`));
    button?.click();
    return button !== null;
  }

  /**
   * @param {import("./snapshot.js").OtherCall} other
   * @param {boolean} isAsked
   */
  #card({ callId, contactName, media }, isAsked) {
    const t = this.#t;
    const template = /** @type {HTMLTemplateElement} */ (this.#find("other-template"));
    const card = /** @type {HTMLElement} */ (template.content.firstElementChild?.cloneNode(true));
    const part = (/** @type {string} */ selector) => /** @type {HTMLElement} */ (card.querySelector(selector));
    const name = contactName || t("call.contact");
    card.setAttribute("role", "group");
    card.setAttribute("aria-label", t("call.other.label", { name }));
    card.classList.toggle("is-asked", isAsked);
    drawAvatar(part(".avatar"), name);
    part(".other-name").textContent = name;
    part(".other-media").textContent = t(media === "video" ? "call.other.video" : "call.other.audio");
    part(".other-question").hidden = !isAsked;
    const accept = part('[data-action="accept"]');
    if (isAsked) {
      part(".other-question").textContent = t("call.other.unencrypted", { name });
      accept.textContent = t("call.other.accept.unencrypted");
      accept.classList.replace("is-good", "is-quiet");
    }
    accept.addEventListener("click", () => this.#actions.accept(callId, isAsked));
    part('[data-action="reject"]').addEventListener("click", () => this.#actions.reject(callId));
    return card;
  }

  /**
   * @param {string} id
   * @returns {HTMLElement}
   */
  #find(id) {
    const element = this.#page.getElementById(id);
    if (!element) throw new Error(`The page has no element ${id}.`);
    return element;
  }
}
