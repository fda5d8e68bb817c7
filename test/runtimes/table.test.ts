// The short form of `npm run runtimes`: this Node, and wabt's interpreter where there is one.
import { spawnSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { describe, expect, it } from "vitest";

type Digests = Record<string, string>;
type Builds = Record<string, Digests>;
interface Table {
  digestTable(rows: Record<string, Builds>, expected: Digests): { text: string; different: string[] };
}
interface WithoutJavaScript {
  runWabt(folder: string, some: { networks: string[]; presets: string[] }): Promise<Builds>;
}

const here = (name: string): string => fileURLToPath(new URL(name, import.meta.url));
const committed = (path: string): Digests => JSON.parse(readFileSync(here(path), "utf8"));
const EXPECTED = { ...committed("../fixtures/digests.json"), ...committed("digests.json") };
const { digestTable } = (await import(here("table.mjs"))) as Table;

const missing = ["wasm2wat", "wat2wasm", "wasm-interp"].filter((tool) => spawnSync(tool, ["--version"]).status !== 0);
if (missing.length > 0) console.warn(`wabt's interpreter is not tested: ${missing.join(", ")} cannot be run`);

describe("the table of digests", () => {
  it("has a row for each build, and names every cell that differs or is missing", () => {
    const other = { ...EXPECTED, "recurrent fast": "0".repeat(64) };
    const { "fmnist_vit compact": _, ...fewer } = EXPECTED;
    const { text, different } = digestTable(
      { a: { scalar: EXPECTED, simd: EXPECTED }, b: { scalar: other }, c: { simd: fewer } },
      EXPECTED,
    );
    expect(different.sort()).toEqual(["b scalar recurrent fast", "c simd fmnist_vit compact"]);
    expect(text.split("\n").filter((line) => /^\| [abc] \|/.test(line))).toHaveLength(4 * 4);
    expect(text).toContain("| **00000000** |");
  });

  it("has the committed digests in a Node of its own, in both builds", () => {
    const { status, stdout, stderr } = spawnSync(process.execPath, [here("job.mjs"), "digests"], { encoding: "utf8" });
    expect({ status, stderr }).toEqual({ status: 0, stderr: "" });
    const found = JSON.parse(stdout) as Builds;
    expect(Object.keys(found)).toEqual(["scalar", "simd"]);
    expect(digestTable({ node: found }, EXPECTED).different).toEqual([]);
    expect(Object.keys(EXPECTED)).toHaveLength(16);
  });

  it.skipIf(missing.length > 0)("has them in wabt's interpreter, without any JavaScript, in both builds", async () => {
    const { runWabt } = (await import(here("without-javascript.mjs"))) as WithoutJavaScript;
    const folder = mkdtempSync(join(tmpdir(), "bitbasis-wabt-"));
    const found = await runWabt(folder, { networks: ["fmnist_mobilenet", "recurrent"], presets: ["fast"] });
    rmSync(folder, { recursive: true });
    const keys = ["fmnist_mobilenet fast", "recurrent fast"];
    const expected = Object.fromEntries(keys.map((key) => [key, EXPECTED[key]]));
    expect(found).toEqual({ scalar: expected, simd: expected });
  });
});
