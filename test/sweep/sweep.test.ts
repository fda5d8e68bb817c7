import { spawnSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { afterAll, describe, expect, it } from "vitest";
import { poolModel } from "../../src/pool/index.ts";
import { loadSweep, SWEEP_NAMES, sweepModel, sweepSpec, threadScript } from "../../src/sweep/index.ts";
import { smallModel } from "../pool/models.ts";

const MAIN = fileURLToPath(new URL("../../dist/bin/bitbasis.js", import.meta.url));
const folder = mkdtempSync(join(tmpdir(), "bitbasis-sweep-"));
afterAll(() => rmSync(folder, { recursive: true }));
const { signal } = new AbortController();

function bitbasis(...args: string[]): { status: number | null; stdout: string; stderr: string } {
  return spawnSync(process.execPath, [MAIN, ...args], { encoding: "utf8" });
}

describe("sweeps", () => {
  it("are told from models", async () => {
    expect(sweepSpec(sweepModel("tables", "1.2.3").bytes)).toEqual({ sweep: "tables", version: "1.2.3" });
    for (const model of [{ key: "m", bytes: smallModel() }, await poolModel("m", smallModel())]) {
      expect(sweepSpec(model.bytes)).toBeUndefined();
      expect(threadScript(model)).toBeUndefined();
    }
  });

  it("come to the same outcome for a number whenever it is asked for", async () => {
    const tables = await loadSweep("tables");
    const all = await Promise.all([...Array(60).keys()].map((i) => tables.one(i, signal)));
    for (const [i, outcome] of all.entries()) if (i % 7 === 0) expect(await tables.one(i, signal)).toEqual(outcome);
    expect(all.filter(({ ok }) => !ok)).toEqual([]);
    // Networks and refusals, both kinds of weights: what is checked is there.
    expect(all.filter(({ parameters }) => parameters !== undefined).length).toBeGreaterThan(20);
    expect(all.filter(({ refused }) => refused !== undefined).length).toBeGreaterThan(5);
    expect(new Set(all.map(({ weights }) => weights))).toEqual(new Set(["full", "binary"]));
    const maps = await loadSweep("maps");
    for (let i = 0; i < maps.size; i += 97) expect(await maps.one(i, signal)).toMatchObject({ ok: true });
    await expect(maps.one(5, AbortSignal.abort(new Error("enough")))).rejects.toThrow("enough");
  });

  it("run on threads, go on where they were, and tell what is wrong", { timeout: 120_000 }, async () => {
    const args = ["sweep", "tables", "--from", "3", "--to", "13", "--chunk", "4", "--output", folder];
    const first = bitbasis(...args, "--workers", "2", "--verify", "1", "--json");
    expect(first.stderr).toBe("");
    expect(JSON.parse(first.stdout)).toEqual({ sweep: "tables", from: 3, to: 13, wrong: [], failed: [] });
    const results = readFileSync(join(folder, "results.jsonl"), "utf8");
    const outcomes = results
      .trim()
      .split("\n")
      .flatMap((line) => JSON.parse(line).outputs.outcomes.values);
    expect(outcomes.map(({ index }) => index)).toEqual([3, 4, 5, 6, 7, 8, 9, 10, 11, 12]);
    const { one } = await loadSweep("tables");
    expect(outcomes[5]).toEqual({ index: 8, ...(await one(8, signal)) });

    const journal = join(folder, "journal.jsonl");
    writeFileSync(journal, readFileSync(journal, "utf8").replace('"index":8,"ok":true', '"index":8,"ok":false'));
    const again = bitbasis(...args, "--workers", "1");
    expect(again.status).toBe(1);
    expect(again.stdout).toMatch(/^\{"index":8,"ok":false.*\ntables 3…12: 10 computed, 1 wrong, 0 jobs failed\n$/);
  });

  it("are listed", () => {
    const { stdout } = bitbasis("sweep", "--json");
    expect(JSON.parse(stdout).map(({ name }: { name: string }) => name)).toEqual(SWEEP_NAMES);
  });
});
