import { Opcode } from "../core/abi/opcode.ts";
import { type Kernel, lowPairs, pairsPerBlock } from "../core/index.ts";
import { accumulatorBits, largestQ, largestTail, productBits, type WeightSeries, widthOf } from "../series/index.ts";
import { partsOf, type Stack } from "./stack.ts";

/** How the integer sums of a linear layer stay exact. */
export interface Exactness {
  /** The corrected sum is proved to lie within int32, so that int32 may wrap in between. */
  readonly exactInInt32: boolean;
  /** k-pairs whose raw sum Σ Q_W·q is proved to lie within int32; what a longer sum is cut into. */
  readonly pairsPerBlock: number;
  /** Largest |Σ Q_W·q|. */
  readonly largestSum: number;
}

/** A layer with weights of its own, under activations of n = `activationBits` bits. */
export function exactnessOf(weights: WeightSeries, activationBits: number): Exactness {
  // No weight exceeds the sum of its row.
  const largest = Math.min(largestOperand(weights), weights.largestL1);
  return {
    exactInInt32: accumulatorBits({ weights, activationWidth: activationBits }) <= 32,
    pairsPerBlock: pairsPerBlock(largest, 2 ** (activationBits - 1)),
    largestSum: weights.largestL1 * 2 ** (activationBits - 1),
  };
}

/** The words of a step that tell its kernel how to stay exact. */
export function exactWords(
  kernel: Kernel,
  { exactInInt32, pairsPerBlock }: Exactness,
  activationBits: number,
): { exactInInt32: 0 | 1; pairsPerBlock: number } {
  const pairs = kernel === Opcode.ConvI4 ? lowPairs(activationBits) : pairsPerBlock;
  return { exactInInt32: exactInInt32 ? 1 : 0, pairsPerBlock: pairs };
}

/** A stacked layer; a slot of its activations of at most 15 bits holds a prefix of q − z beside z, below 2^n. */
export function exactnessOfStack(weights: WeightSeries, { products }: Stack, activationBits: number): Exactness {
  const parts = partsOf(products);
  const largestSum = parts * weights.largestSum;
  return {
    exactInInt32: accumulatorBits({ weights: { largestSum }, activationWidth: activationBits }) <= 32,
    pairsPerBlock: pairsPerBlock(Math.min(2 ** 15, parts * weights.largestL1), 2 ** activationBits),
    // Twice as large activations as two columns in an int16 allow.
    largestSum: Number.POSITIVE_INFINITY,
  };
}

/** A product of two activations over K elements; q − z of the right one is folded into its panels, so it has one bit more. */
export function exactnessOfProduct(depth: number, activationBits: number): Exactness {
  return {
    exactInInt32: productBits(depth, activationBits) <= 32,
    pairsPerBlock: pairsPerBlock(2 ** activationBits - 1, 2 ** (activationBits - 1)),
    largestSum: depth * (2 ** activationBits - 1) * 2 ** (activationBits - 1),
  };
}

/** A bound on |Q − zero| at every number of terms. */
function largestOperand({ zeros, sparse, ...series }: WeightSeries): number {
  const { bits, terms, digits, lastBits = bits } = series;
  const most = 2 ** 15 - 1;
  if (sparse !== undefined || (zeros !== undefined && digits !== "signed")) return most;
  if (lastBits === bits && zeros === undefined) return largestQ(bits, terms, digits);
  const low = -largestTail(bits, terms, digits, lastBits);
  const high = low + 2 ** widthOf(series) - 1;
  const reach = (zero: number) => Math.max(zero - low, high - zero);
  return Math.min(
    most,
    (zeros ?? Int32Array.of(0)).reduce((all, zero) => Math.max(all, reach(zero)), 0),
  );
}
