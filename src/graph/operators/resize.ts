import { ElementCode } from "../../core/abi/element.ts";
import { Tensor } from "../../tensor/index.ts";
import type { Node } from "../graph.ts";
import { lastAxis, toLast } from "../passes/layout.ts";
import type { Call } from "./call.ts";
import type { Layout, LayoutRule } from "./layout-rules.ts";
import { HALVES, type Operator, type ShapeRule, sameRank } from "./operator.ts";
import type { Rewrite } from "./rewrite.ts";
import { settleUnmoved } from "./settle.ts";

const BYTES: readonly string[] = ["int8", "uint8"];

/** What the standard has and we have not. */
function checkSupported(call: Call): void {
  if (HALVES.includes(call.type(0)) || picksBytes(call)) return;
  throw call.fail(`mode "${call.text("mode", "nearest")}" is not supported for ${call.type(0)}`, "UNSUPPORTED");
}

/** Whether bytes are picked, not computed with: float32 holds them. */
function picksBytes(call: Call): boolean {
  return BYTES.includes(call.type(0)) && call.text("mode", "nearest") === "nearest";
}

const expands: Operator["expands"] = (call, make) => {
  if (!picksBytes(call)) return undefined;
  const { domain, inputs, attributes } = call.node;
  const x = make.op("Cast", inputs.slice(0, 1), { to: ElementCode.float32 });
  const y = make.op(`${domain}/Resize`, [x, ...inputs.slice(1)], attributes);
  return make.end("Cast", [y], { to: ElementCode[call.type(0)] });
};

const shape: ShapeRule = (call) => {
  checkSupported(call);
  const from = call.shape(0);
  const axes = call.axes(call.list("axes") ?? from.map((_, i) => i), from.length);
  const sizes = call.has(3) ? call.needed(3) : undefined;
  const scales = sizes === undefined ? call.needed(2) : undefined;
  const given = sizes ?? scales!;
  if (given.length !== axes.length) throw call.fail(`${given.length} sizes or scales for ${axes.length} axes`);
  if (given.some((v) => !(v > 0 && Number.isFinite(v)) && !(sizes !== undefined && v === 0)))
    throw call.fail(`sizes or scales expected positive numbers, got [${given}]`);
  const result = [...from];
  const policy = call.text("keep_aspect_ratio_policy", "stretch");
  if (sizes !== undefined && policy !== "stretch") {
    const ratios = axes.map((axis, i) => sizes[i]! / from[axis]!);
    const ratio = policy === "not_larger" ? Math.min(...ratios) : Math.max(...ratios);
    for (const axis of axes) result[axis] = Math.floor(ratio * from[axis]! + 0.5);
  } else {
    axes.forEach((axis, i) => {
      // The product is a float, as in the reference implementation: 3 · 0.6666667 is 2.
      result[axis] = sizes === undefined ? Math.floor(Math.fround(from[axis]! * scales![i]!)) : sizes[i]!;
    });
  }
  if (result.some((d, i) => d < 1 !== from[i]! < 1 || !Number.isInteger(d)))
    throw call.fail(`the result has shape [${result}]`);
  return [{ type: call.type(0), shape: result }];
};

/** Rearranges a vector with one entry per axis, constant or not. */
function permuted(value: string, perm: readonly number[], node: Node, layout: Layout): string {
  if (value === "") return "";
  const constant = layout.constant(value);
  if (constant?.size === 0) return value;
  if (constant?.type === "float32") {
    const data = constant.data as Float32Array;
    const moved = Float32Array.from(perm, (from) => data[from]!);
    return layout.add(`${value}/last`, new Tensor("float32", moved, constant.dims));
  }
  const order = layout.integerConstant(`${node.name}/order`, perm);
  const moved = layout.newValue(`${value}/last`);
  const gather = { name: `${node.name}/${moved}`, op: "Gather", domain: "", attributes: { axis: 0 } };
  layout.emit({ ...gather, inputs: [layout.first(value), order], outputs: [moved] });
  return moved;
}

