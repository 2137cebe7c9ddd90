// @ts-check
/** The page's dialogues: all native, so that focus, Escape and what lies behind are the browser's. */
import { drawAvatar } from "../common/avatar.js";
import { find, label, say, sayWithNames, show } from "./dom.js";
import { showShare } from "./share.js";

/**
 * @typedef {import("../common/catalogue.js").Translate} Translate
 *
 * @typedef {object} DialogActions
 * @property {() => Promise<import("./api.js").Invitation>} createInvitation  rejected with Refusal
 * @property {(link: string) => Promise<import("./api.js").Preview>} lookUp  rejected with Refusal
 * @property {(link: string) => Promise<void>} connect  rejected with Refusal
 * @property {(contactId: number) => void} open
 * @property {(name: string) => Promise<void>} setName  rejected with Refusal
 * @property {() => Promise<string | null>} scan  the link that was scanned
 * @property {(event: ClipboardEvent) => Promise<string | null>} readPasted  the link in a picture that is pasted
 * @property {(text: string) => Promise<boolean>} copyText
 *
 * @typedef {object} Question
 * @property {string} title  id of its text
 * @property {string} text  id
 * @property {string} go  id
 * @property {string} [choice]  id; a box to tick
 * @property {boolean} [isHarmless]  nothing is lost by it
 * @property {string} name  the contact's, for all of them
 */

/** Something was refused; the text is for the user. */
export class Refusal extends Error {}

/** Dialogues that there is no way around. */
const MANDATORY = new Set(["name-dialog", "start-dialog", "unlock-dialog", "protect-dialog"]);

const dialog = (/** @type {string} */ name) => /** @type {HTMLDialogElement} */ (find(`${name}-dialog`));

export class Dialogs {
  #t;
  #actions;
  /** Whether the user must give a name before anything else. */
  #needsName = false;
  /** @type {import("./api.js").Invitation | null} */
  #invitation = null;
  /** @type {{link: string, preview: import("./api.js").Preview} | null} */
  #seen = null;

  /**
   * @param {DialogActions} actions
   * @param {Translate} t
   */
  constructor(actions, t) {
    this.#actions = actions;
    this.#t = t;
    for (const element of document.querySelectorAll("dialog")) {
      // a press on what lies behind closes; a press within that ends outside does not
      element.addEventListener("pointerdown", (event) => {
        if (event.target === element && !MANDATORY.has(element.id)) element.close();
      });
      for (const button of element.querySelectorAll("[data-close]")) button.addEventListener("click", () => element.close());
    }
    this.#listenToAdd();
    this.#listenToName();
  }

  // adding a contact

