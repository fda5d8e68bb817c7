import {
  accumulatorBits,
  activationWidth,
  type LayerPlan,
  type PlanCheck,
  planeBytes,
  termBits,
  widthOf,
} from "../series/index.ts";
import { elementBytes, type Shape } from "../tensor/index.ts";
import type { FloatNode } from "./linear.ts";
import type { QuantizedLayer, QuantizedTable } from "./quantize-graph.ts";

/** What quantization did, and what is proved about it. */
export interface QuantizationReport {
  /** The ONNX file, with its external data. */
  readonly bytesBefore: number;
  /** The container. */
  readonly bytesAfter: number;
  /** In the order in which they run. */
  readonly layers: readonly LayerReport[];
  /** What the plan was measured to do on procedural inputs. */
  readonly check?: PlanCheck;
  /** Why it was not measured, where that was asked for: the plan is that of structure and weights. */
  readonly unchecked?: string;
  /** What weights were fitted to, or why they were not, where that was asked for. */
  readonly synth?: string;
}

/** One linear layer with weights, or whose weights the quantizer does not find: the reason then tells why it stays in float32. */
export interface LayerReport {
  /** Of the node. */
  readonly name: string;
  /** Operator of the node, such as `Conv`. */
  readonly op: string;
  /** Of the weights; absent where they are computed while the model runs. */
  readonly shape?: Shape;
  /** What was done to the layer. */
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
  /** Weights as float32. Weights that layers share count for the first of them, here and below, and those of more than 16 bits for the layer of their first terms. */
  readonly bytesBefore: number;
  /** Digits, scales, zero points and outliers. */
  readonly bytesAfter: number;
}

const NOT_EXPANDED = { relativeError: 0, errorBound: 0, outliers: 0, accumulatorBits: 0, exactInInt32: false };

/** The report's rows: layers under a plan in the order of the graph, then those that have none. */
export function reportLayers(
  layers: readonly QuantizedLayer[],
  tables: readonly QuantizedTable[],
  floats: readonly FloatNode[],
): LayerReport[] {
  const counted = new Set<string>();
  return [
    ...plannedLayers(layers, counted),
    ...tables.map(tableLayer),
    ...floats.map((float) => floatLayer(float, counted)),
  ];
}

/** A table has weights only: its rows are dequantized when they are looked up. */
function tableLayer({ table: { node, tensor }, expansion }: QuantizedTable): LayerReport {
  const { bits, terms: weightTerms } = expansion;
  return {
    ...{ name: node.name, op: node.op, shape: tensor.dims },
    plan: { bits, weightTerms, activationTerms: 0, weightBits: widthOf(expansion), zeroPoint: true },
    reason: "a table that rows are looked up in",
    ...{ ...NOT_EXPANDED, relativeError: expansion.relativeError, errorBound: expansion.bound() },
    ...{ bytesBefore: 4 * tensor.size, bytesAfter: seriesBytes(expansion) },
  };
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
  return layers.flatMap(({ linear, plan: { reason, ...plan }, expansion, continues }): LayerReport[] => {
    const { node, weights } = linear;
    if (weights === undefined) return [];
    const fresh = !counted.has(weights.name);
    counted.add(weights.name);
    const before = fresh && continues !== true ? 4 * weights.tensor.size : 0;
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
    const width = activationWidth(plan);
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
  readonly lastBits?: number;
  readonly zeros?: Int32Array;
  readonly sparse?: { readonly indices: Uint32Array };
}): number {
  const { rows, columns, terms, zeros, sparse } = series;
  const planes = Array.from({ length: terms }, (_, i) => planeBytes(rows, columns, termBits(series, i)));
  return (
    planes.reduce((sum, bytes) => sum + bytes, 0) +
    4 * rows +
    (zeros ? zeroBytes(zeros) : 0) +
    6 * (sparse?.indices.length ?? 0)
  );
}

/** As the container stores them. */
function zeroBytes(zeros: Int32Array): number {
  const most = zeros.reduce((all, zero) => Math.max(all, zero < 0 ? -zero : zero + 1), 0);
  return zeros.length * (most <= 2 ** 7 ? 1 : most <= 2 ** 15 ? 2 : 4);
}
