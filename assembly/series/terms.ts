// Builds the fused operands of the integer kernels in their panels: adds the digit planes that are there, later ones in place; with the first go zero points and outliers.
// Layers as in assembly/layout.ts. Panels and column sums are 0 before the first term; those of ConvU7 hold its offsets, in their bytes and behind the sums. Every function
// keeps columnSums[row] = Σ of the row's weights.
// Every function returns 1 if all elements that it has changed fit the panel, else 0; elements that do not have wrapped.
// For load time.
import { Opcode } from "../../src/core/abi/opcode";
import { columnOf, LOW_BITS } from "../gemm/gemm_i4_4x16";
import { HAS_QUADS } from "../gemm/mac";
import { COLUMNS, depthIn, panelColumns, rowsIn, tapsIn, weightBytes, wordsOf } from "../layout";

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

/** Bytes of a tap of a panel. */
@inline
function tapBytes(kernel: i32, words: i32): usize {
  return <usize>(words * panelColumns(kernel) * weightBytes(kernel));
}

/** Bytes of the elements of one column that lie side by side: a word of depth. */
@inline
function elementWordBytes(kernel: i32): i32 {
  return kernel == Opcode.ConvI8 ? 2 : 4;
}

/** Whether a row is the high one of the two columns that share an int16. */
@inline
function isHigh(kernel: i32, rows: i32, row: i32): bool {
  return kernel == Opcode.ConvI4 && ((row % rows) & COLUMNS) != 0;
}

/** Where row `row` of all groups begins in panels [group][ceil(rows/8)][tap][pair][8 columns][2]. */
@inline
function rowAt(kernel: i32, panels: usize, rows: i32, panelBytes: usize, row: i32): usize {
  const group = row / rows;
  const r = row - group * rows;
  const columns = panelColumns(kernel);
  const panel = group * ((rows + columns - 1) / columns) + r / columns;
  return panels + <usize>panel * panelBytes + <usize>((r % COLUMNS) * elementWordBytes(kernel));
}

/** Element `c` of a tap of a column of ConvU7. */
@inline
function quadAt(tap: usize, c: i32): usize {
  return tap + <usize>((c >> 2) * (COLUMNS * 4) + (c & 3));
}

/** Adds to element `c` of the tap that begins at `tap`; returns whether the result fits. */
@inline
function add(kernel: i32, tap: usize, c: i32, high: bool, value: i32): bool {
  if (HAS_QUADS && kernel == Opcode.ConvU7) {
    const at = quadAt(tap, c);
    const sum = <i32>load<u8>(at) + value;
    store<u8>(at, <u8>sum);
    return <u32>sum <= 127;
  }
  const pair = elementWordBytes(kernel);
  const at = tap + <usize>((c >> 1) * (COLUMNS * pair) + (c & 1) * (pair >> 1));
  if (kernel == Opcode.ConvI8) {
    const sum = <i32>load<i8>(at) + value;
    store<i8>(at, <i8>sum);
    return sum == <i32>(<i8>sum);
  }
  if (kernel == Opcode.ConvI4) {
    const sum = columnOf(load<i16>(at), high) + value;
    store<i16>(at, <i16>(high ? (sum << LOW_BITS) + columnOf(load<i16>(at), false) : (columnOf(load<i16>(at), true) << LOW_BITS) + sum));
    return abs(sum) <= 7;
  }
  const sum = <i32>load<i16>(at) + value;
  store<i16>(at, <i16>sum);
  return sum == <i32>(<i16>sum);
}

/** Whether elements can be added two at a time. */
@inline
function isPaired(kernel: i32, depth: i32): bool {
  return kernel != Opcode.ConvI4 && (depth & 1) == 0;
}

