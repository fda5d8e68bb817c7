import { type Axis, amplification, combine, levelsOf, passAxis, radices, stepAxis } from "./axis.ts";
import { makeBasis } from "./basis.ts";
import type { Digits } from "./digits.ts";
import { finish } from "./points.ts";
import type { Format, Sketch } from "./sketch.ts";
import { mapSteps, type Steps } from "./steps.ts";

/**
 * Rows: `axis` tells the columns of a table apart, `rest` together its rows. The layer after them holds a basis for functions of the column; a row
 * neuron adds such a function to K·rest, so that on its row it takes the row's values, and on the rows below and above it saturates. Pairs of
 * opposite weight cancel there. A single neuron leaves the rise of the activation per row below, which a copy of `rest` takes off.
 *
 * @param valueAt the wanted value by column level and by level on every axis of `rest`
 */
export function* addLadder(
  sketch: Sketch,
  axis: Axis,
  rest: readonly Axis[],
  valueAt: (column: number, row: readonly number[]) => number,
  format: Format,
  digits: Digits,
): Steps<boolean> {
  const { s, m, low, high, table, rise } = format;
  const codes = digits.codes.flat(2);
  const range = [Math.min(...codes), Math.max(...codes)] as const;
  const reach = Math.max(range[1] - low, high - range[0]);
  const basis = yield* makeBasis(sketch, axis, format, range);
  const carried = yield* mapSteps(rest, (own) => carry(sketch, own, reach, format, digits.single));
  if (basis === undefined || carried.some((own) => own === undefined)) return false;
  const factors = radices(carried as Axis[]);
  const order = combine(carried as Axis[], factors);
  const factor = amplification(order, reach, s);
  const climb = order.terms.map(([source, c]) => [source, factor * c] as const);
  const layer = axis.layer + 2;
  const columns = levelsOf(axis.values).levels.length;
  const outputs: [number, number][] = [];
  const seen = new Set<number>();
  for (const [index, value] of order.values.entries()) {
    yield;
    if (seen.has(value)) continue;
    seen.add(value);
    const row = digitsOf(index, rest);
    const values = Array.from({ length: columns }, (_, column) => valueAt(column, row));
    digits.weights.forEach((weight, digit) => {
      const pair = values.map((wanted) => digits.codes[wanted + m]![digit]!);
      if (!digits.single && pair.every(([c, other]) => c === other)) return;
      for (const side of digits.single ? ([0] as const) : ([0, 1] as const)) {
        const { terms, bias } = basis(pair.map((code) => code[side]));
        const neuron = sketch.add(layer, [...terms, ...climb], bias - (factor / s) * value);
        outputs.push([neuron, side === 0 ? weight : -weight]);
      }
    });
  }
  let resting = 0;
  if (digits.single) {
    // With r rows below: Σ s·a = s·f + s·a(M)·r + s·a(−M)·(rows − 1 − r).
    const passed = yield* mapSteps(carried as Axis[], (own) => passAxis(sketch, own, format));
    if (passed.some((own) => own === undefined)) return false;
    const copy = combine(passed as Axis[], factors);
    const sorted = [...seen].sort((a, b) => a - b);
    const rank = new Map(sorted.map((value, i) => [value, i]));
    const bottom = order.values.indexOf(sorted[0]!);
    const slope = sorted.length < 2 ? 1 : copy.values[order.values.indexOf(sorted[1]!)]! - copy.values[bottom]!;
    const affine = order.values.every((value, i) => copy.values[i] === copy.values[bottom]! + slope * rank.get(value)!);
    const coefficient = (-s * rise) / slope;
    if (!affine || !Number.isInteger(coefficient)) return false;
    for (const [source, c] of copy.terms) outputs.push([source, coefficient * c]);
    resting = -s * table[0]! * (sorted.length - 1) - coefficient * copy.values[bottom]!;
  }
  return finish(sketch, layer + 1, outputs, 0, resting, format);
}

/** Level on every axis of the index-th combination, the last axis fastest. */
function digitsOf(index: number, axes: readonly Axis[]): number[] {
  const digits = new Array<number>(axes.length);
  for (let i = axes.length - 1; i >= 0; i--) {
    const { values } = axes[i]!;
    const { levels } = levelsOf(values);
    digits[i] = levels.indexOf(values[index % values.length]!);
    index = Math.floor(index / values.length);
  }
  return digits;
}

/** The axis in the next layer, as steps or as few neurons that pass it on, whichever needs fewer copies there. */
function* carry(sketch: Sketch, axis: Axis, reach: number, format: Format, linear: boolean): Steps<Axis | undefined> {
  const passed = yield* passAxis(sketch, axis, format);
  if (linear) return passed;
  const steps = yield* stepAxis(
    sketch,
    axis,
    levelsOf(axis.values).levels.map((_, i) => i),
    format,
  );
  const cost = (own: Axis | undefined): number => {
    if (own === undefined) return Number.POSITIVE_INFINITY;
    const factor = amplification(own, reach, format.s);
    return own.terms.reduce((sum, [, c]) => sum + Math.ceil(Math.abs(factor * c) / format.m), 0);
  };
  return cost(passed) <= cost(steps) ? passed : steps;
}
