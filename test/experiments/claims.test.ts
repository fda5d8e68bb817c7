import { existsSync, readFileSync } from "node:fs";
import { expect, test } from "vitest";
import { listExperiments } from "../../src/experiments/index.ts";

const text = readFileSync(new URL("../../docs/claims.md", import.meta.url), "utf8");

test("every claim has a verdict, tests that are there and experiments that are there", async () => {
  const names = new Set((await listExperiments()).map(({ name }) => name));
  const rows = text
    .split("\n")
    .filter((line) => line.startsWith("| ") && !line.startsWith("| claim"))
    .map((line) =>
      line
        .split(/(?<!\\)\|/)
        .slice(1, -1)
        .map((cell) => cell.trim()),
    );
  expect(rows.length).toBeGreaterThan(40);
  const named = new Set<string>();
  for (const [claim, verdict, tests, experiments, ...more] of rows) {
    expect(more, claim).toEqual([]);
    expect(verdict, claim).toMatch(/^(confirmed|corrected|refuted)/);
    for (const [path] of tests!.matchAll(/[a-z-]+\/[a-z-]+/g))
      expect(existsSync(new URL(`../${path}.test.ts`, import.meta.url)), `${claim}: test/${path}.test.ts`).toBe(true);
    for (const [name] of experiments!.matchAll(/[a-z]+(-[a-z]+)+/g)) {
      expect(names.has(name), `${claim}: ${name}`).toBe(true);
      named.add(name);
    }
    expect(`${tests}${experiments}`, claim).not.toBe("––");
  }
  // Experiments that measure our own kernels and plans, about which no paper claims anything.
  expect([...names].filter((name) => !named.has(name))).toEqual(["series-first-layer"]);
});
