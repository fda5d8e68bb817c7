// WinogradI16, WinogradF32: 3×3 convolution with strides and dilations of 1, by Winograd's F(4×4, 3×3): tiles of 4 × 4 outputs see 6 × 6 inputs, and take 36 products per pair of channels
// where the taps take 144. B, G and A are those of Lavin and Gray (https://arxiv.org/abs/1509.09308) with rows scaled so that G has whole elements, as small as can be:
//
//   B: 4 0 −5 0 1 0 | 0 4 4 −1 −1 0 | 0 −4 4 1 −1 0 | 0 −2 −1 2 1 0 | 0 2 −1 −2 1 0 | 0 4 0 −5 0 1
//   G: 6 0 0 | 2 2 2 | 2 −2 2 | 1 2 4 | 1 −2 4 | 0 0 6        A: 1 2 2 1 1 0 | 0 2 −2 2 −2 0 | 0 2 2 4 4 0 | 0 2 −2 8 −8 4
//
// Integers: Aᵀ[(G·g·Gᵀ) ⊙ (Bᵀ·d·B)]A = 576·S, exact modulo 2^32; times the inverse of 9 that is 64·S, and S, less than 2^25, is what the other kernels sum up: the outputs have their bits.
// |G·g·Gᵀ| ≤ 49·|g| and |Bᵀ·d·B| ≤ 100·2^(n−1) fit int16 as long as |g| ≤ 668 and n ≤ 9.
// f32: sums are divided by 576, and every operation rounds, in the order in which it stands here. Root of the mean squared error relative to that of the outputs, 64 channels, after a ReLU: 1.4e-6, where the sum of all
// products in order has 3.1e-7 and activations of 16 bits 2.8e-5. A tile with NaN or infinity in its inputs is computed tap by tap; numbers beyond some 1e33 may leave f32 on the way where their sums would not.
// weights: see POSITIONS in assembly/layout.ts. A block of tiles is transformed into [position][tile][word], which the tile loops of gemm_4x8.ts multiply, a panel and position at a time.
// When it is worth it: chooseKernel in src/core/kernels.ts.
import { ActivationParameters, ConvStep } from "../../src/core/abi/conv";
import { Scratch } from "../../src/core/abi/scratch";
import { COLUMNS, isFloatKernel, mostTiles, POSITIONS, tileBytes, wordsOf } from "../layout";
import { address, argument, share, slotOf } from "../step";
import { poison, setColumns } from "./conv";
import { gemm_1x8__simd, gemm_4x8__scalar, gemm_4x8__simd } from "./gemm_4x8";
import { outputOf, writePointers } from "./geometry";
import { beginTiles, end__scalar, end__simd, Tile } from "./tile";

/** Largest |g|. */
const LARGEST: i32 = 668;

/** 9 · this = 1 modulo 2^32. */
const NINTH: i32 = 0x38e38e39;

/** Inputs of a tile along an axis. */
const REACH: usize = 6;

