// WinogradI16: 3×3 convolution with strides and dilations of 1, by Winograd's F(2×2, 3×3): tiles of 2 × 2 outputs see 4 × 4 inputs, and take 16 products per pair of channels where
// the taps take 36. With B and A of Lavin and Gray (https://arxiv.org/abs/1509.09308) and twice their G all of it is whole: Aᵀ[(2G·g·2Gᵀ) ⊙ (Bᵀ·d·B)]A = 4·S, exact modulo 2^32, and
// S, less than 2^29, is what the other kernels sum up: the outputs have their bits. |2G·g·2Gᵀ| ≤ 9·|g| and |Bᵀ·d·B| < 4·2^(n−1) fit int16 as long as |g| ≤ 3640 and n ≤ 14.
// weights: [panel][position of 16][pair][8][2]. A block of tiles is transformed into [position][tile][pair], which the tile loops of gemm_4x8.ts multiply, a panel and position at a time.
// Over ConvI8 at 8 × 8 bits: see chooseKernel in src/core/kernels.ts.
import { ActivationParameters, ConvStep } from "../../src/core/abi/conv";
import { Scratch } from "../../src/core/abi/scratch";
import { COLUMNS, mostTiles, POSITIONS, tileBytes, wordsOf } from "../layout";
import { address, argument, share, slotOf } from "../step";
import { poison, setColumns } from "./conv";
import { gemm_4x8__scalar, gemm_4x8__simd } from "./gemm_4x8";
import { outputOf } from "./geometry";
import { beginTiles, end__scalar, end__simd, Tile } from "./tile";

/** Largest |g|. */
const LARGEST: i32 = 3640;

export function winograd(step: usize, thread: i32, threads: i32): void {
  const outHeight = argument(step, ConvStep.outHeight);
  const outWidth = argument(step, ConvStep.outWidth);
  const across = (outWidth + 1) >> 1;
  const each = ((outHeight + 1) >> 1) * across;
  const tiles = argument(step, ConvStep.batch) * each;
  // Whole fours: of two tiles a four is no cheaper (8×8 outputs in 8 parts: 35 → 76 µs).
  const all = (tiles + 3) >> 2;
  const end = min(tiles, share(all, thread + 1, threads) << 2);
  const channels = argument(step, ConvStep.channels);
  const words = wordsOf(argument(step, 0), channels);
  const rowBytes = <usize>words << 2;
  const panels = argument(step, ConvStep.outChannels) / COLUMNS;
  const scratch = address(step, ConvStep.scratch) + <usize>slotOf(thread, threads, argument(step, ConvStep.slots)) * address(step, ConvStep.scratchBytes);
  const most = min(mostTiles(channels), <i32>((address(step, ConvStep.scratchBytes) - Scratch.padding) / tileBytes(channels)) & ~3);
  const table = scratch + Scratch.padding;
  const values = table + (<usize>most << 4);
  const apart = <usize>most * rowBytes;
  const sums = values + <usize>POSITIONS * apart;
  const sumsApart = <usize>most << 5;
  memory.fill(scratch, 0, Scratch.scales);
  beginTiles(step, scratch);
  // The tile loops give their sums as they are: they begin at 0, and no zero point is taken out.
  store<i32>(scratch, 1, Tile.sum);
  store<usize>(scratch, 32, Tile.outputStride);
  memory.fill(scratch + Scratch.starts, 0, 32);
  for (let i: usize = 0; i < <usize>most; i++) store<usize>(table + (i << 2), values + i * rowBytes);

  for (let first = share(all, thread, threads) << 2; first < end; ) {
    const sample = first / each;
    const tile = first - sample * each;
    const count = min(min(most, end - first), each - tile);
    const fours = (count + 3) >> 2;
    const entry = address(step, ConvStep.parameters) + <usize>sample * ActivationParameters.bytes;
    store<usize>(scratch, entry, Tile.parameters);
    const input = address(step, ConvStep.input) + <usize>(sample * argument(step, ConvStep.batchStride));
    for (let i = 0; i < fours << 2; i++) {
      // The tiles that a last four has not are its last one again.
      const t = tile + min(i, count - 1);
      spreadTile(step, input, (t / across) << 1, (t % across) << 1, rowBytes, values + <usize>i * rowBytes, apart);
    }
    let weights = address(step, ConvStep.weights);
    for (let panel = 0; panel < panels; panel++) {
      setColumns(step, argument(step, 0), scratch, sample, panel * COLUMNS, COLUMNS);
      const columnSums = load<usize>(scratch, Tile.sums);
      store<usize>(scratch, scratch + Scratch.starts, Tile.sums);
      for (let position: usize = 0; position < <usize>POSITIONS; position++, weights += rowBytes << 3) {
        store<usize>(scratch, sums + position * sumsApart, Tile.output);
        if (ASC_FEATURE_SIMD) {
          gemm_4x8__simd<i16, i32>(table, fours, 1, 0, words, position * apart, weights, scratch);
        } else {
          for (let four = 0; four < fours; four++) {
            store<usize>(scratch, sums + position * sumsApart + <usize>(four << 7), Tile.output);
            gemm_4x8__scalar<i16>(table + <usize>(four << 4), 4, 1, words, position * apart, weights, scratch);
          }
        }
      }
      store<usize>(scratch, columnSums, Tile.sums);
      for (let c: usize = 0; c < 32; c += ASC_FEATURE_SIMD ? 16 : 4) {
        if (ASC_FEATURE_SIMD) outputs<v128, v128>(step, scratch, sums + c, sumsApart, sample, tile, count, (<usize>panel << 5) + c, c);
        else outputs<i32, f32>(step, scratch, sums + c, sumsApart, sample, tile, count, (<usize>panel << 5) + c, c);
      }
    }
    if (load<i32>(entry, ActivationParameters.nonFinite) != 0) {
      for (let i = 0; i < count; i++) poisonTile(step, sample, ((tile + i) / across) << 1, ((tile + i) % across) << 1, panels);
    }
    first += count;
  }
}

