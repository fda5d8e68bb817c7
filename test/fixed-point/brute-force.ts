import type { Lattice } from "../../src/core/index.ts";
import { randomIntegers } from "../../src/core/random.ts";
import { activationNames, activationTable } from "../../src/fixed-point/activations.ts";
import { maximum } from "../../src/fixed-point/arithmetic.ts";
import { countUnseparated, separation } from "../../src/fixed-point/separation.ts";
import { enumerate, gapsOf, gcds, reachable } from "../../src/fixed-point/sets.ts";

export interface Comparison {
  cases: number;
  mismatches: string[];
}

/** One case is one of S_b, N_b for one table and one bias: closed form against breadth-first enumeration. At least `wanted` cases. */
export function compareSets(lattice: Lattice, wanted: number): Comparison {
  const result: Comparison = { cases: 0, mismatches: [] };
  const random = randomIntegers(20);
  const names = [...activationNames, "5*hardtanh", "3*step", "-2*relu"];
  for (let round = 0; result.cases < wanted; round++) {
    for (let p = 1; p <= 3; p++) {
      for (let s = 1; s <= 12 && result.cases < wanted + 200; s++) {
        const m = maximum(p);
        const coarse = random(1, 3);
        const name = round < names.length ? names[round]! : "random";
        const table =
          round < names.length
            ? activationTable(name, p, s)
            : Int32Array.from(
                { length: 2 * m + 1 },
                () => coarse * random(-Math.floor(m / coarse), Math.floor(m / coarse)),
              );
        const biases = m + 1;
        const { g, h } = gcds(lattice, table);
        const sums = [
          [g, enumerate(lattice, gapsOf(table), p, s, biases)],
          [h, enumerate(lattice, new Set(table), p, s, biases)],
        ] as const;
        for (let bias = -biases; bias <= biases; bias++) {
          for (const [divisor, enumeration] of sums) {
            result.cases++;
            const brute = enumeration.reachable(bias);
            if (!reachable(lattice, divisor, bias, p, s).every((byte, i) => byte === brute[i])) {
              result.mismatches.push(`${name} [${table}] p=${p} s=${s} bias=${bias} gcd=${divisor}`);
            }
          }
        }
      }
    }
  }
  return result;
}

/** Every s ≤ 2M + 2 for p ≤ 4, tables that are random, even, steps and spikes: the O(M) decision against every weight and bias. */
export function compareSeparation(lattice: Lattice, wanted: number): Comparison {
  const result: Comparison = { cases: 0, mismatches: [] };
  const random = randomIntegers(21);
  while (result.cases < wanted) {
    for (let p = 1; p <= 4; p++) {
      const m = maximum(p);
      for (let s = 1; s <= 2 * m + 2; s++) {
        for (let kind = 0; kind < 8; kind++) {
          const [c, d] = [random(-m, m), random(-m, m)];
          const at = [0, 1, m, random(0, m)][kind & 3]!;
          const table = Int32Array.from({ length: 2 * m + 1 }, (_, i) => (Math.abs(i - m) === at ? d : c));
          if (kind === 4) table.fill(d, m);
          if (kind > 4) for (let i = 0; i < table.length; i++) table[i] = random(-m, m);
          if (kind === 6) table.copyWithin(m, 0, m + 1).set(table.slice(m).reverse(), 0);
          result.cases++;
          const fast = separation(table, p, s).separates;
          if (fast !== (countUnseparated(lattice, table, p, s) === 0))
            result.mismatches.push(`[${table}] p=${p} s=${s}`);
        }
      }
    }
  }
  return result;
}
