// @ts-check
/** The panel "What protects this call": how frames are encrypted, the call code, and which addresses were shown. */
import { shownCode } from "./call-code.js";

export class ProtectionView {
  #page;
  #t;
  #shown = "";

  /**
   * @param {Document} page
   * @param {import("../common/catalogue.js").Translate} t
   */
  constructor(page, t) {
    this.#page = page;
    this.#t = t;
  }

  /** @param {Pick<import("./snapshot.js").Snapshot, "code" | "protectionDetails">} snapshot */
  render({ code, protectionDetails: details }) {
    const shown = JSON.stringify([code, details]);
    if (shown === this.#shown) return;
    this.#shown = shown;
    const t = this.#t;
    this.#find("protection").hidden = !details;
    if (!details) return;
    const { codeState: state, scheme, dropped } = details;
    this.#find("scheme").textContent = t(`call.scheme.${scheme}`);
    this.#find("scheme-dropped").hidden = dropped.failed + dropped.replayed === 0;
    this.#find("scheme-dropped").textContent = t("call.scheme.dropped", dropped);
    this.#find("code-help").textContent = t(
      state === "there" ? "call.code.help" : state === "pending" ? "call.code.pending" : `call.code.none.${state}`,
    );
    this.#find("code-differs").hidden = !code;
    this.#find("code").hidden = !code;
    this.#find("code").replaceChildren(
      ...shownCode(code ?? [], t("call.code.words")).map(({ emoji, word }) => {
        const item = this.#page.createElement("li");
        const picture = Object.assign(this.#page.createElement("span"), { className: "code-emoji", textContent: emoji });
        picture.setAttribute("aria-hidden", "true");
        item.append(picture, Object.assign(this.#page.createElement("span"), { textContent: word }));
        return item;
      }),
    );
    this.#addresses("addresses-local", details.localAddresses);
    this.#addresses("addresses-remote", details.remoteAddresses);
  }

  /**
   * @param {string} id
   * @param {import("./protection.js").ShownAddress[]} addresses
   */
  #addresses(id, addresses) {
    const KINDS = {
      host: "call.address.host",
      srflx: "call.address.srflx",
      prflx: "call.address.srflx",
      relay: "call.address.relay",
    };
    const rows = addresses.map(({ address, kind }) => {
      const item = this.#page.createElement("li");
      const value = Object.assign(this.#page.createElement("bdi"), { textContent: address || this.#t("call.address.hidden") });
      item.append(value, ` · ${this.#t(KINDS[kind])}`);
      return item;
    });
    const none = Object.assign(this.#page.createElement("li"), { textContent: this.#t("call.address.none") });
    this.#find(id).replaceChildren(...(rows.length > 0 ? rows : [none]));
  }

  /** @param {string} id */
  #find(id) {
    const element = this.#page.getElementById(id);
    if (!element) throw new Error(`The page has no element ${id}.`);
    return element;
  }
}
