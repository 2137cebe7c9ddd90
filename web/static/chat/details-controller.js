// @ts-check
/**
 * The panel of a contact: looked at, compared, changed.
 *
 * @typedef {import("./controller.js").Parts} Parts
 */
import * as model from "./model.js";

export class DetailsController {
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

  /** Opens the panel of the open contact. */
  open() {
    const contact = this.#store.opened;
    if (!contact || contact.status === "pending") return;
    this.#store.set(model.detailsShown(this.#store.state, contact.id));
    void this.refresh(contact.id);
  }

  close() {
    this.#store.set(model.detailsShown(this.#store.state, null));
  }

  /** Fetches anew what the panel shows, if it shows this contact. @param {number} contactId */
  async refresh(contactId) {
    const store = this.#store;
    if (store.state.details?.contactId !== contactId) return;
    try {
      const details = await store.request("details", { contactId });
      store.set(model.detailsCame(store.state, details));
    } catch (error) {
      store.failed(error);
    }
  }

  /** Compares the contact's security code; none takes the mark away. @param {string | null} code */
  async verify(code) {
    const contactId = this.#store.state.details?.contactId;
    if (contactId === undefined) return;
    try {
      const details = await this.#store.request("verify", code === null ? { contactId } : { contactId, code });
      const compared = code === null ? "" : details.isSame ? "same" : "other";
      this.#store.set(model.detailsCame(this.#store.state, details, compared));
    } catch (error) {
      this.#store.failed(error);
    }
  }

  /** Agrees on new keys with the contact. */
  async synchronize() {
    const contact = this.#contact();
    if (!contact) return;
    const { isConfirmed } = await this.#parts.view.confirm({
      title: "chat.sync.title",
      text: "chat.sync.text",
      go: "chat.sync.go",
      name: contact.name,
    });
    if (isConfirmed) await this.#change("synchronize", { contactId: contact.id });
  }

  /** Receives from the contact through another queue. */
  async switchQueue() {
    const contact = this.#contact();
    if (!contact) return;
    const { isConfirmed } = await this.#parts.view.confirm({
      title: "chat.switch.title",
      text: "chat.switch.text",
      go: "chat.switch.go",
      name: contact.name,
    });
    if (isConfirmed) await this.#change("switch_queue", { contactId: contact.id });
  }

  /** Keeps the queue that was to be replaced. */
  async keepQueue() {
    const contact = this.#contact();
    if (contact) await this.#change("abort_switching", { contactId: contact.id });
  }

  /** @param {import("./present-details.js").CallsWish} wish */
  async allowCalls(wish) {
    const contact = this.#contact();
    if (!contact) return;
    const contactId = contact.id;
    const isAudioOnly = wish === "audio";
    if (isAudioOnly !== Boolean(contact.audioOnly)) {
      await this.#store.do("set_audio_only", { contactId, isOn: isAudioOnly });
    }
    // who is to be called with audio only is to be called
    const isAllowed = { profile: null, yes: true, audio: true, no: false }[wish];
    const stays = isAudioOnly && contact.callPermission !== "we-refuse";
    if (stays) await this.refresh(contactId);
    else await this.#change("set_calls_allowed", { contactId, isAllowed });
  }

  /** @param {import("./present-details.js").RouteChoice} choice */
  async chooseRoute(choice) {
    const contact = this.#contact();
    if (!contact) return;
    const relay = { settings: null, relay: true, direct: false }[choice];
    await this.#change("set_call_route", { contactId: contact.id, relay });
  }

  /** @param {boolean} isOn */
  async setQuantumResistance(isOn) {
    const contact = this.#contact();
    if (contact) await this.#change("set_quantum_resistance", { contactId: contact.id, isOn });
  }

  #contact() {
    const { contacts, details } = this.#store.state;
    return details ? contacts.get(details.contactId) : undefined;
  }

  /** @param {string} method @param {Record<string, any> & {contactId: number}} params */
  async #change(method, params) {
    await this.#store.do(method, params);
    // as it stands now, also where it was refused
    await this.refresh(params.contactId);
  }
}
