// @ts-check
/** The list of contacts. */
import { drawAvatar } from "../common/avatar.js";
import { arrange, find, fromTemplate, icon, part, say, show } from "./dom.js";
import { toggleMenu } from "./menu.js";
import { contactRows, isolated, networkWords } from "./present.js";

export class ContactsView {
  #list = find("contacts");
  /** @type {Map<number, HTMLElement>} */
  #rows = new Map();
  #open;

  /**
   * @param {{open: (contactId: number) => void, add: () => void,
   *   settings: (section: "profile" | "servers") => void, menu: () => import("./menu.js").Choice[],
   *   menuLabel: string}} actions
   */
  constructor(actions) {
    this.#open = actions.open;
    find("add").addEventListener("click", actions.add);
    find("side-add").addEventListener("click", actions.add);
    find("me").addEventListener("click", () => actions.settings("profile"));
    find("settings").addEventListener("click", () => actions.settings("servers"));
    find("side-more").addEventListener("click", () => toggleMenu(find("side-more"), actions.menuLabel, actions.menu()));
    this.#list.addEventListener("keydown", (event) => this.#key(event));
  }

  /**
   * @param {import("./model.js").State} state
   * @param {import("./present.js").Words} words
   */
  render(state, words) {
    const { t } = words;
    const name = state.profile?.displayName ?? "";
    say(find("me-name"), name);
    drawAvatar(find("me-avatar"), name, state.profile?.image);
    find("me").setAttribute("aria-label", t("chat.side.profile", { name: isolated(name) }));

    const network = networkWords(state, t);
    show(find("network"), network !== "");
    say(find("network-text"), network);

    const rows = contactRows(state, words);
    const known = new Set(rows.map(({ id }) => id));
    for (const id of this.#rows.keys()) if (!known.has(id)) this.#rows.delete(id);
    arrange(this.#list, rows.map((row) => this.#row(row, words)));
    show(this.#list, rows.length > 0);
    show(find("side-empty"), rows.length === 0 && state.requests.size === 0 && state.phase === "ready");
  }

  /** Puts the focus on a contact of the list. @param {number} contactId */
  focus(contactId) {
    this.#rows.get(contactId)?.querySelector("button")?.focus();
  }

  /**
   * @param {import("./present.js").ContactRow} row
   * @param {import("./present.js").Words} words
   */
  #row(row, { dates }) {
    const element = this.#rows.get(row.id) ?? this.#newRow(row.id);
    const button = part(element, "button");
    button.toggleAttribute("aria-current", row.isOpen);
    if (row.isOpen) button.setAttribute("aria-current", "true");
    button.classList.toggle("has-unread", row.unread > 0);
    const avatar = part(element, ".avatar");
    if (row.avatar) drawAvatar(avatar, row.avatar, row.image);
    else drawNobody(avatar);
    say(part(element, ".contact-name"), row.name);
    const time = /** @type {HTMLTimeElement} */ (part(element, ".contact-time"));
    say(time, row.time);
    time.dateTime = new Date(row.moment).toISOString();
    time.title = dates.full(row.moment);
    const image = part(element, ".contact-icon");
    image.toggleAttribute("hidden", row.icon === "");
    if (row.icon) icon(image, row.icon);
    part(element, ".contact-last").dataset.tone = row.tone;
    say(part(element, ".contact-text"), row.text);
    const missed = part(element, ".missed");
    show(missed, row.missedWords !== "");
    missed.setAttribute("aria-label", row.missedWords);
    missed.title = row.missedWords;
    say(part(missed, ".missed-count"), row.missed > 99 ? "99+" : row.missed > 1 ? String(row.missed) : "");
    const unread = part(element, ".unread");
    show(unread, row.unread > 0);
    say(unread, row.unread > 99 ? "99+" : String(row.unread));
    unread.setAttribute("role", "img");
    unread.setAttribute("aria-label", row.unreadWords);
    return element;
  }

  /** @param {number} id */
  #newRow(id) {
    const element = fromTemplate("contact-template");
    part(element, "button").addEventListener("click", () => this.#open(id));
    this.#rows.set(id, element);
    return element;
  }

  /** @param {KeyboardEvent} event */
  #key(event) {
    const buttons = [...this.#list.querySelectorAll("button")];
    const at = buttons.findIndex((button) => button === document.activeElement);
    const to = { ArrowDown: at + 1, ArrowUp: at - 1, Home: 0, End: buttons.length - 1 }[event.key];
    if (to === undefined) return;
    event.preventDefault();
    buttons[Math.min(Math.max(to, 0), buttons.length - 1)]?.focus();
  }
}

/** The picture of somebody whose name is not known. @param {HTMLElement} element */
export function drawNobody(element) {
  const drawn = element;
  drawn.textContent = "…";
  drawn.dataset.hue = "none";
}
