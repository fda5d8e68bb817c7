// Panels of 8 columns from matrices and weights; columns that are missing hold 0.
// PackRight: f32 [batch, K, N], or [batch, N, K] when transposed → i16 [ceil(N/8)][ceil(K/2)][8][2] of q − z, which is clamp(nearestEven(x·r) + z) − z;
// f32 and i32 operations as in quantize.ts. n ≤ 15, so that q − z fits. Column sums are exact in i32 for K < 2^16.
// PackF32: the same into f32 [ceil(N/8)][K][8], as the float kernels read weights (layout.ts). Threads share the panels of all matrices.
import { PackRightStep } from "../../src/core/abi/conv";
import { address, argument, share } from "../step";
import { loadUpTo } from "./lanes";
import { highOf, inverseOf, isFinite32, lowOf, nonFiniteOf, quantized, quantized__simd, scaleOf, zeroOf } from "./quantize";

const NAN: u32 = 0x7fc00000;

export function packRight(step: usize, thread: i32, threads: i32): void {
  const batch = argument(step, PackRightStep.batch);
  const rows = argument(step, PackRightStep.rows);
  const columns = argument(step, PackRightStep.columns);
  const transposed = argument(step, PackRightStep.transposed);
  const bits = argument(step, PackRightStep.bits);
  const partials = address(step, PackRightStep.partials);
  const slots = argument(step, PackRightStep.slots);
  const panels = (columns + 7) >> 3;
  const panelBytes = <usize>((rows + 1) >> 1) << 5;
  const downStride: usize = transposed ? 4 : <usize>columns << 2;
  const rightStride: usize = transposed ? <usize>rows << 2 : 4;
  const end = share(batch * panels, thread + 1, threads);
  for (let unit = share(batch * panels, thread, threads); unit < end; unit++) {
    const matrix = unit / panels;
    const column = (unit - matrix * panels) << 3;
    const low = lowOf(partials, matrix, batch, slots);
    const scale = scaleOf(low, highOf(partials, matrix, batch, slots), bits);
    const inverse = inverseOf(scale);
    const zero = zeroOf(low, inverse, bits);
    const panel = address(step, PackRightStep.output) + <usize>unit * panelBytes;
    if (ASC_FEATURE_SIMD) {
      if (scale != 0 && nonFiniteOf(partials, matrix, batch, slots) == 0) {
        const from = address(step, PackRightStep.input) + ((<usize>matrix * <usize>rows * <usize>columns) << 2) + <usize>column * rightStride;
        const scales = address(step, PackRightStep.scales) + (<usize>unit << 5);
        const sums = address(step, PackRightStep.columnSums) + (<usize>unit << 5);
        v128.store(scales, f32x4.splat(scale));
        v128.store(scales, f32x4.splat(scale), 16);
        if (transposed) along__simd(from, rightStride, rows, min(8, columns - column), panel, inverse, zero, bits, sums);
        else across__simd(from, downStride, rows, min(8, columns - column), panel, inverse, zero, bits, sums);
        continue;
      }
    }
    memory.fill(panel, 0, panelBytes);
    for (let c = 0; c < 8; c++) {
      const entry = <usize>((unit << 3) + c) << 2;
      store<i32>(address(step, PackRightStep.columnSums) + entry, 0);
      store<f32>(address(step, PackRightStep.scales) + entry, scale);
      if (column + c >= columns) continue;
      const from = address(step, PackRightStep.input) + ((<usize>matrix * <usize>rows * <usize>columns) << 2) + <usize>(column + c) * rightStride;
      const odd = packColumn(from, downStride, rows, panel + (<usize>c << 2), 1, inverse, zero, bits, address(step, PackRightStep.columnSums) + entry);
      if (odd) store<u32>(address(step, PackRightStep.scales) + entry, NAN);
    }
  }
}

/** q − z of the first `live` of 8 values, 0 for the others, which are not read. */
@inline function lessZero__simd(from: usize, live: i32, inverse: f32, zero: i32, bits: i32): v128 {
  const a = loadUpTo<v128>(from, live);
  const b = live > 4 ? loadUpTo<v128>(from + 16, live - 4) : a;
  const q = i16x8.sub(quantized__simd(a, b, inverse, zero, bits), i16x8.splat(<i16>zero));
  return v128.and(q, i16x8.lt_s(i16x8(0, 1, 2, 3, 4, 5, 6, 7), i16x8.splat(<i16>live)));
}

