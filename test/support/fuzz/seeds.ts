// Graphs of one node for operators that the oracle does not know: those of ai.onnx.ml, of strings and of onnxruntime's domain as the fixtures have them, products of integers, layers with
// states, places that are computed, control flow. They are changed and run; only memory and errors are judged.
import { readFileSync } from "node:fs";
import type { Attribute, AttributeType, Graph, ValueInfo } from "../../../src/graph/index.ts";
import { type ElementType, Tensor } from "../../../src/tensor/index.ts";

export interface Seed {
  readonly graph: Graph;
  readonly feeds: Readonly<Record<string, Tensor>>;
}

interface Plain {
  readonly name?: string;
  readonly type: ElementType;
  readonly dims?: readonly number[];
  readonly data?: readonly (number | string)[];
  readonly constant?: true;
}

interface Fixture {
  readonly op: string;
  readonly domain?: string;
  readonly opset?: number;
  readonly attributes: Readonly<Record<string, Attribute>>;
  readonly kinds?: Readonly<Record<string, AttributeType>>;
  readonly inputs: readonly (Plain | null)[];
  readonly outputs: readonly (Plain | null)[];
}

const SPELLED: Readonly<Record<string, number>> = { NaN: Number.NaN, Infinity: 1 / 0, "-Infinity": -1 / 0 };

function fixtures(name: string): Fixture[] {
  return JSON.parse(
    readFileSync(new URL(`../../fixtures/${name}.json`, import.meta.url), "utf8"),
    (_, value: unknown) => (typeof value === "string" && value in SPELLED ? SPELLED[value] : value),
  );
}

/** What is no constant has extents that are named, so that a change of one changes no other. */
function seedOf({ op, domain = "com.microsoft", opset = 1, attributes, kinds, inputs, outputs }: Fixture): Seed {
  const tensors = inputs.map((input) => {
    if (input === null) return undefined;
    const { type, dims = [], data = [] } = input;
    return new Tensor(type, (type === "int64" ? data.map(BigInt) : [...data]) as never, dims);
  });
  const named = tensors.flatMap((tensor, i) => (tensor === undefined ? [] : [[`x${i}`, tensor, inputs[i]!] as const]));
  const fed = named.filter(([, , { constant }]) => constant !== true);
  const made = outputs.map((output, i) => (output === null ? "" : (output.name ?? `y${i}`)));
  return {
    graph: {
      name: op,
      opsets: { "": 23, ...(domain !== "" && { [domain]: opset }) },
      inputs: fed.map(
        ([name, { type, dims }]): ValueInfo => ({ name, type, shape: dims.map((_, axis) => `${name}_${axis}`) }),
      ),
      outputs: made.flatMap((name, i) => (name === "" ? [] : [{ name, type: outputs[i]!.type, shape: undefined }])),
      initializers: new Map(
        named.filter(([, , { constant }]) => constant === true).map(([name, tensor]) => [name, tensor]),
      ),
      nodes: [
        {
          ...{ name: op, op, domain, attributes, outputs: made },
          inputs: tensors.map((tensor, i) => (tensor === undefined ? "" : `x${i}`)),
          ...(kinds !== undefined && { kinds }),
        },
      ],
    },
    feeds: Object.fromEntries(fed.map(([name, tensor]) => [name, tensor])),
  };
}

/** Small numbers in turn: floats around 0, integers from 0. */
function numbers(type: ElementType, ...dims: number[]): Plain {
  const length = dims.reduce((a, b) => a * b, 1);
  const data = Array.from({ length }, (_, i) => (type.startsWith("float") ? ((i * 37) % 17) / 8 - 1 : (i * 5) % 7));
  return { type, dims, data };
}
const f = (...dims: number[]): Plain => numbers("float32", ...dims);
const u8 = (...dims: number[]): Plain => numbers("uint8", ...dims);
const i8 = (...dims: number[]): Plain => numbers("int8", ...dims);
const constant = (type: ElementType, data: number[], dims = [data.length]): Plain => ({
  type,
  data,
  dims,
  constant: true,
});
const scale = constant("float32", [0.5], []);
const zero = constant("uint8", [3], []);

type Row = readonly [
  op: string,
  inputs: readonly (Plain | null)[],
  attributes?: Fixture["attributes"],
  outputs?: number,
];

