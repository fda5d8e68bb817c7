// ONNX → exact dyadic ReLU network: float32 and integer weights are dyadic numbers, so nothing is rounded.
import "../program/operators/all.ts";
import { BitbasisError, checkExtents, checkOptions } from "../core/index.ts";
import type { Attribute, Graph, KnownValue, Node, SpecializedGraph } from "../graph/graph.ts";
import { specialize } from "../graph/index.ts";
import { type ExternalData, readOnnx } from "../onnx/index.ts";
import { type Dyadic, type DyadicNetwork, fromNumber, multiply, ONE, subtract, ZERO } from "../regimes/index.ts";
import type { Shape, Tensor } from "../tensor/index.ts";
import { type Affine, AffineNetwork, clip, combine, constantForm, MINUS_ONE, maximum } from "./affine.ts";

/** How `reluNetworkFromOnnx` reads a model. */
export interface ReluNetworkOptions {
  /** ONNX external data by location. */
  externalData?: ExternalData;
  /** Shape of the input, where the model leaves dimensions open; default 1 for each open dimension. */
  shape?: Shape;
  /** Non-zero weights at most, after convolutions have been written out; default 2^20. */
  limit?: number;
}

/** Values whose elements stay as they are. */
const SAME = new Set(["Flatten", "Reshape", "Identity", "Dropout", "Squeeze", "Unsqueeze"]);
/** Operators that a ReLU network can express exactly. Average pooling needs windows of 2^k elements. */
export const RELU_OPERATORS = new Set([
  ...SAME,
  ..."Gemm MatMul Conv Add Sub Mul Relu LeakyRelu Clip MaxPool AveragePool GlobalAveragePool Concat Transpose Slice Pad DequantizeLinear".split(
    " ",
  ),
]);

/**
 * Reads an ONNX model whose operators are linear or ReLU-like as one exact network over its flattened input, residual connections
 * included. Weights under DequantizeLinear count as the numbers they stand for.
 *
 * @throws BitbasisError (`UNSUPPORTED`) that lists every operator that is not among `RELU_OPERATORS` or is used in a way that is not
 *   exact; RangeError when the network has more weights than `limit`
 * @example
 * const lowered = await lowerPrecision(reluNetwork(await readFile("int8-mlp.onnx")), 1);
 */
export function reluNetwork(onnx: Uint8Array, options: ReluNetworkOptions = {}): DyadicNetwork {
  checkOptions(options);
  return reluNetworkOfGraph(readOnnx(onnx, { externalData: options.externalData }), options);
}

/**
 * As `reluNetwork`, for a graph that has been read already.
 * @param exact values of initializers that float32 does not hold
 */
export function reluNetworkOfGraph(
  graph: Graph,
  options: ReluNetworkOptions = {},
  exact: ReadonlyMap<string, Float64Array> = new Map(),
): DyadicNetwork {
  checkExtents("shape", options.shape);
  if (graph.inputs.length !== 1 || graph.outputs.length !== 1)
    throw new BitbasisError(
      "UNSUPPORTED",
      `a ReLU network expected one input and one output, got ${graph.inputs.length} and ${graph.outputs.length}`,
    );
  const [input] = graph.inputs;
  const shape =
    options.shape ?? (input!.shape ?? []).map((dimension) => (typeof dimension === "number" ? dimension : 1));
  const special = specialize(graph, { [input!.name]: { type: input!.type, shape } });
  if (special.stop !== undefined)
    throw new BitbasisError(
      "UNSUPPORTED",
      `no ReLU network computes ${special.stop.node.op} at "${special.stop.node.name}" exactly`,
    );
  const wrong = special.nodes.filter(
    (node) => !RELU_OPERATORS.has(node.op) || (node.domain !== "" && node.domain !== "ai.onnx"),
  );
  if (wrong.length > 0) {
    const list = wrong.map((node) => `${node.op} at "${node.name}"`).join(", ");
    throw new BitbasisError("UNSUPPORTED", `no ReLU network computes ${list} exactly`);
  }
  return new Reader(special, options.limit ?? 2 ** 20, exact).read(input!.name, shape, graph.outputs[0]!.name);
}

