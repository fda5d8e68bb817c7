import type { Tensor } from "../../tensor/index.ts";
import type { Node } from "../graph.ts";
import { toFirst, toLast, transposed, transposedWeights } from "../passes/layout.ts";
import type { Call } from "./call.ts";
import { type LayoutRule, SPATIAL_RANKS } from "./layout-rules.ts";
import type { Operator, ShapeRule } from "./operator.ts";
import {
  arrange,
  type Extents,
  extents,
  formOf,
  kernelOf,
  settleWindow,
  WINDOW_ATTRIBUTES,
  windowOf,
} from "./spatial.ts";

function checkBias(call: Call, outputs: number): void {
  if (!call.has(2)) return;
  const shape = call.shape(2);
  if (shape.length !== 1 || shape[0] !== outputs) throw call.fail(`the bias expected shape [${outputs}]`);
}

function groupOf(call: Call): number {
  const group = call.number("group", 1);
  if (group < 1) throw call.fail(`"group" expected integer ≥ 1, got ${group}`);
  return group;
}

/** ONNX weights are [O, I/g, k…], those of ConvTranspose [I, O/g, k…]; both channels-last twins have [O, k…, I/g]. */
export function convolved(call: Call, transposed: boolean): Extents {
  const weights = call.shape(1);
  if (weights.length !== call.shape(0).length) throw call.fail("input and weights expected the same rank");
  const group = groupOf(call);
  const given = call.shape(0);
  if (given.length < 3) throw call.fail("the input expected at least three dimensions");
  // From what holds for all inputs, over their channels, to their extents: the first that is wrong is told as early as it can be known.
  kernelOf(call);
  const channels = formOf(call) === "first" ? given[1]! : given.at(-1)!;
  const [inputs, outputs] =
    formOf(call) === "last"
      ? [weights.at(-1)! * group, weights[0]!]
      : transposed
        ? [weights[0]!, weights[1]! * group]
        : [weights[1]! * group, weights[0]!];
  if (channels !== inputs || inputs % group !== 0 || outputs % group !== 0) {
    throw call.fail(`${channels} channels do not fit the weights in ${group} groups`);
  }
  const { output } = windowOf(call);
  return { batch: given[0]!, channels: outputs, spatial: output };
}

/** The sums that have no terms are the bias, or nothing: kernels of floats have no layer for that. */
export function checkChannels(call: Call, channels: number): void {
  if (channels < 1) throw call.fail("a convolution expected at least one input channel");
}

function shape(transposed: boolean): ShapeRule {
  return (call) => {
    const made = convolved(call, transposed);
    checkChannels(call, extents(call).channels);
    checkBias(call, made.channels);
    return [arrange(call, made)];
  };
}

/** The twin on channels-last operands; what stands behind them stays. */
export const convolutionLayout: LayoutRule = (node, at) => {
  const weights = node.inputs[1]!;
  const constant = at.constant(weights);
  const rank = constant?.dims.length ?? at.rank(weights) ?? at.rank(node.inputs[0]);
  if (rank === undefined || !SPATIAL_RANKS.includes(rank)) return false;
  const group = (node.attributes["group"] as number | undefined) ?? 1;
  const isTransposed = node.op === "ConvTranspose";
  if (isTransposed && (constant === undefined || constant.dims[0]! % group !== 0)) return false;
  const moved =
    constant === undefined
      ? at.toLast(weights, rank)
      : at.change(weights, changedWeights(node, constant, group), isTransposed ? `${group}` : "");
  const inputs = [at.toLast(node.inputs[0]!, rank), moved, ...node.inputs.slice(2).map((name) => at.first(name))];
  at.emitLast({ ...node, domain: "bitbasis", inputs }, rank);
  const pads = (node.attributes["pads"] as readonly number[] | undefined) ?? [];
  const one = constant?.dims.slice(2).every((d) => d === 1) && pads.every((amount) => amount === 0);
  if (!isTransposed && one && at.isPoint(node.inputs[0]!)) at.markPoint(node.outputs[0]!);
  return true;
};

function changedWeights(node: Node, constant: Tensor, group: number): Tensor {
  return node.op === "ConvTranspose"
    ? transposedWeights(constant, group)
    : transposed(constant, toLast(constant.dims.length));
}

/** Where neither input has a rank before its shape is known, to the twin and back; weights that are constants have had one. The shape rule has seen the ranks. */
const expands: Operator["expands"] = (call, make) => {
  if (call.constant(1) !== undefined) return undefined;
  const [x = "", w = "", ...bias] = call.node.inputs;
  const rank = call.shape(0).length;
  const perm = toLast(rank);
  const moved = [x, w].map((value) => make.op("Transpose", [value], { perm }));
  const made = make.op("bitbasis/Conv", [...moved, ...bias], call.node.attributes);
  return make.end("Transpose", [made], { perm: toFirst(rank) });
};

const common = {
  since: 1,
  inputs: "T T T?",
  types: { T: ["float32"] },
  rank: (_, { rank }) => rank(1) ?? rank(0),
  settle: settleWindow,
  elements: "linear",
  sizes: "polynomial",
} as const satisfies Partial<Operator>;

const attributes = { ...WINDOW_ATTRIBUTES, group: "int" } as const;
const fused = { activation: ["Clip", "HardSwish"], min: "float", max: "float" } as const;
const transposedAttributes = { ...attributes, output_padding: "ints", output_shape: "ints" } as const;
/** Weights of the twins have their output channels first. */
const weights = [
  {
    input: 1,
    axis: (_, rank) => (rank !== undefined && SPATIAL_RANKS.includes(rank) ? 0 : undefined),
  },
] as const satisfies Operator["weights"];

/** Convolutions; those of ONNX become their channels-last twins. */
export const convolutions = {
  "/Conv": { ...common, attributes, shape: shape(false), layout: convolutionLayout, expands },
  "bitbasis/Conv": { ...common, attributes: { ...attributes, ...fused }, shape: shape(false), weights, steps: true },
} as const satisfies Readonly<Record<string, Operator>>;

export const transposedConvolutions = {
  "/ConvTranspose": {
    ...common,
    attributes: transposedAttributes,
    shape: shape(true),
    layout: convolutionLayout,
    steps: true,
  },
  "bitbasis/ConvTranspose": {
    ...common,
    attributes: { ...transposedAttributes, ...fused },
    shape: shape(true),
    weights,
    steps: true,
  },
} as const satisfies Readonly<Record<string, Operator>>;
