import { Tensor } from "../../tensor/index.ts";
import type { Node } from "../graph.ts";
import { normalizedAxes } from "../shapes/axes.ts";
import type { Layout } from "./channels-last.ts";
import { broadcastLast, isIdentity, lastAxis, toLast, transposed, transposedWeights } from "./layout.ts";

/** Emits the channels-last form of a node and says true, or leaves the node to stay as it is. */
type LayoutRule = (node: Node, layout: Layout) => boolean;

const SPATIAL_RANKS = [3, 4, 5];

const conv: LayoutRule = (node, layout) => {
  const weights = node.inputs[1]!;
  const constant = layout.constant(weights);
  const rank = constant?.dims.length ?? layout.rank(weights) ?? layout.rank(node.inputs[0]);
  if (rank === undefined || !SPATIAL_RANKS.includes(rank)) return false;
  const group = (node.attributes["group"] as number | undefined) ?? 1;
  if (node.op === "ConvTranspose" && constant === undefined) return false;
  const moved =
    constant === undefined ? layout.toLast(weights, rank) : layout.change(weights, changedWeights(node, layout, group));
  const inputs = [
    layout.toLast(node.inputs[0]!, rank),
    moved,
    ...node.inputs.slice(2).map((name) => layout.first(name)),
  ];
  layout.emitLast({ ...node, domain: "bitbasis", inputs }, rank);
  const pads = (node.attributes["pads"] as readonly number[] | undefined) ?? [];
  const one = constant?.dims.slice(2).every((d) => d === 1) && pads.every((amount) => amount === 0);
  if (node.op === "Conv" && one && layout.isPoint(node.inputs[0]!)) layout.markPoint(node.outputs[0]!);
  return true;
};

function changedWeights(node: Node, layout: Layout, group: number): Tensor {
  const constant = layout.constant(node.inputs[1])!;
  return node.op === "Conv" ? transposed(constant, toLast(constant.dims.length)) : transposedWeights(constant, group);
}

/** Pools and InstanceNormalization: the first input changes its form. */
const twin: LayoutRule = (node, layout) => {
  const kernel = node.attributes["kernel_shape"];
  const rank = Array.isArray(kernel) ? kernel.length + 2 : layout.rank(node.inputs[0]);
  if (rank === undefined || !SPATIAL_RANKS.includes(rank)) return false;
  // Indices of MaxPool count in the channels-second form.
  if ((node.outputs[1] ?? "") !== "") return false;
  const inputs = [layout.toLast(node.inputs[0]!, rank), ...node.inputs.slice(1).map((name) => layout.first(name))];
  layout.emitLast({ ...node, domain: "bitbasis", inputs }, rank);
  if (node.op.startsWith("Global")) layout.markPoint(node.outputs[0]!);
  return true;
};

/** Rearranges a vector with one entry per axis, constant or not. */
function permuted(value: string, perm: readonly number[], node: Node, layout: Layout): string {
  if (value === "") return "";
  const constant = layout.constant(value);
  if (constant?.size === 0) return value;
  if (constant?.type === "float32") {
    return layout.add(`${value}/last`, permutedVector(constant, perm));
  }
  const order = layout.integerConstant(`${node.name}/order`, perm);
  const moved = layout.newValue(`${value}/last`);
  const gather = { name: `${node.name}/${moved}`, op: "Gather", domain: "", attributes: { axis: 0 } };
  layout.emit({ ...gather, inputs: [layout.first(value), order], outputs: [moved] });
  return moved;
}

function permutedVector(tensor: Tensor, perm: readonly number[]): Tensor {
  const data = tensor.data as Float32Array;
  return new Tensor(
    "float32",
    Float32Array.from(perm, (from) => data[from]!),
    tensor.dims,
  );
}