class Reader {
  private network!: AffineNetwork;
  private readonly forms = new Map<string, readonly Affine[]>();

  constructor(
    private readonly graph: SpecializedGraph,
    private readonly limit: number,
    private readonly exact: ReadonlyMap<string, Float64Array>,
  ) {}

  read(input: string, shape: Shape, output: string): DyadicNetwork {
    const size = shape.reduce((product, n) => product * n, 1);
    this.network = new AffineNetwork(size, this.limit);
    this.forms.set(
      input,
      Array.from({ length: size }, (_, i) => this.network.input(i)),
    );
    for (const node of this.graph.nodes) {
      const made = this.node(node);
      this.forms.set(node.outputs[0]!, made);
    }
    return this.network.build(this.value(output));
  }

  private node(node: Node): readonly Affine[] {
    const { op, inputs } = node;
    const first = inputs[0]!;
    if (SAME.has(op)) return this.value(first);
    switch (op) {
      case "Relu":
        return this.network.relu(this.value(first));
      case "LeakyRelu": {
        const alpha = fromNumber(Math.fround(number(node, "alpha", 0.01)));
        const x = this.value(first);
        const down = this.network.relu(x.map((form) => combine([[form, MINUS_ONE]])));
        const rest = subtract(ONE, alpha);
        return x.map((form, i) =>
          combine([
            [form, ONE],
            [down[i]!, rest],
          ]),
        );
      }
      case "Clip": {
        const low = this.scalar(node, 1);
        if (low === undefined) throw unsupported(node, "without a lower bound");
        return clip(this.network, this.value(first), low, this.scalar(node, 2));
      }
      case "Add":
      case "Sub":
        return this.elementwise(node, (x, y) =>
          combine([
            [x, ONE],
            [y, op === "Add" ? ONE : MINUS_ONE],
          ]),
        );
      case "Mul":
        return this.elementwise(node, (x, y) => {
          const [constant, form] = x.terms.size === 0 ? [x, y] : [y, x];
          if (constant.terms.size > 0) throw unsupported(node, "of two values that are not constant");
          return combine([[form, constant.bias]]);
        });
      case "Gemm":
      case "MatMul":
        return this.product(node);
      case "Conv":
        return this.convolution(node);
      case "MaxPool":
        return maximum(
          this.network,
          this.windows(node).map((window) => window.map((form) => form ?? constantForm(ZERO))),
        );
      case "AveragePool":
        return this.average(node, this.windows(node), number(node, "count_include_pad", 0) !== 0);
      case "GlobalAveragePool": {
        const [n, c, ...spatial] = this.shape(first);
        const area = spatial.reduce((product, size) => product * size, 1);
        const x = this.value(first);
        return this.average(
          node,
          Array.from({ length: n! * c! }, (_, i) => x.slice(i * area, (i + 1) * area)),
          false,
        );
      }
      case "Concat":
        return this.concat(node);
      case "Transpose":
        return this.transpose(node);
      case "Slice":
        return this.slice(node);
      case "Pad":
        return this.pad(node);
      default:
        return this.dequantize(node);
    }
  }

  private known(name: string): KnownValue {
    return this.graph.values.get(name)!;
  }

  private shape(name: string): Shape {
    return this.known(name).shape;
  }

  private value(name: string): readonly Affine[] {
    const forms = this.forms.get(name);
    if (forms !== undefined) return forms;
    const made = Array.from(this.exact.get(name) ?? numbers(this.graph.constants.get(name)!), (value) =>
      constantForm(fromNumber(value)),
    );
    this.forms.set(name, made);
    return made;
  }

  /** A matrix or kernel, which must be constant. */
  private weights(node: Node, i: number): readonly Dyadic[] {
    return this.value(node.inputs[i]!).map((form) => {
      if (form.terms.size > 0) throw unsupported(node, "of two values that are not constant");
      return form.bias;
    });
  }

  private scalar(node: Node, i: number): Dyadic | undefined {
    const name = node.inputs[i];
    if (name === undefined || name === "") return undefined;
    const { bias } = this.value(name)[0]!;
    // Bounds at the end of float32 are no bounds.
    return bias.exponent < -120 ? undefined : bias;
  }

