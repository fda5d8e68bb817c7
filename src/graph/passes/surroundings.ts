import type { Tensor } from "../../tensor/index.ts";
import type { Graph } from "../graph.ts";
import type { Surroundings } from "../operators/maker.ts";
import type { Rank } from "../operators/rank.ts";

/** The version that counts for nodes that others have become: newer than every change of a definition. */
export const NEWEST = 99;

/**
 * A graph whose nodes become others: constants go to `initializers`.
 *
 * @param constant - those of the enclosing graphs too
 */
export function surroundings(
  { opsets }: Graph,
  initializers: Map<string, Tensor>,
  names: { unique(base: string): string },
  ranks: { rank(name: string): Rank },
  constant: Surroundings["constant"],
): Surroundings {
  return {
    opsets,
    constant,
    add: (base, tensor) => {
      const name = names.unique(base);
      initializers.set(name, tensor);
      return name;
    },
    name: (base) => names.unique(base),
    rank: (name) => ranks.rank(name),
  };
}
