import { spawnSync } from "node:child_process";
import {
  appendFileSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  truncateSync,
  writeFileSync,
} from "node:fs";
import { hostname, tmpdir } from "node:os";
import { join } from "node:path";
import { parse } from "npyjs";
import { afterAll, beforeEach, describe, expect, it } from "vitest";
import { type BatchOptions, jobKey, type Runner, runBatch } from "../../src/batch/batch.ts";
import { toNpy } from "../../src/cli/inputs.ts";
import type { Parcel, Parcels } from "../../src/pool/index.ts";
import { Tensor } from "../../src/tensor/index.ts";

const root = mkdtempSync(join(tmpdir(), "bitbasis-batch-"));
afterAll(() => rmSync(root, { recursive: true }));

let folder: string;
let calls: string[];
beforeEach(() => {
  folder = mkdtempSync(join(root, "out-"));
  calls = [];
});

const input = (value: number): Parcels => ({ x: { type: "float32", dims: [2], data: Float32Array.of(value, 1) } });
const encode = ({ type, data, dims }: Parcel): Uint8Array => toNpy(new Tensor(type, data, dims));

/** Doubles; refuses -1. A worker for each call. */
const runner: Runner = {
  facts: { inputs: [], outputs: [], digest: "d", terms: 1 },
  width: 3,
  async run(key, { x }) {
    calls.push(key);
    await new Promise((resolve) => setTimeout(resolve, 2));
    const data = (x!.data as Float32Array).map((v) => 2 * v);
    if (data[0] === -2) throw new RangeError("-1 is refused");
    return { outputs: { y: { ...x!, data } }, worker: String(calls.length) };
  },
  async close() {},
};

function batch(ids: readonly string[], more: Partial<BatchOptions> = {}): Promise<unknown> {
  const items = ids.map((id) => ({ id, files: {} }));
  const read: BatchOptions["read"] = async ({ id }) => input(Number(/-?\d+/.exec(id)![0]));
  return runBatch({
    items,
    folder,
    runner,
    read,
    format: { extension: "npy", encode },
    verify: 0,
    onProgress: () => undefined,
    ...more,
  });
}

function output(name: string): number[] {
  return [...(parse(new Uint8Array(readFileSync(join(folder, name))).buffer).data as Float32Array)];
}

const counts = (more: object): object => ({
  items: 3,
  resumed: 0,
  computed: 0,
  copied: 0,
  verified: 0,
  failed: [],
  ...more,
});

