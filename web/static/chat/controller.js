// @ts-check
/**
 * What happens when: takes the user's acts and Python's events, asks Python, and keeps the state. It knows neither the
 * DOM nor a socket: both are handed in.
 *
 * @typedef {import("./model.js").State} State
 * @typedef {import("./api.js").Media} Media
 * @typedef {import("./api.js").Call} Call
 * @typedef {import("./api.js").Invitation} Invitation
 *
 * @typedef {object} View
 * @property {(state: State) => void} render
 * @property {(text: string) => void} announce  says something to those who do not see the page
 * @property {(tone: "bad" | "good", text: string) => void} toast
 * @property {(id: string, name: string) => void} toastWithName  good news of a contact
 * @property {(name: string) => void} askName
 * @property {(name: string, act: "call" | "accept") => Promise<boolean>} askIp
 * @property {() => void} closeIp
 * @property {(question: import("./dialogs.js").Question) => Promise<{isConfirmed: boolean, isChosen: boolean}>} confirm
 * @property {(contactId: number) => boolean} invitationUsed  whether its link was just being shown
 * @property {(contactId: number) => void} focusContact
 *
 * @typedef {object} Parts
 * @property {import("./api.js").Api} api
 * @property {View} view
 * @property {Pick<import("./call-tabs.js").CallTabs, "prepare" | "discard" | "show" | "focus" | "forget">} tabs
 * @property {{start: () => void, stop: () => void}} ringtone
 * @property {import("../common/catalogue.js").Translate} t
 * @property {(text: string) => Promise<boolean>} copyText
 * @property {(url: string) => void} replaceUrl
 */
import { RequestFailed } from "./api.js";
import { Refusal } from "./dialogs.js";
import * as model from "./model.js";

const IP_EXPOSURE = "bridge.error.ip-exposure";
const ANNOUNCED = 300;

export class Controller {
  state = model.INITIAL;
  #parts;
  #isRenderWanted = false;

  /** @param {Parts} parts */
  constructor(parts) {
    this.#parts = parts;
  }

  /** Asks for everything, and shows it. */
  async start() {
    const { api, view } = this.#parts;
    this.#render();
    try {
      this.#set(model.loaded(this.state, await api.request("state")));
      if (this.state.phase === "ready" && !this.state.profile) view.askName("");
    } catch (error) {
      this.#failed(error);
    }
  }

  // what Python says

  /** @param {Record<string, any>} message */
  receive(message) {
    if (this.#parts.api.receive(message) || typeof message.event !== "string") return;
    const before = this.state;
    this.#set(model.happened(before, message));
    this.#follow(message, before);
  }

  /** The connection to Python is gone. */
  disconnected() {
    this.#parts.api.close();
    this.#parts.tabs.discard();
    this.#set(model.over(this.state));
  }

  /**
   * What an event leads to besides the state.
   *
   * @param {Record<string, any>} event
   * @param {State} before
   */
  #follow(event, before) {
    const { view, tabs, t, replaceUrl } = this.#parts;
    switch (event.event) {
      case "contact":
        if (event.contact.status !== "pending" && view.invitationUsed(event.contact.id)) this.open(event.contact.id);
        break;
      case "contact_connected":
        view.toastWithName("chat.toast.connected", event.contact.name);
        break;
      case "contact_taken":
        view.toast("bad", t("chat.toast.taken"));
        break;
      case "item":
        this.#announce(event.item, before);
        break;
      case "item_removed":
        if (before.contacts.get(event.contactId)?.lastItem?.id === event.itemId) void this.#findLast(event.contactId);
        break;
      case "call":
        this.#callChanged(event.call, before);
        break;
      case "ip_exposure_wanted":
        void this.accept(event.callId);
        break;
      case "page_wanted":
        if (!tabs.show(event.callId, event.url)) this.#set(model.callBlocked(this.state, event.callId, event.url));
        break;
      case "next_url":
        replaceUrl(event.url);
        break;
      default:
    }
  }

