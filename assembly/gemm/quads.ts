// What ConvU7 has beside its tiles. Its panels hold u = w + c, 0…127, c an offset of the column: Σ w·(q − z) = Σ u·q − c·Σ q − z·Σ w, all modulo 2^32. So each row
// needs the sum of its activations, over the padding as well: once for all panels of a group.
import { isMerged } from "./table";
import { Tile } from "./tile";

/** Writes Σ q of `count` rows of a group, i32 each, at `sums`; `words` words of 4 bytes per tap. Table as in gemm_4x8.ts. */
export function rowSums(table: usize, count: i32, taps: i32, width: i32, words: i32, offset: usize, sums: usize): void {
  for (let r = 0; r < count; r++, sums += 4) {
    const tile = table + ((<usize>(r >> 2) * <usize>taps) << 4);
    const merged = width > 0 && isMerged(tile, taps);
    const runs = merged ? taps / width : taps;
    const bytes = <usize>(merged ? words * width : words) << 2;
    let at = tile + (<usize>(r & 3) << 2);
    let sum = 0;
    for (let t = 0; t < runs; t++, at += 16) sum += sumOf(load<usize>(at) + offset, bytes);
    store<i32>(sums, sum);
  }
}

/** Σ of `bytes` i8, a multiple of 4. */
@inline
function sumOf(at: usize, bytes: usize): i32 {
  const end = at + bytes;
  let sum = 0;
  if (ASC_FEATURE_SIMD) {
    let sums = i32x4.splat(0);
    for (; at + 16 <= end; at += 16) sums = i32x4.add(sums, i32x4.extadd_pairwise_i16x8_s(i16x8.extadd_pairwise_i8x16_s(v128.load(at))));
    for (; at < end; at += 4) sums = i32x4.add(sums, i32x4.extadd_pairwise_i16x8_s(i16x8.extadd_pairwise_i8x16_s(v128.load_zero<i32>(at))));
    sums = i32x4.add(sums, v128.shuffle<i32>(sums, sums, 2, 3, 0, 1));
    return i32x4.extract_lane(sums, 0) + i32x4.extract_lane(sums, 1);
  }
  for (; at < end; at++) sum += <i32>load<i8>(at);
  return sum;
}

/** c·Σ q of 4 columns of a row, whose sum lies at `sum`. */
@inline
export function surplus__simd(tile: usize, sum: usize, at: usize): v128 {
  return i32x4.mul(v128.load_splat<i32>(sum), v128.load(load<usize>(tile, Tile.offsets) + at));
}

@inline
export function surplus__scalar(tile: usize, sum: usize, column: usize): i32 {
  return load<i32>(sum) * load<i32>(load<usize>(tile, Tile.offsets) + (column << 2));
}
