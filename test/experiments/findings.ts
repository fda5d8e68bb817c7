import { expect } from "vitest";
import type { ExperimentResult, Verdict } from "../../src/experiments/index.ts";

/** Every experiment answers: claims with what was expected and found. All are confirmed but for the verdicts that are given, by position. */
export function expectFindings({ findings }: ExperimentResult, others: Readonly<Record<number, Verdict>> = {}): void {
  expect(findings.length).toBeGreaterThan(0);
  for (const { claim, expected, found } of findings) {
    for (const text of [claim, expected, found]) {
      expect(text).toMatch(/\S/);
      expect(text).not.toMatch(/NaN|undefined|Infinity/);
    }
  }
  expect(findings.map(({ verdict }) => verdict)).toEqual(findings.map((_, i) => others[i] ?? "confirmed"));
}
