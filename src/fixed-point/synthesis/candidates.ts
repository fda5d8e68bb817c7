import { inputAt } from "../targets.ts";
import { type Axis, combine, inputAxis, levelsOf, passAxis, radices, stepAxis } from "./axis.ts";
import { boxes } from "./box.ts";
import { onClasses } from "./classes.ts";
import { type Digits, pairDigits, singleDigits } from "./digits.ts";
import { addLadder } from "./ladder.ts";
import { addOrdered } from "./ordered.ts";
import { addPoints } from "./points.ts";
import { background } from "./represent.ts";
import { binaryRidges, ridges } from "./ridge.ts";
import { type Format, Sketch } from "./sketch.ts";
import { mapSteps, type Steps } from "./steps.ts";

/** A construction that gives the wanted table, before its size is known. */
export interface Candidate {
  readonly construction: string;
  readonly sketch: Sketch;
}

/** Candidates as they are found, and breaths between them. */
export type Candidates = Generator<Candidate | undefined, void, void>;

/** Table entries beyond which only the constructions that grow slowly are built. */
const LARGE = 40_000;

/**
 * Every construction that applies and may be smaller than what there is. Weights of any size up to M.
 *
 * @param least parameters of the smallest one so far
 */
export function* fullCandidates(f: ArrayLike<number>, d: number, format: Format, least: () => number): Candidates {
  if (isConstant(f)) {
    const sketch = new Sketch(d);
    sketch.add(0, [], f[0]!);
    yield { construction: "constant", sketch };
    return;
  }
  for (const sketch of yield* ridges(f, d, format)) yield { construction: "ridges", sketch };
  const box = yield* boxes(f, d, format);
  if (box !== undefined) yield { construction: "boxes", sketch: box };
  let found = false;
  for (const candidate of gridCandidates(f, d, format, least)) {
    found ||= candidate !== undefined;
    yield candidate;
  }
  if (!found && least() === Number.POSITIVE_INFINITY) {
    const sketch = new Sketch(d);
    const axes = yield* mapSteps(coordinates(d, format), (axis) => passAxis(sketch, axis, format));
    if (axes.every((axis) => axis !== undefined) && (yield* addOrdered(sketch, axes, f, format, false))) {
      yield { construction: "ordered points", sketch };
    } else {
      // Coordinates are not told apart one by one, but the table may be constant on what all inputs together tell apart.
      const merged = yield* onClasses(f, d, format);
      if (merged !== undefined) yield { construction: "ordered classes", sketch: merged };
    }
  }
}

/** Constructions with all weights ±1. */
export function* binaryCandidates(f: ArrayLike<number>, d: number, format: Format, least: () => number): Candidates {
  for (const sketch of yield* binaryRidges(f, d, format)) yield { construction: "binary ridges", sketch };
  // The others take a neuron with a weight per step of every entry off the background.
  if (least() < f.length) return;
  // Inputs cannot be left out: sums with one sign turned take the place of coordinates.
  const patterns = Array.from({ length: d }, (_, i) =>
    Array.from({ length: d }, (_, j) => (i > 0 && i === j ? -1 : 1)),
  );
  const { m } = format;
  const points = Array.from({ length: f.length }, (_, i) => inputAt(i, format.p, d));
  const sums = patterns.map((signs) => points.map((x) => x.reduce((sum, k, i) => sum + signs[i]! * k, 0)));
  const range = Array.from({ length: 2 * d * m + 1 }, (_, i) => i - d * m);
  const prepare = function* (sketch: Sketch): Steps<Axis[] | undefined> {
    const axes = yield* mapSteps(patterns, (signs) => passAxis(sketch, inputAxis(signs, range), format));
    return axes.every((axis) => axis !== undefined) ? axes : undefined;
  };
  const tents = new Sketch(d);
  const axes = yield* prepare(tents);
  if (axes !== undefined) {
    const { levels } = levelsOf(range);
    // Levels of the passed axis are in the order of its own values.
    const rank = axes.map((axis) => {
      const own = levelsOf(axis.values).levels;
      return levels.map((_, i) => own.indexOf(axis.values[i]!));
    });
    const places = points.map((_, i) => sums.map((list, a) => rank[a]![list[i]! + d * m]!));
    if (yield* addPoints(tents, axes, places, f, format, true)) yield { construction: "binary points", sketch: tents };
  }
  const ordered = new Sketch(d);
  const base = yield* prepare(ordered);
  if (base !== undefined) {
    const own = base.map((axis, a) => ({ ...axis, values: sums[a]!.map((t) => axis.values[t + d * m]!) }));
    if (yield* addOrdered(ordered, own, f, format, true, jointly(base, own))) {
      yield { construction: "binary ordered points", sketch: ordered };
    }
  }
}

