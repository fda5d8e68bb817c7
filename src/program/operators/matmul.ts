import { PackRightStep } from "../../core/abi/conv.ts";
import { Opcode } from "../../core/abi/opcode.ts";
import { type Argument, step } from "../../core/index.ts";
import { broadcast, sizeOf } from "../../tensor/index.ts";
import { type Exactness, exactnessOf, exactnessOfProduct } from "../kernel.ts";
import type { Lowering, Operand } from "../lowering.ts";
import { emitConv, NO_INTEGERS } from "./conv.ts";
import { activationBits, biasOf, emitRange, matrixGeometry, quantizeActivation } from "./linear.ts";

/** MatMul and bitbasis/MatMul (with bias and activation): [batch…, M, K] by [batch…, K, N]. */
export function lowerMatMul(l: Lowering): void {
  const a = l.input(0);
  const y = l.output();
  const right = l.shapeOf(l.node.inputs[1] ?? "");
  const k = a.shape.at(-1) ?? 1;
  const n = right.length === 1 ? 1 : (right.at(-1) ?? 1);
  const rows = a.shape.length === 1 ? 1 : (a.shape.at(-2) ?? 1);
  if (sizeOf(y.shape) === 0) return;
  if (k === 0) throw l.unsupported("an inner dimension of 0");
  const batchA = a.shape.slice(0, -2);
  const batchB = right.slice(0, -2);
  if (sizeOf(batchB) === 1) {
    lowerProduct(l, { a, y, k, n, rows: rows * sizeOf(batchA), batch: 1, transposed: false });
    return;
  }
  const batch = broadcast(batchA, batchB);
  if (batch === undefined) throw l.unsupported(`shapes [${a.shape}] and [${right}]`);
  if (sizeOf(batchA) !== sizeOf(batch) || sizeOf(batchB) !== sizeOf(batch)) {
    throw l.unsupported(`batch dimensions [${batchA}] against [${batchB}]; expand them first`);
  }
  lowerProduct(l, { a, y, k, n, rows, batch: sizeOf(batch), transposed: false });
}

/** Gemm: A [M, K] by B ([N, K] when transB), C added; alpha and beta are 1 after normalization. */
export function lowerGemm(l: Lowering): void {
  const a = l.input(0);
  const [rows = 1, k = 1] = a.shape;
  const transposed = l.attribute("transB", 0) !== 0;
  const right = l.shapeOf(l.node.inputs[1] ?? "");
  const n = (transposed ? right[0] : right[1]) ?? 1;
  const c = l.optional(2);
  if (l.attribute("transA", 0) !== 0) throw l.unsupported("transA");
  if (l.attribute("alpha", 1) !== 1 || (c !== undefined && l.attribute("beta", 1) !== 1))
    throw l.unsupported("alpha or beta other than 1");
  if (c !== undefined && sizeOf(c.shape) !== n) throw l.unsupported(`C of shape [${c.shape}]`);
  lowerProduct(l, { a, y: l.output(), k, n, rows, batch: 1, transposed });
}

interface Product {
  readonly a: Operand;
  readonly y: Operand;
  readonly batch: number;
  readonly rows: number;
  readonly k: number;
  readonly n: number;
  /** The right operand is [N, K]. */
  readonly transposed: boolean;
}

