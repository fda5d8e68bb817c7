// BlockProduct: weights of 2, 4 or 8 bits stay as they are in the file, and become floats in registers; see BlockProductStep.
// The order of every sum: 16 products of depth are 4 times 4 lanes; lanes 0…3 and 8…11 are added to `a`, the others to `b`, lane by lane; what is beyond the
// depth counts as x = 0. At the end of a block total += (a + b)·scale, lane by lane; at the end of the row (t0 + t1) + (t2 + t3), and the bias is added.
import { BlockProductStep, ZeroType } from "../../src/core/abi/blocks";
import { address, argument, share } from "../step";

/** Rows that all columns are multiplied with before the next ones: 32 rows of 2,048 values stay in a cache of 256 kB. */
const CHUNK: i32 = 32;

/** 2^23: the integers 0…2^23 − 1 are the low bits of a float that begins there. */
const MAGIC: f32 = 8388608;

/** Threads share columns of chunks of rows. */
export function blockProduct(step: usize, thread: i32, threads: i32): void {
  const rows = argument(step, BlockProductStep.rows);
  const columns = argument(step, BlockProductStep.columns);
  const chunks = (rows + CHUNK - 1) / CHUNK;
  const end = share(chunks * columns, thread + 1, threads);
  for (let at = share(chunks * columns, thread, threads); at < end; at++) {
    const first = (at / columns) * CHUNK;
    const last = min(rows, first + CHUNK);
    const column = at % columns;
    let row = first;
    if (ASC_FEATURE_SIMD) {
      if ((argument(step, BlockProductStep.depth) & 15) == 0) for (; row + 4 <= last; row += 4) rows4__simd(step, row, column);
      for (; row < last; row++) row__simd(step, row, column);
    } else {
      for (; row < last; row++) row__scalar(step, row, column);
    }
  }
}

@inline
function blocksOf(step: usize): i32 {
  const size = argument(step, BlockProductStep.blockSize);
  return (argument(step, BlockProductStep.depth) + size - 1) / size;
}

/** Where the values of a row begin. */
@inline
function rowOf(step: usize, row: i32): usize {
  return address(step, BlockProductStep.input) + ((<usize>row * address(step, BlockProductStep.depth)) << 2);
}

/** The zero point of a block of a column. */
function zeroOf(step: usize, column: i32, block: i32): f32 {
  const zeros = address(step, BlockProductStep.zeros);
  const bits = argument(step, BlockProductStep.bits);
  if (zeros == 0) return <f32>(1 << (bits - 1));
  const blocks = blocksOf(step);
  if (argument(step, BlockProductStep.zeroType) == ZeroType.float) return load<f32>(zeros + ((<usize>column * blocks + block) << 2));
  const bytes = (<usize>blocks * bits + 7) >> 3;
  const bit = block * bits;
  const byte = <i32>load<u8>(zeros + <usize>column * bytes + (bit >> 3));
  return <f32>((byte >> (bit & 7)) & ((1 << bits) - 1));
}

@inline
function scalesOf(step: usize, column: i32): usize {
  return address(step, BlockProductStep.scales) + ((<usize>column * blocksOf(step)) << 2);
}

@inline
function weightsOf(step: usize, column: i32): usize {
  const bytes = (address(step, BlockProductStep.blockSize) * address(step, BlockProductStep.bits)) >> 3;
  return address(step, BlockProductStep.weights) + <usize>column * blocksOf(step) * bytes;
}

@inline
function put(step: usize, row: i32, column: i32, sum: f32): void {
  const bias = address(step, BlockProductStep.bias);
  if (bias != 0) sum += load<f32>(bias + (<usize>column << 2));
  const at = <usize>row * address(step, BlockProductStep.columns) + column;
  store<f32>(address(step, BlockProductStep.output) + (at << 2), sum);
}

function row__scalar(step: usize, row: i32, column: i32): void {
  const depth = argument(step, BlockProductStep.depth);
  const size = argument(step, BlockProductStep.blockSize);
  const bits = argument(step, BlockProductStep.bits);
  const mask = (1 << bits) - 1;
  const input = rowOf(step, row);
  const weights = weightsOf(step, column);
  let scale = scalesOf(step, column);
  let t0: f32 = 0;
  let t1: f32 = 0;
  let t2: f32 = 0;
  let t3: f32 = 0;
  for (let k = 0, block = 0; k < depth; k += size, block++, scale += 4) {
    const zero = zeroOf(step, column, block);
    const end = min(size, (depth - k + 15) & ~15);
    const s = load<f32>(scale);
    for (let lane = 0; lane < 4; lane++) {
      let a: f32 = 0;
      let b: f32 = 0;
      for (let i = lane; i < end; i += 4) {
        const bit = (k + i) * bits;
        const q = (<i32>load<u8>(weights + (bit >> 3)) >> (bit & 7)) & mask;
        const x: f32 = k + i < depth ? load<f32>(input + (<usize>(k + i) << 2)) : 0;
        const product = x * (<f32>q - zero);
        if (i & 4) b += product;
        else a += product;
      }
      const scaled = (a + b) * s;
      if (lane == 0) t0 += scaled;
      else if (lane == 1) t1 += scaled;
      else if (lane == 2) t2 += scaled;
      else t3 += scaled;
    }
  }
  put(step, row, column, t0 + t1 + (t2 + t3));
}