/** Adds to elements `c` and c + 1, c even; returns whether both results fit. */
@inline
function addPair(kernel: i32, tap: usize, c: i32, first: i32, second: i32): bool {
  if (HAS_QUADS && kernel == Opcode.ConvU7) {
    const at = quadAt(tap, c);
    const a = <i32>load<u8>(at) + first;
    const b = <i32>load<u8>(at, 1) + second;
    store<u8>(at, <u8>a);
    store<u8>(at, <u8>b, 1);
    return <u32>(a | b) <= 127;
  }
  if (kernel == Opcode.ConvI8) {
    const at = tap + <usize>(c * COLUMNS);
    const a = <i32>load<i8>(at) + first;
    const b = <i32>load<i8>(at, 1) + second;
    store<i8>(at, <i8>a);
    store<i8>(at, <i8>b, 1);
    return a == <i32>(<i8>a) && b == <i32>(<i8>b);
  }
  const at = tap + <usize>(c * COLUMNS << 1);
  const a = <i32>load<i16>(at) + first;
  const b = <i32>load<i16>(at, 2) + second;
  store<i16>(at, <i16>a);
  store<i16>(at, <i16>b, 2);
  return a == <i32>(<i16>a) && b == <i32>(<i16>b);
}

@inline
function addSum(columnSums: usize, row: i32, value: i32): void {
  const at = columnSums + (<usize>row << 2);
  store<i32>(at, load<i32>(at) + value);
}

/** The bytes of eight digits of at most 4 bits, which begin with one. */
@inline
function bytesOfEight(at: usize, bits: i32): i32 {
  if (bits == 4) return load<i32>(at);
  if (bits == 3) return <i32>load<u16>(at) | (<i32>load<u8>(at, 2) << 16);
  return bits == 2 ? <i32>load<u16>(at) : <i32>load<u8>(at);
}

/** What moves each of the first four of them to the top of a word. */
@inline
function leftShifts(bits: i32): v128 {
  if (bits == 4) return i32x4(1 << 28, 1 << 24, 1 << 20, 1 << 16);
  if (bits == 3) return i32x4(1 << 29, 1 << 26, 1 << 23, 1 << 20);
  return bits == 2 ? i32x4(1 << 30, 1 << 28, 1 << 26, 1 << 24) : i32x4(1 << 31, 1 << 30, 1 << 29, 1 << 28);
}

/** Adds eight i16 to elements from `at` on, which lie in pairs of i8; the bits that do not fit. */
@inline
function addToBytes(at: usize, values: v128): v128 {
  let old = v128.load_lane<u16>(at, i16x8.splat(0), 0);
  old = v128.load_lane<u16>(at, old, 1, COLUMNS * 2);
  old = v128.load_lane<u16>(at, old, 2, COLUMNS * 4);
  old = v128.load_lane<u16>(at, old, 3, COLUMNS * 6);
  const sum = i16x8.add(i16x8.extend_low_i8x16_s(old), values);
  const bytes = i8x16.narrow_i16x8_s(sum, sum);
  v128.store_lane<u16>(at, bytes, 0);
  v128.store_lane<u16>(at, bytes, 1, COLUMNS * 2);
  v128.store_lane<u16>(at, bytes, 2, COLUMNS * 4);
  v128.store_lane<u16>(at, bytes, 3, COLUMNS * 6);
  return v128.xor(sum, i16x8.extend_low_i8x16_s(bytes));
}

/** The same of pairs of i16. */
@inline
function addToWords(at: usize, values: v128): v128 {
  let old = v128.load_zero<u32>(at);
  old = v128.load_lane<u32>(at, old, 1, COLUMNS * 4);
  old = v128.load_lane<u32>(at, old, 2, COLUMNS * 8);
  old = v128.load_lane<u32>(at, old, 3, COLUMNS * 12);
  const sum = i16x8.add(old, values);
  v128.store_lane<u32>(at, sum, 0);
  v128.store_lane<u32>(at, sum, 1, COLUMNS * 4);
  v128.store_lane<u32>(at, sum, 2, COLUMNS * 8);
  v128.store_lane<u32>(at, sum, 3, COLUMNS * 12);
  return v128.xor(sum, i16x8.add_sat_s(old, values));
}

