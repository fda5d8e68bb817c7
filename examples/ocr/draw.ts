import { createCanvas, ImageData } from "@napi-rs/canvas";
import type { Picture } from "./picture.ts";
import { corners, type Rotated } from "./quadrilateral.ts";

/** The page as a PNG file with every box around its line and its number in the reading order beside it. */
export async function drawBoxes(page: Picture, boxes: readonly Rotated[]): Promise<Uint8Array> {
  const canvas = createCanvas(page.width, page.height);
  const context = canvas.getContext("2d");
  context.putImageData(new ImageData(new Uint8ClampedArray(page.data), page.width, page.height), 0, 0);
  context.lineWidth = 2;
  context.font = "bold 13px sans-serif";
  for (const [i, box] of boxes.entries()) {
    const [first, ...others] = corners(box);
    context.strokeStyle = "rgb(220, 30, 90)";
    context.beginPath();
    context.moveTo(...first);
    for (const point of others) context.lineTo(...point);
    context.closePath();
    context.stroke();
    const label = String(i + 1);
    const [x, y] = [Math.max(0, first[0] - 8), Math.max(0, first[1] - 8)];
    context.fillStyle = "rgb(220, 30, 90)";
    context.fillRect(x, y, 6 + 8 * label.length, 16);
    context.fillStyle = "white";
    context.fillText(label, x + 3, y + 13);
  }
  return canvas.encode("png");
}
