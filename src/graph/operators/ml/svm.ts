import { bytesIn } from "../../../tensor/index.ts";
import type { Call } from "../call.ts";
import { typeCode } from "../cast.ts";
import type { Maker } from "../maker.ts";
import { inPieces } from "../memo.ts";
import type { Operator } from "../operator.ts";
import { exactly, type Fail, labelsOf, numbersOf } from "./attributes.ts";
import { INPUT } from "./features.ts";
import { matrix, weighted } from "./linear.ts";
import { labelled, TRANSFORMS, transformed, transformOf } from "./scores.ts";

const { fround } = Math;

const KERNELS = ["LINEAR", "POLY", "RBF", "SIGMOID"] as const;

/** A kernel of dot products: identity, a power or tanh of γ·d + c. */
function ofProducts(call: Call, make: Maker, products: string): string {
  const kernel = call.text("kernel_type", "LINEAR");
  if (kernel === "LINEAR") return products;
  const [gamma = 0, constant = 0, degree = 0] = call.list("kernel_params") ?? [];
  const number = (value: number): string => make.tensor("parameter", "float32", value);
  const inner = make.op("Add", [make.op("Mul", [products, number(gamma)]), number(constant)]);
  return kernel === "POLY" ? make.op("Pow", [inner, number(degree)]) : make.op("Tanh", [inner]);
}

/** The kernel between rows and support vectors: [rows, vectors]. Distances are sums of squared differences, since dot products would cancel. */
function kernels(call: Call, make: Maker, x: string, vectors: number, features: number): string {
  const support = exactly(call.node.attributes, "support_vectors", vectors * features, (why) => call.fail(why));
  if (call.text("kernel_type", "LINEAR") !== "RBF")
    return ofProducts(call, make, weighted(make, x, support, [vectors, features], []));
  const [gamma = 0] = call.list("kernel_params") ?? [];
  const centers = make.tensor("support_vectors", "float32", support, [1, vectors, features]);
  const apart = make.op("Sub", [make.op("Unsqueeze", [x, make.integers("middle", [1])]), centers]);
  const squares = make.op("ReduceSumSquare", [apart, make.integers("last", [2])], { keepdims: 0 });
  return make.op("Exp", [make.op("Mul", [squares, make.tensor("gamma", "float32", -gamma)])]);
}

const regressor: Operator["expands"] = (call, make) => {
  const { attributes } = call.node;
  const fail: Fail = (why) => call.fail(why);
  const vectors = call.number("n_supports", 0);
  const rho = exactly(attributes, "rho", 1, fail);
  const transform = transformOf(attributes["post_transform"], fail);
  if (vectors > 0) exactly(attributes, "coefficients", vectors, fail);
  const { x, features } = matrix(call, make);
  const coefficients = exactly(attributes, "coefficients", vectors > 0 ? vectors : features, fail);
  const inputs = vectors > 0 ? kernels(call, make, x, vectors, features) : x;
  const sums = weighted(make, inputs, coefficients, [1, coefficients.length], rho);
  const scores = transformed(make, sums, transform);
  if (call.number("one_class", 0) === 0) return make.end("Identity", [scores]);
  const isIn = make.op("Greater", [scores, make.tensor("zero", "float32", 0)]);
  return make.end("Where", [isIn, make.tensor("in", "float32", 1), make.tensor("out", "float32", -1)]);
};

/** Pairs of classes in the order of their classifiers. */
function pairsOf(classes: number): [number, number][] {
  const all = Array.from({ length: classes }, (_, i) => i);
  return all.flatMap((i) => all.slice(i + 1).map((j): [number, number] => [i, j]));
}

/** Coefficients of the classifiers of all pairs: [pairs, vectors]. The file has them by vector, and of each class those against the others. */
function pairWeights(coefficients: readonly number[], counts: readonly number[]): number[] {
  const vectors = counts.reduce((a, b) => a + b, 0);
  const classOf = counts.flatMap((count, own) => new Array<number>(count).fill(own));
  return pairsOf(counts.length).flatMap(([i, j]) =>
    classOf.map((own, v) => {
      if (own === i) return coefficients[(j - 1) * vectors + v]!;
      return own === j ? coefficients[i * vectors + v]! : 0;
    }),
  );
}