export function winograd(step: usize, thread: i32, threads: i32): void {
  const kernel = argument(step, 0);
  const float = isFloatKernel(kernel);
  const outWidth = argument(step, ConvStep.outWidth);
  const across = (outWidth + 3) >> 2;
  const each = ((argument(step, ConvStep.outHeight) + 3) >> 2) * across;
  const tiles = argument(step, ConvStep.batch) * each;
  // Whole fours: of two tiles a four is no cheaper.
  const all = (tiles + 3) >> 2;
  const end = min(tiles, share(all, thread + 1, threads) << 2);
  const channels = argument(step, ConvStep.channels);
  const words = wordsOf(kernel, channels);
  const rowBytes = <usize>words << 2;
  const panels = argument(step, ConvStep.outChannels) / COLUMNS;
  const scratch = address(step, ConvStep.scratch) + <usize>slotOf(thread, threads, argument(step, ConvStep.slots)) * address(step, ConvStep.scratchBytes);
  const most = min(mostTiles(kernel, channels), <i32>((address(step, ConvStep.scratchBytes) - Scratch.padding) / tileBytes(kernel, channels) - 2) & ~3);
  const window = scratch + Scratch.padding;
  const table = window + <usize>POSITIONS * rowBytes;
  // Which tiles have inputs that are no numbers.
  const odd = table + (<usize>most << 2);
  const values = table + (<usize>most << 4);
  // Half a line of the cache more, so that the positions of a tile do not share sets of it.
  const apart = <usize>most * rowBytes + 32;
  const sums = values + <usize>POSITIONS * apart;
  const sumsApart = (<usize>most << 5) + 32;
  memory.fill(scratch, 0, Scratch.scales);
  beginTiles(step, scratch);
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
      const finite = spreadTile(step, float, input, (t / across) << 2, (t % across) << 2, rowBytes, window, values + <usize>i * rowBytes, apart);
      store<u32>(odd + (<usize>i << 2), finite ? 0 : 1);
    }
    let weights = address(step, ConvStep.weights);
    for (let panel = 0; panel < panels; panel++) {
      setColumns(step, kernel, scratch, sample, panel * COLUMNS, COLUMNS);
      const columnSums = load<usize>(scratch, Tile.sums);
      // The tile loops give their sums as they are: they begin at 0, and no zero point is taken out.
      store<usize>(scratch, scratch + Scratch.starts, Tile.sums);
      store<i32>(scratch, 1, Tile.sum);
      for (let position: usize = 0; position < <usize>POSITIONS; position++, weights += rowBytes << 3) {
        store<usize>(scratch, sums + position * sumsApart, Tile.output);
        if (ASC_FEATURE_SIMD) {
          if (float) gemm_4x8__simd<f32, f32>(table, fours, 1, 0, words, position * apart, weights, scratch);
          else gemm_4x8__simd<i16, i32>(table, fours, 1, 0, words, position * apart, weights, scratch);
        } else {
          for (let four = 0; four < fours; four++) {
            store<usize>(scratch, sums + position * sumsApart + <usize>(four << 7), Tile.output);
            const pointers = table + <usize>(four << 4);
            if (float) gemm_4x8__scalar<f32>(pointers, 4, 1, words, position * apart, weights, scratch);
            else gemm_4x8__scalar<i16>(pointers, 4, 1, words, position * apart, weights, scratch);
          }
        }
      }
      store<usize>(scratch, columnSums, Tile.sums);
      for (let i = 0; i < count; i++) {
        const y = ((tile + i) / across) << 2;
        const x = ((tile + i) % across) << 2;
        const at = sums + (<usize>i << 5);
        if (!float) ASC_FEATURE_SIMD ? outputs<v128, i32, v128>(step, scratch, at, sumsApart, sample, y, x, panel) : outputs<i32, i32, f32>(step, scratch, at, sumsApart, sample, y, x, panel);
        else if (!load<u32>(odd + (<usize>i << 2))) ASC_FEATURE_SIMD ? outputs<v128, f32, v128>(step, scratch, at, sumsApart, sample, y, x, panel) : outputs<f32, f32, f32>(step, scratch, at, sumsApart, sample, y, x, panel);
        else tapByTap(step, scratch, window, address(step, ConvStep.weights) + <usize>(POSITIONS * panels + 9 * panel) * (rowBytes << 3), input, sample, y, x, panel);
      }
    }
    if (!float && load<i32>(entry, ActivationParameters.nonFinite) != 0) {
      for (let i = 0; i < count; i++) poisonTile(step, sample, ((tile + i) / across) << 2, ((tile + i) % across) << 2, panels);
    }
    first += count;
  }
}

/** Outputs of a tile from row y and column x on, by the kernel that sums up nine taps in order, whose weights are at `weights`. */
function tapByTap(step: usize, scratch: usize, window: usize, weights: usize, input: usize, sample: i32, y: i32, x: i32, panel: i32): void {
  const outWidth = argument(step, ConvStep.outWidth);
  const words = argument(step, ConvStep.channels);
  const zeros = <usize>words << 2;
  const pointers = window + zeros;
  memory.fill(window, 0, zeros);
  store<i32>(scratch, 0, Tile.sum);
  for (const bottom = min(y + 4, argument(step, ConvStep.outHeight)); y < bottom; y++) {
    for (let i = x; i < min(x + 4, outWidth); i++) {
      const pixel = y * outWidth + i;
      writePointers(step, input, pixel, window, pointers, 16);
      store<usize>(scratch, outputOf(step, sample, pixel) + (<usize>panel << 5), Tile.output);
      if (ASC_FEATURE_SIMD) gemm_1x8__simd<f32>(pointers, 9, words, 0, weights, scratch);
      else gemm_4x8__scalar<f32>(pointers, 1, 9, words, 0, weights, scratch);
    }
  }
}

