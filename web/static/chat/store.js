// @ts-check
/**
 * The page's state and its line to Python: what all controllers share.
 *
 * @typedef {import("./model.js").State} State
 */
import { RequestFailed } from "./api.js";
import { Refusal } from "./dialogs.js";
import { INITIAL } from "./model.js";

export class Store {
  state = INITIAL;
  #api;
  #changed;
  #complain;
  #t;

  /**
   * @param {import("./api.js").Api} api
   * @param {(state: State) => void} changed  told of every new state
   * @param {(text: string) => void} complain  tells the user of a fault
   * @param {import("../common/catalogue.js").Translate} t
   */
  constructor(api, changed, complain, t) {
    this.#api = api;
    this.#changed = changed;
    this.#complain = complain;
    this.#t = t;
  }

  /** @param {State} state */
  set(state) {
    if (state === this.state) return;
    this.state = state;
    this.#changed(state);
  }

  /** The contact whose conversation is open. */
  get opened() {
    return this.state.open === null ? undefined : this.state.contacts.get(this.state.open);
  }

  /**
   * Asks; rejected with RequestFailed.
   *
   * @param {string} method
   * @param {Record<string, any>} [params]
   */
  request(method, params) {
    return this.#api.request(method, params);
  }

  /**
   * Asks; what is refused is for a dialogue to show: rejected with Refusal.
   *
   * @param {string} method
   * @param {Record<string, any>} [params]
   */
  async ask(method, params) {
    try {
      return await this.request(method, params);
    } catch (error) {
      throw new Refusal(this.words(error));
    }
  }

  /**
   * Asks; what is refused is shown.
   *
   * @param {string} method
   * @param {Record<string, any>} [params]
   * @returns {Promise<boolean>}
   */
  async do(method, params) {
    try {
      await this.request(method, params);
      return true;
    } catch (error) {
      this.failed(error);
      return false;
    }
  }

  /** @param {unknown} error */
  failed(error) {
    if (error instanceof RequestFailed && error.code === "closed") return; // the page says so as a whole
    this.#complain(this.words(error));
  }

  /** @param {unknown} error */
  words(error) {
    if (!(error instanceof RequestFailed)) throw error;
    return error.text || this.#t(error.code === "timeout" ? "chat.toast.timeout" : "chat.toast.unknown");
  }
}
