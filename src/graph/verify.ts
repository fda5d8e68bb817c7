import { BitbasisError } from "../core/errors.ts";
import type { Graph, KnownValue } from "./graph.ts";
import { ANY_EXTENT } from "./open-shape.ts";
import { isOfTypes } from "./operators/contract.ts";
import { type Feed, LIST, probe } from "./specialize.ts";

/**
 * Refuses a graph that no feeds can run, as far as that can be told beforehand. Where all shapes are static and nothing depends on data, that is all that a run would refuse; else see
 * `survey`, which is a chunk of its own that most models do not need.
 *
 * @param weights - types and shapes of the weights that are series
 * @throws BitbasisError as a run would
 */
export async function checkRuns(graph: Graph, weights: ReadonlyMap<string, KnownValue> = new Map()): Promise<void> {
  if (getsToTheEnd(graph, weights)) return;
  const { survey } = await import("./survey.ts");
  survey(graph, weights);
}

/** Whether a run gets to the end with some sizes, and nothing of it depends on data. */
function getsToTheEnd(graph: Graph, weights: ReadonlyMap<string, KnownValue>): boolean {
  let isStatic = true;
  const feeds = graph.inputs.map(({ name, type, shape, holder }): [string, Feed | typeof LIST] => {
    if (holder !== undefined) return [name, LIST];
    if (shape === undefined || shape.some((d) => typeof d === "string")) isStatic = false;
    return [name, { type, shape: (shape ?? []).map((d) => (typeof d === "string" ? ANY_EXTENT : d)) }];
  });
  try {
    return probe(graph, Object.fromEntries(feeds), { weights });
  } catch (error) {
    if (error instanceof BitbasisError && (isStatic || isOfTypes(error))) throw error;
    return false;
  }
}
