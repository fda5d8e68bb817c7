/** One product of a weight term and an activation term, counted from 1 as in the literature. */
export interface Pair {
  readonly weightTerm: number;
  readonly activationTerm: number;
  /** Power of two by which its integer product counts on the finest lattice. */
  readonly shift: number;
}

export interface PairsOptions {
  readonly weightTerms: number;
  readonly activationTerms: number;
  /** Keep the pairs with weightTerm + activationTerm ≤ order; default all. Signed and odd digits only: mixed digits have biased tails. */
  readonly order?: number;
  /** X of the weights, and of the activations; default 4. */
  readonly bits?: number;
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
  const { weightTerms, activationTerms, bits = 4 } = options;
  const { order = weightTerms + activationTerms, activationBits = bits } = options;
  for (const [name, value] of Object.entries({ weightTerms, activationTerms })) {
    if (!Number.isInteger(value) || value < 1 || value > 8) {
      throw new RangeError(`"${name}" expected integer in 1..8, got ${value}`);
    }
  }
  if (!Number.isInteger(order) || order < 2) throw new RangeError(`"order" expected integer ≥ 2, got ${order}`);
  const result: Pair[] = [];
  for (let i = 1; i <= weightTerms; i++) {
    for (let j = 1; j <= activationTerms && i + j <= order; j++) {
      const shift = bits * (weightTerms - i) + activationBits * (activationTerms - j);
      result.push({ weightTerm: i, activationTerm: j, shift });
    }
  }
  return result.sort((a, b) => b.shift - a.shift || a.weightTerm - b.weightTerm);
}