/** The axes as one whose points are the inputs rather than all combinations. */
function jointly(base: readonly Axis[], own: readonly Axis[]): Axis {
  const factors = radices(base);
  const { terms } = combine(base, factors);
  const values = own[0]!.values.map((_, i) => own.reduce((sum, axis, a) => sum + factors[a]! * axis.values[i]!, 0));
  return { layer: base[0]!.layer, terms, values };
}

function isConstant(f: ArrayLike<number>): boolean {
  for (let i = 1; i < f.length; i++) if (f[i] !== f[0]) return false;
  return true;
}

function coordinates(d: number, { m }: Format): Axis[] {
  const values = Array.from({ length: 2 * m + 1 }, (_, i) => i - m);
  return Array.from({ length: d }, (_, i) =>
    inputAxis(
      Array.from({ length: d }, (_, j) => (i === j ? 1 : 0)),
      values,
    ),
  );
}

/** Rows and points, on coordinates or on their classes, with as few layers before them as the format allows. */
function* gridCandidates(f: ArrayLike<number>, d: number, format: Format, least: () => number): Candidates {
  const usual = background(f);
  let unusual = 0;
  for (let i = 0; i < f.length; i++) if (f[i] !== usual) unusual++;

  const classes = yield* mapSteps(new Array(d).keys(), (axis) => classesOf(f, d, axis, 2 * format.m + 1));
  const relevant = classes.map((list, i) => (Math.max(...list) > 0 ? i : -1)).filter((i) => i >= 0);
  // Merging costs a layer of steps, which a few equal slices do not pay for.
  const distinct = classes.reduce((sum, list) => sum + Math.max(...list) + 1, 0);
  const merged = distinct <= 0.75 * d * (2 * format.m + 1);
  const preparations: [string, Prepare][] = [
    ["", asItIs],
    ["", (sketch, axis) => passAxis(sketch, axis, format)],
  ];
  if (merged) {
    preparations.push(
      ["classes, ", (sketch, axis, i) => stepAxis(sketch, axis, classes[i]!, format)],
      [
        "classes, ",
        function* (sketch, axis, i) {
          const passed = yield* passAxis(sketch, axis, format);
          return passed && (yield* stepAxis(sketch, passed, byLevel(passed, classes[i]!), format));
        },
      ],
    );
  }
  const digits = [singleDigits(format), yield* pairDigits(format)].filter((own) => own !== undefined);
  for (const [prefix, prepare] of preparations) {
    const used = prefix === "" ? coordinates(d, format).map((_, i) => i) : relevant;
    // Every row needs a neuron with a weight per column, every point that is not the background one with a weight per step.
    const sizes = used.map((i) => (prefix === "" ? 2 * format.m + 1 : Math.max(...classes[i]!) + 1));
    const cells = sizes.reduce((product, size) => product * size, 1);
    const steps = sizes.reduce((sum, size) => sum + size - 1, 0);
    for (const main of f.length > LARGE ? used.slice(0, 1) : used) {
      if (used.length < 2 || cells >= least()) continue;
      for (const own of digits) {
        const candidate = yield* ladder(f, d, format, used, main, own, prepare);
        if (candidate !== undefined) yield { construction: `${prefix}rows`, sketch: candidate };
      }
    }
    const points = prefix === "" ? unusual : Math.min(unusual, cells / 2);
    if (f.length <= LARGE && points * steps < least()) {
      const candidate = yield* pointGrid(f, d, format, used, prepare);
      if (candidate !== undefined) yield { construction: `${prefix}points`, sketch: candidate };
    }
  }
}

