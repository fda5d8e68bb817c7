import { lowerOnnx } from "../../networks/lower-onnx.ts";
import { networkToOnnx } from "../../networks/regimes.ts";
import { readOnnx, writeOnnx } from "../../onnx/index.ts";
import { lowerPrecision } from "../../regimes/index.ts";
import { InferenceSession } from "../../session/session.ts";
import { randomTensor, Tensor, uniformNumbers } from "../../tensor/index.ts";
import { type Experiment, finding } from "../experiment.ts";
import { generatedNetwork } from "../series/network.ts";
import { lineChart } from "./charts.ts";
import { randomMlp } from "./mlp.ts";

const BITS = [1, 2, 4];
const WEIGHT_BITS = 7;
const DIMS = [32, 96, 96, 10];
/** Runs of each network, in turn; the fastest counts. */
const ROUNDS = 5;

type Row = {
  readonly network: string;
  readonly form: string;
  readonly bits: number;
  readonly depth: number;
  /** Weights that are not 0, and the multiplications by them, over the original's. */
  readonly nonZero: number;
  readonly products: number;
  /** Largest difference of an output from the original's, relative to the largest output. */
  readonly difference: number;
  readonly milliseconds: number;
  /** Time over the original's. */
  readonly ratio: number;
};

/** A network to time, and its row without the times. */
interface Contestant {
  readonly row: Row;
  readonly onnx: Uint8Array;
}

/** Original, lowered and sliced networks side by side in a session: what exact lowering costs in time. */
export const runTime: Experiment = {
  name: "regimes-run-time",
  summary:
    "Run time of networks with 8-bit weights, lowered to 1, 2 and 4 fractional bits and as digit slices: a perceptron and a residual network, float32 kernels.",
  async run({ seed = 1, signal, onProgress } = {}) {
    const rows: Row[] = [];
    const networks = [await perceptron(seed), convolutional(seed)];
    for (const [done, { x, contestants }] of networks.entries()) {
      signal?.throwIfAborted();
      rows.push(...(await timed(contestants, x, signal)));
      onProgress?.({ phase: "networks", loaded: done + 1, total: networks.length });
    }
    const worst = Math.max(...rows.map((row) => row.difference));
    const lowered = rows.filter((row) => row.form !== "original");
    const at = (network: string, form: string, bits: number) =>
      rows.find((row) => row.network === network && row.form === form && row.bits === bits)!;
    const [strict, deep, sliced] = [
      at("perceptron", "ReLU network", 1),
      at("perceptron", "deeper", 1),
      at("perceptron", "slices", 1),
    ];
    const times = (row: Row): string => row.ratio.toFixed(1);
    return {
      data: { rows },
      findings: [
        finding(
          "Every form computes the same function",
          "within 1e-5 of the original's float32",
          worst.toExponential(1),
          worst < 1e-5,
        ),
        {
          claim: "Precision is traded for depth at constant cost, zeros not stored",
          expected: "weights that are not 0, and multiplications by them, within a constant factor; time like them",
          found: `${span(lowered.map((row) => row.products))} times the multiplications, but ${span(lowered.map((row) => row.ratio))} times the time: kernels multiply by zeros too`,
          verdict: "corrected",
        },
        {
          claim: "A network with a ReLU after every layer takes longer than one that keeps its inputs at hand",
          expected: "it carries inputs and two accumulators",
          found: `perceptron to {0, ±1/2, ±1}: ${times(strict)} times the original's time, ${times(deep)} with inputs at hand, ${times(sliced)} as slices`,
          verdict: strict.ratio > deep.ratio ? "confirmed" : "refuted",
        },
      ],
      tables: [
        {
          header: ["network", "form", "bits", "depth", "non-zeros", "products", "ms", "time", "difference"],
          rows: rows.map((row) => [
            ...[row.network, row.form, row.bits, row.depth, row.nonZero.toFixed(2), row.products.toFixed(2)],
            ...[row.milliseconds.toFixed(2), row.ratio.toFixed(2), row.difference.toExponential(1)],
          ]),
        },
      ],
      chart: [
        lineChart({
          title: "Run time of exactly lowered networks",
          rows: lowered.map(({ network, form, bits, ratio }) => ({ bits, ratio, what: `${network}, ${form}` })),
          x: "bits",
          y: "ratio",
          series: "what",
          xTitle: "fractional bits of the lowered weights",
          yTitle: "time of the original = 1",
          logY: true,
          whole: true,
          order: [...new Set(lowered.map(({ network, form }) => `${network}, ${form}`))],
        }),
      ],
    };
  },
};

