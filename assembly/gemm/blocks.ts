// QuantizeBlocks and BlockProduct: weights of 2, 4 or 8 bits stay as they are in the file, and become i16 eight columns at a time (src/core/abi/blocks.ts).
// S, the integer sum of a block, or of 128 of a larger one, is exact; at its end u += f32(S)·scale, at the end of a part t += u·scaleX. The vectors of a row are added,
// the one with the high bits first, and the bias last. Four vectors go through a panel as in gemm_4x8.ts; fewer are multiplied with the columns as they are, lane by lane.
import { BlockProductStep, QuantizeBlocksStep } from "../../src/core/abi/blocks";
import { COLUMNS } from "../layout";
import { address, argument, share, slotOf } from "../step";
import { storeUpTo } from "../tensor/lanes";
import { mac__simd } from "./mac";

/** Vectors that all columns are multiplied with before the next ones: 32 vectors of 2,048 values stay in a cache of 128 kB. */
const CHUNK: i32 = 32;

/** Where value k of 16 lies. */
@inline
function placeOf(k: i32, bits: i32): i32 {
  if (bits == 8) return k;
  return bits == 4 ? (k >> 1) + ((k & 1) << 3) : (k >> 2) + ((k & 3) << 2);
}

/** Which value of 16 lies at place p. */
@inline
function valueAt(p: i32, bits: i32): i32 {
  if (bits == 8) return p;
  return bits == 4 ? ((p & 7) << 1) + (p >> 3) : ((p & 3) << 2) + (p >> 2);
}

/** Threads share the rows. */
export function quantizeBlocks(step: usize, thread: i32, threads: i32): void {
  const rows = argument(step, QuantizeBlocksStep.rows);
  const depth = argument(step, QuantizeBlocksStep.depth);
  const part = argument(step, QuantizeBlocksStep.part);
  const planes = argument(step, QuantizeBlocksStep.planes);
  const bits = argument(step, QuantizeBlocksStep.bits);
  const padded = <usize>((depth + 15) & ~15);
  const stride = address(step, QuantizeBlocksStep.stride);
  const end = share(rows, thread + 1, threads);
  for (let row = share(rows, thread, threads); row < end; row++) {
    const input = address(step, QuantizeBlocksStep.input) + ((<usize>row * <usize>depth) << 2);
    const high = address(step, QuantizeBlocksStep.output) + <usize>(row * planes) * stride;
    const low = high + stride;
    memory.fill(high + ((padded - 16) << 1), 0, 32);
    if (planes == 2) memory.fill(low + ((padded - 16) << 1), 0, 32);
    let scale = high + (padded << 1);
    for (let k = 0; k < depth; k += part, scale += 4) {
      const last = min(depth, k + part);
      // Bits of numbers without a sign are in the order of the numbers; infinity and NaN are the largest.
      let most = 0;
      for (let i = k; i < last; i++) most = max(most, load<i32>(input + (<usize>i << 2)) & 0x7fffffff);
      const exponent = max(most >> 23, 30);
      const odd = exponent == 255;
      // |x| < 2^(exponent − 126), and |X| ≤ 2^15 or 2^30.
      const shift = planes == 2 ? 156 - exponent : 141 - exponent;
      const factor: f32 = odd ? 0 : reinterpret<f32>((shift + 127) << 23);
      const inverse: f32 = odd ? NaN : reinterpret<f32>((127 - shift) << 23);
      store<f32>(scale, planes == 2 ? inverse * 65536 : inverse);
      if (planes == 2) store<f32>(scale + stride, inverse);
      for (let i = k; i < last; i++) {
        const x = odd ? 0 : <i32>nearest<f32>(load<f32>(input + (<usize>i << 2)) * factor);
        const at = <usize>((i & ~15) + placeOf(i & 15, bits)) << 1;
        if (planes == 2) {
          const rest = (x << 16) >> 16;
          store<i16>(low + at, <i16>rest);
          store<i16>(high + at, <i16>((x - rest) >> 16));
        } else store<i16>(high + at, <i16>min(max(x, -32767), 32767));
      }
    }
  }
}

