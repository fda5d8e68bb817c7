import fc from "fast-check";
import { DIGIT_SYSTEMS, Expansion, largestTerms, type MeasuredSeries } from "../../src/series/index.ts";

/** bits, terms and digits of a series that exists. */
export const anySeries = fc
  .record({ bits: fc.integer({ min: 2, max: 8 }), digits: fc.constantFrom(...DIGIT_SYSTEMS) })
  .chain(({ bits, digits }) =>
    fc.record({
      bits: fc.constant(bits),
      digits: fc.constant(digits),
      terms: fc.integer({ min: 1, max: largestTerms(bits, digits) }),
    }),
  );

/** A series that quantization makes, with all that one of `expand` can tell. */
export function asExpansion(series: MeasuredSeries): Expansion {
  return Object.setPrototypeOf(series, Expansion.prototype) as Expansion;
}