/** The class that wins most pairs, the first one of several: int64 [rows]. Counts are integers, which no preset rounds. */
function winners(make: Maker, scores: string, classes: number): string {
  const pairs = pairsOf(classes);
  const counted = pairs.flatMap(([i, j]) =>
    Array.from({ length: classes }, (_, own) => Number(own === i) - Number(own === j)),
  );
  const lost = Array.from({ length: classes }, (_, own) => pairs.filter(([, j]) => own === j).length);
  const won = make.op("Cast", [make.op("Greater", [scores, make.tensor("zero", "float32", 0)])], {
    to: typeCode("int32"),
  });
  const gains = make.op("MatMul", [won, make.tensor("gains", "int32", counted, [pairs.length, classes])]);
  const votes = make.op("Add", [gains, make.tensor("lost", "int32", lost)]);
  return make.op("ArgMax", [votes], { axis: 1, keepdims: 0 });
}

const classifier: Operator["expands"] = (call, make) => {
  const { attributes } = call.node;
  const fail: Fail = (why) => call.fail(why);
  const labels = labelsOf(attributes, "classlabels_ints", fail);
  const classes = labels.length;
  const transform = transformOf(attributes["post_transform"], fail);
  const counts = numbersOf(attributes, "vectors_per_class");
  if (counts.some((count) => !(count >= 0)))
    throw call.fail(`"vectors_per_class" expected integers ≥ 0, got [${counts}]`);
  const vectors = counts.reduce((a, b) => a + b, 0);
  if (vectors === 0) {
    const { x, features } = matrix(call, make);
    const coefficients = exactly(attributes, "coefficients", classes * features, fail);
    const rho = numbersOf(attributes, "rho")[0] ?? 0;
    const scores = ofProducts(
      call,
      make,
      weighted(
        make,
        x,
        coefficients,
        [classes, features],
        labels.map(() => rho),
      ),
    );
    labelled(make, make.op("ArgMax", [scores], { axis: 1, keepdims: 0 }), labels);
    make.output(1, "Identity", [transformed(make, scores, transform)]);
    return make.done();
  }
  if (classes < 2) throw call.fail(`two classes or more are expected, got ${classes}`);
  exactly(attributes, "vectors_per_class", classes, fail);
  const pairs = (classes * (classes - 1)) / 2;
  const weights = pairWeights(exactly(attributes, "coefficients", (classes - 1) * vectors, fail), counts);
  const rho = exactly(attributes, "rho", pairs, fail);
  const isChance = numbersOf(attributes, "prob_a").length > 0;
  for (const name of isChance ? ["prob_a", "prob_b"] : []) exactly(attributes, name, pairs, fail);
  const { x, features } = matrix(call, make);
  const scores = weighted(make, kernels(call, make, x, vectors, features), weights, [pairs, vectors], rho);
  labelled(make, winners(make, scores, classes), labels);
  if (!isChance) {
    make.output(1, "Identity", [
      classes > 2 ? transformed(make, scores, transform) : bothScores(make, scores, transform),
    ]);
    return make.done();
  }
  const slopes = make.tensor("prob_a", "float32", exactly(attributes, "prob_a", pairs, fail));
  const offsets = make.tensor("prob_b", "float32", exactly(attributes, "prob_b", pairs, fail));
  const logits = make.op("Add", [make.op("Mul", [scores, slopes]), offsets]);
  const chances = make.op("Sub", [make.tensor("one", "float32", 1), make.op("Sigmoid", [logits])]);
  const bounds = [1e-7, 1 - 1e-7].map((bound) => make.tensor("bound", "float32", fround(bound)));
  const clipped = make.op("Clip", [chances, ...bounds]);
  const probabilities = make.op("bitbasis/CoupledProbabilities", [clipped], { classes });
  make.output(1, "Identity", [transformed(make, probabilities, transform)]);
  return make.done();
};

/** Scores of two classes of the one classifier between them, [rows, 1]. */
function bothScores(make: Maker, score: string, transform: ReturnType<typeof transformOf>): string {
  if (transform === "NONE") return make.op("Concat", [make.op("Neg", [score]), score], { axis: 1 });
  const one = transform === "SOFTMAX" || transform === "SOFTMAX_ZERO" ? score : transformed(make, score, transform);
  return make.op("Concat", [make.op("Sub", [make.tensor("one", "float32", 1), one]), one], { axis: 1 });
}

