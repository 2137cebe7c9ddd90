// @ts-check
/** Everything around the open conversation's entries: its head, the states without entries, and the field to write in. */
import { drawAvatar } from "../common/avatar.js";
import { drawNobody } from "./contacts-view.js";
import { find, label, say, sayWithNames, show } from "./dom.js";
import { LogView } from "./log-view.js";
import { toggleMenu } from "./menu.js";
import { callObstacle } from "./model.js";
import { isolated, nameOf, statusOf } from "./present.js";
import { showShare } from "./share.js";

/**
 * @typedef {object} ConversationActions
 * @property {() => void} close
 * @property {(contactId: number, text: string) => void} send
 * @property {(contactId: number, text: string) => void} draft
 * @property {(media: import("./api.js").Media) => void} call
 * @property {() => void} clear
 * @property {() => void} deleteContact
 * @property {() => void} details
 * @property {() => void} invite
 * @property {() => void} paste
 * @property {(text: string) => Promise<boolean>} copyText
 *
 * @typedef {ConversationActions & import("./log-view.js").LogActions} Actions
 */

export class ConversationView {
  #actions;
  #log;
  #field = /** @type {HTMLTextAreaElement} */ (find("write"));
  /** @type {number | null} */
  #contactId = null;
  #t;
  #hasDetails = find("app").hasAttribute("data-has-details");

