import { bytesIn, type ElementType, type TensorData } from "../../../tensor/index.ts";
import type { Node } from "../../graph.ts";
import type { Call } from "../call.ts";
import { typeCode } from "../cast.ts";
import { allocate, dataOf, elementsOf } from "../elements.ts";
import type { Maker } from "../maker.ts";
import { inPieces, PIECE } from "../memo.ts";
import { FLOATS, type Operator } from "../operator.ts";
import { type Fail, labelsOf, numbersOf } from "./attributes.ts";
import { type Forest, forestOf, leafOf } from "./forest.ts";
import { forestOfPlaces } from "./forest-v5.ts";
import { labelled, TRANSFORMS, type Transform, transformed, transformOf } from "./scores.ts";

const { fround } = Math;

type Attributes = Node["attributes"];

/** In the order of TreeEnsemble's numbers. */
const AGGREGATES = ["AVERAGE", "SUM", "MIN", "MAX"] as const;

function aggregateOf(value: unknown, fail: Fail): (typeof AGGREGATES)[number] {
  const name = typeof value === "number" ? AGGREGATES[value] : (value ?? "SUM");
  if ((AGGREGATES as readonly unknown[]).includes(name)) return name as (typeof AGGREGATES)[number];
  throw fail(`"aggregate_function" expected one of ${AGGREGATES.join(", ")}, got ${JSON.stringify(value)}`);
}

/** Rows and columns of an input; a vector is one row. */
export function rowsOf(call: Call): { rows: number; columns: number } {
  const shape = call.shape(0);
  if (shape.length !== 1 && shape.length !== 2) throw call.fail("the input expected shape [rows, features]");
  return { rows: shape.length === 1 ? 1 : shape[0]!, columns: shape.at(-1)! };
}

/** What each kind of ensemble reads its attributes as. */
interface Ensemble {
  readonly forest: Forest;
  readonly targets: number;
  readonly base: readonly number[];
}

function ensembleOf(op: string, attributes: Attributes, fail: Fail): Ensemble {
  const isClassifier = op === "TreeEnsembleClassifier" || op === "TreeClasses";
  const given = attributes["n_targets"];
  const targets = isClassifier ? labelsOf(attributes, "classlabels_int64s", fail).length : Number(given ?? 1);
  if (!(targets >= 1 && targets <= 65536)) throw fail(`"n_targets" expected integer in 1..65536, got ${given}`);
  const base = numbersOf(attributes, "base_values");
  const fits = base.length === 0 || base.length === targets || base.length === 1;
  if (!fits) throw fail(`"base_values" expected ${targets} numbers, got ${base.length}`);
  const forest =
    "tree_roots" in attributes
      ? forestOfPlaces(attributes, targets, fail)
      : forestOf(attributes, isClassifier ? "class" : "target", targets, fail);
  return { forest, targets, base };
}

/** Wrong attributes are an error of the file, not of a run. */
const checked: Operator["becomes"] = (node, make) => {
  const fail: Fail = (why) => make.fail(why, "MODEL");
  ensembleOf(node.op, node.attributes, fail);
  transformOf(node.attributes["post_transform"], fail);
  aggregateOf(node.attributes["aggregate_function"], fail);
  return undefined;
};

/** Integers are compared as float32. */
function features(call: Call, make: Maker, { forest }: Ensemble): string {
  const { columns } = rowsOf(call);
  if (columns < forest.columns)
    throw call.fail(`the input expected ${forest.columns} features or more, got ${columns}`);
  const x = call.node.inputs[0]!;
  return FLOATS.includes(call.type(0)) ? x : make.op("Cast", [x], { to: typeCode("float32") });
}

function regress(call: Call, make: Maker): readonly Node[] {
  const { op, attributes } = call.node;
  const fail: Fail = (why) => call.fail(why);
  const ensemble = ensembleOf(op, attributes, fail);
  let scores = make.op("bitbasis/TreeScores", [features(call, make, ensemble)], attributes);
  const transform = transformOf(attributes["post_transform"], fail);
  const isDouble = call.type(0) === "float64";
  // TreeEnsemble gives the type of its input, the older operators float32.
  const wide = isDouble && op === "TreeEnsemble";
  if (isDouble && !(wide && transform === "NONE")) scores = make.op("Cast", [scores], { to: typeCode("float32") });
  scores = transformed(make, scores, transform);
  return make.end("Cast", [scores], { to: typeCode(wide ? "float64" : "float32") });
}