function span(values: readonly number[]): string {
  return `${Math.min(...values).toFixed(1)} to ${Math.max(...values).toFixed(1)}`;
}

type Prepared = { readonly x: Tensor; readonly contestants: readonly Contestant[] };

function contestant(
  network: string,
  form: string,
  bits: number,
  onnx: Uint8Array,
  size: { depth: number; nonZero: number; products: number },
): Contestant {
  return { row: { network, form, bits, ...size, difference: 0, milliseconds: 0, ratio: 1 }, onnx };
}

/** Weights on multiples of 2^-7. */
async function perceptron(seed: number): Promise<Prepared> {
  const network = randomMlp(DIMS, WEIGHT_BITS, seed);
  const onnx = networkToOnnx(network);
  const contestants = sharedForms("perceptron", onnx);
  for (const bits of BITS) {
    const { network: deep, depth, nonZero, original } = await lowerPrecision(network, bits);
    const ratio = nonZero / original.nonZero;
    contestants.push(
      contestant("perceptron", "ReLU network", bits, networkToOnnx(deep), { depth, nonZero: ratio, products: ratio }),
    );
  }
  return { x: randomTensor("float32", [64, DIMS[0]!], uniformNumbers(seed)), contestants };
}

/** The generated residual network with its weights rounded, so that the original is what is lowered, on pictures whose average is over 64 elements. */
function convolutional(seed: number): Prepared {
  const graph = readOnnx(generatedNetwork(seed).onnx);
  const initializers = new Map(
    [...graph.initializers].map(([name, tensor]) => {
      const data = (tensor.data as Float32Array).map((w) => Math.round(w * 2 ** WEIGHT_BITS) / 2 ** WEIGHT_BITS);
      return [name, new Tensor("float32", data, tensor.dims)];
    }),
  );
  const [image] = graph.inputs;
  const inputs = [{ ...image!, shape: ["N", 3, 16, 16] }];
  const x = randomTensor("float32", [8, 3, 16, 16], uniformNumbers(seed));
  return { x, contestants: sharedForms("residual network", writeOnnx({ ...graph, inputs, initializers })) };
}

function sharedForms(network: string, onnx: Uint8Array): Contestant[] {
  const made: Contestant[] = [];
  for (const form of ["deeper", "slices"] as const) {
    for (const bits of BITS) {
      const { original, ...lowered } = lowerOnnx(onnx, { bits, form });
      if (made.length === 0)
        made.push(
          contestant(network, "original", WEIGHT_BITS, onnx, { depth: original.depth, nonZero: 1, products: 1 }),
        );
      made.push(
        contestant(network, form, bits, lowered.onnx, {
          depth: lowered.depth,
          nonZero: lowered.nonZero / original.nonZero,
          products: lowered.products / original.products,
        }),
      );
    }
  }
  return made;
}

async function timed(contestants: readonly Contestant[], x: Tensor, signal: AbortSignal | undefined): Promise<Row[]> {
  const sessions: InferenceSession[] = [];
  try {
    for (const { onnx } of contestants) sessions.push(await InferenceSession.create(onnx, { preset: "float32" }));
    const best = contestants.map(() => Number.POSITIVE_INFINITY);
    const results: Float32Array[] = [];
    for (let round = 0; round <= ROUNDS; round++) {
      for (const [i, session] of sessions.entries()) {
        signal?.throwIfAborted();
        const start = performance.now();
        const result = await session.run({ [session.inputNames[0]!]: x });
        // The first run lowers the graph to a program.
        if (round > 0) best[i] = Math.min(best[i]!, performance.now() - start);
        results[i] = result[session.outputNames[0]!]!.data as Float32Array;
      }
    }
    const largest = results[0]!.reduce((most, value) => Math.max(most, Math.abs(value)), 0);
    return contestants.map(({ row }, i) => ({
      ...row,
      difference:
        results[i]!.reduce((most, value, k) => Math.max(most, Math.abs(value - results[0]![k]!)), 0) / largest,
      milliseconds: best[i]!,
      ratio: best[i]! / best[0]!,
    }));
  } finally {
    for (const session of sessions) await session.release();
  }
}
