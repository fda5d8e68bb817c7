import { KeptRecord, KeptStep, PackRightStep } from "../../core/abi/conv.ts";
import { BinaryFunction, UnaryFunction } from "../../core/abi/elementwise.ts";
import { Opcode } from "../../core/abi/opcode.ts";
import { type Argument, f32Bits, packFloats, step } from "../../core/index.ts";
import { broadcast, elementBytes, type Shape, sizeOf } from "../../tensor/index.ts";
import { matricesOf } from "../kept.ts";
import { exactnessOfProduct, exactWords } from "../kernel.ts";
import type { Lowering, Operand } from "../lowering.ts";
import { emitRange, quantizeActivation } from "./activation.ts";
import { emitBinary } from "./binary.ts";
import { emitConv, NO_INTEGERS, packF32 } from "./conv.ts";
import { activationBits, biasOf, integerOperands, matrixGeometry, roundedActivation } from "./linear.ts";
import { emitTranspose } from "./movement.ts";
import { lowerPlainGemm, lowerPlainMatMul } from "./product.ts";
import { broadcastStrides, byteStrides, constant, emitCopy, emitUnary, type Source, temporary } from "./support.ts";

/** MatMul and bitbasis/MatMul (with bias and activation): [batch…, M, K] by [batch…, K, N], as NumPy multiplies them. Other types than float32: product.ts. */
export function lowerMatMul(l: Lowering): void {
  const y = l.output();
  if (y.type !== "float32") {
    lowerPlainMatMul(l);
    return;
  }
  const a = l.input(0);
  const name = l.node.inputs[1] ?? "";
  const transposed = l.attribute("transB", 0) !== 0;
  const given = l.shapeOf(name);
  const right = transposed ? [given[1]!, given[0]!] : given;
  const k = a.shape.at(-1) ?? 1;
  const n = right.length === 1 ? 1 : (right.at(-1) ?? 1);
  const rows = a.shape.length === 1 ? 1 : (a.shape.at(-2) ?? 1);
  const batchA = a.shape.slice(0, -2);
  const batchB = right.slice(0, -2);
  const shared = { y, k, n, name, transposed, bias: biasOf(l, l.optional(2)) };
  if (sizeOf(batchB) === 1) {
    emitProduct(l, { ...shared, a, rows: rows * sizeOf(batchA), batch: 1 });
    return;
  }
  const batch = broadcast(batchA, batchB)!;
  const whole = sizeOf(batchB) === sizeOf(batch);
  const repeated = whole ? {} : { b: expanded(l, l.input(1), [...batch, k, n]) };
  emitProduct(l, { ...shared, a: expanded(l, a, [...batch, rows, k]), rows, batch: sizeOf(batch), ...repeated });
}

/** The value repeated to the given shape; itself when it has that many elements. */
export function expanded(l: Lowering, value: Operand, shape: Shape): Operand {
  if (sizeOf(value.shape) === sizeOf(shape)) return value;
  const { at } = temporary(l, value.type, shape);
  const wide: Operand = { name: `${value.name}/${l.node.name}`, type: value.type, shape, at };
  const bytes = elementBytes(value.type);
  emitCopy(l, value.at, at, bytes, shape, broadcastStrides(value, shape), byteStrides(wide));
  return wide;
}

/** Gemm: alpha·A·B + beta·C, A [M, K] ([K, M] when transA), B [K, N] ([N, K] when transB), C broadcast to [M, N]. */
export function lowerGemm(l: Lowering): void {
  const [x, y] = [l.input(0), l.output()];
  if (y.type !== "float32") {
    lowerPlainGemm(l);
    return;
  }
  const [rows = 1, n = 1] = y.shape;
  const transA = l.attribute("transA", 0) !== 0;
  const k = x.shape[transA ? 0 : 1] ?? 1;
  const [alpha, beta] = [l.attribute("alpha", 1), l.attribute("beta", 1)];
  const c = l.optional(2);
  const fused = c !== undefined && alpha === 1 && beta === 1 && sizeOf(c.shape) === n && (c.shape.at(-1) ?? 1) === n;
  const name = l.node.inputs[1] ?? "";
  const transposed = l.attribute("transB", 0) !== 0;
  const bias = fused ? biasOf(l, c) : 0;
  const a = transA ? transposedMatrix(l, x) : x;
  emitProduct(l, { a, y, k, n, rows, batch: 1, name, transposed, bias });
  if (alpha !== 1) emitBinary(l, BinaryFunction.Mul, y, constant(l, "float32", alpha), y);
  if (c === undefined || fused) return;
  let addend: Source = c;
  if (beta !== 1) {
    addend = temporary(l, "float32", c.shape);
    emitBinary(l, BinaryFunction.Mul, c, constant(l, "float32", beta), addend);
  }
  emitBinary(l, BinaryFunction.Add, y, addend, y);
}

