import { readFile } from "node:fs/promises";
import { unzlibSync } from "fflate";
import type { Graph, Node } from "../../graph/graph.ts";
import { readOnnx, writeOnnx } from "../../onnx/index.ts";
import {
  type DyadicNetwork,
  denseLayer,
  dyadic,
  evaluateRational,
  fromNumber,
  lowerPrecision,
  magnitude,
  networkSize,
  type RationalPoint,
  roundNetwork,
  sliceNetwork,
  toNumber,
} from "../../regimes/index.ts";
import { InferenceSession } from "../../session/session.ts";
import { Tensor, uniformNumbers } from "../../tensor/index.ts";
import { type Experiment, finding, type Json } from "../experiment.ts";
import { lineChart } from "./charts.ts";
import { randomMlp } from "./mlp.ts";

const MODELS = ["fmnist_resnet", "fmnist_mobilenet", "fmnist_vit"];
const MLPS = [
  [4, 32, 32, 32, 3],
  [16, 64, 64, 10],
  [2, 16, 16, 16, 16, 16, 1],
];
const BITS = [1, 2, 3, 4];
/** Weights are first rounded to this many bits, sign included, and features to multiples of 2^-8, so that everything is exact. */
const WEIGHT_BITS = 8;
const FEATURE_BITS = 8;
const PICTURES = 100;
const PIXELS = 28 * 28;
const FIXTURES = new URL("../../../test/fixtures/", import.meta.url);

type Row = { [key: string]: Json };

/** Exact lowering of dense layers of the Fashion-MNIST models and of random networks: memory, and accuracy unchanged. */
export const conversion: Experiment = {
  name: "regimes-conversion",
  summary:
    "Dense layers of the Fashion-MNIST models and random networks, lowered exactly to 1 to 4 fractional bits: memory, equality, accuracy.",
  async run({ seed = 1, signal, onProgress } = {}) {
    const rows: Row[] = [];
    const accuracy: Row[] = [];
    const total = MODELS.length + MLPS.length;
    let done = 0;
    const missing: string[] = [];
    for (const name of MODELS) {
      signal?.throwIfAborted();
      const bytes = await readFile(new URL(`models/${name}.onnx`, FIXTURES)).catch(() => undefined);
      if (bytes === undefined) {
        missing.push(name);
        continue;
      }
      const graph = readOnnx(bytes);
      const layers = denseLayers(graph);
      for (const layer of distinct(layers)) rows.push(...(await lowered(`${name} ${layer.name}`, layer.network, seed)));
      const head = layers.at(-1)!;
      accuracy.push(...(await classify(name, graph, head)));
      onProgress?.({ phase: name, loaded: ++done, total });
    }
    for (const dims of MLPS) {
      signal?.throwIfAborted();
      rows.push(...(await lowered(`random ${dims.join("-")}`, randomMlp(dims, WEIGHT_BITS - 1, seed), seed)));
      onProgress?.({ phase: "random", loaded: ++done, total });
    }
    const networks = [...new Set(rows.map((row) => row["network"] as string))];
    const chart = lineChart({
      title: "8-bit layers lowered exactly: sparse memory (signed digits)",
      rows: rows.map((row) => ({ bits: row["bits"]!, ratio: row["sparseSigned"]!, network: row["network"]! })),
      x: "bits",
      y: "ratio",
      series: "network",
      xTitle: "fractional bits after lowering",
      yTitle: "memory of the original = 1",
      whole: true,
      order: networks,
    });
    const unequal = rows.filter((row) => row["equal"] !== true).length;
    const heads = accuracy.filter((row) => "equalOnAllPictures" in row);
    const equalHeads = heads.filter((row) => row["equalOnAllPictures"] === true).length;
    const most = Math.max(...rows.filter((row) => row["bits"] === 1).map((row) => row["sparseSigned"] as number));
    return {
      data: { rows, accuracy, missing },
      findings: [
        finding(
          "Lowered layers are equal at random rationals",
          `all ${rows.length}`,
          `${rows.length - unequal} of ${rows.length}`,
          unequal === 0,
        ),
        {
          claim: "Lowered heads give the same logits on every picture",
          expected: `all ${heads.length}`,
          found: heads.length === 0 ? `no model at hand (${missing.join(", ")})` : `${equalHeads} of ${heads.length}`,
          verdict: heads.length === 0 ? "open" : equalHeads === heads.length ? "confirmed" : "refuted",
        },
        finding(
          "Memory stays within a constant factor, zeros not stored, signed digits, one fractional bit",
          "below 2",
          `at most ${most.toFixed(2)}`,
          most < 2,
        ),
      ],
      chart: [chart],
    };
  },
};

/** One layer of each shape: the blocks of a transformer cost the same. */
function distinct(layers: readonly Dense[]): Dense[] {
  const shape = ({ network }: Dense): string => `${network.inputs}-${network.layers[0]!.length}`;
  return layers.filter((layer, i) => layers.findIndex((other) => shape(other) === shape(layer)) === i);
}

interface Dense {
  readonly name: string;
  readonly node: Node;
  readonly network: DyadicNetwork;
}

