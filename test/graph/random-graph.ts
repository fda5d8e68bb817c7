import type { Attribute, Graph, Node } from "../../src/graph/index.ts";
import { type ElementType, Tensor } from "../../src/tensor/index.ts";
import { Random } from "../support/random.ts";

/** Gives the outputs of one node, from the ONNX definition or from a run of this node alone. */
export type RunNode = (
  node: Node,
  inputs: readonly (Tensor | undefined)[],
  opset: number,
) => Promise<readonly Tensor[]>;

export interface RandomGraph {
  readonly graph: Graph;
  readonly feeds: Record<string, Tensor>;
  /** What the nodes give when each of them runs alone. */
  readonly expected: ReadonlyMap<string, Tensor>;
}

const OPSET = 17;

class Dice extends Random {
  /** 0 … n − 1. */
  below(n: number): number {
    return this.integer(0, n - 1);
  }
  chance(one: number): boolean {
    return this.below(one) === 0;
  }
  tensor(dims: readonly number[], offset = 0): Tensor {
    const size = dims.reduce((a, b) => a * b, 1);
    const data = Float32Array.from({ length: size }, () => this.below(4096) / 1024 - 2 + offset);
    return new Tensor("float32", data, dims);
  }
}

const float = (v: number, dims: readonly number[] = []): Tensor => new Tensor("float32", [v], dims);
const ints = (...values: number[]): Tensor => new Tensor("int64", values);

/** A graph that grows from its input by nodes and almost-patterns of nodes, each run as it is added: shapes are those of the values. */
class Growing {
  readonly nodes: Node[] = [];
  readonly values = new Map<string, Tensor>();
  readonly initializers = new Map<string, Tensor>();
  private count = 0;

  constructor(
    readonly dice: Dice,
    private readonly run: RunNode,
  ) {}

  constant(tensor: Tensor): string {
    const name = `c${this.count++}`;
    this.initializers.set(name, tensor);
    this.values.set(name, tensor);
    return name;
  }

  async add(
    op: string,
    inputs: readonly string[],
    attributes: Record<string, Attribute> = {},
    outputs = 1,
  ): Promise<string> {
    const at = this.count++;
    const names = Array.from({ length: outputs }, (_, i) => `v${at}_${i}`);
    const node: Node = { name: `${op}_${at}`, op, domain: "", inputs, outputs: names, attributes };
    const results = await this.run(
      node,
      inputs.map((name) => (name === "" ? undefined : this.values.get(name))),
      OPSET,
    );
    this.nodes.push(node);
    for (const [i, name] of names.entries()) this.values.set(name, results[i]!);
    return names[this.dice.below(outputs)]!;
  }

  dims(value: string): readonly number[] {
    return this.values.get(value)!.dims;
  }

  /** Either order of the operands. */
  both(op: string, value: string, constant: string): Promise<string> {
    return this.add(op, this.dice.chance(2) ? [value, constant] : [constant, value]);
  }

  /** One number, with a rank that may be higher than that of its partner. */
  scalar(v: number): string {
    return this.constant(float(v, this.dice.pick([[], [], [], [1], [1], [1, 1], [1, 1, 1, 1]])));
  }
}

type Grow = (g: Growing, x: string) => Promise<string | undefined>;

/** A shape that broadcasts against `dims`; sometimes of a higher rank. */
function broadcasting(dice: Dice, dims: readonly number[]): number[] {
  const kept = dims.slice(dice.below(dims.length + 1));
  const own = kept.map((d) => (dice.chance(2) ? 1 : d));
  if (dice.chance(3)) return dims.map((d, i) => (i === 1 ? d : 1));
  if (dice.chance(3)) return dims.length < 2 ? [] : [dims[1]!, ...dims.slice(2).map(() => 1)];
  return dice.chance(6) ? [1, ...own] : own;
}

const affine: Grow = (g, x) => {
  const { dice } = g;
  const op = dice.pick(["Mul", "Add", "Sub", "Div"]);
  const constant = g.constant(dice.tensor(broadcasting(dice, g.dims(x)), op === "Div" ? 3 : 0));
  return op === "Sub" || op === "Div" ? g.add(op, [x, constant]) : g.both(op, x, constant);
};

