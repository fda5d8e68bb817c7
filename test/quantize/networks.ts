import type { Graph, Node } from "../../src/graph/graph.ts";
import { Tensor } from "../../src/tensor/index.ts";
import { noise } from "../model/models.ts";

/** A node of one output. */
export function node(
  name: string,
  op: string,
  inputs: string[],
  output: string,
  attributes: Node["attributes"] = {},
): Node {
  return { name, op, domain: "", inputs, outputs: [output], attributes };
}

function weights(dims: number[], seed: number): Tensor<"float32"> {
  const size = dims.reduce((a, b) => a * b, 1);
  return new Tensor("float32", noise(size, seed), dims);
}

/** A small network in ONNX's own operators: a stem, a depthwise convolution, a pointwise one, a product of activations, two dense layers that share weights. */
export function network(): Graph {
  return {
    name: "network",
    opsets: { "": 17 },
    inputs: [{ name: "image", type: "float32", shape: ["N", 3, 8, 8] }],
    outputs: [{ name: "out", type: "float32", shape: undefined }],
    nodes: [
      node("stem", "Conv", ["image", "stem.weight", "stem.bias"], "a", { pads: [1, 1, 1, 1] }),
      node("relu", "Relu", ["a"], "b"),
      node("depthwise", "Conv", ["b", "depthwise.weight"], "c", { pads: [1, 1, 1, 1], group: 16 }),
      node("pointwise", "Conv", ["c", "pointwise.weight"], "d"),
      node("flat", "Reshape", ["d", "shape"], "e"),
      node("turn", "Transpose", ["e"], "f", { perm: [0, 2, 1] }),
      node("scores", "MatMul", ["e", "f"], "g"),
      node("mix", "MatMul", ["g", "e"], "h"),
      node("dense1", "MatMul", ["h", "dense.weight"], "i"),
      node("sigmoid", "Sigmoid", ["i"], "j"),
      node("dense2", "MatMul", ["j", "dense.weight"], "out"),
    ],
    initializers: new Map<string, Tensor>([
      ["stem.weight", weights([16, 3, 3, 3], 1)],
      ["stem.bias", weights([16], 2)],
      ["depthwise.weight", weights([16, 1, 3, 3], 3)],
      ["pointwise.weight", weights([24, 16, 1, 1], 4)],
      ["shape", new Tensor("int64", BigInt64Array.of(0n, 24n, 64n))],
      ["dense.weight", weights([64, 64], 5)],
    ]),
  };
}

/** Every thousandth weight above all others: worth keeping outside the series. */
function rareLarge(tensor: Tensor<"float32">): Tensor<"float32"> {
  return new Tensor(
    "float32",
    tensor.data.map((w, i) => (i % 1000 === 0 ? 2 * Math.sign(w) : w)),
    tensor.dims,
  );
}

/** Four dense layers with two ends, a small one and a large one. */
export function ends(): Graph {
  return {
    name: "ends",
    opsets: { "": 17 },
    inputs: [{ name: "x", type: "float32", shape: ["N", 64] }],
    outputs: [
      { name: "gate", type: "float32", shape: undefined },
      { name: "classes", type: "float32", shape: undefined },
    ],
    nodes: [
      node("first", "MatMul", ["x", "first.weight"], "a"),
      node("relu", "Relu", ["a"], "b"),
      node("middle", "MatMul", ["b", "middle.weight"], "c"),
      node("gate", "MatMul", ["c", "gate.weight"], "gate"),
      node("last", "MatMul", ["c", "last.weight"], "d"),
      node("softmax", "Softmax", ["d"], "classes", { axis: -1 }),
    ],
    initializers: new Map<string, Tensor>([
      ["first.weight", weights([64, 512], 1)],
      ["middle.weight", weights([512, 512], 2)],
      ["gate.weight", weights([512, 4], 3)],
      ["last.weight", rareLarge(weights([512, 64], 4))],
    ]),
  };
}

/** Two towers that are added; what the loud one gives is worth a thousand times what the quiet one gives. */
export function towers(quiet = 0.001): Graph {
  return {
    name: "towers",
    opsets: { "": 17 },
    inputs: [{ name: "x", type: "float32", shape: ["N", 48] }],
    outputs: [{ name: "y", type: "float32", shape: undefined }],
    nodes: [
      node("stem", "MatMul", ["x", "w0"], "a"),
      node("relu", "Relu", ["a"], "b"),
      node("loud", "MatMul", ["b", "w1"], "c"),
      node("quiet", "MatMul", ["b", "w2"], "d"),
      node("small", "Mul", ["d", "factor"], "e"),
      node("tanh", "Tanh", ["e"], "f"),
      node("sum", "Add", ["c", "f"], "y"),
    ],
    initializers: new Map<string, Tensor>([
      ["w0", new Tensor("float32", noise(48 * 64, 1), [48, 64])],
      ["w1", new Tensor("float32", noise(64 * 32, 2), [64, 32])],
      ["w2", new Tensor("float32", noise(64 * 32, 3), [64, 32])],
      ["factor", new Tensor("float32", [quiet], [1])],
    ]),
  };
}

/** The towers, and rows of them that are chosen by their values, as a detector chooses boxes: layers behind that see a number of rows that the graph does not tell. */
export function chooser(behind: readonly string[]): Graph {
  const graph = towers();
  const layers = behind.map((name, i) => node(name, "MatMul", [i === 0 ? "rows" : behind[i - 1]!, "w3"], name));
  return {
    ...graph,
    outputs: [{ name: behind.at(-1) ?? "rows", type: "float32", shape: undefined }],
    nodes: [
      ...graph.nodes,
      node("most", "ReduceMax", ["y"], "m", { axes: [1], keepdims: 0 }),
      node("positive", "Greater", ["m", "zero"], "p"),
      node("which", "NonZero", ["p"], "w"),
      node("turned", "Squeeze", ["w", "first"], "i"),
      node("chosen", "Gather", ["y", "i"], "rows"),
      ...layers,
    ],
    initializers: new Map<string, Tensor>([
      ...graph.initializers,
      ["zero", new Tensor("float32", [0], [1])],
      ["first", new Tensor("int64", BigInt64Array.of(0n))],
      ["w3", weights([32, 32], 4)],
    ]),
  };
}
