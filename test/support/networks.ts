/**
 * The networks that tests and measurements run, with inputs from a seed. Three kinds of place: `fixture` is committed, `ocr` comes with
 * the npm package of PP-OCRv4, `folder` is a file `NAME/model.onnx` in the folder that BITBASIS_MODELS names, for models that are too
 * large or not ours to commit.
 */
import { existsSync } from "node:fs";
import { join } from "node:path";
import { classifierPath, detectorPath, recognizerPath } from "../../examples/ocr/models.ts";
import { Random } from "./random.ts";

export interface Network {
  readonly name: string;
  readonly place: "fixture" | "ocr" | "folder";
  /** File or folder in that place. */
  readonly file: string;
  readonly input: string;
  /** Shapes of the input that are worth measuring; the first is the usual one. */
  readonly shapes: readonly (readonly number[])[];
  /** For networks that read text: width in pixels of the strokes of a random picture's digits. */
  readonly digitSize?: number;
  /** Values of a random input: uniform in [low, high). */
  readonly range: readonly [low: number, high: number];
  /** Least and largest value that its preprocessing makes of a pixel: what plans are told (`inputRange`) wherever its containers are measured. */
  readonly inputRange: readonly [least: number, largest: number];
}

const prepared = { range: [-1, 1], inputRange: [-1, 1] } as const;
/** Minus the mean of ImageNet's colours, through their deviation. */
const standardized = { range: [-2, 2], inputRange: [-2.2, 2.7] } as const;

export const NETWORKS: readonly Network[] = [
  {
    ...{ name: "mobilenet_v2", place: "folder", file: "mobilenet_v2_1.0_224", input: "image", ...prepared },
    shapes: [[1, 3, 224, 224]],
  },
  {
    ...{ name: "resnet20", place: "folder", file: "resnet20_cifar10", input: "image", ...standardized },
    shapes: [
      [1, 3, 32, 32],
      [3, 3, 32, 32],
    ],
  },
  {
    ...{
      name: "mnist_cntk8",
      place: "folder",
      file: "mnist_cntk8",
      input: "Input3",
      range: [0, 255],
      inputRange: [0, 255],
    },
    shapes: [[1, 1, 28, 28]],
  },
  ...(["fmnist_resnet", "fmnist_mobilenet", "fmnist_vit"] as const).map(
    (name): Network => ({
      ...{ name, place: "fixture", file: `${name}.onnx`, input: "image", range: [-0.8, 2], inputRange: [-0.82, 2.03] },
      shapes: [
        [1, 1, 28, 28],
        [3, 1, 28, 28],
      ],
    }),
  ),
  {
    ...{ name: "ppocr_rec", place: "ocr", file: recognizerPath, input: "x", ...prepared, digitSize: 6 },
    shapes: [
      [1, 3, 48, 320],
      [2, 3, 48, 100],
    ],
  },
  {
    ...{ name: "ppocr_cls", place: "ocr", file: classifierPath, input: "x", ...prepared, digitSize: 6 },
    shapes: [
      [1, 3, 48, 192],
      [2, 3, 48, 192],
    ],
  },
  {
    ...{ name: "ppocr_det", place: "ocr", file: detectorPath, input: "x", ...standardized, digitSize: 3 },
    shapes: [[1, 3, 160, 224]],
  },
];

/**
 * Where a network lies.
 *
 * @param root - the repository
 * @returns the path of the `.onnx` file, or why there is none
 */
export function locate(
  { place, file }: Pick<Network, "place" | "file">,
  root: string,
): { readonly path: string } | { readonly missing: string } {
  const folder = process.env["BITBASIS_MODELS"];
  if (place === "folder" && folder === undefined) {
    return { missing: `not in the repository: set BITBASIS_MODELS to a folder with ${file}/model.onnx` };
  }
  const path =
    place === "ocr"
      ? file
      : place === "fixture"
        ? join(root, "test/fixtures/models", file)
        : join(folder!, file, "model.onnx");
  return existsSync(path) ? { path } : { missing: `${path} does not exist` };
}

/** Digits on a grid of 3 × 5, row by row from the top, one bit a cell. */
const DIGITS = [0x7b6f, 0x2c97, 0x73e7, 0x73cf, 0x5bc9, 0x79cf, 0x79ef, 0x7249, 0x7bef, 0x7bcf];

/** Cells of the smooth background. */
const CELL = 8;

/**
 * A random picture, the same for the same seed: a smooth background with noise, and on it dark digits where the network reads text (noise
 * alone would leave a detector's output at zero, which checks nothing).
 *
 * @returns float32 of the given shape [N, C, H, W], within the network's range
 */
export function randomPicture(
  seed: number,
  shape: readonly number[],
  network: Pick<Network, "range" | "digitSize">,
): Float32Array {
  const { range, digitSize } = network;
  const random = new Random(seed);
  const [samples = 1, channels = 1, height = 1, width = 1] = shape;
  const data = new Float32Array(samples * channels * height * width);
  const plane = height * width;
  for (let sample = 0; sample < samples; sample++) {
    const pixels = data.subarray(sample * channels * plane, (sample + 1) * channels * plane);
    for (let c = 0; c < channels; c++) {
      paintBackground(pixels.subarray(c * plane, (c + 1) * plane), width, range, random);
    }
    if (digitSize !== undefined) paintDigits(pixels, { width, height, size: digitSize, ink: range[0] }, random);
  }
  return data;
}

function paintBackground(pixels: Float32Array, width: number, [low, high]: Network["range"], random: Random): void {
  const height = pixels.length / width;
  const across = Math.ceil(width / CELL) + 1;
  const corners = random.fill((Math.ceil(height / CELL) + 1) * across, low, high);
  for (let y = 0; y < height; y++) {
    for (let x = 0; x < width; x++) {
      const first = Math.floor(y / CELL) * across + Math.floor(x / CELL);
      const [v, u] = [(y % CELL) / CELL, (x % CELL) / CELL];
      const above = corners[first]! * (1 - u) + corners[first + 1]! * u;
      const below = corners[first + across]! * (1 - u) + corners[first + across + 1]! * u;
      const noise = random.uniform(0.1 * low, 0.1 * high);
      pixels[y * width + x] = 0.9 * (above * (1 - v) + below * v) + noise;
    }
  }
}

/** Lines of digits on a bright band each; `size` is the width of a stroke in pixels. */
function paintDigits(
  pixels: Float32Array,
  { width, height, size, ink }: { width: number; height: number; size: number; ink: number },
  random: Random,
): void {
  const plane = width * height;
  const line = 7 * size;
  const paint = (x: number, y: number, wide: number, high: number, value: number) => {
    for (let start = y * width + x; start < pixels.length; start += plane) {
      for (let row = 0; row < high; row++) {
        const from = start + row * width;
        for (let i = 0; i < wide; i++) pixels[from + i] = value + 0.1 * pixels[from + i]!;
      }
    }
  };
  for (let top = Math.floor((height % line) / 2); top + line <= height; top += 2 * line) {
    paint(0, top, width, line, -0.8 * ink);
    for (let left = size; left + 4 * size <= width; left += 4 * size) {
      const digit = random.integer(0, 10);
      for (let cell = 0; cell < 15 && digit < 10; cell++) {
        if (((DIGITS[digit]! >> (14 - cell)) & 1) === 0) continue;
        paint(left + (cell % 3) * size, top + size + Math.floor(cell / 3) * size, size, size, 0.9 * ink);
      }
    }
  }
}
