import { accumulatorBits, type LayerPlan, planeBytes } from "../series/index.ts";
import { elementBytes, type Shape } from "../tensor/index.ts";
import type { FloatNode } from "./linear.ts";
import type { QuantizedLayer } from "./quantize-graph.ts";

/** What quantization did, and what is proved about it. */
export interface QuantizationReport {
  /** The ONNX file, with its external data. */
  readonly bytesBefore: number;
  /** The container. */
  readonly bytesAfter: number;
  readonly layers: readonly LayerReport[];
}

/** One linear layer with weights, or whose weights the quantizer does not find: the reason then tells why it stays in float32. */
export interface LayerReport {
  /** Of the node. */
  readonly name: string;
  readonly op: string;
  /** Of the weights; absent where they are computed while the model runs. */
  readonly shape?: Shape;
  readonly plan: LayerPlan;
  /** Why the plan is not the default. */
  readonly reason?: string;
  /** √(Σ(w − ŵ)² / Σw²), all terms; 0 in float32. */
  readonly relativeError: number;
  /** Proved: no weight is off by more. In units of the weights; 0 in float32. */
  readonly errorBound: number;
  /** Weights kept in the sparse part. */
  readonly outliers: number;
  /** Bits that the layer's integer sums need for every possible input, proved from the weights; 0 in float32. */
  readonly accumulatorBits: number;
  /** Whether they fit int32; otherwise the sums are cut into blocks, which is exact too. */
  readonly exactInInt32: boolean;
  /** Weights as float32. Weights that layers share count for the first of them, here and below. */
  readonly bytesBefore: number;
  /** Digits, scales, zero points and outliers. */
  readonly bytesAfter: number;
}

const NOT_EXPANDED = { relativeError: 0, errorBound: 0, outliers: 0, accumulatorBits: 0, exactInInt32: false };

/** The report's rows: layers under a plan in the order of the graph, then those that have none. */
export function reportLayers(layers: readonly QuantizedLayer[], floats: readonly FloatNode[]): LayerReport[] {
  const counted = new Set<string>();
  return [...plannedLayers(layers, counted), ...floats.map((float) => floatLayer(float, counted))];
}

function floatLayer({ node, constant, reason }: FloatNode, counted: Set<string>): LayerReport {
  const fresh = constant !== undefined && !counted.has(constant.name);
  if (constant !== undefined) counted.add(constant.name);
  const bytes = fresh ? elementBytes(constant.tensor.type) * constant.tensor.size : 0;
  return {
    ...{ name: node.name, op: node.op, plan: { bits: 4, weightTerms: 0, activationTerms: 0 }, reason, ...NOT_EXPANDED },
    ...(constant === undefined ? {} : { shape: constant.tensor.dims }),
    ...{ bytesBefore: bytes, bytesAfter: bytes },
  };
}

function plannedLayers(layers: readonly QuantizedLayer[], counted: Set<string>): LayerReport[] {
  return layers.flatMap(({ linear, plan: { reason, ...plan }, expansion }): LayerReport[] => {
    const { node, weights } = linear;
    if (weights === undefined) return [];
    const fresh = !counted.has(weights.name);
    counted.add(weights.name);
    const before = fresh ? 4 * weights.tensor.size : 0;
    const about = {
      name: node.name,
      op: node.op,
      shape: weights.tensor.dims,
      plan,
      ...(reason === undefined ? {} : { reason }),
    };
    if (expansion === undefined) {
      return [{ ...about, ...NOT_EXPANDED, bytesBefore: before, bytesAfter: before }];
    }
    const width = plan.bits * plan.activationTerms;
    const bits = width === 0 ? 0 : accumulatorBits({ weights: expansion, activationWidth: width });
    return [
      {
        ...about,
        relativeError: expansion.relativeError,
        errorBound: expansion.bound(),
        outliers: expansion.sparse?.indices.length ?? 0,
        accumulatorBits: bits,
        exactInInt32: width > 0 && bits <= 32,
        bytesBefore: before,
        bytesAfter: fresh ? seriesBytes(expansion) : 0,
      },
    ];
  });
}

/** Bytes of a series: digits, scales, zero points and outliers. */
export function seriesBytes(series: {
  readonly rows: number;
  readonly columns: number;
  readonly bits: number;
  readonly terms: number;
  readonly zeros?: Int32Array;
  readonly sparse?: { readonly indices: Uint32Array };
}): number {
  const { rows, columns, bits, terms, zeros, sparse } = series;
  return (
    terms * planeBytes(rows, columns, bits) + 4 * rows + (zeros ? 4 * rows : 0) + 6 * (sparse?.indices.length ?? 0)
  );
}
