// The other way to run fine weights on coarse hardware: digit slices side by side, W = Σ_k 2^(gk − grid)·D_k, added with shifts.
// No extra depth and no extra width, but something other than matrix products and ReLU must do the adding.
import { checkHolds, checkInteger, checkList, shown } from "../core/index.ts";
import { digitsOf, type Recoding } from "./digits.ts";
import { scaled } from "./dyadic.ts";
import { checkNetwork, checkPoint, type DyadicNetwork, networkSize, type RationalPoint } from "./network.ts";

/** One slice of a layer: integer digits, |digit| ≤ 2^bits, by neuron. */
export interface Slice {
  /** The digits count 2^-exponent each. */
  readonly exponent: number;
  readonly rows: readonly {
    readonly indices: readonly number[];
    readonly digits: readonly number[];
    readonly bias: number;
  }[];
}

/** A network whose weights are cut into digits of few bits: each layer is a sum of slices. */
export interface SlicedNetwork {
  /** Number of inputs. */
  readonly inputs: number;
  /** Fractional bits of a digit, when it stands for a weight in [-1, 1]. */
  readonly bits: number;
  /** Slices by layer; their sum has the weights of the layer. */
  readonly layers: readonly (readonly Slice[])[];
  /** Digits that are not 0, biases included. */
  readonly nonZero: number;
  /** nonZero·(bits + 1), positions not counted, as for networks. */
  readonly sparseMemory: number;
  /** All digits of all slices, zeros included, times bits + 1. */
  readonly denseMemory: number;
  /** Matrix products, one after another: the original's layers. */
  readonly depth: number;
  /** Shift-and-add operations on neurons per evaluation. */
  readonly shifts: number;
}

/**
 * Splits every layer into digit matrices of `bits` fractional bits.
 * @param bits 1 … 30
 */
export function sliceNetwork(network: DyadicNetwork, bits: number, recoding: Recoding = "magnitude"): SlicedNetwork {
  checkNetwork(network);
  if (!Number.isSafeInteger(bits) || bits < 1 || bits > 30)
    throw new RangeError(`"bits" expected an integer in 1..30, got ${shown(bits)}`);
  let nonZero = 0;
  let dense = 0;
  let shifts = 0;
  let inputs = network.inputs;
  const layers = network.layers.map((layer) => {
    const { b } = networkSize({ inputs, layers: [layer] });
    const rows = layer.map(({ bias, indices, weights }) => ({
      indices,
      weights: weights.map((weight) => digitsOf(scaled(weight, b), bits, recoding)),
      bias: digitsOf(scaled(bias, b), bits, recoding),
    }));
    const count = rows.reduce(
      (most, row) => [row.bias, ...row.weights].reduce((n, d) => Math.max(n, d.length), most),
      1,
    );
    dense += count * layer.length * (inputs + 1);
    shifts += (count - 1) * layer.length;
    inputs = layer.length;
    return Array.from({ length: count }, (_, k) => ({
      exponent: b - bits * k,
      rows: rows.map((row) => {
        const present = row.indices
          .map((index, n) => [index, row.weights[n]![k] ?? 0] as const)
          .filter(([, d]) => d !== 0);
        const bias = row.bias[k] ?? 0;
        nonZero += present.length + (bias === 0 ? 0 : 1);
        return { indices: present.map(([index]) => index), digits: present.map(([, d]) => d), bias };
      }),
    }));
  });
  return {
    inputs: network.inputs,
    bits,
    layers,
    nonZero,
    sparseMemory: nonZero * (bits + 1),
    denseMemory: dense * (bits + 1),
    depth: layers.length,
    shifts,
  };
}

function checkSliced(sliced: SlicedNetwork): void {
  checkHolds("sliced", "a sliced network", sliced, "layers");
  checkInteger("sliced.inputs", sliced.inputs, 1, Number.MAX_SAFE_INTEGER);
  for (const [l, slices] of sliced.layers.entries()) {
    checkList(`sliced.layers[${l}]`, slices);
    for (const [k, slice] of slices.entries()) checkHolds(`sliced.layers[${l}][${k}]`, "a slice", slice, "rows");
  }
}

/** The exact outputs, as `evaluateRational` gives them: numerators over denominator·2^exponent. */
export function evaluateSliced(
  sliced: SlicedNetwork,
  point: RationalPoint,
): {
  /** One per output. */
  numerators: bigint[];
  /** As given. */
  denominator: bigint;
  /** Fractional bits that the network adds, ≥ 0. */
  exponent: number;
} {
  checkSliced(sliced);
  const { numerators, denominator } = checkPoint(point, sliced.inputs);
  let values = [...numerators];
  let exponent = 0;
  sliced.layers.forEach((slices, l) => {
    const last = l === sliced.layers.length - 1;
    const b = Math.max(...slices.map((slice) => slice.exponent), 0);
    const scale = denominator << BigInt(exponent);
    values = slices[0]!.rows.map((_, i) => {
      let sum = 0n;
      for (const slice of slices) {
        const row = slice.rows[i]!;
        let part = BigInt(row.bias) * scale;
        for (const [n, index] of row.indices.entries()) part += BigInt(row.digits[n]!) * values[index]!;
        sum += part << BigInt(b - slice.exponent);
      }
      return !last && sum < 0n ? 0n : sum;
    });
    exponent += b;
  });
  return { numerators: values, denominator, exponent };
}
