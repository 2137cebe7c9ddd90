// @ts-check
/**
 * What happens when: takes the user's acts and Python's events, asks Python, and keeps the state. It knows neither the
 * DOM nor a socket: both are handed in.
 *
 * @typedef {import("./model.js").State} State
 *
 * @typedef {object} View
 * @property {(state: State) => void} render
 * @property {(text: string) => void} announce  says something to those who do not see the page
 * @property {(tone: "bad" | "good", text: string) => void} toast
 * @property {(id: string, name: string) => void} toastWithName  good news of a contact
 * @property {() => void} askName
 * @property {() => void} askServers
 * @property {(locked: import("./unlock-view.js").Locked) => void} askPassphrase
 * @property {(locked: import("./unlock-view.js").Locked) => void} askProtection
 * @property {(name: string, act: "call" | "accept", hasRelay: boolean) => Promise<"direct" | "relay" | null>} askIp
 * @property {() => void} closeIp
 * @property {(question: import("./dialogs.js").Question) => Promise<{isConfirmed: boolean, isChosen: boolean}>} confirm
 * @property {(contactId: number) => boolean} invitationUsed  whether its link was just being shown
 * @property {(contactId: number) => void} focusContact
 *
 * @typedef {object} Parts
 * @property {import("./api.js").Api} api
 * @property {View} view
 * @property {Pick<import("./call-tabs.js").CallTabs, "prepare" | "discard" | "show" | "focus" | "forget">} tabs
 * @property {{start: (percent: number) => void, stop: () => void, try: (percent: number) => void}} ringtone
 * @property {import("../common/catalogue.js").Translate} t
 * @property {(text: string) => Promise<boolean>} copyText
 * @property {(url: string) => void} openUrl  in the user's browser
 * @property {(url: string) => void} replaceUrl
 * @property {() => void} reload
 */
import { CallsController } from "./calls-controller.js";
import { ConversationController } from "./conversation-controller.js";
import { DetailsController } from "./details-controller.js";
import * as model from "./model.js";
import { PeopleController } from "./people-controller.js";
import { shortText } from "./present.js";
import { SettingsController } from "./settings-controller.js";
import { Store } from "./store.js";

const ANNOUNCED = 300;

export class Controller {
  #parts;
  #store;
  #isRenderWanted = false;
  #isRinging = false;
  /** @type {Map<number, number>} */
  #readUpTo = new Map();

  /** @param {Parts} parts */
  constructor(parts) {
    this.#parts = parts;
    this.#store = new Store(
      parts.api,
      (state) => this.#changed(state),
      (text) => parts.view.toast("bad", text),
      parts.t,
    );
    this.conversation = new ConversationController(this.#store, parts);
    this.calls = new CallsController(this.#store, parts);
    this.people = new PeopleController(this.#store, parts, (id) => this.conversation.open(id));
    this.details = new DetailsController(this.#store, parts);
    this.settings = new SettingsController(this.#store, parts);
  }

  /** What the page knows now. */
  get state() {
    return this.#store.state;
  }

  /** Asks for everything, and shows it. */
  async start() {
    const store = this.#store;
    this.#render();
    try {
      const snapshot = await store.request("state");
      if ("locked" in snapshot) {
        if (snapshot.isProtectionWanted) this.#parts.view.askProtection(snapshot);
        else this.#parts.view.askPassphrase(snapshot);
        return;
      }
      // first: what is not to ring does not
      await this.calls.loadSettings();
      store.set(model.loaded(store.state, snapshot));
      if (snapshot.storageProblem) this.#parts.view.toast("bad", snapshot.storageProblem);
      this.askWhatIsMissing();
    } catch (error) {
      store.failed(error);
    }
  }

  /** Asks for what nothing can be done without: a name, and servers. */
  askWhatIsMissing() {
    const { phase, profile, hasServers } = this.state;
    if (phase !== "ready") return;
    if (!profile) this.#parts.view.askName();
    else if (!hasServers) this.#parts.view.askServers();
  }

  /** The user's name at the first start; rejected with Refusal. @param {string} displayName */
  async setName(displayName) {
    await this.people.setProfile({ displayName });
    this.askWhatIsMissing();
  }

  // what Python says

  /** @param {Record<string, any>} message */
  receive(message) {
    if (this.#parts.api.receive(message) || typeof message.event !== "string") return;
    const before = this.state;
    this.#store.set(model.happened(before, message));
    this.#follow(message, before);
  }

  /** The connection to Python is gone. */
  disconnected() {
    this.#parts.api.close();
    this.#parts.tabs.discard();
    this.#store.set(model.over(this.state));
  }

  /**
   * What an event leads to besides the state.
   *
   * @param {Record<string, any>} event
   * @param {State} before
   */
  #follow(event, before) {
    const { view, tabs, t, replaceUrl, reload } = this.#parts;
    switch (event.event) {
      case "contact":
        if (event.contact.status !== "pending" && view.invitationUsed(event.contact.id)) {
          this.conversation.open(event.contact.id);
        }
        void this.details.refresh(event.contact.id);
        break;
      case "contact_connected":
        view.toastWithName("chat.toast.connected", event.contact.name);
        break;
      case "details":
        void this.details.refresh(event.contactId);
        break;
      case "request":
        view.toastWithName("chat.toast.request", event.request.name);
        break;
      case "reload":
        reload();
        break;
      case "storage_failed":
        view.toast("bad", event.text);
        break;
      case "contact_taken":
        view.toast("bad", t("chat.toast.taken"));
        break;
      case "item":
        this.#announce(event.item, before);
        break;
      case "item_removed":
        if (before.contacts.get(event.contactId)?.lastItem?.id === event.itemId) {
          void this.conversation.findLast(event.contactId);
        }
        break;
      case "call":
        this.calls.changed(event.call, before);
        break;
      case "accept_wanted":
        void this.calls.accept(event.callId);
        break;
      case "page_wanted":
        if (!tabs.show(event.callId, event.url)) {
          this.#store.set(model.callBlocked(this.state, event.callId, event.url));
        }
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
    const text = shortText(item, this.#parts.t).slice(0, ANNOUNCED);
    this.#parts.view.announce(this.#parts.t("chat.announce", { name: contact.name, text }));
  }

  /** @param {string} text @returns {Promise<boolean>} */
  async copyText(text) {
    const { copyText, view, t } = this.#parts;
    const isCopied = await copyText(text);
    if (!isCopied) view.toast("bad", t("chat.copy.failed"));
    return isCopied;
  }

  /** @param {boolean} isVisible */
  visible(isVisible) {
    this.#store.set(model.visible(this.state, isVisible));
  }

  /** Tells Python what is read. @param {State} state */
  #read(state) {
    const { open, isVisible, phase } = state;
    if (phase !== "ready" || open === null || !isVisible) return;
    const newest = state.contacts.get(open)?.lastItem?.id ?? 0;
    if (newest <= (this.#readUpTo.get(open) ?? 0)) return;
    this.#readUpTo.set(open, newest);
    void this.#store.do("mark_read", { contactId: open });
  }

  /** @param {State} state */
  #changed(state) {
    this.#read(state);
    const isRinging = model.rings(state);
    if (isRinging) this.#parts.ringtone.start(state.calling.ringVolume);
    // what the user only tries goes on
    else if (this.#isRinging) this.#parts.ringtone.stop();
    this.#isRinging = isRinging;
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
