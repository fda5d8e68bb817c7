import { BytesStep, PackBytesStep, PackWeightsStep } from "../../core/abi/bytes.ts";
import { Activation } from "../../core/abi/conv.ts";
import { BinaryFunction } from "../../core/abi/elementwise.ts";
import { Opcode } from "../../core/abi/opcode.ts";
import { type Argument, bytesOf, type Kernel, layerOf, step } from "../../core/index.ts";
import { INTERNAL } from "../../graph/internal.ts";
import { Integer } from "../../graph/operators/integer.ts";
import type { WeightSeries } from "../../series/index.ts";
import { broadcast, sizeOf, type Tensor } from "../../tensor/index.ts";
import type { Lower, Lowering, Operand } from "../lowering.ts";
import { emitBinary } from "./binary.ts";
import { convGeometry, emitConv } from "./conv.ts";
import { type Geometry, layerShape, matrixGeometry, taps } from "./linear.ts";
import { expanded } from "./matmul.ts";
import { around, axisOf, constant } from "./support.ts";

/** QuantizeLinear and DequantizeLinear of bytes. */
function lowerScaled(opcode: Opcode.QuantizeBytes | Opcode.DequantizeBytes): Lower {
  return (l) => {
    const [x, scale, zero, y] = [l.input(0), l.input(1), l.optional(2), l.output()];
    const count = sizeOf(x.shape);
    if (count === 0) return;
    const bytes = opcode === Opcode.QuantizeBytes ? y : x;
    const one = sizeOf(scale.shape) === 1;
    const axis = one ? 0 : axisOf(l, l.attribute("axis", 1), x.shape.length);
    const { outer, extent, inner } = one ? { outer: 1, extent: 1, inner: count } : around(x.shape, axis);
    l.emit(
      step(opcode, BytesStep, {
        ...{ input: x.at, output: y.at, scales: scale.at, zeros: zero?.at ?? 0 },
        ...{ signed: bytes.type === "int8" ? 1 : 0, outer, channels: extent, inner },
      }),
      { kernel: opcode === Opcode.QuantizeBytes ? "quantize_f32_i8" : "dequantize_i8_f32", bytes: 5 * count },
    );
  };
}

/** A product of bytes as the kernels take it. */
interface Product {
  readonly x: Operand;
  readonly g: Geometry;
  /** Pixels of X. */
  readonly rows: number;
  readonly depthwise: boolean;
  /** Computed weights in place of input 1. */
  readonly w?: Operand;
  /** How computed weights lie, in elements. */
  readonly strides: Strides;
}

interface Strides {
  readonly batch: number;
  readonly groupStride: number;
  readonly rowStride: number;
  readonly tapStride: number;
  readonly channelStride: number;
}

/** The right operand in panels. */
interface Right {
  readonly kernel: Kernel;
  readonly weights: Argument;
  readonly columnSums: Argument;
  readonly scales: Argument;
  readonly weightsBatchStride?: number;
  readonly scalesBatchStride?: number;
}

function emitProduct(l: Lowering, p: Product): void {
  const y = l.output();
  if (sizeOf(y.shape) === 0) return;
  if (p.g.channels * taps(p.g) === 0) {
    const zero = constant(l, "int32", 0);
    emitBinary(l, BinaryFunction.Add, zero, zero, y);
    return;
  }
  const scale = l.optional(Integer.scale);
  const perColumn = scale !== undefined && sizeOf(scale.shape) > 1;
  const right = constantWeights(l, p) ?? computedWeights(l, p);
  const { at: input, parameters } = pack(l, p, right.kernel, perColumn ? undefined : scale);
  const bias = l.optional(Integer.bias);
  emitConv(l, right.kernel, p.g, {
    ...{ input, output: y.at, parameters, mask: 0, bias: bias?.type === "float32" ? bias.at : 0, ...right },
    ...(perColumn ? { scales: scale.at } : {}),
    rowsPerParameter: sizeOf(y.shape) / (p.g.groups * p.g.outChannels),
    // Sums may wrap: an integer product is one modulo 2^32.
    ...{ exactInInt32: 1, pairsPerBlock: 1, turns: 0 },
    ...(y.type === "int32" ? { activation: Activation.Sum } : {}),
  });
}

