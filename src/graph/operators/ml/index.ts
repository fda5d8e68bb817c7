import type { Operator } from "../operator.ts";
import { features } from "./features.ts";
import { labels } from "./labels.ts";
import { linear } from "./linear.ts";
import { machines } from "./svm.ts";
import { texts } from "./texts.ts";
import { tokenizers } from "./tokenizer.ts";
import { trees } from "./trees.ts";

/** Operators by `domain/op` that scikit-learn's and boosted trees' exporters write: those of the domain ai.onnx.ml, and what cuts texts and casts them. */
export const MACHINE_LEARNING: Readonly<Record<string, Operator>> = {
  ...trees,
  ...linear,
  ...machines,
  ...features,
  ...labels,
  ...texts,
  ...tokenizers,
};
