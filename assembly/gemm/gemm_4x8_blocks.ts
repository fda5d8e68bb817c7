// Tiles of 4 or 1 output pixels × 8 output channels of integers whose sums may leave int32, where no turns are known that do not (gemm_4x8_turns.ts). The sums are exact
// integers in f64 in the end, so is their correction (|z·Σw| < 2^46, |S| < 2^53), and S is rounded once. On the way, SIMD splits a sum into H·2^16 + T: H takes the
// high half of each pair, of 2^16 pairs at most before both go to the f64 sum. The scalar build adds int32 blocks of `pairsPerBlock` k-pairs in f64. Operands as in gemm_4x8.ts, T the
// type of the weights.
import { ActivationParameters } from "../../src/core/abi/conv";
import { Scratch } from "../../src/core/abi/scratch";
import { left__simd, mac__scalar, mac__simd, right__simd, wordBytes } from "./mac";
import { finish__scalar, finish__simd, Tile } from "./tile";

/** Adds `pairs` pairs of `rows` rows to the i32 sums at `sums`. */
function addBlock<T>(table: usize, rows: i32, offset: usize, pairs: i32, panel: usize, sums: usize): void {
  for (let r = 0; r < rows; r++, table += 4, sums += 32) {
    const row = load<usize>(table) + offset;
    for (let column: usize = 0; column < 8; column++) {
      let sum = load<i32>(sums + (column << 2));
      let a = row;
      let b = panel + column * (wordBytes<T>() >> 3);
      for (let i = 0; i < pairs; i++, a += 4, b += wordBytes<T>()) sum = mac__scalar<T, i32>(sum, a, b);
      store<i32>(sums + (column << 2), sum);
    }
  }
}

/** Pairs whose low halves fit in u32. */
const MOST_PAIRS: i32 = 65535;

/**
 * Adds two rows pair by pair to f64 sums at `sums`: beside the sum T of the pairs modulo 2^32 goes the sum H of their high halves. With n < 2^16 pairs
 * the exact sum lies in 65536·H … 65536·H + 65535·n, which T decides.
 */
function pairwise2__simd<T>(table: usize, taps: i32, pairs: i32, offset: usize, panel: usize, sums: usize): void {
  let t00 = i32x4.splat(0);
  let t01 = t00;
  let t10 = t00;
  let t11 = t00;
  let h00 = t00;
  let h01 = t00;
  let h10 = t00;
  let h11 = t00;
  const bytes = <usize>pairs << 2;
  const end = table + (<usize>taps << 4);
  do {
    let a = load<usize>(table) + offset;
    const to = load<usize>(table, 4) + offset - a;
    const stop = a + bytes;
    do {
      const b0 = left__simd<T>(panel);
      const b1 = right__simd<T>(panel);
      const x0 = v128.load32_splat(a);
      const p00 = i32x4.dot_i16x8_s(x0, b0);
      const p01 = i32x4.dot_i16x8_s(x0, b1);
      t00 = i32x4.add(t00, p00);
      h00 = i32x4.add(h00, i32x4.shr_s(p00, 16));
      t01 = i32x4.add(t01, p01);
      h01 = i32x4.add(h01, i32x4.shr_s(p01, 16));
      const x1 = v128.load32_splat(a + to);
      const p10 = i32x4.dot_i16x8_s(x1, b0);
      const p11 = i32x4.dot_i16x8_s(x1, b1);
      t10 = i32x4.add(t10, p10);
      h10 = i32x4.add(h10, i32x4.shr_s(p10, 16));
      t11 = i32x4.add(t11, p11);
      h11 = i32x4.add(h11, i32x4.shr_s(p11, 16));
      a += 4;
      panel += wordBytes<T>();
    } while (a < stop);
    table += 16;
  } while (table < end);
  joinHalves__simd(sums, t00, h00);
  joinHalves__simd(sums + 32, t01, h01);
  joinHalves__simd(sums + 64, t10, h10);
  joinHalves__simd(sums + 96, t11, h11);
}

/** One row pair by pair. */
function pairwise1__simd<T>(table: usize, taps: i32, pairs: i32, offset: usize, panel: usize, sums: usize): void {
  let t0 = i32x4.splat(0);
  let t1 = t0;
  let h0 = t0;
  let h1 = t0;
  const bytes = <usize>pairs << 2;
  for (const end = table + (<usize>taps << 4); table < end; table += 16) {
    let a = load<usize>(table) + offset;
    for (const stop = a + bytes; a < stop; a += 4, panel += wordBytes<T>()) {
      const x = v128.load32_splat(a);
      const p0 = i32x4.dot_i16x8_s(x, left__simd<T>(panel));
      const p1 = i32x4.dot_i16x8_s(x, right__simd<T>(panel));
      t0 = i32x4.add(t0, p0);
      h0 = i32x4.add(h0, i32x4.shr_s(p0, 16));
      t1 = i32x4.add(t1, p1);
      h1 = i32x4.add(h1, i32x4.shr_s(p1, 16));
    }
  }
  joinHalves__simd(sums, t0, h0);
  joinHalves__simd(sums + 32, t1, h1);
}

@inline
function joinHalves__simd(sums: usize, t: v128, h: v128): void {
  join__simd(sums, i32x4.sub(t, i32x4.shl(h, 16)), h);
}

