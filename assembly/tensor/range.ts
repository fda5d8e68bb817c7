// Range: least and largest finite value of each sample, 0 included, and whether it holds NaN or infinity. Comparisons only: exact.
// Threads share the rows of all samples; each writes its own partials, {0, 0, 0} for a sample that it does not touch.
import { Partial, QuantizeStep } from "../../src/core/abi/conv";
import { address, argument, share, slotOf } from "../step";

export function range(step: usize, thread: i32, threads: i32): void {
  const samples = argument(step, QuantizeStep.samples);
  const rows = argument(step, QuantizeStep.rowsPerSample);
  const width = argument(step, QuantizeStep.channels) * argument(step, QuantizeStep.groups);
  const first = share(samples * rows, thread, threads);
  const end = share(samples * rows, thread + 1, threads);
  const slots = argument(step, QuantizeStep.slots);
  const slot = slotOf(thread, threads, slots);
  const joins = threads > slots && thread > 0 && slotOf(thread - 1, threads, slots) == slot;
  const bytes = <usize>samples * Partial.bytes;
  let partial = address(step, QuantizeStep.partials) + <usize>slot * bytes;
  // slots that no thread has
  for (let other = thread + threads; other < slots; other += threads) {
    memory.fill(partial + <usize>(other - slot) * bytes, 0, bytes);
  }
  const input = address(step, QuantizeStep.input);
  for (let sample = 0, row = 0; sample < samples; sample++, row += rows, partial += Partial.bytes) {
    const from = max(row, first);
    const to = min(row + rows, end);
    if (from < to) {
      span(input + (<usize>from * <usize>width << 2), (to - from) * width, partial, joins);
    } else if (!joins) {
      memory.fill(partial, 0, Partial.bytes);
    }
  }
}

/** `joins`: together with what the partial knows already. */
function span(at: usize, count: i32, partial: usize, joins: bool): void {
  const end = at + (<usize>count << 2);
  let low: f32 = 0;
  let high: f32 = 0;
  let odd = false;
  let next = at;
  if (ASC_FEATURE_SIMD) {
    // pmin(acc, x) and pmax keep the accumulator when x is NaN; infinities show in the result.
    let low0 = f32x4.splat(0);
    let low1 = low0;
    let high0 = low0;
    let high1 = low0;
    let unordered = low0;
    for (; next + 32 <= end; next += 32) {
      const x = v128.load(next);
      const y = v128.load(next, 16);
      low0 = f32x4.pmin(low0, x);
      low1 = f32x4.pmin(low1, y);
      high0 = f32x4.pmax(high0, x);
      high1 = f32x4.pmax(high1, y);
      unordered = v128.or(unordered, v128.or(f32x4.ne(x, x), f32x4.ne(y, y)));
    }
    low0 = f32x4.pmin(low0, low1);
    high0 = f32x4.pmax(high0, high1);
    low = min(min(f32x4.extract_lane(low0, 0), f32x4.extract_lane(low0, 1)), min(f32x4.extract_lane(low0, 2), f32x4.extract_lane(low0, 3)));
    high = max(max(f32x4.extract_lane(high0, 0), f32x4.extract_lane(high0, 1)), max(f32x4.extract_lane(high0, 2), f32x4.extract_lane(high0, 3)));
    odd = v128.any_true(unordered) || low == -Infinity || high == Infinity;
  }
  for (; next < end; next += 4) {
    const x = load<f32>(next);
    if (x < low) low = x;
    if (x > high) high = x;
    odd = odd || x != x;
  }
  odd = odd || low == -Infinity || high == Infinity;
  if (odd) {
    low = 0;
    high = 0;
    for (next = at; next < end; next += 4) {
      const x = load<f32>(next);
      if (x < low && x != -Infinity) low = x;
      if (x > high && x != Infinity) high = x;
    }
  }
  let nonFinite = <i32>odd;
  if (joins) {
    low = min(low, load<f32>(partial, Partial.low));
    high = max(high, load<f32>(partial, Partial.high));
    nonFinite |= load<i32>(partial, Partial.nonFinite);
  }
  store<f32>(partial, low, Partial.low);
  store<f32>(partial, high, Partial.high);
  store<i32>(partial, nonFinite, Partial.nonFinite);
  store<i32>(partial, 0, 12);
}
