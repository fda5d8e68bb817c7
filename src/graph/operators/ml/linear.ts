import type { Call } from "../call.ts";
import { typeCode } from "../cast.ts";
import type { Maker } from "../maker.ts";
import type { Operator } from "../operator.ts";
import { exactly, type Fail, labelsOf, numbersOf } from "./attributes.ts";
import { INPUT, inFloat32 } from "./features.ts";
import { labelled, TRANSFORMS, transformed, transformOf } from "./scores.ts";
import { rowsOf } from "./trees.ts";

/** [rows, features] in float32. */
export function matrix(call: Call, make: Maker): { x: string; rows: number; features: number } {
  const { rows, columns } = rowsOf(call);
  const x = make.op("Reshape", [inFloat32(call, make), make.integers("rows", [rows, columns])]);
  return { x, rows, features: columns };
}

/** x times the rows of `coefficients`, and their intercepts: [rows, targets]. */
export function weighted(
  make: Maker,
  x: string,
  coefficients: readonly number[],
  [targets, features]: readonly [number, number],
  intercepts: readonly number[],
): string {
  const weights = make.tensor("coefficients", "float32", coefficients, [targets, features]);
  if (intercepts.length === 0) return make.op("Gemm", [x, weights], { transB: 1 });
  return make.op("Gemm", [x, weights, make.tensor("intercepts", "float32", intercepts)], { transB: 1 });
}

const regressor: Operator["expands"] = (call, make) => {
  const { attributes } = call.node;
  const fail: Fail = (why) => call.fail(why);
  const targets = call.number("targets", 1);
  const intercepts = "intercepts" in attributes ? exactly(attributes, "intercepts", targets, fail) : [];
  const transform = transformOf(attributes["post_transform"], fail);
  const { x, features } = matrix(call, make);
  const coefficients = exactly(attributes, "coefficients", targets * features, fail);
  const scores = weighted(make, x, coefficients, [targets, features], intercepts);
  return make.end("Identity", [transformed(make, scores, transform)]);
};

/** The index of the second class where a score, [rows, 1], is above 0. */
export function aboveZero(make: Maker, score: string): string {
  const above = make.op("Greater", [score, make.tensor("zero", "float32", 0)]);
  return make.op("Reshape", [make.op("Cast", [above], { to: typeCode("int64") }), make.integers("vector", [-1])]);
}

/** Scores of two classes made of the one, [rows, 1], as onnxruntime makes them. */
function both(make: Maker, score: string): string {
  const rest = make.op("Sub", [make.tensor("one", "float32", 1), score]);
  return make.op("Concat", [rest, score], { axis: 1 });
}

const classifier: Operator["expands"] = (call, make) => {
  const { attributes } = call.node;
  const fail: Fail = (why) => call.fail(why);
  const given = labelsOf(attributes, "classlabels_ints", fail);
  const transform = transformOf(attributes["post_transform"], fail);
  const { x, features } = matrix(call, make);
  const coefficients = numbersOf(attributes, "coefficients");
  const targets = coefficients.length / Math.max(1, features);
  const isSingle = targets === 1 && given.length <= 2;
  if (!isSingle && targets !== given.length)
    throw call.fail(`"coefficients" expected ${given.length * features} numbers, got ${coefficients.length}`);
  const intercepts = "intercepts" in attributes ? exactly(attributes, "intercepts", targets, fail) : [];
  const scores = weighted(make, x, coefficients, [targets, features], intercepts);
  if (isSingle && given.length === 2) {
    labelled(make, aboveZero(make, scores), given);
    const one = transform === "SOFTMAX" || transform === "SOFTMAX_ZERO" ? scores : transformed(make, scores, transform);
    make.output(1, "Identity", [both(make, one)]);
  } else {
    labelled(make, make.op("ArgMax", [scores], { axis: 1, keepdims: 0 }), given);
    make.output(1, "Identity", [transformed(make, scores, transform)]);
  }
  return make.done();
};

export const linear = {
  "ai.onnx.ml/LinearRegressor": {
    since: 1,
    inputs: "T",
    types: { T: INPUT },
    attributes: { coefficients: "floats", intercepts: "floats", targets: "int", post_transform: TRANSFORMS },
    expands: regressor,
  },
  "ai.onnx.ml/LinearClassifier": {
    since: 1,
    inputs: "T",
    types: { T: INPUT },
    attributes: {
      coefficients: "floats",
      intercepts: "floats",
      classlabels_ints: "ints",
      classlabels_strings: "texts",
      multi_class: "int",
      post_transform: TRANSFORMS,
    },
    expands: classifier,
  },
} as const satisfies Readonly<Record<string, Operator>>;