/** Adds f64 h·2^16 + low, low a u32. */
@inline
function join__simd(sums: usize, low: v128, h: v128): void {
  const unit = f64x2.splat(65536);
  const nextLow = v128.shuffle<i64>(low, low, 1, 1);
  const nextH = v128.shuffle<i64>(h, h, 1, 1);
  const first = f64x2.add(f64x2.mul(f64x2.convert_low_i32x4_s(h), unit), f64x2.convert_low_i32x4_u(low));
  const second = f64x2.add(f64x2.mul(f64x2.convert_low_i32x4_s(nextH), unit), f64x2.convert_low_i32x4_u(nextLow));
  v128.store(sums, f64x2.add(v128.load(sums), first));
  v128.store(sums, f64x2.add(v128.load(sums, 16), second), 16);
}

/** `rows` (1 or 4) rows, pair by pair. */
function pairwise__simd<T>(table: usize, rows: i32, taps: i32, pairs: i32, offset: usize, panel: usize, sums: usize): void {
  if (rows == 1) {
    pairwise1__simd<T>(table, taps, pairs, offset, panel, sums);
    return;
  }
  pairwise2__simd<T>(table, taps, pairs, offset, panel, sums);
  pairwise2__simd<T>(table + 8, taps, pairs, offset, panel, sums + 128);
}

/** `rows` (1 or 4) rows whose sums need blocks; both builds. */
export function gemm_4x8_blocks<T>(
  table: usize, rows: i32, taps: i32, pairs: i32, offset: usize, panel: usize, scratch: usize,
): void {
  const tile = scratch + Scratch.tile;
  const sums32 = scratch + Scratch.sums32;
  const sums64 = scratch + Scratch.sums64;
  memory.fill(sums32, 0, 128);
  memory.fill(sums64, 0, 256);
  if (ASC_FEATURE_SIMD && taps * pairs <= MOST_PAIRS) {
    pairwise__simd<T>(table, rows, taps, pairs, offset, panel, sums64);
    finishRows(tile, rows, sums64);
    return;
  }
  const capacity = ASC_FEATURE_SIMD ? MOST_PAIRS : load<i32>(tile, Tile.pairsPerBlock);
  let room = capacity;
  for (let t = 0; t < taps; t++, table += 16) {
    let at = offset;
    for (let left = pairs; left > 0; ) {
      const count = min(left, room);
      if (ASC_FEATURE_SIMD) pairwise__simd<T>(table, rows, 1, count, at, panel, sums64);
      else addBlock<T>(table, rows, at, count, panel, sums32);
      at += <usize>count << 2;
      panel += <usize>count * wordBytes<T>();
      left -= count;
      if (ASC_FEATURE_SIMD) continue;
      room -= count;
      if (room == 0) {
        flush(rows, sums32, sums64);
        room = capacity;
      }
    }
  }
  if (!ASC_FEATURE_SIMD) flush(rows, sums32, sums64);
  finishRows(tile, rows, sums64);
}

/** Finishes f64 sums. */
function finishRows(tile: usize, rows: i32, sums64: usize): void {
  const step = load<usize>(tile, Tile.parameterStep);
  let entry = load<usize>(tile, Tile.parameters);
  for (let r = 0; r < rows; r++, entry += step) {
    if (ASC_FEATURE_SIMD) finishF64__simd(tile, r, entry, sums64 + (<usize>r << 6));
    else finishF64__scalar(tile, r, entry, sums64 + (<usize>r << 6));
  }
}

/** Adds the i32 sums of a block to the f64 sums and clears them. */
@inline
function flush(rows: i32, sums32: usize, sums64: usize): void {
  for (const stop = sums32 + (<usize>rows << 5); sums32 < stop; sums32 += 4, sums64 += 8) {
    store<f64>(sums64, load<f64>(sums64) + <f64>load<i32>(sums32));
    store<i32>(sums32, 0);
  }
}

function finishF64__scalar(tile: usize, row: i32, entry: usize, sums: usize): void {
  const zero = <f64>load<i32>(entry, ActivationParameters.zero);
  const scale = load<f32>(entry, ActivationParameters.scale);
  for (let c: usize = 0; c < 8; c++) {
    const at = c << 2;
    const s = load<f64>(sums + (at << 1)) - zero * <f64>load<i32>(load<usize>(tile, Tile.sums) + at);
    finish__scalar(tile, row, c, <f32>s * (scale * load<f32>(load<usize>(tile, Tile.scales) + at)));
  }
}

/** The sums of 4 columns less their correction, rounded once. */
@inline
export function corrected__simd(s0: v128, s1: v128, zero: v128, columns: usize): v128 {
  const c = v128.load(columns);
  const low = f64x2.sub(s0, f64x2.mul(zero, f64x2.convert_low_i32x4_s(c)));
  const high = f64x2.sub(s1, f64x2.mul(zero, f64x2.convert_low_i32x4_s(v128.shuffle<i64>(c, c, 1, 1))));
  return v128.shuffle<i64>(f32x4.demote_f64x2_zero(low), f32x4.demote_f64x2_zero(high), 0, 2);
}

function finishF64__simd(tile: usize, row: i32, entry: usize, sums: usize): void {
  const zero = f64x2.splat(<f64>load<i32>(entry, ActivationParameters.zero));
  const scale = v128.load_splat<f32>(entry, ActivationParameters.scale);
  const columns = load<usize>(tile, Tile.sums);
  const scales = load<usize>(tile, Tile.scales);
  const s0 = corrected__simd(v128.load(sums), v128.load(sums, 16), zero, columns);
  const s1 = corrected__simd(v128.load(sums, 32), v128.load(sums, 48), zero, columns + 16);
  const y0 = f32x4.mul(s0, f32x4.mul(scale, v128.load(scales)));
  const y1 = f32x4.mul(s1, f32x4.mul(scale, v128.load(scales, 16)));
  finish__simd(tile, row, y0, y1);
}
