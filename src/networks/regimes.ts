// Regimes of real networks, and dyadic networks as ONNX.
import "../program/operators/all.ts";
import { BitbasisError, checkExtents, checkOptions, shown } from "../core/index.ts";
import type { Graph, Node, SpecializedGraph } from "../graph/graph.ts";
import { normalize, specialize } from "../graph/index.ts";
import { applyRules } from "../graph/passes/editor.ts";
import { dropIdentity } from "../graph/passes/eliminate.ts";
import { foldAffine, spellBatchNormalization } from "../graph/passes/fuse-linear.ts";
import { type ExternalData, readOnnx, writeOnnx } from "../onnx/index.ts";
import {
  bitLength,
  checkNetwork,
  type DyadicNetwork,
  fromNumber,
  type LayerSize,
  magnitude,
  type OutputGrid,
  type Regime,
  regime,
  scaled,
} from "../regimes/index.ts";
import { type Shape, Tensor } from "../tensor/index.ts";
import { averagedOver, denominator, joinGrids, refine, UNIT, type ValueGrid } from "./output-grid.ts";

/** The weight format that `regimeOfOnnx` assumes, and the size of the input. */
export interface OnnxRegimeOptions {
  /** Bits of a weight, sign included; default 8. The largest weight decides how many of them lie above the point. */
  bits?: number;
  /** ONNX external data by location. */
  externalData?: ExternalData;
  /** Shape of the input, where the model leaves dimensions open; default 1 for each open dimension. */
  shape?: Shape;
}

/** The regime of a network's shape, with what was read from the file. */
export interface OnnxRegime extends Regime {
  /** The weight format: |w| ≤ 2^a, multiples of 2^-b, a + b + 1 = bits. */
  readonly a: number;
  /** Fractional bits: bits − 1 − a. */
  readonly b: number;
  /** Where the outputs lie, which decides the precision bound. */
  readonly grid: OutputGrid;
  /** Linear operators by depth: those of one depth make one layer. */
  readonly operators: readonly {
    /** Of the node. */
    readonly name: string;
    /** Operator of the node: `Conv`, `Gemm`, `MatMul` or `PRelu`. */
    readonly op: string;
    /** Linear operators on the longest way from the input to it, itself included; from 1. */
    readonly depth: number;
    /** Elements that it computes. */
    readonly values: number;
    /** Weights and biases. */
    readonly parameters: number;
  }[];
}

const LINEAR = new Set(["Conv", "Gemm", "MatMul"]);
/** Values that come out as they go in, or are left out, or zeros. */
const SAME = new Set(
  "Relu Flatten Reshape Identity Dropout Squeeze Unsqueeze Transpose Slice Split Gather Pad Shape Cast Constant Expand MaxPool GlobalMaxPool Max Min Concat DequantizeLinear QuantizeLinear Abs Neg".split(
    " ",
  ),
);
const AVERAGES = new Set("AveragePool GlobalAveragePool ReduceMean Mean".split(" "));
/** With a constant: a scale or a shift. */
const SCALES = new Set(["Mul", "Div"]);
const SHIFTS = new Set(["Add", "Sub"]);
const SLOPES = new Set(["LeakyRelu", "PRelu", "Clip"]);
/** Only where nothing but shapes follows. */
const LAST = new Set(["Softmax", "ArgMax", "LogSoftmax"]);

/**
 * Classifies the ReLU network in an ONNX file with its own layers: each counts with the values it computes and the weights it has, shared
 * ones once. Operators of the same depth (branches) are one layer; a final Softmax or ArgMax is ignored. BatchNormalization, Mul, Div, Add and Sub by constants
 * after a linear operator become its weights. What else is not rounded to the format (averages, slopes, constants) refines the grid of the outputs, or takes it
 * away; `grid` and `caveats` say so.
 *
 * @throws BitbasisError (`UNSUPPORTED`) that lists the operators that are not piecewise linear; (`MODEL`) when nothing is linear
 * @example
 * const { regime, advice, caveats } = regimeOfOnnx(await readFile("resnet.onnx"), { bits: 4 });
 */
export function regimeOfOnnx(onnx: Uint8Array, options: OnnxRegimeOptions = {}): OnnxRegime {
  checkOptions(options);
  checkExtents("shape", options.shape);
  const { bits = 8 } = options;
  if (!Number.isSafeInteger(bits) || bits < 2 || bits > 64)
    throw new RangeError(`"bits" expected an integer in 2..64, got ${shown(bits)}`);
  const read = readOnnx(onnx, { externalData: options.externalData });
  const graph = applyRules(normalize(read), [dropIdentity, foldAffine, spellBatchNormalization]);
  const shapes = Object.fromEntries(
    graph.inputs.map(({ name, type, shape = [] }) => [
      name,
      { type, shape: options.shape ?? shape.map((dimension) => (typeof dimension === "number" ? dimension : 1)) },
    ]),
  );
  const found = new Reading(graph, specialize(graph, shapes)).read();
  const a = Math.min(Math.max(magnitude(fromNumber(found.largest)), 0), bits - 1);
  const b = bits - 1 - a;
  const { layers, operators, grid } = found;
  const result = regime({ layers, a, b, grid });
  return { ...result, caveats: [...result.caveats, ...found.notes], a, b, grid, operators };
}

