// @ts-check
/** Profiles of this machine, in the settings: switched, added, removed; their passphrase; backups. */
import { busy, problem, Refusal } from "./dialogs.js";
import { arrange, find, make, say, show } from "./dom.js";
import { KeyChoice } from "./key-choice.js";

/**
 * @typedef {import("./api.js").HomeProfile} HomeProfile
 *
 * @typedef {object} HomeActions
 * @property {(method: "change_passphrase" | "export_archive" | "import_archive" | "add_profile" | "remove_profile" | "set_language",
 *   params: Record<string, any>) => Promise<any>} home  rejected with Refusal
 * @property {() => void} cancelArchive
 * @property {(id: string) => Promise<void>} switchProfile  rejected with Refusal
 * @property {(question: import("./dialogs.js").Question) => Promise<{isConfirmed: boolean, isChosen: boolean}>} confirm
 */

const value = (/** @type {string} */ id) => /** @type {HTMLInputElement} */ (find(id)).value;

export class HomeView {
  #actions;
  #t;
  #key = "";
  #addKey;
  #importKey;

  /**
   * @param {HomeActions} actions
   * @param {import("../common/catalogue.js").Translate} t
   */
  constructor(actions, t) {
    this.#actions = actions;
    this.#t = t;
    this.#addKey = new KeyChoice("home-add", t);
    this.#importKey = new KeyChoice("home-import", t);
    for (const id of ["home-export", "home-import"]) {
      find(`${id}-cancel`).addEventListener("click", () => actions.cancelArchive());
    }
    this.#language();
    this.#form("home-add", async () => {
      const name = value("home-add-name").trim();
      if (!name) throw new Refusal(t("chat.first.empty"));
      await actions.home("add_profile", { name, ...this.#addKey.read() });
      this.#addKey.clear();
      return t("chat.home.added", { name });
    });
    this.#form("home-passphrase", async () => {
      const [fresh, again] = [value("home-passphrase-new"), value("home-passphrase-again")];
      if (fresh !== again) throw new Refusal(t("chat.home.passphrase.differ"));
      const former = value("home-passphrase-old");
      const keyFile = !fresh && /** @type {HTMLInputElement} */ (find("home-passphrase-file")).checked;
      await actions.home("change_passphrase", { former, passphrase: fresh, keyFile });
      if (keyFile) return t("chat.home.passphrase.in-file");
      return t(fresh ? "chat.home.passphrase.set" : "chat.home.passphrase.none");
    });
    this.#form("home-export", async () => {
      const [passphrase, again] = [value("home-export-new"), value("home-export-again")];
      if (passphrase !== again) throw new Refusal(t("chat.home.passphrase.differ"));
      if (!passphrase) throw new Refusal(t("chat.home.export.empty"));
      const { path } = await this.#long("home-export", () => actions.home("export_archive", { passphrase }));
      return t("chat.home.export.done", { path });
    });
    this.#form("home-import", async () => {
      const path = value("home-import-path").trim();
      if (!path) throw new Refusal(t("chat.home.import.empty"));
      const { passphrase: newPassphrase, keyFile } = this.#importKey.read();
      const params = { path, passphrase: value("home-import-passphrase"), newPassphrase, keyFile };
      const { name } = await this.#long("home-import", () => actions.home("import_archive", params));
      this.#importKey.clear();
      return t("chat.home.import.done", { name });
    });
  }

  /** The language of everything; the page is loaded anew in it. It is not there where there is no home. */
  #language() {
    const field = document.getElementById("language");
    if (!(field instanceof HTMLSelectElement)) return;
    let shown = field.value;
    field.addEventListener("change", async () => {
      show(find("language-problem"), false);
      try {
        await this.#actions.home("set_language", { language: field.value || null });
        shown = field.value;
      } catch (error) {
        field.value = shown;
        problem("language-problem", error);
      }
    });
  }

  /** @param {import("./settings-model.js").Settings} settings */
  render({ profiles, keepsKeys, progress }) {
    show(find("home-content"), profiles !== null);
    if (!profiles) return;
    if (progress) {
      const bar = /** @type {HTMLProgressElement} */ (find(`home-${progress.task}-bar`));
      bar.value = progress.total > 0 ? Math.min(1, progress.done / progress.total) : 0;
    }
    const key = JSON.stringify([profiles, keepsKeys]);
    if (key === this.#key) return;
    this.#key = key;
    arrange(find("home-profiles"), profiles.map((profile) => this.#row(profile)));
    const open = profiles.find(({ isOpen }) => isOpen);
    this.#addKey.need(!keepsKeys);
    this.#importKey.need(!keepsKeys);
    show(find("home-passphrase-former"), Boolean(open?.hasPassphrase));
    show(find("home-passphrase-file-part"), Boolean(open?.hasPassphrase) && !keepsKeys);
    const on = keepsKeys ? "on" : "on.alone";
    const kept = open?.hasPassphrase ? on : open?.hasReadableKey ? "file" : "off";
    say(find("home-passphrase-text"), this.#t(`chat.home.passphrase.${kept}`));
  }

  /** @param {HomeProfile} profile */
  #row({ id, name, isOpen, hasPassphrase }) {
    const t = this.#t;
    const shown = name || t("chat.home.unnamed");
    const buttons = make("div", { class: "server-buttons" });
    if (!isOpen) {
      const open = make("button", { type: "button", class: "button is-quiet is-small" }, t("chat.home.switch"));
      open.setAttribute("aria-label", t("chat.home.switch.to", { name: shown }));
      open.addEventListener("click", () => void this.#try(() => this.#actions.switchProfile(id)));
      const remove = make("button", { type: "button", class: "button is-quiet is-small" }, t("chat.home.remove"));
      remove.setAttribute("aria-label", t("chat.home.remove.of", { name: shown }));
      remove.addEventListener("click", () => void this.#remove(id, shown));
      buttons.append(open, remove);
    }
    return make(
      "li",
      { class: "server" },
      make(
        "div",
        { class: "setting-row" },
        make(
          "div",
          { class: "setting-words" },
          make("p", { class: "server-host" }, make("bdi", {}, shown)),
          make("p", { class: "muted" }, t(isOpen ? "chat.home.open" : hasPassphrase ? "chat.home.locked" : "chat.home.closed")),
        ),
        buttons,
      ),
    );
  }

  /** @param {string} id @param {string} name */
  async #remove(id, name) {
    const { isConfirmed } = await this.#actions.confirm({
      title: "chat.home.remove.title",
      text: "chat.home.remove.text",
      go: "chat.home.remove.go",
      name,
    });
    if (isConfirmed) await this.#try(() => this.#actions.home("remove_profile", { id }));
  }

  /** @param {() => Promise<unknown>} act */
  async #try(act) {
    show(find("home-problem"), false);
    try {
      await act();
    } catch (error) {
      problem("home-problem", error);
    }
  }

  /**
   * Shows how far something is that takes its time.
   *
   * @param {string} id
   * @param {() => Promise<any>} act
   */
  async #long(id, act) {
    /** @type {HTMLProgressElement} */ (find(`${id}-bar`)).removeAttribute("value");
    show(find(`${id}-progress`), true);
    try {
      return await act();
    } finally {
      show(find(`${id}-progress`), false);
    }
  }

  /**
   * A form whose button waits for what it does; what is typed goes once it is done.
   *
   * @param {string} id
   * @param {() => Promise<string>} act  gives the words of success
   */
  #form(id, act) {
    const form = /** @type {HTMLFormElement} */ (find(id));
    const words = find(`${id}-go-text`);
    form.addEventListener("input", () => show(find(`${id}-problem`), false));
    form.addEventListener("submit", async (event) => {
      event.preventDefault();
      const button = /** @type {HTMLButtonElement} */ (find(`${id}-go`));
      if (button.disabled) return;
      const before = words.textContent ?? "";
      const end = busy(button, words, this.#t("chat.working"));
      show(find(`${id}-problem`), false);
      say(find(`${id}-done`), "");
      try {
        say(find(`${id}-done`), await act());
        form.reset();
      } catch (error) {
        problem(`${id}-problem`, error);
      } finally {
        end(before);
      }
    });
  }
}
