// @ts-check
/**
 * The pages of calls in an ordinary browser: each opens in a tab of its own. A browser opens a tab only in answer to a
 * click, and a call's address comes a moment later: so the click opens an empty tab, which then goes to the address.
 */

/** An empty tab that gets no address within this goes away again. */
export const WAIT_MS = 15_000;

export class CallTabs {
  #open;
  #clock;
  /** @type {Window | null} */
  #prepared = null;
  /** @type {any} */
  #timer;
  /** @type {Map<string, Window>} */
  #tabs = new Map();
  /** The tab of the call that was over last; it may be gone. @type {Window | null} */
  #left = null;

  /**
   * @param {(url: string) => Window | null} open  opens a tab
   * @param {import("./api.js").Clock} clock
   */
  constructor(open, clock) {
    this.#open = open;
    this.#clock = clock;
  }

  /** In a click: gets a tab ready for the call that the click begins. */
  prepare() {
    this.discard();
    this.#prepared = this.#open("about:blank");
    if (this.#prepared) this.#timer = this.#clock.setTimeout(() => this.discard(), WAIT_MS);
  }

  /** The call did not begin: the empty tab goes away. */
  discard() {
    this.#clock.clearTimeout(this.#timer);
    this.#prepared?.close();
    this.#prepared = null;
  }

  /**
   * A call's page is at `url`.
   *
   * @param {string} callId
   * @param {string} url
   * @returns {boolean}  whether it opened; if not, the user must click
   */
  show(callId, url) {
    const prepared = this.#prepared?.closed ? null : this.#prepared;
    this.#prepared = null;
    this.#clock.clearTimeout(this.#timer);
    // Accepted on the page of the call before, not here: nothing was clicked here that would open a tab. The user looks
    // at that call's tab, and it is over.
    const left = this.#left?.closed ? null : this.#left;
    this.#left = null;
    const tab = prepared ?? left ?? this.#open("about:blank");
    if (!tab) return false;
    // the call's page has no business with this one
    tab.opener = null;
    tab.location.replace(url);
    this.#tabs.set(callId, tab);
    return true;
  }

  /**
   * Brings a call's tab to the front.
   *
   * @param {string} callId
   * @returns {boolean}  whether there is one
   */
  focus(callId) {
    const tab = this.#tabs.get(callId);
    if (!tab || tab.closed) return false;
    tab.focus();
    return true;
  }

  /** The call is over. @param {string} callId */
  forget(callId) {
    this.#left = this.#tabs.get(callId) ?? this.#left;
    this.#tabs.delete(callId);
  }
}
