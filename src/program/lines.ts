import type { KnownValue } from "../graph/graph.ts";

/** Signatures of inputs that grow together: extent `i` is base[i] + t·direction[i], as past and attention_mask grow with every token. */
export interface Line {
  /** Extents of each input. */
  readonly ranks: readonly number[];
  readonly base: readonly number[];
  /** None is negative, one at least is not 0. */
  readonly direction: readonly number[];
}

/** A line between two sizes, both included. */
export interface Range {
  readonly line: Line;
  readonly low: number;
  readonly high: number;
}

/** Where on the line the signature lies; undefined beside it. Asked at every run. */
export function placeOn({ ranks, base, direction }: Line, values: readonly KnownValue[]): number | undefined {
  if (values.length !== ranks.length) return undefined;
  let t: number | undefined;
  let i = 0;
  for (const [j, { shape }] of values.entries()) {
    if (shape.length !== ranks[j]) return undefined;
    for (const d of shape) {
      const step = direction[i]!;
      const far = d - base[i++]!;
      if (step !== 0) t ??= far / step;
      if (far !== step * (t ?? 0)) return undefined;
    }
  }
  return Number.isInteger(t) ? t : undefined;
}
