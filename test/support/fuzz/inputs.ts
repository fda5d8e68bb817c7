import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { quantize } from "../../../src/entries/quantize.ts";
import type { Graph } from "../../../src/graph/graph.ts";
import { writeOnnx } from "../../../src/onnx/index.ts";
import type { Preset } from "../../../src/series/index.ts";
import type { Tensor } from "../../../src/tensor/index.ts";
import { Random } from "../random.ts";
import { mutateBytes, mutateContainer, mutateGraph } from "./mutate.ts";
import { randomGraph } from "./random-graph.ts";
import { SEEDS } from "./seeds.ts";

export interface Input {
  readonly kind: "valid" | "graph" | "bytes" | "container" | "file";
  readonly bytes: Uint8Array;
  readonly feeds: Readonly<Record<string, Tensor>>;
  /** What the bytes mean, where they are valid. */
  readonly graph?: Graph;
}

const CASES = fileURLToPath(new URL("../../fixtures/cases/", import.meta.url));
/** Larger files are slow to change and hold little more. */
const LARGEST_FILE = 20_000;

/** Small committed models, and those below the folder that BITBASIS_FUZZ_MODELS names. */
const files: Uint8Array[] = [CASES, process.env["BITBASIS_FUZZ_MODELS"]]
  .filter((folder) => folder !== undefined)
  .flatMap((folder) => readdirSync(folder, { recursive: true, encoding: "utf8" }).map((path) => join(folder, path)))
  .filter((path) => path.endsWith(".onnx"))
  .sort()
  .map((path) => new Uint8Array(readFileSync(path)))
  .filter((bytes) => bytes.length <= LARGEST_FILE);

/** Input number `index` of a seed: always the same one. */
export async function inputOf(seed: number, index: number): Promise<Input> {
  const random = new Random(Math.imul(seed, 0x9e3779b1) ^ Math.imul(index + 1, 0x85ebca6b));
  // One graph serves many changes: growing it costs more than what follows.
  const { graph, feeds } =
    random.integer(0, 2) === 0
      ? random.pick(SEEDS)
      : cached(random.integer(0, 199) + 200 * (seed + Math.floor(index / 2000)));
  const kind = random.integer(0, 19);
  if (kind === 0) {
    const own = randomGraph(random.bits());
    return { kind: "valid", bytes: writeOnnx(own.graph), feeds: own.feeds, graph: own.graph };
  }
  if (kind < 11) return { kind: "graph", bytes: written(() => mutateGraph(random, graph), graph), feeds };
  if (kind < 14) return { kind: "bytes", bytes: mutateBytes(random, writeOnnx(graph)), feeds };
  if (kind < 16) return { kind: "file", bytes: mutateBytes(random, random.pick(files)), feeds };
  return { kind: "container", bytes: mutateContainer(random, await container(random.integer(0, 23))), feeds };
}

/** A mutant that cannot be written (a tensor where the writer wants a number) is given up for the graph itself. */
function written(make: () => Graph, otherwise: Graph): Uint8Array {
  try {
    return writeOnnx(make());
  } catch {
    return writeOnnx(otherwise);
  }
}

const graphs = new Map<number, ReturnType<typeof randomGraph>>();

function cached(seed: number): ReturnType<typeof randomGraph> {
  let graph = graphs.get(seed);
  if (graph === undefined) {
    if (graphs.size > 400) graphs.clear();
    graph = randomGraph(seed, 4);
    graphs.set(seed, graph);
  }
  return graph;
}

const presets: readonly Preset[] = ["float32", "faithful", "fast", "compact"];
const containers = new Map<number, Promise<Uint8Array>>();

function container(which: number): Promise<Uint8Array> {
  let bytes = containers.get(which);
  if (bytes === undefined) {
    const { graph } = randomGraph(1_000_000 + which, 4, which % 2 === 0 ? "Conv" : "MatMul");
    bytes = quantize(writeOnnx(graph), { preset: presets[which % presets.length]! })
      .then((result) => result.bytes)
      .catch(() => container(which + 100));
    containers.set(which, bytes);
  }
  return bytes;
}
