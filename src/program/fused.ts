// The loaded terms of a series summed up by the core, as `fuse` and `dequantize` (src/series) do in JavaScript: a loop over five passes, which a first program
// ran before an engine had made it fast.
import { type Core, lendTerms, type PackedTerm } from "../core/index.ts";
import { isSigned, scaled, termBits, termWeight, type WeightSeries } from "../series/index.ts";

/** The loaded terms from `first` on, as the core takes them. */
export function packedTerms(series: WeightSeries, first = 0): PackedTerm[] {
  return series.planes.slice(first).map((plane, i) => ({
    plane,
    bits: termBits(series, first + i),
    unsigned: !isSigned(series.digits, first + i),
    weight: termWeight(series, first + i),
  }));
}

/** The integers Q − zero of the loaded terms, i16 [rows][columns]. */
export function fusedBy(core: Core, series: WeightSeries): Int16Array {
  const { rows, columns, zeros, sparse } = series;
  const count = rows * columns;
  const output = core.allocate(2 * count);
  lendTerms(core, packedTerms(series), (at, terms) => {
    const fuse = (zero: number): void => core.exports.fuseTerms(rows, columns, at, terms, zero, output);
    if (zeros === undefined) fuse(0);
    else core.lend([zeros], fuse);
  });
  const fused = core.i16(output, count).slice();
  core.release(output);
  sparse?.indices.forEach((e, i) => {
    fused[e] = fused[e]! + sparse.values[i]!;
  });
  return fused;
}

/** The weights that they stand for, each s·(Q − zero) rounded once to f32, in the order of the tensor. */
export function floatsBy(core: Core, series: WeightSeries): Float32Array {
  return scaled(series, fusedBy(core, series));
}
