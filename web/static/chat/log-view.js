// @ts-check
/** The open conversation: its entries, and where in them the user is. */
import { arrange, find, fromTemplate, icon, label, make, part, say, sayWithNames, show } from "./dom.js";
import { toggleMenu } from "./menu.js";
import { nameOf } from "./present.js";
import { logEntries } from "./present-log.js";

/**
 * @typedef {object} LogActions
 * @property {() => void} earlier  the user comes near the upper end
 * @property {() => void} later
 * @property {() => void} newest  the user is at the lower end
 * @property {(itemId: number) => void} copy
 * @property {(itemId: number) => void} deleteText
 * @property {(media: import("./api.js").Media) => void} call
 * @property {(url: string) => void} openLink
 */

/** How near an end is, in pixels, for more to be put there. */
const NEAR = 500;
/** How far from the lower end the user may be and still go along with what comes. */
const STICKY = 60;

export class LogView {
  #log = find("log");
  #items = find("items");
  #actions;
  /** @type {Map<string, {element: HTMLElement, made: string, preview: string | null}>} */
  #entries = new Map();
  /** @type {number | null} */
  #contactId = null;
  #sticks = true;
  /** The newest item when the user went up from it. */
  #readUpTo = 0;
  #lastId = 0;
  #hasLater = false;

