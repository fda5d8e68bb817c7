import { checkNetwork, type FixedLayer, type FixedNetwork, maximum } from "../fixed-point/index.ts";
import type { Graph } from "../graph/graph.ts";
import { writeOnnx } from "../onnx/index.ts";
import { exactSums, roundSums, sumLimit } from "./exact-sums.ts";
import { GraphBuilder } from "./graph-builder.ts";

/**
 * A fixed-point network as a graph of standard operators in float32, which computes the same integers: input "x" [batch, inputs] and output "y"
 * [batch, outputs] hold k for k/s. Run it unquantized (`preset: "float32"`): the weights are what they are.
 *
 * A layer is MatMul and Add in units of 1/s², then rounding by Div and Floor (`roundSums`), and Clip; the activation is Relu, or nothing for the identity,
 * or a Gather from its table. Where a sum could leave the exact range, the weights are split in two digits; see `exactSums`.
 *
 * @throws BitbasisError (`UNSUPPORTED`) where a layer is too wide for exact sums in float32 even so
 */
export function fixedPointGraph(network: FixedNetwork): Graph {
  checkNetwork(network);
  const { p, s, table, layers } = network;
  const m = maximum(p);
  const builder = new GraphBuilder();
  let value = "x";
  layers.forEach((layer, l) => {
    const last = l + 1 === layers.length;
    const bounds = { low: -m, high: m };
    const sums = exactSums(builder, layerProduct(builder, value, layer, s, m, l), sumLimit(s, bounds));
    value = roundSums(builder, sums, s, bounds, last ? "y" : undefined);
    if (!last) value = activate(builder, value, table, m);
  });
  const scalar = (name: string, width: number) => ({ name, type: "float32" as const, shape: ["batch", width] });
  return {
    name: `fixed-point network, p = ${p}, s = ${s}`,
    opsets: { "": 17 },
    inputs: [scalar("x", layers[0]!.inputs)],
    outputs: [scalar("y", layers.at(-1)!.outputs)],
    nodes: builder.nodes,
    initializers: builder.initializers,
  };
}

/**
 * The network as the bytes of an ONNX model.
 *
 * @example
 * const session = await InferenceSession.create(exportFixedPoint(network), { preset: "float32" });
 * const { y } = await session.run({ x: new Tensor("float32", [3, -1], [1, 2]) }); // y.data[0] is k, for k/s
 */
export function exportFixedPoint(network: FixedNetwork): Uint8Array {
  return writeOnnx(fixedPointGraph(network));
}

/** s·B + Σ w·x. */
function layerProduct(builder: GraphBuilder, x: string, layer: FixedLayer, s: number, m: number, index: number) {
  const { inputs, outputs, weights, biases } = layer;
  return {
    name: `layer ${index} (${inputs} inputs, M = ${m})`,
    emit: (digit: (w: number) => number): string =>
      builder.node("MatMul", [
        x,
        builder.floats([inputs, outputs], (i) => digit(weights[(i % outputs) * inputs + Math.floor(i / outputs)]!)),
      ]),
    largest: (digit: (w: number) => number): number => m * largestRow(weights, inputs, digit),
    biases: Array.from(biases, (bias) => s * bias),
    biasShape: [outputs],
  };
}

/** Largest Σ|digit(w)| of the rows of a matrix. */
export function largestRow(weights: ArrayLike<number>, inputs: number, digit: (w: number) => number): number {
  let most = 0;
  for (let row = 0; row < weights.length; row += inputs) {
    let sum = 0;
    for (let i = row; i < row + inputs; i++) sum += Math.abs(digit(weights[i]!));
    most = Math.max(most, sum);
  }
  return most;
}

function activate(builder: GraphBuilder, z: string, table: Int32Array, m: number): string {
  if (table.every((value, i) => value === i - m)) return z;
  if (table.every((value, i) => value === Math.max(0, i - m))) return builder.node("Relu", [z]);
  const index = builder.node("Cast", [builder.node("Add", [z, builder.floats([], () => m)])], { to: 7 });
  return builder.node("Gather", [builder.floats([table.length], (i) => table[i]!), index], { axis: 0 });
}
