import { Tensor } from "../../../tensor/index.ts";
import type { Node } from "../../graph.ts";
import { toFirst } from "../../passes/layout.ts";
import { range, shape } from "../attend.ts";
import type { Call } from "../call.ts";
import type { Maker } from "../maker.ts";
import { HALVES, INDEX, type Operator } from "../operator.ts";
import { type Rewrite, sameAs, without } from "../rewrite.ts";
import { WINDOW_ATTRIBUTES } from "../spatial.ts";
import { type Body, lastOr } from "./channels-last.ts";

/** x + bias, where there is a bias. */
function biased(make: Maker, x: string, bias: string | undefined): string {
  return bias === undefined || bias === "" ? x : make.op("Add", [x, bias]);
}

const gelu =
  (approximate: "none" | "tanh"): Rewrite =>
  (node, make) =>
    make.end("bitbasis/Gelu", [biased(make, node.inputs[0] ?? "", node.inputs[1])], { approximate });

/** Normalization of the sum of two values; the sum is the fourth output. */
const skipNormalization =
  (op: "LayerNormalization" | "RMSNormalization"): Rewrite =>
  (node, make) => {
    const simple = op === "RMSNormalization";
    const [input = "", skip = "", gamma = "", beta = ""] = node.inputs;
    if (make.wants(1) || make.wants(2)) throw make.fail("mean and inverse deviation as outputs are not supported");
    const bias = simple ? beta : node.inputs[4];
    const sum = biased(make, make.op("Add", [input, skip]), bias);
    make.output(3, "Identity", [sum]);
    const { epsilon = 1e-12 } = node.attributes;
    const scale = simple || beta === "" ? [gamma] : [gamma, beta];
    return make.end(op, [sum, ...scale], { axis: -1, epsilon });
  };

/** The activation of a fused operator as an operator of its own. */
function activated(node: Node, make: Maker, value: string): readonly Node[] {
  const { activation, activation_params, activation_alpha, activation_beta, activation_gamma } = node.attributes;
  if (activation === undefined) return make.end("Identity", [value]);
  const given = Array.isArray(activation_params)
    ? (activation_params as readonly number[])
    : [activation_alpha, activation_beta, activation_gamma].filter((one): one is number => typeof one === "number");
  const names: Readonly<Record<string, readonly string[]>> = {
    Clip: ["min", "max"],
    HardSigmoid: ["alpha", "beta"],
    LeakyRelu: ["alpha"],
    Elu: ["alpha"],
    Relu: [],
    Sigmoid: [],
    Tanh: [],
    Softplus: [],
    HardSwish: [],
  };
  const own = names[activation as string];
  if (own === undefined) throw make.fail(`activation "${String(activation)}" is not supported`);
  if (activation === "Clip") {
    const bounds = own.map((name, i) => (given[i] === undefined ? "" : make.tensor(name, "float32", given[i])));
    return make.end("Clip", [value, ...bounds]);
  }
  const attributes = own.flatMap((name, i) => (given[i] === undefined ? [] : [[name, given[i]] as const]));
  return make.end(activation as string, [value], Object.fromEntries(attributes));
}

const ACTIVATION = "activation:text activation_alpha:float activation_beta:float activation_gamma:float";
const FUSED_ATTRIBUTES = ["activation", "activation_params", "activation_alpha", "activation_beta", "activation_gamma"];

const fusedConv: Rewrite = (node, make) => {
  const attributes = without(node, ...FUSED_ATTRIBUTES);
  const inputs = node.inputs.slice(0, 3);
  while (inputs.at(-1) === "") inputs.pop();
  return activated(node, make, biased(make, make.op("Conv", inputs, attributes), node.inputs[3]));
};

const fusedGemm: Rewrite = (node, make) =>
  activated(node, make, make.op("Gemm", node.inputs, without(node, ...FUSED_ATTRIBUTES)));

