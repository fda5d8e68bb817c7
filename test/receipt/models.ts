import { writeOnnx } from "../../src/onnx/index.ts";
import type { Plan } from "../../src/series/index.ts";
import { Tensor } from "../../src/tensor/index.ts";
import { build } from "../graph/build.ts";
import { noise } from "../model/models.ts";

function values(dims: readonly number[], seed: number): Tensor {
  return new Tensor(
    "float32",
    noise(
      dims.reduce((a, b) => a * b, 1),
      seed,
    ),
    dims,
  );
}

/** An ONNX file of what has arithmetic of its own: convolution, normalization, softmax, exp, erf, tanh, a table that is looked up, dense layers. */
export function onnxModel(seed = 1): Uint8Array {
  return writeOnnx(
    build(
      { image: ["N", 3, 6, 6], "7": { type: "int64", shape: ["N"] } },
      {
        kernel: values([8, 3, 3, 3], seed),
        scale: values([8], 2),
        bias: values([8], 3),
        dense: values([8, 16], 4),
        table: values([10, 16], 5),
        last: values([16, 4], 6),
      },
      [
        ["Conv", ["image", "kernel"], ["a"], { pads: [1, 1, 1, 1] }],
        ["Tanh", ["a"], ["b"]],
        ["GlobalAveragePool", ["b"], ["c"]],
        ["Flatten", ["c"], ["d"]],
        ["LayerNormalization", ["d", "scale", "bias"], ["e"]],
        ["MatMul", ["e", "dense"], ["f"]],
        ["Erf", ["f"], ["g"]],
        ["Gather", ["table", "7"], ["h"]],
        ["Add", ["g", "h"], ["i"]],
        ["MatMul", ["i", "last"], ["j"]],
        ["Softmax", ["j"], ["probabilities"]],
        ["Exp", ["j"], ["2"]],
      ],
      ["probabilities", "2"],
    ),
  );
}

export const FEEDS = { image: values([2, 3, 6, 6], 11), "7": new Tensor("int64", BigInt64Array.of(3n, 9n), [2]) };

/** Numbers that no integer writes, and a layer of its own. */
export const PLAN: Plan = {
  version: 1,
  default: { bits: 4, weightTerms: 3, activationTerms: 2, outliers: 0.05 },
  layers: { Conv_0: { bits: 8, weightTerms: 2, activationTerms: 1 } },
};