const resize: LayoutRule = (node, layout) => {
  const rank = layout.rank(node.inputs[0]);
  if (rank === undefined || !SPATIAL_RANKS.includes(rank)) return false;
  const [x, , scales = "", sizes = ""] = node.inputs as [string, string?, string?, string?];
  const attributes = { ...node.attributes };
  const axes = attributes["axes"] as readonly number[] | undefined;
  if (attributes["coordinate_transformation_mode"] === "tf_crop_and_resize") return false;
  if (axes !== undefined) attributes["axes"] = axes.map((axis) => lastAxis(axis, rank));
  const vector = (value: string): string =>
    axes === undefined ? permuted(value, toLast(rank), node, layout) : layout.first(value);
  const inputs = [layout.toLast(x, rank), "", vector(scales), vector(sizes)];
  while (inputs.at(-1) === "") inputs.pop();
  layout.emitLast({ ...node, domain: "bitbasis", inputs, attributes }, rank);
  return true;
};

/** Operators on elements with any number of operands that broadcast: worth it when one operand is channels-last already. */
const elementwise: LayoutRule = (node, layout) => {
  const known = node.inputs.map((name) => (name === "" ? 0 : layout.rank(name)));
  if (known.some((rank) => rank === undefined)) return false;
  const rank = Math.max(...(known as number[]));
  const inLast = node.inputs.filter((name, i) => layout.hasLast(name) && known[i] === rank);
  if (inLast.length === 0 || rank < 3) return false;
  const others = node.inputs.filter((name, i) => !(layout.hasLast(name) && known[i] === rank));
  const convertible = others.every((name) => {
    const own = layout.rank(name);
    return name === "" || layout.constant(name) !== undefined || own === 0 || own === rank;
  });
  if (!convertible) return false;
  // The rank of the result is that of an operand in channels-last form, so constants may shed leading ones.
  const inputs = node.inputs.map((name) => {
    const constant = layout.constant(name);
    if (name === "" || layout.rank(name) === 0) return layout.first(name);
    if (constant === undefined) return layout.toLast(name, rank);
    const moved = broadcastLast(constant, rank);
    return moved === constant ? name : layout.add(`${name}/last`, moved);
  });
  layout.emitLast({ ...node, inputs }, rank);
  if (inLast.length === node.inputs.length && inLast.every((name) => layout.isPoint(name)))
    layout.markPoint(node.outputs[0]!);
  return true;
};

/** As `elementwise`, when only the first input is data and the others are scalars or lists. */
const unary: LayoutRule = (node, layout) => {
  const x = node.inputs[0]!;
  const rank = layout.rank(x);
  if (rank === undefined || rank < 3 || !layout.hasLast(x)) return false;
  const inputs = [layout.toLast(x, rank), ...node.inputs.slice(1).map((name) => layout.first(name))];
  layout.emitLast({ ...node, inputs }, rank);
  if (layout.isPoint(x)) layout.markPoint(node.outputs[0]!);
  return true;
};

/** As `unary` for operators with an `axis` attribute: Softmax, Split, ArgMax with keepdims. */
function withAxis(fallback: number): LayoutRule {
  return (node, layout) => {
    const rank = layout.rank(node.inputs[0]);
    if (rank === undefined || node.attributes["keepdims"] === 0) return false;
    const axis = lastAxis((node.attributes["axis"] as number | undefined) ?? fallback, rank);
    return unary({ ...node, attributes: { ...node.attributes, axis } }, layout);
  };
}

const concat: LayoutRule = (node, layout) => {
  const rank = layout.rank(node.inputs[0]);
  if (rank === undefined || rank < 3 || !node.inputs.some((name) => layout.hasLast(name))) return false;
  const attributes = { ...node.attributes, axis: lastAxis(node.attributes["axis"] as number, rank) };
  layout.emitLast({ ...node, inputs: node.inputs.map((name) => layout.toLast(name, rank)), attributes }, rank);
  return true;
};

/** The axes input of Slice, Pad and Reduce for the channels-last form; undefined when they are not constant. */
function axesOf(value: string | undefined, rank: number, layout: Layout): number[] | undefined {
  if (value === undefined || value === "") return undefined;
  const axes = layout.integers(value);
  return axes?.map((axis) => lastAxis(axis, rank));
}

const slice: LayoutRule = (node, layout) => {
  const [x, starts, ends, axes, steps] = node.inputs as [string, string, string, string?, string?];
  const rank = layout.rank(x);
  if (rank === undefined || !layout.hasLast(x)) return false;
  const count = layout.constant(starts)?.size;
  const given = axes ? axesOf(axes, rank, layout) : count && Array.from({ length: count }, (_, i) => lastAxis(i, rank));
  if (!given) return false;
  const inputs = [x, starts, ends, layout.integerConstant(`${node.name}/axes`, given), ...(steps ? [steps] : [])];
  return unary({ ...node, inputs }, layout);
};

