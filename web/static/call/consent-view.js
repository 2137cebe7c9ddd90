// @ts-check
/** The question whether a call goes on without frame encryption. Nothing is decided here. */

export class ConsentView {
  #page;
  #t;

  /**
   * @param {Document} page
   * @param {import("../common/catalogue.js").Translate} t
   * @param {{consent: () => void, hangUp: () => void}} actions
   */
  constructor(page, t, actions) {
    this.#page = page;
    this.#t = t;
    this.#find("consent-yes").addEventListener("click", actions.consent);
    this.#find("consent-no").addEventListener("click", actions.hangUp);
  }

  /** @param {import("./snapshot.js").Snapshot} snapshot */
  render({ call, phase }) {
    const card = this.#find("consent");
    const wanted = phase === "waiting" ? (call.consentWanted ?? "") : "";
    if ((card.dataset.wanted ?? "") === wanted) return;
    card.dataset.wanted = wanted;
    card.hidden = wanted === "";
    if (wanted === "") return;
    const name = call.contactName || this.#t("call.contact");
    this.#find("consent-title").textContent = this.#t(`call.consent.${wanted}.title`);
    this.#find("consent-text").textContent = this.#t(`call.consent.${wanted}.text`, { name });
    // the no has the focus: a key that was meant for something else must not say yes
    this.#find("consent-no").focus();
  }

  /**
   * @param {string} id
   * @returns {HTMLElement}
   */
  #find(id) {
    const element = this.#page.getElementById(id);
    if (!element) throw new Error(`The page has no element ${id}.`);
    return element;
  }
}