/** FusedConv whose summand, if there is one, is channels-last as input and result are. */
const nhwcFusedConv: Body = (make, [x = "", w = "", bias = "", sum = ""], { attributes }) => {
  const { kernel_shape: kernel } = attributes;
  const rank = make.rank(w) ?? (Array.isArray(kernel) ? kernel.length + 2 : undefined);
  if (sum !== "" && rank === undefined) throw make.fail("the rank of the summand cannot be told");
  const moved = sum === "" ? "" : make.op("Transpose", [sum], { perm: toFirst(rank!) });
  return make.op("com.microsoft/FusedConv", [x, w, bias, moved], attributes);
};

/** The last two axes swapped; with `batch`, the first of the batch axes is brought before them as well. */
function transposedOperand(make: Maker, value: string, rank: number, trans: boolean, batch: boolean): string {
  if (rank < 2 || (!trans && !batch)) return value;
  let perm = range(rank);
  // Batch axes were moved behind the rows: [rows, batch…, columns].
  if (batch) perm = [...perm.slice(1, -1), 0, rank - 1];
  if (trans) perm = [...perm.slice(0, -2), perm[rank - 1]!, perm[rank - 2]!];
  return make.op("Transpose", [value], { perm });
}

/** alpha·op(A)·op(B); undefined while the rank of an operand that is transposed is not known. */
function fusedMatMul(node: Node, make: Maker): readonly Node[] | undefined {
  const flag = (name: string): boolean => (node.attributes[name] ?? 0) !== 0;
  const operands: string[] = [];
  for (const [i, side] of ["A", "B"].entries()) {
    const name = node.inputs[i] ?? "";
    const [trans, batch] = [flag(`trans${side}`), flag(`transBatch${side}`)];
    const rank = make.rank(name);
    if ((trans || batch) && rank === undefined) return undefined;
    operands.push(transposedOperand(make, name, rank ?? 0, trans, batch));
  }
  const { alpha = 1 } = node.attributes;
  if (alpha === 1) return activated(node, make, make.op("MatMul", operands));
  const factor = make.tensor("alpha", "float32", alpha as number);
  return activated(node, make, make.op("Mul", [make.op("MatMul", operands), factor]));
}

/** Value `i` of an EmbedLayerNormalization, as it is or dequantized; rows of it where there are indices. */
type Embedded = (i: number, indices?: string) => string;

/** Sums of word, place and segment vectors, normalized. */
function embed(call: Call, make: Maker, at: Embedded): readonly Node[] {
  const [ids = "", segments = ""] = call.node.inputs;
  const [batch, length] = call.shape(0) as [number, number];
  if (call.shape(0).length !== 2) throw call.fail("input_ids expected two dimensions");
  const given = call.node.op === "EmbedLayerNormalization" && call.has(8) ? call.node.inputs[8]! : undefined;
  const position = given ?? make.tensor("places", "int64", range(length), [1, length]);
  let sum = make.op("Add", [at(2, ids), at(3, position)]);
  if (call.has(1) && call.has(4)) sum = make.op("Add", [sum, at(4, segments)]);
  make.output(2, "Identity", [sum]);
  if (make.wants(1)) {
    if (call.has(7)) {
      const mask = make.op("Cast", [call.node.inputs[7]!], { to: 6 });
      make.output(1, "ReduceSum", [mask, make.integers("axes", [1])], { keepdims: 0 });
    } else make.output(1, "ConstantOfShape", [shape(make, [batch])], { value: new Tensor("int32", [0], [1]) });
  }
  const epsilon = call.number("epsilon", 1e-12);
  return make.end("LayerNormalization", [sum, at(5), at(6)], { axis: -1, epsilon });
}

const embedFloats = (call: Call, make: Maker): readonly Node[] =>
  embed(call, make, (i, indices) => {
    const value = call.node.inputs[i]!;
    return indices === undefined ? value : make.op("Gather", [value, indices], { axis: 0 });
  });