  /**
   * @param {Actions} actions
   * @param {import("../common/catalogue.js").Translate} t
   */
  constructor(actions, t) {
    this.#actions = actions;
    this.#t = t;
    this.#log = new LogView(actions);
    find("back").addEventListener("click", actions.close);
    find("welcome-invite").addEventListener("click", actions.invite);
    find("welcome-paste").addEventListener("click", actions.paste);
    for (const media of /** @type {const} */ (["audio", "video"])) {
      const button = find(`call-${media}`);
      // aria-disabled, not disabled: the reason can be found by keyboard and pointer
      button.addEventListener("click", () => {
        if (button.getAttribute("aria-disabled") !== "true") actions.call(media);
      });
    }
    find("head-who").addEventListener("click", actions.details);
    find("head-more").addEventListener("click", () => this.#menu());
    this.#listenToField();
  }

  /**
   * @param {import("./model.js").State} state
   * @param {import("./present.js").Words} words
   */
  render(state, words) {
    const contact = state.open === null ? undefined : state.contacts.get(state.open);
    const isOther = state.open !== this.#contactId;
    this.#contactId = state.open;
    show(find("conversation"), contact !== undefined);
    show(find("welcome"), contact === undefined);
    if (!contact) {
      this.#log.render(state, words);
      return this.#welcome(state, words);
    }
    const { t } = words;
    const name = nameOf(contact, words);
    say(find("head-name"), name);
    if (contact.name) drawAvatar(find("head-avatar"), contact.name, contact.image);
    else drawNobody(find("head-avatar"));
    say(find("head-state"), statusOf(contact, t));
    find("head-state").dataset.status = contact.status;
    find("head-who").title = t("chat.details.of", { name: isolated(name) });
    find("head-who").toggleAttribute("disabled", contact.status === "pending" || !this.#hasDetails);
    show(find("head-verified"), contact.isVerified);
    find("log").setAttribute("aria-label", t("chat.log.label", { name: isolated(name) }));
    this.#calls(state, contact, name);

    const isPlain = contact.isConnected || contact.lastItem !== null;
    show(find("pending"), !isPlain);
    if (!isPlain) this.#pending(state, contact);
    const isAtStart = isPlain && state.log.isLoaded && !state.log.hasOlder && state.log.start === 0;
    show(find("hello"), isAtStart && contact.isConnected);
    find("hello").classList.toggle("is-alone", state.log.items.length === 0);
    drawAvatar(find("hello-avatar"), contact.name, contact.image);
    sayWithNames(find("hello-title"), t, "chat.log.empty.title", { name });
    say(find("hello-text"), t(state.log.items.length === 0 ? "chat.log.empty.text" : "chat.log.start.text"));

    show(find("composer"), contact.isConnected);
    const note = contact.status === "gone" ? "chat.gone.text" : contact.status === "failed" && isPlain ? "chat.lost.text" : "";
    show(find("closed-note"), note !== "");
    if (note) say(find("closed-note"), t(note));
    this.#field.setAttribute("aria-label", t("chat.write.label", { name: isolated(name) }));
    const draft = state.drafts.get(contact.id) ?? "";
    if (this.#field.value !== draft) this.#field.value = draft;
    this.#fit();
    this.#log.render(state, words);
    if (isOther) this.#focus(contact);
    return undefined;
  }

  /** Puts the focus where the user will want to go on. @param {import("./api.js").Contact} contact */
  #focus(contact) {
    const canWrite = contact.isConnected && matchMedia("(pointer: fine)").matches;
    (canWrite ? this.#field : find("log")).focus({ preventScroll: true });
  }

  /**
   * @param {import("./model.js").State} state
   * @param {import("./present.js").Words} words
   */
  #welcome(state, { t }) {
    const isFirst = state.contacts.size === 0 && state.phase === "ready";
    show(find("welcome-actions"), isFirst);
    if (state.phase === "loading") {
      say(find("welcome-title"), "");
      say(find("welcome-text"), t("chat.loading"));
    } else if (isFirst) {
      sayWithNames(find("welcome-title"), t, "chat.main.first.title", { name: state.profile?.displayName ?? "" });
      say(find("welcome-text"), t("chat.main.first.text"));
    } else {
      say(find("welcome-title"), t("chat.main.none.title"));
      say(find("welcome-text"), t("chat.main.none.text"));
    }
  }

  /**
   * @param {import("./model.js").State} state
   * @param {import("./api.js").Contact} contact
   * @param {string} name
   */
  #calls(state, contact, name) {
    const t = this.#t;
    const obstacle = callObstacle(state, contact);
    for (const media of ["audio", "video"]) {
      const button = find(`call-${media}`);
      const words = t(`chat.call.${media}.with`, { name: isolated(name) });
      const reason = obstacle ? t(`chat.call.off.${obstacle}`) : "";
      button.setAttribute("aria-disabled", String(obstacle !== null));
      label(button, reason ? `${t(`chat.call.${media}`)}: ${reason}` : words);
    }
  }

  /**
   * @param {import("./model.js").State} state
   * @param {import("./api.js").Contact} contact
   */
  #pending(state, contact) {
    const t = this.#t;
    const share = find("pending-share");
    const invitation = contact.status === "pending" ? state.invitations.get(contact.id) : undefined;
    const isConnecting = contact.status === "connecting";
    const title = { connecting: "chat.pending.connecting.title", pending: "chat.pending.title" }[String(contact.status)];
    say(find("pending-title"), t(title ?? "chat.pending.failed.title"));
    const text = { connecting: "chat.pending.connecting", pending: "chat.pending.text" }[String(contact.status)];
    say(find("pending-text"), t(text ?? "chat.pending.failed.text"));
    find("pending").classList.toggle("is-busy", isConnecting);
    show(share, invitation !== undefined);
    if (invitation) showShare(share, invitation, t, this.#actions.copyText);
  }

  #menu() {
    const t = this.#t;
    const details = { icon: "person", text: t("chat.menu.details"), act: this.#actions.details };
    toggleMenu(find("head-more"), t("chat.menu.contact"), [
      ...(this.#hasDetails ? [details] : []),
      { icon: "broom", text: t("chat.menu.clear"), act: this.#actions.clear },
      { icon: "trash", text: t("chat.menu.delete"), isDangerous: true, act: this.#actions.deleteContact },
    ]);
  }

  #listenToField() {
    const field = this.#field;
    const send = () => {
      if (this.#contactId === null || !field.value.trim()) return;
      this.#actions.send(this.#contactId, field.value);
    };
    field.addEventListener("input", () => {
      if (this.#contactId !== null) this.#actions.draft(this.#contactId, field.value);
      this.#fit();
    });
    field.addEventListener("keydown", (event) => {
      // Enter that picks a word of an input method is not ours
      if (event.key !== "Enter" || event.shiftKey || event.isComposing) return;
      event.preventDefault();
      send();
    });
    find("composer").addEventListener("submit", (event) => {
      event.preventDefault();
      send();
      field.focus();
    });
  }

  /** Lets the field be as high as its text, within the bounds of the style. */
  #fit() {
    const field = this.#field;
    if (field.dataset.fitted === field.value) return;
    field.dataset.fitted = field.value;
    field.style.height = "auto";
    if (field.value) field.style.height = `${field.scrollHeight + 2}px`;
    find("send").toggleAttribute("disabled", !field.value.trim());
  }
}