function poisonTile(step: usize, sample: i32, y: i32, x: i32, panels: i32): void {
  const outWidth = argument(step, ConvStep.outWidth);
  const count = min(2, outWidth - x);
  for (const end = min(y + 2, argument(step, ConvStep.outHeight)); y < end; y++) {
    const pixel = y * outWidth + x;
    poison(step, outputOf(step, sample, pixel), sample, pixel, count, 0, panels);
  }
}

@inline
function add<V, E>(a: V, b: V): V {
  if (isVector<V>()) return v128.add<E>(a, b);
  return a + b;
}

@inline
function sub<V, E>(a: V, b: V): V {
  if (isVector<V>()) return v128.sub<E>(a, b);
  return a - b;
}

@inline
function read16<V>(at: usize): V {
  if (isVector<V>()) return v128.load(at);
  return <V>load<i16>(at);
}

@inline
function write16<V>(at: usize, value: V): void {
  if (isVector<V>()) v128.store(at, value);
  else store<i16>(at, <i16>value);
}

/** Bᵀ·d·B of the 4 × 4 input pixels from row y and column x on: the 16 positions lie `apart` bytes from each other. */
function spreadTile(step: usize, input: usize, y: i32, x: i32, rowBytes: usize, to: usize, apart: usize): void {
  const inWidth = argument(step, ConvStep.inWidth);
  const pixel = address(step, ConvStep.pixelStride);
  const line = <usize>inWidth * pixel;
  // Where only one row or column of outputs is left, nothing depends on the last of inputs, which need not be there.
  const bottom = y + 3 < argument(step, ConvStep.inHeight) ? line * 3 : line << 1;
  const right = x + 3 < inWidth ? pixel * 3 : pixel << 1;
  const at = input + <usize>y * line + <usize>x * pixel;
  if (ASC_FEATURE_SIMD) {
    // The last vector takes channels again that one before it had.
    for (let c: usize = 0; ; c = min(c + 16, rowBytes - 16)) {
      spread<v128>(at + c, line, bottom, pixel, right, to + c, apart);
      if (c + 16 == rowBytes) return;
    }
  } else {
    for (let c: usize = 0; c < rowBytes; c += 2) spread<i32>(at + c, line, bottom, pixel, right, to + c, apart);
  }
}

@inline
function spread<V>(at: usize, line: usize, bottom: usize, pixel: usize, right: usize, to: usize, apart: usize): void {
  spreadLine<V>(at, at + 2 * line, false, pixel, right, to, apart);
  spreadLine<V>(at + line, at + 2 * line, true, pixel, right, to + 4 * apart, apart);
  spreadLine<V>(at + 2 * line, at + line, false, pixel, right, to + 8 * apart, apart);
  spreadLine<V>(at + line, at + bottom, false, pixel, right, to + 12 * apart, apart);
}

