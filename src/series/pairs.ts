import { checkInteger, checkOptions, isRecord, shown } from "../core/index.ts";
import { LARGEST_WIDTH } from "./digits.ts";

/** One product of a weight term and an activation term, counted from 1 as in the literature. */
export interface Pair {
  /** 1 is the most significant. */
  readonly weightTerm: number;
  /** 1 is the most significant. */
  readonly activationTerm: number;
  /** Power of two by which its integer product counts on the finest lattice. */
  readonly shift: number;
}

/** Which products of weight terms and activation terms are kept, as in `LayerPlan.pairs`; terms are counted from 1. */
export type PairSet =
  | "all"
  | {
      /** The pairs whose two numbers add up to at most this. */
      readonly upTo: number;
    }
  | readonly (readonly [number, number])[];

/** How many terms there are, and which products of them to keep. */
export interface PairsOptions {
  /** Terms of the weights, ≥ 1. */
  readonly weightTerms: number;
  /** Terms of the activations, ≥ 1. */
  readonly activationTerms: number;
  /** Keep the pairs with weightTerm + activationTerm ≤ order; default all. Signed and odd digits only: mixed digits have biased tails. */
  readonly order?: number;
  /** X of the weights, and of the activations; default 4. */
  readonly bits?: number;
  /** X of the activations, 2 … 8; default that of the weights. */
  readonly activationBits?: number;
}

/**
 * The products of a layer expansion WA = Σ s_i r_j W_i A_j, the most significant first.
 *
 * A term (i, j) is about 2^(−X(i+j)) of the whole, therefore triangular sets are the right way to leave products out: dropping only the
 * last corner of 3×3 pairs costs less than 8 % more error, keeping i + j ≤ k + 1 costs 3.2 times the error at X = 4.
 *
 * @throws RangeError when the order leaves no pair
 * @example
 * pairs({ weightTerms: 2, activationTerms: 2, order: 3 }).length; // 3
 */
export function pairs(options: PairsOptions): Pair[] {
  checkOptions(options);
  const { weightTerms, activationTerms, bits = 4 } = options;
  const { order = weightTerms + activationTerms, activationBits = bits } = options;
  for (const [name, value] of Object.entries({ weightTerms, activationTerms })) {
    if (!Number.isInteger(value) || value < 1 || value > 8) {
      throw new RangeError(`"${name}" expected integer in 1..8, got ${shown(value)}`);
    }
  }
  for (const [name, value] of Object.entries({ bits, activationBits })) {
    if (!Number.isInteger(value) || value < 2 || value > 8)
      throw new RangeError(`"${name}" expected integer in 2..8, got ${shown(value)}`);
  }
  if (!Number.isInteger(order) || order < 2) throw new RangeError(`"order" expected integer ≥ 2, got ${shown(order)}`);
  const result: Pair[] = [];
  for (let i = 1; i <= weightTerms; i++) {
    for (let j = 1; j <= activationTerms && i + j <= order; j++) {
      const shift = bits * (weightTerms - i) + activationBits * (activationTerms - j);
      result.push({ weightTerm: i, activationTerm: j, shift });
    }
  }
  return result.sort((a, b) => b.shift - a.shift || a.weightTerm - b.weightTerm);
}

/** One product of fused operands: the sum of these weight terms by the sum of these activation terms, counted from 0, ascending. */
export interface FusedProduct {
  /** Added first, on the weights' side. */
  readonly weightTerms: readonly number[];
  /** Added first, on the activations' side. */
  readonly activationTerms: readonly number[];
}

/**
 * The fewest products of fused operands whose sum is that of the pairs of a set: weight terms with the same partners are added first, or
 * activation terms with the same partners where that gives fewer. A staircase, such as i + j ≤ T, takes as many as it has distinct steps; no
 * fewer will do, because r products write the 0/1 matrix of the set as a sum of r matrices of rank 1 and that is its rank. All pairs take
 * one: leaving pairs out never pays on fused operands, only where each pair is a low-bit product of its own.
 *
 * @returns empty when the set has no pair within the terms
 * @example
 * fusedProducts({ upTo: 4 }, 3, 3).length; // 3, for 6 pairs
 */
export function fusedProducts(set: PairSet, weightTerms: number, activationTerms: number): FusedProduct[] {
  checkInteger("weightTerms", weightTerms, 0, LARGEST_WIDTH);
  checkInteger("activationTerms", activationTerms, 0, LARGEST_WIDTH);
  checkSet(set);
  const partners = Array.from({ length: weightTerms }, (_, i) =>
    range(activationTerms).filter((j) => isKept(set, i + 1, j + 1)),
  );
  const byWeights = grouped(partners);
  const byActivations = grouped(
    range(activationTerms).map((j) => range(weightTerms).filter((i) => partners[i]!.includes(j))),
  );
  if (byActivations.length < byWeights.length) {
    return byActivations.map(({ own, partners }) => ({ weightTerms: partners, activationTerms: own }));
  }
  return byWeights.map(({ own, partners }) => ({ weightTerms: own, activationTerms: partners }));
}

/** Whether the products of a set are the one of all terms. */
export function isEveryPair(products: readonly FusedProduct[], weightTerms: number, activationTerms: number): boolean {
  const [first] = products;
  return (
    products.length === 1 &&
    first!.weightTerms.length === weightTerms &&
    first!.activationTerms.length === activationTerms
  );
}

function checkSet(set: unknown): void {
  const listed = Array.isArray(set) && set.every((pair) => Array.isArray(pair) && pair.length === 2);
  if (listed || set === "all" || (isRecord(set) && Number.isInteger(set["upTo"]))) return;
  throw new TypeError(`"set" expected "all", { upTo } or a list of pairs, got ${shown(set)}`);
}

function isKept(set: PairSet, i: number, j: number): boolean {
  if (set === "all") return true;
  return "upTo" in set ? i + j <= set.upTo : set.some(([a, b]) => a === i && b === j);
}

/** Terms with the same partners; those without are left out. */
function grouped(partners: readonly (readonly number[])[]): { own: number[]; partners: readonly number[] }[] {
  const groups = new Map<string, { own: number[]; partners: readonly number[] }>();
  partners.forEach((list, i) => {
    if (list.length === 0) return;
    const group = groups.get(list.join());
    if (group === undefined) groups.set(list.join(), { own: [i], partners: list });
    else group.own.push(i);
  });
  return [...groups.values()];
}

function range(count: number): number[] {
  return Array.from({ length: count }, (_, i) => i);
}
