// What the nodes of an ONNX graph are to fixed-point arithmetic: layers with weights, activations, and what only moves numbers.
import "../program/operators/all.ts";
import { BitbasisError } from "../core/index.ts";
import type { Activation } from "../fixed-point/index.ts";
import type { Attribute, Graph, Node } from "../graph/graph.ts";
import { foldConstants, normalize } from "../graph/index.ts";
import { applyRules } from "../graph/passes/editor.ts";
import { dropIdentity, joinReshapes, joinTransposes } from "../graph/passes/eliminate.ts";
import { fuseGelu, fuseHardSigmoid, fuseHardSwish, fuseSilu } from "../graph/passes/fuse-activation.ts";
import { foldAffine, foldPad, spellBatchNormalization } from "../graph/passes/fuse-linear.ts";
import type { Tensor } from "../tensor/index.ts";

/** The numbers of a layer: integers k, |k| ≤ 2^p − 1; its weights are k/weightScale and its values k/scale, both powers of two. */
export interface LayerFormat {
  /** Bits of a number without its sign, 1..16. */
  readonly p: number;
  /** Steps per unit of the weights, a power of two. */
  readonly weightScale: number;
  /** Steps per unit of the values that the layer gives, a power of two. */
  readonly scale: number;
}

/** A linear layer, its weights as one row per neuron or output channel. */
export interface Linear {
  readonly op: "Conv" | "MatMul" | "Mul";
  readonly weights: Float32Array;
  /** Weights of a row. */
  readonly inputs: number;
  readonly biases: Float32Array | undefined;
  /** Of the weights in the operator, for Conv and Mul. */
  readonly shape: readonly number[];
}

/** An activation function: bounds that cut values off, or a function that a table is made of. */
export interface ActivationNode {
  readonly name: string;
  /** Least and largest value in real numbers; absent for functions with a table. */
  readonly bounds?: readonly [low: number, high: number];
  readonly of: Activation;
}

/** Operators that move numbers or pick some; their other inputs stay as they are. */
export const MOVES = new Set(
  "Flatten Reshape Squeeze Unsqueeze Transpose Identity Dropout Slice Gather Expand Tile Split Pad MaxPool GlobalMaxPool DepthToSpace SpaceToDepth".split(
    " ",
  ),
);
/** Operators that bring values to one scale. */
export const JOINS = new Set(["Add", "Sub", "Sum", "Concat"]);
/** Operators that divide sums by the number of their elements. */
export const MEANS = new Set(["AveragePool", "GlobalAveragePool", "ReduceMean"]);
/** Operators that read real numbers at the end of a network and leave the order of labels alone. */
export const TAILS = new Set(["Softmax", "LogSoftmax", "ArgMax"]);

/** Functions without parameters, or with those that the name stands for, by operator. */
const FUNCTIONS: Readonly<Record<string, string>> = {
  Sigmoid: "sigmoid",
  Tanh: "tanh",
  Softplus: "softplus",
  HardSwish: "hardswish",
  Mish: "mish",
  Silu: "silu",
};

/** The graph with constants folded and affine operators in the weights of the layers before them. */
export function prepareLayers(graph: Graph): Graph {
  const clean = applyRules(foldConstants(normalize(graph)), [dropIdentity, joinTransposes, joinReshapes]);
  const named = applyRules(clean, [fuseHardSwish, fuseGelu, fuseSilu]);
  return applyRules(applyRules(named, [fuseHardSigmoid, foldPad, foldAffine]), [spellBatchNormalization]);
}

