// Range: least and largest finite value of each sample, 0 included, and whether it holds NaN or infinity. Comparisons only: exact.
// Threads share the rows of all samples; each writes its own partials, {0, 0, 0} for a sample that it does not touch.
import { Partial, QuantizeStep } from "../../src/core/abi/conv";
import { address, argument, share, slotOf } from "../step";

const INFINITY: u32 = 0x7f800000;
const SIGN: u32 = 0x80000000;

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
      extent(input + (<usize>from * <usize>width << 2), (to - from) * width, partial, joins);
    } else if (!joins) {
      memory.fill(partial, 0, Partial.bytes);
    }
  }
}

/** Writes the partial of `count` values; `joins`: together with what it knows already. */
export function extent(at: usize, count: i32, partial: usize, joins: bool): void {
  const end = at + (<usize>count << 2);
  let low: f32 = 0;
  let high: f32 = 0;
  let odd = false;
  let next = at;
  if (ASC_FEATURE_SIMD) {
    // The bits of positive floats are in their order as signed integers, those of negative ones as unsigned: two instructions for four values, a
    // third of what minimum, maximum and a question for NaN take, which lies beyond infinity in both orders.
    let most = i32x4.splat(0);
    let least = most;
    let most1 = most;
    let least1 = most;
    for (; next + 32 <= end; next += 32) {
      const x = v128.load(next);
      const y = v128.load(next, 16);
      most = i32x4.max_s(most, x);
      most1 = i32x4.max_s(most1, y);
      least = i32x4.max_u(least, x);
      least1 = i32x4.max_u(least1, y);
    }
    most = i32x4.max_s(most, most1);
    least = i32x4.max_u(least, least1);
    most = i32x4.max_s(most, v128.shuffle<i32>(most, most, 2, 3, 0, 1));
    least = i32x4.max_u(least, v128.shuffle<i32>(least, least, 2, 3, 0, 1));
    const above = max(i32x4.extract_lane(most, 0), i32x4.extract_lane(most, 1));
    const below = max<u32>(i32x4.extract_lane(least, 0), i32x4.extract_lane(least, 1));
    odd = <u32>above >= INFINITY || below >= SIGN + INFINITY;
    if (!odd) {
      high = reinterpret<f32>(above);
      // −0 is above 0 in this order.
      if (below > SIGN) low = reinterpret<f32>(below);
    }
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
