import type { Operator } from "../operator.ts";
import { features } from "./features.ts";
import { labels } from "./labels.ts";
import { linear } from "./linear.ts";
import { machines } from "./svm.ts";
import { trees } from "./trees.ts";

/** Operators of the domain ai.onnx.ml, by `domain/op`: what scikit-learn's and boosted trees' exporters write. */
export const MACHINE_LEARNING: Readonly<Record<string, Operator>> = {
  ...trees,
  ...linear,
  ...machines,
  ...features,
  ...labels,
};