function lowerProduct(l: Lowering, p: Product): void {
  const name = l.node.inputs[1] ?? "";
  const series = l.planned.weights.get(name);
  const bits = activationBits(l.planned.layers.get(l.node.name));
  const g = matrixGeometry(p.batch, p.rows, p.k, p.n);
  const bias = biasOf(l, l.optional(2));
  const output = p.y.at;
  const constant = series !== undefined || l.graph.constants.has(name);
  if (bits === 0 || (constant && series === undefined)) {
    const { weights, stride } = floatRight(l, p);
    emitConv(l, Opcode.ConvF32, g, {
      ...{ input: p.a.at, output, bias, weights, weightsBatchStride: stride, ...NO_INTEGERS },
      ...{ pixelStride: 4 * p.k, groupStride: 4 * p.k, batchStride: 4 * p.k * p.rows },
    });
    return;
  }
  const layout = { samples: p.batch * p.rows, rowsPerSample: 1, channels: p.k, groups: 1, kind: "matrix" } as const;
  const q = quantizeActivation(l, p.a, layout, bits);
  const integer = (right: { weights: Argument; columnSums: Argument; scales: Argument }, exactness: Exactness): void =>
    emitConv(l, Opcode.ConvI16, g, {
      ...{ input: q.at, output, bias, parameters: q.parameters, mask: 0, rowsPerParameter: 1 },
      ...{ pixelStride: q.pixelStride, groupStride: q.groupStride, batchStride: p.rows * q.pixelStride },
      ...right,
      exactInInt32: exactness.exactInInt32 ? 1 : 0,
      pairsPerBlock: exactness.pairsPerBlock,
    });
  // q − z of the right operand has one bit more than q, and must fit int16.
  const rightBits = Math.min(bits, 15);
  if (series === undefined) integer(packRight(l, p, rightBits), exactnessOfProduct(p.k, bits));
  else integer(l.panels.place(series, { kind: "gemm", groups: 1, taps: 1, channels: p.k }), exactnessOf(series, bits));
}

function packRight(
  l: Lowering,
  p: Product,
  bits: number,
): {
  weights: Argument;
  columnSums: Argument;
  scales: Argument;
  weightsBatchStride: number;
  scalesBatchStride: number;
} {
  const b = l.input(1);
  const padded = 8 * Math.ceil(p.n / 8);
  const weightsBatchStride = padded * Math.ceil(p.k / 2) * 4;
  return l.once(`pack:${b.name}:${bits}:${p.transposed}`, () => {
    const partials = l.allocate(l.threads * p.batch * 16);
    const weights = l.allocate(p.batch * weightsBatchStride);
    const columnSums = l.allocate(p.batch * padded * 4);
    const scales = l.allocate(p.batch * padded * 4);
    emitRange(l, b, { partials, samples: p.batch, rowsPerSample: p.k, channels: p.n, groups: 1, bits });
    l.emit(
      step(Opcode.PackRight, PackRightStep, {
        ...{ input: b.at, output: weights, scales, columnSums, partials, batch: p.batch, bits },
        ...{ rows: p.k, columns: p.n, transposed: p.transposed ? 1 : 0 },
      }),
      { kernel: "pack_f32_i16_x8", bytes: 4 * p.batch * p.k * p.n },
    );
    return { weights, columnSums, scales, weightsBatchStride, scalesBatchStride: padded };
  });
}

/** f32 panels of the right operand: placed once for a constant, packed by a step otherwise. */
function floatRight(l: Lowering, p: Product): { weights: Argument; stride: number } {
  const padded = 8 * Math.ceil(p.n / 8);
  const stride = p.batch === 1 ? 0 : padded * p.k * 4;
  const name = l.node.inputs[1] ?? "";
  const floats = l.floats(name);
  if (floats !== undefined) {
    const { exports } = l.constants.core;
    const packed = l.constants.derive(
      `matrix:${name}:${p.transposed}`,
      floats,
      p.batch * padded * p.k * 4,
      (from, to) => {
        for (let b = 0; b < p.batch; b++, from += 4 * p.k * p.n, to += padded * p.k * 4) {
          if (p.transposed) exports.packWeights(from, 1, p.n, 1, p.k, to);
          else exports.packMatrix(from, p.k, p.n, to);
        }
      },
    );
    return { weights: packed, stride };
  }
  const b = l.input(1);
  const weights = l.once(`packF32:${b.name}:${p.transposed}`, () => {
    const at = l.allocate(p.batch * padded * p.k * 4);
    l.emit(
      step(Opcode.PackF32, PackRightStep, {
        ...{ input: b.at, output: at, scales: 0, columnSums: 0, partials: 0, batch: p.batch, bits: 0 },
        ...{ rows: p.k, columns: p.n, transposed: p.transposed ? 1 : 0 },
      }),
      { kernel: "pack_f32_x8", bytes: 8 * p.batch * p.k * p.n },
    );
    return at;
  });
  return { weights, stride };
}