/** What is told of a term, i32 words (src/core/terms.ts); the plane lies so many bytes behind the first of all terms. */
enum Term {
  bits = 0,
  unsigned = 4,
  weight = 8,
  plane = 12,
  bytes = 16,
}

/** Digits `index` … index + 7 of a term of at most 4 bits, `index` a multiple of 8, as i16. */
@inline
function eightDigits(terms: usize, term: usize, index: u32): v128 {
  const bits = load<i32>(term, Term.bits);
  const word = i32x4.splat(bytesOfEight(terms + load<usize>(term, Term.plane) + <usize>((index >> 3) * bits), bits));
  const early = leftShifts(bits);
  const low = i32x4.mul(word, early);
  const high = i32x4.mul(word, i32x4.shr_u(early, 4 * bits));
  const rest = 32 - bits;
  return load<i32>(term, Term.unsigned)
    ? i16x8.narrow_i32x4_s(i32x4.shr_u(low, rest), i32x4.shr_u(high, rest))
    : i16x8.narrow_i32x4_s(i32x4.shr_s(low, rest), i32x4.shr_s(high, rest));
}

/** Whether eight digits of every term can be added at once. */
@inline
function areInEights(terms: usize, end: usize): bool {
  for (let term = terms; term < end; term += Term.bytes) if (load<i32>(term, Term.bits) > 4) return false;
  return true;
}

/**
 * Adds Σ weight · digit of `count` terms, planes [row][tap][channel], and subtracts the zero point of each row, i32 [groups·rows], unless `zeros` is 0: kernels need no correction
 * for it; of ConvU7 it becomes a part of the offsets, which the panels keep. An element is met once for all terms: one after the other they took 1.8 times as long.
 */
export function addTerms(
  kernel: i32, groups: i32, rows: i32, taps: i32, channels: i32, panels: usize, columnSums: usize, terms: usize, count: i32, zeros: usize,
): i32 {
  const inRows = rowsIn(kernel, groups, rows);
  const inTaps = tapsIn(kernel, taps);
  const depth = depthIn(kernel, taps, channels);
  const bytes = tapBytes(kernel, wordsOf(kernel, depth));
  const quads = HAS_QUADS && kernel == Opcode.ConvU7;
  const end = terms + <usize>count * Term.bytes;
  const inEights = kernel != Opcode.ConvI4 && !quads && areInEights(terms, end);
  let fits = true;
  let index: u32 = 0;
  for (let row = 0; row < groups * rows; row++) {
    const high = isHigh(kernel, inRows, row);
    const zero = zeros ? load<i32>(zeros + (<usize>row << 2)) : 0;
    let tap = rowAt(kernel, panels, inRows, <usize>inTaps * bytes, row);
    let sum = -zero * inTaps * depth;
    for (let t = 0; t < inTaps; t++, tap += bytes) {
      let c = 0;
      if (ASC_FEATURE_SIMD && inEights && (index & 7) == 0) {
        const less = i16x8.splat(<i16>-zero);
        let sums = i32x4.splat(0);
        let misfits = sums;
        for (; c + 8 <= depth; c += 8, index += 8) {
          let values = less;
          for (let term = terms; term < end; term += Term.bytes) {
            const digits = eightDigits(terms, term, index);
            const factor = i16x8.splat(<i16>load<i32>(term, Term.weight));
            sums = i32x4.add(sums, i32x4.dot_i16x8_s(digits, factor));
            values = i16x8.add(values, i16x8.mul(digits, factor));
          }
          misfits = v128.or(misfits, kernel == Opcode.ConvI8 ? addToBytes(tap + c * COLUMNS, values) : addToWords(tap + c * COLUMNS * 2, values));
        }
        sum += i32x4.extract_lane(sums, 0) + i32x4.extract_lane(sums, 1) + i32x4.extract_lane(sums, 2) + i32x4.extract_lane(sums, 3);
        if (v128.any_true(misfits)) fits = false;
      }
      for (let term = terms; term < end; term += Term.bytes) {
        const bits = load<i32>(term, Term.bits);
        const unsigned = load<i32>(term, Term.unsigned);
        const weight = load<i32>(term, Term.weight);
        const plane = terms + load<usize>(term, Term.plane);
        const less = term == terms && !quads ? zero : 0;
        let e = c;
        let at = index;
        if (bits == 4 && isPaired(kernel, depth) && (!ASC_FEATURE_SIMD || quads)) {
          const sign = unsigned ? 0 : 8;
          for (; e < depth; e += 2, at += 2) {
            const both = <i32>load<u8>(plane + <usize>(at >> 1));
            const first = (((both & 15) ^ sign) - sign) * weight;
            const second = (((both >> 4) ^ sign) - sign) * weight;
            if (!addPair(kernel, tap, e, first - less, second - less)) fits = false;
            sum += first + second;
          }
        }
        for (; e < depth; e++, at++) {
          const d = digit(plane, at, bits, unsigned) * weight;
          if (!add(kernel, tap, e, high, d - less)) fits = false;
          sum += d;
        }
      }
      index += depth - c;
    }
    addSum(columnSums, row, sum);
    if (quads) addSum(columnSums + <usize>(((groups * rows + COLUMNS - 1) & -COLUMNS) << 2), row, zero);
  }
  return <i32>fits;
}

