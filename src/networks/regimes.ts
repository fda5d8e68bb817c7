// Regimes of real networks, and dyadic networks as ONNX.
import { BitbasisError } from "../core/index.ts";
import type { Graph, Node } from "../graph/graph.ts";
import { specialize } from "../graph/index.ts";
import { type ExternalData, readOnnx, writeOnnx } from "../onnx/index.ts";
import {
  bitLength,
  type DyadicNetwork,
  fromNumber,
  type LayerSize,
  magnitude,
  type Regime,
  regime,
  scaled,
} from "../regimes/index.ts";
import { type Shape, Tensor } from "../tensor/index.ts";

export interface OnnxRegimeOptions {
  /** Bits of a weight, sign included; default 8. The largest weight decides how many of them lie above the point. */
  bits?: number;
  externalData?: ExternalData;
  /** Shape of the input, where the model leaves dimensions open; default 1 for each open dimension. */
  shape?: Shape;
}

export interface OnnxRegime extends Regime {
  /** The weight format: |w| ≤ 2^a, multiples of 2^-b, a + b + 1 = bits. */
  readonly a: number;
  readonly b: number;
  /** Linear operators by depth: those of one depth make one layer. */
  readonly operators: readonly {
    readonly name: string;
    readonly op: string;
    readonly depth: number;
    readonly values: number;
    readonly parameters: number;
  }[];
}

const LINEAR = new Set(["Conv", "Gemm", "MatMul"]);
/** Linear or piecewise linear without weights of their own that would count. */
const FREE = new Set(
  "Relu LeakyRelu PRelu Clip Add Sub Mul Div MaxPool AveragePool GlobalAveragePool GlobalMaxPool ReduceMean Flatten Reshape Identity Dropout Squeeze Unsqueeze Concat Transpose Pad BatchNormalization DequantizeLinear QuantizeLinear Slice Split Gather Shape Cast Constant Softmax ArgMax".split(
    " ",
  ),
);

/**
 * Classifies the ReLU network in an ONNX file with its own layers: each counts with the values it computes and the weights it has, shared
 * ones once. Operators of the same depth (branches) are one layer. A final Softmax or ArgMax is ignored.
 *
 * @throws BitbasisError (`UNSUPPORTED`) that lists the operators that are not piecewise linear; (`MODEL`) when nothing is linear
 * @example
 * const { regime, advice } = regimeOfOnnx(await readFile("resnet.onnx"), { bits: 4 });
 */
export function regimeOfOnnx(onnx: Uint8Array, options: OnnxRegimeOptions = {}): OnnxRegime {
  const { bits = 8 } = options;
  if (!Number.isSafeInteger(bits) || bits < 2 || bits > 64)
    throw new RangeError(`"bits" expected an integer in 2..64, got ${bits}`);
  const graph = readOnnx(onnx, { externalData: options.externalData });
  const shapes = Object.fromEntries(
    graph.inputs.map(({ name, type, shape = [] }) => [
      name,
      { type, shape: options.shape ?? shape.map((dimension) => (typeof dimension === "number" ? dimension : 1)) },
    ]),
  );
  const { nodes, values, constants } = specialize(graph, shapes);
  const wrong = nodes.filter((node) => !LINEAR.has(node.op) && !FREE.has(node.op));
  if (wrong.length > 0) {
    const list = [...new Set(wrong.map((node) => node.op))].join(", ");
    throw new BitbasisError("UNSUPPORTED", `the regimes are those of ReLU networks, but the model has ${list}`);
  }
  const depth = new Map<string, number>();
  const operators: OnnxRegime["operators"][number][] = [];
  let largest = 0;
  for (const node of nodes) {
    const before = node.inputs.reduce((most, name) => Math.max(most, depth.get(name) ?? 0), 0);
    const linear = LINEAR.has(node.op);
    for (const output of node.outputs) depth.set(output, before + (linear ? 1 : 0));
    if (!linear) continue;
    const weights = parametersOf(node, constants, graph);
    for (const tensor of weights)
      for (const value of tensor.data as Iterable<number>) largest = Math.max(largest, Math.abs(Number(value)));
    const parameters = weights.reduce((sum, tensor) => sum + tensor.size, 0);
    if (parameters === 0)
      throw new BitbasisError(
        "UNSUPPORTED",
        `${node.op} at "${node.name}" multiplies two values, which no ReLU network does`,
      );
    const size = values.get(node.outputs[0]!)!.shape.reduce((product, n) => product * n, 1);
    operators.push({ name: node.name, op: node.op, depth: before + 1, values: size, parameters });
  }
  if (operators.length === 0) throw new BitbasisError("MODEL", "the model has no linear operator");
  const layers: { width: number; parameters: number }[] = [];
  for (const { depth: at, values: width, parameters } of operators) {
    layers[at - 1] ??= { width: 0, parameters: 0 };
    layers[at - 1]!.width += width;
    layers[at - 1]!.parameters += parameters;
  }
  const a = Math.min(Math.max(magnitude(fromNumber(largest)), 0), bits - 1);
  const b = bits - 1 - a;
  return { ...regime({ layers: layers as readonly LayerSize[], a, b }), a, b, operators };
}

