// Tiles of 4 or 1 output pixels × 8 output channels of int16 whose sums leave int32, in turns of k-pairs that do not, which the weights of the panel decide (turns.ts).
// A sum is H·2^16 + c: after a turn, or the end of a run of pixels, the high half of the i32 sum c moves to H. It begins at −z·Σw, and is in the end the sum of two exact
// f32, rounded once, as long as |H| ≤ 2^24, else the same in f64. Operands as in gemm_4x8.ts.
import { ActivationParameters } from "../../src/core/abi/conv";
import { Scratch } from "../../src/core/abi/scratch";
import { mac__simd } from "./mac";
import { finish__simd, Tile } from "./tile";

/** Pairs below which H, of Σw·(q − z), fits i32: a pair adds 2^32 at most. */
export const MOST_PAIRS: i32 = 32768;

/** From H of a tile, i32 [4][8], to what is left of its sums. */
export const LEFT: usize = Scratch.sums64 - Scratch.sums32;

/** Writes what the sums of four rows begin with. */
export function beginHalves__simd(tile: usize, entry: usize, step: usize, halves: usize): void {
  const columns = load<usize>(tile, Tile.sums);
  const w0 = v128.load(columns);
  const w1 = v128.load(columns, 16);
  let z = i32x4.neg(v128.load_splat<i32>(entry, ActivationParameters.zero));
  let l0 = low__simd(z, w0);
  let l1 = low__simd(z, w1);
  let h0 = high__simd(z, w0);
  let h1 = high__simd(z, w1);
  for (const stop = halves + LEFT; ; ) {
    v128.store(halves, h0);
    v128.store(halves, h1, 16);
    v128.store(halves + LEFT, l0);
    v128.store(halves + LEFT, l1, 16);
    halves += 32;
    if (halves == stop) return;
    if (step == 0) continue;
    entry += step;
    z = i32x4.neg(v128.load_splat<i32>(entry, ActivationParameters.zero));
    l0 = low__simd(z, w0);
    l1 = low__simd(z, w1);
    h0 = high__simd(z, w0);
    h1 = high__simd(z, w1);
  }
}

@inline
function low__simd(z: v128, sums: v128): v128 {
  return v128.and(i32x4.mul(z, sums), i32x4.splat(0xffff));
}

/** Bits 16 to 47 of the product, which is less than 2^46. */
@inline
function high__simd(z: v128, sums: v128): v128 {
  const left = i64x2.shr_u(i64x2.extmul_low_i32x4_s(z, sums), 16);
  const right = i64x2.shr_u(i64x2.extmul_high_i32x4_s(z, sums), 16);
  return v128.shuffle<i32>(left, right, 0, 2, 4, 6);
}

/** Moves the high half of a sum, and returns what is left. */
@inline
export function lowered__simd(half: usize, sum: v128): v128 {
  v128.store(half, i32x4.add(v128.load(half), i32x4.shr_s(sum, 16)));
  return v128.and(sum, i32x4.splat(0xffff));
}

/** The sum whose high half lies at `half`. */
@inline
export function joinedHalves__simd(half: usize, left: v128): v128 {
  return joined__simd(v128.load(half), left);
}

/** h·2^16 + left, rounded once. */
function joined__simd(h: v128, left: v128): v128 {
  if (v128.any_true(i32x4.gt_u(i32x4.add(h, i32x4.splat(1 << 24)), i32x4.splat(1 << 25)))) return wide__simd(h, left);
  return f32x4.add(f32x4.mul(f32x4.convert_i32x4_s(h), f32x4.splat(65536)), f32x4.convert_i32x4_s(left));
}

/** A sum under the parameters of its row. */
@inline
export function weighed__simd(tile: usize, entry: usize, sum: v128, at: usize): v128 {
  const scale = v128.load_splat<f32>(entry, ActivationParameters.scale);
  return f32x4.mul(sum, f32x4.mul(scale, v128.load(load<usize>(tile, Tile.scales) + at)));
}

function wide__simd(h: v128, left: v128): v128 {
  const first = two__simd(h, left);
  const second = two__simd(v128.shuffle<i64>(h, h, 1, 1), v128.shuffle<i64>(left, left, 1, 1));
  return v128.shuffle<i64>(first, second, 0, 2);
}

@inline
function two__simd(h: v128, left: v128): v128 {
  const high = f64x2.mul(f64x2.convert_low_i32x4_s(h), f64x2.splat(65536));
  return f32x4.demote_f64x2_zero(f64x2.add(high, f64x2.convert_low_i32x4_s(left)));
}

/** One row of a panel. */
export function gemm_1x8_turns__simd(table: usize, taps: i32, pairs: i32, offset: usize, panel: usize, tile: usize): void {
  const entry = load<usize>(tile, Tile.parameters);
  const columns = load<usize>(tile, Tile.sums);
  const z = i32x4.neg(v128.load_splat<i32>(entry, ActivationParameters.zero));
  const mask = i32x4.splat(0xffff);
  let c0 = low__simd(z, v128.load(columns));
  let c1 = low__simd(z, v128.load(columns, 16));
  let h0 = high__simd(z, v128.load(columns));
  let h1 = high__simd(z, v128.load(columns, 16));
  let turns = load<usize>(tile, Tile.turns);
  const turnStep = load<usize>(tile, Tile.turnStep);
  let room: usize = 0;
  for (const end = table + (<usize>taps << 4); table < end; table += 16) {
    let a = load<usize>(table) + offset;
    const last = a + (<usize>pairs << 2);
    do {
      if (room == 0) {
        room = <usize>load<u8>(turns) << 2;
        turns += turnStep;
      }
      const stop = min(a + room, last);
      room -= stop - a;
      do {
        const x = v128.load32_splat(a);
        c0 = mac__simd<i16>(c0, x, v128.load(panel));
        c1 = mac__simd<i16>(c1, x, v128.load(panel, 16));
        a += 4;
        panel += 32;
      } while (a < stop);
      h0 = i32x4.add(h0, i32x4.shr_s(c0, 16));
      h1 = i32x4.add(h1, i32x4.shr_s(c1, 16));
      c0 = v128.and(c0, mask);
      c1 = v128.and(c1, mask);
    } while (a < last);
  }
  c0 = weighed__simd(tile, entry, joined__simd(h0, c0), 0);
  c1 = weighed__simd(tile, entry, joined__simd(h1, c1), 16);
  finish__simd(tile, 0, c0, c1);
}