/** X less its zero points, plus 1. */
function pack(
  l: Lowering,
  { x, g, rows }: Product,
  kernel: Kernel,
  scale: Operand | undefined,
): { at: Argument; parameters: Argument } {
  const { exports } = l.constants.core;
  const zeros = l.optional(Integer.zero);
  const pixelStride = exports.pixelStride(kernel, g.groups, g.channels);
  const depthwise = kernel === Opcode.DepthwiseI16;
  const [groups, channels] = depthwise ? [1, g.groups] : [g.groups, g.channels];
  const key = [x.name, zeros?.name, scale?.name, pixelStride, groups, rows].join(":");
  return l.once(`packBytes:${key}`, () => {
    const at = l.allocate(rows * pixelStride);
    const parameters = l.allocate(16);
    l.emit(
      step(Opcode.PackBytes, PackBytesStep, {
        ...{ input: x.at, output: at, zeros: zeros?.at ?? 0, points: zeros === undefined ? 0 : sizeOf(zeros.shape) },
        ...{ signed: x.type === "int8" ? 1 : 0, scale: scale?.at ?? 0, parameters, rows, groups, channels },
        ...{ pixelStride, groupStride: depthwise ? pixelStride : exports.groupStride(kernel, g.channels) },
      }),
      { kernel: "pack_i8_i16", bytes: 3 * rows * groups * channels },
    );
    return { at, parameters };
  });
}

/** Panels of weights that are initializers, made once; undefined for those that are computed. */
function constantWeights(l: Lowering, { g, depthwise, strides }: Product): Right | undefined {
  const { initializers } = l.planned.graph;
  const [name = "", , zerosName = "", , biasName = ""] = l.node.inputs.slice(1);
  const [weights, zeros] = [initializers.get(name), initializers.get(zerosName)];
  // Rows of a series lie one after the other.
  const isRows = strides.channelStride === 1 && strides.batch === 1;
  if (weights === undefined || (zerosName !== "" && zeros === undefined) || !isRows) return undefined;
  const rows = g.groups * g.outChannels;
  const bias = biasName === "" ? undefined : initializers.get(biasName);
  const added = bias?.type === "int32" ? (bias.data as Int32Array) : undefined;
  // The scalar depthwise kernel adds in float64, which does not wrap.
  const wraps = taps(g) > 2 ** 14 || added?.some((value) => Math.abs(value) > 2 ** 30) === true;
  const series = seriesOf(`${INTERNAL}bytes:${name}:${zerosName}`, weights, zeros, rows);
  const work = { depthwise: depthwise && !wraps, activationBits: 9, exactInInt32: true };
  const right = l.panels.place(series, { ...work, largestSum: Number.POSITIVE_INFINITY }, layerShape(g));
  if (added === undefined) return right;
  const { core } = l.constants;
  const columnSums = l.constants.place(`${INTERNAL}sums:${name}:${zerosName}:${biasName}`, () =>
    core.i32(right.columnSums, rows).map((sum, i) => sum - added[i]!),
  );
  return { ...right, columnSums };
}

/** Bytes are a series of one term of eight bits. */
function seriesOf(name: string, weights: Tensor, zeros: Tensor | undefined, rows: number): WeightSeries {
  const plane = bytesOf(weights.data as ArrayBufferView);
  const columns = plane.length / rows;
  const points = zeros?.data as Int8Array | Uint8Array | undefined;
  return {
    ...{ name, shape: weights.dims, axis: 0, rows, columns, bits: 8, terms: 1 },
    digits: weights.type === "int8" ? "signed" : "unsigned",
    scales: new Float32Array(rows).fill(1),
    ...(points?.some((point) => point !== 0)
      ? { zeros: Int32Array.from({ length: rows }, (_, i) => points[points.length === 1 ? 0 : i]!) }
      : {}),
    planes: [plane],
    ...{ largestL1: 255 * columns, largestSum: 255 * columns },
  };
}

