import { type Dyadic, resolveTarget } from "../../regimes/index.ts";
import { uniformNumbers } from "../../tensor/index.ts";

/** 2^e + 1 samples of a 1-Lipschitz walk within [-1, 1] whose slope changes often; exact multiples of 2^-24. */
export function walk(seed: number, e: number): number[] {
  const next = uniformNumbers(seed);
  const limit = 2 ** (24 - e);
  let level = Math.floor((next() - 0.5) * 2 ** 24);
  let slope = next() < 0.5 ? -1 : 1;
  const values = [level / 2 ** 24];
  for (let k = 0; k < 2 ** e; k++) {
    if (next() < 0.15) slope = 2 * next() - 1;
    if (next() < 0.03) slope = next() < 0.5 ? -1 : 1;
    if (Math.abs(level + Math.trunc(slope * limit)) > 2 ** 24) slope = -slope;
    level += Math.trunc(slope * limit);
    values.push(level / 2 ** 24);
  }
  return values;
}

/** Exact values at k/2^n of 2^e + 1 samples joined by straight lines. */
export function valuesAt(samples: readonly number[], n: number): Dyadic[] {
  const target = resolveTarget(samples);
  return Array.from({ length: 2 ** n + 1 }, (_, k) => target.at(k, n));
}

/**
 * A random function of Sobolev smoothness s, as 2^e + 1 samples: Σ_k k^-(s+1/2)·g_k·sin(πkx + φ_k) over 2^(e−1) frequencies, scaled so
 * that the largest slope of the samples is 1 when s > 1, and the largest jump over one sample is 2^(-e·s) when s ≤ 1.
 */
export function sobolev(seed: number, s: number, e: number): number[] {
  const next = uniformNumbers(seed);
  const points = 2 ** e;
  const values = new Float64Array(points + 1);
  for (let k = 1; k <= points / 2; k++) {
    // The sum of four uniforms is near enough to a Gaussian.
    const amplitude = (next() + next() + next() + next() - 2) * k ** -(s + 0.5);
    const phase = 2 * Math.PI * next();
    for (let i = 0; i <= points; i++) values[i] = values[i]! + amplitude * Math.sin(Math.PI * k * (i / points) + phase);
  }
  let largest = 0;
  for (let i = 0; i < points; i++) largest = Math.max(largest, Math.abs(values[i + 1]! - values[i]!));
  const wanted = points ** -Math.min(s, 1);
  // Onto a grid of 2^-40, so that the samples are short dyadic numbers.
  return Array.from(values, (value) => Math.round(((value * wanted) / largest) * 0.999 * 2 ** 40) / 2 ** 40);
}

/** The slope of the least-squares line through (log x, log y). */
export function logSlope(points: readonly (readonly [number, number])[]): number {
  const logs = points.map(([x, y]) => [Math.log2(x), Math.log2(y)] as const);
  const meanX = logs.reduce((sum, [x]) => sum + x, 0) / logs.length;
  const meanY = logs.reduce((sum, [, y]) => sum + y, 0) / logs.length;
  let above = 0;
  let below = 0;
  for (const [x, y] of logs) {
    above += (x - meanX) * (y - meanY);
    below += (x - meanX) ** 2;
  }
  return above / below;
}
