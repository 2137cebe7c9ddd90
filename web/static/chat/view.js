// @ts-check
/** The whole page: puts the state on the screen. Nothing is decided here. */
import { CallsView } from "./calls-view.js";
import { ContactsView } from "./contacts-view.js";
import { ConversationView } from "./conversation-view.js";
import { Dialogs } from "./dialogs.js";
import { find, say, sayWithNames, show } from "./dom.js";
import { titleOf } from "./present.js";
import { toast } from "./toasts.js";

/** @typedef {import("./controller.js").Controller} Controller */

export class PageView {
  #t;
  #dates;
  #controller;
  #contacts;
  #conversation;
  #calls;
  #dialogs;

  /**
   * @param {() => Controller} controller
   * @param {import("../common/catalogue.js").Translate} t
   * @param {import("./dates.js").Dates} dates
   */
  constructor(controller, t, dates) {
    this.#controller = controller;
    this.#t = t;
    this.#dates = dates;
    const add = () => this.#dialogs.add("invite");
    const copyText = (/** @type {string} */ text) => controller().copyText(text);
    this.#contacts = new ContactsView({
      open: (id) => controller().conversation.open(id),
      add,
      rename: () => this.#dialogs.name(controller().state.profile?.displayName ?? ""),
    });
    this.#conversation = new ConversationView(
      {
        close: () => controller().conversation.close(),
        send: (id, text) => void controller().conversation.send(id, text),
        draft: (id, text) => controller().conversation.draft(id, text),
        call: (media) => void controller().calls.call(media),
        clear: () => void controller().conversation.clear(),
        deleteContact: () => void controller().people.deleteContact(),
        invite: add,
        paste: () => this.#dialogs.add("paste"),
        copyText,
        earlier: () => void controller().conversation.earlier(),
        later: () => controller().conversation.later(),
        newest: () => controller().conversation.newest(),
        copy: (id) => void controller().conversation.copyItem(id),
        deleteText: (id) => void controller().conversation.deleteText(id),
      },
      t,
    );
    this.#calls = new CallsView(
      {
        accept: (id) => void controller().calls.accept(id),
        reject: (id) => void controller().calls.reject(id),
        hangUp: (id) => void controller().calls.hangUp(id),
        showCall: (id) => void controller().calls.showCall(id),
        open: (id) => controller().conversation.open(id),
      },
      t,
    );
    this.#dialogs = new Dialogs(
      {
        createInvitation: () => controller().people.createInvitation(),
        connect: (link) => controller().people.connect(link),
        setName: (name) => controller().people.setName(name),
        copyText,
      },
      t,
    );
    find("conversation").addEventListener("keydown", (event) => {
      if (event.key === "Escape" && !event.isComposing) controller().conversation.close();
    });
  }

  /** @param {import("./model.js").State} state */
  render(state) {
    const words = { t: this.#t, dates: this.#dates, now: Date.now() };
    Object.assign(find("app").dataset, { phase: state.phase, column: state.open === null ? "list" : "conversation" });
    const title = titleOf(state, this.#t);
    if (document.title !== title) document.title = title;
    this.#contacts.render(state, words);
    this.#conversation.render(state, words);
    this.#calls.render(state);
    this.#dialogs.popup(state.blockedCall?.url ?? null);
    if (state.phase === "over") this.#dialogs.closeAll();
    find("app").toggleAttribute("inert", state.phase === "over");
    show(find("over"), state.phase === "over");
  }

  /** @param {number} now */
  tick(now) {
    this.#calls.tick(now);
  }

  /** Times such as "Yesterday" have grown old. */
  refresh() {
    this.render(this.#controller().state);
  }

  /** @param {string} text */
  announce(text) {
    say(find("announce"), text);
  }

  /** @param {"bad" | "good"} tone @param {string} text */
  toast(tone, text) {
    toast(text, tone);
  }

  /** @param {string} id @param {string} name */
  toastWithName(id, name) {
    const words = document.createElement("span");
    sayWithNames(words, this.#t, id, { name });
    toast(words, "good");
  }

  /** @param {string} name */
  askName(name) {
    this.#dialogs.name(name);
  }

  /** @param {string} name @param {"call" | "accept"} act */
  askIp(name, act) {
    return this.#dialogs.askIp(name, act);
  }

  closeIp() {
    this.#dialogs.closeIp();
  }

  /** @param {import("./dialogs.js").Question} question */
  confirm(question) {
    return this.#dialogs.confirm(question);
  }

  /** @param {number} contactId */
  invitationUsed(contactId) {
    return this.#dialogs.invitationUsed(contactId);
  }

  /** @param {number} contactId */
  focusContact(contactId) {
    this.#contacts.focus(contactId);
  }
}
