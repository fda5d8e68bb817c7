/**
 * From a picture of one text line to the recogniser's input, as PaddleOCR prepares it: height 48 with the aspect ratio kept (bilinear,
 * half-pixel centres, as OpenCV's INTER_LINEAR), BGR planes, (x/255 − 0.5)/0.5, padded on the right with 0. Plain arithmetic in a
 * fixed order: the same picture gives the same bits on every machine, which a canvas's own scaling does not promise.
 */
import type { Picture } from "./picture.ts";

/** Height of the recogniser's input. */
export const LINE_HEIGHT = 48;

/** Narrowest input: the width the recogniser was trained on. */
export const LEAST_WIDTH = 320;

/** The recogniser halves the width three times before its attention: a multiple of 8 keeps the last column whole. */
const WIDTH_STEP = 8;

export interface LineInput {
  /** Float32, [1, 3, 48, width], channels B, G, R. */
  readonly data: Float32Array;
  readonly dims: readonly [1, 3, number, number];
  /** Columns that hold the picture; the others are padding. */
  readonly used: number;
}

/**
 * @param picture - one line of horizontal text, any size
 * @param leastWidth - width to pad to at least, in pixels of the scaled line
 * @returns the input tensor's data and dims
 *
 * @example
 * const { data, dims } = prepareLine(await readPicture("line.png"));
 * const outputs = await session.run({ x: new Tensor("float32", data, dims) });
 */
export function prepareLine(picture: Picture, leastWidth = LEAST_WIDTH): LineInput {
  const used = Math.max(1, Math.round((picture.width * LINE_HEIGHT) / picture.height));
  const width = Math.ceil(Math.max(used, leastWidth) / WIDTH_STEP) * WIDTH_STEP;
  const data = new Float32Array(3 * LINE_HEIGHT * width);
  scaleInto(data, picture, { used, height: LINE_HEIGHT, width, mean: [0.5, 0.5, 0.5], deviation: [0.5, 0.5, 0.5] });
  return { data, dims: [1, 3, LINE_HEIGHT, width], used };
}

export interface Scaling {
  /** Columns to fill, at most `width`. */
  readonly used: number;
  readonly height: number;
  readonly width: number;
  /** Per channel in the order B, G, R, on the scale 0…1. */
  readonly mean: readonly [number, number, number];
  readonly deviation: readonly [number, number, number];
}

/** Scales a picture bilinearly to used × height and writes its three planes, normalized, into `target` [3, height, width]. */
export function scaleInto(target: Float32Array, picture: Picture, scaling: Scaling): void {
  const { used, height, width, mean, deviation } = scaling;
  const columns = taps(picture.width, used);
  const rows = taps(picture.height, height);
  for (let channel = 0; channel < 3; channel++) {
    const byte = 2 - channel;
    for (let y = 0; y < height; y++) {
      const { low, high, fraction } = rows[y]!;
      const upper = low * picture.width;
      const lower = high * picture.width;
      for (let x = 0; x < used; x++) {
        const column = columns[x]!;
        const above = mix(picture, upper + column.low, upper + column.high, column.fraction, byte);
        const below = mix(picture, lower + column.low, lower + column.high, column.fraction, byte);
        const value = Math.round(above + (below - above) * fraction) / 255;
        target[(channel * height + y) * width + x] = (value - mean[channel]!) / deviation[channel]!;
      }
    }
  }
}

interface Tap {
  readonly low: number;
  readonly high: number;
  readonly fraction: number;
}

/** For each target pixel the two source pixels around its centre and the share of the second. */
function taps(source: number, target: number): Tap[] {
  return Array.from({ length: target }, (_, i) => {
    const centre = Math.min(Math.max(((i + 0.5) * source) / target - 0.5, 0), source - 1);
    const low = Math.floor(centre);
    return { low, high: Math.min(low + 1, source - 1), fraction: centre - low };
  });
}

function mix(picture: Picture, first: number, second: number, fraction: number, byte: number): number {
  const a = picture.data[first * 4 + byte]!;
  const b = picture.data[second * 4 + byte]!;
  return a + (b - a) * fraction;
}
