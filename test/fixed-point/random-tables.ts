import { randomIntegers } from "../../src/core/random.ts";
import { activationNames } from "../../src/fixed-point/activations.ts";
import { maximum } from "../../src/fixed-point/arithmetic.ts";
import { synthesize } from "../../src/fixed-point/synthesize.ts";
import { verify } from "../../src/fixed-point/verify.ts";

export interface RandomTables {
  networks: number;
  impossible: number;
  activations: number;
  failures: string[];
  constructions: Record<string, number>;
}

/** Random, boolean and sparse tables over every activation and many formats, synthesized and checked on every input. */
export async function synthesizeRandomTables(wanted: number, seed: number): Promise<RandomTables> {
  const random = randomIntegers(seed);
  const result: RandomTables = { networks: 0, impossible: 0, activations: 0, failures: [], constructions: {} };
  const used = new Set<string>();
  const formats = [
    [1, 1],
    [1, 2],
    [2, 1],
    [2, 2],
    [2, 3],
    [2, 5],
    [2, 6],
    [3, 1],
    [3, 3],
    [3, 7],
    [3, 11],
    [3, 14],
  ] as const;
  for (let round = 0; result.networks < wanted; round++) {
    for (const activation of [...activationNames, "5*hardtanh", "3*step"]) {
      const [p, s] = formats[(round * 5 + random(0, 1)) % formats.length]!;
      const d = p === 3 && s > 7 ? 1 : random(1, 2);
      const m = maximum(p);
      const kind = round % 3;
      const f = Int32Array.from({ length: (2 * m + 1) ** d }, () =>
        kind === 0 ? random(-m, m) : kind === 1 ? random(0, 1) : random(0, 4) === 0 ? random(-m, m) : 1,
      );
      const name = `${activation} p=${p} s=${s} d=${d} round=${round}`;
      try {
        const { network, ...rest } = await synthesize(f, { d, activation, p, s });
        if (network === undefined) {
          result.impossible++;
        } else {
          result.networks++;
          used.add(activation);
          const { construction } = rest as { construction: string };
          result.constructions[construction] = (result.constructions[construction] ?? 0) + 1;
          if (!(await verify(network, f)).ok) result.failures.push(name);
        }
      } catch (error) {
        result.failures.push(`${name}: ${(error as Error).message}`);
      }
    }
  }
  result.activations = used.size;
  return result;
}