/** Offsets behind the scales in the scratch of a thread: f32 bias of eight columns; f32 [4][8], t and u of a tile. */
enum Behind {
  bias = 0,
  totals = 32,
  parts = 160,
}

/** Threads share panels of eight columns of chunks of rows. */
export function blockProduct(step: usize, thread: i32, threads: i32): void {
  const planes = argument(step, BlockProductStep.planes);
  const rows = argument(step, BlockProductStep.rows);
  const columns = argument(step, BlockProductStep.columns);
  const depth = argument(step, BlockProductStep.depth);
  const size = argument(step, BlockProductStep.blockSize);
  const part = argument(step, BlockProductStep.part);
  const bits = argument(step, BlockProductStep.bits);
  const zeros = address(step, BlockProductStep.zeros);
  const bias = address(step, BlockProductStep.bias);
  const stride = address(step, BlockProductStep.stride);
  const slot = slotOf(thread, threads, argument(step, BlockProductStep.slots));
  const matrix = address(step, BlockProductStep.scratch) + <usize>slot * address(step, BlockProductStep.scratchBytes);
  const blocks = (depth + size - 1) / size;
  const width = <usize>((depth + 15) & ~15) << 1;
  const chunk = CHUNK / planes;
  const chunks = (rows + chunk - 1) / chunk;
  const panels = (columns + COLUMNS - 1) / COLUMNS;
  const down = <usize>columns << 2;
  const end = share(chunks * panels, thread + 1, threads);
  for (let at = share(chunks * panels, thread, threads); at < end; at++) {
    const first = (at / panels) * chunk;
    const last = min(rows, first + chunk);
    const column = (at % panels) * COLUMNS;
    const count = min(COLUMNS, columns - column);
    const scales = matrix + <usize>(2 * COLUMNS) * width;
    const behind = scales + ((<usize>blocks * COLUMNS) << 2);
    for (let c = 0; c < COLUMNS; c++) {
      // What a last panel has not is its last column again.
      const from = column + min(c, count - 1);
      const weights = address(step, BlockProductStep.weights) + <usize>from * <usize>blocks * <usize>((size * bits) >> 3);
      const zero: usize = zeros == 0 ? 0 : zeros + <usize>from * ((<usize>(blocks * bits) + 7) >> 3);
      unpack(weights, zero, matrix + <usize>c * width, depth, size, bits);
      let scale = address(step, BlockProductStep.scales) + ((<usize>from * <usize>blocks) << 2);
      for (let to = scales + (<usize>c << 2); to < behind; to += 4 * COLUMNS, scale += 4) store<f32>(to, load<f32>(scale));
      store<f32>(behind + (<usize>c << 2), bias == 0 ? -0.0 : load<f32>(bias + (<usize>from << 2)));
    }
    let x = address(step, BlockProductStep.input) + <usize>(first * planes) * stride;
    let out = address(step, BlockProductStep.output) + ((<usize>first * <usize>columns + <usize>column) << 2);
    let row = first;
    if (ASC_FEATURE_SIMD) {
      const four = 4 / planes;
      if (row + four <= last) {
        const panel = matrix + <usize>COLUMNS * width;
        interleave__simd(matrix, width, panel);
        for (; row + four <= last; row += four, x += stride << 2) {
          vectors4__simd(x, stride, panel, scales, depth, size, part, behind);
          for (let sums = behind + Behind.totals, stop = sums + 128; sums < stop; sums += <usize>planes << 5, out += down) {
            let y0 = v128.load(sums);
            let y1 = v128.load(sums, 16);
            if (planes == 2) {
              y0 = f32x4.add(y0, v128.load(sums, 32));
              y1 = f32x4.add(y1, v128.load(sums, 48));
            }
            write__simd(out, y0, y1, count, behind);
          }
        }
      }
      for (; row < last; row++, x += stride * <usize>planes, out += down) {
        let y0 = columns4__simd(x, matrix, width, scales, depth, size, part);
        let y1 = columns4__simd(x, matrix + 4 * width, width, scales + 16, depth, size, part);
        if (planes == 2) {
          y0 = f32x4.add(y0, columns4__simd(x + stride, matrix, width, scales, depth, size, part));
          y1 = f32x4.add(y1, columns4__simd(x + stride, matrix + 4 * width, width, scales + 16, depth, size, part));
        }
        write__simd(out, y0, y1, count, behind);
      }
    } else {
      for (; row < last; row++, x += stride * <usize>planes, out += down) {
        for (let c: usize = 0; c < <usize>count; c++) {
          let sum = vector__scalar(x, matrix + c * width, scales + (c << 2), depth, size, part);
          if (planes == 2) sum += vector__scalar(x + stride, matrix + c * width, scales + (c << 2), depth, size, part);
          store<f32>(out + (c << 2), sum + load<f32>(behind + (c << 2)));
        }
      }
    }
  }
}

