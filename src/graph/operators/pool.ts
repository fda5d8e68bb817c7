import type { Call } from "./call.ts";
import { twinLayout } from "./layout-rules.ts";
import { type Operator, type ShapeRule, sameRank } from "./operator.ts";
import { arrange, extents, settleWindow, WINDOW_ATTRIBUTES, windowOf } from "./spatial.ts";

const poolShape: ShapeRule = (call) => {
  const { output } = windowOf(call);
  const value = arrange(call, { ...extents(call), spatial: output });
  return [value, { type: "int64", shape: value.shape }];
};

const globalShape: ShapeRule = (call) => {
  const given = extents(call);
  return [arrange(call, { ...given, spatial: given.spatial.map(() => 1) })];
};

const pool = {
  since: 1,
  inputs: "T",
  types: { T: ["float32"] },
  rank: sameRank,
  shape: poolShape,
  layout: twinLayout,
  settle: (call: Call) => settleWindow(call),
  positive: "kept",
  sizes: "polynomial",
  steps: true,
} as const satisfies Operator;

const attributes = { ...WINDOW_ATTRIBUTES, ceil_mode: "int" } as const;
const maximum = {
  ...pool,
  types: { T: ["float32", "float64", "int8", "uint8"] },
  attributes: { ...attributes, storage_order: "int" },
} as const;
/** Only MaxPool tells where its elements come from. */
const oneShape: ShapeRule = (call) => poolShape(call).slice(0, 1);
const average = { ...pool, attributes: { ...attributes, count_include_pad: "int" }, shape: oneShape } as const;
const normShape: ShapeRule = (call) => {
  const p = call.number("p", 2);
  if (p < 1) throw call.fail(`"p" expected integer ≥ 1, got ${p}`);
  return oneShape(call);
};
const norm = { ...pool, attributes: { ...attributes, p: "int" }, shape: normShape } as const;
const global = {
  since: 1,
  inputs: "T",
  types: { T: ["float32"] },
  rank: sameRank,
  shape: globalShape,
  positive: "kept",
  layout: twinLayout,
  sizes: "polynomial",
  steps: true,
} as const satisfies Operator;

/** Pooling, in ONNX's form and its channels-last twin. */
export const pools = {
  "/MaxPool": maximum,
  "bitbasis/MaxPool": maximum,
  "/AveragePool": average,
  "bitbasis/AveragePool": average,
  "/LpPool": norm,
  "bitbasis/LpPool": norm,
  "/GlobalMaxPool": global,
  "bitbasis/GlobalMaxPool": global,
  "/GlobalAveragePool": global,
  "bitbasis/GlobalAveragePool": global,
} as const satisfies Readonly<Record<string, Operator>>;
