// @ts-check
/** Texts and reactions in the call: a panel beside the pictures, and what rises over them. */

/**
 * @typedef {object} TextActions
 * @property {(text: string) => boolean} send  whether it was sent
 * @property {(emoji: string) => boolean} react
 */

export class TextsView {
  #page;
  #t;
  #actions;
  #read = 0;
  #shown = 0;
  /** @type {Set<string>} */
  #risen = new Set();
  /** @type {import("./snapshot.js").Snapshot | null} */
  #snapshot = null;

  /**
   * @param {Document} page
   * @param {import("../common/catalogue.js").Translate} t
   * @param {TextActions} actions
   */
  constructor(page, t, actions) {
    this.#page = page;
    this.#t = t;
    this.#actions = actions;
    this.#listen();
  }

  /** @param {import("./snapshot.js").Snapshot} snapshot */
  render(snapshot) {
    this.#snapshot = snapshot;
    const { canChat, messages, reactions } = snapshot;
    this.#show("texts-open", canChat || messages.length > 0);
    this.#show("reactions-open", canChat);
    if (!canChat && messages.length === 0) this.#show("texts", false);
    /** @type {HTMLButtonElement} */ (this.#find("texts-send")).disabled = !canChat;
    this.#log(messages);
    this.#count(messages);
    for (const reaction of reactions) this.#rise(reaction);
    if (reactions.length === 0) this.#risen.clear();
  }

  /** Opens the panel, or closes it. */
  toggle() {
    if (this.#find("texts-open").hasAttribute("hidden")) return;
    const opens = this.#find("texts").hasAttribute("hidden");
    this.#show("texts", opens);
    this.#find("texts-open").setAttribute("aria-expanded", String(opens));
    if (this.#snapshot) this.#count(this.#snapshot.messages);
    if (opens) this.#find("texts-input").focus();
    else this.#find("texts-open").focus();
  }

  /** @returns {boolean}  whether there was something to close */
  close() {
    if (this.#find("texts").hasAttribute("hidden")) return false;
    this.toggle();
    return true;
  }

  /** Opens the choice of reactions, or closes it. */
  toggleReactions() {
    if (!this.#find("reactions-open").hasAttribute("hidden")) this.#find("reactions").togglePopover();
  }

  #listen() {
    this.#find("texts-open").addEventListener("click", () => this.toggle());
    this.#find("texts-close").addEventListener("click", () => this.toggle());
    const input = /** @type {HTMLTextAreaElement} */ (this.#find("texts-input"));
    const send = () => {
      if (input.value.trim() !== "" && this.#actions.send(input.value.trim())) input.value = "";
    };
    this.#find("texts-form").addEventListener("submit", (event) => {
      event.preventDefault();
      send();
    });
    input.addEventListener("keydown", (event) => {
      if (event.key !== "Enter" || event.shiftKey || event.isComposing) return;
      event.preventDefault();
      send();
    });
    const reactions = this.#find("reactions");
    reactions.addEventListener("click", (event) => {
      const emoji = /** @type {HTMLElement} */ (event.target).dataset.emoji;
      if (!emoji) return;
      this.#actions.react(emoji);
      reactions.hidePopover();
    });
    reactions.addEventListener("toggle", (event) => {
      if (/** @type {ToggleEvent} */ (event).newState === "open") /** @type {HTMLElement} */ (reactions.firstElementChild)?.focus();
    });
  }

  /** @param {import("./conversation.js").CallText[]} messages */
  #log(messages) {
    const log = this.#find("texts-log");
    const known = new Set([...log.children].map((item) => /** @type {HTMLElement} */ (item).dataset.id));
    for (const { id, isOurs, text, at } of messages) {
      const key = `${isOurs ? "o" : "t"}${id}`;
      if (known.has(key)) continue;
      const item = this.#page.createElement("li");
      item.className = isOurs ? "text is-ours" : "text";
      item.dataset.id = key;
      const words = Object.assign(this.#page.createElement("p"), { textContent: text });
      const time = new Date(at).toLocaleTimeString(this.#page.documentElement.lang || undefined, { timeStyle: "short" });
      const stamp = Object.assign(this.#page.createElement("time"), { textContent: time });
      const who = isOurs ? this.#t("call.texts.you") : this.#snapshot?.call.contactName || this.#t("call.contact");
      const name = Object.assign(this.#page.createElement("span"), { className: "visually-hidden", textContent: `${who}: ` });
      words.prepend(name);
      item.append(words, stamp);
      log.append(item);
      item.scrollIntoView({ block: "nearest" });
    }
    while (log.children.length > messages.length) log.firstElementChild?.remove();
    this.#show("texts-none", messages.length === 0);
  }

  /** What came and was not seen. @param {import("./conversation.js").CallText[]} messages */
  #count(messages) {
    const received = messages.filter(({ isOurs }) => !isOurs).length;
    if (!this.#find("texts").hasAttribute("hidden")) this.#read = received;
    const unread = Math.max(0, received - this.#read);
    if (unread === this.#shown && this.#find("texts-open").getAttribute("aria-label")) return;
    this.#shown = unread;
    const label = unread > 0 ? this.#t("call.texts.unread", { count: unread }) : this.#t("call.texts");
    this.#find("texts-open").setAttribute("aria-label", label);
    this.#find("texts-open").title = this.#t("call.shortcut", { label, key: "C" });
    this.#find("texts-count").textContent = unread > 0 ? String(unread) : "";
    this.#show("texts-count", unread > 0);
  }

  /** @param {import("./conversation.js").Reaction} reaction */
  #rise({ id, emoji, isOurs }) {
    const key = `${isOurs ? "o" : "t"}${id}`;
    if (this.#risen.has(key)) return;
    this.#risen.add(key);
    const risen = Object.assign(this.#page.createElement("span"), { className: isOurs ? "reaction is-ours" : "reaction", textContent: emoji });
    const who = isOurs ? this.#t("call.texts.you") : this.#snapshot?.call.contactName || this.#t("call.contact");
    risen.setAttribute("role", "img");
    risen.setAttribute("aria-label", `${who}: ${emoji}`);
    risen.addEventListener("animationend", () => risen.remove());
    this.#find("risen").append(risen);
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

  /**
   * @param {string} id
   * @param {boolean} isShown
   */
  #show(id, isShown) {
    this.#find(id).toggleAttribute("hidden", !isShown);
  }
}
