import type { Picture } from "./picture.ts";
import type { Rotated } from "./quadrilateral.ts";

/** The content of a rotated rectangle as an upright picture, bilinear; beyond the page its nearest pixel counts. */
export function cut(page: Picture, box: Rotated): Picture {
  const [width, height] = [Math.max(1, Math.round(box.width)), Math.max(1, Math.round(box.height))];
  const [c, s] = [Math.cos(box.angle), Math.sin(box.angle)];
  const data = new Uint8Array(width * height * 4);
  for (let y = 0; y < height; y++) {
    for (let x = 0; x < width; x++) {
      const [u, v] = [x + 0.5 - width / 2, y + 0.5 - height / 2];
      sample(page, box.x + c * u - s * v - 0.5, box.y + s * u + c * v - 0.5, data, (y * width + x) * 4);
    }
  }
  return { width, height, data };
}

/** The picture upside down. */
export function turned({ width, height, data }: Picture): Picture {
  const words = new Uint32Array(data.slice().buffer).reverse();
  return { width, height, data: new Uint8Array(words.buffer) };
}

function sample({ width, height, data }: Picture, x: number, y: number, target: Uint8Array, at: number): void {
  const [left, top] = [Math.floor(x), Math.floor(y)];
  const [h, v] = [x - left, y - top];
  const inside = (value: number, end: number): number => Math.min(Math.max(value, 0), end - 1);
  const [x0, x1] = [inside(left, width), inside(left + 1, width)];
  const [y0, y1] = [inside(top, height) * width, inside(top + 1, height) * width];
  for (let channel = 0; channel < 4; channel++) {
    const value = (pixel: number): number => data[pixel * 4 + channel]!;
    const upper = value(y0 + x0) + (value(y0 + x1) - value(y0 + x0)) * h;
    const lower = value(y1 + x0) + (value(y1 + x1) - value(y1 + x0)) * h;
    target[at + channel] = Math.round(upper + (lower - upper) * v);
  }
}