/** The sums of the trees, or their least or largest: in float32 one tree after the other, in their order, as onnxruntime adds them on one thread. */
interface Sums {
  readonly scores: Float64Array;
  /** 1: a tree has something to say about this target. */
  readonly has: Uint8Array;
}

function* addUp(call: Call, { forest, targets }: Ensemble): Generator<undefined, Sums> {
  const { rows, columns } = rowsOf(call);
  const x = elementsOf(call.constant(0)!.data) as ArrayLike<number>;
  const round = call.type(0) === "float64" ? (value: number): number => value : fround;
  const aggregate = aggregateOf(call.node.attributes["aggregate_function"], (why) => call.fail(why));
  call.hold(bytesIn("float64", rows * targets) + rows * targets);
  const scores = new Float64Array(rows * targets);
  const has = new Uint8Array(rows * targets);
  let work = 0;
  for (let row = 0; row < rows; row++) {
    for (const root of forest.roots) {
      // Trees are some 16 nodes deep.
      work += 16;
      if (work > PIECE) {
        work = 0;
        yield;
      }
      const leaf = leafOf(forest, x, row * columns, root);
      for (let i = forest.starts[leaf]!; i < forest.starts[leaf + 1]!; i++) {
        const at = row * targets + forest.targets[i]!;
        const [weight, before] = [forest.weights[i]!, scores[at]!];
        if (aggregate === "MIN") scores[at] = has[at] === 0 || weight < before ? weight : before;
        else if (aggregate === "MAX") scores[at] = has[at] === 0 || weight > before ? weight : before;
        else scores[at] = round(before + weight);
        has[at] = 1;
      }
    }
  }
  for (let at = 0; at < scores.length && aggregate === "AVERAGE"; at++) {
    scores[at] = round(scores[at]! / forest.roots.length);
    if (at % PIECE === 0) yield;
  }
  return { scores, has };
}

const treeScores = inPieces(function* (call): Generator<undefined, TensorData[]> {
  const ensemble = ensembleOf("", call.node.attributes, (why) => call.fail(why));
  const { scores } = yield* addUp(call, ensemble);
  const { base, targets } = ensemble;
  call.hold(bytesIn(call.type(0), scores.length));
  const result = allocate(call.type(0), scores.length);
  // A float32 array rounds the sum.
  for (let at = 0; at < scores.length; at++) {
    result[at] = base.length === targets ? scores[at]! + base[at % targets]! : scores[at]!;
    if (at % PIECE === 0) yield;
  }
  return [dataOf(result)];
});

/** How often nodes were visited in training: nothing that a result depends on. */
const HITS = "nodes_hitrates:floats nodes_hitrates_as_tensor";

const SHARED: Operator["attributes"] = {
  nodes_featureids: "ints",
  nodes_truenodeids: "ints",
  nodes_falsenodeids: "ints",
  nodes_missing_value_tracks_true: "ints",
};

const NAMED: Operator["attributes"] = {
  ...SHARED,
  nodes_treeids: "ints",
  nodes_nodeids: "ints",
  nodes_values: "floats",
  nodes_values_as_tensor: "tensor",
  nodes_modes: "texts",
  base_values: "floats",
  base_values_as_tensor: "tensor",
  post_transform: TRANSFORMS,
};

const INPUT: readonly ElementType[] = ["float32", "float64", "int32", "int64"];

