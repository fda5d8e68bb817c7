import type { Node } from "../../graph.ts";
import { exactly, type Fail, numbersOf, textsOf } from "./attributes.ts";

/** Tests of a node, by the numbers that TreeEnsemble gives them. */
export const MODES = [
  "BRANCH_LEQ",
  "BRANCH_LT",
  "BRANCH_GTE",
  "BRANCH_GT",
  "BRANCH_EQ",
  "BRANCH_NEQ",
  "BRANCH_MEMBER",
] as const;
export const MEMBER = 6;

/** Decision trees as arrays. Places of nodes are their indices, those of leaves are negative: ~leaf. */
export interface Forest {
  /** One per tree. */
  readonly roots: Int32Array;
  readonly feature: Int32Array;
  readonly mode: Uint8Array;
  readonly threshold: Float64Array;
  /** 1: NaN passes the test. */
  readonly missing: Uint8Array;
  readonly yes: Int32Array;
  readonly no: Int32Array;
  /** What the values of `BRANCH_MEMBER` nodes must be among, by node. */
  readonly sets: ReadonlyMap<number, ReadonlySet<number>>;
  /** Leaf i has the weights starts[i] … starts[i + 1] − 1. */
  readonly starts: Int32Array;
  readonly targets: Int32Array;
  readonly weights: Float64Array;
  /** Columns that an input has at least. */
  readonly columns: number;
}

/** One weight of a leaf. */
interface Weight {
  readonly target: number;
  readonly weight: number;
}

/** Weights by leaf as flat arrays. */
export function leavesOf(leaves: readonly (readonly Weight[])[]): Pick<Forest, "starts" | "targets" | "weights"> {
  const starts = new Int32Array(leaves.length + 1);
  leaves.forEach((own, i) => {
    starts[i + 1] = starts[i]! + own.length;
  });
  const all = leaves.flat();
  return {
    starts,
    targets: Int32Array.from(all, ({ target }) => target),
    weights: Float64Array.from(all, ({ weight }) => weight),
  };
}

/** @throws what `fail` makes when a path through the trees never ends */
export function checkEnds({ roots, yes, no }: Pick<Forest, "roots" | "yes" | "no">, fail: Fail): void {
  const [open, done] = [1, 2];
  const state = new Uint8Array(yes.length);
  for (const root of roots) {
    const path = [root];
    for (let at = path.at(-1); at !== undefined; at = path.at(-1)) {
      if (at < 0 || state[at] === done) {
        path.pop();
        continue;
      }
      if (state[at] === open) {
        state[at] = done;
        path.pop();
        continue;
      }
      state[at] = open;
      for (const child of [yes[at]!, no[at]!]) {
        if (child >= 0 && state[child] === open) throw fail(`the trees have a circle through node ${child}`);
        path.push(child);
      }
    }
  }
}

/** Attributes of the weights, by operator. */
export type WeightPrefix = "target" | "class";

const forests = new WeakMap<Node["attributes"], Forest>();

/** As `read`, once for each set of attributes. */
export function remembered(attributes: Node["attributes"], read: () => Forest): Forest {
  let forest = forests.get(attributes);
  if (forest === undefined) {
    forest = read();
    forests.set(attributes, forest);
  }
  return forest;
}

/** The trees of TreeEnsembleClassifier and TreeEnsembleRegressor: nodes are named by the ids of a tree and a node. */
export function forestOf(attributes: Node["attributes"], prefix: WeightPrefix, targets: number, fail: Fail): Forest {
  return remembered(attributes, () => readForest(attributes, prefix, targets, fail));
}

