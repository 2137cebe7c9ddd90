// @ts-check
/** Before the call: one's own picture and sound, and the devices for them. Loaded when the user wants a preview. */
import { deviceChoices, meterShare } from "./settings-model.js";
import { playTestSound } from "./test-sound.js";

/**
 * @typedef {import("./snapshot.js").Snapshot} Snapshot
 *
 * @typedef {object} PreviewActions
 * @property {(media: "audio" | "video") => void} begin
 * @property {() => void} hangUp
 * @property {(kind: import("./preferences.js").DeviceKind, id: string | null) => void} choose
 * @property {() => number | null} level  of our own microphone; null while it cannot be told
 */

const METER_MS = 100;

export class PreviewView {
  #page;
  #t;
  #actions;
  #section;
  #video;
  #noCamera;
  #meter;
  /** @type {MediaStreamTrack | null} */
  #shown = null;
  /** @type {Map<string, HTMLSelectElement>} */
  #selects = new Map();
  /** @type {Map<string, string>} */
  #shownOptions = new Map();
  /** @type {Snapshot["devices"]["chosen"]["speaker"]} */
  #speaker = null;
  #canChooseSpeaker = "setSinkId" in HTMLMediaElement.prototype;
  #withVideo;
  #withAudio;
  #cancel;
  /** @type {ReturnType<typeof setInterval> | undefined} */
  #timer;

  /**
   * @param {Document} page
   * @param {import("../common/catalogue.js").Translate} t
   * @param {PreviewActions} actions
   */
  constructor(page, t, actions) {
    this.#page = page;
    this.#t = t;
    this.#actions = actions;
    this.#section = this.#make("section", { className: "preview card", id: "preview", hidden: true });
    this.#section.setAttribute("aria-labelledby", "preview-title");
    const title = this.#make("h2", { id: "preview-title", textContent: t("call.preview.title") });
    this.#video = this.#make("video", { autoplay: true, playsInline: true, muted: true });
    this.#video.setAttribute("aria-label", t("call.preview.video"));
    this.#noCamera = this.#make("p", { className: "muted", textContent: t("call.preview.no-camera") });
    const picture = this.#make("div", { className: "preview-picture" });
    picture.append(this.#video, this.#noCamera);
    this.#meter = this.#make("meter", { className: "level", max: 1 });
    this.#meter.setAttribute("aria-label", t("call.settings.level"));
    const devices = this.#make("div", { className: "preview-devices" });
    devices.append(this.#device("microphone"), this.#meter);
    if (this.#canChooseSpeaker) devices.append(this.#device("speaker"));
    devices.append(this.#testButton(), this.#device("camera"));
    this.#cancel = this.#button("is-quiet", () => actions.hangUp());
    this.#withAudio = this.#button("is-quiet", () => actions.begin("audio"));
    this.#withVideo = this.#button("is-good", () => actions.begin("video"));
    const buttons = this.#make("div", { className: "preview-actions" });
    buttons.append(this.#cancel, this.#withAudio, this.#withVideo);
    this.#section.append(title, picture, devices, buttons);
    page.querySelector(".who")?.after(this.#section);
  }

  /** @param {Snapshot} snapshot */
  render({ phase, call, media, camera, facing, devices }) {
    const isShown = phase === "previewing";
    const opens = isShown && this.#section.hidden;
    this.#section.hidden = !isShown;
    this.#show(isShown ? camera : null);
    if (!isShown) {
      clearInterval(this.#timer);
      return;
    }
    this.#video.classList.toggle("is-mirrored", facing === "user");
    this.#speaker = devices.chosen.speaker;
    for (const { kind, chosen, options } of deviceChoices(devices, this.#t, { canChooseSpeaker: this.#canChooseSpeaker })) {
      this.#options(kind, options);
      this.#select(kind).value = chosen;
    }
    const isIncoming = call.direction === "incoming";
    this.#cancel.textContent = this.#t(isIncoming ? "call.preview.decline" : "call.preview.cancel");
    const how = isIncoming ? "accept" : "start";
    this.#withAudio.textContent = this.#t(`call.preview.${how}.audio`);
    this.#withVideo.textContent = this.#t(`call.preview.${how}.video`);
    if (!opens) return;
    this.#timer = setInterval(() => (this.#meter.value = meterShare(this.#actions.level())), METER_MS);
    (media === "video" ? this.#withVideo : this.#withAudio).focus();
  }

  /** @param {MediaStreamTrack | null} track */
  #show(track) {
    this.#video.hidden = track === null;
    this.#noCamera.hidden = track !== null;
    if (track === this.#shown) return;
    this.#shown = track;
    this.#video.srcObject = track && new MediaStream([track]);
  }

  /** @param {import("./preferences.js").DeviceKind} kind */
  #device(kind) {
    const row = this.#make("label", { className: "settings-row" });
    const select = this.#make("select", { className: "field" });
    select.addEventListener("change", () => this.#actions.choose(kind, select.value || null));
    this.#selects.set(kind, select);
    row.append(this.#make("span", { textContent: this.#t(`call.settings.${kind}`) }), select);
    return row;
  }

  /** @param {string} kind */
  #select(kind) {
    const select = this.#selects.get(kind);
    if (!select) throw new Error(`There is no choice of ${kind}.`);
    return select;
  }

  /**
   * @param {string} kind
   * @param {import("./settings-model.js").Option[]} options
   */
  #options(kind, options) {
    // built anew only when they have changed: a list that is open must not jump
    const shown = JSON.stringify(options);
    if (this.#shownOptions.get(kind) === shown) return;
    this.#shownOptions.set(kind, shown);
    this.#select(kind).replaceChildren(
      ...options.map(({ value, label }) => this.#make("option", { value, textContent: label })),
    );
  }

  #testButton() {
    const button = this.#button("is-quiet is-small", () => void this.#test(button));
    button.textContent = this.#t("call.settings.test");
    return button;
  }

  /** @param {HTMLButtonElement} button */
  async #test(button) {
    button.disabled = true;
    try {
      await playTestSound(this.#speaker);
    } catch {
      button.textContent = this.#t("call.settings.test.failed");
    } finally {
      button.disabled = false;
    }
  }

  /**
   * @param {string} className
   * @param {() => void} act
   */
  #button(className, act) {
    const button = this.#make("button", { type: "button", className: `button ${className}` });
    button.addEventListener("click", act);
    return button;
  }

  /**
   * @template {keyof HTMLElementTagNameMap} Tag
   * @param {Tag} tag
   * @param {Partial<HTMLElementTagNameMap[Tag]>} [properties]
   * @returns {HTMLElementTagNameMap[Tag]}
   */
  #make(tag, properties = {}) {
    return Object.assign(this.#page.createElement(tag), properties);
  }
}
