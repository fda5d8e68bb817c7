import { BitbasisError } from "../core/index.ts";
import { checkNetwork, evaluate, type FixedLayer, type FixedNetwork, maximum } from "../fixed-point/index.ts";
import type { Graph } from "../graph/graph.ts";
import { writeOnnx } from "../onnx/index.ts";
import { GraphBuilder } from "./graph-builder.ts";

/** Integers up to here are exact in float32. */
const EXACT = 2 ** 24;

/**
 * A fixed-point network as a graph of standard operators in float32, which computes the same integers: input "x" [batch, inputs] and output "y"
 * [batch, outputs] hold k for k/s. Run it unquantized (`preset: "float32"`): the weights are what they are.
 *
 * A layer is MatMul and Add in units of 1/s², then rounding by Abs, Div, Floor and Sign, and Clip; the activation is Relu, or nothing for the identity,
 * or a Gather from its table. Where a sum could leave the exact range, the weights are split in two digits; see `layerSums`.
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
    value = roundSums(builder, layerSums(builder, value, layer, s, m, l), s, m, last ? "y" : undefined);
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

/** Largest Σ|w|·M, and with |sB|, over the neurons of a layer whose weights are mapped by `digit`. */
function largest({ inputs, outputs, weights }: FixedLayer, m: number, digit: (w: number) => number): number {
  let most = 0;
  for (let row = 0; row < outputs; row++) {
    let sum = 0;
    for (let i = 0; i < inputs; i++) sum += Math.abs(digit(weights[row * inputs + i]!));
    most = Math.max(most, sum * m);
  }
  return most;
}

/**
 * s·B + Σ w·x, exact wherever |it| ≤ s(M + 1), and beyond that on the right side. Where Σ|w|·M stays below 2^24, one MatMul. Otherwise
 * w = 2^e·u + v, and 2^e·(Σ u·x + ⌊sB/2^e⌉) is clipped so far out that Σ v·x cannot bring it back.
 */
function layerSums(builder: GraphBuilder, x: string, layer: FixedLayer, s: number, m: number, index: number): string {
  const { inputs, outputs, weights, biases } = layer;
  const matrix = (digit: (w: number) => number): string =>
    builder.floats([inputs, outputs], (i) => digit(weights[(i % outputs) * inputs + Math.floor(i / outputs)]!));
  const scaled = Array.from(biases, (bias) => s * bias);
  const limit = s * (m + 1);
  if (largest(layer, m, (w) => w) + Math.max(...scaled.map(Math.abs)) < EXACT) {
    const product = builder.node("MatMul", [x, matrix((w) => w)]);
    return builder.node("Add", [product, builder.floats([outputs], (o) => scaled[o]!)]);
  }
  for (let base = 2; base <= EXACT; base *= 2) {
    const high = (w: number): number => Math.round(w / base);
    const low = (w: number): number => w - base * high(w);
    const lowest = largest(layer, m, low) + base;
    const bound = Math.ceil((limit + 2 * lowest) / base);
    const top = largest(layer, m, high) + Math.max(...scaled.map((b) => Math.abs(high(b))));
    if (top >= EXACT || base * bound + lowest >= EXACT) continue;
    const coarse = builder.node("Add", [
      builder.node("MatMul", [x, matrix(high)]),
      builder.floats([outputs], (o) => high(scaled[o]!)),
    ]);
    const clipped = builder.node("Clip", [coarse, builder.floats([], () => -bound), builder.floats([], () => bound)]);
    const fine = builder.node("Add", [
      builder.node("MatMul", [x, matrix(low)]),
      builder.floats([outputs], (o) => low(scaled[o]!)),
    ]);
    return builder.node("Add", [builder.node("Mul", [clipped, builder.floats([], () => base)]), fine]);
  }
  throw new BitbasisError(
    "UNSUPPORTED",
    `layer ${index} is too wide for exact sums in float32: ${inputs} inputs, M = ${m}`,
  );
}

/** clamp(rdiv(T, s)); (2|T| + s)/2s stays at least 1/2s below the next integer, which float32 resolves for s(M + 2) < 2^22. */
function roundSums(builder: GraphBuilder, sums: string, s: number, m: number, output: string | undefined): string {
  const constant = (value: number): string => builder.floats([], () => value);
  const clip = (x: string, bound: number, name?: string): string =>
    builder.node("Clip", [x, constant(-bound), constant(bound)], {}, name);
  if (s === 1) return clip(sums, m, output);
  if (s * (m + 2) >= 2 ** 22) {
    throw new BitbasisError("UNSUPPORTED", `rounding at s = ${s}, M = ${m} is not exact in float32`);
  }
  const near = clip(sums, s * (m + 1));
  const size = builder.node("Abs", [near]);
  const shifted = builder.node("Add", [builder.node("Add", [size, size]), constant(s)]);
  const rounded = builder.node("Floor", [builder.node("Div", [shifted, constant(2 * s)])]);
  return clip(builder.node("Mul", [rounded, builder.node("Sign", [near])]), m, output);
}

function activate(builder: GraphBuilder, z: string, table: Int32Array, m: number): string {
  if (table.every((value, i) => value === i - m)) return z;
  if (table.every((value, i) => value === Math.max(0, i - m))) return builder.node("Relu", [z]);
  const index = builder.node("Cast", [builder.node("Add", [z, builder.floats([], () => m)])], { to: 7 });
  return builder.node("Gather", [builder.floats([table.length], (i) => table[i]!), index], { axis: 0 });
}

/** The first input on which the two differ, for `run` that evaluates a batch; for tests and the command line. */
export async function compareWithRun(
  network: FixedNetwork,
  inputs: readonly (readonly number[])[],
  run: (x: Float32Array, batch: number) => Promise<ArrayLike<number>>,
): Promise<{ input: readonly number[]; expected: number[]; actual: number[] } | undefined> {
  const outputs = network.layers.at(-1)!.outputs;
  const actual = await run(Float32Array.from(inputs.flat()), inputs.length);
  for (const [i, input] of inputs.entries()) {
    const expected = evaluate(network, input);
    const own = Array.from({ length: outputs }, (_, o) => actual[i * outputs + o]! + 0);
    if (expected.some((value, o) => value !== own[o])) return { input, expected, actual: own };
  }
  return undefined;
}
