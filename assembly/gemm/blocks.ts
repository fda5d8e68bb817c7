// QuantizeBlocks and BlockProduct: weights of 2, 4 or 8 bits stay as they are in the file, and become i16 in registers (src/core/abi/blocks.ts).
// Sums of a part are integers of four lanes: position p of 16 belongs to lane (p mod 8) / 2. At the end of a part total += f32(lane)·(scale·scaleX), lane by lane; at
// the end of a vector (t0 + t1) + (t2 + t3). The vectors of a row are added, the one with the high bits first, and the bias last.
import { BlockProductStep, QuantizeBlocksStep } from "../../src/core/abi/blocks";
import { address, argument, share } from "../step";

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

/** Threads share columns of chunks of rows. */
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
  const output = address(step, BlockProductStep.output);
  const blocks = (depth + size - 1) / size;
  const stride = address(step, BlockProductStep.stride);
  const chunk = CHUNK / planes;
  const chunks = (rows + chunk - 1) / chunk;
  const end = share(chunks * columns, thread + 1, threads);
  for (let at = share(chunks * columns, thread, threads); at < end; at++) {
    const first = (at / columns) * chunk;
    const last = min(rows, first + chunk);
    const column = at % columns;
    const weights = address(step, BlockProductStep.weights) + (<usize>column * <usize>(blocks * size * bits)) / 8;
    const scales = address(step, BlockProductStep.scales) + ((<usize>column * <usize>blocks) << 2);
    const zero: usize = zeros == 0 ? 0 : zeros + <usize>column * ((<usize>(blocks * bits) + 7) >> 3);
    const b: f32 = bias == 0 ? 0 : load<f32>(bias + (<usize>column << 2));
    let x = address(step, BlockProductStep.input) + <usize>(first * planes) * stride;
    let out = output + ((<usize>first * <usize>columns + <usize>column) << 2);
    const down = <usize>columns << 2;
    let row = first;
    if (ASC_FEATURE_SIMD) {
      const four = 4 / planes;
      for (; row + four <= last; row += four, x += stride << 2, out += down * <usize>four) {
        vectors4__simd(x, stride, weights, scales, zero, depth, size, part, bits, out, down, planes, b, bias != 0);
      }
      for (; row < last; row++, x += stride * <usize>planes, out += down) {
        let sum = planes == 2
          ? vectors2__simd(x, stride, weights, scales, zero, depth, size, part, bits)
          : vector__simd(x, weights, scales, zero, depth, size, part, bits);
        if (bias != 0) sum += b;
        store<f32>(out, sum);
      }
    } else {
      for (; row < last; row++, x += stride * <usize>planes, out += down) {
        let sum = vector__scalar(x, weights, scales, zero, depth, size, part, bits);
        if (planes == 2) sum += vector__scalar(x + stride, weights, scales, zero, depth, size, part, bits);
        if (bias != 0) sum += b;
        store<f32>(out, sum);
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

/** Where the scales of a vector's parts begin. */
@inline
function scalesOf(vector: usize, depth: i32): usize {
  return vector + (<usize>((depth + 15) & ~15) << 1);
}

function vector__scalar(x: usize, weights: usize, scales: usize, zeros: usize, depth: i32, size: i32, part: i32, bits: i32): f32 {
  const mask = (1 << bits) - 1;
  let scaleX = scalesOf(x, depth);
  let t0: f32 = 0;
  let t1: f32 = 0;
  let t2: f32 = 0;
  let t3: f32 = 0;
  for (let block = 0, k = 0; k < depth; block++, scales += 4) {
    const zero = zeroOf(zeros, block, bits);
    const scale = load<f32>(scales);
    for (const end = min(depth, k + size); k < end; k += part, scaleX += 4) {
      let s0 = 0;
      let s1 = 0;
      let s2 = 0;
      let s3 = 0;
      for (let i = k, last = min(end, k + part); i < last; i += 16) {
        for (let p = 0; p < 16; p++) {
          const bit = (i + valueAt(p, bits)) * bits;
          const q = (<i32>load<u8>(weights + <usize>(bit >> 3)) >> (bit & 7)) & mask;
          const product = <i32>load<i16>(x + (<usize>(i + p) << 1)) * (q - zero);
          const lane = (p & 7) >> 1;
          if (lane == 0) s0 += product;
          else if (lane == 1) s1 += product;
          else if (lane == 2) s2 += product;
          else s3 += product;
        }
      }
      const s = scale * load<f32>(scaleX);
      t0 += <f32>s0 * s;
      t1 += <f32>s1 * s;
      t2 += <f32>s2 * s;
      t3 += <f32>s3 * s;
    }
  }
  return t0 + t1 + (t2 + t3);
}

/** Factors that bring the two bits of lane j, which are its bits 2j, to the place of lane 3. */
@inline
function lifts(first: bool): v128 {
  return first ? i16x8(64, 64, 64, 64, 16, 16, 16, 16) : i16x8(4, 4, 4, 4, 1, 1, 1, 1);
}

/** 16 weights as bytes, in their order of places; of 2 bits, 4^j times as large in lane j. */
@inline
function quants__simd(at: usize, bits: i32): v128 {
  if (bits == 4) {
    const bytes = v128.load64_zero(at);
    return i64x2.shuffle(v128.and(bytes, i8x16.splat(15)), i8x16.shr_u(bytes, 4), 0, 2);
  }
  if (bits == 8) return v128.load(at);
  return v128.and(i32x4.splat(load<i32>(at)), i32x4(0x03030303, 0x0c0c0c0c, 0x30303030, 0xc0c0c0c0));
}

/** The first, or the other, 8 of 16 weights less their zero point. */
@inline
function moved__simd(quants: v128, first: bool, bits: i32, zero: v128): v128 {
  let q = first ? i16x8.extend_low_i8x16_u(quants) : i16x8.extend_high_i8x16_u(quants);
  if (bits == 2) q = i16x8.shr_u(i16x8.mul(q, lifts(first)), 6);
  return i16x8.sub(q, zero);
}

/** f32(s)·scale of every lane, added. */
@inline
function scaled__simd(total: v128, sum: v128, scale: f32): v128 {
  return f32x4.add(total, f32x4.mul(f32x4.convert_i32x4_s(sum), f32x4.splat(scale)));
}

@inline
function dot__simd(sum: v128, x: usize, w0: v128, w1: v128): v128 {
  return i32x4.add(sum, i32x4.add(i32x4.dot_i16x8_s(v128.load(x), w0), i32x4.dot_i16x8_s(v128.load(x, 16), w1)));
}

@inline
function lanes__simd(t: v128): f32 {
  return f32x4.extract_lane(t, 0) + f32x4.extract_lane(t, 1) + (f32x4.extract_lane(t, 2) + f32x4.extract_lane(t, 3));
}

function vector__simd(x: usize, weights: usize, scales: usize, zeros: usize, depth: i32, size: i32, part: i32, bits: i32): f32 {
  let scaleX = scalesOf(x, depth);
  let total = f32x4.splat(0);
  const bytes = <usize>bits << 1;
  for (let block = 0, k = 0; k < depth; block++, scales += 4) {
    const zero = i16x8.splat(<i16>zeroOf(zeros, block, bits));
    const scale = load<f32>(scales);
    for (const end = min(depth, k + size); k < end; k += part, scaleX += 4) {
      let sum = i32x4.splat(0);
      for (let i = k, last = min(end, k + part); i < last; i += 16, x += 32, weights += bytes) {
        const quants = quants__simd(weights, bits);
        sum = dot__simd(sum, x, moved__simd(quants, true, bits, zero), moved__simd(quants, false, bits, zero));
      }
      total = scaled__simd(total, sum, scale * load<f32>(scaleX));
    }
  }
  return lanes__simd(total);
}

/** The sum of two vectors' products. */
function vectors2__simd(x: usize, stride: usize, weights: usize, scales: usize, zeros: usize, depth: i32, size: i32, part: i32, bits: i32): f32 {
  let scaleX = scalesOf(x, depth);
  let t0 = f32x4.splat(0);
  let t1 = t0;
  const bytes = <usize>bits << 1;
  for (let block = 0, k = 0; k < depth; block++, scales += 4) {
    const zero = i16x8.splat(<i16>zeroOf(zeros, block, bits));
    const scale = load<f32>(scales);
    for (const end = min(depth, k + size); k < end; k += part, scaleX += 4) {
      let s0 = i32x4.splat(0);
      let s1 = s0;
      for (let i = k, last = min(end, k + part); i < last; i += 16, x += 32, weights += bytes) {
        const quants = quants__simd(weights, bits);
        const w0 = moved__simd(quants, true, bits, zero);
        const w1 = moved__simd(quants, false, bits, zero);
        s0 = dot__simd(s0, x, w0, w1);
        s1 = dot__simd(s1, x + stride, w0, w1);
      }
      t0 = scaled__simd(t0, s0, scale * load<f32>(scaleX));
      t1 = scaled__simd(t1, s1, scale * load<f32>(scaleX + stride));
    }
  }
  return lanes__simd(t0) + lanes__simd(t1);
}

/** Four vectors: four rows, or two of two planes. */
function vectors4__simd(
  x: usize, stride: usize, weights: usize, scales: usize, zeros: usize, depth: i32, size: i32, part: i32, bits: i32,
  out: usize, down: usize, planes: i32, bias: f32, biased: bool,
): void {
  let x2 = x + (stride << 1);
  let scale0 = scalesOf(x, depth);
  let scale2 = scale0 + (stride << 1);
  let t0 = f32x4.splat(0);
  let t1 = t0;
  let t2 = t0;
  let t3 = t0;
  const bytes = <usize>bits << 1;
  for (let block = 0, k = 0; k < depth; block++, scales += 4) {
    const zero = i16x8.splat(<i16>zeroOf(zeros, block, bits));
    const scale = load<f32>(scales);
    for (const end = min(depth, k + size); k < end; k += part, scale0 += 4, scale2 += 4) {
      let s0 = i32x4.splat(0);
      let s1 = s0;
      let s2 = s0;
      let s3 = s0;
      for (let i = k, last = min(end, k + part); i < last; i += 16, x += 32, x2 += 32, weights += bytes) {
        const quants = quants__simd(weights, bits);
        const w0 = moved__simd(quants, true, bits, zero);
        const w1 = moved__simd(quants, false, bits, zero);
        s0 = dot__simd(s0, x, w0, w1);
        s1 = dot__simd(s1, x + stride, w0, w1);
        s2 = dot__simd(s2, x2, w0, w1);
        s3 = dot__simd(s3, x2 + stride, w0, w1);
      }
      t0 = scaled__simd(t0, s0, scale * load<f32>(scale0));
      t1 = scaled__simd(t1, s1, scale * load<f32>(scale0 + stride));
      t2 = scaled__simd(t2, s2, scale * load<f32>(scale2));
      t3 = scaled__simd(t3, s3, scale * load<f32>(scale2 + stride));
    }
  }
  const y0 = lanes__simd(t0);
  const y1 = lanes__simd(t1);
  const y2 = lanes__simd(t2);
  const y3 = lanes__simd(t3);
  if (planes == 2) {
    store<f32>(out, biased ? y0 + y1 + bias : y0 + y1);
    store<f32>(out + down, biased ? y2 + y3 + bias : y2 + y3);
    return;
  }
  store<f32>(out, biased ? y0 + bias : y0);
  store<f32>(out + down, biased ? y1 + bias : y1);
  store<f32>(out + (down << 1), biased ? y2 + bias : y2);
  store<f32>(out + (down << 1) + down, biased ? y3 + bias : y3);
}
