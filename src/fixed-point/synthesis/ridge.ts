import { inputAt } from "../targets.ts";
import { type Cell, cellOf } from "./cells.ts";
import { fitLine, type LineFit } from "./line.ts";
import { finish } from "./points.ts";
import { type Format, Sketch } from "./sketch.ts";
import type { Steps } from "./steps.ts";

/** Relaxations of one inequality that the search for a sum of two ridges may take: a second or two. */
const WORK = 2 ** 28;

/** Functions of one linear form α·x, and in two dimensions sums of two of them: one hidden layer. */
export function* ridges(f: ArrayLike<number>, d: number, format: Format): Steps<Sketch[]> {
  const found: Sketch[] = [];
  const points: number[][] = [];
  for (let i = 0; i < f.length; i++) {
    if (i % 4096 === 0) yield;
    points.push(inputAt(i, format.p, d));
  }
  const forms = formsOf(d).filter((alpha) => Math.max(...alpha.map(Math.abs)) <= format.m);
  for (const alpha of forms) {
    const cells = yield* cellsAlong(f, points, alpha, format);
    const sketch = cells && (yield* toSketch([[alpha, cells]], d, format));
    if (sketch) found.push(sketch);
  }
  if (d === 2 && found.length === 0) {
    const axes = [
      [1, 0],
      [0, 1],
      [1, 1],
      [1, -1],
    ];
    for (let i = 0; i < axes.length; i++) {
      for (let j = i + 1; j < axes.length; j++) {
        const parts = yield* splitBetween(f, points, axes[i]!, axes[j]!, format);
        const sketch =
          parts &&
          (yield* toSketch(
            [
              [axes[i]!, parts[0]],
              [axes[j]!, parts[1]],
            ],
            d,
            format,
          ));
        if (sketch) found.push(sketch);
      }
    }
  }
  return found;
}

/** Functions of one sum ±x₁ ± x₂ … with weights ±1, at s = 1: coefficients of the output are copies, and nothing else asks for a parity. */
export function* binaryRidges(f: ArrayLike<number>, d: number, format: Format): Steps<Sketch[]> {
  if (format.s !== 1) return [];
  const found: Sketch[] = [];
  const points: number[][] = [];
  for (let i = 0; i < f.length; i++) {
    if (i % 4096 === 0) yield;
    points.push(inputAt(i, format.p, d));
  }
  for (let signs = 0; signs < 2 ** (d - 1); signs++) {
    const alpha = Array.from({ length: d }, (_, i) => ((signs >> i) & 1 ? -1 : 1));
    const cells = yield* cellsAlong(f, points, alpha, format);
    const sketch = cells && (yield* toSketch([[alpha, cells]], d, format, 1));
    if (sketch) found.push(sketch);
  }
  return found;
}

/** Directions with small entries, one of every pair ±α. */
function formsOf(d: number): number[][] {
  const limit = d === 1 ? 1 : d === 2 ? 3 : 1;
  let list: number[][] = [[]];
  for (let i = 0; i < d; i++) {
    list = list.flatMap((alpha) => Array.from({ length: 2 * limit + 1 }, (_, k) => [...alpha, k - limit]));
  }
  const size = (alpha: number[]): number => alpha.reduce((sum, a) => sum + Math.abs(a), 0);
  const divisor = (alpha: number[]): number =>
    alpha.reduce((a, b) => (b === 0 ? a : a === 0 ? Math.abs(b) : gcdOf(a, Math.abs(b))), 0);
  return list
    .filter((alpha) => (alpha.find((a) => a !== 0) ?? 0) > 0 && divisor(alpha) === 1)
    .sort((a, b) => size(a) - size(b));
}

function gcdOf(a: number, b: number): number {
  return b === 0 ? a : gcdOf(b, a % b);
}

const along = (alpha: readonly number[], x: readonly number[]): number =>
  alpha.reduce((sum, a, i) => sum + a * x[i]!, 0);

type Cells = Map<number, Cell>;

