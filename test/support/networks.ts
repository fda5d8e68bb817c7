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
  /** Values of a random input: uniform in [low, high), the range of a prepared picture. */
  readonly range: readonly [low: number, high: number];
}

const prepared = [-1, 1] as const;
const standardized = [-2, 2] as const;

export const NETWORKS: readonly Network[] = [
  {
    ...{ name: "mobilenet_v2", place: "folder", file: "mobilenet_v2_1.0_224", input: "image", range: prepared },
    shapes: [[1, 3, 224, 224]],
  },
  {
    ...{ name: "resnet20", place: "folder", file: "resnet20_cifar10", input: "image", range: standardized },
    shapes: [
      [1, 3, 32, 32],
      [3, 3, 32, 32],
    ],
  },
  {
    ...{ name: "mnist_cntk8", place: "folder", file: "mnist_cntk8", input: "Input3", range: [0, 255] },
    shapes: [[1, 1, 28, 28]],
  },
  ...(["fmnist_resnet", "fmnist_mobilenet", "fmnist_vit"] as const).map(
    (name): Network => ({
      ...{ name, place: "fixture", file: `${name}.onnx`, input: "image", range: [-0.8, 2] },
      shapes: [
        [1, 1, 28, 28],
        [3, 1, 28, 28],
      ],
    }),
  ),
  {
    ...{ name: "ppocr_rec", place: "ocr", file: recognizerPath, input: "x", range: prepared },
    shapes: [
      [1, 3, 48, 320],
      [2, 3, 48, 100],
    ],
  },
  {
    ...{ name: "ppocr_cls", place: "ocr", file: classifierPath, input: "x", range: prepared },
    shapes: [
      [1, 3, 48, 192],
      [2, 3, 48, 192],
    ],
  },
  {
    ...{ name: "ppocr_det", place: "ocr", file: detectorPath, input: "x", range: standardized },
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
  { place, file }: Network,
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

/** A smooth picture with noise, the same for the same seed: float32 of the given shape [N, C, H, W]. */
export function randomPicture(seed: number, shape: readonly number[], [low, high]: Network["range"]): Float32Array {
  const random = new Random(seed);
  const [samples = 1, channels = 1, height = 1, width = 1] = shape;
  const data = new Float32Array(samples * channels * height * width);
  const GRID = 8;
  for (let plane = 0; plane < samples * channels; plane++) {
    const corners = random.fill((Math.ceil(height / GRID) + 1) * (Math.ceil(width / GRID) + 1), low, high);
    const across = Math.ceil(width / GRID) + 1;
    for (let y = 0; y < height; y++) {
      for (let x = 0; x < width; x++) {
        const [row, column] = [Math.floor(y / GRID), Math.floor(x / GRID)];
        const [v, u] = [(y % GRID) / GRID, (x % GRID) / GRID];
        const corner = (r: number, c: number) => corners[(row + r) * across + column + c]!;
        const above = corner(0, 0) * (1 - u) + corner(0, 1) * u;
        const below = corner(1, 0) * (1 - u) + corner(1, 1) * u;
        data[(plane * height + y) * width + x] =
          0.9 * (above * (1 - v) + below * v) + random.uniform(0.1 * low, 0.1 * high);
      }
    }
  }
  return data;
}
