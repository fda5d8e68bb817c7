import type { Lower } from "../lowering.ts";
import { lowerReshape } from "./reshape.ts";

/** Operators that run, by `domain/op` (ONNX's own domain is empty: `/Relu`). */
export const OPERATORS: Readonly<Record<string, Lower>> = {
  "/Reshape": lowerReshape,
  "/Flatten": lowerReshape,
  "/Squeeze": lowerReshape,
  "/Unsqueeze": lowerReshape,
  "/Identity": lowerReshape,
  "/Dropout": lowerReshape,
};
