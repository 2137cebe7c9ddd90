// @ts-check
/** Calls that ring, and the one that has the line. */
import { clockText } from "../call/model.js";
import { ANSWER_KEYS, answerOf } from "./answer-keys.js";
import { drawAvatar } from "../common/avatar.js";
import { arrange, find, fromTemplate, icon, label, part, say, show } from "./dom.js";
import { activeCall, ringing } from "./model.js";
import { bannerWords, isolated, ringingCard } from "./present.js";

/**
 * @typedef {object} CallActions
 * @property {(callId: string, isAudioOnly?: boolean) => void} accept
 * @property {(callId: string) => void} reject
 * @property {(callId: string) => void} hangUp
 * @property {(callId: string) => void} showCall
 * @property {(contactId: number) => void} open
 */

export class CallsView {
  #actions;
  #t;
  /** @type {Map<string, HTMLElement>} */
  #cards = new Map();
  /** @type {import("./api.js").Call | null} */
  #active = null;

  /**
   * @param {CallActions} actions
   * @param {import("../common/catalogue.js").Translate} t
   */
  constructor(actions, t) {
    this.#actions = actions;
    this.#t = t;
    const withActive = (/** @type {(call: import("./api.js").Call) => void} */ act) => () => {
      if (this.#active) act(this.#active);
    };
    find("banner-hang-up").addEventListener("click", withActive(({ id }) => actions.hangUp(id)));
    find("banner-open").addEventListener("click", withActive(({ id }) => actions.showCall(id)));
    find("banner-who").addEventListener("click", withActive(({ contactId }) => actions.open(contactId)));
    document.addEventListener("keydown", (event) => this.#key(event));
  }

  /** @param {import("./model.js").State} state */
  render(state) {
    this.#incoming(state);
    this.#banner(state);
  }

  /** Moves the timer on. @param {number} now  milliseconds since 1970 */
  tick(now) {
    const connectedAt = this.#active?.state === "connected" ? this.#active.connectedAt : null;
    show(find("banner-timer"), connectedAt !== null);
    if (connectedAt !== null) say(find("banner-timer"), clockText(now - connectedAt));
  }

  /** @param {import("./model.js").State} state */
  #incoming(state) {
    const calls = ringing(state);
    const known = new Set(calls.map(({ id }) => id));
    for (const id of this.#cards.keys()) if (!known.has(id)) this.#cards.delete(id);
    const cards = calls.map((call) => {
      const card = this.#cards.get(call.id) ?? this.#newCard(call);
      this.#fill(card, ringingCard(call, state, this.#t));
      return card;
    });
    arrange(find("incoming"), cards);
    show(find("incoming"), cards.length > 0);
  }

  /** @param {import("./api.js").Call} call */
  #newCard(call) {
    const t = this.#t;
    const card = fromTemplate("incoming-template");
    const name = call.contactName || t("chat.name.nobody");
    const media = call.media === "video" ? "camera" : "phone";
    card.setAttribute("aria-label", t("chat.incoming.card", { name: isolated(name) }));
    card.dataset.media = call.media;
    drawAvatar(part(card, ".avatar"), call.contactName);
    say(part(card, ".ringing-name bdi"), name);
    say(part(card, ".ringing-media span"), t(`chat.incoming.${call.media}`));
    icon(part(card, ".ringing-media"), media);
    part(card, '[data-action="accept"]').addEventListener("click", () => this.#actions.accept(call.id));
    part(card, '[data-action="audio"]').addEventListener("click", () => this.#actions.accept(call.id, true));
    part(card, '[data-action="reject"]').addEventListener("click", () => this.#actions.reject(call.id));
    for (const [action, key] of Object.entries(ANSWER_KEYS)) {
      const button = part(card, `[data-action="${action}"]`);
      button.setAttribute("aria-keyshortcuts", key);
      say(part(button, "kbd"), key);
    }
    this.#cards.set(call.id, card);
    return card;
  }

  /**
   * What may change while it rings.
   *
   * @param {HTMLElement} card
   * @param {import("./present.js").RingingCard} words
   */
  #fill(card, { note, accept, audioOnly, reject }) {
    show(part(card, ".ringing-note"), note !== "");
    say(part(card, ".ringing-note"), note);
    for (const [action, words] of Object.entries({ accept, audio: audioOnly, reject })) {
      const button = part(card, `[data-action="${action}"]`);
      show(button, words !== null);
      if (!words) continue;
      say(part(button, "span"), words.text);
      label(button, words.label);
      icon(button, words.icon);
    }
  }

  /** Answers the call that rings first. @param {KeyboardEvent} event */
  #key(event) {
    const [card] = find("incoming").children;
    if (!card || document.querySelector("dialog[open]")) return;
    const action = answerOf(event, { isTyping: isTyping(event.target) });
    const button = action && /** @type {HTMLElement} */ (part(card, `[data-action="${action}"]`));
    if (!button || button.hidden) return;
    event.preventDefault();
    button.click();
  }

  /** @param {import("./model.js").State} state */
  #banner(state) {
    const t = this.#t;
    const call = activeCall(state);
    this.#active = call;
    const banner = find("banner");
    show(banner, call !== null);
    if (!call) return;
    const name = call.contactName || t("chat.name.nobody");
    banner.dataset.media = call.media;
    banner.dataset.state = call.state;
    say(find("banner-name"), name);
    say(find("banner-state"), bannerWords(call, t));
    find("banner-who").title = t("chat.banner.show", { name: isolated(name) });
    find("banner-hang-up").setAttribute("aria-label", t("chat.banner.hang-up.with", { name: isolated(name) }));
    const link = /** @type {HTMLAnchorElement} */ (find("banner-link"));
    const isBlocked = state.blockedCall?.callId === call.id;
    show(link, isBlocked);
    if (state.blockedCall && isBlocked) link.href = state.blockedCall.url;
    show(find("banner-open"), !isBlocked);
    this.tick(Date.now());
  }
}

/** Whether what has the focus is written in. @param {EventTarget | null} target */
function isTyping(target) {
  return target instanceof HTMLElement && (target.isContentEditable || ["INPUT", "TEXTAREA", "SELECT"].includes(target.tagName));
}
