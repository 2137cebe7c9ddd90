// @ts-check
/** What blurring a background computes: a person's outline, what is behind, and how much a computer can bear. Pure. */

/** Above a mean of this share of a frame's time the next smaller step is taken, below the second a larger one. */
const TOO_MUCH = 1;
const LITTLE = 0.4;
/** Frames that are looked at before a step down, and before the first step up; each that fails doubles the latter. */
export const DOWN_FRAMES = 10;
export const UP_FRAMES = 300;

/** @typedef {{height: number, rate: number}} Step  pictures at most that high, and that many a second */

/** @type {readonly Step[]} */
const STEPS = [
  { height: 1080, rate: 30 },
  { height: 720, rate: 30 },
  { height: 540, rate: 24 },
  { height: 360, rate: 20 },
  { height: 360, rate: 12 },
  { height: 270, rate: 8 },
];

/** How large pictures are and how many a second, by how long they take. */
export class Pace {
  #step = 0;
  #frames = 0;
  #sum = 0;
  /** Frames in a row that took little. */
  #easy = 0;
  #upFrames = UP_FRAMES;
  #height = 0;
  #nextAt = -Infinity;

  /** @returns {Step} */
  get step() {
    return /** @type {Step} */ (STEPS[this.#step]);
  }

  /** Whether the camera's picture is made smaller or fewer. */
  get isReduced() {
    return this.#height > this.step.height || this.step.rate < 30;
  }

  /**
   * Whether it is time for the next picture.
   *
   * @param {number} now  milliseconds
   */
  isDue(now) {
    const interval = 1000 / this.step.rate;
    // pictures of a camera come a little early and late: half of their own time
    if (now < this.#nextAt - 1000 / 60) return false;
    this.#nextAt = Math.max(this.#nextAt + interval, now + interval / 2);
    return true;
  }

  /**
   * A picture is done.
   *
   * @param {number} duration  milliseconds
   * @param {number} height  of the camera's picture
   */
  done(duration, height) {
    this.#height = height;
    this.#frames += 1;
    this.#sum += duration;
    if (this.#frames < DOWN_FRAMES) return;
    const share = (this.#sum / this.#frames / 1000) * this.step.rate;
    this.#easy = share < LITTLE ? this.#easy + this.#frames : 0;
    this.#frames = 0;
    this.#sum = 0;
    if (share > TOO_MUCH) this.#down();
    else if (this.#easy >= this.#upFrames && this.#step > 0) {
      this.#easy = 0;
      this.#upFrames *= 2;
      this.#step -= 1;
    }
  }

  #down() {
    const { height, rate } = this.step;
    const next = STEPS.findIndex((step, index) => index > this.#step && (step.rate < rate || step.height < Math.min(height, this.#height)));
    if (next >= 0) this.#step = next;
  }
}

/**
 * The size of a picture that is at most so high, in even numbers, as encoders want them.
 *
 * @param {number} width
 * @param {number} height
 * @param {number} most
 */
export function sizeWithin(width, height, most) {
  const scale = Math.min(1, most / height);
  const even = (/** @type {number} */ length) => Math.max(2, Math.round((length * scale) / 2) * 2);
  return { width: even(width), height: even(height) };
}

/**
 * Pixels as the model takes them: red, green and blue from 0 to 1.
 *
 * @param {Uint8ClampedArray} pixels  RGBA
 * @param {Float32Array} input
 */
export function toInput(pixels, input) {
  for (let from = 0, to = 0; from < pixels.length; from += 4, to += 3) {
    input[to] = /** @type {number} */ (pixels[from]) / 255;
    input[to + 1] = /** @type {number} */ (pixels[from + 1]) / 255;
    input[to + 2] = /** @type {number} */ (pixels[from + 2]) / 255;
  }
}

/**
 * A new outline of the person over the last one, so that it does not flicker.
 *
 * @param {Float32Array} mask  how much each pixel is of the person, from 0 to 1; changed
 * @param {Float32Array} found  what the model says now
 */
export function follow(mask, found) {
  for (let at = 0; at < mask.length; at += 1) {
    const last = /** @type {number} */ (mask[at]);
    mask[at] = last + 0.7 * (/** @type {number} */ (found[at]) - last);
  }
}

/**
 * The outline as the alpha of a picture: what is in doubt is taken for background.
 *
 * @param {Float32Array} mask
 * @param {Uint8ClampedArray} pixels  RGBA; its alpha is changed
 */
export function toAlpha(mask, pixels) {
  for (let at = 0; at < mask.length; at += 1) {
    const share = Math.min(1, Math.max(0, (/** @type {number} */ (mask[at]) - 0.4) / 0.4));
    pixels[at * 4 + 3] = 255 * share * share * (3 - 2 * share);
  }
}

/**
 * Blurs a picture: each pixel becomes the mean around it, twice. The person counts little, so that no shine of them
 * stands around them.
 *
 * @param {Uint8ClampedArray} pixels  RGBA; changed
 * @param {Float32Array} mask  how much each pixel is of the person
 * @param {number} width
 * @param {number} radius
 */
export function blurBackground(pixels, mask, width, radius) {
  const count = mask.length;
  const height = count / width;
  // colours times weight, and the weight
  const from = new Float32Array(count * 4);
  const to = new Float32Array(count * 4);
  for (let at = 0; at < count; at += 1) {
    const weight = 1.02 - /** @type {number} */ (mask[at]);
    for (let part = 0; part < 3; part += 1) from[at * 4 + part] = weight * /** @type {number} */ (pixels[at * 4 + part]);
    from[at * 4 + 3] = weight;
  }
  for (let pass = 0; pass < 2; pass += 1) {
    boxBlur(from, to, height, width, width * 4, 4, radius);
    boxBlur(to, from, width, height, 4, width * 4, radius);
  }
  for (let at = 0; at < count * 4; at += 4) {
    const weight = /** @type {number} */ (from[at + 3]);
    for (let part = 0; part < 3; part += 1) pixels[at + part] = /** @type {number} */ (from[at + part]) / weight;
    pixels[at + 3] = 255;
  }
}

/**
 * Sums along lines: a window of `2 * radius + 1` slides over each; at its ends the last value counts again.
 *
 * @param {Float32Array} from
 * @param {Float32Array} to
 * @param {number} lines
 * @param {number} length  of a line
 * @param {number} lineStride
 * @param {number} stride  from one value of a line to the next
 * @param {number} radius
 */
function boxBlur(from, to, lines, length, lineStride, stride, radius) {
  const share = 1 / (2 * radius + 1);
  const end = (length - 1) * stride;
  for (let line = 0; line < lines; line += 1) {
    for (let part = 0; part < 4; part += 1) {
      const start = line * lineStride + part;
      const valueAt = (/** @type {number} */ place) => /** @type {number} */ (from[start + Math.min(end, Math.max(0, place * stride))]);
      let sum = 0;
      for (let place = -radius; place <= radius; place += 1) sum += valueAt(place);
      for (let place = 0; place < length; place += 1) {
        to[start + place * stride] = sum * share;
        sum += valueAt(place + radius + 1) - valueAt(place - radius);
      }
    }
  }
}
