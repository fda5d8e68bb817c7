// PackKept: panels that stay in memory from run to run while the matrix grows; see KeptStep. Panels as in pack.ts, some bytes apart. A matrix is packed
// again, whole, where its range is another than before, where a value is not finite, or where other rows are kept than the caller has.
// Threads share the matrices.
import { KeptRecord, KeptStep } from "../../src/core/abi/conv";
import { address, argument, number, share } from "../step";
import { across__simd, along__simd, packColumn } from "./pack";
import { inverseOf, isFinite32, quantized, scaleOf, zeroOf } from "./quantize";

const NAN: u32 = 0x7fc00000;

export function packKept(step: usize, thread: i32, threads: i32): void {
  const batch = argument(step, KeptStep.batch);
  const end = share(batch, thread + 1, threads);
  for (let matrix = share(batch, thread, threads); matrix < end; matrix++) {
    const record = address(step, KeptStep.record) + <usize>matrix * KeptRecord.bytes;
    const before = argument(step, KeptStep.before);
    const first = load<i32>(record, KeptRecord.count) == before ? before : 0;
    const down = argument(step, KeptStep.growsDown) != 0;
    const total = argument(step, down ? KeptStep.rows : KeptStep.columns);
    if (argument(step, KeptStep.bits) == 0) {
      if (down) rowsF32(step, matrix, first);
      else columnsF32(step, matrix, first);
    } else {
      const from = grown(step, matrix, record, first, total, down);
      const low = load<f32>(record, KeptRecord.low);
      const scale = scaleOf(low, load<f32>(record, KeptRecord.high), argument(step, KeptStep.bits));
      const zero = zeroOf(low, inverseOf(scale), argument(step, KeptStep.bits));
      const finite = load<i32>(record, KeptRecord.nonFinite) == 0;
      if (down) rowsI16(step, matrix, from, scale, zero, finite);
      else columnsI16(step, matrix, from, scale, zero, finite);
    }
    store<i32>(record, total, KeptRecord.count);
  }
}

/** Takes the rows, or columns, from `first` on into the record; returns from where on there is to pack. */
function grown(step: usize, matrix: i32, record: usize, first: i32, total: i32, down: bool): i32 {
  const along = address(step, down ? KeptStep.downStride : KeptStep.rightStride);
  const across = address(step, down ? KeptStep.rightStride : KeptStep.downStride);
  const width = argument(step, down ? KeptStep.columns : KeptStep.rows);
  const factor = number(step, KeptStep.factor);
  const oldLow: f32 = first > 0 ? load<f32>(record, KeptRecord.low) : 0;
  const oldHigh: f32 = first > 0 ? load<f32>(record, KeptRecord.high) : 0;
  let low = oldLow;
  let high = oldHigh;
  let odd = first > 0 ? load<i32>(record, KeptRecord.nonFinite) : 0;
  for (let i = first; i < total; i++) {
    let at = inputOf(step, matrix) + <usize>i * along;
    for (let j = 0; j < width; j++, at += across) {
      const x = load<f32>(at) * factor;
      if (isFinite32(x)) {
        low = min(low, x);
        high = max(high, x);
      } else odd = 1;
    }
  }
  store<f32>(record, low, KeptRecord.low);
  store<f32>(record, high, KeptRecord.high);
  store<i32>(record, odd, KeptRecord.nonFinite);
  return low == oldLow && high == oldHigh && odd == 0 ? first : 0;
}

@inline function inputOf(step: usize, matrix: i32): usize {
  return address(step, KeptStep.input) + <usize>matrix * address(step, KeptStep.batchStride);
}

@inline function panelsOf(step: usize, matrix: i32): usize {
  return address(step, KeptStep.output) + <usize>matrix * address(step, KeptStep.outBatchStride);
}

/** Where what belongs to column `column` of a matrix lies in the list at a word. */
@inline function entryOf(step: usize, word: i32, matrix: i32, column: i32): usize {
  return address(step, word) + (<usize>(matrix * argument(step, KeptStep.scalesBatchStride) + column) << 2);
}

/** Whether the vector forms of pack.ts may pack a panel: they read finite values as they are, one beside the other. */
@inline function isPlain(step: usize, scale: f32, finite: bool, stride: usize): bool {
  return finite && scale != 0 && stride == 4 && number(step, KeptStep.factor) == 1;
}

/** Scale and sum of the eight columns from `column` on, before any of them is packed. */
function begin(step: usize, matrix: i32, column: i32, scale: f32): void {
  const scales = entryOf(step, KeptStep.scales, matrix, column);
  for (let c: usize = 0; c < 32; c += 4) store<f32>(scales + c, scale);
  memory.fill(entryOf(step, KeptStep.columnSums, matrix, column), 0, 32);
}

