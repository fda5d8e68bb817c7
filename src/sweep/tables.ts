import { BitbasisError, randomIntegers } from "../core/index.ts";
import { activationNames, analyze, synthesize, verify } from "../fixed-point/index.ts";
import type { Outcome, Sweep } from "./sweep.ts";

/**
 * A random function Q^d → Q from each seed, over all activations and formats up to p = 3: the network that `synthesize` makes is run on every input,
 * and a function that it refuses must be one of a format that `analyze` calls not universal.
 */
export const tables: Sweep = {
  name: "tables",
  summary: "Random functions, synthesized as fixed-point networks and checked on every input",
  size: 10_000,
  endless: true,
  chunk: 50,
  async one(index, signal): Promise<Outcome> {
    const random = randomIntegers(index + 1);
    const activation = activationNames[random(0, activationNames.length - 1)]!;
    const [p, d] = [random(1, 3), random(1, 2)];
    const s = random(1, 2 ** (p + 1));
    const weights = p < 3 && random(0, 4) === 0 ? "binary" : "full";
    const m = 2 ** p - 1;
    const table = Int32Array.from({ length: (2 * m + 1) ** d }, () => random(-m, m));
    const what = { activation, p, s, d, weights };
    const made = await synthesize(table, { d, activation, p, s, weights, signal }).catch((error: unknown) => {
      // Not universal, and the values of this table do not prove by themselves that there is no network.
      if (error instanceof BitbasisError && error.code === "UNSUPPORTED") return { reason: error.message };
      throw error;
    });
    if ("network" in made && made.network !== undefined) {
      const { ok } = await verify(made.network, table, { signal });
      return { ok, ...what, parameters: made.parameters };
    }
    const { universal, binaryUniversal } = await analyze(activation, p, s);
    return { ok: !(weights === "binary" ? binaryUniversal : universal), ...what, refused: made.reason };
  },
};