  private elementwise(node: Node, apply: (x: Affine, y: Affine) => Affine): Affine[] {
    const shape = this.shape(node.outputs[0]!);
    const [x, y] = node.inputs.slice(0, 2).map((name) => {
      const forms = this.value(name);
      const index = broadcast(this.shape(name), shape);
      return (i: number): Affine => forms[index(i)]!;
    });
    const size = shape.reduce((product, n) => product * n, 1);
    return Array.from({ length: size }, (_, i) => apply(x!(i), y!(i)));
  }

  private product(node: Node): Affine[] {
    const [a, b] = [node.inputs[0]!, node.inputs[1]!];
    const gemm = node.op === "Gemm";
    const flip = gemm && number(node, "transA", 0) !== 0;
    const transposed = gemm && number(node, "transB", 0) !== 0;
    const weights = this.weights(node, 1);
    const shape = this.shape(a);
    const right = this.shape(b);
    if (right.length !== 2 || flip) throw unsupported(node, "with a transposed left or a batched right operand");
    const [inner, outer] = transposed ? [right[1]!, right[0]!] : [right[0]!, right[1]!];
    const x = this.value(a);
    const rows = shape.reduce((product, n) => product * n, 1) / inner;
    const alpha = fromNumber(Math.fround(gemm ? number(node, "alpha", 1) : 1));
    const beta = fromNumber(Math.fround(gemm ? number(node, "beta", 1) : 1));
    const addend = gemm ? node.inputs[2] : undefined;
    const bias = addend !== undefined && addend !== "" ? this.value(addend) : undefined;
    const at = bias === undefined ? undefined : broadcast(this.shape(addend!), [rows, outer]);
    return Array.from({ length: rows * outer }, (_, i) => {
      const row = Math.floor(i / outer);
      const column = i % outer;
      const parts: (readonly [Affine, Dyadic])[] = [];
      for (let k = 0; k < inner; k++) {
        const weight = weights[transposed ? column * inner + k : k * outer + column]!;
        parts.push([x[row * inner + k]!, multiply(weight, alpha)]);
      }
      if (bias !== undefined) parts.push([bias[at!(i)]!, beta]);
      return combine(parts);
    });
  }

  private convolution(node: Node): Affine[] {
    const [batch, channels, ...size] = this.shape(node.inputs[0]!);
    const [filters, perGroup, ...kernel] = this.shape(node.inputs[1]!);
    const weights = this.weights(node, 1);
    const bias = node.inputs[2] ? this.weights(node, 2) : undefined;
    const x = this.value(node.inputs[0]!);
    const groups = number(node, "group", 1);
    const area = size.reduce((product, n) => product * n, 1);
    const taps = kernel.reduce((product, n) => product * n, 1);
    const places = positions(node, size, kernel, this.shape(node.outputs[0]!).slice(2));
    const out: Affine[] = [];
    for (let n = 0; n < batch!; n++)
      for (let f = 0; f < filters!; f++) {
        const group = Math.floor(f / (filters! / groups));
        for (const place of places) {
          const parts: (readonly [Affine, Dyadic])[] = [];
          for (let c = 0; c < perGroup!; c++)
            place.forEach((at, tap) => {
              if (at < 0) return;
              const source = x[(n * channels! + group * perGroup! + c) * area + at]!;
              parts.push([source, weights[(f * perGroup! + c) * taps + tap]!]);
            });
          out.push(combine(parts, bias?.[f] ?? ZERO));
        }
      }
    return out;
  }

  /** The elements under every window of a pooling operator; undefined where the window sticks out. */
  private windows(node: Node): (Affine | undefined)[][] {
    const [batch, channels, ...size] = this.shape(node.inputs[0]!);
    const x = this.value(node.inputs[0]!);
    const kernel = numbersOf(node, "kernel_shape", []);
    const area = size.reduce((product, n) => product * n, 1);
    const places = positions(node, size, kernel, this.shape(node.outputs[0]!).slice(2));
    const out: (Affine | undefined)[][] = [];
    for (let i = 0; i < batch! * channels!; i++) {
      for (const place of places) {
        // A maximum ignores what sticks out, an average may count it.
        const kept = node.op === "MaxPool" ? place.filter((at) => at >= 0) : place;
        out.push(kept.map((at) => (at < 0 ? undefined : x[i * area + at]!)));
      }
    }
    return out;
  }

