import type { Core } from "./core.ts";

/** A term as `addTerms` takes it. */
export interface PackedTerm {
  /** Digits [row][tap][channel]. */
  readonly plane: Uint8Array;
  /** Of a digit, 1 … 8. */
  readonly bits: number;
  /** Whether digits are not two's complement. */
  readonly unsigned: boolean;
  /** What one unit of a digit adds to an element. */
  readonly weight: number;
}

/** Words of what is told of a term: bits, unsigned, weight, and bytes from the first of all of them to the plane. */
const WORDS = 4;

/** Places terms for one call: records, then planes. */
export function lendTerms(core: Core, terms: readonly PackedTerm[], use: (at: number, count: number) => void): void {
  const words = terms.length * WORDS;
  const bytes = terms.reduce((sum, { plane }) => sum + plane.length, 4 * words);
  const at = core.allocate(bytes);
  let next = 4 * words;
  for (const [i, { plane, bits, unsigned, weight }] of terms.entries()) {
    core.i32(at + 4 * WORDS * i, WORDS).set([bits, unsigned ? 1 : 0, weight, next]);
    core.u8(at + next, plane.length).set(plane);
    next += plane.length;
  }
  use(at, terms.length);
  core.release(at);
}