  /** @param {"invite" | "paste"} tab */
  add(tab) {
    this.#invitation = null;
    show(find("invite-share"), false);
    find("invite-share").replaceChildren();
    delete find("invite-share").dataset.link;
    show(find("invite-problem"), false);
    show(find("paste-problem"), false);
    say(find("invite-text"), this.#t("chat.add.invite.text"));
    say(find("invite-create-text"), this.#t("chat.add.create"));
    find("invite-create").className = "button is-primary wide";
    /** @type {HTMLTextAreaElement} */ (find("paste")).value = "";
    this.#forget();
    if (!dialog("add").open) dialog("add").showModal();
    this.#tab(tab, tab === "invite" ? find("invite-create") : find("paste"));
  }

  /** A contact used their link: it needs not be shown any more. @param {number} contactId @returns {boolean} */
  invitationUsed(contactId) {
    if (!dialog("add").open || this.#invitation?.contactId !== contactId) return false;
    dialog("add").close();
    return true;
  }

  /** Closes the dialogue of adding. */
  closeAdd() {
    dialog("add").close();
  }

  #listenToAdd() {
    const tabs = /** @type {const} */ (["invite", "paste"]);
    for (const [index, name] of tabs.entries()) {
      const tab = find(`tab-${name}`);
      tab.addEventListener("click", () => this.#tab(name, null));
      tab.addEventListener("keydown", (event) => {
        if (event.key !== "ArrowRight" && event.key !== "ArrowLeft") return;
        event.preventDefault();
        const other = tabs[1 - index] ?? name;
        this.#tab(other, find(`tab-${other}`));
      });
    }
    find("invite-create").addEventListener("click", () => void this.#create());
    find("panel-paste").addEventListener("submit", (event) => {
      event.preventDefault();
      void this.#connect();
    });
    find("paste").addEventListener("keydown", (event) => {
      if (event.key !== "Enter" || event.isComposing) return;
      event.preventDefault();
      void this.#connect();
    });
    find("paste").addEventListener("input", () => this.#forget());
    const use = (/** @type {string | null} */ link) => {
      if (link === null) return;
      /** @type {HTMLTextAreaElement} */ (find("paste")).value = link;
      this.#forget();
      void this.#connect();
    };
    find("paste-scan").addEventListener("click", async () => use(await this.#actions.scan()));
    find("paste").addEventListener("paste", async (event) => use(await this.#actions.readPasted(event)));
  }

  /**
   * @param {"invite" | "paste"} shown
   * @param {HTMLElement | null} focus
   */
  #tab(shown, focus) {
    for (const name of ["invite", "paste"]) {
      const tab = find(`tab-${name}`);
      tab.setAttribute("aria-selected", String(name === shown));
      tab.tabIndex = name === shown ? 0 : -1;
      show(find(`panel-${name}`), name === shown);
    }
    focus?.focus();
  }

  async #create() {
    const button = /** @type {HTMLButtonElement} */ (find("invite-create"));
    const t = this.#t;
    const begin = busy(button, find("invite-create-text"), t("chat.add.creating"));
    show(find("invite-problem"), false);
    try {
      const invitation = await this.#actions.createInvitation();
      this.#invitation = invitation;
      showShare(find("invite-share"), invitation, t, this.#actions.copyText);
      show(find("invite-share"), true);
      say(find("invite-text"), t("chat.add.created"));
      begin(t("chat.add.another"));
      button.classList.replace("is-primary", "is-quiet");
      /** @type {HTMLElement | null} */ (find("invite-share").querySelector(".share-copy"))?.focus();
    } catch (error) {
      begin(t("chat.add.create"));
      problem("invite-problem", error);
    }
  }

  /** What was found out about a link is about another one. */
  #forget() {
    this.#seen = null;
    show(find("preview"), false);
    show(find("paste-problem"), false);
    say(find("paste-go-text"), this.#t("chat.add.look"));
  }

  /** Looks who a link is of; once that is known, connects by it. */
  async #connect() {
    const field = /** @type {HTMLTextAreaElement} */ (find("paste"));
    const button = /** @type {HTMLButtonElement} */ (find("paste-go"));
    if (button.disabled) return;
    const t = this.#t;
    const link = field.value.trim();
    if (!link) {
      problem("paste-problem", new Refusal(t("chat.add.paste.empty")));
      field.focus();
      return;
    }
    const seen = this.#seen;
    const end = busy(button, find("paste-go-text"), t(seen ? "chat.add.connecting" : "chat.add.looking"));
    show(find("paste-problem"), false);
    try {
      if (!seen) {
        const preview = await this.#actions.lookUp(link);
        if (field.value.trim() === link) this.#preview(link, preview);
      } else if (seen.preview.contactId === null) {
        await this.#actions.connect(link);
        dialog("add").close();
      } else {
        dialog("add").close();
        this.#actions.open(seen.preview.contactId);
      }
    } catch (error) {
      problem("paste-problem", error);
      field.focus();
      field.select();
    } finally {
      const { words } = previewWords(this.#seen?.preview ?? null);
      end(t(words));
    }
    if (this.#seen && !seen) button.focus();
  }

  /** @param {string} link @param {import("./api.js").Preview} preview */
  #preview(link, preview) {
    const t = this.#t;
    const name = preview.profile?.displayName ?? "";
    const { id, problem: fault } = previewWords(preview);
    if (fault) {
      problem("paste-problem", new Refusal(t(fault)));
      return;
    }
    this.#seen = { link, preview };
    drawAvatar(find("preview-avatar"), name, preview.profile?.image ?? null);
    sayWithNames(find("preview-name"), t, name ? "chat.preview.name" : "chat.preview.nobody", { name });
    say(find("preview-text"), t(id));
    show(find("preview"), true);
  }

  // the user's name

  /** Asks for the name at the first start; there is no way around it. */
  name() {
    this.#needsName = true;
    show(find("name-problem"), false);
    const field = /** @type {HTMLInputElement} */ (find("name-field"));
    drawAvatar(find("name-avatar"), field.value);
    if (!dialog("name").open) dialog("name").showModal();
    field.focus();
  }

  #listenToName() {
    const field = /** @type {HTMLInputElement} */ (find("name-field"));
    const button = /** @type {HTMLButtonElement} */ (find("name-go"));
    field.addEventListener("input", () => {
      drawAvatar(find("name-avatar"), field.value);
      show(find("name-problem"), false);
    });
    dialog("name").addEventListener("cancel", (event) => {
      if (this.#needsName) event.preventDefault();
    });
    dialog("name").addEventListener("close", () => {
      // some engines close at the second Escape whatever we say
      if (this.#needsName) this.name();
    });
    find("name-form").addEventListener("submit", async (event) => {
      event.preventDefault();
      const name = field.value.trim();
      if (!name) {
        problem("name-problem", new Refusal(this.#t("chat.first.empty")));
        field.focus();
        return;
      }
      button.disabled = true;
      try {
        await this.#actions.setName(name);
        this.#needsName = false;
        dialog("name").close();
      } catch (error) {
        problem("name-problem", error);
        field.focus();
      } finally {
        button.disabled = false;
      }
    });
  }

  // questions

  /**
   * Warns that calls with a contact show the IP address.
   *
   * @param {string} name  the contact's
   * @param {"call" | "accept"} act  what follows
   * @param {boolean} hasRelay  whether calls can go through one
   * @returns {Promise<"direct" | "relay" | null>}  null: not now; settled within the click
   */
  async askIp(name, act, hasRelay) {
    sayWithNames(find("ip-title"), this.#t, "chat.ip.title", { name });
    sayWithNames(find("ip-text"), this.#t, "chat.ip.text", { name });
    say(find("ip-go"), this.#t(`chat.ip.${act}`));
    show(find("ip-relay"), hasRelay);
    let isRelayed = false;
    find("ip-relay").onclick = () => {
      isRelayed = true;
      find("ip-go").click();
    };
    if (!(await ask(dialog("ip"), find("ip-go")))) return null;
    return isRelayed ? "relay" : "direct";
  }

  /** Withdraws the warning. */
  closeIp() {
    dialog("ip").close();
  }

  /**
   * @param {Question} question
   * @returns {Promise<{isConfirmed: boolean, isChosen: boolean}>}
   */
  async confirm({ title, text, go, choice, name, isHarmless = false }) {
    const t = this.#t;
    const box = /** @type {HTMLInputElement} */ (find("confirm-box"));
    sayWithNames(find("confirm-title"), t, title, { name });
    sayWithNames(find("confirm-text"), t, text, { name });
    say(find("confirm-go"), t(go));
    find("confirm-go").className = `button ${isHarmless ? "is-primary" : "is-danger"}`;
    show(find("confirm-choice"), choice !== undefined);
    if (choice) sayWithNames(find("confirm-choice-text"), t, choice, { name });
    box.checked = false;
    const isConfirmed = await ask(dialog("confirm"), find("confirm-go"));
    return { isConfirmed, isChosen: box.checked && choice !== undefined };
  }

  /** The browser held back a call's tab: its link is for the user to click. @param {string | null} url */
  popup(url) {
    const element = dialog("popup");
    const link = /** @type {HTMLAnchorElement} */ (find("popup-link"));
    if (url === null) {
      element.close();
    } else if (link.getAttribute("href") !== url) {
      link.href = url;
      label(link, this.#t("chat.popup.link"));
      link.onclick = () => setTimeout(() => element.close());
      if (!element.open) element.showModal();
    }
  }

  /** Closes whatever is open: nothing can be done any more. */
  closeAll() {
    this.#needsName = false;
    for (const element of document.querySelectorAll("dialog")) element.close();
  }
}

/**
 * What is said of a link, and what the button does next.
 *
 * @param {import("./api.js").Preview | null} preview
 * @returns {{id: string, words: string, problem: string}}
 */
export function previewWords(preview) {
  if (!preview) return { id: "", words: "chat.add.look", problem: "" };
  if (preview.isOwn) return { id: "", words: "chat.add.look", problem: "chat.preview.own" };
  if (preview.contactId !== null) return { id: "chat.preview.known", words: "chat.preview.open", problem: "" };
  return { id: `chat.preview.${preview.kind}`, words: "chat.add.connect", problem: "" };
}

/**
 * Asks by a dialogue; resolved in the task of the click, so that what follows still counts as the user's act.
 *
 * @param {HTMLDialogElement} element
 * @param {HTMLElement} go
 * @returns {Promise<boolean>}
 */
function ask(element, go) {
  if (element.open) return Promise.resolve(false);
  return new Promise((resolve) => {
    const button = go;
    button.onclick = () => {
      resolve(true);
      element.close();
    };
    const closed = () => {
      if (element.open) return; // the event of an earlier question
      element.removeEventListener("close", closed);
      resolve(false);
    };
    element.addEventListener("close", closed);
    element.showModal();
  });
}

/**
 * Lets a button wait; gives what ends it, with the words that it has then.
 *
 * @param {HTMLButtonElement} button
 * @param {HTMLElement} place
 * @param {string} words
 */
export function busy(button, place, words) {
  const waiting = button;
  waiting.disabled = true;
  waiting.classList.add("is-busy");
  say(place, words);
  return (/** @type {string} */ after) => {
    waiting.disabled = false;
    waiting.classList.remove("is-busy");
    say(place, after);
  };
}

/**
 * Shows a refusal in its place.
 *
 * @param {string} id
 * @param {unknown} error
 */
export function problem(id, error) {
  if (!(error instanceof Refusal)) throw error;
  say(find(id), error.message);
  show(find(id), true);
}