const layoutRule: LayoutRule = (node, layout) => {
  const rank = layout.rank(node.inputs[0]);
  if (rank !== 3 && rank !== 4) return false;
  const [x, , scales = "", sizes = ""] = node.inputs as [string, string?, string?, string?];
  const attributes = { ...node.attributes };
  const axes = attributes["axes"] as readonly number[] | undefined;
  if (attributes["coordinate_transformation_mode"] === "tf_crop_and_resize") return false;
  const lengths = [scales, sizes].map((name) => layout.constant(name)?.size ?? 0);
  if (axes === undefined && lengths.some((length) => length !== 0 && length !== rank)) return false;
  if (axes?.some((axis) => axis < -rank || axis >= rank)) return false;
  // Of [N, C, W] both C and W are resized, if not with channels last.
  if (rank === 3 && axes === undefined && (layout.constant(scales)?.data[1] ?? 1) !== 1) return false;
  if (axes !== undefined) attributes["axes"] = axes.map((axis) => lastAxis(axis, rank));
  const vector = (value: string): string =>
    axes === undefined ? permuted(value, toLast(rank), node, layout) : layout.first(value);
  const inputs = [layout.toLast(x, rank), "", vector(scales), vector(sizes)];
  while (inputs.at(-1) === "") inputs.pop();
  layout.emitLast({ ...node, domain: "bitbasis", inputs, attributes }, rank);
  return true;
};

/** Upsample and Resize of opset 10: output pixel o reads input o / scale, rounded down for "nearest". */
const upsample: Rewrite = (node, make) => {
  if (node.op === "Resize" && make.opset >= 11) return undefined;
  const { scales, height_scale, width_scale, mode = "nearest" } = node.attributes;
  const given = scales ?? (height_scale !== undefined ? [1, 1, height_scale, width_scale] : undefined);
  const name =
    given === undefined ? (node.inputs[1] ?? "") : make.tensor("scales", "float32", given as readonly number[]);
  const attributes = {
    mode: mode === "bilinear" ? "linear" : mode,
    coordinate_transformation_mode: "asymmetric",
    nearest_mode: "floor",
  };
  return make.end("Resize", [node.inputs[0] ?? "", "", name], attributes);
};

const resize = {
  since: 10,
  inputs: "T U? float32? int64?",
  types: { T: ["float32", "float16", "uint8", "int8", "int32"], U: ["float32", "float16", "float64"] },
  attributes: {
    antialias: "int",
    axes: "ints",
    coordinate_transformation_mode: [
      "half_pixel",
      "half_pixel_symmetric",
      "pytorch_half_pixel",
      "align_corners",
      "asymmetric",
      "tf_half_pixel_for_nn",
      "tf_crop_and_resize",
    ],
    cubic_coeff_a: "float",
    exclude_outside: "int",
    extrapolation_value: "float",
    keep_aspect_ratio_policy: ["stretch", "not_larger", "not_smaller"],
    mode: ["nearest", "linear", "cubic"],
    nearest_mode: ["round_prefer_floor", "round_prefer_ceil", "floor", "ceil"],
  },
  becomes: upsample,
  // A cubic one may overshoot by little.
  positive: "kept",
  rank: sameRank,
  shape,
  expands,
  layout: layoutRule,
  // A scale of 1.1 may round to the same extent and still move pixels; a crop moves them always.
  settle: settleUnmoved((call: Call) => {
    const crops = call.text("coordinate_transformation_mode", "half_pixel") === "tf_crop_and_resize";
    return crops || (!call.has(3) && call.needed(2).some((scale) => scale !== 1));
  }),
  steps: true,
} as const satisfies Operator;

export const resizing = {
  "/Resize": resize,
  "bitbasis/Resize": resize,
  "/Upsample": {
    since: 1,
    until: 9,
    others: "mode:text scales:floats<9 height_scale:float<7 width_scale:float<7",
    becomes: upsample,
  },
} as const satisfies Readonly<Record<string, Operator>>;
