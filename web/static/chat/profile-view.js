// @ts-check
/** The user's profile in the settings: name, full name, picture, whether calls are welcome. */
import { drawAvatar } from "../common/avatar.js";
import { problem, Refusal } from "./dialogs.js";
import { find, say, show } from "./dom.js";

/**
 * @typedef {object} ProfileValues
 * @property {string} displayName
 * @property {string} fullName
 * @property {string | null} image
 * @property {boolean} callsAllowed
 *
 * @typedef {object} ProfileActions
 * @property {(values: ProfileValues) => Promise<void>} setProfile  rejected with Refusal
 * @property {(file: Blob) => Promise<string>} makeImage  a picture's file as it is sent; rejected when it is none
 */

export class ProfileView {
  #actions;
  #t;
  #name = /** @type {HTMLInputElement} */ (find("profile-name"));
  #fullName = /** @type {HTMLInputElement} */ (find("profile-full-name"));
  #calls = /** @type {HTMLInputElement} */ (find("profile-calls"));
  /** @type {string | null} */
  #image = null;

  /**
   * @param {ProfileActions} actions
   * @param {import("../common/catalogue.js").Translate} t
   */
  constructor(actions, t) {
    this.#actions = actions;
    this.#t = t;
    const file = /** @type {HTMLInputElement} */ (find("profile-file"));
    find("profile-choose").addEventListener("click", () => file.click());
    file.addEventListener("change", async () => {
      const [chosen] = file.files ?? [];
      file.value = "";
      if (chosen) await this.#take(chosen);
    });
    find("profile-no-image").addEventListener("click", () => {
      this.#image = null;
      this.#changed();
      find("profile-choose").focus();
    });
    for (const field of [this.#name, this.#fullName, this.#calls]) field.addEventListener("input", () => this.#changed());
    find("profile-form").addEventListener("submit", (event) => {
      event.preventDefault();
      void this.#save();
    });
  }

  /** Puts the profile that there is into the form. @param {import("./api.js").Profile | null} profile */
  show(profile) {
    this.#name.value = profile?.displayName ?? "";
    this.#fullName.value = profile?.fullName ?? "";
    this.#image = profile?.image ?? null;
    this.#calls.checked = profile?.callsAllowed ?? true;
    this.#changed();
  }

  #changed() {
    drawAvatar(find("profile-avatar"), this.#name.value, this.#image);
    show(find("profile-no-image"), this.#image !== null);
    show(find("profile-problem"), false);
    say(find("profile-saved"), "");
  }

  /** @param {Blob} file */
  async #take(file) {
    try {
      this.#image = await this.#actions.makeImage(file);
      this.#changed();
    } catch {
      problem("profile-problem", new Refusal(this.#t("chat.profile.image.bad")));
    }
  }

  async #save() {
    const displayName = this.#name.value.trim();
    const button = /** @type {HTMLButtonElement} */ (find("profile-save"));
    if (!displayName) {
      problem("profile-problem", new Refusal(this.#t("chat.first.empty")));
      this.#name.focus();
      return;
    }
    button.disabled = true;
    try {
      const fullName = this.#fullName.value.trim();
      await this.#actions.setProfile({ displayName, fullName, image: this.#image, callsAllowed: this.#calls.checked });
      show(find("profile-problem"), false);
      say(find("profile-saved"), this.#t("chat.profile.saved"));
    } catch (error) {
      problem("profile-problem", error);
    } finally {
      button.disabled = false;
    }
  }
}