function transposedMatrix(l: Lowering, x: Operand): Operand {
  const shape = [x.shape[1]!, x.shape[0]!];
  const { at } = temporary(l, "float32", shape);
  emitTranspose(l, x, { at, type: "float32", shape }, [1, 0]);
  return { name: `${x.name}/${l.node.name}`, type: "float32", shape, at };
}

/** The product without elements to add up is 0 plus the bias. */
function emitProduct(l: Lowering, p: Product): void {
  if (sizeOf(p.y.shape) === 0) return;
  if (p.k > 0) {
    lowerProduct(l, p);
    return;
  }
  const zero = constant(l, "float32", 0);
  const bias = p.bias === 0 ? zero : { at: p.bias as Operand["at"], type: "float32" as const, shape: [p.n] };
  emitBinary(l, BinaryFunction.Add, zero, bias, p.y);
  const activation = l.text("activation", "");
  const bounds = [l.attribute("min", Number.NEGATIVE_INFINITY), l.attribute("max", Number.POSITIVE_INFINITY)];
  const count = sizeOf(p.y.shape);
  if (activation === "Clip") emitUnary(l, UnaryFunction.Clip, p.y.at, p.y.at, count, ...bounds);
  else if (activation === "HardSwish") emitUnary(l, UnaryFunction.HardSwish, p.y.at, p.y.at, count);
}

/** [rows, k] by [k, n], `batch` times. */
export interface Product {
  readonly a: Operand;
  readonly y: Operand;
  readonly batch: number;
  readonly rows: number;
  readonly k: number;
  readonly n: number;
  /** The right operand is [N, K]. */
  readonly transposed: boolean;
  /** The right operand, which may be a series. */
  readonly name: string;
  /** Instead of it: the right operand repeated for the batch. */
  readonly b?: Operand;
  readonly bias: Argument;
  /** In float32 whatever the plan says. */
  readonly float?: boolean;
  /** Another step runs it, which has room for one product: no pairs of terms are left out, and activations alone are not rounded. */
  readonly inner?: boolean;
}

export function lowerProduct(l: Lowering, p: Product): void {
  const series = l.planned.weights.get(p.name);
  const plan = l.planned.layers.get(l.node.name);
  const g = matrixGeometry(p.batch, p.rows, p.k, p.n);
  const { bias } = p;
  const output = p.y.at;
  const layout = { samples: p.batch * p.rows, rowsPerSample: 1, channels: p.k, groups: 1, masked: false };
  const rounds = plan !== undefined && plan.activationTerms > 0 && p.float !== true;
  const isConstant = series !== undefined || l.graph.constants.has(p.name);
  if (!rounds || (series === undefined && (isConstant || plan.weightTerms === 0))) {
    const right = keptRight(l, p, 0) ?? floatRight(l, p);
    const { at: input } = rounds && isConstant && !p.inner ? roundedActivation(l, p.a, plan, layout) : p.a;
    emitConv(l, Opcode.ConvF32, g, { input, output, bias, ...NO_INTEGERS, ...right });
    return;
  }
  if (series !== undefined) {
    const { kernel, q, channels, ...right } = integerOperands(
      l,
      p.a,
      series,
      plan,
      layout,
      false,
      g,
      undefined,
      p.inner,
    );
    emitConv(
      l,
      kernel,
      { ...g, channels },
      { ...{ input: q.at, output, bias, parameters: q.parameters, mask: 0, rowsPerParameter: 1 }, ...right },
    );
    return;
  }
  const bits = activationBits(plan);
  const q = quantizeActivation(l, p.a, Opcode.ConvI16, layout, bits);
  // q − z of the right operand has one bit more than q, and must fit int16.
  const least = Math.min(bits, 15);
  emitConv(l, Opcode.ConvI16, g, {
    ...{ input: q.at, output, bias, parameters: q.parameters, mask: 0, rowsPerParameter: 1 },
    ...(keptRight(l, p, least) ?? packRight(l, p, least)),
    ...exactWords(Opcode.ConvI16, exactnessOfProduct(p.k, bits), bits),
    turns: 0,
  });
}

interface RightOperand {
  readonly weights: Argument;
  readonly columnSums: Argument;
  readonly scales: Argument;
  readonly weightsBatchStride?: number;
  readonly scalesBatchStride?: number;
  readonly panelStride?: number;
}

