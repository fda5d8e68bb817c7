import type { Operator } from "../operator.ts";

/** Operators of ONNX's own domain that few networks have. */
export const RARE: Readonly<Record<string, Operator>> = {};