function readForest(attributes: Node["attributes"], prefix: WeightPrefix, targets: number, fail: Fail): Forest {
  const ids = numbersOf(attributes, "nodes_nodeids");
  const count = ids.length;
  const list = (name: string): readonly number[] => exactly(attributes, name, count, fail);
  const [trees, features, values] = [list("nodes_treeids"), list("nodes_featureids"), list("nodes_values")];
  const [trues, falses] = [list("nodes_truenodeids"), list("nodes_falsenodeids")];
  const missing =
    numbersOf(attributes, "nodes_missing_value_tracks_true").length === 0
      ? undefined
      : list("nodes_missing_value_tracks_true");
  const modes = textsOf(attributes, "nodes_modes");
  if (modes.length !== count) throw fail(`"nodes_modes" expected ${count} texts, got ${modes.length}`);

  /** Place of each node: its index among inner nodes, or ~ its index among leaves. */
  const places = new Map<string, number>();
  const inner: number[] = [];
  const leaves: Weight[][] = [];
  const roots = new Map<number, number>();
  ids.forEach((id, i) => {
    const key = `${trees[i]} ${id}`;
    if (places.has(key)) throw fail(`tree ${trees[i]} has two nodes ${id}`);
    const place = modes[i] === "LEAF" ? ~(leaves.push([]) - 1) : inner.push(i) - 1;
    places.set(key, place);
    if (!roots.has(trees[i]!)) roots.set(trees[i]!, place);
  });
  const place = (tree: number, id: number): number => {
    const found = places.get(`${tree} ${id}`);
    if (found === undefined) throw fail(`tree ${tree} has no node ${id}`);
    return found;
  };

  const weights = numbersOf(attributes, `${prefix}_weights`);
  const own = (name: string): readonly number[] => exactly(attributes, `${prefix}_${name}`, weights.length, fail);
  const [weightTrees, weightNodes, weightTargets] = [own("treeids"), own("nodeids"), own("ids")];
  weights.forEach((weight, i) => {
    const target = weightTargets[i]!;
    if (!(target >= 0 && target < targets))
      throw fail(`"${prefix}_ids" expected integers in 0..${targets - 1}, got ${target}`);
    const at = place(weightTrees[i]!, weightNodes[i]!);
    // Weights of inner nodes are never reached.
    if (at < 0) leaves[~at]!.push({ target, weight });
  });
  const forest: Forest = {
    roots: Int32Array.from(roots.values()),
    feature: Int32Array.from(inner, (i) => features[i]!),
    mode: Uint8Array.from(inner, (i) => modeOf(modes[i]!, fail)),
    threshold: Float64Array.from(inner, (i) => values[i]!),
    missing: Uint8Array.from(inner, (i) => missing?.[i] ?? 0),
    yes: Int32Array.from(inner, (i) => place(trees[i]!, trues[i]!)),
    no: Int32Array.from(inner, (i) => place(trees[i]!, falses[i]!)),
    sets: new Map(),
    ...leavesOf(leaves),
    columns: columnsOf(
      inner.map((i) => features[i]!),
      fail,
    ),
  };
  checkEnds(forest, fail);
  return forest;
}

function modeOf(name: string, fail: Fail): number {
  const mode = (MODES as readonly string[]).indexOf(name);
  if (mode < 0 || mode === MEMBER)
    throw fail(`"nodes_modes" expected LEAF, ${MODES.slice(0, MEMBER).join(", ")}, got ${JSON.stringify(name)}`);
  return mode;
}

/** Columns of an input that has all of these features. */
export function columnsOf(features: readonly number[], fail: Fail): number {
  let columns = 0;
  for (const feature of features) {
    if (!(feature >= 0 && feature < 2 ** 31)) throw fail(`"nodes_featureids" expected integers ≥ 0, got ${feature}`);
    columns = Math.max(columns, feature + 1);
  }
  return columns;
}

/** The leaf that a row of numbers, from `row` on, comes to. */
export function leafOf(forest: Forest, x: ArrayLike<number>, row: number, root: number): number {
  const { feature, yes, no } = forest;
  let at = root;
  while (at >= 0) at = passes(forest, at, x[row + feature[at]!]!) ? yes[at]! : no[at]!;
  return ~at;
}

function passes({ mode, threshold, missing, sets }: Forest, at: number, value: number): boolean {
  if (missing[at] !== 0 && Number.isNaN(value)) return true;
  const bound = threshold[at]!;
  switch (mode[at]) {
    case 0:
      return value <= bound;
    case 1:
      return value < bound;
    case 2:
      return value >= bound;
    case 3:
      return value > bound;
    case 4:
      return value === bound;
    case 5:
      return value !== bound;
    default:
      return sets.get(at)!.has(value);
  }
}
