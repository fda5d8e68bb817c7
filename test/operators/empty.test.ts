// Operators that become others, over axes without elements: a Reshape among what they become took the 0 of an empty axis for "as it was" and was refused where ranks differ.
import { expect, it } from "vitest";
import { Tensor } from "../../src/tensor/index.ts";
import { f32, i64, type NodeCase, runNode } from "../support/run-node.ts";

const one = (value: number): Tensor => new Tensor("int64", [BigInt(value)], []);
const cases: [NodeCase, number[]][] = [
  [{ op: "RandomNormal", inputs: [], attributes: { shape: [2, 0] } }, [2, 0]],
  [{ op: "RandomUniform", inputs: [], attributes: { shape: [2, 0, 3] } }, [2, 0, 3]],
  [{ op: "Bernoulli", opset: 22, inputs: [f32([2, 0])] }, [2, 0]],
  [{ op: "Bernoulli", opset: 22, inputs: [f32([0, 2])] }, [0, 2]],
  [{ op: "Multinomial", inputs: [f32([0, 2])], attributes: { sample_size: 3 } }, [0, 3]],
  [{ op: "Multinomial", inputs: [f32([2, 2])], attributes: { sample_size: 0 } }, [2, 0]],
  [{ op: "Dropout", inputs: [f32([3, 0]), f32([], [0.5]), new Tensor("bool", [1], [])], constants: [1, 2] }, [3, 0]],
  [{ op: "DFT", opset: 20, inputs: [f32([0, 4, 1])] }, [0, 4, 2]],
  [{ op: "DFT", opset: 20, inputs: [f32([2, 0, 4, 1])] }, [2, 0, 4, 2]],
  [{ op: "STFT", opset: 17, inputs: [f32([0, 8, 1]), one(2), "", one(4)], constants: [1, 3] }, [0, 3, 3, 2]],
  [{ op: "Attention", opset: 23, inputs: [f32([1, 2, 0, 4]), f32([1, 2, 3, 4]), f32([1, 2, 3, 4])] }, [1, 2, 0, 4]],
  [{ op: "Attention", opset: 23, inputs: [f32([0, 2, 3, 4]), f32([0, 2, 3, 4]), f32([0, 2, 3, 4])] }, [0, 2, 3, 4]],
  [
    {
      op: "Attention",
      opset: 23,
      inputs: [f32([2, 0, 4]), f32([2, 3, 4]), f32([2, 3, 4])],
      attributes: { q_num_heads: 2, kv_num_heads: 2 },
    },
    [2, 0, 4],
  ],
  [
    {
      op: "RotaryEmbedding",
      opset: 23,
      inputs: [f32([1, 0, 8]), f32([1, 0, 2]), f32([1, 0, 2])],
      attributes: { num_heads: 2 },
    },
    [1, 0, 8],
  ],
  [{ op: "OneHot", inputs: [new Tensor("int64", [], [2, 0]), i64(3), f32([2])], constants: [1] }, [2, 0, 3]],
  [{ op: "EyeLike", inputs: [f32([2, 0])] }, [2, 0]],
  [{ op: "EyeLike", inputs: [f32([0, 0])] }, [0, 0]],
  [{ op: "ReverseSequence", inputs: [f32([0, 2]), i64(0, 0)] }, [0, 2]],
  [{ op: "ReverseSequence", inputs: [f32([2, 0]), i64()] }, [2, 0]],
  [{ op: "Einsum", inputs: [f32([2, 0]), f32([0, 3])], attributes: { equation: "ij,jk->ik" } }, [2, 3]],
  [{ op: "Einsum", inputs: [f32([2, 3]), f32([3, 0])], attributes: { equation: "ij,jk->ik" } }, [2, 0]],
  [{ op: "Einsum", inputs: [f32([2, 0, 0])], attributes: { equation: "bii->bi" } }, [2, 0]],
  [
    { op: "GroupNormalization", inputs: [f32([2, 4, 0]), f32([4]), f32([4])], attributes: { num_groups: 2 } },
    [2, 4, 0],
  ],
  [{ op: "AffineGrid", opset: 20, inputs: [f32([0, 2, 3]), i64(0, 1, 2, 3)], constants: [1] }, [0, 2, 3, 2]],
  [{ op: "AffineGrid", opset: 20, inputs: [f32([2, 2, 3]), i64(2, 1, 0, 3)], constants: [1] }, [2, 0, 3, 2]],
  [{ op: "LpNormalization", inputs: [f32([2, 0])] }, [2, 0]],
  [{ op: "DepthToSpace", inputs: [f32([1, 4, 0, 2])], attributes: { blocksize: 2 } }, [1, 1, 0, 4]],
  [{ op: "SpaceToDepth", inputs: [f32([1, 1, 0, 2])], attributes: { blocksize: 2 } }, [1, 4, 0, 1]],
  [{ op: "MatMul", inputs: [f32([2, 0, 3]), f32([3, 2])] }, [2, 0, 2]],
  [{ op: "SoftmaxCrossEntropyLoss", inputs: [f32([0, 3]), i64()], attributes: { reduction: "none" } }, [0]],
  [
    {
      op: "ConvInteger",
      opset: 10,
      inputs: [new Tensor("uint8", [], [0, 1, 3, 3]), new Tensor("uint8", [1, 1, 1, 1], [1, 1, 2, 2])],
    },
    [0, 1, 2, 2],
  ],
  [{ op: "Upsample", opset: 9, inputs: [f32([1, 0, 2, 2]), f32([4], [1, 1, 2, 2])] }, [1, 0, 4, 4]],
  [{ op: "CenterCropPad", inputs: [f32([0, 2]), i64(2, 0)], constants: [1] }, [2, 0]],
];
it.each(cases.map(([c, dims]) => [c.op, dims, c] as const))("%s gives %j", async (_, dims, c) => {
  expect((await runNode(c))[0]!.dims).toEqual(dims);
});
