// @ts-check
/**
 * Reads QR codes, beside the page so that it goes on; jsqr (npm) is loaded here only.
 *
 * In: `{id, width, height, pixels}` with the RGBA pixels' buffer. Out: `{id, text}`, `null` if there is no code.
 */

/** @typedef {(data: Uint8ClampedArray, width: number, height: number) => {data: string} | null} JsQr */

// a plain script that puts its function on `self`, whatever it is loaded as
const loading = import(String(new URL("../vendor/jsqr.js", import.meta.url)));

self.addEventListener("message", async ({ data: { id, width, height, pixels } }) => {
  await loading;
  const { jsQR } = /** @type {{jsQR: JsQr}} */ (/** @type {unknown} */ (self));
  const code = jsQR(new Uint8ClampedArray(pixels), width, height);
  self.postMessage({ id, text: code && code.data !== "" ? code.data : null });
});
