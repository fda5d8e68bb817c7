import { BitbasisError } from "../core/errors.ts";
import type { Graph, KnownValue } from "./graph.ts";
import { isOfTypes } from "./operators/contract.ts";
import { captures, subgraphs } from "./order.ts";
import { type Feed, LIST, probe, type Stage } from "./specialize.ts";

/** Stands for an extent that is not known, where only types matter. */
const ANY_EXTENT = 4;

/**
 * Refuses a graph that no feeds can run, as far as that can be told beforehand: shapes are followed up to the first one that depends on data where all
 * inputs have static shapes, else types alone. Branches of an If are held to types only: exporters write some that the sizes at hand never allow and that
 * are never taken.
 *
 * @param weights - types and shapes of the weights that are series
 * @throws BitbasisError as a run would
 */
export function checkRuns(graph: Graph, weights: ReadonlyMap<string, KnownValue> = new Map()): void {
  let isStatic = true;
  const feeds = graph.inputs.map(({ name, type, shape, holder }): [string, Feed | typeof LIST] => {
    if (holder !== undefined) return [name, LIST];
    if (shape === undefined || shape.some((d) => typeof d === "string")) isStatic = false;
    return [name, { type, shape: (shape ?? []).map((d) => (typeof d === "string" ? ANY_EXTENT : d)) }];
  });
  const stage = tried(() => probe(graph, Object.fromEntries(feeds), { weights }), isStatic);
  if (stage?.stop?.node.op !== "If") return;
  for (const body of subgraphs(stage.stop.node)) checkBranch(body, stage, weights);
}

function checkBranch(body: Graph, stage: Stage, weights: ReadonlyMap<string, KnownValue>): void {
  const initializers = new Map(body.initializers);
  const inputs: Graph["inputs"][number][] = [];
  const feeds: [string, Feed][] = [];
  for (const name of captures(body)) {
    const { name: own, constant, series } = stage.source(name);
    const known = stage.values.get(own);
    if (constant !== undefined) initializers.set(name, constant);
    else if (known !== undefined && !series) {
      inputs.push({ name, type: known.type, shape: undefined });
      feeds.push([name, known]);
    } else if (!series) return;
  }
  const { opsets } = stage;
  const whole = { ...body, opsets, inputs, initializers };
  tried(() => probe(whole, Object.fromEntries(feeds), { weights, body: true }), false);
}

/** What can be found out; undefined where that ends in an error that other feeds need not have. */
function tried(find: () => Stage | undefined, isStatic: boolean): Stage | undefined {
  try {
    return find();
  } catch (error) {
    if (error instanceof BitbasisError && (isStatic || isOfTypes(error))) throw error;
    return undefined;
  }
}
