// @ts-check
/** How good the call is: bars in the corner, and a panel with plots of the last minutes. */
import { diagnosticsOf } from "./quality.js";

/**
 * @typedef {import("./quality.js").Sample} Sample
 * @typedef {{id: string, unit: string, of: (sample: Sample) => (number | null)[]}} Measure  values: sent, received
 */

const WIDTH = 240;
const HEIGHT = 48;
const COURSE_MS = 30_000;
/** A plot is a minute wide at first, five in the end. */
const SECONDS = { least: 60, most: 300 };

/** @type {readonly Measure[]} */
const MEASURES = [
  { id: "call.quality.bitrate", unit: "call.quality.unit.bitrate", of: ({ sent, received }) => [sent.bitrate, received.bitrate] },
  { id: "call.quality.loss", unit: "call.quality.unit.share", of: ({ sent, received }) => [sent.loss, received.loss] },
  { id: "call.quality.round-trip", unit: "call.quality.unit.time", of: ({ roundTrip }) => [roundTrip] },
  { id: "call.quality.jitter", unit: "call.quality.unit.time", of: ({ sent, received }) => [sent.jitter, received.jitter] },
  { id: "call.quality.frames", unit: "call.quality.unit.rate", of: ({ sent, received }) => [sent.frames, received.frames] },
  { id: "call.quality.height", unit: "call.quality.unit.height", of: ({ sent, received }) => [sent.height || null, received.height || null] },
];

/** @type {Record<import("./quality.js").Limit, string>} */
const LIMITS = {
  cpu: "call.quality.limit.cpu",
  bandwidth: "call.quality.limit.bandwidth",
  "loss-sent": "call.quality.limit.loss-sent",
  "loss-received": "call.quality.limit.loss-received",
  "round-trip": "call.quality.limit.round-trip",
  jitter: "call.quality.limit.jitter",
  buffer: "call.quality.limit.buffer",
};

/** @type {Record<import("./quality.js").Advice, string>} */
const ADVICE = {
  router: "call.quality.advice.router",
  "low-data": "call.quality.advice.low-data",
  "camera-off": "call.quality.advice.camera-off",
  "other-side": "call.quality.advice.other-side",
};

const BARS = ["call.quality.bars.none", "call.quality.bars.poor", "call.quality.bars.weak", "call.quality.bars.good", "call.quality.bars.best"];

export class QualityView {
  #page;
  #t;
  /** @type {import("./snapshot.js").Snapshot | null} */
  #snapshot = null;

