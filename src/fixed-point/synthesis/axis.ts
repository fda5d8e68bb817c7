import { clamp, rdiv } from "../arithmetic.ts";
import type { Format, Sketch } from "./sketch.ts";
import { mapSteps, type Steps } from "./steps.ts";

/**
 * A function of one coordinate (or of several combined) as a linear form of neurons of one layer: Σ coefficient·output takes the value
 * `values[x]` for the x-th point. What networks can be told apart by.
 */
export interface Axis {
  /** Layer of the sources; −1: the inputs themselves, whose coefficients cannot exceed M. */
  readonly layer: number;
  readonly terms: readonly (readonly [number, number])[];
  readonly values: readonly number[];
}

/** Distinct values, ascending, and the least distance between two of them. */
export function levelsOf(values: readonly number[]): { levels: number[]; gap: number } {
  const levels = [...new Set(values)].sort((a, b) => a - b);
  let gap = Number.POSITIVE_INFINITY;
  for (let i = 1; i < levels.length; i++) gap = Math.min(gap, levels[i]! - levels[i - 1]!);
  return { levels, gap };
}

/** Input `i` itself, or a sum of inputs. */
export function inputAxis(weights: readonly number[], values: readonly number[]): Axis {
  return { layer: -1, terms: weights.map((w, i) => [i, w] as const).filter(([, w]) => w !== 0), values };
}

/** Σ of axes of one layer, times factors; the points are the combinations, the last axis fastest. */
export function combine(axes: readonly Axis[], factors: readonly number[]): Axis {
  let values: number[] = [0];
  axes.forEach((axis, i) => {
    values = values.flatMap((value) => axis.values.map((own) => value + factors[i]! * own));
  });
  return {
    layer: axes[0]!.layer,
    terms: axes.flatMap((axis, i) => axis.terms.map(([source, c]) => [source, factors[i]! * c] as const)),
    values,
  };
}

/** Factors by which sums of the axes tell all combinations apart. */
export function radices(axes: readonly Axis[]): number[] {
  const factors = new Array<number>(axes.length).fill(1);
  let span = 0;
  let gap = Number.POSITIVE_INFINITY;
  for (let i = axes.length - 1; i >= 0; i--) {
    const own = levelsOf(axes[i]!.values);
    const range = own.levels.at(-1)! - own.levels[0]!;
    if (Number.isFinite(own.gap)) {
      if (Number.isFinite(gap)) factors[i] = Math.ceil((span + gap) / own.gap);
      gap = Math.min(gap, factors[i]! * own.gap);
    }
    span += factors[i]! * range;
  }
  return factors;
}

/** The factor, a multiple of s, by which one step along the axis moves z by at least `reach`. */
export function amplification(axis: Axis, reach: number, s: number): number {
  const { gap } = levelsOf(axis.values);
  return Number.isFinite(gap) ? s * Math.max(1, Math.ceil(reach / gap)) : s;
}

/** Whether the layer after the axis can have that factor: inputs have no copies. */
export function allows(axis: Axis, factor: number, m: number): boolean {
  return axis.layer >= 0 || axis.terms.every(([, c]) => Math.abs(c * factor) <= m);
}

/** A neuron of the next layer with z = `at` where the axis has value `value`, moving by factor/s per unit; factor is a multiple of s. */
export function neuronOn(sketch: Sketch, axis: Axis, factor: number, value: number, at: number, s: number): number {
  return sketch.add(
    axis.layer + 1,
    axis.terms.map(([source, c]) => [source, factor * c] as const),
    at - (factor / s) * value,
  );
}

/**
 * The axis seen through one step neuron per boundary between levels, weighted so that it takes the value `order[level]` times the rise of the
 * activation, up to a constant: clean values in the next layer, and equal classes merged.
 *
 * @param even whether factors must be even multiples of s, as binary networks need where other sources must cancel
 */