/** Scales and zero points of the five tables and vectors stand behind them. */
const embedBytes = (call: Call, make: Maker): readonly Node[] =>
  embed(call, make, (i, indices) => {
    const [value, scale, zero] = [i, i + 6, i + 11].map((at) => call.node.inputs[at] ?? "") as [string, string, string];
    const bytes = indices === undefined ? value : make.op("Gather", [value, indices], { axis: 0 });
    return make.op("DequantizeLinear", [bytes, scale, zero]);
  });

/** What onnxruntime's optimizer and exporters write. */
export const contrib = {
  "com.microsoft/Gelu": { since: 1, becomes: gelu("none") },
  "com.microsoft/BiasGelu": { since: 1, becomes: gelu("none") },
  "com.microsoft/FastGelu": { since: 1, becomes: gelu("tanh") },
  "com.microsoft/QuickGelu": {
    since: 1,
    others: "alpha:float",
    becomes: sameAs("Swish", ({ attributes: { alpha = 1.702 } }) => ({ alpha })),
  },
  "com.microsoft/BiasAdd": {
    since: 1,
    becomes: (node, make) => {
      const [x = "", bias = "", skip = ""] = node.inputs;
      return make.end("Add", [make.op("Add", [x, bias]), skip]);
    },
  },
  "com.microsoft/SkipLayerNormalization": {
    since: 1,
    others: "epsilon:float",
    becomes: skipNormalization("LayerNormalization"),
  },
  "com.microsoft/SkipSimplifiedLayerNormalization": {
    since: 1,
    others: "epsilon:float",
    becomes: skipNormalization("RMSNormalization"),
  },
  "com.microsoft/SimplifiedLayerNormalization": {
    since: 1,
    others: "axis:int epsilon:float stash_type:int",
    becomes: sameAs("SimplifiedLayerNormalization"),
  },
  "com.microsoft/EmbedLayerNormalization": {
    since: 1,
    inputs: "I I? T T T? T T I? I?",
    types: { T: ["float32"], I: INDEX },
    attributes: { epsilon: "float", mask_index_type: "int" },
    expands: embedFloats,
  },
  "com.microsoft/QEmbedLayerNormalization": {
    since: 1,
    inputs: `I I? Q Q Q? Q Q I? S S S? S S Q Q Q? Q Q`,
    types: { Q: ["int8", "uint8"], I: ["int32"], S: ["float32"] },
    attributes: { epsilon: "float" },
    expands: embedBytes,
  },
  "com.microsoft/FusedConv": {
    since: 1,
    others:
      "activation:text activation_params:floats auto_pad:text dilations:ints group:int kernel_shape:ints pads:ints strides:ints",
    becomes: fusedConv,
  },
  "com.microsoft/NhwcFusedConv": {
    since: 1,
    inputs: "T T T? T?",
    types: { T: HALVES },
    attributes: { ...WINDOW_ATTRIBUTES, activation: "text", activation_params: "floats", group: "int" },
    ...lastOr(nhwcFusedConv, true),
  },
  "com.microsoft/FusedGemm": {
    since: 1,
    others: `${ACTIVATION} alpha:float beta:float transA:int transB:int`,
    becomes: fusedGemm,
  },
  "com.microsoft/FusedMatMul": {
    since: 1,
    inputs: "T T",
    types: { T: HALVES },
    attributes: {
      alpha: "float",
      transA: "int",
      transB: "int",
      transBatchA: "int",
      transBatchB: "int",
    },
    becomes: fusedMatMul,
    expands: (call: Call, make: Maker) => fusedMatMul(call.node, make),
  },
  "com.microsoft/TransposeMatMul": {
    since: 1,
    others: "alpha:float transA:int transB:int",
    becomes: sameAs("com.microsoft/FusedMatMul"),
  },
  "com.microsoft/FusedMatMulActivation": {
    since: 1,
    others: `${ACTIVATION} activation_axis:int alpha:float transA:int transB:int transBatchA:int transBatchB:int`,
    becomes: sameAs("com.microsoft/FusedMatMul"),
  },
} as const satisfies Readonly<Record<string, Operator>>;