const scalars: Grow = (g, x) => {
  const { dice } = g;
  const op = dice.pick(["Mul", "Add", "Sub", "Div"]);
  const values = [0, -0, 1, -1, 2, 0.5, 12582912, -12582912, 1e30, 1e-30];
  return g.add(op, [x, g.scalar(op === "Div" ? dice.pick(values.slice(2)) : dice.pick(values))]);
};

const batchNormalization: Grow = async (g, x) => {
  const c = g.dims(x)[1];
  if (c === undefined) return undefined;
  const vector = (offset = 0): string => g.constant(g.dice.tensor([c], offset));
  return g.add("BatchNormalization", [x, vector(), vector(), vector(), vector(3)], { epsilon: 1e-3 });
};

const matmul: Grow = async (g, x) => {
  const k = g.dims(x).at(-1);
  if (k === undefined) return undefined;
  const n = g.dice.pick([1, 2, k, 4]);
  return g.add("MatMul", [x, g.constant(g.dice.tensor([k, n]))]);
};

const gemm: Grow = async (g, x) => {
  const { dice } = g;
  if (g.dims(x).length !== 2) return undefined;
  const [transA, transB] = [dice.below(2), dice.below(2)];
  const [m, k] = transA ? [g.dims(x)[1]!, g.dims(x)[0]!] : (g.dims(x) as [number, number]);
  const n = dice.pick([1, 2, m, 4]);
  const shapes = [[], [1], [n], [1, n], [m, 1], [m, n], [1, 1]];
  const inputs = [x, g.constant(dice.tensor(transB ? [n, k] : [k, n]))];
  if (!dice.chance(4)) inputs.push(g.constant(dice.tensor(dice.pick(shapes))));
  const attributes = {
    transA,
    transB,
    ...(dice.chance(3) ? { alpha: 0.5 } : {}),
    ...(dice.chance(3) ? { beta: 2 } : {}),
  };
  return g.add("Gemm", inputs, attributes);
};

const convolution: Grow = async (g, x) => {
  const { dice } = g;
  const [, c, ...spatial] = g.dims(x);
  if (c === undefined || spatial.length < 1 || spatial.length > 2) return undefined;
  const group = dice.chance(2) ? c : 1;
  const out = group === 1 ? dice.pick([1, 3]) : c;
  const kernel = spatial.map((d) => Math.min(d, dice.pick([1, 2, 3])));
  const bias = dice.chance(2) ? [g.constant(dice.tensor([out]))] : [];
  const weights = g.constant(dice.tensor([out, c / group, ...kernel]));
  const pads = [...kernel, ...kernel].map(() => dice.below(2));
  return g.add("Conv", [x, weights, ...bias], { group, pads });
};

const transposedConvolution: Grow = async (g, x) => {
  const { dice } = g;
  const [, c, ...spatial] = g.dims(x);
  if (c === undefined || spatial.length < 1 || spatial.length > 2) return undefined;
  const group = dice.chance(2) ? c : 1;
  const perGroup = group === 1 ? dice.pick([1, 2]) : dice.pick([1, 1, 2]);
  const kernel = spatial.map(() => dice.pick([1, 2, 3]));
  const strides = spatial.map(() => dice.pick([1, 2]));
  const bias = dice.chance(2) ? [g.constant(dice.tensor([group * perGroup]))] : [];
  const weights = g.constant(dice.tensor([c, perGroup, ...kernel]));
  return g.add("ConvTranspose", [x, weights, ...bias], { group, strides });
};

const activation: Grow = (g, x) => {
  const { dice } = g;
  const op = dice.pick(["Relu", "Clip", "Clip", "HardSwish", "Sigmoid", "HardSigmoid"]);
  if (op !== "Clip") return g.add(op, [x]);
  const bound = (): string => (dice.chance(3) ? "" : g.constant(float(dice.pick([-2, -1, 0, 1, 6]))));
  const inputs = [x, bound(), bound()];
  while (inputs.at(-1) === "") inputs.pop();
  return g.add("Clip", inputs);
};

