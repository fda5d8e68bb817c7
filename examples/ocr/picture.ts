/**
 * Pictures as plain memory: RGBA, 8 bits, rows from the top, no padding. The shape of the web's ImageData, so that a browser's
 * canvas, @napi-rs/canvas and our own code understand one another without copying.
 */
import { createCanvas, loadImage } from "@napi-rs/canvas";

export interface Picture {
  readonly width: number;
  readonly height: number;
  /** width · height · 4 bytes, RGBA. */
  readonly data: Uint8Array | Uint8ClampedArray;
}

/** Decodes a PNG, JPEG or WebP file, given as a path or as its bytes. */
export async function readPicture(source: string | Uint8Array): Promise<Picture> {
  const image = await loadImage(source);
  const canvas = createCanvas(image.width, image.height);
  const context = canvas.getContext("2d");
  context.drawImage(image, 0, 0);
  return context.getImageData(0, 0, image.width, image.height);
}

/**
 * A rectangle of a picture, copied.
 *
 * @throws RangeError when the rectangle is empty or leaves the picture
 */
export function crop(picture: Picture, x: number, y: number, width: number, height: number): Picture {
  if (width < 1 || height < 1 || x < 0 || y < 0 || x + width > picture.width || y + height > picture.height) {
    throw new RangeError(
      `the rectangle ${width}×${height} at (${x}, ${y}) does not lie in a picture of ${picture.width}×${picture.height}`,
    );
  }
  const data = new Uint8Array(width * height * 4);
  for (let row = 0; row < height; row++) {
    const from = ((y + row) * picture.width + x) * 4;
    data.set(picture.data.subarray(from, from + width * 4), row * width * 4);
  }
  return { width, height, data };
}
