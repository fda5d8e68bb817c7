import { Lattice } from "../core/index.ts";
import { type Activation, activationName, activationTable } from "./activations.ts";
import { gcd, maximum } from "./arithmetic.ts";
import { type Published, publishedConditions } from "./published.ts";
import { separation } from "./separation.ts";
import { criterion, type Gcds, gcds, reachable, values } from "./sets.ts";

/** What networks over Q_{p,s} with one activation can compute. Values of Q are integers in units of 1/s. */
export interface Analysis {
  /** Its name, as `activationName` gives it. */
  readonly activation: string;
  /** Bits of a number without its sign: Q_{p,s} is k/s with |k| ≤ M = 2^p − 1. */
  readonly p: number;
  /** Scale: numbers are multiples of 1/s. */
  readonly s: number;
  /** Networks represent every function Q^d → Q, for every d; two hidden layers then suffice. */
  readonly universal: boolean;
  /** The same with all weights −1 or +1 (biases free). */
  readonly binaryUniversal: boolean;
  /** The verdict in one sentence. */
  readonly reason: string;
  /** gcd of the differences, and of the values, of the activation table, in units of 1/s. */
  readonly g: number;
  /** gcd of the values alone; divides g. */
  readonly h: number;
  /** Theorem 1: g ≥ 1 and left < right is necessary; left = 2(M − 1)(g − s), right = s. */
  readonly criterion: {
    /** 2(M − 1)(g − s), in units of 1/s. */
    readonly left: number;
    /** s. */
    readonly right: number;
    /** g ≥ 1 and left < right. */
    readonly holds: boolean;
  };
  /** First-layer neurons tell all inputs apart: the other necessary half; both together suffice. */
  readonly separates: boolean;
  /** An output bias B that reaches most of Q: 0 where all of Q is reached. */
  readonly bias: number;
  /** Sums before rounding are `remainder` modulo `modulus`, in units of 1/s²; modulus 0: there is only one. */
  readonly residue: {
    /** In units of 1/s², ≥ 0. */
    readonly modulus: number;
    /** In units of 1/s². */
    readonly remainder: number;
  };
  /** Values that no network of this output bias gives: the first 4,096 of `missingCount`; absent where none is missing. */
  readonly missing?: number[];
  /** How many values are missing, 0 … 2M + 1. */
  readonly missingCount: number;
  /** Two inputs on which every network agrees; absent where there are none. */
  readonly unseparated?: [number, number];
  /** The conditions as published, and whether they agree. */
  readonly published: Published;
}

/** Entries of `missing` at most. */
const LISTED = 4096;
/** Byte operations that the search for the best bias may take. */
const SEARCH = 2 ** 24;

/**
 * Decides whether networks with this activation, over numbers k/s with |k| ≤ 2^p − 1, represent every function, with a certificate either way.
 * Exact for every p ≤ 16 (docs/fixed-point.md, theorem 2; stronger than the conditions of arXiv 2409.00297, which are evaluated beside it).
 *
 * @param activation name, table of 2^(p+1) − 1 integers, or function of reals
 * @param p bits of magnitude, 1..16
 * @param s scale, 1..2^20
 * @throws TypeError, RangeError for bad formats and activations
 * @example
 * const { universal, missing } = await analyze("5*hardtanh", 3, 1); // false, ten of fifteen values
 */
export async function analyze(activation: Activation, p: number, s: number): Promise<Analysis> {
  const table = activationTable(activation, p, s);
  const lattice = await Lattice.create();
  const numbers = gcds(lattice, table);
  const rule = criterion(numbers.g, p, s);
  const { separates, unseparated } = separation(table, p, s);
  const universal = rule.holds && separates;
  const bias = rule.holds ? 0 : bestBias(lattice, numbers.g, p, s);
  const reached = reachable(lattice, numbers.g, bias, p, s);
  const missingCount = reached.reduce((sum, byte) => sum + 1 - byte, 0);
  const { g } = numbers;
  return {
    activation: activationName(activation),
    p,
    s,
    universal,
    binaryUniversal: s <= maximum(p) && (g === 1 || (g > 0 && p === 1)),
    reason: reason(numbers, p, s, rule.holds, separates, bias, missingCount),
    ...numbers,
    criterion: rule,
    separates,
    bias,
    residue: { modulus: g, remainder: g === 0 ? s * bias : (((s * bias) % g) + g) % g },
    ...(missingCount > 0 ? { missing: values(reached, 0, LISTED) } : {}),
    missingCount,
    ...(unseparated === undefined ? {} : { unseparated: [...unseparated] as [number, number] }),
    published: publishedConditions(table, numbers, p, s, universal),
  };
}

/** The bias of least size with fewest missing values; where trying every residue class would take long, 0. */
function bestBias(lattice: Lattice, g: number, p: number, s: number): number {
  const m = maximum(p);
  if (g === 0) return 0;
  const classes = g / gcd(g, s);
  if (!searched(g, p, s)) return 0;
  const out = lattice.allocate(2 * m + 1);
  let best = 0;
  let most = -1;
  for (let i = 0; i < classes; i++) {
    const b = i & 1 ? (i + 1) / 2 : 0 - i / 2;
    const count = lattice.exports.reach(g, (((s * b) % g) + g) % g, m, s, out);
    if (count > most) [best, most] = [b, count];
  }
  lattice.release(out);
  return best;
}

function searched(g: number, p: number, s: number): boolean {
  return (g / gcd(g, s)) * (2 * maximum(p) + 1) <= SEARCH;
}

function reason(
  { g, h }: Gcds,
  p: number,
  s: number,
  reaches: boolean,
  separates: boolean,
  bias: number,
  missing: number,
): string {
  const m = maximum(p);
  if (g === 0)
    return "not universal: the activation is constant on Q, so every network with a hidden layer is constant";
  if (s > 2 * m) {
    return `not universal: s = ${s} exceeds 2M = ${2 * m}, so every neuron rounds the inputs 0 and 1/${s} to the same value`;
  }
  if (!reaches) {
    const all = h < g ? `, although sums of the activation's values (gcd ${h}) could` : "";
    return `not universal: outputs differ by multiples of g = ${g} before rounding, and 2(M − 1)(g − s) = ${2 * (m - 1) * (g - s)} is not below s = ${s}: with output bias ${bias}/${s}, ${searched(g, p, s) ? "the best, " : ""}${missing} of ${2 * m + 1} values are out of reach${all}`;
  }
  if (!separates) return "not universal: two inputs are told apart by no weight and bias of the first layer";
  const why = g <= s ? `g = ${g} is at most s = ${s}` : `2(M − 1)(g − s) = ${2 * (m - 1) * (g - s)} is below s = ${s}`;
  return `universal: ${why}, so sums reach every value, and first-layer neurons tell all inputs apart`;
}