/** The cell of every value of α·x, if f depends on nothing else. */
function* cellsAlong(
  f: ArrayLike<number>,
  points: readonly number[][],
  alpha: readonly number[],
  { m, s }: Format,
): Steps<Cells | undefined> {
  const values = new Map<number, number>();
  for (let i = 0; i < points.length; i++) {
    if (i % 4096 === 0) yield;
    const t = along(alpha, points[i]!);
    const known = values.get(t);
    if (known === undefined) values.set(t, f[i]!);
    else if (known !== f[i]) return undefined;
  }
  return new Map([...values].map(([t, value]) => [t, cellOf(value, m, s)]));
}

/**
 * φ and ψ with φ(α·x) + ψ(β·x) in the cell of f(x) for every x, or undefined: a system of differences φ(t) − (−ψ(u)), which shortest paths
 * (Bellman and Ford) solve in integers or show to be impossible.
 */
function* splitBetween(
  f: ArrayLike<number>,
  points: readonly number[][],
  alpha: readonly number[],
  beta: readonly number[],
  { m, s }: Format,
): Steps<[Cells, Cells] | undefined> {
  const n = points.length;
  const [ts, left] = indexed(points.map((x) => along(alpha, x)));
  yield;
  const [us, right] = indexed(points.map((x) => along(beta, x)));
  yield;
  const [los, his] = [new Float64Array(n), new Float64Array(n)];
  for (let i = 0; i < n; i++) {
    const { lo, hi } = cellOf(f[i]!, m, s);
    los[i] = lo;
    his[i] = hi;
  }
  const phi = new Float64Array(left.length);
  const minusPsi = new Float64Array(right.length);
  const limit = 4 * m * m * Math.max(2, s);
  const rounds = Math.min(left.length + right.length, Math.ceil(WORK / n / 6));
  for (let round = 0; round <= rounds; round++) {
    let changed = false;
    for (let i = 0; i < n; i++) {
      if (i % 65_536 === 0) yield;
      const [t, u] = [ts[i]!, us[i]!];
      // φ ≤ −ψ + hi and −ψ ≤ φ − lo.
      if (phi[t]! > minusPsi[u]! + his[i]!) phi[t] = minusPsi[u]! + his[i]!;
      else if (minusPsi[u]! > phi[t]! - los[i]!) minusPsi[u] = phi[t]! - los[i]!;
      else continue;
      changed = true;
      if (phi[t]! < -limit || minusPsi[u]! < -limit) return undefined;
    }
    if (!changed) {
      const exact = (forms: readonly number[], values: Float64Array, sign: number): Cells =>
        new Map(forms.map((form, k) => [form, { lo: sign * values[k]!, hi: sign * values[k]! }]));
      return [exact(left, phi, 1), exact(right, minusPsi, -1)];
    }
  }
  return undefined;
}

/** Every value's position in the list of distinct values. */
function indexed(values: readonly number[]): [Int32Array, number[]] {
  const distinct = [...new Set(values)];
  const position = new Map(distinct.map((value, i) => [value, i]));
  return [Int32Array.from(values, (value) => position.get(value)!), distinct];
}

function* toSketch(
  parts: readonly (readonly [readonly number[], Cells])[],
  d: number,
  format: Format,
  limit = format.m,
): Steps<Sketch | undefined> {
  const sketch = new Sketch(d);
  const outputs: [number, number][] = [];
  let resting = 0;
  for (const [alpha, cells] of parts) {
    const ts = [...cells.keys()].sort((a, b) => a - b);
    const widest = Math.floor(limit / Math.max(...alpha.map(Math.abs)));
    const fit: LineFit | undefined = yield* fitLine(
      ts,
      ts.map((t) => cells.get(t)!),
      widest,
      format,
    );
    if (fit === undefined) return undefined;
    for (const { w, bias, v } of fit.units) {
      outputs.push([
        sketch.add(
          0,
          alpha.map((a, i) => [i, a * w] as const),
          bias,
        ),
        v,
      ]);
    }
    resting += fit.offset;
  }
  if (outputs.length === 0) sketch.add(0, [], 0);
  return finish(sketch, 1, outputs, 0, resting, format) ? sketch : undefined;
}
