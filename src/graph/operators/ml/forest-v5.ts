import { Tensor } from "../../../tensor/index.ts";
import type { Node } from "../../graph.ts";
import { exactly, type Fail, numbersOf } from "./attributes.ts";
import { checkEnds, columnsOf, type Forest, leavesOf, MEMBER, remembered } from "./forest.ts";

/** The trees of TreeEnsemble: nodes are named by their places in the lists of inner nodes and of leaves. */
export function forestOfPlaces(attributes: Node["attributes"], targets: number, fail: Fail): Forest {
  return remembered(attributes, () => readForest(attributes, targets, fail));
}

function readForest(attributes: Node["attributes"], targets: number, fail: Fail): Forest {
  const features = numbersOf(attributes, "nodes_featureids");
  const count = features.length;
  const list = (name: string): readonly number[] => exactly(attributes, name, count, fail);
  const [modes, splits] = [list("nodes_modes"), list("nodes_splits")];
  const weights = numbersOf(attributes, "leaf_weights");
  const leafTargets = exactly(attributes, "leaf_targetids", weights.length, fail);
  const child = (ids: readonly number[], leaves: readonly number[], i: number): number => {
    const [id, isLeaf] = [ids[i]!, leaves[i] !== 0];
    const most = (isLeaf ? weights.length : count) - 1;
    if (!(id >= 0 && id <= most))
      throw fail(`node ${i} expected a ${isLeaf ? "leaf" : "node"} in 0..${most}, got ${id}`);
    return isLeaf ? ~id : id;
  };
  const [trues, trueLeaves] = [list("nodes_truenodeids"), list("nodes_trueleafs")];
  const [falses, falseLeaves] = [list("nodes_falsenodeids"), list("nodes_falseleafs")];
  const missing = "nodes_missing_value_tracks_true" in attributes ? list("nodes_missing_value_tracks_true") : undefined;
  for (const mode of modes)
    if (!(mode >= 0 && mode <= MEMBER)) throw fail(`"nodes_modes" expected 0..${MEMBER}, got ${mode}`);
  const roots = numbersOf(attributes, "tree_roots");
  for (const root of roots)
    if (!(root >= 0 && root < count)) throw fail(`"tree_roots" expected 0..${count - 1}, got ${root}`);
  for (const target of leafTargets)
    if (!(target >= 0 && target < targets)) throw fail(`"leaf_targetids" expected 0..${targets - 1}, got ${target}`);
  const forest: Forest = {
    roots: Int32Array.from(roots),
    feature: Int32Array.from(features),
    mode: Uint8Array.from(modes),
    threshold: Float64Array.from(splits),
    missing: missing === undefined ? new Uint8Array(count) : Uint8Array.from(missing),
    yes: Int32Array.from(features, (_, i) => child(trues, trueLeaves, i)),
    no: Int32Array.from(features, (_, i) => child(falses, falseLeaves, i)),
    sets: setsOf(attributes, modes, fail),
    ...leavesOf(weights.map((weight, i) => [{ target: leafTargets[i]!, weight }])),
    columns: columnsOf(features, fail),
  };
  checkEnds(forest, fail);
  return forest;
}

/** One list for all membership tests, in the order of the nodes; NaN ends what belongs to one. */
function setsOf(attributes: Node["attributes"], modes: readonly number[], fail: Fail): Map<number, Set<number>> {
  const given = attributes["membership_values"];
  const all = given instanceof Tensor ? numbersOf(attributes, "membership_values") : [];
  const sets: Set<number>[] = [new Set()];
  for (const value of all) {
    if (Number.isNaN(value)) sets.push(new Set());
    else sets.at(-1)!.add(value);
  }
  const nodes = modes.flatMap((mode, i) => (mode === MEMBER ? [i] : []));
  if (nodes.length > sets.length || (all.length > 0 && nodes.length < sets.length - 1))
    throw fail(`"membership_values" expected ${nodes.length} sets, each ended by NaN`);
  return new Map(nodes.map((node, i) => [node, sets[i]!]));
}
