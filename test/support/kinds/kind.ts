import type { Graph } from "../../../src/graph/index.ts";
import type { InputRange } from "../../../src/quantize/index.ts";
import type { Tensor } from "../../../src/tensor/index.ts";
import { Random } from "../random.ts";
import type { Fill } from "./inputs.ts";

/** A network of a kind that no preset was made on, with inputs as its users would have. */
export interface Kind {
  readonly name: string;
  readonly make: () => Graph;
  readonly feeds: Readonly<Record<string, readonly [dims: readonly number[], fill: Fill]>>;
  /** What its user would tell of its inputs. */
  readonly range?: InputRange;
}

/** Feeds number `n`. */
export function feedsOf({ feeds }: Kind, n: number): Record<string, Tensor> {
  const random = new Random(1000 + n);
  return Object.fromEntries(Object.entries(feeds).map(([name, [dims, fill]]) => [name, fill(random, dims)]));
}
