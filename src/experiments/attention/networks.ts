import type { Graph } from "../../graph/graph.ts";
import { GraphBuilder } from "../../networks/graph-builder.ts";
import { normalNumbers, Tensor, uniformNumbers } from "../../tensor/index.ts";

export const TOKENS = 64;
export const LENGTH = 48;
const WIDTH = 64;
const HEADS = 4;
const LAYERS = 2;

/**
 * A transformer encoder with seeded weights: embedding of 64 tokens and 48 positions, two layers of four heads of width 16, residuals and layer
 * normalization; input `tokens` int64 [batch, 48]. Queries and keys are scaled so that attention is peaked but not on one key.
 */
export function seededTransformer(seed: number): Graph {
  const next = normalNumbers(uniformNumbers(seed));
  const build = new GraphBuilder();
  const matrix = (rows: number, columns: number, size: number) =>
    build.floats([rows, columns], () => (size * next()) / Math.sqrt(rows));
  const ones = build.floats([WIDTH], () => 1);
  const inner = WIDTH / HEADS;
  const split = build.integers([0n, BigInt(LENGTH), BigInt(HEADS), BigInt(inner)]);
  const joined = build.integers([0n, BigInt(LENGTH), BigInt(WIDTH)]);
  const scale = build.floats([], () => 1 / Math.sqrt(inner));
  const embedding = build.floats([TOKENS, WIDTH], next);
  const positions = build.floats([LENGTH, WIDTH], () => 0.5 * next());
  let x = build.node("Add", [build.node("Gather", [embedding, "tokens"], { axis: 0 }), positions]);
  for (let layer = 0; layer < LAYERS; layer++) {
    const y = build.node("LayerNormalization", [x, ones], { axis: -1, epsilon: 1e-5 });
    const heads = (size: number, perm: number[]) => {
      const projected = build.node("MatMul", [y, matrix(WIDTH, WIDTH, size)]);
      return build.node("Transpose", [build.node("Reshape", [projected, split])], { perm });
    };
    const queries = heads(1.5, [0, 2, 1, 3]);
    const keys = heads(1.5, [0, 2, 3, 1]);
    const values = heads(1, [0, 2, 1, 3]);
    const scores = build.node("Mul", [build.node("MatMul", [queries, keys]), scale]);
    const mixed = build.node("MatMul", [build.node("Softmax", [scores], { axis: -1 }), values]);
    const together = build.node("Reshape", [build.node("Transpose", [mixed], { perm: [0, 2, 1, 3] }), joined]);
    x = build.node("Add", [x, build.node("MatMul", [together, matrix(WIDTH, WIDTH, 1)])]);
  }
  build.node("Identity", [x], {}, "output");
  return {
    name: "seeded-transformer",
    opsets: { "": 17 },
    inputs: [{ name: "tokens", type: "int64", shape: ["batch", LENGTH] }],
    outputs: [{ name: "output", type: "float32", shape: ["batch", LENGTH, WIDTH] }],
    nodes: build.nodes,
    initializers: build.initializers,
  };
}

/** Random sentences for it. */
export function sentences(count: number, seed: number): { tokens: Tensor }[] {
  const random = uniformNumbers(seed);
  return Array.from({ length: count }, () => {
    const ids = BigInt64Array.from({ length: LENGTH }, () => BigInt(Math.floor(random() * TOKENS)));
    return { tokens: new Tensor("int64", ids, [1, LENGTH]) };
  });
}