/** A panel of a finite matrix whose columns lie side by side: two rows are woven into pairs. */
export function across__simd(from: usize, stride: usize, rows: i32, live: i32, to: usize, inverse: f32, zero: i32, bits: i32, sums: usize): void {
  let left = i32x4.splat(0);
  let right = left;
  for (let k = 0; k < rows; k += 2, from += 2 * stride, to += 32) {
    const a = lessZero__simd(from, live, inverse, zero, bits);
    const b = k + 1 < rows ? lessZero__simd(from + stride, live, inverse, zero, bits) : i32x4.splat(0);
    const low = v128.shuffle<i16>(a, b, 0, 8, 1, 9, 2, 10, 3, 11);
    const high = v128.shuffle<i16>(a, b, 4, 12, 5, 13, 6, 14, 7, 15);
    v128.store(to, low);
    v128.store(to, high, 16);
    left = i32x4.add(left, i32x4.extadd_pairwise_i16x8_s(low));
    right = i32x4.add(right, i32x4.extadd_pairwise_i16x8_s(high));
  }
  v128.store(sums, left);
  v128.store(sums, right, 16);
}

/** A panel of a finite matrix whose columns lie one behind the other: 4 pairs of a column at a time. */
export function along__simd(from: usize, stride: usize, rows: i32, live: i32, to: usize, inverse: f32, zero: i32, bits: i32, sums: usize): void {
  if (live < 8) {
    memory.fill(to, 0, <usize>((rows + 1) >> 1) << 5);
    memory.fill(sums, 0, 32);
  }
  for (let c = 0; c < live; c++, from += stride, to += 4, sums += 4) {
    let sum = i32x4.splat(0);
    for (let k = 0; k < rows; k += 8) {
      const left = rows - k;
      const q = lessZero__simd(from + (<usize>k << 2), left, inverse, zero, bits);
      const at = to + (<usize>k << 4);
      sum = i32x4.add(sum, i32x4.extadd_pairwise_i16x8_s(q));
      v128.store32_lane(at, q, 0);
      if (left > 2) v128.store32_lane(at, q, 1, 32);
      if (left > 4) v128.store32_lane(at, q, 2, 64);
      if (left > 6) v128.store32_lane(at, q, 3, 96);
    }
    sum = i32x4.add(sum, v128.shuffle<i32>(sum, sum, 2, 3, 0, 1));
    store<i32>(sums, i32x4.extract_lane(sum, 0) + i32x4.extract_lane(sum, 1));
  }
}

/** One column of a panel and its sum; returns whether it holds NaN or infinity, which count as 0. */
export function packColumn(
  from: usize, stride: usize, rows: i32, to: usize, factor: f32, inverse: f32, zero: i32, bits: i32, total: usize,
): bool {
  let sum = 0;
  let odd = false;
  for (let k = 0; k < rows; k++, from += stride) {
    const x = load<f32>(from) * factor;
    if (!isFinite32(x)) odd = true;
    else if (inverse != 0) {
      const q = quantized(x, inverse, zero, bits) - zero;
      sum += q;
      store<i16>(to + (<usize>(k >> 1) << 5) + (<usize>(k & 1) << 1), <i16>q);
    }
  }
  store<i32>(total, sum);
  return odd;
}

export function packF32(step: usize, thread: i32, threads: i32): void {
  const rows = argument(step, PackRightStep.rows);
  const columns = argument(step, PackRightStep.columns);
  const panels = (columns + 7) >> 3;
  const transposed = argument(step, PackRightStep.transposed);
  const downStride: usize = transposed ? 4 : <usize>columns << 2;
  const rightStride: usize = transposed ? <usize>rows << 2 : 4;
  const units = argument(step, PackRightStep.batch) * panels;
  const end = share(units, thread + 1, threads);
  for (let unit = share(units, thread, threads); unit < end; unit++) {
    const matrix = unit / panels;
    const column = (unit - matrix * panels) << 3;
    const from = address(step, PackRightStep.input) + ((<usize>matrix * <usize>rows * <usize>columns) << 2) + <usize>column * rightStride;
    panelF32(from, downStride, rightStride, rows, min(8, columns - column), address(step, PackRightStep.output) + ((<usize>unit * <usize>rows) << 5));
  }
}

/** One panel: `rows` rows of `live` columns and 8 − live zeros. */
function panelF32(from: usize, downStride: usize, rightStride: usize, rows: i32, live: i32, to: usize): void {
  for (let k = 0; k < rows; k++, from += downStride, to += 32) {
    if (ASC_FEATURE_SIMD) {
      if (live == 8 && rightStride == 4) {
        v128.store(to, v128.load(from));
        v128.store(to, v128.load(from, 16), 16);
        continue;
      }
    }
    for (let c = 0; c < 8; c++) store<f32>(to + (<usize>c << 2), c < live ? load<f32>(from + <usize>c * rightStride) : 0);
  }
}