export const trees = {
  "ai.onnx.ml/TreeEnsembleRegressor": {
    since: 1,
    inputs: "T",
    types: { T: INPUT },
    attributes: {
      ...NAMED,
      n_targets: "int",
      aggregate_function: AGGREGATES,
      target_treeids: "ints",
      target_nodeids: "ints",
      target_ids: "ints",
      target_weights: "floats",
      target_weights_as_tensor: "tensor",
    },
    others: HITS,
    becomes: checked,
    expands: regress,
  },
  "ai.onnx.ml/TreeEnsembleClassifier": {
    since: 1,
    inputs: "T",
    types: { T: INPUT },
    attributes: {
      ...NAMED,
      class_treeids: "ints",
      class_nodeids: "ints",
      class_ids: "ints",
      class_weights: "floats",
      class_weights_as_tensor: "tensor",
      classlabels_int64s: "ints",
      classlabels_strings: "texts",
    },
    others: HITS,
    becomes: checked,
    expands: classify,
  },
  "ai.onnx.ml/TreeEnsemble": {
    since: 5,
    inputs: "T",
    types: { T: ["float32", "float64"] },
    attributes: {
      ...SHARED,
      n_targets: "int",
      aggregate_function: "int",
      post_transform: "int",
      tree_roots: "ints",
      nodes_splits: "tensor",
      nodes_modes: "tensor",
      nodes_trueleafs: "ints",
      nodes_falseleafs: "ints",
      membership_values: "tensor",
      leaf_targetids: "ints",
      leaf_weights: "tensor",
    },
    others: "nodes_hitrates:tensor",
    becomes: checked,
    expands: regress,
  },
  /** Sums of the trees of a regressor, and its base values. */
  "bitbasis/TreeScores": {
    since: 1,
    inputs: "T",
    types: { T: FLOATS },
    shape: (call: Call) => {
      const { targets } = ensembleOf("", call.node.attributes, (why) => call.fail(why));
      return [{ type: call.type(0), shape: [rowsOf(call).rows, targets] }];
    },
    evaluate: (call: Call) => treeScores(call),
    work: treeScores.pieces,
  },
  /** Scores of a classifier before their transform, float32, and the class of each row, int64. */
  "bitbasis/TreeClasses": {
    since: 1,
    inputs: "T",
    types: { T: FLOATS },
    shape: (call: Call) => {
      const { targets } = ensembleOf("TreeClasses", call.node.attributes, (why) => call.fail(why));
      const { rows } = rowsOf(call);
      return [
        { type: "float32", shape: [rows, targets] },
        { type: "int64", shape: [rows] },
      ];
    },
    evaluate: (call: Call) => treeClasses(call),
    work: (call: Call) => treeClasses.pieces(call),
  },
} as const satisfies Readonly<Record<string, Operator>>;

/** Two classes whose trees speak of one of them only, `id`: its score alone decides. */
function singleOf(attributes: Attributes, { targets, base }: Ensemble): { id: number; threshold: number } | undefined {
  const [id, ...others] = new Set(numbersOf(attributes, "class_ids"));
  if (targets !== 2 || id === undefined || others.length > 0 || (id === 0 && base.length === 2)) return undefined;
  return { id, threshold: numbersOf(attributes, "class_weights").every((weight) => weight >= 0) ? 0.5 : 0 };
}

function classify(call: Call, make: Maker): readonly Node[] {
  const { op, attributes } = call.node;
  const fail: Fail = (why) => call.fail(why);
  const ensemble = ensembleOf(op, attributes, fail);
  const [scores, classes] = make.several("bitbasis/TreeClasses", [features(call, make, ensemble)], 2, attributes) as [
    string,
    string,
  ];
  const labels = labelsOf(attributes, "classlabels_int64s", fail);
  labelled(make, classes, labels);
  let transform: Transform = transformOf(attributes["post_transform"], fail);
  const single = singleOf(attributes, ensemble);
  // Two scores that are made of the one of class 0 go through the logistic function or stay as they are, as in onnxruntime.
  if (single?.id === 0 && (transform === "SOFTMAX" || transform === "SOFTMAX_ZERO")) transform = "NONE";
  make.output(1, "Identity", [transformed(make, scores, transform)]);
  return make.done();
}

const treeClasses = inPieces(function* (call): Generator<undefined, TensorData[]> {
  const { attributes } = call.node;
  const ensemble = ensembleOf("TreeClasses", attributes, (why) => call.fail(why));
  const { base, targets } = ensemble;
  const { scores, has } = yield* addUp(call, ensemble);
  const rows = rowsOf(call).rows;
  const logistic = attributes["post_transform"] === "LOGISTIC";
  const single = singleOf(attributes, ensemble);
  call.hold(bytesIn("float32", rows * targets) + bytesIn("int64", rows));
  const result = new Float32Array(rows * targets);
  const classes = new BigInt64Array(rows);
  for (let row = 0; row < rows; row++) {
    if (row % 1024 === 0) yield;
    const own = Array.from({ length: targets }, (_, i) => scores[row * targets + i]! + (base[i] ?? 0));
    if (single !== undefined) classes[row] = BigInt(Number(fround(own[single.id]!) > single.threshold));
    if (single?.id === 0) {
      // Where class 0 alone has weights they are the evidence for class 1: what LightGBM's and scikit-learn's exporters write.
      const score = fround(own[0]!);
      own.splice(0, 2, single.threshold > 0 && !logistic ? 1 - score : -score, score);
    }
    result.set(own, row * targets);
    if (single !== undefined) continue;
    let best = -1;
    own.forEach((score, i) => {
      const speaks = base.length > 0 || has[row * targets + i] !== 0;
      if (speaks && (best < 0 || score > own[best]!)) best = i;
    });
    classes[row] = BigInt(Math.max(0, best));
  }
  return [result, classes];
});