/** For every value of a coordinate the number of the first one with the same slice of the table, counted without gaps. */
function* classesOf(f: ArrayLike<number>, d: number, axis: number, side: number): Steps<number[]> {
  const stride = side ** (d - 1 - axis);
  const seen = new Map<string, number>();
  return yield* mapSteps(new Array(side).keys(), function* (k) {
    const slice: number[] = [];
    // Runs of `stride` entries, one in every `side` runs.
    for (let run = k * stride; run < f.length; run += side * stride) {
      yield;
      for (let i = run; i < run + stride; i++) slice.push(f[i]!);
    }
    const key = slice.join();
    if (!seen.has(key)) seen.set(key, seen.size);
    return seen.get(key)!;
  });
}

/** Classes by level of the axis instead of by coordinate. */
function byLevel(axis: Axis, classes: readonly number[]): number[] {
  return levelsOf(axis.values).levels.map((level) => classes[axis.values.indexOf(level)]!);
}

type Prepare = (sketch: Sketch, axis: Axis, i: number) => Steps<Axis | undefined>;

/** The table index of the input whose levels are given, by the first coordinate of every level. */
function reader(
  axes: readonly Axis[],
  used: readonly number[],
  d: number,
  side: number,
): (levels: readonly number[]) => number {
  const first = axes.map(({ values }) => levelsOf(values).levels.map((level) => values.indexOf(level)));
  return (levels) => {
    const x = new Array<number>(d).fill(0);
    used.forEach((i, a) => {
      x[i] = first[a]![levels[a]!]!;
    });
    return x.reduce((index, k) => index * side + k, 0);
  };
}

function* asItIs(_: Sketch, axis: Axis): Steps<Axis> {
  yield;
  return axis;
}

function* ladder(
  f: ArrayLike<number>,
  d: number,
  format: Format,
  used: readonly number[],
  main: number,
  digits: Digits,
  prepare: Prepare,
): Steps<Sketch | undefined> {
  const sketch = new Sketch(d);
  const all = coordinates(d, format);
  const order = [main, ...used.filter((i) => i !== main)];
  const axes = yield* mapSteps(order, (i) => prepare(sketch, all[i]!, i));
  if (!axes.every((axis) => axis !== undefined)) return undefined;
  const index = reader(axes, order, d, 2 * format.m + 1);
  const valueAt = (column: number, row: readonly number[]): number => f[index([column, ...row])]!;
  return (yield* addLadder(sketch, axes[0]!, axes.slice(1), valueAt, format, digits)) ? sketch : undefined;
}

function* pointGrid(
  f: ArrayLike<number>,
  d: number,
  format: Format,
  used: readonly number[],
  prepare: Prepare,
): Steps<Sketch | undefined> {
  const sketch = new Sketch(d);
  const all = coordinates(d, format);
  const axes = yield* mapSteps(used, (i) => prepare(sketch, all[i]!, i));
  if (!axes.every((axis) => axis !== undefined)) return undefined;
  const index = reader(axes, used, d, 2 * format.m + 1);
  let places: number[][] = [[]];
  for (const axis of axes) {
    places = places.flatMap((place) => levelsOf(axis.values).levels.map((_, level) => [...place, level]));
  }
  const values = places.map((place) => f[index(place)]!);
  return (yield* addPoints(sketch, axes, places, values, format, false)) ? sketch : undefined;
}