const pad: LayoutRule = (node, layout) => {
  const [x, pads, value = "", axes = ""] = node.inputs as [string, string, string?, string?];
  const rank = layout.rank(x);
  if (rank === undefined || !layout.hasLast(x)) return false;
  const given = axes === "" ? Array.from({ length: rank }, (_, i) => lastAxis(i, rank)) : axesOf(axes, rank, layout);
  if (given === undefined) return false;
  const inputs = [x, pads, value, layout.integerConstant(`${node.name}/axes`, given)];
  return unary({ ...node, inputs }, layout);
};

/** Reductions that keep their axes stay channels-last; those that drop all spatial axes give [N, C] in either form. */
const reduce: LayoutRule = (node, layout) => {
  const x = node.inputs[0]!;
  const rank = layout.rank(x);
  if (rank === undefined || rank < 3 || !layout.hasLast(x)) return false;
  const axes = normalizedAxes(layout.integers(node.inputs[1]) ?? [], rank);
  if (axes === undefined || axes.length === 0) return false;
  const moved = layout.integerConstant(
    `${node.name}/axes`,
    axes.map((axis) => lastAxis(axis, rank)),
  );
  if ((node.attributes["keepdims"] ?? 1) === 1) {
    if (!unary({ ...node, inputs: [x, moved] }, layout)) return false;
    if (axes.join() === toLast(rank).slice(1, -1).join()) layout.markPoint(node.outputs[0]!);
    return true;
  }
  const kept = toLast(rank).filter((axis) => !axes.includes(axis));
  if (kept.some((axis, i) => i > 0 && kept[i - 1]! > axis)) return false;
  layout.emit({ ...node, inputs: [layout.toLast(x, rank), moved] });
  return true;
};

/** Squeeze of spatial axes keeps the channels last; what becomes [N, C] is the same in both forms. */
const squeeze: LayoutRule = (node, layout) => {
  const x = node.inputs[0]!;
  const rank = layout.rank(x);
  if (rank === undefined || rank < 3 || !layout.hasLast(x)) return false;
  const axes = normalizedAxes(layout.integers(node.inputs[1]) ?? [], rank);
  if (axes === undefined || axes.length === 0 || axes.some((axis) => axis < 2)) return false;
  const moved = layout.integerConstant(
    `${node.name}/axes`,
    axes.map((axis) => lastAxis(axis, rank)),
  );
  const inputs = [layout.toLast(x, rank), moved];
  if (rank - axes.length === 2) layout.emit({ ...node, inputs });
  else layout.emitLast({ ...node, inputs }, rank - axes.length);
  return true;
};

/** Unsqueeze of spatial axes of a value that is channels-last. */
const unsqueeze: LayoutRule = (node, layout) => {
  const x = node.inputs[0]!;
  const rank = layout.rank(x);
  const given = layout.integers(node.inputs[1]);
  if (rank === undefined || rank < 3 || given === undefined || !layout.hasLast(x)) return false;
  const wide = rank + given.length;
  const axes = normalizedAxes(given, wide);
  if (axes === undefined || axes.some((axis) => axis < 2)) return false;
  const moved = layout.integerConstant(
    `${node.name}/axes`,
    axes.map((axis) => axis - 1),
  );
  layout.emitLast({ ...node, inputs: [layout.toLast(x, rank), moved] }, wide);
  return true;
};

/** A pixel's channels are in the same order in both forms: flattening reads the channels-last one. */
const reshape: LayoutRule = (node, layout) => {
  const x = node.inputs[0]!;
  const rank = layout.rank(x);
  if (rank === undefined || !layout.hasLast(x)) return false;
  const target = layout.integers(node.inputs[1]);
  if (layout.isPoint(x)) {
    // A zero copies the dimension at its own place: the batch is first in both forms, others are not.
    if (node.op === "Flatten" ? (node.attributes["axis"] ?? 1) !== 1 : target?.slice(1).includes(0) !== false)
      return false;
    layout.emit({
      ...node,
      inputs: [layout.toLast(x, rank), ...node.inputs.slice(1).map((name) => layout.first(name))],
    });
    return true;
  }
  return joinSpatial(node, target, rank, layout);
};