  /**
   * @param {import("./api.js").Item} item
   * @param {State} before
   */
  #announce(item, before) {
    const contact = before.contacts.get(item.contactId);
    const isNew = contact && (!contact.lastItem || item.id > contact.lastItem.id);
    if (!isNew || item.kind !== "text" || item.direction !== "received") return;
    const text = (item.text ?? "").slice(0, ANNOUNCED);
    this.#parts.view.announce(this.#parts.t("chat.announce", { name: contact.name, text }));
  }

  /** @param {number} contactId */
  async #findLast(contactId) {
    try {
      const items = await this.#parts.api.request("history", { contactId, limit: 1 });
      this.#set(model.lastItemIs(this.state, contactId, items.at(-1) ?? null));
    } catch (error) {
      this.#failed(error);
    }
  }

  /**
   * @param {Call} call
   * @param {State} before
   */
  #callChanged(call, before) {
    const { view, tabs, t } = this.#parts;
    if (call.state !== "ended") return;
    tabs.forget(call.id);
    const known = before.calls.get(call.id);
    if (call.failure && known?.isActive) view.toast("bad", t(`client.failure.${call.failure}`));
    // the warning that stands before a call that is over
    if (known?.state === "ringing" && model.ringing(this.state).length === 0) view.closeIp();
  }

  // conversations

  /** @param {number} contactId */
  open(contactId) {
    if (this.state.open === contactId) return;
    this.#set(model.opened(this.state, contactId));
    const contact = this.state.contacts.get(contactId);
    if (!contact) return;
    void this.#load(contactId);
    if (contact.status === "pending") void this.#loadInvitation(contactId);
  }

  /** Back to the list. */
  close() {
    const { open } = this.state;
    this.#set(model.closed(this.state));
    // once the list is there again
    if (open !== null) queueMicrotask(() => this.#parts.view.focusContact(open));
  }

  /** @param {number} contactId @param {number} [before] */
  async #load(contactId, before) {
    try {
      const params = before === undefined ? { contactId, limit: model.PAGE } : { contactId, limit: model.PAGE, before };
      const items = await this.#parts.api.request("history", params);
      this.#set(model.historyCame(this.state, contactId, items));
    } catch (error) {
      this.#set(model.historyFailed(this.state, contactId));
      this.#failed(error);
    }
  }

  /** @param {number} contactId */
  async #loadInvitation(contactId) {
    if (this.state.invitations.has(contactId)) return;
    try {
      this.#set(model.invited(this.state, await this.#parts.api.request("invitation", { contactId })));
    } catch (error) {
      this.#failed(error);
    }
  }

  /** The user comes near the upper end of what is shown. */
  earlier() {
    const shown = model.earlier(this.state);
    if (shown !== this.state) return this.#set(shown);
    const asking = model.asking(this.state);
    if (!asking || asking.open === null) return undefined;
    this.#set(asking);
    void this.#load(asking.open, asking.log.items[0]?.id);
    return undefined;
  }

  /** The user comes near the lower end of what is shown. */
  later() {
    this.#set(model.later(this.state));
  }

  /** The user is at the newest item. */
  newest() {
    this.#set(model.newest(this.state));
  }

  /** @param {boolean} isVisible */
  visible(isVisible) {
    this.#set(model.visible(this.state, isVisible));
  }

  // texts

  /**
   * @param {number} contactId
   * @param {string} text
   */
  draft(contactId, text) {
    this.#set(model.drafted(this.state, contactId, text));
  }

  /**
   * @param {number} contactId
   * @param {string} text
   */
  async send(contactId, text) {
    this.#set(model.drafted(this.state, contactId, ""));
    try {
      this.#set(model.itemCame(this.state, await this.#parts.api.request("send_text", { contactId, text: text.trim() })));
    } catch (error) {
      // what was written is not lost, unless something else is being written
      if (!this.state.drafts.has(contactId)) this.#set(model.drafted(this.state, contactId, text));
      this.#failed(error);
    }
  }

  /** @param {number} itemId */
  async copyItem(itemId) {
    const { copyText, view, t } = this.#parts;
    const item = this.state.log.items.find(({ id }) => id === itemId);
    if (await copyText(item?.text ?? "")) view.toast("good", t("chat.copied"));
    else view.toast("bad", t("chat.copy.failed"));
  }

  /** @param {string} text @returns {Promise<boolean>} */
  async copyText(text) {
    const { copyText, view, t } = this.#parts;
    const isCopied = await copyText(text);
    if (!isCopied) view.toast("bad", t("chat.copy.failed"));
    return isCopied;
  }

  /** @param {number} itemId */
  async deleteText(itemId) {
    const item = this.state.log.items.find(({ id }) => id === itemId);
    const contact = item && this.state.contacts.get(item.contactId);
    if (!item || !contact) return;
    const canTellThem = item.direction === "sent" && contact.isConnected && !item.deleted;
    const answer = await this.#parts.view.confirm({
      title: "chat.delete.text.title",
      text: "chat.delete.text.text",
      go: "chat.delete.text.go",
      choice: canTellThem ? "chat.delete.text.everyone" : undefined,
      name: contact.name,
    });
    if (answer.isConfirmed) await this.#do("delete_item", { itemId, forEveryone: answer.isChosen });
  }

  // contacts

  /** @returns {Promise<Invitation>} */
  async createInvitation() {
    const invitation = await this.#ask("create_invitation");
    this.#set(model.invited(this.state, invitation));
    return invitation;
  }

  /** @param {string} link */
  async connect(link) {
    const contact = await this.#ask("connect", { link });
    this.#set(model.contactCame(this.state, contact));
    this.open(contact.id);
  }

  /** @param {string} displayName */
  async setName(displayName) {
    const profile = await this.#ask("set_profile", { displayName });
    this.#set({ ...this.state, profile });
  }

  /** Removes the open contact. */
  async deleteContact() {
    const contact = this.#opened();
    if (!contact) return;
    const isPending = contact.status === "pending";
    const { isConfirmed } = await this.#parts.view.confirm({
      title: "chat.delete.contact.title",
      text: isPending ? "chat.delete.contact.pending" : "chat.delete.contact.text",
      go: "chat.delete.contact.go",
      name: contact.name || this.#parts.t("chat.name.nobody"),
    });
    if (isConfirmed) await this.#do("delete_contact", { contactId: contact.id });
  }

  /** Empties the open conversation. */
  async clear() {
    const contact = this.#opened();
    if (!contact) return;
    const { isConfirmed } = await this.#parts.view.confirm({
      title: "chat.clear.title",
      text: "chat.clear.text",
      go: "chat.clear.go",
      name: contact.name,
    });
    if (isConfirmed) await this.#do("clear_history", { contactId: contact.id });
  }

  #opened() {
    return this.state.open === null ? undefined : this.state.contacts.get(this.state.open);
  }

  // calls

  /** Calls the open contact. @param {Media} media */
  async call(media) {
    const contact = this.#opened();
    if (!contact || model.callObstacle(this.state, contact)) return;
    await this.#beginCall("start_call", { contactId: contact.id, media }, contact.name, "call");
  }

  /** @param {string} callId */
  async accept(callId) {
    const call = this.state.calls.get(callId);
    if (call) await this.#beginCall("accept", { callId }, call.contactName, "accept");
  }

  /**
   * Does what opens a call's page, after the warning of the first time.
   *
   * @param {string} method
   * @param {Record<string, any>} params
   * @param {string} name
   * @param {"call" | "accept"} act
   */
  async #beginCall(method, params, name, act) {
    const { api, tabs, view } = this.#parts;
    if (!this.state.isIpExposureConfirmed) {
      if (!(await view.askIp(name, act))) return;
    }
    // still within the click: later no browser would open a tab
    if (this.state.mode === "browser") tabs.prepare();
    try {
      if (!this.state.isIpExposureConfirmed) {
        await api.request("confirm_ip_exposure");
        this.#set({ ...this.state, isIpExposureConfirmed: true });
      }
      this.#set(model.callCame(this.state, await api.request(method, params)));
    } catch (error) {
      tabs.discard();
      if (error instanceof RequestFailed && error.code === IP_EXPOSURE) {
        this.#set({ ...this.state, isIpExposureConfirmed: false });
      }
      this.#failed(error);
    }
  }

  /** @param {string} callId */
  async reject(callId) {
    await this.#do("reject", { callId });
  }

  /** @param {string} callId */
  async hangUp(callId) {
    await this.#do("hang_up", { callId });
  }

  /** Brings a call's page to the front. @param {string} callId */
  async showCall(callId) {
    const { tabs } = this.#parts;
    if (tabs.focus(callId)) return;
    if (this.state.mode === "browser") tabs.prepare();
    if (!(await this.#do("show_call", { callId }))) tabs.discard();
  }

  // asking

  /**
   * Asks; what is refused is for a dialogue to show.
   *
   * @param {string} method
   * @param {Record<string, any>} [params]
   */
  async #ask(method, params) {
    try {
      return await this.#parts.api.request(method, params);
    } catch (error) {
      throw new Refusal(this.#words(error));
    }
  }

  /**
   * Asks; what is refused is shown.
   *
   * @param {string} method
   * @param {Record<string, any>} params
   * @returns {Promise<boolean>}
   */
  async #do(method, params) {
    try {
      await this.#parts.api.request(method, params);
      return true;
    } catch (error) {
      this.#failed(error);
      return false;
    }
  }

  /** @param {unknown} error */
  #failed(error) {
    if (error instanceof RequestFailed && error.code === "closed") return; // the page says so as a whole
    this.#parts.view.toast("bad", this.#words(error));
  }

  /** @param {unknown} error */
  #words(error) {
    if (!(error instanceof RequestFailed)) throw error;
    return error.text || this.#parts.t(error.code === "timeout" ? "chat.toast.timeout" : "chat.toast.unknown");
  }

  // the state

  /** @param {State} state */
  #set(state) {
    if (state === this.state) return;
    this.state = state;
    if (model.ringing(state).length > 0) this.#parts.ringtone.start();
    else this.#parts.ringtone.stop();
    this.#render();
  }

  /** Shows the state once all that happens now has happened. */
  #render() {
    if (this.#isRenderWanted) return;
    this.#isRenderWanted = true;
    queueMicrotask(() => {
      this.#isRenderWanted = false;
      this.#parts.view.render(this.state);
    });
  }
}
