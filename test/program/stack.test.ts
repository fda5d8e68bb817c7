import { describe, expect, it } from "vitest";
import { ActivationDigits, stackedChannels } from "../../src/program/stack.ts";

const int16 = (v: number): number => (v << 16) >> 16;

/** What StackDigits keeps of q (assembly/tensor/stack-digits.ts), in int16 as there: sums may wrap on the way. */
function kept(digits: ActivationDigits, q: number, terms: readonly number[]): number {
  const { mask, offset } = digits.slot(terms);
  return int16((int16(q + digits.halves) & mask) + offset);
}

describe.each([
  [8, 4],
  [12, 4],
  [15, 4],
  [10, 3],
  [6, 6],
  [15, 8],
])("activations of %i bits in digits of %i", (bits, digit) => {
  const digits = new ActivationDigits(bits, digit);
  const count = Math.ceil(bits / digit);
  const low = -(2 ** (bits - 1));
  // What rounding to a digit may carry over the top is the first digit's.
  const high = 2 ** (bits - 1) - 1;

  it("are the sum of their digits, each within its half radix, but for the first", () => {
    for (let q = low; q <= high; q += bits > 10 ? 61 : 1) {
      const parts = Array.from({ length: count }, (_, term) => kept(digits, q, [term]));
      expect(parts.reduce((a, b) => a + b, 0)).toBe(q);
      for (const [term, part] of parts.entries()) {
        const [top, unit] = [2 ** (bits - term * digit), 2 ** Math.max(0, bits - (term + 1) * digit)];
        if (part % unit !== 0) expect.fail(`digit ${term} of ${q} is ${part}`);
        if (term > 0 && (part < -top / 2 || part >= top / 2)) expect.fail(`digit ${term} of ${q} is ${part}`);
      }
    }
  });

  it("keep any terms together, and those that there are not are nothing", () => {
    for (let q = low; q <= high; q += 131) {
      const all = Array.from({ length: count }, (_, term) => term);
      expect(kept(digits, q, all)).toBe(q);
      expect(kept(digits, q, [...all, count, count + 1])).toBe(q);
      expect(kept(digits, q, all.slice(1))).toBe(q - kept(digits, q, [0]));
    }
  });
});

it("rounds channels up to pairs", () => {
  expect([1, 2, 3, 4, 7].map(stackedChannels)).toEqual([2, 2, 4, 4, 8]);
});
