import type { Maker } from "../maker.ts";
import type { Fail } from "./attributes.ts";

/** In the order of TreeEnsemble's numbers. */
export const TRANSFORMS = ["NONE", "SOFTMAX", "LOGISTIC", "SOFTMAX_ZERO", "PROBIT"] as const;
export type Transform = (typeof TRANSFORMS)[number];

export function transformOf(value: unknown, fail: Fail): Transform {
  const name = typeof value === "number" ? TRANSFORMS[value] : (value ?? "NONE");
  if ((TRANSFORMS as readonly unknown[]).includes(name)) return name as Transform;
  throw fail(`"post_transform" expected one of ${TRANSFORMS.join(", ")}, got ${JSON.stringify(value)}`);
}

/**
 * Scores, [rows, classes] in float32, after their transform: exponentials and logarithms are the core's. Formulas as in ONNX's reference and in onnxruntime, whose
 * inverse error function is Winitzki's approximation.
 */
export function transformed(make: Maker, scores: string, transform: Transform): string {
  const number = (value: number): string => make.tensor("number", "float32", Math.fround(value));
  switch (transform) {
    case "NONE":
      return scores;
    case "LOGISTIC":
      return make.op("Sigmoid", [scores]);
    case "SOFTMAX":
      return make.op("Softmax", [scores], { axis: -1 });
    case "SOFTMAX_ZERO": {
      // Zeros stay zeros: they are classes that no tree has voted for.
      const isVote = make.op("Greater", [make.op("Abs", [scores]), number(1e-7)]);
      const most = make.op("ReduceMax", [scores, make.integers("last", [-1])], { keepdims: 1 });
      const votes = make.op("Exp", [make.op("Sub", [scores, most])]);
      const others = make.op("Mul", [scores, make.op("Exp", [make.op("Neg", [most])])]);
      const all = make.op("Where", [isVote, votes, others]);
      const sum = make.op("ReduceSum", [all, make.integers("last", [-1])], { keepdims: 1 });
      const isNone = make.op("Equal", [sum, number(0)]);
      return make.op("Where", [isNone, number(0.5), make.op("Div", [all, sum])]);
    }
    case "PROBIT": {
      const x = make.op("Sub", [make.op("Mul", [scores, number(2)]), number(1)]);
      const log = make.op("Log", [make.op("Mul", [make.op("Sub", [number(1), x]), make.op("Add", [number(1), x])])]);
      const v = make.op("Add", [make.op("Mul", [log, number(0.5)]), number(2 / (Math.PI * 0.147))]);
      const v2 = make.op("Mul", [log, number(1 / 0.147)]);
      const root = make.op("Sqrt", [make.op("Sub", [make.op("Mul", [v, v]), v2])]);
      const size = make.op("Sqrt", [make.op("Sub", [root, v])]);
      const sign = make.op("Where", [make.op("Less", [x, number(0)]), number(-1), number(1)]);
      return make.op("Mul", [make.op("Mul", [sign, size]), number(Math.SQRT2)]);
    }
  }
}

/** The labels of the classes with these indices, an int64 vector: makes output 0 of the node. */
export function labelled(make: Maker, indices: string, labels: readonly number[] | readonly string[]): void {
  const type = typeof labels[0] === "string" ? "string" : "int64";
  const table = make.tensor("labels", type, labels as readonly number[]);
  make.output(0, "Gather", [table, indices], { axis: 0 });
}
