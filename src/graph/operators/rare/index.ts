import type { Operator } from "../operator.ts";
import { signals } from "../signal.ts";
import { random } from "./random.ts";
import { spatials } from "./spatial.ts";
import { stateful } from "./stateful.ts";
import { strings } from "./strings.ts";
import { tfidf } from "./tfidf.ts";
import { training } from "./training.ts";

/** Operators of ONNX's own domain that few networks have. */
export const RARE: Readonly<Record<string, Operator>> = {
  ...strings,
  ...tfidf,
  ...random,
  ...stateful,
  ...spatials,
  ...signals,
  ...training,
};