/** The zero point of a block. */
@inline
function zeroOf(zeros: usize, block: i32, bits: i32): i32 {
  if (zeros == 0) return 1 << (bits - 1);
  const bit = block * bits;
  return (<i32>load<u8>(zeros + <usize>(bit >> 3)) >> (bit & 7)) & ((1 << bits) - 1);
}

/** A column less its zero points as i16, 16 in their order of places. What the last block has beyond the depth meets values of 0. */
function unpack(weights: usize, zeros: usize, matrix: usize, depth: i32, size: i32, bits: i32): void {
  const mask = (1 << bits) - 1;
  for (let block = 0, k = 0; k < depth; block++) {
    const zero = zeroOf(zeros, block, bits);
    const end = min(depth, k + size);
    if (ASC_FEATURE_SIMD && bits != 2) {
      const points = i16x8.splat(<i16>zero);
      for (; k < end; k += 16, matrix += 32, weights += <usize>bits << 1) {
        let low: v128;
        let high: v128;
        if (bits == 4) {
          const wide = i16x8.extend_low_i8x16_u(v128.load64_zero(weights));
          low = v128.and(wide, i16x8.splat(15));
          high = i16x8.shr_u(wide, 4);
        } else {
          const bytes = v128.load(weights);
          low = i16x8.extend_low_i8x16_u(bytes);
          high = i16x8.extend_high_i8x16_u(bytes);
        }
        v128.store(matrix, i16x8.sub(low, points));
        v128.store(matrix, i16x8.sub(high, points), 16);
      }
    } else {
      for (; k < end; k += 16, matrix += 32, weights += <usize>bits << 1) {
        for (let p = 0; p < 16; p++) {
          const bit = valueAt(p, bits) * bits;
          const q = (<i32>load<u8>(weights + <usize>(bit >> 3)) >> (bit & 7)) & mask;
          store<i16>(matrix + (<usize>p << 1), <i16>(q - zero));
        }
      }
    }
    k = end;
  }
}

/** Where the scales of a vector's parts begin. */
@inline
function scalesOf(vector: usize, depth: i32): usize {
  return vector + (<usize>((depth + 15) & ~15) << 1);
}

/** One vector by one column; scales of its blocks are those of eight columns apart. */
function vector__scalar(x: usize, w: usize, scales: usize, depth: i32, size: i32, part: i32): f32 {
  let scaleX = scalesOf(x, depth);
  const length = min(size, part);
  let left = size;
  let total: f32 = 0;
  for (let k = 0; k < depth; scaleX += 4) {
    let u: f32 = 0;
    for (const end = min(depth, k + part); k < end; ) {
      let sum = 0;
      for (const last = min(end, k + length); k < last; k += 16) {
        // Whole sixteens: the values of a short one lie in both halves.
        for (const stop = x + 32; x < stop; x += 2, w += 2) sum += <i32>load<i16>(x) * <i32>load<i16>(w);
      }
      u += <f32>sum * load<f32>(scales);
      left -= length;
      if (left <= 0) {
        left = size;
        scales += 4 * COLUMNS;
      }
    }
    total += u * load<f32>(scaleX);
  }
  return total;
}