/** One pass over the nodes: sizes of the layers, and the grid of every value. */
class Reading {
  private readonly depth = new Map<string, number>();
  private readonly grids = new Map<string, ValueGrid>();
  /** Values behind a final Softmax or ArgMax. */
  private readonly last = new Set<string>();
  private readonly layers: { width: number; parameters: number }[] = [];
  private readonly operators: OnnxRegime["operators"][number][] = [];
  private readonly notes = new Set<string>();
  private largest = 0;
  private floats = 0;

  /** @param graph before it is specialized: with the DequantizeLinear of weights, which is folded then */
  constructor(
    private readonly graph: Graph,
    private readonly special: SpecializedGraph,
  ) {}

  read() {
    const { nodes } = this.special;
    const known = [LINEAR, SAME, AVERAGES, SCALES, SHIFTS, SLOPES, LAST];
    const wrong = nodes.filter((node) => !known.some((set) => set.has(node.op)));
    if (wrong.length > 0) {
      const list = [...new Set(wrong.map((node) => node.op))].join(", ");
      throw new BitbasisError("UNSUPPORTED", `the regimes are those of ReLU networks, but the model has ${list}`);
    }
    for (const node of nodes) this.node(node);
    if (this.operators.length === 0) throw new BitbasisError("MODEL", "the model has no linear operator");
    const outputs = this.graph.outputs.map(({ name }) => this.grids.get(name) ?? UNIT);
    const { layers, factor } = outputs.reduce(joinGrids, { layers: 1, factor: 1n });
    return {
      layers: this.layers as readonly LayerSize[],
      operators: this.operators,
      largest: this.largest,
      grid: { layers, factor: factor === 0n ? Number.POSITIVE_INFINITY : Number(factor), floats: this.floats },
      notes: [...this.notes],
    };
  }

  private node(node: Node): void {
    const depth = node.inputs.reduce((most, name) => Math.max(most, this.depth.get(name) ?? 0), 0);
    const behind = node.inputs.some((name) => this.last.has(name));
    if (behind && !SAME.has(node.op) && !LAST.has(node.op))
      throw new BitbasisError(
        "UNSUPPORTED",
        `${node.op} at "${node.name}" reads what a Softmax or ArgMax has given, which no ReLU network does`,
      );
    let grid = node.inputs.map((name) => this.grids.get(name) ?? UNIT).reduce(joinGrids, UNIT);
    let added = 0;
    if (LINEAR.has(node.op)) {
      const scales = this.linear(node, depth + 1);
      grid = { layers: grid.layers + 1, factor: scales > 0 ? 0n : grid.factor };
      added = 1;
    } else if (AVERAGES.has(node.op)) grid = refine(grid, this.average(node));
    else if (SCALES.has(node.op) || SHIFTS.has(node.op)) grid = this.constant(node, grid);
    else if (node.op === "PRelu") {
      // Slopes are weights: a diagonal layer of its own.
      this.linear(node, depth + 1);
      grid = { layers: grid.layers + 1, factor: grid.factor };
      added = 1;
    } else if (node.op === "LeakyRelu") {
      const slope = Math.fround((node.attributes["alpha"] as number | undefined) ?? 0.01);
      grid = refine(grid, denominator(slope));
      this.notes.add(
        `LeakyRelu multiplies by ${slope}, which is not rounded to the format: the grid of its outputs is finer.`,
      );
    } else if (node.op === "Clip") {
      for (const name of node.inputs.slice(1)) {
        const bound = this.scalar(name);
        if (bound !== undefined) grid = joinGrids(grid, { layers: 0, factor: denominator(bound) });
      }
      this.compare(depth, this.size(node.outputs[0]!));
    } else if (node.op === "MaxPool" || node.op === "GlobalMaxPool") {
      // A maximum over n compares n(n − 1)/2 pairs; one comparison per value is counted by the layer already.
      const [input, output] = [this.size(node.inputs[0]!), this.size(node.outputs[0]!)];
      const kernel = node.attributes["kernel_shape"] as readonly number[] | undefined;
      const n = kernel?.reduce((product, k) => product * k, 1) ?? input / output;
      this.compare(depth, (output * n * (n - 1)) / 2);
    } else if (node.op === "QuantizeLinear" && !this.special.constants.has(node.inputs[0]!)) {
      this.notes.add("The rounding of activations (QuantizeLinear) is left out.");
    }
    for (const output of node.outputs) {
      this.depth.set(output, depth + added);
      this.grids.set(output, grid);
      if (behind || LAST.has(node.op)) this.last.add(output);
    }
  }

  private shape(name: string): Shape {
    return this.special.values.get(name)?.shape ?? this.special.constants.get(name)?.dims ?? [];
  }

