// QuantizeBlocks and BlockProduct: weights of 2, 4 or 8 bits stay as they are in the file, and become i16 in registers (src/core/abi/blocks.ts).
// Sums are integers of four lanes: place p of 16 belongs to lane (p mod 8) / 2. At the end of a block, and of 128 of a larger one, u += f32(lane)·scale, lane by
// lane; at the end of a part t += u·scaleX; at the end of a vector (t0 + t1) + (t2 + t3). The vectors of a row are added, the one with the high bits first, and the
// bias last.
import { BlockProductStep, QuantizeBlocksStep } from "../../src/core/abi/blocks";
import { address, argument, share, slotOf } from "../step";

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

/** Threads share columns of chunks of rows: the weights of a column become i16 once for all of them. */
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
  const chunk = CHUNK / planes;
  const chunks = (rows + chunk - 1) / chunk;
  const down = <usize>columns << 2;
  const end = share(chunks * columns, thread + 1, threads);
  for (let at = share(chunks * columns, thread, threads); at < end; at++) {
    const first = (at / columns) * chunk;
    const last = min(rows, first + chunk);
    const column = at % columns;
    const weights = address(step, BlockProductStep.weights) + <usize>column * <usize>blocks * <usize>((size * bits) >> 3);
    const scales = address(step, BlockProductStep.scales) + ((<usize>column * <usize>blocks) << 2);
    const zero: usize = zeros == 0 ? 0 : zeros + <usize>column * ((<usize>(blocks * bits) + 7) >> 3);
    const b: f32 = bias == 0 ? -0.0 : load<f32>(bias + (<usize>column << 2));
    let x = address(step, BlockProductStep.input) + <usize>(first * planes) * stride;
    let out = address(step, BlockProductStep.output) + ((<usize>first * <usize>columns + <usize>column) << 2);
    unpack(weights, zero, matrix, depth, size, bits);
    let row = first;
    if (ASC_FEATURE_SIMD) {
      const four = 4 / planes;
      for (; row + four <= last; row += four, x += stride << 2, out += down * <usize>four) {
        vectors4__simd(x, stride, matrix, scales, depth, size, part, out, down, planes, b);
      }
    }
    for (; row < last; row++, x += stride * <usize>planes, out += down) {
      let sum = vector(x, matrix, scales, depth, size, part);
      if (planes == 2) sum += vector(x + stride, matrix, scales, depth, size, part);
      store<f32>(out, sum + b);
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

/** A column less its zero points as i16, 16 in their order of places. */
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

function vector(x: usize, w: usize, scales: usize, depth: i32, size: i32, part: i32): f32 {
  if (ASC_FEATURE_SIMD) return vector__simd(x, w, scales, depth, size, part);
  let scaleX = scalesOf(x, depth);
  const length = min(size, part);
  let left = size;
  let t0: f32 = 0;
  let t1: f32 = 0;
  let t2: f32 = 0;
  let t3: f32 = 0;
  for (let k = 0; k < depth; scaleX += 4) {
    let u0: f32 = 0;
    let u1: f32 = 0;
    let u2: f32 = 0;
    let u3: f32 = 0;
    for (const end = min(depth, k + part); k < end; ) {
      let s0 = 0;
      let s1 = 0;
      let s2 = 0;
      let s3 = 0;
      for (const last = min(end, k + length); k < last; k += 16) {
        // Whole sixteens: the values of a short one lie in both halves.
        for (const stop = x + 32; x < stop; x += 16, w += 16) {
          s0 += <i32>load<i16>(x) * <i32>load<i16>(w) + <i32>load<i16>(x, 2) * <i32>load<i16>(w, 2);
          s1 += <i32>load<i16>(x, 4) * <i32>load<i16>(w, 4) + <i32>load<i16>(x, 6) * <i32>load<i16>(w, 6);
          s2 += <i32>load<i16>(x, 8) * <i32>load<i16>(w, 8) + <i32>load<i16>(x, 10) * <i32>load<i16>(w, 10);
          s3 += <i32>load<i16>(x, 12) * <i32>load<i16>(w, 12) + <i32>load<i16>(x, 14) * <i32>load<i16>(w, 14);
        }
      }
      const scale = load<f32>(scales);
      u0 += <f32>s0 * scale;
      u1 += <f32>s1 * scale;
      u2 += <f32>s2 * scale;
      u3 += <f32>s3 * scale;
      left -= length;
      if (left <= 0) {
        left = size;
        scales += 4;
      }
    }
    const s = load<f32>(scaleX);
    t0 += u0 * s;
    t1 += u1 * s;
    t2 += u2 * s;
    t3 += u3 * s;
  }
  return t0 + t1 + (t2 + t3);
}

/** f32(s)·scale of every lane, added. */
@inline
function scaled__simd(total: v128, sum: v128, scale: v128): v128 {
  return f32x4.add(total, f32x4.mul(f32x4.convert_i32x4_s(sum), scale));
}

@inline
function dot__simd(sum: v128, x: usize, w0: v128, w1: v128): v128 {
  return i32x4.add(sum, i32x4.add(i32x4.dot_i16x8_s(v128.load(x), w0), i32x4.dot_i16x8_s(v128.load(x, 16), w1)));
}

@inline
function mac__simd(total: v128, u: v128, scale: usize): v128 {
  return f32x4.add(total, f32x4.mul(u, v128.load_splat<f32>(scale)));
}

@inline
function lanes__simd(t: v128): f32 {
  return f32x4.extract_lane(t, 0) + f32x4.extract_lane(t, 1) + (f32x4.extract_lane(t, 2) + f32x4.extract_lane(t, 3));
}

function vector__simd(x: usize, w: usize, scales: usize, depth: i32, size: i32, part: i32): f32 {
  let scaleX = scalesOf(x, depth);
  const length = min(size, part);
  let left = size;
  let total = f32x4.splat(0);
  for (let k = 0; k < depth; scaleX += 4) {
    let u = f32x4.splat(0);
    for (const end = min(depth, k + part); k < end; ) {
      let sum = i32x4.splat(0);
      for (const last = min(end, k + length); k < last; k += 16, x += 32, w += 32) {
        sum = dot__simd(sum, x, v128.load(w), v128.load(w, 16));
      }
      u = scaled__simd(u, sum, v128.load_splat<f32>(scales));
      left -= length;
      if (left <= 0) {
        left = size;
        scales += 4;
      }
    }
    total = mac__simd(total, u, scaleX);
  }
  return lanes__simd(total);
}

/** Four vectors: four rows, or two of two planes. */
function vectors4__simd(
  x: usize, stride: usize, w: usize, scales: usize, depth: i32, size: i32, part: i32, out: usize, down: usize, planes: i32, bias: f32,
): void {
  let x1 = x + stride;
  let x2 = x1 + stride;
  let x3 = x2 + stride;
  let scaleX = scalesOf(x, depth);
  const length = min(size, part);
  let left = size;
  let t0 = f32x4.splat(0);
  let t1 = t0;
  let t2 = t0;
  let t3 = t0;
  for (let k = 0; k < depth; scaleX += 4) {
    let u0 = f32x4.splat(0);
    let u1 = u0;
    let u2 = u0;
    let u3 = u0;
    for (const end = min(depth, k + part); k < end; ) {
      let s0 = i32x4.splat(0);
      let s1 = s0;
      let s2 = s0;
      let s3 = s0;
      for (const last = min(end, k + length); k < last; k += 16, w += 32) {
        const w0 = v128.load(w);
        const w1 = v128.load(w, 16);
        s0 = dot__simd(s0, x, w0, w1);
        s1 = dot__simd(s1, x1, w0, w1);
        s2 = dot__simd(s2, x2, w0, w1);
        s3 = dot__simd(s3, x3, w0, w1);
        x += 32;
        x1 += 32;
        x2 += 32;
        x3 += 32;
      }
      const scale = v128.load_splat<f32>(scales);
      u0 = scaled__simd(u0, s0, scale);
      u1 = scaled__simd(u1, s1, scale);
      u2 = scaled__simd(u2, s2, scale);
      u3 = scaled__simd(u3, s3, scale);
      left -= length;
      if (left <= 0) {
        left = size;
        scales += 4;
      }
    }
    t0 = mac__simd(t0, u0, scaleX);
    t1 = mac__simd(t1, u1, scaleX + stride);
    t2 = mac__simd(t2, u2, scaleX + (stride << 1));
    t3 = mac__simd(t3, u3, scaleX + (stride << 1) + stride);
  }
  const y0 = lanes__simd(t0);
  const y1 = lanes__simd(t1);
  const y2 = lanes__simd(t2);
  const y3 = lanes__simd(t3);
  if (planes == 2) {
    store<f32>(out, y0 + y1 + bias);
    store<f32>(out + down, y2 + y3 + bias);
    return;
  }
  store<f32>(out, y0 + bias);
  store<f32>(out + down, y1 + bias);
  store<f32>(out + (down << 1), y2 + bias);
  store<f32>(out + (down << 1) + down, y3 + bias);
}
