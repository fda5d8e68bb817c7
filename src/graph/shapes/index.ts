import type { ShapeRule } from "./call.ts";
import { elementwise } from "./elementwise.ts";
import { indexing } from "./indexing.ts";
import { linear } from "./linear.ts";
import { movement } from "./movement.ts";
import { reductions } from "./reduce.ts";
import { spatial } from "./spatial.ts";

export { Call, type ShapeRule } from "./call.ts";

/** Shape rules by `domain/op`, for normalized graphs. */
export const SHAPE_RULES: Readonly<Record<string, ShapeRule>> = {
  ...elementwise,
  ...indexing,
  ...linear,
  ...movement,
  ...reductions,
  ...spatial,
};