/** Weights and bias of a linear node; what a DequantizeLinear makes of them counts as it is stored. */
function parametersOf(node: Node, constants: ReadonlyMap<string, Tensor>, graph: Graph): Tensor[] {
  const found: Tensor[] = [];
  for (const name of node.inputs.slice(1)) {
    const direct = constants.get(name);
    if (direct !== undefined) found.push(direct);
    else {
      const source = graph.nodes.find((other) => other.op === "DequantizeLinear" && other.outputs[0] === name);
      const stored = source && constants.get(source.inputs[0]!);
      if (stored !== undefined) found.push(stored);
    }
  }
  return found;
}

/**
 * A dyadic network as a standard ONNX model of Gemm and Relu nodes in float32: input `x` [batch, inputs], output `y` [batch, outputs].
 *
 * The weights are exact. Whether a float32 runtime computes the exact outputs depends on the inputs: it does as long as every partial sum
 * fits into 24 bits on its neuron's grid.
 *
 * @throws RangeError when a weight does not fit into float32
 */
export function networkToOnnx(network: DyadicNetwork): Uint8Array {
  return writeOnnx(networkToGraph(network));
}

/** The graph of `networkToOnnx`. */
export function networkToGraph(network: DyadicNetwork): Graph {
  const nodes: Node[] = [];
  const initializers = new Map<string, Tensor>();
  let inputs = network.inputs;
  let value = "x";
  network.layers.forEach((layer, l) => {
    const weights = new Float32Array(layer.length * inputs);
    const bias = new Float32Array(layer.length);
    layer.forEach((neuron, i) => {
      bias[i] = float32(neuron.bias, `layer ${l}, neuron ${i}, bias`);
      neuron.indices.forEach((j, k) => {
        weights[i * inputs + j] = float32(neuron.weights[k]!, `layer ${l}, neuron ${i}, weight ${j}`);
      });
    });
    initializers.set(`w${l}`, new Tensor("float32", weights, [layer.length, inputs]));
    initializers.set(`b${l}`, new Tensor("float32", bias, [layer.length]));
    const last = l === network.layers.length - 1;
    const sum = last ? "y" : `s${l}`;
    nodes.push({
      name: `layer${l}`,
      op: "Gemm",
      domain: "",
      inputs: [value, `w${l}`, `b${l}`],
      outputs: [sum],
      attributes: { transB: 1 },
    });
    if (!last)
      nodes.push({ name: `relu${l}`, op: "Relu", domain: "", inputs: [sum], outputs: [`r${l}`], attributes: {} });
    value = `r${l}`;
    inputs = layer.length;
  });
  return {
    name: "relu-network",
    opsets: { "": 17 },
    inputs: [{ name: "x", type: "float32", shape: ["batch", network.inputs] }],
    outputs: [{ name: "y", type: "float32", shape: ["batch", inputs] }],
    nodes,
    initializers,
  };
}

function float32(value: DyadicNetwork["layers"][number][number]["bias"], where: string): number {
  if (value.numerator === 0n) return 0;
  const size = bitLength(value.numerator);
  if (size > 24 || value.exponent > 149 || size - value.exponent > 128)
    throw new RangeError(`${where} expected a number that float32 holds, got one of ${size} significant bits`);
  return Number(scaled(value, Math.max(value.exponent, 0))) * 2 ** -Math.max(value.exponent, 0);
}