/** Writes Σ weight · digit of `count` terms, planes [row][column], less the zero point of each row, i32, unless `zeros` is 0: i16 [rows][columns], as tables have them. */
export function fuseTerms(rows: i32, columns: i32, terms: usize, count: i32, zeros: usize, output: usize): void {
  const end = terms + <usize>count * Term.bytes;
  const inEights = areInEights(terms, end);
  let index: u32 = 0;
  for (let row = 0; row < rows; row++) {
    const zero = zeros ? load<i32>(zeros + (<usize>row << 2)) : 0;
    for (const last = index + columns; index < last; ) {
      const at = output + (<usize>index << 1);
      if (ASC_FEATURE_SIMD && inEights && (index & 7) == 0 && index + 8 <= last) {
        let values = i16x8.splat(<i16>-zero);
        for (let term = terms; term < end; term += Term.bytes) {
          const factor = i16x8.splat(<i16>load<i32>(term, Term.weight));
          values = i16x8.add(values, i16x8.mul(eightDigits(terms, term, index), factor));
        }
        v128.store(at, values);
        index += 8;
        continue;
      }
      let sum = -zero;
      for (let term = terms; term < end; term += Term.bytes) {
        const plane = terms + load<usize>(term, Term.plane);
        sum += digit(plane, index, load<i32>(term, Term.bits), load<i32>(term, Term.unsigned)) * load<i32>(term, Term.weight);
      }
      store<i16>(at, <i16>sum);
      index++;
    }
  }
}

/** Adds i16 `values` to `count` elements: `indices`, u32, count [row][tap][channel]. */
export function addOutliers(
  kernel: i32, groups: i32, rows: i32, taps: i32, channels: i32, panels: usize, columnSums: usize, indices: usize, values: usize, count: i32,
): i32 {
  const inRows = rowsIn(kernel, groups, rows);
  const inTaps = tapsIn(kernel, taps);
  const depth = depthIn(kernel, taps, channels);
  const bytes = tapBytes(kernel, wordsOf(kernel, depth));
  let fits = true;
  for (let i: usize = 0; i < <usize>count; i++) {
    const index = load<u32>(indices + (i << 2));
    const value = <i32>load<i16>(values + (i << 1));
    const row = <i32>(index / <u32>(inTaps * depth));
    const element = <i32>(index % <u32>(inTaps * depth));
    const tap = element / depth;
    const at = rowAt(kernel, panels, inRows, <usize>inTaps * bytes, row) + <usize>tap * bytes;
    if (!add(kernel, at, element % depth, isHigh(kernel, inRows, row), value)) fits = false;
    addSum(columnSums, row, value);
  }
  return <i32>fits;
}
