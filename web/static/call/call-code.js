// @ts-check
/**
 * The call code: four emoji that both sides see alike exactly when nobody sits between them.
 *
 * PBKDF2-SHA256 over the call's key, salted with what ties the call to the contact's keys and with the fingerprints of
 * both descriptions. There is no commitment to a side's fingerprint before it knows the other's, so one who sits between
 * could try certificates until the code fits: the iterations make each try dear (docs/decisions.md). The Python twin is
 * `simplex_calls/calls/call_code.py`; both are held to `tests/vectors/call-code.json`.
 *
 * Pure but for WebCrypto, which does its work off the page's thread.
 */
import { decodeKey } from "./frames.js";

export const ITERATIONS = 600_000;
export const CODE_LENGTH = 4;
/** By this the other side's page knows that its table is the same. */
export const CODE_FEATURE = "code-2";
const LABEL = "simplex-calls call code 1\n";

/** One for each value of a byte; their names are the text `call.code.words`, in this order. */
export const EMOJI = [
  ...(
    "🐶🐱🐠🐰🦊🐻🐼🐨🐜🦁🐮🐷🐸🐵🐔🐧🦆🦅🦉🦇🐺🐴🦄🐝🦋🐌🐞🦂🐢🐍🐣🐙" +
    "🦐🦀🐬🌸🦈🐊🦓🦍🐘🗼🐪🦒🦘🐑🐐🎆🦃🦚🦜🦢🦩🦔🦥🦨🧬🦕🐚🌵🎄🌴🍀🍁" +
    "🍄🌻🌹🌷💐🌍🌙🌞⭐⚡🔥🌈⛄💧🌊☔🌋🍎🍊🍋🍌🍉🍇🍓🍒🍹🍍🥥🥝🥞🍆🥑" +
    "🥦🌽🥕🍙🧅🥜🥐🍞🥨🧀🥚🍗🍔🍟🍕🌭🌮🍜🍣🍦🍩🍬🎂🍭🍯🍼☕🍷🍺🍿🧂🧊" +
    "⚽🏀⚾🎾🎱🏓🎳🛹🎿⛳🎯🏹🎣🏆🥇🎲🧩🎮🎨🎭🎪🎤🎧🎹🥁🎷🎵🎸🎫🎬🎈🎁" +
    "🎃🎀🚗🚌🚑🛫🚜🚲🗿🚂⛵🚢🚀🚁🛸⚓🚦⛽🏠🏰🗽🎡⛲⛺📅📱💻💡📡📷📺📻" +
    "⏰⏳🔋🔌💎🔨🧮🧲🧪🔪🔑🚪🪑🛁🚿📬🧹🧺🧳🛒🔔📌📎📏📚📦💰🔍🔒🔬💾💉" +
    "💊👓👕👖🧣🧤🧦👗🎒👠👑🎩💍💄👻👽🤖💀👀👄🦷🦴🧠👣🧱🧵👒🪁🎢🏮🧭🪐"
  ),
];

/**
 * The fingerprints that a description names, as both sides write them: whatever their order and letters.
 *
 * @param {string} sdp
 * @returns {string}  empty if there is none
 */
export function fingerprintsOf(sdp) {
  const found = new Set();
  for (const [, hash = "", value = ""] of sdp.matchAll(/^a=fingerprint:[ \t]*(\S+)[ \t]+(\S+)[ \t]*\r?$/gm)) {
    found.add(`${hash.toLowerCase()} ${value.toUpperCase()}`);
  }
  return [...found].sort().join(",");
}

/**
 * @param {string} key  the call's, in base64url
 * @param {string} binding  32 bytes in base64url
 * @param {[string, string]} descriptions  both sides', in any order
 * @returns {Promise<number[]>}  places in `EMOJI`
 * @throws {TypeError} if something of it is missing or none; the text holds nothing of it
 */
export async function callCode(key, binding, descriptions) {
  const secret = decodeKey(key);
  const tied = decodeKey(binding, "binding");
  const fingerprints = descriptions.map(fingerprintsOf).sort();
  if (fingerprints.length !== 2 || fingerprints.includes("")) throw new TypeError("A description has no fingerprint.");
  const text = new TextEncoder();
  const salt = new Uint8Array([...text.encode(LABEL), ...tied, ...text.encode(fingerprints.join("\n"))]);
  const base = await crypto.subtle.importKey("raw", secret, "PBKDF2", false, ["deriveBits"]);
  const how = { name: "PBKDF2", hash: "SHA-256", salt, iterations: ITERATIONS };
  return [...new Uint8Array(await crypto.subtle.deriveBits(how, base, CODE_LENGTH * 8))];
}

/**
 * What the page shows.
 *
 * @param {readonly number[]} code
 * @param {string} words  the text `call.code.words`
 * @returns {{emoji: string, word: string}[]}
 */
export function shownCode(code, words) {
  const names = words.split(",");
  return code.map((place) => ({ emoji: EMOJI[place] ?? "", word: (names[place] ?? "").trim() }));
}
