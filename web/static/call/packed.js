// @ts-check
/**
 * Descriptions and candidates travel as LZ-string texts (base64 of compressed JSON). A few kilobytes of such a text can
 * stand for a hundred megabytes, and the library has no bound; so the length is counted before anything is expanded.
 */

/** Most characters that a text may expand to; a description has 5 to 15 thousand. */
export const MAX_UNPACKED = 131_072;
/** Most characters of a packed text: twice what a chat message holds, as that may be compressed itself. */
export const MAX_PACKED = 32_768;

const ALPHABET = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
const VALUES = new Map([...ALPHABET].map((letter, value) => [letter.charCodeAt(0), value]));

/** The library's three codes that are not of its dictionary: a new character of 8 or 16 bits, and the end. */
const SHORT = 0;
const LONG = 1;
const END = 2;

/** Reads numbers off a text of 6 bits a letter, the lowest bit of each number first. */
class Bits {
  #text;
  #position = 0;

  /** @param {string} text */
  constructor(text) {
    this.#text = text;
  }

  get isOver() {
    return this.#position > 6 * this.#text.length;
  }

  /** @param {number} size */
  read(size) {
    let number = 0;
    for (let bit = 0; bit < size; bit += 1, this.#position += 1) {
      const letter = VALUES.get(this.#text.charCodeAt(Math.floor(this.#position / 6))) ?? 0;
      number |= ((letter >> (5 - (this.#position % 6))) & 1) << bit;
    }
    return number;
  }
}

/**
 * How many characters a packed text expands to, without expanding it.
 *
 * @param {string} text
 * @param {number} limit  counting ends beyond it
 * @returns {number}  Infinity for a text that is damaged
 */
export function unpackedLength(text, limit) {
  const bits = new Bits(text);
  const first = bits.read(2);
  if (first === END) return 0;
  if (first > END) return Infinity;
  bits.read(first === SHORT ? 8 : 16);
  /** The length of each entry of the library's dictionary, of which the first three are the codes. */
  const lengths = [0, 0, 0, 1];
  let [last, total, width, untilWider] = [1, 1, 3, 4];
  const grow = () => {
    untilWider -= 1;
    if (untilWider === 0) {
      untilWider = 2 ** width;
      width += 1;
    }
  };
  while (total <= limit) {
    const code = bits.read(width);
    if (bits.isOver) return Infinity;
    if (code === END) return total;
    let length = lengths[code];
    if (code === SHORT || code === LONG) {
      bits.read(code === SHORT ? 8 : 16);
      length = 1;
      lengths.push(length);
      grow();
    } else if (code === lengths.length) {
      length = last + 1;
    }
    if (length === undefined) return Infinity;
    total += length;
    lengths.push(last + 1);
    grow();
    last = length;
  }
  return total;
}

/**
 * The value that a packed text stands for.
 *
 * @param {string} text
 * @param {(text: string) => string | null} decompress  the library's `decompressFromBase64`
 * @returns {any}
 * @throws {Error} if it is damaged, or expands to more than {@link MAX_UNPACKED}
 */
export function unpack(text, decompress) {
  if (text.length > MAX_PACKED || unpackedLength(text, MAX_UNPACKED) > MAX_UNPACKED) throw new RangeError("too large");
  return JSON.parse(decompress(text) ?? "");
}