/** 16 weights as bytes. */
@inline
function quants__simd(at: usize, bits: i32): v128 {
  if (bits == 8) return v128.load(at);
  if (bits == 4) {
    const bytes = v128.load64_zero(at);
    return i8x16.shuffle(v128.and(bytes, i8x16.splat(15)), i8x16.shr_u(bytes, 4), 0, 16, 1, 17, 2, 18, 3, 19, 4, 20, 5, 21, 6, 22, 7, 23);
  }
  const bytes = i32x4.splat(load<i32>(at));
  const mask = i8x16.splat(3);
  const even = i8x16.shuffle(v128.and(bytes, mask), v128.and(i8x16.shr_u(bytes, 4), mask), 0, 16, 1, 17, 2, 18, 3, 19, 0, 0, 0, 0, 0, 0, 0, 0);
  const odd = i8x16.shuffle(v128.and(i8x16.shr_u(bytes, 2), mask), i8x16.shr_u(bytes, 6), 0, 16, 1, 17, 2, 18, 3, 19, 0, 0, 0, 0, 0, 0, 0, 0);
  return i8x16.shuffle(even, odd, 0, 16, 1, 17, 2, 18, 3, 19, 4, 20, 5, 21, 6, 22, 7, 23);
}

/** 2^23 + q of 4 of 16 bytes; `part` is one of 0…3. */
@inline
function wide__simd(quants: v128, part: i32): v128 {
  const magic = f32x4.splat(MAGIC);
  if (part == 0) return i8x16.shuffle(quants, magic, 0, 16, 16, 19, 1, 16, 16, 19, 2, 16, 16, 19, 3, 16, 16, 19);
  if (part == 1) return i8x16.shuffle(quants, magic, 4, 16, 16, 19, 5, 16, 16, 19, 6, 16, 16, 19, 7, 16, 16, 19);
  if (part == 2) return i8x16.shuffle(quants, magic, 8, 16, 16, 19, 9, 16, 16, 19, 10, 16, 16, 19, 11, 16, 16, 19);
  return i8x16.shuffle(quants, magic, 12, 16, 16, 19, 13, 16, 16, 19, 14, 16, 16, 19, 15, 16, 16, 19);
}

/** 4 values of a row, of which `count` are there: the others are 0. */
@inline
function values__simd(at: usize, count: i32): v128 {
  if (count >= 4) return v128.load(at);
  let values = f32x4.splat(0);
  if (count > 0) values = f32x4.replace_lane(values, 0, load<f32>(at));
  if (count > 1) values = f32x4.replace_lane(values, 1, load<f32>(at + 4));
  if (count > 2) values = f32x4.replace_lane(values, 2, load<f32>(at + 8));
  return values;
}

@inline
function sum__simd(t: v128): f32 {
  return f32x4.extract_lane(t, 0) + f32x4.extract_lane(t, 1) + (f32x4.extract_lane(t, 2) + f32x4.extract_lane(t, 3));
}

/** q − zero of 4 of 16 weights: `base` is 2^23 and a whole zero point; `rest` is what is left of it, 0 for nearly all networks. */
@inline
function moved__simd(quants: v128, part: i32, base: v128): v128 {
  return f32x4.sub(wide__simd(quants, part), base);
}

@inline
function mac__simd(sum: v128, x: v128, w: v128): v128 {
  return f32x4.add(sum, f32x4.mul(x, w));
}

