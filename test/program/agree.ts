import { expect } from "vitest";
import { Tensor } from "../../src/tensor/index.ts";
import { type OperatorCase, runOperator } from "./harness.ts";

/** Bits of a tensor, every NaN made 7fc00000 (what Canonicalize does at the end of a run). */
function bitsOf(t: Tensor): Uint8Array {
  const copy = new Uint8Array((t.data as Uint8Array).buffer.slice(0));
  if (t.type === "float32") {
    const [floats, words] = [new Float32Array(copy.buffer), new Uint32Array(copy.buffer)];
    floats.forEach((v, i) => {
      if (Number.isNaN(v)) words[i] = 0x7fc00000;
    });
  }
  return copy;
}

/** Runs a case on scalar, simd and their checked builds, on 1 and 3 threads, in slices; all must give the same bits, which are returned. */
export async function agreed(c: OperatorCase): Promise<Tensor[]> {
  const results = await runOperator(c, { build: "simd" });
  for (const options of [
    { build: "scalar", poison: 0 },
    { build: "simd", threads: 3, poison: 0xff },
    { build: "scalar", threads: 3 },
    { build: "checked", slices: 5 },
    { build: "checked-simd", threads: 3 },
  ] as const) {
    const others = await runOperator(c, options);
    others.forEach((other, i) => {
      expect(bitsOf(other), `${c.op}, ${JSON.stringify(options)}`).toEqual(bitsOf(results[i]!));
    });
  }
  return results;
}

/** Small shapes as fast-check likes them have too few elements for vectors: extents are drawn from these. */
export const EXTENTS = [1, 2, 3, 4, 5, 7, 8, 17] as const;

/** Numbers with the edges among them. */
export function floats(seed: number, n: number, edges = true): Float32Array {
  const special = [0, -0, 1, -1, Infinity, -Infinity, NaN, 1e-45, -1e-40, 3.4e38, 0.5, 2];
  let state = (seed * 2654435761 + 1) >>> 0;
  return Float32Array.from({ length: n }, () => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    if (edges && state % 11 === 0) return special[(state >>> 8) % special.length]!;
    return ((state >>> 4) / 2 ** 28 - 0.5) * 8;
  });
}

export function tensor(seed: number, shape: readonly number[], edges = true): Tensor {
  return new Tensor(
    "float32",
    floats(
      seed,
      shape.reduce((a, b) => a * b, 1),
      edges,
    ),
    shape,
  );
}

/** max|a − b| ≤ tolerance·max(1, |b|), non-finite values equal. */
export function close(a: ArrayLike<number>, b: ArrayLike<number>, tolerance: number): void {
  expect(a.length).toBe(b.length);
  for (let i = 0; i < a.length; i++) {
    if (Object.is(a[i], b[i]) || a[i] === b[i]) continue;
    const error = Math.abs(a[i]! - b[i]!) / Math.max(1, Math.abs(b[i]!));
    if (!(error <= tolerance)) expect.fail(`element ${i}: ${a[i]} instead of ${b[i]}`);
  }
}
