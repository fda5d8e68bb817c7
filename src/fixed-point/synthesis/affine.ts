import type { Candidate } from "./candidates.ts";
import { cellOf } from "./cells.ts";
import { type Format, Sketch } from "./sketch.ts";
import { mapSteps, type Steps } from "./steps.ts";

/** Combinations of weights that are tried. */
const MAX_COMBINATIONS = 4096;

/**
 * The table as one affine layer, without any activation: the only kind of network whose outputs the activation does not limit. Weights that fit the
 * table along each axis through the origin are found first, then their combinations.
 */
export function* affineLayer(
  f: ArrayLike<number>,
  d: number,
  format: Format,
  binary: boolean,
): Steps<Candidate | undefined> {
  const { m, s } = format;
  const side = 2 * m + 1;
  const strides = Array.from({ length: d }, (_, i) => side ** (d - 1 - i));
  const origin = strides.reduce((sum, stride) => sum + m * stride, 0);
  const weights = binary
    ? s > m
      ? []
      : [s, -s]
    : Array.from({ length: side }, (_, i) => (i & 1 ? (i + 1) / 2 : -i / 2));
  const choices = yield* mapSteps(strides, function* (stride) {
    const fitting: number[] = [];
    for (const w of weights) {
      yield;
      let low = Number.NEGATIVE_INFINITY;
      let high = Number.POSITIVE_INFINITY;
      for (let x = -m; x <= m && low <= high; x++) {
        const { lo, hi } = cellOf(f[origin + x * stride]!, m, s);
        low = Math.max(low, lo - w * x);
        high = Math.min(high, hi - w * x);
      }
      if (low <= high) fitting.push(w);
    }
    return fitting;
  });
  if (choices.reduce((product, list) => product * list.length, 1) > MAX_COMBINATIONS) return undefined;
  let combinations: number[][] = [[]];
  for (const list of choices) combinations = combinations.flatMap((chosen) => list.map((w) => [...chosen, w]));
  for (const chosen of combinations) {
    const bias = yield* biasFor(f, chosen, strides, format);
    if (bias === undefined) continue;
    const sketch = new Sketch(d);
    sketch.add(
      0,
      chosen.map((w, i) => [i, w] as const),
      bias,
    );
    return { construction: "one affine layer", sketch };
  }
  return undefined;
}

/** The bias of least size with which the weights give the whole table. */
function* biasFor(
  f: ArrayLike<number>,
  weights: readonly number[],
  strides: readonly number[],
  { m, s }: Format,
): Steps<number | undefined> {
  let low = Number.NEGATIVE_INFINITY;
  let high = Number.POSITIVE_INFINITY;
  for (let i = 0; i < f.length; i++) {
    if (i % 4096 === 0) yield;
    let sum = 0;
    for (let a = 0; a < strides.length; a++) sum += weights[a]! * ((Math.floor(i / strides[a]!) % (2 * m + 1)) - m);
    const { lo, hi } = cellOf(f[i]!, m, s);
    low = Math.max(low, lo - sum);
    high = Math.min(high, hi - sum);
    if (low > high) return undefined;
  }
  const least = Math.ceil(low / s);
  const most = Math.floor(high / s);
  return least > most ? undefined : least > 0 ? least : most < 0 ? most : 0;
}