/** x·clip(x + 3, 0, 6)/6, or almost. */
const hardSwish: Grow = async (g, x) => {
  const { dice } = g;
  const sum = await g.both("Add", x, g.scalar(dice.pick([3, 3, 3, 2])));
  const gate = await g.add("Clip", [sum, g.constant(float(0)), g.constant(float(dice.pick([6, 6, 6, 5])))]);
  const divide = (v: string): Promise<string> =>
    dice.chance(2) ? g.add("Div", [v, g.scalar(6)]) : g.both("Mul", v, g.scalar(Math.fround(1 / 6)));
  if (dice.chance(4)) return divide(gate);
  return dice.chance(2) ? divide(await g.both("Mul", x, gate)) : g.both("Mul", x, await divide(gate));
};

const gelu: Grow = async (g, x) => {
  const { dice } = g;
  const argument = dice.chance(2)
    ? await g.add("Div", [x, g.scalar(Math.fround(Math.SQRT2))])
    : await g.both("Mul", x, g.scalar(Math.fround(Math.SQRT1_2)));
  const sum = await g.both("Add", await g.add("Erf", [argument]), g.scalar(dice.pick([1, 1, 1, 2])));
  const half = g.scalar(dice.pick([0.5, 0.5, 0.5, 1]));
  return dice.chance(2)
    ? g.both("Mul", await g.both("Mul", x, sum), half)
    : g.both("Mul", await g.both("Mul", x, half), sum);
};

const silu: Grow = async (g, x) => g.both("Mul", x, await g.add("Sigmoid", [x]));

const layerNorm: Grow = async (g, x) => {
  const { dice } = g;
  const rank = g.dims(x).length;
  const n = g.dims(x).at(-1);
  if (n === undefined) return undefined;
  const axes = [dice.pick([-1, rank - 1, rank - 1, 0])];
  const centred = await g.add("Sub", [x, await g.add("ReduceMean", [x], { axes })]);
  const square = dice.chance(2) ? await g.add("Pow", [centred, g.scalar(2)]) : await g.add("Mul", [centred, centred]);
  const variance = await g.add("ReduceMean", [square], { axes: dice.chance(6) ? [0] : axes });
  const root = await g.add("Sqrt", [await g.both("Add", variance, g.scalar(1e-3))]);
  const normal = await g.add("Div", [centred, root]);
  const shape = dice.pick([[n], [n], [n], [1], [1, n], [1, 1, 1, n]]);
  const scaled = await g.both("Mul", normal, g.constant(dice.tensor(shape, 3)));
  return dice.chance(3) ? scaled : g.both("Add", scaled, g.constant(dice.tensor(dice.chance(2) ? shape : [n])));
};

const transpose: Grow = (g, x) => {
  const perm = g.dims(x).map((_, i) => i);
  for (let i = perm.length - 1; i > 0; i--) {
    const j = g.dice.below(i + 1);
    [perm[i], perm[j]] = [perm[j]!, perm[i]!];
  }
  return g.add("Transpose", [x], { perm });
};

const reshape: Grow = (g, x) => {
  const { dice } = g;
  const dims = [...g.dims(x)];
  if (dice.chance(3)) return g.add("Flatten", [x], { axis: dice.below(dims.length + 1) });
  const cut = dice.below(dims.length + 1);
  const target = dice.pick([
    [-1],
    [...dims.slice(0, cut), -1],
    [...dims.slice(0, cut).map(() => 0), -1],
    [...dims.slice(0, cut), 1, ...dims.slice(cut)],
    [...dims].reverse(),
  ]);
  return target.length > 5 ? Promise.resolve(undefined) : g.add("Reshape", [x, g.constant(ints(...target))]);
};

const axes: Grow = (g, x) => {
  const { dice } = g;
  const dims = g.dims(x);
  const ones = dims.flatMap((d, i) => (d === 1 ? [i] : []));
  if (ones.length > 0 && dice.chance(2)) return g.add("Squeeze", [x, g.constant(ints(dice.pick(ones)))]);
  return dims.length > 4
    ? Promise.resolve(undefined)
    : g.add("Unsqueeze", [x, g.constant(ints(dice.below(dims.length + 1)))]);
};