export function* stepAxis(
  sketch: Sketch,
  axis: Axis,
  order: readonly number[],
  format: Format,
  even = false,
): Steps<Axis | undefined> {
  const { s, low, high, rise, table } = format;
  if (rise === 0) return undefined;
  const { levels } = levelsOf(axis.values);
  let factor = amplification(axis, high - low, s);
  if (even && (factor / s) % 2 === 1) factor += s;
  if (!allows(axis, factor, format.m)) return undefined;
  const terms: [number, number][] = [];
  const values = new Array<number>(axis.values.length).fill(0);
  const sign = Math.sign(rise);
  for (let i = 0; i + 1 < levels.length; i++) {
    const change = (order[i + 1]! - order[i]!) * sign;
    yield;
    if (change === 0) continue;
    const source = neuronOn(sketch, axis, factor, levels[i]!, low, s);
    terms.push([source, change]);
    axis.values.forEach((value, x) => {
      values[x]! += change * (value > levels[i]! ? table.at(-1)! : table[0]!);
    });
  }
  return { layer: axis.layer + 1, terms, values };
}

/**
 * The axis seen through few neurons of the next layer whose combination still tells all levels apart; greedy, so that identity needs one and ReLU
 * two. Undefined where neurons of slope 1 do not suffice.
 */
export function* passAxis(sketch: Sketch, axis: Axis, format: Format): Steps<Axis | undefined> {
  const { m, s, table } = format;
  const { levels } = levelsOf(axis.values);
  const candidates = axis.layer < 0 ? inputCandidates(axis, format) : innerCandidates(levels, format);
  const outputs = yield* mapSteps(candidates, function* ({ factor, bias }) {
    yield;
    return levels.map((value) => table[clamp(rdiv(s * bias + factor * value, s), m) + m]!);
  });
  const chosen: { index: number; coefficient: number }[] = [];
  let sums = levels.map(() => 0);
  let classes = sums.map(() => 0);
  let count = 1;
  while (count < levels.length) {
    let best = -1;
    let most = count;
    let refined = classes;
    for (const [i, list] of outputs.entries()) {
      yield;
      const ids = new Map<string, number>();
      const labels = list.map((value, x) => {
        const key = `${classes[x]} ${value}`;
        if (!ids.has(key)) ids.set(key, ids.size);
        return ids.get(key)!;
      });
      if (ids.size > most) [best, most, refined] = [i, ids.size, labels];
    }
    if (best < 0) return undefined;
    const list = outputs[best]!;
    let coefficient = 0;
    for (let size = 1; coefficient === 0; size++) {
      yield;
      for (const c of [size, -size]) {
        if (coefficient === 0 && new Set(sums.map((sum, x) => sum + c * list[x]!)).size >= most) coefficient = c;
      }
    }
    sums = sums.map((sum, x) => sum + coefficient * list[x]!);
    chosen.push({ index: best, coefficient });
    classes = refined;
    count = most;
  }
  const terms = chosen.map(({ index, coefficient }) => {
    const { factor, bias } = candidates[index]!;
    const own = axis.terms.map(([source, c]) => [source, factor * c] as const);
    return [sketch.add(axis.layer + 1, own, bias), coefficient] as const;
  });
  const byValue = new Map(levels.map((value, i) => [value, sums[i]!]));
  return { layer: axis.layer + 1, terms, values: axis.values.map((value) => byValue.get(value)!) };
}

interface Candidate {
  factor: number;
  bias: number;
}

/** Neurons on an input: slope ±1 where 1 is a weight, else every weight. Small biases first, so that ties choose them. */
function inputCandidates(axis: Axis, { m, s }: Format): Candidate[] {
  const limit = Math.floor(m / Math.max(...axis.terms.map(([, c]) => Math.abs(c))));
  const span = Math.max(...axis.values.map(Math.abs));
  const factors =
    s <= limit ? [s, -s] : Array.from({ length: 2 * limit + 1 }, (_, i) => i - limit).filter((w) => w !== 0);
  const list: Candidate[] = [];
  for (const factor of factors) {
    const reach = Math.ceil((Math.abs(factor) * span) / s) + m;
    for (let bias = -reach; bias <= reach; bias++) list.push({ factor, bias });
  }
  return list.sort((a, b) => Math.abs(a.bias) - Math.abs(b.bias));
}

function innerCandidates(levels: readonly number[], { m, s }: Format): Candidate[] {
  const biases = new Set<number>();
  for (const level of levels)
    for (const edge of [-m, 0, m]) for (const sign of [1, -1]) biases.add(edge - sign * level);
  const list = [...biases].flatMap((bias) => [
    { factor: s, bias },
    { factor: -s, bias },
  ]);
  return list.sort((a, b) => Math.abs(a.bias) - Math.abs(b.bias)).slice(0, 400);
}