  /** @param {LogActions} actions */
  constructor(actions) {
    this.#actions = actions;
    this.#log.addEventListener("scroll", () => this.#scrolled(), { passive: true });
    find("newest").addEventListener("click", () => {
      this.#sticks = true;
      actions.newest();
      this.#toEnd();
      this.#log.focus({ preventScroll: true });
    });
    // what the user reads stays where it is when the window or the field below changes
    new ResizeObserver(() => this.#settle()).observe(this.#log);
  }

  /**
   * @param {import("./model.js").State} state
   * @param {import("./present.js").Words} words
   */
  render(state, words) {
    const contact = state.open === null ? undefined : state.contacts.get(state.open);
    const isOther = state.open !== this.#contactId;
    this.#contactId = state.open;
    if (isOther) {
      this.#sticks = true;
      this.#entries.clear();
    }
    show(find("log-older"), state.log.isLoading && state.log.isLoaded);
    if (!contact) return this.#items.replaceChildren();

    const last = state.log.items.at(-1);
    const isOwnNew = !isOther && last !== undefined && last.id > this.#lastId && last.direction === "sent" && last.kind === "text";
    if (isOwnNew) this.#sticks = true;
    this.#lastId = last?.id ?? 0;
    this.#hasLater = state.log.end < state.log.items.length;

    const anchor = this.#sticks ? null : this.#anchor();
    const entries = logEntries(state, words);
    const known = new Set(entries.map(({ key }) => key));
    for (const key of this.#entries.keys()) if (!known.has(key)) this.#entries.delete(key);
    const name = nameOf(contact, words);
    arrange(this.#items, entries.map((entry) => this.#element(entry, name, words)));

    if (isOwnNew && this.#hasLater) queueMicrotask(() => this.#actions.newest());
    if (this.#sticks) this.#toEnd();
    else if (anchor?.element.isConnected) this.#log.scrollTop += anchor.element.getBoundingClientRect().top - anchor.top;
    this.#jump(state, words);
    // at the very end no scrolling tells of the wish for more
    const hasEarlier = state.log.start > 0 || (state.log.hasOlder && !state.log.isLoading);
    if (state.log.isLoaded && hasEarlier && this.#log.scrollTop < NEAR) queueMicrotask(() => this.#actions.earlier());
    return undefined;
  }

  /** The first entry in sight that stays whatever comes before it (a day's heading may not), and where it stands. */
  #anchor() {
    const edge = this.#log.getBoundingClientRect().top;
    for (const element of this.#items.querySelectorAll(":scope > :not(.day)")) {
      const { top, bottom } = element.getBoundingClientRect();
      if (bottom > edge) return { element, top };
    }
    return null;
  }

  #toEnd() {
    this.#log.scrollTop = this.#log.scrollHeight;
  }

  #settle() {
    if (this.#sticks) this.#toEnd();
  }

  #scrolled() {
    const { scrollTop, scrollHeight, clientHeight } = this.#log;
    const rest = scrollHeight - clientHeight - scrollTop;
    const sticks = rest < STICKY && !this.#hasLater;
    if (sticks !== this.#sticks) {
      this.#sticks = sticks;
      this.#readUpTo = this.#lastId;
      show(find("newest"), !sticks);
      say(find("newest-text"), "");
    }
    if (scrollTop < NEAR) this.#actions.earlier();
    if (rest < NEAR && this.#hasLater) this.#actions.later();
    else if (sticks) this.#actions.newest();
  }

  /**
   * @param {import("./model.js").State} state
   * @param {import("./present.js").Words} words
   */
  #jump(state, { t }) {
    const button = find("newest");
    show(button, !this.#sticks);
    label(button, t("chat.log.newest"));
    if (this.#sticks) return;
    const count = state.log.items.filter(({ id, direction }) => id > this.#readUpTo && direction === "received").length;
    say(find("newest-text"), count > 0 ? t("chat.log.newest.unread", { count }) : "");
  }

  /**
   * @param {import("./present-log.js").Entry} entry
   * @param {string} name  the contact's
   * @param {import("./present.js").Words} words
   */
  #element(entry, name, words) {
    const preview = entry.kind === "text" ? entry.preview : null;
    // without the preview, which may be long
    const made = JSON.stringify([preview === null ? entry : { ...entry, preview: "" }, name]);
    const old = this.#entries.get(entry.key);
    if (old?.made === made && old.preview === preview) return old.element;
    const element = this.#build(entry, name, words);
    // a menu that is open, or a button that has the focus, outlives a change of the words beside it
    const focused = old?.element.contains(document.activeElement) ? document.activeElement?.className : undefined;
    old?.element.replaceWith(element);
    if (focused) /** @type {HTMLElement | null} */ (element.getElementsByClassName(focused)[0])?.focus({ preventScroll: true });
    this.#entries.set(entry.key, { element, made, preview });
    return element;
  }

  /**
   * @param {import("./present-log.js").Entry} entry
   * @param {string} name
   * @param {import("./present.js").Words} words
   */
  #build(entry, name, words) {
    switch (entry.kind) {
      case "day": {
        const element = fromTemplate("day-template");
        stamp(part(element, "time"), entry.text, entry.moment, words);
        return element;
      }
      case "note": {
        const element = fromTemplate("notice-template");
        sayWithNames(part(element, "p"), words.t, entry.id, entry.names);
        return element;
      }
      case "call":
        return this.#call(entry, name, words);
      case "text":
        return this.#text(entry, name, words);
    }
  }

  /**
   * @param {import("./present-log.js").TextEntry} entry
   * @param {string} name
   * @param {import("./present.js").Words} words
   */
  #text(entry, name, words) {
    const { t } = words;
    const element = fromTemplate("text-template");
    element.classList.toggle("is-own", entry.isOwn);
    element.classList.toggle("is-first", entry.isFirst);
    element.classList.toggle("is-last", entry.isLast);
    element.classList.toggle("is-deleted", entry.isDeleted);
    say(part(element, ".bubble-author"), entry.isOwn ? t("chat.item.you") : name);
    part(element, ".bubble-text").replaceChildren(...entry.segments.map((segment) => segmentNode(segment, this.#actions.openLink)));
    const preview = /** @type {HTMLImageElement} */ (part(element, ".bubble-preview"));
    show(preview, entry.preview !== null);
    if (entry.preview) {
      preview.src = entry.preview;
      // what is read stays in sight when it has got its size
      preview.addEventListener("load", () => this.#settle());
      // it only began like a picture
      preview.addEventListener("error", () => {
        show(preview, false);
        say(part(element, ".bubble-file span"), entry.fileAlone);
      });
    }
    show(part(element, ".bubble-text"), entry.segments.some(({ text }) => text !== ""));
    show(part(element, ".bubble-file"), entry.file !== "");
    say(part(element, ".bubble-file span"), entry.file);
    show(part(element, ".bubble-edited"), entry.isEdited);
    stamp(part(element, "time"), entry.time, entry.moment, words);
    const delivery = part(element, ".bubble-delivery");
    show(delivery, entry.delivery !== null);
    if (entry.delivery) {
      label(delivery, entry.delivery.words);
      icon(delivery, entry.delivery.icon);
    }
    show(part(element, ".item-failure"), entry.failure !== "");
    say(part(element, ".item-failure"), entry.failure);
    const more = part(element, ".item-more");
    more.addEventListener("click", () => {
      const choices = [
        { icon: "trash", text: t("chat.menu.delete-text"), isDangerous: true, act: () => this.#actions.deleteText(entry.itemId) },
      ];
      const copy = { icon: "copy", text: t("chat.menu.copy"), isDangerous: false, act: () => this.#actions.copy(entry.itemId) };
      toggleMenu(more, t("chat.menu.label"), entry.isDeleted ? choices : [copy, ...choices]);
    });
    return element;
  }

  /**
   * @param {import("./present-log.js").CallEntry} entry
   * @param {string} name
   * @param {import("./present.js").Words} words
   */
  #call(entry, name, words) {
    const { t } = words;
    const element = fromTemplate("call-template");
    element.classList.toggle("is-own", entry.isOwn);
    element.dataset.tone = entry.tone;
    part(element, ".entry-media").setAttribute("href", `#icon-${entry.icon}`);
    part(element, ".entry-way").setAttribute("href", `#icon-${entry.arrow}`);
    say(part(element, ".entry-title"), entry.title);
    const duration = part(element, ".entry-duration");
    show(duration, entry.duration !== "");
    say(duration, entry.duration);
    duration.setAttribute("aria-label", t("chat.entry.duration", { duration: entry.duration }));
    stamp(part(element, "time"), entry.time, entry.moment, words);
    const again = part(element, ".entry-again");
    show(again, entry.again !== "");
    say(part(again, "span"), entry.again);
    icon(again, entry.icon);
    again.title = t(`chat.call.again.${entry.media}`, { name });
    again.addEventListener("click", () => this.#actions.call(entry.media));
    return element;
  }
}

/**
 * @param {HTMLElement} element  a time
 * @param {string} text
 * @param {number} moment
 * @param {import("./present.js").Words} words
 */
function stamp(element, text, moment, { dates }) {
  say(element, text);
  Object.assign(element, { dateTime: new Date(moment).toISOString(), title: dates.full(moment) });
}

/**
 * A part of a text. A web address is no real link: it is opened only after a question, whatever key or button is used.
 *
 * @param {import("./present-log.js").Segment} segment
 * @param {(url: string) => void} open
 */
function segmentNode({ text, href }, open) {
  if (!href) return document.createTextNode(text);
  return make(
    "a",
    {
      role: "link",
      tabindex: 0,
      onclick: () => open(href),
      onkeydown: (/** @type {KeyboardEvent} */ event) => {
        if (event.key !== "Enter") return;
        // or the same press answers the question
        event.preventDefault();
        open(href);
      },
    },
    text,
  );
}
