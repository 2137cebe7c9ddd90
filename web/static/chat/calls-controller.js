// @ts-check
/**
 * Calls: made, taken, shown, ended.
 *
 * @typedef {import("./controller.js").Parts} Parts
 * @typedef {import("./api.js").Call} Call
 * @typedef {import("./api.js").Media} Media
 */
import { Refusal } from "./dialogs.js";
import * as model from "./model.js";

export class CallsController {
  #store;
  #parts;

  /**
   * @param {import("./store.js").Store} store
   * @param {Parts} parts
   */
  constructor(store, parts) {
    this.#store = store;
    this.#parts = parts;
  }

  /**
   * What a call's change leads to besides the state.
   *
   * @param {Call} call
   * @param {import("./model.js").State} before
   */
  changed(call, before) {
    const { view, tabs, t } = this.#parts;
    if (call.state !== "ended") return;
    tabs.forget(call.id);
    const known = before.calls.get(call.id);
    if (call.failure && known?.isActive) view.toast("bad", t(`client.failure.${call.failure}`));
    // the warning that stands before a call that is over
    if (known?.state === "ringing" && model.ringing(this.#store.state).length === 0) view.closeIp();
  }

  /** Calls the open contact. @param {Media} media */
  async call(media) {
    const contact = this.#store.opened;
    if (!contact || model.callObstacle(this.#store.state, contact)) return;
    await this.#begin("start_call", { contactId: contact.id, media }, contact, "call");
  }

  /** @param {string} callId @param {boolean} [isAudioOnly]  with the camera off */
  async accept(callId, isAudioOnly = false) {
    const call = this.#store.state.calls.get(callId);
    if (!call) return;
    /** @type {Record<string, any>} */
    const params = isAudioOnly ? { callId, audioOnly: true } : { callId };
    if (call.encrypted === false) {
      if (!(await this.#acceptsUnencrypted(call.contactName))) return;
      params.unencrypted = true;
    }
    await this.#begin("accept", params, { id: call.contactId, name: call.contactName }, "accept");
  }

  /** Whether the user takes a call that the other app does not encrypt. @param {string} name */
  async #acceptsUnencrypted(name) {
    const { isConfirmed } = await this.#parts.view.confirm({
      title: "chat.unencrypted.title",
      text: "chat.unencrypted.text",
      go: "chat.unencrypted.go",
      name,
    });
    return isConfirmed;
  }

  /**
   * Does what opens a call's page, after the warning of the first time with a contact.
   *
   * @param {string} method
   * @param {Record<string, any>} params
   * @param {{id: number, name: string}} contact
   * @param {"call" | "accept"} act
   */
  async #begin(method, params, { id: contactId, name }, act) {
    const store = this.#store;
    const { tabs, view } = this.#parts;
    try {
      /** @type {import("./api.js").Route} */
      const { needsWarning, hasRelay } = await store.request("call_route", { contactId });
      const answer = needsWarning ? await view.askIp(name, act, hasRelay) : "";
      if (answer === null) return;
      // soon after the click: later no browser would open a tab
      if (store.state.mode === "browser") tabs.prepare();
      if (answer === "relay") await store.request("set_call_route", { contactId, relay: true });
      else if (answer === "direct") await store.request("confirm_ip_exposure", { contactId });
      const call = await store.request(method, params);
      store.set(model.callCame(store.state, call));
    } catch (error) {
      tabs.discard();
      store.failed(error);
    }
  }

  /** Asks how calls ring. */
  async loadSettings() {
    const store = this.#store;
    try {
      const calling = await store.request("call_settings");
      if (calling) store.set({ ...store.state, calling });
    } catch (error) {
      store.failed(error);
    }
  }

  /** Sets how calls ring; rejected with Refusal. @param {Partial<import("./api.js").CallSettings>} values */
  async set(values) {
    const calling = await this.#store.ask("set_call_settings", values);
    this.#store.set({ ...this.#store.state, calling });
  }

  /** The same, where no dialogue shows what is refused. @param {Partial<import("./api.js").CallSettings>} values */
  async setAtOnce(values) {
    try {
      await this.set(values);
    } catch (error) {
      if (!(error instanceof Refusal)) throw error;
      this.#parts.view.toast("bad", error.message);
    }
  }

  /** Lets the user hear how calls ring. @param {number} percent */
  trySound(percent) {
    if (!model.rings(this.#store.state)) this.#parts.ringtone.try(percent);
  }

  /** Opens the page of a call without SimpleX. */
  async paste() {
    const { tabs } = this.#parts;
    if (this.#store.state.mode === "browser") tabs.prepare();
    if (!(await this.#store.do("paste_call"))) tabs.discard();
  }

  /** @param {string} callId */
  async reject(callId) {
    await this.#store.do("reject", { callId });
  }

  /** @param {string} callId */
  async hangUp(callId) {
    await this.#store.do("hang_up", { callId });
  }

  /** Brings a call's page to the front. @param {string} callId */
  async showCall(callId) {
    const { tabs } = this.#parts;
    if (tabs.focus(callId)) return;
    if (this.#store.state.mode === "browser") tabs.prepare();
    if (!(await this.#store.do("show_call", { callId }))) tabs.discard();
  }
}