/** Four positions, of the sum or the difference of two lines. */
@inline
function spreadLine<V>(p: usize, q: usize, sum: bool, pixel: usize, right: usize, to: usize, apart: usize): void {
  const x0 = join<V>(p, q, sum);
  const x1 = join<V>(p + pixel, q + pixel, sum);
  const x2 = join<V>(p + 2 * pixel, q + 2 * pixel, sum);
  const x3 = join<V>(p + right, q + right, sum);
  write16<V>(to, sub<V, i16>(x0, x2));
  write16<V>(to + apart, add<V, i16>(x1, x2));
  write16<V>(to + 2 * apart, sub<V, i16>(x2, x1));
  write16<V>(to + 3 * apart, sub<V, i16>(x1, x3));
}

@inline
function join<V>(p: usize, q: usize, sum: bool): V {
  return sum ? add<V, i16>(read16<V>(p), read16<V>(q)) : sub<V, i16>(read16<V>(p), read16<V>(q));
}

/**
 * The outputs of `count` tiles of a sample from tile `first` on, of the columns from byte `c` of the panel's on; `sums`: of their first tile and position, `offset`: from the outputs of a
 * pixel to those of the columns. V and F: lanes of integers and of floats.
 */
function outputs<V, F>(step: usize, scratch: usize, sums: usize, apart: usize, sample: i32, first: i32, count: i32, offset: usize, c: usize): void {
  const outHeight = argument(step, ConvStep.outHeight);
  const outWidth = argument(step, ConvStep.outWidth);
  const across = (outWidth + 1) >> 1;
  const pixel = address(step, ConvStep.outPixelStride);
  const line = address(step, ConvStep.outRowStride);
  const entry = load<usize>(scratch, Tile.parameters);
  const shift = fourZeros<V>(entry, load<usize>(scratch, Tile.sums) + c);
  const scale = scaleOf<F>(entry, load<usize>(scratch, Tile.scales) + c);
  const bias = load<F>(load<usize>(scratch, Tile.bias) + c);
  const output = address(step, ConvStep.output) + <usize>sample * address(step, ConvStep.outBatchStride) + offset;
  let y = (first / across) << 1;
  let x = (first % across) << 1;
  const form = load<i32>(scratch, Tile.form);
  const low = all<F, f32>(load<f32>(scratch, Tile.low));
  const high = all<F, f32>(load<f32>(scratch, Tile.high));
  for (; count > 0; count--, sums += 32) {
    // Aᵀ·M·A, both lines of outputs at once: m0 + m1 + m2 and m1 − m2 − m3 of the lines of positions, and then of their columns.
    let at = sums;
    let m1 = load<V>(at + 4 * apart);
    let m2 = load<V>(at + 8 * apart);
    let upper = add<V, i32>(add<V, i32>(load<V>(at), m1), m2);
    let lower = sub<V, i32>(sub<V, i32>(m1, m2), load<V>(at + 12 * apart));
    at += apart;
    m1 = load<V>(at + 4 * apart);
    m2 = load<V>(at + 8 * apart);
    let upperRight = add<V, i32>(add<V, i32>(load<V>(at), m1), m2);
    let lowerRight = sub<V, i32>(sub<V, i32>(m1, m2), load<V>(at + 12 * apart));
    upper = add<V, i32>(upper, upperRight);
    lower = add<V, i32>(lower, lowerRight);
    at += apart;
    m1 = load<V>(at + 4 * apart);
    m2 = load<V>(at + 8 * apart);
    let u = add<V, i32>(add<V, i32>(load<V>(at), m1), m2);
    let l = sub<V, i32>(sub<V, i32>(m1, m2), load<V>(at + 12 * apart));
    upper = add<V, i32>(upper, u);
    lower = add<V, i32>(lower, l);
    upperRight = sub<V, i32>(upperRight, u);
    lowerRight = sub<V, i32>(lowerRight, l);
    at += apart;
    m1 = load<V>(at + 4 * apart);
    m2 = load<V>(at + 8 * apart);
    upperRight = sub<V, i32>(upperRight, add<V, i32>(add<V, i32>(load<V>(at), m1), m2));
    lowerRight = sub<V, i32>(lowerRight, sub<V, i32>(sub<V, i32>(m1, m2), load<V>(at + 12 * apart)));
    // As a loop over the four outputs, or with what follows a Clip in a call of its own, layers of resnet20 took 1.05 … 1.45 times as long.
    const right = x + 1 < outWidth;
    const out = output + <usize>y * line + <usize>x * pixel;
    finish<V, F>(scratch, out, upper, shift, scale, bias, form, low, high);
    if (right) finish<V, F>(scratch, out + pixel, upperRight, shift, scale, bias, form, low, high);
    if (y + 1 < outHeight) {
      finish<V, F>(scratch, out + line, lower, shift, scale, bias, form, low, high);
      if (right) finish<V, F>(scratch, out + line + pixel, lowerRight, shift, scale, bias, form, low, high);
    }
    x += 2;
    if (x >= outWidth) {
      x = 0;
      y += 2;
    }
  }
}