/** The rows of eight columns as a panel: [pair of values][column]. */
function interleave__simd(matrix: usize, width: usize, panel: usize): void {
  for (const end = matrix + width; matrix < end; matrix += 16, panel += 128) {
    for (let half: usize = 0; half < 2; half++) {
      const at = matrix + 4 * half * width;
      const to = panel + (half << 4);
      const v0 = v128.load(at);
      const v1 = v128.load(at + width);
      const v2 = v128.load(at + 2 * width);
      const v3 = v128.load(at + 3 * width);
      const low01 = v128.shuffle<i32>(v0, v1, 0, 4, 1, 5);
      const low23 = v128.shuffle<i32>(v2, v3, 0, 4, 1, 5);
      const high01 = v128.shuffle<i32>(v0, v1, 2, 6, 3, 7);
      const high23 = v128.shuffle<i32>(v2, v3, 2, 6, 3, 7);
      v128.store(to, v128.shuffle<i64>(low01, low23, 0, 2));
      v128.store(to, v128.shuffle<i64>(low01, low23, 1, 3), 32);
      v128.store(to, v128.shuffle<i64>(high01, high23, 0, 2), 64);
      v128.store(to, v128.shuffle<i64>(high01, high23, 1, 3), 96);
    }
  }
}

/** Four vectors by a panel: t at `Behind.totals`. */
function vectors4__simd(x: usize, stride: usize, panel: usize, scales: usize, depth: i32, size: i32, part: i32, behind: usize): void {
  let x1 = x + stride;
  let x2 = x1 + stride;
  let x3 = x2 + stride;
  let scaleX = scalesOf(x, depth);
  const length = min(size, part);
  const totals = behind + Behind.totals;
  const parts = behind + Behind.parts;
  let left = size;
  memory.fill(totals, 0, 256);
  for (let k = 0; k < depth; scaleX += 4) {
    for (const end = min(depth, k + part); k < end; ) {
      let c00 = i32x4.splat(0);
      let c01 = c00;
      let c10 = c00;
      let c11 = c00;
      let c20 = c00;
      let c21 = c00;
      let c30 = c00;
      let c31 = c00;
      const values = (min(end, k + length) - k + 15) & ~15;
      const stop = x + (<usize>values << 1);
      k += values;
      do {
        const b0 = v128.load(panel);
        const b1 = v128.load(panel, 16);
        const a0 = v128.load32_splat(x);
        c00 = mac__simd<i16>(c00, a0, b0);
        c01 = mac__simd<i16>(c01, a0, b1);
        const a1 = v128.load32_splat(x1);
        c10 = mac__simd<i16>(c10, a1, b0);
        c11 = mac__simd<i16>(c11, a1, b1);
        const a2 = v128.load32_splat(x2);
        c20 = mac__simd<i16>(c20, a2, b0);
        c21 = mac__simd<i16>(c21, a2, b1);
        const a3 = v128.load32_splat(x3);
        c30 = mac__simd<i16>(c30, a3, b0);
        c31 = mac__simd<i16>(c31, a3, b1);
        x += 4;
        x1 += 4;
        x2 += 4;
        x3 += 4;
        panel += 32;
      } while (x < stop);
      const s0 = v128.load(scales);
      const s1 = v128.load(scales, 16);
      addScaled__simd(parts, c00, s0);
      addScaled__simd(parts + 16, c01, s1);
      addScaled__simd(parts + 32, c10, s0);
      addScaled__simd(parts + 48, c11, s1);
      addScaled__simd(parts + 64, c20, s0);
      addScaled__simd(parts + 80, c21, s1);
      addScaled__simd(parts + 96, c30, s0);
      addScaled__simd(parts + 112, c31, s1);
      left -= length;
      if (left <= 0) {
        left = size;
        scales += 4 * COLUMNS;
      }
    }
    let scale = scaleX;
    for (let o: usize = 0; o < 128; o += 32, scale += stride) {
      const s = v128.load32_splat(scale);
      v128.store(totals + o, f32x4.add(v128.load(totals + o), f32x4.mul(v128.load(parts + o), s)));
      v128.store(totals + o, f32x4.add(v128.load(totals + o, 16), f32x4.mul(v128.load(parts + o, 16), s)), 16);
      v128.store(parts + o, f32x4.splat(0));
      v128.store(parts + o, f32x4.splat(0), 16);
    }
  }
}

