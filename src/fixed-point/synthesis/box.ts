import { inputAt } from "../targets.ts";
import { background } from "./represent.ts";
import { type Format, Sketch } from "./sketch.ts";
import type { Steps } from "./steps.ts";

interface Box {
  readonly low: readonly number[];
  readonly high: readonly number[];
  readonly value: number;
}

/** Boxes at most; beyond that rows are smaller. */
const MAX_BOXES = 48;

/**
 * ReLU: a background and boxes on it, each γ·1[low ≤ x ≤ high] by 2d + 1 neurons: steep ramps outside the box on every side, and a neuron that they
 * switch off. The published indicator construction, with ramps shared between boxes and boxes merged greedily.
 */
export function* boxes(f: ArrayLike<number>, d: number, format: Format): Steps<Sketch | undefined> {
  const { m, s, p, table } = format;
  const slope = Math.floor(m / s);
  if (slope < 1 || table.some((value, i) => value !== Math.max(0, i - m))) return undefined;
  const bias = background(f);
  const list = yield* cover(f, d, p, m, bias);
  if (list === undefined) return undefined;
  const sketch = new Sketch(d);
  const outputs: [number, number][] = [];
  for (const { low, high, value } of list) {
    const change = value - bias;
    // z saturates at M, so that a change beyond it needs two neurons.
    for (let left = Math.abs(change); left > 0; left -= m) {
      const size = Math.min(left, m);
      const terms: [number, number][] = [];
      for (let i = 0; i < d; i++) {
        if (high[i]! < m)
          terms.push([sketch.add(0, [[i, slope * s]], -slope * high[i]!), -s * Math.ceil(size / slope)]);
        if (low[i]! > -m) terms.push([sketch.add(0, [[i, -slope * s]], slope * low[i]!), -s * Math.ceil(size / slope)]);
      }
      if (terms.length === 0) terms.push([sketch.add(0, [], 0), 0]);
      outputs.push([sketch.add(1, terms, size), s * Math.sign(change)]);
    }
  }
  if (outputs.length === 0) return undefined;
  sketch.add(2, outputs, bias);
  return sketch;
}

/** Disjoint boxes of constant value that hold every input off the background: each grown from the first uncovered input as far as it goes. */
function* cover(f: ArrayLike<number>, d: number, p: number, m: number, bias: number): Steps<Box[] | undefined> {
  const side = 2 * m + 1;
  const covered = new Uint8Array(f.length);
  const list: Box[] = [];
  const indexOf = (x: readonly number[]): number => x.reduce((index, k) => index * side + k + m, 0);
  const fits = (low: readonly number[], high: readonly number[], value: number): boolean =>
    inBox(low, high).every((x) => {
      const i = indexOf(x);
      return f[i] === value && covered[i] === 0;
    });
  for (let i = 0; i < f.length; i++) {
    if (i % 4096 === 0) yield;
    if (f[i] === bias || covered[i] === 1) continue;
    if (list.length === MAX_BOXES) return undefined;
    const low = inputAt(i, p, d);
    const high = [...low];
    const value = f[i]!;
    for (let axis = d - 1; axis >= 0; axis--) {
      while (high[axis]! < m) {
        yield;
        const from = [...low];
        const to = [...high];
        from[axis] = to[axis] = high[axis]! + 1;
        if (!fits(from, to, value)) break;
        high[axis] = high[axis]! + 1;
      }
    }
    for (const x of inBox(low, high)) covered[indexOf(x)] = 1;
    list.push({ low, high, value });
  }
  return list;
}

function inBox(low: readonly number[], high: readonly number[]): number[][] {
  let points: number[][] = [[]];
  low.forEach((from, axis) => {
    const range = Array.from({ length: high[axis]! - from + 1 }, (_, i) => from + i);
    points = points.flatMap((point) => range.map((k) => [...point, k]));
  });
  return points;
}
