// @ts-check
/**
 * The open conversation: opened, read, written in.
 *
 * @typedef {import("./controller.js").Parts} Parts
 */
import * as log from "./log-model.js";
import * as model from "./model.js";

export class ConversationController {
  #store;
  #parts;

  /**
   * @param {import("./store.js").Store} store
   * @param {Parts} parts
   */
  constructor(store, parts) {
    this.#store = store;
    this.#parts = parts;
  }

  /** @param {number} contactId */
  open(contactId) {
    const store = this.#store;
    if (store.state.open === contactId) return;
    store.set(model.opened(store.state, contactId));
    const contact = store.state.contacts.get(contactId);
    if (!contact) return;
    void this.#load(contactId);
    if (contact.status === "pending") void this.#loadInvitation(contactId);
  }

  /** Back to the list. */
  close() {
    const { open } = this.#store.state;
    this.#store.set(model.closed(this.#store.state));
    // once the list is there again
    if (open !== null) queueMicrotask(() => this.#parts.view.focusContact(open));
  }

  /** @param {number} contactId @param {number} [before] */
  async #load(contactId, before) {
    const store = this.#store;
    try {
      const params = before === undefined ? { contactId, limit: log.PAGE } : { contactId, limit: log.PAGE, before };
      const items = await store.request("history", params);
      store.set(log.historyCame(store.state, contactId, items));
    } catch (error) {
      store.set(log.historyFailed(store.state, contactId));
      store.failed(error);
    }
  }

  /** @param {number} contactId */
  async #loadInvitation(contactId) {
    const store = this.#store;
    if (store.state.invitations.has(contactId)) return;
    try {
      const invitation = await store.request("invitation", { contactId });
      store.set(model.invited(store.state, invitation));
    } catch (error) {
      store.failed(error);
    }
  }

  /** The user comes near the upper end of what is shown. */
  earlier() {
    const store = this.#store;
    const shown = log.earlier(store.state);
    if (shown !== store.state) return store.set(shown);
    const asking = log.asking(store.state);
    if (!asking || asking.open === null) return undefined;
    store.set(asking);
    void this.#load(asking.open, asking.log.items[0]?.id);
    return undefined;
  }

  /** The user comes near the lower end of what is shown. */
  later() {
    this.#store.set(log.later(this.#store.state));
  }

  /** The user is at the newest item. */
  newest() {
    this.#store.set(log.newest(this.#store.state));
  }

  // texts

  /**
   * @param {number} contactId
   * @param {string} text
   */
  draft(contactId, text) {
    this.#store.set(model.drafted(this.#store.state, contactId, text));
  }

  /**
   * @param {number} contactId
   * @param {string} text
   */
  async send(contactId, text) {
    const store = this.#store;
    store.set(model.drafted(store.state, contactId, ""));
    try {
      const item = await store.request("send_text", { contactId, text: text.trim() });
      store.set(model.itemCame(store.state, item));
    } catch (error) {
      // what was written is not lost, unless something else is being written
      if (!store.state.drafts.has(contactId)) store.set(model.drafted(store.state, contactId, text));
      store.failed(error);
    }
  }

  /** @param {number} itemId */
  async copyItem(itemId) {
    const { copyText, view, t } = this.#parts;
    const item = this.#store.state.log.items.find(({ id }) => id === itemId);
    if (await copyText(item?.text ?? "")) view.toast("good", t("chat.copied"));
    else view.toast("bad", t("chat.copy.failed"));
  }

  /** @param {number} itemId */
  async deleteText(itemId) {
    const { state } = this.#store;
    const item = state.log.items.find(({ id }) => id === itemId);
    const contact = item && state.contacts.get(item.contactId);
    if (!item || !contact) return;
    const canTellThem = item.direction === "sent" && contact.isConnected && !item.deleted;
    const answer = await this.#parts.view.confirm({
      title: "chat.delete.text.title",
      text: "chat.delete.text.text",
      go: "chat.delete.text.go",
      choice: canTellThem ? "chat.delete.text.everyone" : undefined,
      name: contact.name,
    });
    if (answer.isConfirmed) await this.#store.do("delete_item", { itemId, forEveryone: answer.isChosen });
  }

  /** Opens a web address of a text outside of here, once the user has seen where it leads. @param {string} url */
  async openLink(url) {
    const { isConfirmed } = await this.#parts.view.confirm({
      title: "chat.link.title",
      text: "chat.link.text",
      go: "chat.link.go",
      name: url,
      isHarmless: true,
    });
    if (isConfirmed) this.#parts.openUrl(url);
  }

  /** Empties the open conversation. */
  async clear() {
    const contact = this.#store.opened;
    if (!contact) return;
    const { isConfirmed } = await this.#parts.view.confirm({
      title: "chat.clear.title",
      text: "chat.clear.text",
      go: "chat.clear.go",
      name: contact.name,
    });
    if (isConfirmed) await this.#store.do("clear_history", { contactId: contact.id });
  }

  /** Finds a contact's newest item after it was removed. @param {number} contactId */
  async findLast(contactId) {
    const store = this.#store;
    try {
      const items = await store.request("history", { contactId, limit: 1 });
      store.set(model.lastItemIs(store.state, contactId, items.at(-1) ?? null));
    } catch (error) {
      store.failed(error);
    }
  }
}