/** u += f32(S)·scale. */
@inline
function addScaled__simd(u: usize, sum: v128, scale: v128): void {
  v128.store(u, f32x4.add(v128.load(u), f32x4.mul(f32x4.convert_i32x4_s(sum), scale)));
}

/** One vector by four columns, `width` bytes apart. */
function columns4__simd(x: usize, w: usize, width: usize, scales: usize, depth: i32, size: i32, part: i32): v128 {
  let w1 = w + width;
  let w2 = w1 + width;
  let w3 = w2 + width;
  let scaleX = scalesOf(x, depth);
  const length = min(size, part);
  let left = size;
  let total = f32x4.splat(0);
  for (let k = 0; k < depth; scaleX += 4) {
    let u = f32x4.splat(0);
    for (const end = min(depth, k + part); k < end; ) {
      let c0 = i32x4.splat(0);
      let c1 = c0;
      let c2 = c0;
      let c3 = c0;
      for (const last = min(end, k + length); k < last; k += 16) {
        const x0 = v128.load(x);
        const x1 = v128.load(x, 16);
        c0 = dot__simd(c0, x0, x1, w);
        c1 = dot__simd(c1, x0, x1, w1);
        c2 = dot__simd(c2, x0, x1, w2);
        c3 = dot__simd(c3, x0, x1, w3);
        x += 32;
        w += 32;
        w1 += 32;
        w2 += 32;
        w3 += 32;
      }
      // The lanes of each of the four, added.
      const a = i32x4.add(v128.shuffle<i32>(c0, c1, 0, 4, 1, 5), v128.shuffle<i32>(c0, c1, 2, 6, 3, 7));
      const b = i32x4.add(v128.shuffle<i32>(c2, c3, 0, 4, 1, 5), v128.shuffle<i32>(c2, c3, 2, 6, 3, 7));
      const sum = i32x4.add(v128.shuffle<i64>(a, b, 0, 2), v128.shuffle<i64>(a, b, 1, 3));
      u = f32x4.add(u, f32x4.mul(f32x4.convert_i32x4_s(sum), v128.load(scales)));
      left -= length;
      if (left <= 0) {
        left = size;
        scales += 4 * COLUMNS;
      }
    }
    total = f32x4.add(total, f32x4.mul(u, v128.load32_splat(scaleX)));
  }
  return total;
}

@inline
function dot__simd(sum: v128, x0: v128, x1: v128, w: usize): v128 {
  return i32x4.add(sum, i32x4.add(i32x4.dot_i16x8_s(x0, v128.load(w)), i32x4.dot_i16x8_s(x1, v128.load(w, 16))));
}

/** Writes `count` outputs of a row with their bias, which lies at `behind`. */
function write__simd(out: usize, y0: v128, y1: v128, count: i32, behind: usize): void {
  y0 = f32x4.add(y0, v128.load(behind));
  y1 = f32x4.add(y1, v128.load(behind, 16));
  if (count == COLUMNS) {
    v128.store(out, y0);
    v128.store(out, y1, 16);
    return;
  }
  storeUpTo<v128>(out, y0, count);
  if (count > 4) storeUpTo<v128>(out + 16, y1, count - 4);
}
