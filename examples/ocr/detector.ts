/**
 * Where text is: PP-OCRv4's detector gives for every pixel the probability that it lies in the shrunken middle of a line ("differentiable
 * binarization"); connected pixels above a threshold are a line, whose rectangle is grown back by what the training took away.
 */
import { type InferenceSession, Tensor } from "bitbasis";
import type { Picture } from "./picture.ts";
import { scaleInto } from "./prepare.ts";
import { leastRectangle, type Point, type Rotated } from "./quadrilateral.ts";

/** The network halves its input five times. */
const STEP = 32;
/** Longest side that is looked at, as in PaddleOCR. */
const LONGEST = 960;
/** Probability of a pixel of text, and least mean probability of a box. */
const THRESHOLD = 0.3;
const LEAST_SCORE = 0.6;
/** A box grows by area · UNCLIP / perimeter on every side. */
const UNCLIP = 1.5;
/** Lower boxes are specks. */
const LEAST_SIDE = 3;

export interface Detection extends Rotated {
  /** Mean probability of its pixels. */
  readonly score: number;
}

/**
 * @returns the lines of text, in the page's pixels, in no order
 * @example
 * const session = await InferenceSession.create(detectorPath);
 * const lines = await detect(session, await readPicture("page.png"));
 */
export async function detect(session: InferenceSession, page: Picture): Promise<Detection[]> {
  const scale = Math.min(1, LONGEST / Math.max(page.width, page.height));
  const side = (length: number): number => Math.max(STEP, Math.round((length * scale) / STEP) * STEP);
  const [width, height] = [side(page.width), side(page.height)];
  const data = new Float32Array(3 * height * width);
  // ImageNet's means in the order red, green, blue, which PaddleOCR applies to blue, green, red
  scaleInto(data, page, { used: width, height, width, mean: [0.485, 0.456, 0.406], deviation: [0.229, 0.224, 0.225] });
  const outputs = await session.run({ [session.inputNames[0]!]: new Tensor("float32", data, [1, 3, height, width]) });
  const map = outputs[session.outputNames[0]!]!.data as Float32Array;
  return boxes(map, width, height).map((box) => stretched(box, page.width / width, page.height / height));
}

/**
 * The boxes of a map of probabilities, in its own pixels.
 *
 * @param map - height × width
 */
export function boxes(map: Float32Array, width: number, height: number): Detection[] {
  const found: Detection[] = [];
  const seen = new Uint8Array(width * height);
  for (let start = 0; start < map.length; start++) {
    if (seen[start] === 1 || map[start]! <= THRESHOLD) continue;
    const pixels = component(map, seen, start, width, height);
    const score = pixels.reduce((sum, at) => sum + map[at]!, 0) / pixels.length;
    if (score < LEAST_SCORE) continue;
    const box = leastRectangle(outline(pixels, width));
    if (Math.min(box.width, box.height) < LEAST_SIDE) continue;
    const growth = (box.width * box.height * UNCLIP) / (2 * (box.width + box.height));
    found.push({ ...box, width: box.width + 2 * growth, height: box.height + 2 * growth, score });
  }
  return found;
}

/** Pixels above the threshold that touch one another, diagonally too. */
function component(map: Float32Array, seen: Uint8Array, start: number, width: number, height: number): number[] {
  const pixels = [start];
  seen[start] = 1;
  for (let next = 0; next < pixels.length; next++) {
    const [x, y] = [pixels[next]! % width, Math.floor(pixels[next]! / width)];
    for (let v = Math.max(0, y - 1); v <= Math.min(height - 1, y + 1); v++) {
      for (let u = Math.max(0, x - 1); u <= Math.min(width - 1, x + 1); u++) {
        const at = v * width + u;
        if (seen[at] === 1 || map[at]! <= THRESHOLD) continue;
        seen[at] = 1;
        pixels.push(at);
      }
    }
  }
  return pixels;
}

/** The corners of the first and last pixel of every row: all that a convex hull can touch. */
function outline(pixels: readonly number[], width: number): Point[] {
  const rows = new Map<number, [number, number]>();
  for (const at of pixels) {
    const [x, y] = [at % width, Math.floor(at / width)];
    const [left, right] = rows.get(y) ?? [x, x];
    rows.set(y, [Math.min(left, x), Math.max(right, x)]);
  }
  return [...rows].flatMap(([y, [left, right]]): Point[] => [
    [left, y],
    [right + 1, y],
    [left, y + 1],
    [right + 1, y + 1],
  ]);
}

/** The box on a page that was scaled by 1/h and 1/v: sides and angle follow, also where h and v differ a little. */
function stretched(box: Detection, h: number, v: number): Detection {
  const [c, s] = [Math.cos(box.angle), Math.sin(box.angle)];
  return {
    ...{ x: box.x * h, y: box.y * v, score: box.score },
    width: box.width * Math.hypot(c * h, s * v),
    height: box.height * Math.hypot(s * h, c * v),
    angle: Math.atan2(s * v, c * h),
  };
}