/** Columns from `first` on. */
function columnsI16(step: usize, matrix: i32, first: i32, scale: f32, zero: i32, finite: bool): void {
  const rows = argument(step, KeptStep.rows);
  const columns = argument(step, KeptStep.columns);
  const bits = argument(step, KeptStep.bits);
  const inverse = inverseOf(scale);
  const right = address(step, KeptStep.rightStride);
  const down = address(step, KeptStep.downStride);
  for (let column = first & ~7; column < columns; column += 8) {
    const panel = panelsOf(step, matrix) + <usize>(column >> 3) * address(step, KeptStep.panelStride);
    const live = min(8, columns - column);
    const from = inputOf(step, matrix) + <usize>column * right;
    const fresh = column >= first;
    if (fresh) begin(step, matrix, column, scale);
    if (ASC_FEATURE_SIMD) {
      if (fresh && isPlain(step, scale, finite, down)) {
        along__simd(from, right, rows, live, panel, inverse, zero, bits, entryOf(step, KeptStep.columnSums, matrix, column));
        continue;
      }
    }
    if (fresh) memory.fill(panel, 0, <usize>((rows + 1) >> 1) << 5);
    for (let c = max(0, first - column); c < live; c++) {
      const sum = entryOf(step, KeptStep.columnSums, matrix, column + c);
      const factor = number(step, KeptStep.factor);
      if (packColumn(from + <usize>c * right, down, rows, panel + (<usize>c << 2), factor, inverse, zero, bits, sum))
        store<u32>(entryOf(step, KeptStep.scales, matrix, column + c), NAN);
    }
  }
}

/** Rows from `first` on. */
function rowsI16(step: usize, matrix: i32, first: i32, scale: f32, zero: i32, finite: bool): void {
  const rows = argument(step, KeptStep.rows);
  const columns = argument(step, KeptStep.columns);
  const bits = argument(step, KeptStep.bits);
  const inverse = inverseOf(scale);
  const factor = number(step, KeptStep.factor);
  const right = address(step, KeptStep.rightStride);
  const down = address(step, KeptStep.downStride);
  for (let column = 0; column < columns; column += 8) {
    const panel = panelsOf(step, matrix) + <usize>(column >> 3) * address(step, KeptStep.panelStride);
    const live = min(8, columns - column);
    const sums = entryOf(step, KeptStep.columnSums, matrix, column);
    let from = inputOf(step, matrix) + <usize>column * right;
    if (first == 0) begin(step, matrix, column, scale);
    if (ASC_FEATURE_SIMD) {
      if (first == 0 && isPlain(step, scale, finite, right)) {
        across__simd(from, down, rows, live, panel, inverse, zero, bits, sums);
        continue;
      }
    }
    from += <usize>first * down;
    for (let k = first; k < rows; k++, from += down) {
      const line = panel + (<usize>(k >> 1) << 5) + (<usize>(k & 1) << 1);
      if (!(k & 1)) memory.fill(line, 0, 32);
      for (let c: usize = 0; c < <usize>live; c++) {
        const x = load<f32>(from + c * right) * factor;
        if (!isFinite32(x)) store<u32>(entryOf(step, KeptStep.scales, matrix, column + <i32>c), NAN);
        else if (inverse != 0) {
          const q = quantized(x, inverse, zero, bits) - zero;
          store<i16>(line + (c << 2), <i16>q);
          store<i32>(sums + (c << 2), load<i32>(sums + (c << 2)) + q);
        }
      }
    }
  }
}

function columnsF32(step: usize, matrix: i32, first: i32): void {
  const rows = argument(step, KeptStep.rows);
  const columns = argument(step, KeptStep.columns);
  for (let column = first; column < columns; column++) {
    const panel = panelsOf(step, matrix) + <usize>(column >> 3) * address(step, KeptStep.panelStride);
    if (!(column & 7)) memory.fill(panel, 0, <usize>rows << 5);
    let from = inputOf(step, matrix) + <usize>column * address(step, KeptStep.rightStride);
    let to = panel + (<usize>(column & 7) << 2);
    for (let k = 0; k < rows; k++, from += address(step, KeptStep.downStride), to += 32)
      store<f32>(to, load<f32>(from) * number(step, KeptStep.factor));
  }
}

function rowsF32(step: usize, matrix: i32, first: i32): void {
  const rows = argument(step, KeptStep.rows);
  const columns = argument(step, KeptStep.columns);
  const right = address(step, KeptStep.rightStride);
  for (let k = first; k < rows; k++) {
    let from = inputOf(step, matrix) + <usize>k * address(step, KeptStep.downStride);
    let line = panelsOf(step, matrix) + (<usize>k << 5);
    for (let column = 0; column < columns; column += 8, line += address(step, KeptStep.panelStride)) {
      for (let c = 0; c < 8; c++) {
        store<f32>(line + (<usize>c << 2), column + c < columns ? load<f32>(from) * number(step, KeptStep.factor) : 0);
        from += right;
      }
    }
  }
}
