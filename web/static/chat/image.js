// @ts-check
/** A profile's picture, as the official apps send it: a square JPEG as a data URL of at most 12,500 characters. */

export const MAX_LENGTH = 12_500;
const QUALITY = 0.85;
const MAX_SIDE = 1024;
const MIN_SIDE = 16;

/**
 * Shrinks a picture until its data URL is short enough. `encode(side)` gives the data URL of the picture with that many
 * pixels on each side.
 *
 * @param {number} side  of the picture as it is
 * @param {(side: number) => Promise<string>} encode
 * @returns {Promise<string>}
 */
export async function shrink(side, encode) {
  let next = Math.min(side, MAX_SIDE);
  for (;;) {
    const url = await encode(next);
    if (url.length <= MAX_LENGTH) return url;
    if (next <= MIN_SIDE) throw new RangeError("the picture cannot be made small enough");
    // by the root of what it is too long by: its length goes with its surface
    const ratio = Math.min(Math.sqrt(url.length / MAX_LENGTH), 2);
    next = Math.max(MIN_SIDE, Math.min(next - 1, Math.floor(next / ratio)));
  }
}

/**
 * The middle square of a picture's file, small enough to be sent; rejected when the file is no picture.
 *
 * @param {Blob} file
 * @returns {Promise<string>}
 */
export async function profileImage(file) {
  const bitmap = await createImageBitmap(file);
  try {
    const square = Math.min(bitmap.width, bitmap.height);
    const [x, y] = [(bitmap.width - square) / 2, (bitmap.height - square) / 2];
    return await shrink(square, async (side) => {
      const canvas = Object.assign(document.createElement("canvas"), { width: side, height: side });
      const context = canvas.getContext("2d");
      if (!context) throw new Error("no canvas");
      context.imageSmoothingQuality = "high";
      // a JPEG has no holes: what was transparent becomes white
      context.fillStyle = "#ffffff";
      context.fillRect(0, 0, side, side);
      context.drawImage(bitmap, x, y, square, square, 0, 0, side, side);
      // the name that official apps know a JPEG by
      return canvas.toDataURL("image/jpeg", QUALITY).replace("data:image/jpeg;", "data:image/jpg;");
    });
  } finally {
    bitmap.close();
  }
}
