// @ts-check
/**
 * People: invited, found by their links, taken in, removed; and what they see of the user.
 *
 * @typedef {import("./controller.js").Parts} Parts
 * @typedef {import("./api.js").Invitation} Invitation
 */
import * as model from "./model.js";

export class PeopleController {
  #store;
  #parts;
  #open;

  /**
   * @param {import("./store.js").Store} store
   * @param {Parts} parts
   * @param {(contactId: number) => void} open  opens a conversation
   */
  constructor(store, parts, open) {
    this.#store = store;
    this.#parts = parts;
    this.#open = open;
  }

  /** @returns {Promise<Invitation>} */
  async createInvitation() {
    const invitation = await this.#store.ask("create_invitation");
    this.#store.set(model.invited(this.#store.state, invitation));
    return invitation;
  }

  /** @param {string} link */
  async connect(link) {
    const contact = await this.#store.ask("connect", { link });
    this.#store.set(model.contactCame(this.#store.state, contact));
    this.#open(contact.id);
  }

  /**
   * What a link will do; rejected with Refusal.
   *
   * @param {string} link
   * @returns {Promise<import("./api.js").Preview>}
   */
  lookUp(link) {
    return this.#store.ask("look_up_link", { link });
  }

  /**
   * Sets what contacts see of the user; rejected with Refusal.
   *
   * @param {{displayName: string} & Partial<import("./api.js").Profile>} values
   */
  async setProfile(values) {
    const profile = await this.#store.ask("set_profile", values);
    this.#store.set({ ...this.#store.state, profile });
  }

  // people who ask to connect

  /** @param {number} requestId */
  async acceptRequest(requestId) {
    try {
      const contact = await this.#store.request("accept_request", { requestId });
      this.#store.set(model.contactCame(this.#store.state, contact));
      this.#open(contact.id);
    } catch (error) {
      this.#store.failed(error);
    }
  }

  /** @param {number} requestId */
  async rejectRequest(requestId) {
    const request = this.#store.state.requests.get(requestId);
    if (!request) return;
    const { isConfirmed } = await this.#parts.view.confirm({
      title: "chat.request.reject.title",
      text: "chat.request.reject.text",
      go: "chat.request.reject.go",
      name: request.name,
    });
    if (isConfirmed) await this.#store.do("reject_request", { requestId });
  }

  /** Removes the open contact. */
  async deleteContact() {
    const contact = this.#store.opened;
    if (!contact) return;
    const isPending = contact.status === "pending";
    const { isConfirmed, isChosen } = await this.#parts.view.confirm({
      title: "chat.delete.contact.title",
      text: isPending ? "chat.delete.contact.pending" : "chat.delete.contact.text",
      go: "chat.delete.contact.go",
      choice: contact.isConnected ? "chat.delete.contact.quiet" : undefined,
      name: contact.name || this.#parts.t("chat.name.nobody"),
    });
    if (isConfirmed) await this.#store.do("delete_contact", { contactId: contact.id, isQuiet: isChosen });
  }
}