@inline
function all<V, E>(value: E): V {
  if (isVector<V>()) return v128.splat<E>(value);
  return value as V;
}

/** 4·z·Σw. */
@inline
function fourZeros<V>(entry: usize, sums: usize): V {
  const zero = load<i32>(entry, ActivationParameters.zero) << 2;
  if (isVector<V>()) return i32x4.mul(i32x4.splat(zero), v128.load(sums));
  return (zero * load<i32>(sums)) as V;
}

@inline
function scaleOf<F>(entry: usize, scales: usize): F {
  const scale = load<f32>(entry, ActivationParameters.scale);
  if (isVector<F>()) return f32x4.mul(f32x4.splat(scale), v128.load(scales));
  return (scale * load<f32>(scales)) as F;
}

/** Writes outputs. */
@inline
function finish<V, F>(tile: usize, out: usize, sum: V, shift: V, scale: F, bias: F, form: i32, low: F, high: F): void {
  if (isVector<V>()) {
    const y = f32x4.add(f32x4.mul(f32x4.convert_i32x4_s(i32x4.shr_s(i32x4.sub(sum, shift), 2)), scale), bias);
    v128.store(out, end__simd(tile, out, y, form, low, high));
    return;
  }
  const whole = <i32>(sum - shift) >> 2;
  store<f32>(out, end__scalar(tile, out, <f32>whole * (scale as f32) + (bias as f32)));
}

/**
 * Makes 2G·g·2Gᵀ of the panels of a ConvI16 layer with nine taps. Returns 1 if all of them fit, else 0, and what has been written is of no use.
 * For load time.
 */
export function transformWeights(rows: i32, channels: i32, from: usize, to: usize): i32 {
  const bytes = <usize>wordsOf(0, channels) << 5;
  for (let panels = (rows + COLUMNS - 1) / COLUMNS; panels > 0; panels--, from += 9 * bytes, to += <usize>POSITIONS * bytes) {
    for (let at: usize = 0; at < 9 * bytes; at += 2) if (abs(<i32>load<i16>(from + at)) > LARGEST) return 0;
    for (let at: usize = 0; at < bytes; at += ASC_FEATURE_SIMD ? 16 : 2) {
      if (ASC_FEATURE_SIMD) transform<v128>(from + at, to + at, bytes);
      else transform<i32>(from + at, to + at, bytes);
    }
  }
  return 1;
}

@inline
function transform<V>(from: usize, to: usize, apart: usize): void {
  for (let row = 0; row < 4; row++, to += 4 * apart) {
    const x0 = mixed<V>(from, apart, row);
    const x1 = mixed<V>(from + apart, apart, row);
    const x2 = mixed<V>(from + 2 * apart, apart, row);
    const ends = add<V, i16>(x0, x2);
    write16<V>(to, add<V, i16>(x0, x0));
    write16<V>(to + apart, add<V, i16>(ends, x1));
    write16<V>(to + 2 * apart, sub<V, i16>(ends, x1));
    write16<V>(to + 3 * apart, add<V, i16>(x2, x2));
  }
}

/** One column of 2G·g, row `row`. */
@inline
function mixed<V>(at: usize, apart: usize, row: i32): V {
  const first = read16<V>(at);
  const last = read16<V>(at + 6 * apart);
  if (row == 0) return add<V, i16>(first, first);
  if (row == 3) return add<V, i16>(last, last);
  const ends = add<V, i16>(first, last);
  const middle = read16<V>(at + 3 * apart);
  return row == 1 ? add<V, i16>(ends, middle) : sub<V, i16>(ends, middle);
}