  private average(node: Node, windows: readonly (readonly (Affine | undefined)[])[], padded: boolean): Affine[] {
    return windows.map((window) => {
      const present = window.filter((form) => form !== undefined);
      const count = padded ? window.length : present.length;
      if (count === 0 || (count & (count - 1)) !== 0)
        throw unsupported(node, `over ${count} elements: 1/${count} is no dyadic number`);
      const share = fromNumber(1 / count);
      return combine(present.map((form) => [form, share] as const));
    });
  }

  private concat(node: Node): Affine[] {
    const shape = this.shape(node.outputs[0]!);
    const axis = (number(node, "axis", 0) + shape.length) % shape.length;
    const outer = shape.slice(0, axis).reduce((product, n) => product * n, 1);
    const parts = node.inputs.map((name) => ({ forms: this.value(name), step: this.value(name).length / outer }));
    return Array.from({ length: outer }, (_, i) =>
      parts.flatMap(({ forms, step }) => forms.slice(i * step, (i + 1) * step)),
    ).flat();
  }

  private transpose(node: Node): Affine[] {
    const from = this.shape(node.inputs[0]!);
    const to = this.shape(node.outputs[0]!);
    const order = numbersOf(node, "perm", [...from.keys()].reverse());
    const strides = stridesOf(from);
    const x = this.value(node.inputs[0]!);
    return x.map((_, i) => {
      let rest = i;
      let at = 0;
      for (let k = to.length - 1; k >= 0; k--) {
        at += (rest % to[k]!) * strides[order[k]!]!;
        rest = Math.floor(rest / to[k]!);
      }
      return x[at]!;
    });
  }

  /** Integers of a constant input, in order of the axes. */
  private integers(node: Node, i: number): number[] | undefined {
    const name = node.inputs[i];
    const tensor = name === undefined || name === "" ? undefined : this.graph.constants.get(name);
    if (name !== undefined && name !== "" && tensor === undefined)
      throw unsupported(node, "of sizes that are computed");
    return tensor && numbers(tensor);
  }

  /** Elements at start, start + step, … of each axis. */
  private slice(node: Node): Affine[] {
    const from = this.shape(node.inputs[0]!);
    const to = this.shape(node.outputs[0]!);
    const starts = this.integers(node, 1)!;
    const axes = this.integers(node, 3) ?? starts.map((_, k) => k);
    const steps = this.integers(node, 4) ?? starts.map(() => 1);
    const first = from.map(() => 0);
    const step = from.map(() => 1);
    axes.forEach((given, k) => {
      const axis = (given + from.length) % from.length;
      const size = from[axis]!;
      const start = starts[k]! < 0 ? starts[k]! + size : starts[k]!;
      step[axis] = steps[k]!;
      first[axis] = Math.max(0, Math.min(start, steps[k]! < 0 ? size - 1 : size));
    });
    const x = this.value(node.inputs[0]!);
    const strides = stridesOf(from);
    return places(to).map((at) => x[at.reduce((sum, i, k) => sum + (first[k]! + i * step[k]!) * strides[k]!, 0)]!);
  }

  /** Constant padding, negative where elements are cut off. */
  private pad(node: Node): Affine[] {
    const mode = node.attributes["mode"] ?? "constant";
    if (mode !== "constant") throw unsupported(node, `of mode ${String(mode)}`);
    const from = this.shape(node.inputs[0]!);
    const pads = this.integers(node, 1)!;
    const axes = this.integers(node, 3) ?? from.map((_, k) => k);
    const before = from.map(() => 0);
    axes.forEach((axis, k) => {
      before[(axis + from.length) % from.length] = pads[k]!;
    });
    const x = this.value(node.inputs[0]!);
    const fill = constantForm(this.scalar(node, 2) ?? ZERO);
    const strides = stridesOf(from);
    return places(this.shape(node.outputs[0]!)).map((at) => {
      const source = at.map((i, k) => i - before[k]!);
      if (source.some((i, k) => i < 0 || i >= from[k]!)) return fill;
      return x[source.reduce((sum, i, k) => sum + i * strides[k]!, 0)]!;
    });
  }