  /**
   * @param {Document} page
   * @param {import("../common/catalogue.js").Translate} t
   * @param {{setLowData: (isLowData: boolean) => void}} actions
   */
  constructor(page, t, { setLowData }) {
    this.#page = page;
    this.#t = t;
    const panel = /** @type {HTMLDetailsElement} */ (this.#find("quality"));
    panel.addEventListener("toggle", () => this.#plots());
    page.addEventListener("pointerdown", (event) => {
      if (!panel.contains(/** @type {Node} */ (event.target))) panel.open = false;
    });
    page.addEventListener("keydown", ({ key }) => {
      if (key !== "Escape" || !panel.open) return;
      panel.open = false;
      panel.querySelector("summary")?.focus();
    });
    const lowData = /** @type {HTMLInputElement} */ (this.#find("low-data"));
    lowData.addEventListener("change", () => setLowData(lowData.checked));
    this.#find("diagnostics").addEventListener("click", () => this.#save());
  }

  /** @param {import("./snapshot.js").Snapshot} snapshot */
  render(snapshot) {
    const isNew = snapshot.quality !== this.#snapshot?.quality;
    this.#snapshot = snapshot;
    const { quality, phase, settings } = snapshot;
    const isShown = quality !== null && (phase === "connected" || phase === "reconnecting");
    this.#find("quality").hidden = !isShown;
    /** @type {HTMLInputElement} */ (this.#find("low-data")).checked = settings.isLowData;
    if (!quality || !isNew) return;
    const words = this.#t(BARS[quality.bars] ?? "call.quality.bars.none");
    this.#find("quality").dataset.bars = String(quality.bars);
    this.#text("quality-text", words);
    this.#text("quality-state", words);
    this.#text("quality-advice", quality.advice ? this.#t(ADVICE[quality.advice]) : "");
    this.#text("quality-limits", quality.limits.map((limit) => this.#t(LIMITS[limit])).join(" · "));
    this.#plots();
  }

  /** Draws, while somebody looks. */
  #plots() {
    const series = this.#snapshot?.quality?.series;
    if (!series || !(/** @type {HTMLDetailsElement} */ (this.#find("quality")).open)) return;
    this.#find("quality-plots").replaceChildren(...MEASURES.map((measure) => this.#figure(measure, series)));
  }

  /**
   * One measure: its latest values as text, and their course.
   *
   * @param {Measure} measure
   * @param {readonly Sample[]} series
   */
  #figure({ id, unit: unitId, of }, series) {
    const unit = this.#t(unitId);
    const end = series.at(-1)?.at ?? 0;
    const points = series.filter(({ at }) => end - at <= SECONDS.most * 1000).map((sample) => ({ at: sample.at, values: of(sample) }));
    const most = Math.max(1, ...points.flatMap(({ values }) => values.map((value) => value ?? 0)));
    const latest = points.at(-1)?.values ?? [];
    const number = (/** @type {number | null} */ value) =>
      value === null ? "–" : value.toLocaleString(this.#page.documentElement.lang || undefined, { maximumFractionDigits: value < 10 ? 1 : 0 });
    const figure = this.#page.createElement("figure");
    const caption = this.#page.createElement("figcaption");
    caption.append(Object.assign(this.#page.createElement("span"), { textContent: this.#t(id) }));
    const words = (/** @type {(number | null)[]} */ values) =>
      values.length === 1
        ? `${number(values[0] ?? null)} ${unit}`
        : this.#t("call.quality.both", { sent: number(values[0] ?? null), received: number(values[1] ?? null), unit });
    caption.append(Object.assign(this.#page.createElement("span"), { className: "plot-now", textContent: words(latest) }));
    const svg = this.#svg("svg", { viewBox: `0 0 ${WIDTH} ${HEIGHT}`, preserveAspectRatio: "none", "aria-hidden": "true", class: "plot" });
    for (const [index] of latest.entries()) {
      const d = pathOf(points.map(({ at, values }) => ({ at, value: values[index] ?? null })), end, most);
      svg.append(this.#svg("path", { d, class: index === 0 ? "plot-sent" : "plot-received" }));
    }
    const axis = Object.assign(this.#page.createElement("span"), { className: "plot-most", textContent: `${number(most)} ${unit}` });
    axis.setAttribute("aria-hidden", "true");
    figure.append(caption, svg, axis, this.#times(spanOf(points, end)), this.#course(points, end, words));
    return figure;
  }

  /**
   * When a plot begins and ends.
   *
   * @param {number} span  milliseconds
   */
  #times(span) {
    const axis = Object.assign(this.#page.createElement("div"), { className: "plot-times" });
    axis.setAttribute("aria-hidden", "true");
    axis.append(...[span, 0].map((ago) => Object.assign(this.#page.createElement("span"), { textContent: this.#ago(ago) })));
    return axis;
  }

  /**
   * A plot for those who cannot see it: a value for every half minute.
   *
   * @param {{at: number, values: (number | null)[]}[]} points
   * @param {number} end
   * @param {(values: (number | null)[]) => string} words
   */
  #course(points, end, words) {
    const list = Object.assign(this.#page.createElement("ul"), { className: "visually-hidden" });
    let next = end;
    for (const { at, values } of [...points].reverse()) {
      if (at > next) continue;
      next = at - COURSE_MS;
      list.append(Object.assign(this.#page.createElement("li"), { textContent: `${this.#ago(end - at)}: ${words(values)}` }));
    }
    return list;
  }

  /** @param {number} milliseconds  @returns {string}  "now", "90 sec. ago", "2 min. ago" */
  #ago(milliseconds) {
    const seconds = Math.round(milliseconds / 1000);
    const format = new Intl.RelativeTimeFormat(this.#page.documentElement.lang || undefined, { numeric: "auto", style: "short" });
    return seconds < 120 ? format.format(-seconds, "second") : format.format(-Math.round(seconds / 60), "minute");
  }

  #save() {
    if (!this.#snapshot) return;
    const now = Date.now();
    const content = JSON.stringify(diagnosticsOf(this.#snapshot, now, engineOf(navigator.userAgent)), null, 1);
    const url = URL.createObjectURL(new Blob([content], { type: "application/json" }));
    const link = Object.assign(this.#page.createElement("a"), { href: url, download: "simplex-calls-diagnostics.json" });
    link.click();
    setTimeout(() => URL.revokeObjectURL(url), 10_000);
  }

  /**
   * @param {string} name
   * @param {Record<string, string>} attributes
   */
  #svg(name, attributes) {
    const element = this.#page.createElementNS("http://www.w3.org/2000/svg", name);
    for (const [key, value] of Object.entries(attributes)) element.setAttribute(key, value);
    return element;
  }

  /**
   * @param {string} id
   * @param {string} text
   */
  #text(id, text) {
    const element = this.#find(id);
    // the same text again would be read out again
    if (element.textContent !== text) element.textContent = text;
  }

  /** @param {string} id */
  #find(id) {
    const element = this.#page.getElementById(id);
    if (!element) throw new Error(`The page has no element ${id}.`);
    return element;
  }
}

/**
 * How much time a plot shows, in milliseconds.
 *
 * @param {readonly {at: number}[]} points
 * @param {number} end
 */
function spanOf(points, end) {
  return Math.min(SECONDS.most * 1000, Math.max(SECONDS.least * 1000, end - (points[0]?.at ?? end)));
}

/**
 * The line of a plot, broken where nothing is known.
 *
 * @param {{at: number, value: number | null}[]} points
 * @param {number} end
 * @param {number} most  the value at the top
 */
function pathOf(points, end, most) {
  const span = spanOf(points, end);
  let isDown = false;
  return points
    .map(({ at, value }) => {
      if (value === null) {
        isDown = false;
        return "";
      }
      const x = WIDTH * (1 - (end - at) / span);
      const y = HEIGHT - 1 - (HEIGHT - 2) * Math.min(1, value / most);
      const command = isDown ? "L" : "M";
      isDown = true;
      return `${command}${x.toFixed(1)} ${y.toFixed(1)}`;
    })
    .join("");
}

/** @param {string} userAgent  @returns {string}  the engine's name and version, nothing else of the system */
function engineOf(userAgent) {
  return /(?:Firefox|QtWebEngine|Chrome)\/[\d.]+/.exec(userAgent)?.[0] ?? "";
}
