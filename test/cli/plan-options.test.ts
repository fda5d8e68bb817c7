// Plans from strangers: what is not as a plan should be is named with its file, by a usage error.
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, describe, expect, it } from "vitest";
import { readPlan } from "../../src/cli/plan-options.ts";

const folder = mkdtempSync(join(tmpdir(), "plan-"));
afterAll(() => rmSync(folder, { recursive: true }));

const LAYER = '{ "bits": 4, "weightTerms": 2, "activationTerms": 2 }';
const plan = (more: string): string => `{ "version": 2, "default": ${LAYER}, ${more} }`;
const layer = (more: string): string => plan(`"layers": { "a": { "bits": 4, "weightTerms": 2, ${more} } }`);

async function read(text: string): Promise<unknown> {
  const path = join(folder, "plan.json");
  writeFileSync(path, text);
  try {
    return await readPlan({ plan: path } as unknown as Parameters<typeof readPlan>[0]);
  } catch (error) {
    expect((error as Error).constructor.name).toBe("UsageError");
    return (error as Error).message.replace(path, "plan.json");
  }
}

const FOUND = '"tolerance": 0.01, "predicted": 0.01, "inputs": "x"';

describe("a plan file", () => {
  it("is read with what was measured and the reasons of its layers", async () => {
    const text = plan(`"check": { ${FOUND} }, "layers": { "a": ${LAYER.replace("{", '{ "reason": "small",')} }`);
    expect(await read(text)).toEqual({ plan: JSON.parse(text) });
  });

  it.each([
    ["", /^plan\.json .*JSON/],
    ["[]", '"plan" expected an object, got '],
    ["null", '"plan" expected an object, got null'],
    ["7", '"plan" expected an object, got '],
    ['{ "version": "2" }', '"plan.version" expected 1 or 2, got "2"'],
    ['{ "version": 2 }', '"plan.default" expected an object, got nothing'],
    [plan('"__proto__": {}'), '"plan" expected version, default, tables, check, layers, got "__proto__"'],
    [plan('"tables": 1e300'), '"plan.tables" expected integer in 3..16, got 1e+300'],
    [plan('"tables": null'), '"plan.tables" expected integer in 3..16, got null'],
    [plan('"layers": []'), '"plan.layers" expected an object, got '],
    [plan('"layers": { "__proto__": 1 }'), '"plan.layers["__proto__"]" expected an object, got '],
    [layer('"activationTerms": 1e999'), '"plan.layers["a"].activationTerms" expected integer in 0..4, got Infinity'],
    [layer('"activationTerms": 2, "constructor": 1'), ', got "constructor"'],
    [layer('"activationTerms": 2, "outliers": "1"'), '"plan.layers["a"].outliers" expected number in 0..1, got "1"'],
    [
      layer('"activationTerms": 2, "granularity": { "group": -1 }'),
      '.granularity.group" expected integer in 1..2147483647',
    ],
    [layer('"activationTerms": 2, "pairs": [[1, 9]]'), ": an activation term"],
    [layer('"activationTerms": 2, "reason": {}'), '"plan.layers["a"].reason" expected a string, got object'],
    [plan('"check": null'), '"plan.check" expected an object, got null'],
    [plan('"check": 7'), '"plan.check" expected an object, got number'],
    [plan('"check": {}'), '"plan.check.tolerance" expected a number, got nothing'],
    [plan(`"check": { ${FOUND}, "measured": "NaN" }`), '"plan.check.measured" expected a number, got string'],
    [plan(`"check": { ${FOUND}, "target": 7 }`), '"plan.check.target" expected a string, got number'],
  ])("is refused in a sentence: %s", async (text, expected) => {
    const message = String(await read(text));
    if (typeof expected === "string") expect(message).toContain(expected);
    else expect(message).toMatch(expected);
    expect(message).toMatch(/^plan\.json/);
  });
});