/** Panels that are kept with the rows of a state, to which a run adds its own; undefined: the right operand is none of these. 0 bits: float32. */
function keptRight(l: Lowering, p: Product, bits: number): Required<RightOperand> | undefined {
  const view = p.b === undefined && !p.transposed ? l.views.get(p.name) : undefined;
  const matrices = view && matricesOf(view);
  if (view === undefined || matrices?.batch !== p.batch || view.type !== "float32") return undefined;
  const { batch, apart, down, right, growsDown } = matrices;
  const { exports } = l.constants.core;
  const kernel = bits === 0 ? Opcode.ConvF32 : Opcode.ConvI16;
  const [rows, columns] = growsDown ? [view.capacity, p.n] : [p.k, view.capacity];
  const weightsBatchStride = exports.panelBytes(kernel, 1, columns, 1, rows);
  const panelStride = exports.panelBytes(kernel, 1, 1, 1, rows);
  const padded = exports.paddedRows(kernel, columns);
  const key = `${view.key}/${view.strides}/${bits}/${view.factor}`;
  return l.once(`keep:${key}`, () => {
    const weights = l.keep(`${key}/panels`, batch * weightsBatchStride);
    const [columnSums, scales] =
      bits === 0 ? [0, 0] : [l.keep(`${key}/sums`, 4 * batch * padded), l.keep(`${key}/scales`, 4 * batch * padded)];
    l.emit(
      step(Opcode.PackKept, KeptStep, {
        ...{ input: view.at, output: weights, scales, columnSums, batch, rows: p.k, columns: p.n, bits },
        record: l.keep(`${key}/record`, batch * KeptRecord.bytes, true),
        ...{ batchStride: apart, downStride: down, rightStride: right, growsDown: growsDown ? 1 : 0 },
        ...{ outBatchStride: weightsBatchStride, panelStride, scalesBatchStride: padded },
        ...{ before: view.before, factor: f32Bits(view.factor) },
      }),
      { kernel: bits === 0 ? "pack_kept_f32_x8" : "pack_kept_f32_i16_x8", bytes: 4 * batch * p.k * p.n },
    );
    return { weights, columnSums, scales, weightsBatchStride, scalesBatchStride: padded, panelStride };
  });
}

function packRight(l: Lowering, p: Product, bits: number): RightOperand {
  const b = p.b ?? l.operand(p.name);
  const { exports } = l.constants.core;
  const padded = exports.paddedRows(Opcode.ConvI16, p.n);
  const weightsBatchStride = exports.panelBytes(Opcode.ConvI16, 1, p.n, 1, p.k);
  return l.once(`pack:${b.name}:${bits}:${p.transposed}`, () => {
    const partials = l.allocate(l.threads * p.batch * 16);
    const weights = l.allocate(p.batch * weightsBatchStride);
    const columnSums = l.allocate(p.batch * padded * 4);
    const scales = l.allocate(p.batch * padded * 4);
    emitRange(l, b, { partials, samples: p.batch, rowsPerSample: p.k, channels: p.n, groups: 1, bits });
    l.emit(
      step(Opcode.PackRight, PackRightStep, {
        ...{ input: b.at, output: weights, scales, columnSums, partials, batch: p.batch, bits },
        ...{ rows: p.k, columns: p.n, transposed: p.transposed ? 1 : 0, slots: l.threads },
      }),
      { kernel: "pack_f32_i16_x8", bytes: 4 * p.batch * p.k * p.n },
    );
    return { weights, columnSums, scales, weightsBatchStride, scalesBatchStride: padded };
  });
}

/** f32 panels of the right operand: placed once for a constant, packed by a step otherwise. */
function floatRight(l: Lowering, p: Product): Pick<RightOperand, "weights" | "weightsBatchStride"> {
  const { core } = l.constants;
  const bytes = core.exports.panelBytes(Opcode.ConvF32, 1, p.n, 1, p.k);
  const matrices = { batch: p.batch, rows: p.k, columns: p.n, transposed: p.transposed };
  const weightsBatchStride = p.batch === 1 ? 0 : bytes;
  const floats = p.b === undefined ? l.floats(p.name) : undefined;
  if (floats !== undefined) {
    const weights = l.constants.place(p.name, floats, {
      key: `matrix:${p.transposed}`,
      bytes: p.batch * bytes,
      pack: (...given) => packFloats(core, matrices, ...given),
    });
    return { weights, weightsBatchStride };
  }
  const b = p.b ?? l.operand(p.name);
  const weights = packF32(l, b, matrices);
  return { weights, weightsBatchStride };
}
