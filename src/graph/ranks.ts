import type { Graph, Node } from "./graph.ts";
import { normalizedAxes } from "./shapes/axes.ts";

type Rank = number | undefined;

/** What the rank rules see of a graph. */
interface View {
  rank(i: number): Rank;
  /** Number of elements of input `i`, a vector, when it is known. */
  length(i: number): Rank;
  numbers(i: number): readonly number[] | undefined;
}

/**
 * Ranks of the values of a normalized graph, where they can be told without knowing input shapes. Values whose rank is unknown are absent.
 */
export function ranks(graph: Graph): Map<string, number> {
  const known = new Map<string, number>();
  const lengths = new Map<string, number>();
  for (const { name, shape } of graph.inputs) if (shape !== undefined) known.set(name, shape.length);
  for (const [name, tensor] of graph.initializers) {
    known.set(name, tensor.dims.length);
    if (tensor.dims.length === 1) lengths.set(name, tensor.dims[0]!);
  }
  for (const node of graph.nodes) {
    const view: View = {
      rank: (i) => known.get(node.inputs[i] ?? ""),
      length: (i) => lengths.get(node.inputs[i] ?? ""),
      numbers: (i) => {
        const data = graph.initializers.get(node.inputs[i] ?? "")?.data;
        return data === undefined ? undefined : Array.from(data as ArrayLike<number | bigint>, Number);
      },
    };
    const rank = rankOf(node, view);
    if (rank !== undefined) for (const output of node.outputs) known.set(output, rank);
    const length = lengthOf(node, view);
    if (length !== undefined) lengths.set(node.outputs[0]!, length);
    // Weights tell the rank of what they are applied to, also when the producer does not.
    if (node.op.startsWith("Conv") && view.rank(0) === undefined && view.rank(1) !== undefined) {
      known.set(node.inputs[0]!, view.rank(1)!);
    }
  }
  return known;
}

const SAME = new Set(
  (
    "Abs Acos Acosh Asin Asinh Atan Atanh AveragePool BatchNormalization Cast Ceil Celu Clip Concat Cos Cosh CumSum " +
    "DepthToSpace DequantizeLinear Elu Erf Exp Floor Gelu GlobalAveragePool GlobalLpPool GlobalMaxPool GroupNormalization HardSigmoid " +
    "HardSwish Hardmax Identity InstanceNormalization IsInf IsNaN LRN LayerNormalization LeakyRelu Log LogSoftmax " +
    "LpNormalization MaxPool MeanVarianceNormalization Mish Neg Not Pad PRelu QuantizeLinear Reciprocal Relu Resize " +
    "ReverseSequence Round ScatterElements ScatterND Selu Shrink Sigmoid Sign Silu Sin Sinh Slice Softmax Softplus " +
    "Softsign SpaceToDepth Split Sqrt Tan Tanh ThresholdedRelu Tile TopK Transpose Trilu"
  ).split(" "),
);
const BROADCAST = new Set(
  (
    "Add And BitShift BitwiseAnd BitwiseOr BitwiseXor Div Equal Greater GreaterOrEqual Less LessOrEqual Max Min Mod Mul Or " +
    "Pow Sub Where Xor"
  ).split(" "),
);

function rankOf(node: Node, { rank, length, numbers }: View): Rank {
  const { op } = node;
  if (SAME.has(op)) return rank(0);
  if (BROADCAST.has(op)) return largest(node.inputs.map((_, i) => rank(i)));
  switch (op) {
    case "Conv":
    case "ConvTranspose":
      return rank(1) ?? rank(0);
    case "Flatten":
    case "Gemm":
      return 2;
    case "Shape":
    case "Range":
      return 1;
    case "Size":
      return 0;
    case "Reshape":
    case "ConstantOfShape":
      return op === "Reshape" ? length(1) : length(0);
    case "Expand":
      return largest([rank(0), length(1)]);
    case "Gather":
      return plus(plus(rank(0), rank(1)), -1);
    case "GatherElements":
      return rank(0);
    case "OneHot":
      return plus(rank(0), 1);
    case "Squeeze":
      return plus(rank(0), numbers(1) === undefined ? undefined : -numbers(1)!.length);
    case "Unsqueeze":
      return plus(rank(0), numbers(1)?.length);
    case "MatMul": {
      const [a, b] = [rank(0), rank(1)];
      if (a === undefined || b === undefined) return undefined;
      return a === 1 || b === 1 ? a + b - 2 : Math.max(a, b);
    }
    case "ArgMax":
    case "ArgMin":
      return node.attributes["keepdims"] === 0 ? plus(rank(0), -1) : rank(0);
  }
  if (op.startsWith("Reduce")) return reducedRank(node, rank(0), numbers(1));
  return undefined;
}

function reducedRank(node: Node, rank: Rank, axes: readonly number[] | undefined): Rank {
  if (node.attributes["keepdims"] !== 0 || rank === undefined) return rank;
  const present = (node.inputs[1] ?? "") !== "";
  if (present && axes === undefined) return undefined;
  if ((axes ?? []).length === 0) return node.attributes["noop_with_empty_axes"] === 1 ? rank : 0;
  return rank - (normalizedAxes(axes!, rank)?.length ?? 0);
}

/** Lengths of the vectors that shapes are computed with. */
function lengthOf(node: Node, { rank, length, numbers }: View): Rank {
  switch (node.op) {
    case "Shape":
      return "start" in node.attributes || "end" in node.attributes ? undefined : rank(0);
    case "Cast":
    case "Identity":
      return length(0);
    case "Concat": {
      let sum: Rank = 0;
      node.inputs.forEach((_, i) => {
        sum = plus(sum, length(i));
      });
      return sum;
    }
    case "Unsqueeze":
      return rank(0) === 0 && numbers(1)?.length === 1 ? 1 : undefined;
    case "Gather":
      return rank(0) === 1 && rank(1) === 1 ? length(1) : undefined;
    case "Slice":
      return sliceLength(length(0), numbers(1), numbers(2), numbers(4));
    case "Reshape":
      return numbers(1)?.length === 1 && numbers(1)![0]! > 0 ? numbers(1)![0] : undefined;
    case "ConstantOfShape":
      return numbers(0)?.length === 1 ? numbers(0)![0] : undefined;
  }
  if (!BROADCAST.has(node.op)) return undefined;
  const all = node.inputs.map((_, i) => (rank(i) === 0 ? 1 : length(i)));
  return largest(all);
}

function sliceLength(
  length: Rank,
  starts: readonly number[] | undefined,
  ends: readonly number[] | undefined,
  steps: readonly number[] | undefined,
): Rank {
  if (length === undefined || starts?.length !== 1 || ends?.length !== 1 || (steps ?? [1])[0] !== 1) return undefined;
  const [start, end] = [starts[0]!, ends[0]!];
  const clamp = (at: number): number => Math.min(Math.max(at < 0 ? at + length : at, 0), length);
  return Math.max(0, clamp(end) - clamp(start));
}

function plus(a: Rank, b: Rank): Rank {
  return a === undefined || b === undefined ? undefined : a + b;
}

function largest(all: readonly Rank[]): Rank {
  let most = 0;
  for (const one of all) {
    if (one === undefined) return undefined;
    most = Math.max(most, one);
  }
  return most;
}