function poisonTile(step: usize, sample: i32, y: i32, x: i32, panels: i32): void {
  const outWidth = argument(step, ConvStep.outWidth);
  const count = min(4, outWidth - x);
  for (const bottom = min(y + 4, argument(step, ConvStep.outHeight)); y < bottom; y++) {
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
function twice<V, E>(a: V): V {
  return add<V, E>(a, a);
}

@inline
function fourTimes<V, E>(a: V): V {
  return twice<V, E>(twice<V, E>(a));
}

@inline
function read<V, E>(at: usize): V {
  if (isVector<V>()) return v128.load(at);
  return <V>load<E>(at);
}

@inline
function write<V, E>(at: usize, value: V): void {
  if (isVector<V>()) v128.store(at, value);
  else store<E>(at, <E>value);
}

/** Bytes that one V takes. */
@inline
function bytesOf<V, E>(): usize {
  return isVector<V>() ? 16 : sizeof<E>();
}

/** Bᵀ·d·B of the 6 × 6 inputs whose outputs begin at row y and column x: the 36 positions lie `apart` bytes from each other. */
function spreadTile(step: usize, float: bool, input: usize, y: i32, x: i32, rowBytes: usize, window: usize, to: usize, apart: usize): bool {
  const inHeight = argument(step, ConvStep.inHeight);
  const inWidth = argument(step, ConvStep.inWidth);
  const pixel = address(step, ConvStep.pixelStride);
  y -= argument(step, ConvStep.padTop);
  x -= argument(step, ConvStep.padLeft);
  let line = <usize>inWidth * pixel;
  let at = input + <usize>y * line + <usize>x * pixel;
  if (min(x, y) < 0 || x + 6 > inWidth || y + 6 > inHeight) {
    // Beyond the input there are zeros: integers have a border, and what is beyond that no output depends on.
    memory.fill(window, 0, <usize>POSITIONS * rowBytes);
    const left = max(x, 0);
    const bytes = <usize>max(0, min(x + 6, inWidth) - left) * pixel;
    for (let i = max(y, 0); i < min(y + 6, inHeight); i++) {
      memory.copy(window + <usize>((i - y) * 6 + left - x) * pixel, input + <usize>(i * inWidth + left) * pixel, bytes);
    }
    line = REACH * pixel;
    at = window;
  }
  if (float) return ASC_FEATURE_SIMD ? spread<v128, f32>(at, line, pixel, to, apart, rowBytes) : spread<f32, f32>(at, line, pixel, to, apart, rowBytes);
  return ASC_FEATURE_SIMD ? spread<v128, i16>(at, line, pixel, to, apart, rowBytes) : spread<i32, i16>(at, line, pixel, to, apart, rowBytes);
}

/** Both transformations, columns and then rows, of all channels. Whether all inputs are numbers, which four positions tell: even and odd lines and columns. */
function spread<V, E>(from: usize, line: usize, pixel: usize, to: usize, apart: usize, rowBytes: usize): bool {
  const bytes = bytesOf<V, E>();
  let differences = all<V, E>(0);
  // The last vector takes channels again that one before it had.
  for (let c: usize = 0; ; c = min(c + bytes, rowBytes - bytes)) {
    let at = from + c;
    let out = to + c;
    let next = line;
    let step = REACH * apart;
    for (let i = 0; i < 12; i++) {
      transformed<V, E>(at, next, out, step);
      at += pixel;
      out += apart;
      if (i < 5) continue;
      // Rows from here on, in place.
      at = out = to + c + <usize>(i - 5) * REACH * apart;
      next = step = apart;
    }
    if (isFloat<E>()) {
      for (let i: usize = 0; i < 4; i++) {
        const v = read<V, E>(to + c + ((i & 1) * 5 + (i >> 1) * 30) * apart);
        differences = add<V, E>(differences, sub<V, E>(v, v));
      }
    }
    if (c + bytes == rowBytes) break;
  }
  if (isVector<V>()) return !v128.any_true(v128.ne<E>(differences, differences));
  return differences == differences;
}

/** Bᵀ of six inputs that lie `line` bytes apart. */
@inline
function transformed<V, E>(at: usize, line: usize, to: usize, apart: usize): void {
  const d0 = read<V, E>(at);
  const d1 = read<V, E>(at + line);
  const d2 = read<V, E>(at + 2 * line);
  const d3 = read<V, E>(at + 3 * line);
  const d4 = read<V, E>(at + 4 * line);
  const d5 = read<V, E>(at + 5 * line);
  const odd = twice<V, E>(sub<V, E>(d3, d1));
  const even = sub<V, E>(d4, d2);
  write<V, E>(to, add<V, E>(fourTimes<V, E>(sub<V, E>(d0, d2)), even));
  write<V, E>(to + apart, sub<V, E>(fourTimes<V, E>(add<V, E>(d1, d2)), add<V, E>(d3, d4)));
  write<V, E>(to + 2 * apart, add<V, E>(fourTimes<V, E>(sub<V, E>(d2, d1)), sub<V, E>(d3, d4)));
  write<V, E>(to + 3 * apart, add<V, E>(even, odd));
  write<V, E>(to + 4 * apart, sub<V, E>(even, odd));
  write<V, E>(to + 5 * apart, sub<V, E>(sub<V, E>(d5, d3), twice<V, E>(odd)));
}

/** Aᵀ of the six sums from `at` on, written over the first four. */
@inline
function folded<V, E>(at: usize, apart: usize): void {
  const m1 = read<V, E>(at + apart);
  const m2 = read<V, E>(at + 2 * apart);
  const m3 = read<V, E>(at + 3 * apart);
  const m4 = read<V, E>(at + 4 * apart);
  const s = add<V, E>(m1, m2);
  const d = sub<V, E>(m1, m2);
  const t = add<V, E>(m3, m4);
  const e = sub<V, E>(m3, m4);
  write<V, E>(at, add<V, E>(add<V, E>(read<V, E>(at), twice<V, E>(s)), t));
  write<V, E>(at + apart, twice<V, E>(add<V, E>(d, e)));
  write<V, E>(at + 2 * apart, twice<V, E>(add<V, E>(s, twice<V, E>(t))));
  write<V, E>(at + 3 * apart, twice<V, E>(add<V, E>(d, twice<V, E>(add<V, E>(twice<V, E>(e), read<V, E>(at + 5 * apart))))));
}

/** The outputs of a tile from row y and column x on, of the columns of a panel; `sums`: of the first position. */
function outputs<V, E, F>(step: usize, scratch: usize, sums: usize, apart: usize, sample: i32, y: i32, x: i32, panel: i32): void {
  const bytes = bytesOf<V, E>();
  const pixel = address(step, ConvStep.outPixelStride);
  const line = address(step, ConvStep.outRowStride);
  const right = <usize>min(4, argument(step, ConvStep.outWidth) - x) * pixel;
  const passes = 6 + min(4, argument(step, ConvStep.outHeight) - y);
  const first = outputOf(step, sample, y * argument(step, ConvStep.outWidth) + x) + (<usize>panel << 5);
  const form = load<i32>(scratch, Tile.form);
  const low = all<F, f32>(load<f32>(scratch, Tile.low));
  const high = all<F, f32>(load<f32>(scratch, Tile.high));
  const entry = load<usize>(scratch, Tile.parameters);
  for (let c: usize = 0; c < 32; c += bytes) {
    const shift = isFloat<E>() ? all<V, E>(0) : zerosOf<V>(entry, load<usize>(scratch, Tile.sums) + c);
    const scale = isFloat<E>() ? all<F, f32>(<f32>1 / 576) : scaleOf<F>(entry, load<usize>(scratch, Tile.scales) + c);
    const bias = read<F, f32>(load<usize>(scratch, Tile.bias) + c);
    let row = first + c;
    let at = sums + c;
    let next = REACH * apart;
    for (let i = 0; i < passes; i++) {
      folded<V, E>(at, next);
      at += apart;
      if (i < 5) continue;
      // Rows from here on, each complete.
      if (i > 5) {
        for (let out = row, end = row + right; out < end; out += pixel, at += apart) {
          const sum = read<V, E>(at - apart);
          // As a call, what follows a Clip made layers of resnet20 take 1.05 … 1.45 times as long.
          const y = add<F, f32>(mul<F>(isFloat<E>() ? (sum as F) : real<V, F>(sum, shift), scale), bias);
          if (isVector<F>()) v128.store(out, end__simd(scratch, out, y as v128, form, low as v128, high as v128));
          else store<f32>(out, end__scalar(scratch, out, y as f32));
        }
        row += line;
      }
      at = sums + c + <usize>(i - 5) * REACH * apart;
      next = apart;
    }
  }
}

@inline
function all<V, E>(value: E): V {
  if (isVector<V>()) return v128.splat<E>(value);
  return value as V;
}

/** z·Σw. */
@inline
function zerosOf<V>(entry: usize, sums: usize): V {
  const zero = load<i32>(entry, ActivationParameters.zero);
  if (isVector<V>()) return i32x4.mul(i32x4.splat(zero), v128.load(sums));
  return (zero * load<i32>(sums)) as V;
}

@inline
function scaleOf<F>(entry: usize, scales: usize): F {
  const scale = load<f32>(entry, ActivationParameters.scale);
  if (isVector<F>()) return f32x4.mul(f32x4.splat(scale), v128.load(scales));
  return (scale * load<f32>(scales)) as F;
}

/** S of 576·S, corrected. */
@inline
function real<V, F>(sum: V, shift: V): F {
  if (isVector<V>()) return f32x4.convert_i32x4_s(i32x4.sub(i32x4.shr_s(i32x4.mul(sum, i32x4.splat(NINTH)), 6), shift));
  return <f32>(((<i32>sum * NINTH) >> 6) - <i32>shift) as F;
}

@inline
function mul<F>(a: F, b: F): F {
  if (isVector<F>()) return f32x4.mul(a, b);
  return a * b;
}

/** Makes G·g·Gᵀ of the taps behind the positions of all panels. Returns 1 if all of it fits, else 0, and what has been written is of no use. For load time. */
export function transformWeights(kernel: i32, rows: i32, channels: i32, to: usize): i32 {
  const bytes = <usize>wordsOf(kernel, channels) << 5;
  const float = isFloatKernel(kernel);
  let from = to + <usize>((rows + COLUMNS - 1) / COLUMNS * POSITIONS) * bytes;
  for (const end = from; to < end; from += 9 * bytes, to += <usize>POSITIONS * bytes) {
    if (float) {
      ASC_FEATURE_SIMD ? transform<v128, f32>(from, to, bytes) : transform<f32, f32>(from, to, bytes);
      continue;
    }
    for (let at: usize = 0; at < 9 * bytes; at += 2) if (abs(<i32>load<i16>(from + at)) > LARGEST) return 0;
    ASC_FEATURE_SIMD ? transform<v128, i16>(from, to, bytes) : transform<i32, i16>(from, to, bytes);
  }
  return 1;
}

function transform<V, E>(from: usize, to: usize, apart: usize): void {
  for (const end = from + apart; from < end; from += bytesOf<V, E>(), to += bytesOf<V, E>()) {
    for (let j: usize = 0; j < 3; j++) mixed<V, E>(from + j * apart, 3 * apart, to + j * apart, REACH * apart);
    for (let i: usize = 0; i < REACH; i++) {
      const at = to + i * REACH * apart;
      mixed<V, E>(at, apart, at, apart);
    }
  }
}

/** G of three weights that lie `line` bytes apart. */
function mixed<V, E>(at: usize, line: usize, to: usize, apart: usize): void {
  const g0 = read<V, E>(at);
  const g1 = read<V, E>(at + line);
  const g2 = read<V, E>(at + 2 * line);
  const ends = add<V, E>(g0, g2);
  const wide = add<V, E>(g0, fourTimes<V, E>(g2));
  const middle = twice<V, E>(g1);
  write<V, E>(to, twice<V, E>(add<V, E>(g0, twice<V, E>(g0))));
  write<V, E>(to + apart, twice<V, E>(add<V, E>(ends, g1)));
  write<V, E>(to + 2 * apart, twice<V, E>(sub<V, E>(ends, g1)));
  write<V, E>(to + 3 * apart, add<V, E>(wide, middle));
  write<V, E>(to + 4 * apart, sub<V, E>(wide, middle));
  write<V, E>(to + 5 * apart, twice<V, E>(add<V, E>(g2, twice<V, E>(g2))));
}
