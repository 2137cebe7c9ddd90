// @ts-check
/** People who ask to connect: above the list of contacts, until they are accepted or not. */
import { drawAvatar } from "../common/avatar.js";
import { arrange, find, fromTemplate, part, say, show } from "./dom.js";
import { isolated } from "./present.js";

export class RequestsView {
  #list = find("requests");
  /** @type {Map<number, HTMLElement>} */
  #rows = new Map();
  #actions;

  /** @param {{accept: (id: number) => void, reject: (id: number) => void}} actions */
  constructor(actions) {
    this.#actions = actions;
  }

  /**
   * @param {import("./model.js").State} state
   * @param {import("./present.js").Words} words
   */
  render(state, { t, dates, now }) {
    const requests = [...state.requests.values()].sort((one, other) => one.createdAt - other.createdAt);
    for (const id of this.#rows.keys()) if (!state.requests.has(id)) this.#rows.delete(id);
    const rows = requests.map((request) => {
      const row = this.#rows.get(request.id) ?? this.#newRow(request.id);
      const name = request.name || t("chat.name.nobody");
      row.setAttribute("aria-label", t("chat.request.label", { name: isolated(name) }));
      drawAvatar(part(row, ".avatar"), name, request.image);
      say(part(row, ".request-name"), name);
      say(part(row, ".request-full-name"), request.fullName);
      show(part(row, ".request-full-name"), request.fullName !== "");
      say(part(row, "time"), dates.brief(request.createdAt, now));
      return row;
    });
    arrange(this.#list, rows);
    show(this.#list, rows.length > 0);
  }

  /** @param {number} id */
  #newRow(id) {
    const row = fromTemplate("request-template");
    part(row, "[data-action=accept]").addEventListener("click", () => this.#actions.accept(id));
    part(row, "[data-action=reject]").addEventListener("click", () => this.#actions.reject(id));
    this.#rows.set(id, row);
    return row;
  }
}
