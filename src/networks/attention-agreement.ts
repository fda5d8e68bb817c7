import { integerIn } from "../attention/checks.ts";
import { checkBytes, checkHolds, checkSignal } from "../core/index.ts";
import type { Graph } from "../graph/graph.ts";
import { readOnnx, writeOnnx } from "../onnx/index.ts";
import type { SessionOptions } from "../session/options.ts";
import { InferenceSession } from "../session/session.ts";
import type { Tensor } from "../tensor/index.ts";
import { type AttentionBlock, findAttention } from "./attention-blocks.ts";
import { captureGraph } from "./attention-capture.ts";

/** What is quantized: only the products of queries and keys, or every linear layer. */
export type AgreementScope = "scores" | "network";

/** What `measureAgreement` runs, and how it rounds. */
export interface AgreementOptions {
  /** Inputs of the network, one record of tensors per run; at least one. */
  readonly samples: Iterable<Readonly<Record<string, Tensor>>>;
  /** Bits of the activations, one session each: 2…10 or 12. */
  readonly bits: readonly number[];
  /** Which layers are rounded; the others stay in float32. */
  readonly scope: AgreementScope;
  /** Rejects with its reason. */
  readonly signal?: AbortSignal;
}

/** One attention block at one bit width. */
export interface Agreement {
  /** Bits of the activations. */
  readonly bits: number;
  /** Position of the block in the network. */
  readonly layer: number;
  /** Queries of all heads, sequences and samples. */
  readonly queries: number;
  /** Fraction of them whose largest softmax weight is on the same key as in float32. */
  readonly agreement: number;
}

/** Bits of one term and terms, for each width of the activations. */
const TERMS: Readonly<Record<number, readonly [bits: number, terms: number]>> = {
  2: [2, 1],
  3: [3, 1],
  4: [4, 1],
  5: [5, 1],
  6: [3, 2],
  7: [7, 1],
  8: [4, 2],
  9: [3, 3],
  10: [5, 2],
  12: [4, 3],
};

/**
 * Runs a network in float32 and quantized, and compares what its attention prefers: the measurement that `audit` predicts.
 *
 * @returns one row per bit width and attention block
 * @throws RangeError for bits outside their range, a network without attention in primitive operators, and no samples
 * @example
 * const rows = await measureAgreement(onnx, { samples, bits: [4, 8], scope: "scores" });
 */
export async function measureAgreement(onnx: Uint8Array, options: AgreementOptions): Promise<Agreement[]> {
  checkBytes("onnx", onnx);
  checkHolds("options", "an object", options, "bits", "samples");
  checkSignal(options.signal);
  for (const b of options.bits) {
    if (TERMS[integerIn("bits", b, 2, 12)] === undefined) throw new RangeError(`"bits" expected 2..10 or 12, got ${b}`);
  }
  const graph = readOnnx(onnx);
  const blocks = findAttention(graph).filter((block) => block.weights !== undefined);
  if (blocks.length === 0) throw new RangeError("the network expected to have attention in primitive operators");
  const samples = [...options.samples];
  if (samples.length === 0) throw new RangeError('"samples" expected at least one, got none');
  const reference = await preferences(graph, blocks, samples, { preset: "float32" }, options.signal);
  const rows: Agreement[] = [];
  for (const bits of options.bits) {
    const plan = scoresPlan(bits, options.scope, blocks);
    const found = await preferences(graph, blocks, samples, { plan }, options.signal);
    for (const layer of blocks.keys()) {
      const [expected, got] = [reference[layer]!, found[layer]!];
      const same = expected.filter((key, i) => key === got[i]).length;
      rows.push({ bits, layer, queries: expected.length, agreement: same / expected.length });
    }
  }
  return rows;
}

/** Activations of `bits` bits in the products of queries and keys, or everywhere; weights in terms of the same width, as precise as 16 bits allow. */
export function scoresPlan(
  bits: number,
  scope: AgreementScope,
  blocks: readonly AttentionBlock[],
): NonNullable<SessionOptions["plan"]> {
  const [term, activationTerms] = TERMS[bits]!;
  const quantized = { bits: term, activationTerms, weightTerms: Math.floor(16 / term) };
  if (scope === "network") return { version: 1, default: quantized };
  return {
    version: 1,
    default: { bits: 4, activationTerms: 0, weightTerms: 0 },
    layers: Object.fromEntries(blocks.map((block) => [block.product, quantized])),
  };
}

/** For each block the preferred key of every query, in order; a tie prefers the first. */
async function preferences(
  graph: Graph,
  blocks: readonly AttentionBlock[],
  samples: readonly Readonly<Record<string, Tensor>>[],
  options: SessionOptions,
  signal: AbortSignal | undefined,
): Promise<number[][]> {
  const wanted = new Set(blocks.map((block) => block.weights!));
  const bytes = writeOnnx(captureGraph(graph, wanted));
  const session = await InferenceSession.create(bytes, { ...options, ...(signal && { signal }) });
  try {
    const preferred: number[][] = blocks.map(() => []);
    for (const feeds of samples) {
      const values = await session.run(feeds, signal ? { signal } : {});
      for (const [layer, block] of blocks.entries()) {
        const { data, dims } = values[block.weights!]!;
        const columns = dims.at(-1)!;
        for (let at = 0; at < data.length; at += columns) {
          const row = (data as Float32Array).subarray(at, at + columns);
          preferred[layer]!.push(row.indexOf(row.reduce((a, b) => Math.max(a, b), Number.NEGATIVE_INFINITY)));
        }
      }
    }
    return preferred;
  } finally {
    await session.release();
  }
}