function row__simd(step: usize, row: i32, column: i32): void {
  const depth = argument(step, BlockProductStep.depth);
  const size = argument(step, BlockProductStep.blockSize);
  const bits = argument(step, BlockProductStep.bits);
  const fractional = argument(step, BlockProductStep.zeroType) == ZeroType.float;
  let x = rowOf(step, row);
  let weights = weightsOf(step, column);
  let scale = scalesOf(step, column);
  let total = f32x4.splat(0);
  for (let k = 0, block = 0; k < depth; k += size, block++, scale += 4) {
    const zero = zeroOf(step, column, block);
    const base = f32x4.splat(fractional ? MAGIC : MAGIC + zero);
    const rest = f32x4.splat(zero);
    let a = f32x4.splat(0);
    let b = a;
    const end = min(depth, k + size);
    for (let i = k; i < end; i += 16, x += 64, weights += bits << 1) {
      const quants = quants__simd(weights, bits);
      let w0 = moved__simd(quants, 0, base);
      let w1 = moved__simd(quants, 1, base);
      let w2 = moved__simd(quants, 2, base);
      let w3 = moved__simd(quants, 3, base);
      if (fractional) {
        w0 = f32x4.sub(w0, rest);
        w1 = f32x4.sub(w1, rest);
        w2 = f32x4.sub(w2, rest);
        w3 = f32x4.sub(w3, rest);
      }
      if (i + 16 <= end) {
        a = mac__simd(a, v128.load(x), w0);
        b = mac__simd(b, v128.load(x, 16), w1);
        a = mac__simd(a, v128.load(x, 32), w2);
        b = mac__simd(b, v128.load(x, 48), w3);
      } else {
        const left = end - i;
        a = mac__simd(a, values__simd(x, left), w0);
        b = mac__simd(b, values__simd(x + 16, left - 4), w1);
        a = mac__simd(a, values__simd(x + 32, left - 8), w2);
        b = mac__simd(b, values__simd(x + 48, left - 12), w3);
      }
    }
    total = mac__simd(total, f32x4.add(a, b), v128.load_splat<f32>(scale));
  }
  put(step, row, column, sum__simd(total));
}

/** Four rows by one column, whose weights become floats once; the depth is a multiple of 16. */
function rows4__simd(step: usize, row: i32, column: i32): void {
  const depth = argument(step, BlockProductStep.depth);
  const size = argument(step, BlockProductStep.blockSize);
  const bits = argument(step, BlockProductStep.bits);
  const fractional = argument(step, BlockProductStep.zeroType) == ZeroType.float;
  const stride = <usize>depth << 2;
  let x0 = rowOf(step, row);
  let x1 = x0 + stride;
  let x2 = x1 + stride;
  let x3 = x2 + stride;
  let weights = weightsOf(step, column);
  let scale = scalesOf(step, column);
  let t0 = f32x4.splat(0);
  let t1 = t0;
  let t2 = t0;
  let t3 = t0;
  for (let k = 0, block = 0; k < depth; k += size, block++, scale += 4) {
    const zero = zeroOf(step, column, block);
    const base = f32x4.splat(fractional ? MAGIC : MAGIC + zero);
    const rest = f32x4.splat(zero);
    let a0 = f32x4.splat(0);
    let a1 = a0;
    let a2 = a0;
    let a3 = a0;
    let b0 = a0;
    let b1 = a0;
    let b2 = a0;
    let b3 = a0;
    const end = min(depth, k + size);
    for (let i = k; i < end; i += 16, weights += bits << 1) {
      const quants = quants__simd(weights, bits);
      let w = moved__simd(quants, 0, base);
      if (fractional) w = f32x4.sub(w, rest);
      a0 = mac__simd(a0, v128.load(x0), w);
      a1 = mac__simd(a1, v128.load(x1), w);
      a2 = mac__simd(a2, v128.load(x2), w);
      a3 = mac__simd(a3, v128.load(x3), w);
      w = moved__simd(quants, 1, base);
      if (fractional) w = f32x4.sub(w, rest);
      b0 = mac__simd(b0, v128.load(x0, 16), w);
      b1 = mac__simd(b1, v128.load(x1, 16), w);
      b2 = mac__simd(b2, v128.load(x2, 16), w);
      b3 = mac__simd(b3, v128.load(x3, 16), w);
      w = moved__simd(quants, 2, base);
      if (fractional) w = f32x4.sub(w, rest);
      a0 = mac__simd(a0, v128.load(x0, 32), w);
      a1 = mac__simd(a1, v128.load(x1, 32), w);
      a2 = mac__simd(a2, v128.load(x2, 32), w);
      a3 = mac__simd(a3, v128.load(x3, 32), w);
      w = moved__simd(quants, 3, base);
      if (fractional) w = f32x4.sub(w, rest);
      b0 = mac__simd(b0, v128.load(x0, 48), w);
      b1 = mac__simd(b1, v128.load(x1, 48), w);
      b2 = mac__simd(b2, v128.load(x2, 48), w);
      b3 = mac__simd(b3, v128.load(x3, 48), w);
      x0 += 64;
      x1 += 64;
      x2 += 64;
      x3 += 64;
    }
    const s = v128.load_splat<f32>(scale);
    t0 = mac__simd(t0, f32x4.add(a0, b0), s);
    t1 = mac__simd(t1, f32x4.add(a1, b1), s);
    t2 = mac__simd(t2, f32x4.add(a2, b2), s);
    t3 = mac__simd(t3, f32x4.add(a3, b3), s);
  }
  put(step, row, column, sum__simd(t0));
  put(step, row + 1, column, sum__simd(t1));
  put(step, row + 2, column, sum__simd(t2));
  put(step, row + 3, column, sum__simd(t3));
}