describe("a batch", () => {
  it("writes every output once, and a list in the order of the inputs", async () => {
    expect(await batch(["n3", "deep/n1", "n2"])).toEqual(counts({ computed: 3 }));
    expect(output("n3.npy")).toEqual([6, 2]);
    expect(output("deep/n1.npy")).toEqual([2, 2]);
    const lines = readFileSync(join(folder, "results.jsonl"), "utf8")
      .trim()
      .split("\n")
      .map((line) => JSON.parse(line));
    expect(lines.map(({ id }) => id)).toEqual(["n3", "deep/n1", "n2"]);
    expect(lines[0]).toEqual({
      id: "n3",
      key: jobKey(runner.facts, input(3)),
      outputs: { y: { sha256: expect.any(String), file: "n3.npy" } },
    });
    expect(readdirSync(folder).filter((name) => name.endsWith(".part"))).toEqual([]);
  });

  it("computes nothing again, but what has changed, is gone or was cut off", async () => {
    await batch(["n1", "n2", "n3"]);
    const list = readFileSync(join(folder, "results.jsonl"));
    expect(await batch(["n1", "n2", "n3"])).toEqual(counts({ resumed: 3 }));
    rmSync(join(folder, "n2.npy"));
    expect(await batch(["n1", "n2", "n3"])).toEqual(counts({ resumed: 2, computed: 1 }));
    const journal = join(folder, "journal.jsonl");
    truncateSync(journal, statSync(journal).size - 5);
    appendFileSync(journal, "");
    expect(await batch(["n1", "n2", "n3"])).toEqual(counts({ resumed: 3 }));
    expect(readFileSync(join(folder, "results.jsonl"))).toEqual(list);
    writeFileSync(journal, "damaged\n");
    expect(await batch(["n1", "n2", "n3"])).toEqual(counts({ computed: 3 }));
    expect(await batch(["n1", "n2", "n3"], { runner: { ...runner, facts: { ...runner.facts, terms: 2 } } })).toEqual(
      counts({ computed: 3 }),
    );
    expect(readFileSync(join(folder, "results.jsonl"))).not.toEqual(list);
  });

  it("computes once what is there twice", async () => {
    expect(await batch(["a1", "b1", "c1", "d1", "n2"])).toEqual(counts({ items: 5, computed: 2, copied: 3 }));
    expect(calls).toHaveLength(2);
    expect(readFileSync(join(folder, "d1.npy"))).toEqual(readFileSync(join(folder, "a1.npy")));
    expect(await batch(["e1"])).toEqual(counts({ items: 1, copied: 1 }));
    expect(calls).toHaveLength(2);
  });

  it("has its folder for itself, until it is done or its process has ended", async () => {
    const both = await Promise.allSettled([batch(["n1"]), batch(["n1"])]);
    const [refused, ...more] = both.filter((one) => one.status === "rejected");
    expect(more).toEqual([]);
    expect(refused!.reason.message).toContain(`another batch writes here: process ${process.pid} on `);
    const ended = spawnSync(process.execPath, ["-e", ""]).pid;
    writeFileSync(join(folder, "journal.lock"), `${ended} ${hostname()}`);
    await batch(["n1"]);
    writeFileSync(join(folder, "journal.lock"), "1 elsewhere");
    await expect(batch(["n1"])).rejects.toThrow(/process 1 on elsewhere\. If it is gone, remove .*journal\.lock/);
    rmSync(join(folder, "journal.lock"));
    expect(await batch(["n1"])).toEqual(counts({ items: 1, resumed: 1 }));
    expect(readdirSync(folder)).not.toContain("journal.lock");
  });

  it("goes on after an input that is refused", async () => {
    const result = await batch(["n1", "n-1", "n2"]);
    expect(result).toEqual(counts({ computed: 2, failed: [{ id: "n-1", reason: "-1 is refused" }] }));
    expect(readFileSync(join(folder, "results.jsonl"), "utf8").split("\n")).toHaveLength(3);
  });

  it("keeps values in the list when asked to", async () => {
    await batch(["n1"], { format: { json: ({ data }) => [...(data as Float32Array)] } });
    expect(readFileSync(join(folder, "results.jsonl"), "utf8")).toContain('"values":[2,2]');
    expect(readdirSync(folder).sort()).toEqual(["journal.jsonl", "results.jsonl"]);
  });

  it("compares every n-th with another worker, and stops when they differ", async () => {
    expect(await batch(["n1", "n2", "n3"], { verify: 2 })).toEqual(counts({ computed: 3, verified: 2 }));
    expect(calls.filter((key) => key.endsWith("-verify"))).toHaveLength(2);
    const liar: Runner = {
      ...runner,
      async run(key, feeds, except) {
        const { outputs, worker } = await runner.run(key, feeds);
        const data = Float32Array.of(0, 0);
        return { outputs: except === undefined ? outputs : { y: { ...outputs["y"]!, data } }, worker };
      },
    };
    await expect(batch(["n7"], { runner: liar, verify: 1 })).rejects.toThrow(
      /"y" of the job [0-9a-f]{64} differs between the workers/,
    );
    expect(existsSync(join(folder, "n7.npy"))).toBe(false);
  });

  it("stops at a full disk with what is done, and goes on once there is room", async ({ skip }) => {
    const disk = join(root, "disk");
    mkdirSync(disk);
    if (spawnSync("mount", ["-t", "tmpfs", "-o", "size=64k", "tmpfs", disk]).status !== 0)
      skip("no small disk can be mounted here");
    try {
      const big = { extension: "npy", encode: () => new Uint8Array(12_000) };
      const ids = ["n1", "n2", "n3", "n4", "n5", "n6", "n7"];
      await expect(batch(ids, { folder: disk, format: big })).rejects.toThrow(
        /cannot write .*: ENOSPC \(the disk is full\); what is done stays/,
      );
      const there = readdirSync(disk).filter((name) => name.endsWith(".npy"));
      expect(there.length).toBeGreaterThan(0);
      expect(there.length).toBeLessThan(7);
      for (const name of there) expect(statSync(join(disk, name)).size).toBe(12_000);
      expect(spawnSync("mount", ["-o", "remount,size=1m", disk]).status).toBe(0);
      const before = readFileSync(join(disk, "journal.jsonl"), "utf8").trim().split("\n").length;
      expect(await batch(ids, { folder: disk, format: big })).toEqual(
        counts({ items: 7, resumed: before, computed: 7 - before }),
      );
    } finally {
      spawnSync("umount", [disk]);
    }
  });
});