/** Panels of weights that are computed, made by a step. */
function computedWeights(l: Lowering, { g, w = l.input(1), strides }: Product): Right {
  const kernel = Opcode.ConvI16;
  const { exports } = l.constants.core;
  const zeros = l.optional(Integer.weightsZero);
  const { batch, ...apart } = strides;
  const groups = batch * g.groups;
  const padded = exports.paddedRows(kernel, g.outChannels);
  // Column sums of groups lie side by side, those of matrices begin anew.
  const entryStride = batch > 1 ? padded : g.outChannels;
  const entries = entryStride * (groups - 1) + padded;
  const bytes = exports.panelBytes(...layerOf({ kernel, ...layerShape(g) }));
  const key = [w.name, zeros?.name, g.groups, g.channels, batch, strides.rowStride].join(":");
  return l.once(`packWeights:${key}`, () => {
    const weights = l.allocate(batch * bytes);
    const [columnSums, scales] = [l.allocate(4 * entries), l.allocate(4 * entries)];
    l.emit(
      step(Opcode.PackWeights, PackWeightsStep, {
        ...{ input: w.at, output: weights, columnSums, scales },
        ...{ zeros: zeros?.at ?? 0, points: zeros === undefined ? 0 : sizeOf(zeros.shape) },
        ...{ signed: w.type === "int8" ? 1 : 0, groups, rows: g.outChannels, taps: taps(g), channels: g.channels },
        ...{ ...apart, entryStride },
      }),
      { kernel: "pack_i8_i16_x8", bytes: 3 * sizeOf(w.shape) },
    );
    const strided = batch > 1 ? { weightsBatchStride: bytes, scalesBatchStride: padded } : {};
    return { kernel, weights, columnSums, scales, ...strided };
  });
}

/** bitbasis/ConvInteger: [N, spatial…, C] by [O, kernel…, I/g]. */
function lowerConv(l: Lowering): void {
  const x = l.input(0);
  const g = convGeometry(l, x, l.shapeOf(l.node.inputs[1]!), l.output());
  const rowStride = taps(g) * g.channels;
  emitProduct(l, {
    ...{ x, g, rows: g.batch * g.inDepth * g.inHeight * g.inWidth },
    depthwise: g.channels === 1 && g.outChannels === 1 && g.groups > 1,
    strides: {
      ...{ batch: 1, groupStride: g.outChannels * rowStride, rowStride, tapStride: g.channels, channelStride: 1 },
    },
  });
}

/** bitbasis/MatMulInteger: [batch…, M, K] by [batch…, K, N], or by [N, K] where transB is 1. */
function lowerMatMul(l: Lowering): void {
  const a = l.input(0);
  const given = l.shapeOf(l.node.inputs[1]!);
  const turned = l.attribute("transB", 0) === 1;
  const k = a.shape.at(-1) ?? 1;
  const n = turned ? given[0]! : given.length === 1 ? 1 : given.at(-1)!;
  const rows = a.shape.length === 1 ? 1 : a.shape.at(-2)!;
  const [batchA, batchB] = [a.shape.slice(0, -2), turned ? [] : given.slice(0, -2)];
  const strides = turned ? { rowStride: k, channelStride: 1 } : { rowStride: 1, channelStride: n };
  const shared = { depthwise: false, strides: { batch: 1, groupStride: k * n, tapStride: 0, ...strides } };
  if (sizeOf(batchB) === 1) {
    const all = rows * sizeOf(batchA);
    emitProduct(l, { ...shared, x: a, rows: all, g: matrixGeometry(1, all, k, n) });
    return;
  }
  const batch = broadcast(batchA, batchB)!;
  const points = sizeOf(l.optional(Integer.zero)?.shape ?? []);
  if (sizeOf(batchA) !== sizeOf(batch) && points !== 1 && points !== rows)
    throw l.unsupported("zero points of matrices that are repeated");
  emitProduct(l, {
    x: expanded(l, a, [...batch, rows, k]),
    w: expanded(l, l.input(1), [...batch, k, n]),
    rows: sizeOf(batch) * rows,
    g: matrixGeometry(sizeOf(batch), rows, k, n),
    ...shared,
    strides: { ...shared.strides, batch: sizeOf(batch) },
  });
}

/** What networks that come quantized are made of. */
export const INTEGER = {
  "/QuantizeLinear": lowerScaled(Opcode.QuantizeBytes),
  "/DequantizeLinear": lowerScaled(Opcode.DequantizeBytes),
  "bitbasis/ConvInteger": lowerConv,
  "bitbasis/MatMulInteger": lowerMatMul,
} as const satisfies Readonly<Record<string, Lower>>;