  private dequantize(node: Node): Affine[] {
    const name = node.inputs[0]!;
    const values = this.graph.constants.get(name);
    if (values === undefined) throw unsupported(node, "of activations, whose rounding is no ReLU");
    const scales = this.weights(node, 1);
    const zeros = node.inputs[2] ? this.weights(node, 2) : undefined;
    const shape = this.shape(name);
    const axis = (number(node, "axis", 1) + shape.length) % Math.max(shape.length, 1);
    const inner = shape.slice(axis + 1).reduce((product, n) => product * n, 1);
    return Array.from(numbers(values), (value, i) => {
      const k = scales.length === 1 ? 0 : Math.floor(i / inner) % shape[axis]!;
      return constantForm(multiply(subtract(fromNumber(value), zeros?.[k] ?? ZERO), scales[k]!));
    });
  }
}

function unsupported({ op, name }: Node, why: string): BitbasisError {
  return new BitbasisError("UNSUPPORTED", `no ReLU network computes ${op} at "${name}" exactly: ${why}`);
}

function number(node: Node, name: string, otherwise: number): number {
  const value: Attribute | undefined = node.attributes[name];
  return typeof value === "number" ? value : otherwise;
}

function numbersOf(node: Node, name: string, otherwise: readonly number[]): readonly number[] {
  const value: Attribute | undefined = node.attributes[name];
  return Array.isArray(value) ? (value as readonly number[]) : otherwise;
}

function numbers(tensor: Tensor): number[] {
  return Array.from(tensor.data as ArrayLike<number | bigint>, Number);
}

/** All positions of a tensor, the last axis fastest. */
function places(shape: Shape): number[][] {
  let all: number[][] = [[]];
  for (const size of shape) all = all.flatMap((at) => Array.from({ length: size }, (_, i) => [...at, i]));
  return all;
}

function stridesOf(shape: Shape): number[] {
  const strides = new Array<number>(shape.length).fill(1);
  for (let k = shape.length - 2; k >= 0; k--) strides[k] = strides[k + 1]! * shape[k + 1]!;
  return strides;
}

/** Index into a tensor of shape `from` for an index into the shape that it is broadcast to. */
function broadcast(from: Shape, to: Shape): (i: number) => number {
  const strides = stridesOf(from);
  const lead = to.length - from.length;
  return (i) => {
    let at = 0;
    for (let k = to.length - 1; k >= 0; k--) {
      const size = to[k]!;
      if (k >= lead && from[k - lead]! > 1) at += (i % size) * strides[k - lead]!;
      i = Math.floor(i / size);
    }
    return at;
  };
}

/** For every output position the flat spatial index under each tap, -1 where it sticks out. */
function positions(node: Node, size: Shape, kernel: readonly number[], out: Shape): number[][] {
  const rank = size.length;
  const ones = new Array<number>(rank).fill(1);
  const strides = numbersOf(node, "strides", ones);
  const dilations = numbersOf(node, "dilations", ones);
  const pads = numbersOf(node, "pads", new Array<number>(2 * rank).fill(0));
  const auto = node.attributes["auto_pad"];
  if (auto !== undefined && auto !== "NOTSET" && auto !== "") throw unsupported(node, `with auto_pad ${String(auto)}`);
  const flat = stridesOf(size);
  const total = out.reduce((product, n) => product * n, 1);
  const taps = kernel.reduce((product, n) => product * n, 1);
  return Array.from({ length: total }, (_, o) =>
    Array.from({ length: taps }, (_, t) => {
      let at = 0;
      let [place, tap] = [o, t];
      for (let k = rank - 1; k >= 0; k--) {
        const x = (place % out[k]!) * strides[k]! - pads[k]! + (tap % kernel[k]!) * dilations[k]!;
        place = Math.floor(place / out[k]!);
        tap = Math.floor(tap / kernel[k]!);
        if (x < 0 || x >= size[k]!) return -1;
        at += x * flat[k]!;
      }
      return at;
    }),
  );
}
