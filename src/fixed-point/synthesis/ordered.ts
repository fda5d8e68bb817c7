import { type Axis, amplification, combine, neuronOn, radices } from "./axis.ts";
import { cellOf } from "./cells.ts";
import { finish } from "./points.ts";
import { background } from "./represent.ts";
import type { Format, Sketch } from "./sketch.ts";
import type { Steps } from "./steps.ts";

/**
 * The construction that always works (theorem 2): all inputs in one order, and two neurons c, c' at a point that saturate alike everywhere else, so that
 * their difference is a(c) − a(c') at the point only.
 */
export function* addOrdered(
  sketch: Sketch,
  axes: readonly Axis[],
  f: ArrayLike<number>,
  format: Format,
  binary: boolean,
  order: Axis = combine(axes, radices(axes)),
): Steps<boolean> {
  const { m, s } = format;
  let factor = amplification(order, 2 * m + 1, s);
  if (binary && (factor / s) % 2 === 1) factor += s;
  const layer = axes[0]!.layer + 1;
  const represent = pairSums(format, binary);
  const values = new Set(Array.from(f));
  // Where the format is not universal, only some biases reach all values of the table.
  const common = background(f);
  const biases = [common, ...Array.from({ length: 2 * m + 1 }, (_, i) => i - m)];
  let bias: number | undefined;
  for (const b of biases) {
    let all = true;
    for (const value of values) {
      yield;
      if (value !== b && (yield* represent(value, b)) === undefined) {
        all = false;
        break;
      }
    }
    if (!all) continue;
    bias = b;
    break;
  }
  if (bias === undefined) return false;
  const outputs: [number, number][] = [];
  for (let i = 0; i < f.length; i++) {
    if (i % 64 === 0) yield;
    if (f[i] === bias) continue;
    for (const { c, other, weight } of (yield* represent(f[i]!, bias))!) {
      outputs.push([neuronOn(sketch, order, factor, order.values[i]!, c, s), weight]);
      outputs.push([neuronOn(sketch, order, factor, order.values[i]!, other, s), -weight]);
    }
  }
  return finish(sketch, layer + 1, outputs, bias, 0, format);
}

type PairTerm = { c: number; other: number; weight: number };

/** Shortest sums of weighted differences in the cell of a value beside the bias; memoized, breadth first. */
function pairSums(
  { table, m, s }: Format,
  binary: boolean,
): (k: number, bias: number) => Steps<PairTerm[] | undefined> {
  const gaps = new Map<number, readonly [number, number]>();
  const byValue = new Map(Array.from(table, (value, i) => [value, i - m] as const));
  for (const [a, c] of byValue) for (const [b, other] of byValue) if (a > b) gaps.set(a - b, [c, other]);
  const weights = binary ? [s] : [...new Set([1, 2, 3, Math.min(s, m), Math.floor(m / 2), m])].filter((w) => w >= 1);
  const bound = 2 * s * (2 * m + 1) + 2 * m * Math.max(...weights);
  const from = new Map<number, { before: number; term: PairTerm } | undefined>([[0, undefined]]);
  let frontier = [0];
  const memo = new Map<string, PairTerm[] | undefined>();
  const trace = (sum: number): PairTerm[] => {
    const terms: PairTerm[] = [];
    for (let at = from.get(sum); at !== undefined; at = from.get(at.before)) terms.push(at.term);
    return terms;
  };
  const grow = function* (): Steps<void> {
    const next: number[] = [];
    for (const sum of frontier) {
      yield;
      for (const [gap, [c, other]] of gaps) {
        for (const w of weights) {
          for (const weight of [w, -w]) {
            const reached = sum + weight * gap;
            if (Math.abs(reached) > bound || from.has(reached)) continue;
            from.set(reached, { before: sum, term: { c, other, weight } });
            next.push(reached);
          }
        }
      }
    }
    frontier = next;
  };
  return function* (k, bias) {
    const key = `${k} ${bias}`;
    if (!memo.has(key)) {
      const { lo, hi } = cellOf(k, m, s);
      const find = (): number | undefined => {
        for (const sum of from.keys()) if (sum >= lo - s * bias && sum <= hi - s * bias) return sum;
        return undefined;
      };
      let sum = find();
      while (sum === undefined && frontier.length > 0) {
        yield* grow();
        sum = find();
      }
      memo.set(key, sum === undefined ? undefined : trace(sum));
    }
    return memo.get(key);
  };
}