/** [N, C, spatial…] → [N, C, rest]: the channels-last form of the result is a Reshape of that of the input. */
function joinSpatial(node: Node, target: readonly number[] | undefined, rank: number, layout: Layout): boolean {
  if (node.op !== "Reshape" || target?.length !== 3 || target[2] !== -1 || target[1] !== 0 || target[0]! < 0)
    return false;
  if (rank < 4) return false;
  const x = layout.toLast(node.inputs[0]!, rank);
  // [N, H, W, C] → [N, rest, C] needs C, which Shape tells when the model runs.
  const [shape, channels, dims] = ["shape", "channels", "dims"].map((part) =>
    layout.newValue(`${node.name}/${part}`),
  ) as [string, string, string];
  const plain = { domain: "", attributes: {} };
  layout.emit({ ...plain, name: shape, op: "Shape", inputs: [x], outputs: [shape] });
  const at = layout.integerConstant(`${node.name}/at`, [rank - 1]);
  layout.emit({
    ...plain,
    name: channels,
    op: "Gather",
    inputs: [shape, at],
    outputs: [channels],
    attributes: { axis: 0 },
  });
  const head = layout.integerConstant(`${node.name}/head`, [target[0]!, -1]);
  layout.emit({
    ...plain,
    name: dims,
    op: "Concat",
    inputs: [head, channels],
    outputs: [dims],
    attributes: { axis: 0 },
  });
  layout.emitLast({ ...node, inputs: [x, dims] }, 3);
  return true;
}

/** A Transpose of a value that is channels-last: the permutations are composed. */
const transpose: LayoutRule = (node, layout) => {
  const x = node.inputs[0]!;
  const rank = layout.rank(x);
  const perm = node.attributes["perm"] as readonly number[] | undefined;
  if (rank === undefined || perm === undefined || !layout.hasLast(x)) return false;
  const composed = perm.map((axis) => lastAxis(axis, rank));
  const inputs = [layout.toLast(x, rank)];
  if (isIdentity(composed)) layout.emit({ ...node, op: "Identity", inputs, attributes: {} });
  else layout.emit({ ...node, inputs, attributes: { perm: composed } });
  return true;
};

const all = (names: string, rule: LayoutRule): Record<string, LayoutRule> =>
  Object.fromEntries(names.split(" ").map((name) => [name, rule]));

export const LAYOUT_RULES: Readonly<Record<string, LayoutRule>> = {
  ...all("Conv ConvTranspose", conv),
  ...all("MaxPool AveragePool GlobalAveragePool GlobalMaxPool InstanceNormalization", twin),
  Resize: resize,
  ...all(
    "Abs Acos Acosh Asin Asinh Atan Atanh bitbasis/Gelu bitbasis/Silu Cast Ceil Celu Clip Cos Cosh Elu Erf Exp Floor " +
      "HardSigmoid HardSwish Identity IsInf IsNaN LeakyRelu Log Mish Neg Not Reciprocal Relu Round Selu Shrink Sigmoid Sign Sin Sinh " +
      "Softplus Softsign Sqrt Tan Tanh ThresholdedRelu",
    unary,
  ),
  ...all(
    "Add And Div Equal Greater GreaterOrEqual Less LessOrEqual Max Min Mod Mul Or PRelu Pow Sub Where Xor",
    elementwise,
  ),
  ...all("Softmax LogSoftmax Hardmax", withAxis(-1)),
  ...all("Split ArgMax ArgMin", withAxis(0)),
  Concat: concat,
  Slice: slice,
  Pad: pad,
  ...all(
    "ReduceSum ReduceMean ReduceMax ReduceMin ReduceProd ReduceL1 ReduceL2 ReduceLogSum ReduceLogSumExp ReduceSumSquare",
    reduce,
  ),
  Squeeze: squeeze,
  Unsqueeze: unsqueeze,
  ...all("Reshape Flatten", reshape),
  Transpose: transpose,
};