const ROWS: readonly Row[] = [
  ["QuantizeLinear", [f(2, 5), scale, zero]],
  ["DequantizeLinear", [u8(2, 5), scale, zero]],
  ["DequantizeLinear", [i8(4, 6), f(2, 6), i8(2, 6)], { axis: 0, block_size: 2 }],
  ["DynamicQuantizeLinear", [f(3, 4)], {}, 3],
  ["ConvInteger", [u8(1, 2, 4, 4), u8(3, 2, 2, 2), zero]],
  ["MatMulInteger", [u8(2, 3, 4), i8(4, 5), constant("uint8", [1], [])]],
  [
    "QLinearConv",
    [u8(1, 2, 4, 4), scale, zero, i8(3, 2, 3, 3), scale, constant("int8", [0], []), scale, zero, numbers("int32", 3)],
  ],
  ["QLinearMatMul", [u8(2, 4), scale, zero, u8(4, 3), scale, zero, scale, zero]],
  ["LSTM", [f(3, 2, 2), f(1, 12, 2), f(1, 12, 3), f(1, 24)], { hidden_size: 3 }, 3],
  ["GRU", [f(3, 2, 2), f(2, 9, 2), f(2, 9, 3)], { hidden_size: 3, direction: "bidirectional" }, 2],
  ["RNN", [f(3, 2, 2), f(1, 3, 2), f(1, 3, 3)], { hidden_size: 3, activations: ["Relu"] }, 2],
  ["Attention", [f(1, 2, 3, 4), f(1, 2, 5, 4), f(1, 2, 5, 4)], { is_causal: 1 }],
  ["RotaryEmbedding", [f(1, 2, 3, 4), f(3, 2), f(3, 2), constant("int64", [0, 1, 2], [1, 3])]],
  ["RMSNormalization", [f(2, 3, 4), f(4)], { axis: -1 }],
  ["TensorScatter", [f(2, 1, 4, 3), f(2, 1, 2, 3), constant("int64", [0, 1])], { mode: "linear" }],
  ["CausalConvWithState", [f(1, 3, 4), f(3, 1, 3)], {}, 2],
  [
    "LinearAttention",
    [f(1, 4, 4), f(1, 4, 4), f(1, 4, 4)],
    { q_num_heads: 2, kv_num_heads: 2, update_rule: "linear" },
    2,
  ],
  ["GridSample", [f(1, 2, 3, 4), f(1, 2, 2, 2)], { mode: "cubic" }],
  ["RoiAlign", [f(1, 2, 4, 4), f(2, 4), constant("int64", [0, 0])], { output_height: 2, output_width: 2 }],
  ["DeformConv", [f(1, 2, 3, 3), f(2, 2, 2, 2), f(1, 8, 2, 2)]],
  ["Col2Im", [f(1, 8, 4), constant("int64", [3, 3]), constant("int64", [2, 2])]],
  ["MaxUnpool", [f(1, 1, 2, 2), numbers("int64", 1, 1, 2, 2)], { kernel_shape: [2, 2] }],
  ["NonMaxSuppression", [f(1, 3, 4), f(1, 2, 3), constant("int64", [2])]],
  ["Unique", [f(2, 3)], { axis: 1 }, 4],
  ["NonZero", [f(2, 3)]],
  ["Compress", [f(2, 3), numbers("bool", 3)], { axis: 1 }],
  ["OneHot", [numbers("int64", 2, 2), constant("int64", [4], []), constant("float32", [0, 1])]],
  ["ReverseSequence", [f(4, 2, 3), constant("int64", [2, 4])]],
  ["Einsum", [f(2, 3), f(3, 4)], { equation: "ij,jk->ki" }],
  ["DFT", [f(1, 5, 1)]],
  ["STFT", [f(1, 8, 1), constant("int64", [2], []), null, constant("int64", [4], [])]],
  ["Det", [f(2, 3, 3)]],
  ["LRN", [f(1, 4, 3, 3)], { size: 3 }],
  ["LpPool", [f(1, 2, 4, 4)], { kernel_shape: [2, 2], p: 3 }],
  ["GroupNormalization", [f(1, 4, 3), f(4), f(4)], { num_groups: 2 }],
  ["NegativeLogLikelihoodLoss", [f(2, 3), constant("int64", [0, 2])]],
  ["SoftmaxCrossEntropyLoss", [f(2, 3), constant("int64", [0, 2])], {}, 2],
  ["AffineGrid", [f(1, 2, 3), constant("int64", [1, 1, 2, 3])]],
  ["EyeLike", [f(3, 4)], { k: 1 }],
  ["BitShift", [u8(5), u8(5)], { direction: "LEFT" }],
  ["SplitToSequence", [f(4, 2)], { axis: 0 }],
];

function rowOf([op, inputs, attributes = {}, outputs = 1]: Row): Seed {
  const made = Array.from({ length: outputs }, (): Plain => ({ type: "float32" }));
  return seedOf({ op, domain: "", inputs, attributes, outputs: made });
}

export const SEEDS: readonly Seed[] = [
  ...ROWS.map(rowOf),
  ...fixtures("contrib").map(seedOf),
  // Many are the same operator with another attribute.
  ...fixtures("ml")
    .filter((_, i) => i % 4 === 0)
    .map(seedOf),
];