/** Gemm and MatMul nodes with constant weights, each as a network of one layer with weights of WEIGHT_BITS bits. */
function denseLayers(graph: Graph): Dense[] {
  const found: Dense[] = [];
  for (const node of graph.nodes) {
    const weights = graph.initializers.get(node.inputs[1] ?? "");
    if ((node.op !== "Gemm" && node.op !== "MatMul") || weights === undefined || weights.dims.length !== 2) continue;
    const transposed = node.op === "Gemm" && node.attributes["transB"] === 1;
    const [rows, columns] = weights.dims as readonly [number, number];
    const [inputs, outputs] = transposed ? [columns, rows] : [rows, columns];
    const data = weights.data as Float32Array;
    const bias = graph.initializers.get(node.inputs[2] ?? "")?.data as Float32Array | undefined;
    const matrix = Array.from({ length: outputs }, (_, o) =>
      Array.from({ length: inputs }, (_, i) => fromNumber(data[transposed ? o * columns + i : i * columns + o]!)),
    );
    const exact = {
      inputs,
      layers: [
        denseLayer(
          matrix,
          Array.from({ length: outputs }, (_, o) => fromNumber(bias?.[o] ?? 0)),
        ),
      ],
    };
    const largest = Math.max(0, ...matrix.flat().map(magnitude));
    found.push({ name: node.name, node, network: roundNetwork(exact, WEIGHT_BITS - 1 - largest).network });
  }
  return found;
}

async function lowered(name: string, network: DyadicNetwork, seed: number): Promise<Row[]> {
  const rows: Row[] = [];
  const before = networkSize(network);
  for (const bits of BITS) {
    if (bits >= before.b) continue;
    const plain = await lowerPrecision(network, bits);
    const signed = await lowerPrecision(network, bits, { recoding: "signed" });
    const slices = sliceNetwork(network, bits, "signed");
    const equal = randomPoints(network.inputs, 5, seed).every(
      (point) => same(network, plain.network, point) && same(network, signed.network, point),
    );
    rows.push({
      network: name,
      parameters: before.parameters,
      bits,
      depth: plain.depth,
      depthBefore: before.depth,
      equal,
      sparse: plain.ratio.sparse,
      sparseSigned: signed.ratio.sparse,
      dense: plain.ratio.dense,
      slices: slices.sparseMemory / before.sparseMemory,
    });
  }
  return rows;
}

function randomPoints(inputs: number, count: number, seed: number): RationalPoint[] {
  const next = uniformNumbers(seed);
  return Array.from({ length: count }, (_, k) => ({
    numerators: Array.from({ length: inputs }, () => BigInt(Math.floor((next() - 0.5) * 1e6))),
    denominator: BigInt(2 * Math.floor(next() * 1e4) + 3 + 2 * k),
  }));
}

function same(x: DyadicNetwork, y: DyadicNetwork, point: RationalPoint): boolean {
  const [a, b] = [evaluateRational(x, point), evaluateRational(y, point)];
  return a.numerators.every((value, i) => value << BigInt(b.exponent) === b.numerators[i]! << BigInt(a.exponent));
}

/** Top-1 accuracy on the pictures: float32, the 8-bit head, the lowered heads. */
async function classify(name: string, graph: Graph, head: Dense): Promise<Row[]> {
  const packed = await readFile(new URL("fashion_mnist/pictures.bin", FIXTURES)).catch(() => undefined);
  if (packed === undefined) return [];
  const file = unzlibSync(packed);
  const count = file.length / (1 + PIXELS);
  const labels = file.subarray(0, PICTURES);
  const pixels = Float32Array.from(
    file.subarray(count, count + PICTURES * PIXELS),
    (value) => (value / 255 - 0.286) / 0.353,
  );
  const source = head.node.inputs[0]!;
  const body: Graph = { ...graph, outputs: [...graph.outputs, { name: source, type: "float32", shape: undefined }] };
  const session = await InferenceSession.create(writeOnnx(body), { preset: "float32" });
  const results = await session.run({ image: new Tensor("float32", pixels, [PICTURES, 1, 28, 28]) });
  await session.release();
  const logits = results[graph.outputs[0]!.name]!.data as Float32Array;
  const features = results[source]!.data as Float32Array;
  const width = features.length / PICTURES;
  const points = Array.from({ length: PICTURES }, (_, p) => ({
    numerators: Array.from(features.subarray(p * width, (p + 1) * width), (value) =>
      BigInt(Math.round(value * 2 ** FEATURE_BITS)),
    ),
    denominator: 1n << BigInt(FEATURE_BITS),
  }));
  const score = (best: (p: number) => number): number =>
    Array.from(labels, (label, p) => Number(best(p) === label)).reduce((a, b) => a + b, 0) / PICTURES;
  const top = (network: DyadicNetwork) => (p: number) => {
    const { numerators, exponent } = evaluateRational(network, points[p]!);
    return argmax(numerators.map((value) => toNumber(dyadic(value, exponent))));
  };
  const rows: Row[] = [
    { model: name, head: "float32", accuracy: score((p) => argmax(Array.from(logits.subarray(10 * p, 10 * p + 10)))) },
    { model: name, head: `${WEIGHT_BITS} bits`, accuracy: score(top(head.network)) },
  ];
  for (const bits of BITS) {
    const { network } = await lowerPrecision(head.network, bits);
    const equal = points.every((point) => same(head.network, network, point));
    rows.push({
      model: name,
      head: `lowered to ${bits} fractional bits`,
      accuracy: score(top(network)),
      equalOnAllPictures: equal,
    });
  }
  return rows;
}

function argmax(values: readonly number[]): number {
  return values.reduce((best, value, i) => (value > values[best]! ? i : best), 0);
}