  private size(name: string): number {
    return this.shape(name).reduce((product, n) => product * n, 1);
  }

  private scalar(name: string): number | undefined {
    const tensor = this.special.constants.get(name);
    const value = tensor?.size === 1 ? Number(tensor.data[0]) : undefined;
    // Bounds at the end of float32 are no bounds.
    return value !== undefined && Math.abs(value) < 2 ** 126 ? value : undefined;
  }

  /** Adds comparisons to the layer whose values they are about. */
  private compare(depth: number, count: number): void {
    const layer = this.layers[Math.max(depth, 1) - 1];
    if (layer !== undefined) layer.width += count;
  }

  private linear(node: Node, depth: number): number {
    const { weights, scales } = parametersOf(node, this.special.constants, this.graph);
    for (const tensor of weights)
      for (const value of tensor.data as Iterable<number>)
        this.largest = Math.max(this.largest, Math.abs(Number(value)));
    const parameters = weights.reduce((sum, tensor) => sum + tensor.size, 0);
    if (parameters === 0)
      throw new BitbasisError(
        "UNSUPPORTED",
        `${node.op} at "${node.name}" multiplies two values, which no ReLU network does`,
      );
    const values = this.size(node.outputs[0]!);
    this.operators.push({ name: node.name, op: node.op, depth, values, parameters });
    this.layers[depth - 1] ??= { width: 0, parameters: 0 };
    this.layers[depth - 1]!.width += values;
    this.layers[depth - 1]!.parameters += parameters;
    this.floats += scales;
    if (scales > 0) {
      this.notes.add(
        "Weights have float scales: every constant function is exact with one of them, so the outputs have no grid.",
      );
    }
    return scales;
  }

  private average(node: Node): bigint {
    const count = averagedOver(node, this.shape(node.inputs[0]!), this.shape(node.outputs[0]!))!;
    this.notes.add(`${node.op} divides by ${count}: outputs lie on a grid that is ${count} times finer.`);
    return count;
  }

  /** Mul, Div, Add or Sub: of two values, or by a constant that is no part of a layer's weights. */
  private constant(node: Node, grid: ValueGrid): ValueGrid {
    const constants = node.inputs.map((name) => this.special.constants.get(name));
    const tensor = constants.find((one) => one !== undefined);
    if (tensor === undefined) {
      if (SHIFTS.has(node.op)) return grid;
      throw new BitbasisError(
        "UNSUPPORTED",
        `${node.op} at "${node.name}" multiplies or divides two values, which no ReLU network does`,
      );
    }
    if (node.op === "Div" && constants[0] !== undefined)
      throw new BitbasisError(
        "UNSUPPORTED",
        `Div at "${node.name}" divides a constant by a value, which no ReLU network does`,
      );
    if (SCALES.has(node.op) && this.becomesWeights(node)) return grid;
    if (tensor.size > 1) {
      this.floats += tensor.size;
      this.notes.add(
        `${node.op} at "${node.name}" has ${tensor.size} float constants of its own: the outputs behind it have no grid.`,
      );
      return { layers: grid.layers, factor: 0n };
    }
    const value = Number(tensor.data[0]);
    if (SHIFTS.has(node.op)) return joinGrids(grid, { layers: 0, factor: denominator(value) });
    this.notes.add(
      `${node.op} at "${node.name}" by ${value} is not rounded to the format: the grid behind it is finer.`,
    );
    if (node.op === "Mul") return refine(grid, denominator(value));
    // x/v for v = n/2^e lies on a grid n times finer, n odd or not.
    return refine(grid, BigInt(Math.abs(Math.round(value * Number(denominator(value))))) || 1n);
  }

  /** A scale of which only linear operators read is part of their weights. */
  private becomesWeights({ outputs }: Node): boolean {
    const readers = this.special.nodes.filter((node) => node.inputs.includes(outputs[0]!));
    return readers.length > 0 && readers.every((node) => LINEAR.has(node.op) && node.inputs[0] === outputs[0]);
  }
}

/** Weights and bias of a linear node; what a DequantizeLinear makes of them counts as it is stored, with its scales. */
function parametersOf(
  node: Node,
  constants: ReadonlyMap<string, Tensor>,
  graph: Graph,
): { weights: Tensor[]; scales: number } {
  const weights: Tensor[] = [];
  let scales = 0;
  const before = graph.nodes.find((other) => other.outputs[0] === node.outputs[0]);
  for (const [i, name] of node.inputs.entries()) {
    if (i === 0) continue;
    const given = before?.inputs[i] ?? name;
    const source = graph.nodes.find((other) => other.op === "DequantizeLinear" && other.outputs[0] === given);
    const held = (at: number): Tensor | undefined => {
      const input = source?.inputs[at] ?? "";
      return constants.get(input) ?? graph.initializers.get(input);
    };
    const stored = held(0) ?? constants.get(name);
    if (stored === undefined) continue;
    weights.push(stored);
    if (source !== undefined) scales += held(1)?.size ?? 1;
  }
  return { weights, scales };
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
  checkNetwork(network);
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