/** @returns undefined for other operators */
export function linearOf(node: Node, constant: (name: string | undefined) => Tensor | undefined): Linear | undefined {
  const { op, inputs, attributes } = node;
  if (!["Conv", "MatMul", "Gemm", "Mul", "Div"].includes(op)) return undefined;
  const weights = constant(inputs[1]) ?? (op === "Mul" ? constant(inputs[0]) : undefined);
  if (weights?.type !== "float32") throw refused(node, "of two computed values");
  const data = weights.data as Float32Array;
  if (op === "Mul" || op === "Div") {
    const factors = op === "Mul" ? data : data.map((w) => 1 / w);
    return { op: "Mul", weights: factors, inputs: 1, biases: undefined, shape: weights.dims };
  }
  const bias = inputs[2] ? constant(inputs[2]) : undefined;
  if (inputs[2] && bias?.type !== "float32") throw refused(node, "with a computed bias");
  if (op === "Conv") {
    const outputs = weights.dims[0]!;
    const biases = bias?.data as Float32Array | undefined;
    return { op, weights: data, inputs: data.length / outputs, biases, shape: weights.dims };
  }
  if (weights.dims.length !== 2 || number(attributes["transA"], 0) !== 0 || "activation" in attributes)
    throw refused(node, "with a transposed left or a batched right operand");
  const transposed = number(attributes["transB"], 0) !== 0;
  const [outputs, columns] = transposed ? [weights.dims[0]!, weights.dims[1]!] : [weights.dims[1]!, weights.dims[0]!];
  const alpha = number(attributes["alpha"], 1);
  const beta = number(attributes["beta"], 1);
  const given = bias?.data as Float32Array | undefined;
  if (given !== undefined && given.length !== 1 && (given.length !== outputs || bias!.dims.at(-1) !== outputs))
    throw refused(node, "with a bias for every row");
  return {
    op: "MatMul",
    weights: Float32Array.from(data, (_, i) => {
      const [row, column] = [Math.floor(i / columns), i % columns];
      return alpha * data[transposed ? i : column * outputs + row]!;
    }),
    inputs: columns,
    biases: given && Float32Array.from({ length: outputs }, (_, o) => beta * given[given.length === 1 ? 0 : o]!),
    shape: weights.dims,
  };
}

/** @returns undefined for other operators */
export function activationNode(
  node: Node,
  constant: (name: string | undefined) => Tensor | undefined,
): ActivationNode | undefined {
  const { op, inputs, attributes } = node;
  const name = FUNCTIONS[op];
  if (name !== undefined) return { name, of: name };
  switch (op) {
    case "Relu":
      return { name: "relu", bounds: [0, Number.POSITIVE_INFINITY], of: "relu" };
    case "Clip": {
      const at = (i: number, otherwise: number): number => {
        if (!inputs[i]) return otherwise;
        const value = constant(inputs[i])?.data[0];
        if (typeof value !== "number") throw refused(node, "with computed bounds");
        return value;
      };
      const [low, high] = [at(1, Number.NEGATIVE_INFINITY), at(2, Number.POSITIVE_INFINITY)];
      if (!(low <= high)) throw refused(node, `between ${low} and ${high}`);
      return { name: `clip to ${low}…${high}`, bounds: [low, high], of: (x) => Math.min(Math.max(x, low), high) };
    }
    case "LeakyRelu": {
      const alpha = number(attributes["alpha"], 0.01);
      return { name: `leakyrelu ${alpha}`, of: (x) => (x < 0 ? alpha * x : x) };
    }
    case "Softsign":
      return { name: "softsign", of: (x) => x / (1 + Math.abs(x)) };
    case "HardSigmoid": {
      const [alpha, beta] = [number(attributes["alpha"], 0.2), number(attributes["beta"], 0.5)];
      return { name: `hardsigmoid ${alpha}`, of: (x) => Math.min(Math.max(alpha * x + beta, 0), 1) };
    }
    case "Elu":
      return number(attributes["alpha"], 1) === 1 ? { name: "elu", of: "elu" } : undefined;
    case "Gelu": {
      const form = attributes["approximate"] === "tanh" ? "gelu_tanh" : "gelu";
      return { name: form, of: form };
    }
  }
  return undefined;
}

export function number(value: Attribute | undefined, otherwise: number): number {
  return typeof value === "number" ? value : otherwise;
}

export function numbersOf(value: Attribute | undefined): readonly number[] | undefined {
  return Array.isArray(value) ? (value as readonly number[]) : undefined;
}

export function refused({ op, name }: Node, why: string): BitbasisError {
  return new BitbasisError("UNSUPPORTED", `no fixed-point layer computes ${op} at "${name}" ${why}`);
}
