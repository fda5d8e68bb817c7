// How a panel of 16-bit weights is cut into turns of k-pairs whose sums stay within int32, and one of ConvU7 into turns of words whose sums stay within int16,
// from the weights that are there.
import { Opcode } from "../../src/core/abi/opcode";
import { COLUMNS, panelBytes } from "../layout";
import { HAS_QUADS } from "./mac";

/**
 * Largest Σ|w| of a turn: times the largest activation of 16 bits, 2^15, and with what the turn before has left, at most 2^16 − 1, it is at most
 * 2^31 − 1. A single pair of weights of at most 2^15 − 1 always fits.
 */
const LARGEST: i32 = 65534;
const MOST_PAIRS: i32 = 255;

/** Largest Σu of two lanes of a turn of ConvU7: times −128, it is at least −2^15. */
const LARGEST_QUADS: i32 = 255;

/**
 * Writes the turns of every panel of a ConvI16 layer: u8 counts of k-pairs, tap after tap, each as many as fit. A panel has room for as many counts as pairs.
 * Of ConvU7 one count for each panel. How many there are.
 */
export function turns(kernel: i32, groups: i32, rows: i32, taps: i32, channels: i32, panels: usize, counts: usize): i32 {
  let taken = 0;
  if (HAS_QUADS && kernel == Opcode.ConvU7) {
    const stride = <usize>panelBytes(kernel, 1, 1, taps, channels);
    const last = panels + <usize>panelBytes(kernel, groups, rows, taps, channels);
    for (; panels < last; panels += stride, taken++) store<u8>(counts++, <u8>quadsOf(panels, panels + stride));
    return taken;
  }
  const bytes = <usize>panelBytes(kernel, 1, 1, taps, channels);
  const end = panels + <usize>panelBytes(kernel, groups, rows, taps, channels);
  for (; panels < end; counts += bytes >> 5) {
    let next = counts;
    for (const stop = panels + bytes; panels < stop; next++, taken++) {
      const pairs = turnAt(panels, stop);
      store<u8>(next, <u8>pairs);
      panels += <usize>pairs << 5;
    }
  }
  return taken;
}

/** Pairs of the turn that begins at `panel`. */
function turnAt(panel: usize, stop: usize): i32 {
  let most = min(MOST_PAIRS, <i32>((stop - panel) >> 5));
  if (ASC_FEATURE_SIMD) {
    // All columns at once: the first pair that is too much for one of them ends the turn of all.
    const limit = i32x4.splat(LARGEST);
    let low = i32x4.splat(0);
    let high = low;
    for (let pairs = 0; pairs < most; pairs++, panel += 32) {
      low = i32x4.add(low, i32x4.extadd_pairwise_i16x8_u(i16x8.abs(v128.load(panel))));
      high = i32x4.add(high, i32x4.extadd_pairwise_i16x8_u(i16x8.abs(v128.load(panel, 16))));
      if (v128.any_true(i32x4.gt_s(i32x4.max_s(low, high), limit))) return max(1, pairs);
    }
    return most;
  }
  for (let column = panel; column < panel + 4 * COLUMNS; column += 4) {
    let sum = 0;
    let at = column;
    for (let pairs = 0; pairs < most; pairs++, at += 32) {
      sum += abs(<i32>load<i16>(at)) + abs(<i32>load<i16>(at, 2));
      if (sum > LARGEST) most = max(1, pairs);
    }
  }
  return most;
}

/** Words of depth that fit wherever they begin, since a merged tile's turns begin elsewhere than those of its taps: up to the shortest run that is too much. */
function quadsOf(panel: usize, end: usize): i32 {
  let most = MOST_PAIRS;
  for (let lanes = panel; lanes < panel + 4 * COLUMNS; lanes += 2) {
    let first = lanes;
    let sum = 0;
    for (let at = lanes; at < end; at += 4 * COLUMNS) {
      for (sum += <i32>load<u8>(at) + <i32>load<u8>(at, 1); sum > LARGEST_QUADS; first += 4 * COLUMNS) {
        most = min(most, <i32>((at - first) >> 5));
        sum -= <i32>load<u8>(first) + <i32>load<u8>(first, 1);
      }
    }
  }
  return most;
}