/** Steps of the iteration, and its stopping condition over the number of classes: libsvm's. */
const STEPS = 100;
const EPSILON = 0.005;

/**
 * Probabilities of the classes that agree best with those of the pairs: the second method of Wu, Lin and Weng, "Probability estimates for multi-class
 * classification by pairwise coupling" (2004), algorithm 2, in float32 as onnxruntime.
 */
function coupled(r: (i: number, j: number) => number, classes: number): Float32Array {
  const all = Array.from({ length: classes }, (_, i) => i);
  const q = all.map((i) => {
    const row = Float32Array.from(all, (j) => (i === j ? 0 : -fround(r(j, i) * r(i, j))));
    for (const j of all) if (j !== i) row[i] = row[i]! + fround(r(j, i) * r(j, i));
    return row;
  });
  const p = new Float32Array(classes).fill(1 / classes);
  const qp = new Float32Array(classes);
  for (let step = 0; step < STEPS; step++) {
    let pqp = 0;
    for (const i of all) {
      qp[i] = 0;
      for (const j of all) qp[i] = qp[i]! + fround(q[i]![j]! * p[j]!);
      pqp = fround(pqp + fround(p[i]! * qp[i]!));
    }
    if (all.every((i) => Math.abs(fround(qp[i]! - pqp)) < fround(EPSILON / classes))) break;
    for (const i of all) {
      const diff = fround(fround(pqp - qp[i]!) / q[i]![i]!);
      p[i] = p[i]! + diff;
      const grown = fround(1 + diff);
      const inner = fround(fround(diff * q[i]![i]!) + fround(2 * qp[i]!));
      pqp = fround(fround(fround(pqp + fround(diff * inner)) / grown) / grown);
      for (const j of all) {
        qp[j] = fround(fround(qp[j]! + fround(diff * q[i]![j]!)) / grown);
        p[j] = p[j]! / grown;
      }
    }
  }
  return p;
}

const coupledRows = inPieces(function* (call): Generator<undefined, Float32Array[]> {
  const chances = call.constant(0)!.data as Float32Array;
  const [rows, classes] = [call.shape(0)[0]!, call.number("classes", 0)];
  const pairs = pairsOf(classes);
  call.hold(bytesIn("float32", rows * classes));
  const result = new Float32Array(rows * classes);
  for (let row = 0; row < rows; row++) {
    yield;
    const table = new Map(
      pairs.flatMap(([i, j], at) => {
        const chance = chances[row * pairs.length + at]!;
        return [[i * classes + j, chance] as const, [j * classes + i, fround(1 - chance)] as const];
      }),
    );
    result.set(
      coupled((i, j) => table.get(i * classes + j)!, classes),
      row * classes,
    );
  }
  return [result];
});

export const machines = {
  "ai.onnx.ml/SVMRegressor": {
    since: 1,
    inputs: "T",
    types: { T: INPUT },
    attributes: {
      coefficients: "floats",
      kernel_params: "floats",
      kernel_type: KERNELS,
      n_supports: "int",
      one_class: "int",
      post_transform: TRANSFORMS,
      rho: "floats",
      support_vectors: "floats",
    },
    expands: regressor,
  },
  "ai.onnx.ml/SVMClassifier": {
    since: 1,
    inputs: "T",
    types: { T: INPUT },
    attributes: {
      classlabels_ints: "ints",
      classlabels_strings: "texts",
      coefficients: "floats",
      kernel_params: "floats",
      kernel_type: KERNELS,
      post_transform: TRANSFORMS,
      prob_a: "floats",
      prob_b: "floats",
      rho: "floats",
      support_vectors: "floats",
      vectors_per_class: "ints",
    },
    expands: classifier,
  },
  /** Probabilities of classes, [rows, classes], of those of the first one of each pair, [rows, pairs]. */
  "bitbasis/CoupledProbabilities": {
    since: 1,
    inputs: "float32",
    attributes: { classes: "int" },
    shape: (call: Call) => [{ type: "float32", shape: [call.shape(0)[0]!, call.number("classes", 0)] }],
    evaluate: (call: Call) => coupledRows(call),
    work: coupledRows.pieces,
  },
} as const satisfies Readonly<Record<string, Operator>>;