const pieces: Grow = async (g, x) => {
  const { dice } = g;
  const dims = g.dims(x);
  if (dims.length === 0) return undefined;
  const axis = dice.below(dims.length);
  switch (dice.below(4)) {
    case 0:
      return dims[axis]! > 8 ? undefined : g.add("Concat", [x, x], { axis });
    case 1:
      return dims[axis] === 4 ? g.add("Split", [x, g.constant(ints(1, 3))], { axis }, 2) : undefined;
    case 2:
      return dims[axis]! < 2 ? undefined : g.add("Slice", [x, ...[0, -1, axis].map((v) => g.constant(ints(v)))]);
    default:
      return g.add("Pad", [x, g.constant(ints(...dims.map(() => 0), ...dims.map((_, i) => (i === axis ? 1 : 0))))]);
  }
};

const pool: Grow = async (g, x) => {
  const { dice } = g;
  const spatial = g.dims(x).slice(2);
  if (spatial.length < 1 || spatial.length > 2) return undefined;
  if (dice.chance(3)) return g.add("GlobalAveragePool", [x]);
  const kernel_shape = spatial.map((d) => Math.min(d, 2));
  return g.add(dice.pick(["MaxPool", "AveragePool"]), [x], { kernel_shape });
};

const reduce: Grow = async (g, x) => {
  const { dice } = g;
  const rank = g.dims(x).length;
  if (rank === 0) return undefined;
  const over = [...new Set([dice.below(rank), dice.below(rank)])];
  const op = dice.pick(["ReduceMean", "ReduceMax"]);
  return g.add(op, [x], { axes: over, keepdims: dice.below(2) });
};

const softmax: Grow = async (g, x) => {
  const rank = g.dims(x).length;
  return rank === 0 ? undefined : g.add("Softmax", [x], { axis: g.dice.below(rank) });
};

const identity: Grow = (g, x) => g.add("Identity", [x]);

const STEPS: readonly (readonly [number, Grow])[] = [
  [4, affine],
  [3, scalars],
  [4, batchNormalization],
  [3, matmul],
  [3, gemm],
  [4, convolution],
  [2, transposedConvolution],
  [4, activation],
  [2, hardSwish],
  [2, gelu],
  [2, silu],
  [3, layerNorm],
  [2, transpose],
  [3, reshape],
  [2, axes],
  [2, pieces],
  [2, pool],
  [1, reduce],
  [1, softmax],
  [1, identity],
];
const BAG = STEPS.flatMap(([weight, step]) => new Array<Grow>(weight).fill(step));

/**
 * A random graph of a few nodes, around the patterns that passes look for: constants of any rank that broadcasts, extents of 1, values that are read twice or are
 * outputs as well. The same seed gives the same graph.
 */
export async function randomGraph(seed: number, run: RunNode): Promise<RandomGraph> {
  const dice = new Dice(seed);
  const g = new Growing(dice, run);
  const dims = Array.from({ length: dice.pick([1, 2, 2, 3, 3, 3, 4, 4, 4, 5]) }, () => dice.pick([1, 2, 3, 4]));
  const x = dice.tensor(dims);
  g.values.set("x", x);
  let at = "x";
  for (let steps = 2 + dice.below(5); steps > 0; ) {
    const size = g.values.get(at)!.size;
    const next = size > 4096 ? undefined : await dice.pick(BAG)(g, at);
    if (next !== undefined) at = next;
    if (next !== undefined || dice.chance(50)) steps--;
    if (size > 4096) break;
  }
  const made = g.nodes.flatMap((node) => node.outputs);
  const outputs = new Set([at]);
  if (dice.chance(2) && made.length > 0) outputs.add(dice.pick(made));
  if (at === "x") outputs.add(await g.add("Relu", ["x"]));
  outputs.delete("x");
  const shape = dice.chance(8) ? undefined : dims.map((d, i) => (dice.chance(2) ? d : `d${i}`));
  const graph: Graph = {
    name: `seed ${seed}`,
    opsets: { "": OPSET },
    inputs: [{ name: "x", type: "float32" as ElementType, shape }],
    outputs: [...outputs].map((name) => ({ name, type: g.values.get(name)!.type, shape: undefined })),
    nodes: g.nodes,
    initializers: g.initializers,
  };
  return { graph, feeds: { x }, expected: g.values };
}
