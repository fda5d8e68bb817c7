import fc from "fast-check";
import { DIGIT_SYSTEMS, largestTerms } from "../../src/series/index.ts";

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
