import type { Operator } from "../operator.ts";
import { contribAttention } from "./attention.ts";
import { contrib } from "./fused.ts";
import { contribBits } from "./nbits.ts";
import { contribQuantized } from "./quantized.ts";
import { contribStandard } from "./standard.ts";

/** Operators of the domain com.microsoft, by `domain/op`: what onnxruntime's optimizer and its exporters write. */
export const CONTRIB: Readonly<Record<string, Operator>> = {
  ...contrib,
  ...contribAttention,
  ...contribQuantized,
  ...contribBits,
  ...contribStandard,
};
