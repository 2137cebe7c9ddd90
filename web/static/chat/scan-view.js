// @ts-check
/** The dialogue that scans a QR code: by the camera, from a picture, or from what is pasted. */
import { find, say, show } from "./dom.js";
import { QrReader, ReaderError } from "./qr-reader.js";
import { cameraProblem, fit, sizes, wantedText } from "./scan-model.js";

/**
 * @typedef {import("./scan-model.js").Wanted} Wanted
 * @typedef {{wanted: Wanted, done: (text: string | null) => void}} Scan  what is done for another than the present one is dropped
 */

/** Between two looks through the camera, in milliseconds. */
const PAUSE = 120;
/** The longer side that a frame of the camera is looked at with: enough for the longest links. */
const FRAME = 1000;

/** A picture that holds no code, or is no picture; the message is an id of the catalogue. */
export class PictureError extends Error {}

export class ScanView {
  #t;
  #dialog = /** @type {HTMLDialogElement} */ (find("scan-dialog"));
  #video = /** @type {HTMLVideoElement} */ (find("scan-video"));
  #reader = new QrReader(() => new Worker(new URL("./qr-worker.js", import.meta.url), { type: "module" }));
  /** @type {Scan | null} */
  #scan = null;

  /** @param {import("../common/catalogue.js").Translate} t */
  constructor(t) {
    this.#t = t;
    this.#dialog.addEventListener("close", () => {
      if (!this.#dialog.open) this.#end(null);
    });
    const file = /** @type {HTMLInputElement} */ (find("scan-file"));
    find("scan-choose").addEventListener("click", () => file.click());
    file.addEventListener("change", () => {
      const chosen = file.files?.[0];
      if (chosen) void this.#still(chosen);
      file.value = "";
    });
    // on the document: with nothing focused it never comes to the dialogue
    document.addEventListener("paste", (event) => this.#pasted(event));
  }

  /**
   * Lets the user scan a code; its text, or `null` if they left.
   *
   * @param {Wanted} wanted
   * @returns {Promise<string | null>}
   */
  scan(wanted) {
    if (this.#scan) return Promise.resolve(null);
    return new Promise((resolve) => {
      this.#scan = { wanted, done: resolve };
      say(find("scan-title"), this.#t(`chat.scan.${wanted}.title`));
      say(find("scan-text"), this.#t(`chat.scan.${wanted}.text`));
      this.#problem("");
      this.#wait("chat.scan.starting");
      this.#dialog.showModal();
      void this.#film(this.#scan);
    });
  }

  /**
   * The text of the code in a picture; rejected with PictureError.
   *
   * @param {Blob} file
   * @returns {Promise<string>}
   */
  async readPicture(file) {
    /** @type {ImageBitmap} */
    let bitmap;
    try {
      bitmap = await createImageBitmap(file);
    } catch {
      throw new PictureError("chat.scan.no-picture");
    }
    try {
      for (const { width, height } of sizes(bitmap.width, bitmap.height)) {
        const text = await this.#reader.read(pixelsOf(bitmap, width, height));
        if (text !== null) return text;
      }
    } catch (error) {
      if (error instanceof ReaderError) throw new PictureError("chat.scan.broken", { cause: error });
      throw error;
    } finally {
      bitmap.close();
      if (!this.#scan) this.#reader.stop();
    }
    throw new PictureError("chat.scan.no-code");
  }

  /** @param {Scan} scan */
  async #film(scan) {
    /** @type {MediaStream | undefined} */
    let stream;
    try {
      const video = { facingMode: "environment", width: { ideal: 1280 }, height: { ideal: 720 } };
      stream = await navigator.mediaDevices?.getUserMedia({ video });
      if (!stream) throw new DOMException("no devices", "NotFoundError");
      if (this.#scan !== scan) return;
      this.#video.srcObject = stream;
      await this.#video.play();
      this.#wait("");
      while (this.#scan === scan) {
        await this.#look(scan);
        await new Promise((resolve) => setTimeout(resolve, PAUSE));
      }
    } catch (error) {
      // it was left while the camera was being opened
      if (this.#scan !== scan) return;
      this.#wait(error instanceof ReaderError ? "chat.scan.broken" : cameraProblem(error), { isOver: true });
    } finally {
      for (const track of stream?.getTracks() ?? []) track.stop();
    }
  }

  /** @param {Scan} scan */
  async #look(scan) {
    const { videoWidth, videoHeight } = this.#video;
    if (videoWidth === 0) return;
    const { width, height } = fit(videoWidth, videoHeight, FRAME);
    const text = await this.#reader.read(pixelsOf(this.#video, width, height));
    if (text !== null && this.#scan === scan) this.#found(text);
  }

  /** @param {Blob} file */
  async #still(file) {
    const scan = this.#scan;
    this.#problem("");
    try {
      const text = await this.readPicture(file);
      if (this.#scan === scan) this.#found(text);
    } catch (error) {
      if (!(error instanceof PictureError)) throw error;
      if (this.#scan === scan) this.#problem(this.#t(error.message));
    }
  }

  /** @param {ClipboardEvent} event */
  #pasted(event) {
    if (!this.#scan) return;
    const picture = pastedPicture(event);
    const text = event.clipboardData?.getData("text/plain") ?? "";
    if (picture) void this.#still(picture);
    else if (text.trim()) this.#found(text);
    else return;
    event.preventDefault();
  }

  /** @param {string} text */
  #found(text) {
    const scan = this.#scan;
    if (!scan) return;
    const found = wantedText(text, scan.wanted);
    if (found === null) this.#problem(this.#t(`chat.scan.${scan.wanted}.other`));
    else this.#end(found);
  }

  /** @param {string | null} text */
  #end(text) {
    const scan = this.#scan;
    if (!scan) return;
    this.#scan = null;
    this.#video.srcObject = null;
    this.#reader.stop();
    // focus is back where it was before anything else happens
    if (this.#dialog.open) this.#dialog.close();
    scan.done(text);
  }

  /** What stands in place of the camera's picture; nothing if it is there. @param {string} id @param {{isOver?: boolean}} [how] */
  #wait(id, { isOver = false } = {}) {
    show(find("scan-wait"), id !== "");
    show(find("scan-spinner"), !isOver);
    say(find("scan-wait-text"), id && this.#t(id));
    find("scan-frame").classList.toggle("is-off", isOver);
  }

  /** @param {string} words */
  #problem(words) {
    say(find("scan-problem"), words);
    show(find("scan-problem"), words !== "");
  }
}

/**
 * The picture that is pasted, if one is.
 *
 * @param {ClipboardEvent} event
 */
export function pastedPicture(event) {
  return [...(event.clipboardData?.files ?? [])].find(({ type }) => type.startsWith("image/")) ?? null;
}

/**
 * @param {CanvasImageSource} source
 * @param {number} width
 * @param {number} height
 */
function pixelsOf(source, width, height) {
  const canvas = new OffscreenCanvas(width, height);
  const context = canvas.getContext("2d", { willReadFrequently: true });
  if (!context) throw new ReaderError("no canvas");
  // what is transparent is light, as on paper
  context.fillStyle = "#ffffff";
  context.fillRect(0, 0, width, height);
  context.drawImage(source, 0, 0, width, height);
  return /** @type {import("./qr-reader.js").Pixels} */ (context.getImageData(0, 0, width, height));
}
