// @ts-check
/** The panel of a contact. */
import { drawAvatar } from "../common/avatar.js";
import { find, make, makeQr, say, show } from "./dom.js";
import { nameOf } from "./present.js";
import { canSynchronize, detailsPanel } from "./present-details.js";

/**
 * @typedef {object} DetailsActions
 * @property {() => void} close
 * @property {(code: string | null) => void} verify
 * @property {() => void} synchronize
 * @property {() => void} switchQueue
 * @property {() => void} keepQueue
 * @property {(isOn: boolean) => void} setQuantumResistance
 * @property {() => Promise<string | null>} scan  the security code that was scanned
 * @property {(event: ClipboardEvent) => Promise<string | null>} readPasted  the code in a picture that is pasted
 * @property {(wish: import("./present-details.js").CallsWish) => void} allowCalls
 * @property {(choice: import("./present-details.js").RouteChoice) => void} chooseRoute
 * @property {() => void} deleteContact
 * @property {(text: string) => Promise<boolean>} copyText
 */

export class DetailsView {
  #t;
  #dialog = /** @type {HTMLDialogElement} */ (find("details-dialog"));
  #code = "";

  /**
   * @param {DetailsActions} actions
   * @param {import("../common/catalogue.js").Translate} t
   */
  constructor(actions, t) {
    this.#t = t;
    this.#dialog.addEventListener("close", () => {
      if (!this.#dialog.open) actions.close();
    });
    find("details-sync").addEventListener("click", actions.synchronize);
    find("details-switch").addEventListener("click", actions.switchQueue);
    find("details-abort").addEventListener("click", () => {
      actions.keepQueue();
      this.#dialog.focus();
    });
    const protection = /** @type {HTMLInputElement} */ (find("details-pq"));
    protection.addEventListener("change", () => actions.setQuantumResistance(protection.checked));
    find("details-scan").addEventListener("click", async () => {
      const code = await actions.scan();
      if (code !== null) actions.verify(code);
    });
    find("details-paste").addEventListener("paste", async (event) => {
      const code = await actions.readPasted(event);
      if (code !== null) actions.verify(code);
    });
    find("details-delete").addEventListener("click", () => {
      this.#dialog.close();
      actions.deleteContact();
    });
    find("details-copy").addEventListener("click", async () => {
      if (await actions.copyText(this.#code)) say(find("details-copy"), t("chat.copied"));
    });
    find("details-same").addEventListener("click", () => actions.verify(this.#code));
    find("details-unverify").addEventListener("click", () => actions.verify(null));
    const field = /** @type {HTMLInputElement} */ (find("details-paste"));
    find("details-compare").addEventListener("submit", (event) => {
      event.preventDefault();
      if (!field.value.trim()) return field.focus();
      actions.verify(field.value);
      field.value = "";
      return undefined;
    });
    const route = /** @type {HTMLSelectElement} */ (find("details-route"));
    route.addEventListener("change", () => {
      actions.chooseRoute(/** @type {import("./present-details.js").RouteChoice} */ (route.value));
    });
    const choice = /** @type {HTMLSelectElement} */ (find("details-calls"));
    choice.addEventListener("change", () => {
      actions.allowCalls(/** @type {import("./present-details.js").CallsWish} */ (choice.value));
    });
  }

  /**
   * @param {import("./model.js").State} state
   * @param {import("./present.js").Words} words
   */
  render(state, words) {
    const { details } = state;
    const contact = details ? state.contacts.get(details.contactId) : undefined;
    if (!details || !contact) {
      if (this.#dialog.open) this.#dialog.close();
      return;
    }
    const { t } = words;
    say(find("details-name"), nameOf(contact, words));
    say(find("details-full-name"), contact.fullName);
    show(find("details-full-name"), contact.fullName !== "");
    drawAvatar(find("details-avatar"), contact.name, contact.image);
    show(find("details-content"), details.value !== null);
    if (details.value) this.#fill(detailsPanel(contact, details.value, details.compared, t), details.value);
    if (!this.#dialog.open) {
      say(find("details-copy"), t("chat.details.copy"));
      this.#dialog.showModal();
    }
  }

  /**
   * @param {import("./present-details.js").DetailsPanel} panel
   * @param {import("./api.js").Details} details
   */
  #fill(panel, details) {
    say(find("details-state"), panel.state);
    const quantum = find("details-quantum");
    quantum.classList.toggle("is-on", panel.quantum.isOn);
    say(find("details-quantum-text"), panel.quantum.text);
    /** @type {HTMLInputElement} */ (find("details-pq")).checked = panel.protection.isOn;
    say(find("details-pq-text"), panel.protection.text);
    const verified = find("details-verified");
    verified.classList.toggle("is-on", panel.verified.isVerified);
    say(find("details-verified-text"), panel.verified.text);

    const code = panel.code.join(" ");
    show(find("details-security"), code !== "");
    if (code !== this.#code) {
      this.#code = code;
      find("details-code").replaceChildren(...panel.code.map((group) => make("span", {}, group)));
      find("details-qr").replaceChildren(...(details.qr ? [makeQr(details.qr, this.#t("chat.details.qr"))] : []));
    }
    show(find("details-unverify"), panel.verified.isVerified);
    show(find("details-same"), !panel.verified.isVerified);
    show(find("details-compare"), !panel.verified.isVerified);
    show(find("details-scan"), !panel.verified.isVerified);
    const compared = find("details-compared");
    compared.dataset.tone = panel.compared?.tone ?? "none";
    say(compared, panel.compared?.text ?? "");

    show(find("details-sync-part"), panel.sync.isShown);
    find("details-sync-part").classList.toggle("is-urgent", panel.sync.isUrgent);
    say(find("details-sync-text"), panel.sync.text);
    show(find("details-sync"), canSynchronize(details));

    fill("details-receiving", details.receivingServers);
    fill("details-sending", details.sendingServers);
    show(find("details-switch"), panel.canMove);
    show(find("details-abort"), panel.canStay);
    show(find("details-moving"), panel.moving !== "");
    say(find("details-moving"), panel.moving);

    /** @type {HTMLSelectElement} */ (find("details-calls")).value = panel.calls;
    say(find("details-calls-text"), panel.callsText);
    say(find("details-calls-told"), panel.callsTold);
    /** @type {HTMLSelectElement} */ (find("details-route")).value = panel.route.choice;
    say(find("details-route-text"), panel.route.text);
  }
}

/** @param {string} id @param {string[]} servers */
function fill(id, servers) {
  const words = servers.join(", ");
  say(find(id), words || "–");
}
