import { activationNames, analyze, universalityMap } from "../fixed-point/index.ts";
import type { Outcome, Sweep } from "./sweep.ts";

const MAX_P = 8;
const MAX_S = 64;

/** Each number is an activation and a scale: for every p ≤ 8 the verdict of the map, which shares its work, against that of `analyze`, which does not. */
export const maps: Sweep = {
  name: "maps",
  summary: `Universality of every activation for p ≤ ${MAX_P}, s ≤ ${MAX_S}: the map against the single analyses`,
  size: activationNames.length * MAX_S,
  endless: false,
  chunk: 16,
  async one(index, signal): Promise<Outcome> {
    const activation = activationNames[Math.floor(index / MAX_S)]!;
    const s = (index % MAX_S) + 1;
    const { rows } = universalityMap(activation, { maxP: MAX_P, maxS: s });
    const verdicts = rows.map((runs) => runs.at(-1)!.verdict);
    let ok = true;
    for (const [i, verdict] of verdicts.entries()) {
      signal.throwIfAborted();
      const { universal, binaryUniversal } = await analyze(activation, i + 1, s);
      ok &&=
        universal === (verdict === "universal" || verdict === "binary") && binaryUniversal === (verdict === "binary");
    }
    return { ok, activation, s, verdicts };
  },
};
