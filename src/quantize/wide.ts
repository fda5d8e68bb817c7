import { Turns } from "../core/index.ts";
import { everyBody, type Graph, type Node } from "../graph/index.ts";
import {
  addTerm,
  fromRows,
  LARGEST_WIDTH,
  type LayerPlan,
  largestTail,
  latticeRows,
  MeasuredSeries,
  toRows,
  type WeightSeries,
} from "../series/index.ts";
import { Tensor } from "../tensor/index.ts";
import type { LinearNode } from "./linear.ts";
import type { ReasonedPlan } from "./plan.ts";
import { type PartialProduct, sumOfProducts } from "./sum-of-products.ts";

/** Linear operators that are sums over their weights, with a bias in input 2 and nothing else; a recurrence is none, and Gemm has factors. */
const CUT: ReadonlySet<string> = new Set(["bitbasis/Conv", "bitbasis/ConvTranspose", "/MatMul", "bitbasis/MatMul"]);

type Weights = NonNullable<LinearNode["weights"]>;

/** Layers of more than 16 bits of weights, cut. */
export interface WidePlan {
  readonly graph: Graph;
  /** By node, of its pieces. */
  readonly planned: ReadonlyMap<string, ReasonedPlan>;
  /** By name of the pieces' weights. */
  readonly expansions: Map<string, MeasuredSeries>;
  /** Names of the weights that continue those of a piece before them. */
  readonly further: ReadonlySet<string>;
}

/**
 * Cuts the layers whose weights have 17 … 32 bits into one layer for each few of their terms. W = Σ_i s_i·D_i is one wide rounding with powers of two as scales, so that
 * consecutive digits make series of their own that int16 operands hold (`termsOfPiece`) and kernels run exactly, each sum rounded once to float32. Results are added from
 * the least significant on, so that nothing but the last addition rounds to the step of the whole sum; then come bias and activation.
 *
 * Other linear layers, which are no sums of products, keep as many terms as one operand holds.
 */
export async function cutWide(
  graph: Graph,
  linear: readonly LinearNode[],
  planned: ReadonlyMap<string, ReasonedPlan>,
  signal?: AbortSignal,
): Promise<WidePlan> {
  const plans = new Map(planned);
  const initializers = new Map(graph.initializers);
  const expansions = new Map<string, MeasuredSeries>();
  const further = new Set<string>();
  const cuts = new Map<string, readonly PartialProduct[]>();
  const turns = new Turns(signal);
  for (const { node, weights } of linear) {
    const plan = plans.get(node.name)!;
    if (plan.bits * plan.weightTerms <= LARGEST_WIDTH) continue;
    if (weights === undefined || !CUT.has(`${node.domain}/${node.op}`)) {
      const reason = weights && { reason: `one operand of ${LARGEST_WIDTH} bits: the layer is no sum of products` };
      plans.set(node.name, { ...plan, weightTerms: Math.floor(LARGEST_WIDTH / plan.bits), ...reason });
      continue;
    }
    await turns.next();
    const pieces = piecesOf(weights, plan, expansions);
    plans.delete(node.name);
    const products = pieces.map((piece, i): PartialProduct => {
      const name = `${node.name}#terms ${i + 1}`;
      plans.set(name, { ...plan, weightTerms: piece.terms });
      initializers.set(piece.name, piece.source);
      if (i > 0) further.add(piece.name);
      return { name, input: node.inputs[0]!, weights: piece.name };
    });
    cuts.set(node.name, products.reverse());
  }
  if (cuts.size === 0) return { graph, planned: plans, expansions, further };
  const cutNode = (node: Node): readonly Node[] => {
    const products = cuts.get(node.name);
    return products === undefined ? [node] : sumOfProducts(node, products, initializers);
  };
  const made = everyBody(graph, (one) => ({ ...one, nodes: one.nodes.flatMap(cutNode) }));
  return { graph: { ...made, initializers }, planned: plans, expansions, further };
}

/** Terms of X bits that an int16 holds whatever digits follow each other: three of four bits reach from −2184 to 1911, four to −34952. */
export function termsOfPiece(bits: number): number {
  let terms = 1;
  while (largestTail(bits, terms + 1, "signed") < 2 ** 15) terms++;
  return terms;
}

/** The series of one tensor in pieces, the most significant first; those that are there already are taken from `known`. */
function piecesOf(weights: Weights, plan: LayerPlan, known: Map<string, MeasuredSeries>): MeasuredSeries[] {
  const { tensor, axis, name } = weights;
  const { bits, weightTerms: terms, granularity } = plan;
  const rows = tensor.dims[axis] ?? 1;
  const columns = tensor.size / rows;
  const data = toRows(tensor.data, tensor.dims, axis);
  const perTensor = granularity === "tensor";
  const most = termsOfPiece(bits);
  const nameOf = (from: number) =>
    `${name}#term ${from + 1} of ${terms} of ${bits} bits${perTensor ? ", one scale" : ""}`;
  const starts = Array.from({ length: Math.ceil(terms / most) }, (_, i) => i * most);
  const there = starts.map((from) => known.get(nameOf(from)));
  if (there.every((piece) => piece?.axis === axis)) return there as MeasuredSeries[];
  // The tensor is finite: `expandGraph` has looked.
  const { planes, scales } = latticeRows(data, rows, columns, { bits, terms, digits: "signed", perTensor })!;
  const rest = Float64Array.from(data);
  return starts.map((from) => {
    const count = Math.min(most, terms - from);
    const left = terms - from - count;
    const source = new Tensor("float32", fromRows(Float32Array.from(rest), tensor.dims, axis), tensor.dims);
    const series: WeightSeries = {
      ...{ name: nameOf(from), shape: tensor.dims, axis, rows, columns, bits, terms: count, digits: "signed" },
      scales: scales.map((s) => s * 2 ** (bits * left)),
      // Digits that others follow may lie below the symmetric range, which bounds take a zero point for.
      zeros: new Int32Array(rows),
      planes: planes.slice(from, from + count),
      ...{ largestL1: 0, largestSum: 0 },
    };
    const sums = sumsOf(series, rest);
    const finest = scales.reduce((all, s) => Math.max(all, s), 0);
    const largestMiss = finest * (largestTail(bits, left, "signed") + 0.5);
    const piece = new MeasuredSeries(source, series, rows, { ...series, ...sums, largestMiss });
    known.set(piece.name, piece);
    return piece;
  });
}

/** Bounds of the sums of a piece's prefixes, as `WeightSeries` has them; takes the piece off what is left of the weights. */
function sumsOf(series: WeightSeries, rest: Float64Array) {
  const { rows, columns, scales, terms } = series;
  let [largestL1, largestSum, squaredError, squaredWeights] = [0, 0, 0, 0];
  const fused = new Float64Array(rows * columns);
  for (let i = 0; i < terms; i++) {
    addTerm(series, i, fused);
    for (let r = 0; r < rows; r++) {
      let [positive, negative] = [0, 0];
      for (let e = r * columns; e < (r + 1) * columns; e++) {
        if (fused[e]! > 0) positive += fused[e]!;
        else negative -= fused[e]!;
      }
      largestL1 = Math.max(largestL1, positive + negative);
      largestSum = Math.max(largestSum, positive, negative);
    }
  }
  for (let e = 0; e < rest.length; e++) {
    squaredWeights += rest[e]! ** 2;
    rest[e] = rest[e]! - scales[Math.floor(e / columns)]! * fused[e]!;
    squaredError += rest[e]! ** 2;
  }
  return { largestL1, largestSum, squaredError, squaredWeights };
}
