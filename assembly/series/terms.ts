// Builds the fused operands of the integer kernels in their panels: adds digit planes term by term, and refines in place; then zero points and outliers.
// Layers as in assembly/layout.ts. Panels and column sums are 0 before the first term; every function keeps columnSums[row] = Σ of the row's panel.
// For load time; the caller proves that sums of terms fit i16.
import { COLUMNS, depthIn, rowsIn, tapsIn, wordsOf } from "../layout";

/** Digit `index` of a plane, which packs digits of `bits` bits (2…8) little-endian within bytes; two's complement, or unsigned. */
@inline
function digit(plane: usize, index: u32, bits: i32, unsigned: i32): i32 {
  const bit = <u64>index * bits;
  const at = plane + <usize>(bit >> 3);
  const low = <i32>(bit & 7);
  let word = <i32>load<u8>(at);
  if (low + bits > 8) word |= <i32>load<u8>(at, 1) << 8;
  const rest = 32 - bits;
  const top = (word >> low) << rest;
  return unsigned ? <i32>(<u32>top >> rest) : top >> rest;
}

/** Where row `row` of all groups begins in panels [group][ceil(rows/8)][words of all taps][8 columns][2] i16. */
@inline
function rowAt(panels: usize, rows: i32, words: i32, row: i32): usize {
  const group = row / rows;
  const r = row - group * rows;
  const panel = group * ((rows + COLUMNS - 1) / COLUMNS) + r / COLUMNS;
  return panels + (<usize>(panel * COLUMNS) * <usize>words + <usize>(r % COLUMNS) << 2);
}

/** Adds to element `c` of the tap that begins at `tap`. */
@inline
function add(tap: usize, c: i32, value: i32): void {
  const at = tap + <usize>(c >> 1) * (COLUMNS << 2) + (<usize>(c & 1) << 1);
  store<i16>(at, load<i16>(at) + <i16>value);
}

@inline
function addSum(columnSums: usize, row: i32, value: i32): void {
  const at = columnSums + (<usize>row << 2);
  store<i32>(at, load<i32>(at) + value);
}

/** Adds `weight` · digit of a plane [row][tap][channel]. */
export function addTerm(
  kernel: i32, groups: i32, rows: i32, taps: i32, channels: i32, panels: usize, columnSums: usize, plane: usize, bits: i32, unsigned: i32, weight: i32,
): void {
  const inRows = rowsIn(kernel, groups, rows);
  const inTaps = tapsIn(kernel, taps);
  const depth = depthIn(kernel, taps, channels);
  const words = wordsOf(kernel, depth);
  let index: u32 = 0;
  for (let row = 0; row < groups * rows; row++) {
    let tap = rowAt(panels, inRows, inTaps * words, row);
    let sum = 0;
    for (let t = 0; t < inTaps; t++, tap += <usize>(words * COLUMNS) << 2) {
      for (let c = 0; c < depth; c++, index++) {
        const d = digit(plane, index, bits, unsigned) * weight;
        add(tap, c, d);
        sum += d;
      }
    }
    addSum(columnSums, row, sum);
  }
}

/** Subtracts the zero point of each row, i32 [groups·rows], from its elements, so that kernels need no correction for it. */
export function addZeroPoints(
  kernel: i32, groups: i32, rows: i32, taps: i32, channels: i32, panels: usize, columnSums: usize, zeros: usize,
): void {
  const inRows = rowsIn(kernel, groups, rows);
  const inTaps = tapsIn(kernel, taps);
  const depth = depthIn(kernel, taps, channels);
  const words = wordsOf(kernel, depth);
  for (let row = 0; row < groups * rows; row++) {
    const zero = load<i32>(zeros + (<usize>row << 2));
    let tap = rowAt(panels, inRows, inTaps * words, row);
    for (let t = 0; t < inTaps; t++, tap += <usize>(words * COLUMNS) << 2) {
      for (let c = 0; c < depth; c++) add(tap, c, -zero);
    }
    addSum(columnSums, row, -zero * taps * channels);
  }
}

/** Adds i16 `values` to `count` elements: `indices`, u32, count [row][tap][channel]. */
export function addOutliers(
  kernel: i32, groups: i32, rows: i32, taps: i32, channels: i32, panels: usize, columnSums: usize, indices: usize, values: usize, count: i32,
): void {
  const inRows = rowsIn(kernel, groups, rows);
  const inTaps = tapsIn(kernel, taps);
  const depth = depthIn(kernel, taps, channels);
  const words = wordsOf(kernel, depth);
  for (let i: usize = 0; i < <usize>count; i++) {
    const index = load<u32>(indices + (i << 2));
    const value = <i32>load<i16>(values + (i << 1));
    const row = <i32>(index / <u32>(inTaps * depth));
    const element = <i32>(index % <u32>(inTaps * depth));
    const tap = element / depth;
    add(rowAt(panels, inRows, inTaps * words, row) + (<usize>(tap * words * COLUMNS) << 2), element % depth, value);
    addSum(columnSums, row, value);
  }
}
