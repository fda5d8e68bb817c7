import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { findItems } from "../../src/batch/items.ts";

let folder: string;
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), "bitbasis-items-"));
  mkdirSync(join(folder, "in/deep"), { recursive: true });
  for (const name of ["in/b.npy", "in/a.npy", "in/deep/c d.npz", "in/notes.txt", "in/[1].npy"])
    writeFileSync(join(folder, name), "");
});
afterAll(() => rmSync(folder, { recursive: true }));

const ids = async (...words: string[]): Promise<string[]> =>
  (await findItems(words.map((word) => join(folder, word)))).map(({ id }) => id);

describe("the inputs of a batch", () => {
  it("are those of a folder, of a pattern and single files, in order", async () => {
    expect(await ids("in")).toEqual(["_1_", "a", "b", "deep/c_d"]);
    expect(await ids("in/?.npy")).toEqual(["a", "b"]);
    expect(await ids("in/b.npy", "in/a.npy")).toEqual(["b", "a"]);
    expect(await ids("in/[1].npy")).toEqual(["_1_"]);
  });

  it("are the lines of a manifest, whose paths start from its folder", async () => {
    writeFileSync(join(folder, "in/list.jsonl"), '{"id":"p/q","inputs":{"x":"a.npy","y":"../z.npy"}}\n\n');
    expect(await findItems([join(folder, "in/list.jsonl")])).toEqual([
      { id: "p/q", files: { x: join(folder, "in/a.npy"), y: join(folder, "z.npy") } },
    ]);
  });

  it.each([
    ["{", /line 1 is not JSON/],
    ["null", /expected an "id"/],
    ['{"id":"../a","inputs":{"x":"a"}}', /expected an "id"/],
    ['{"id":"/a","inputs":{"x":"a"}}', /expected an "id"/],
    ['{"id":"a","inputs":{}}', /expected "inputs"/],
    ['{"id":"a","inputs":{"x":1}}', /expected "inputs"/],
    ['{"id":"a","inputs":{"x":"a"}}\n{"id":"A","inputs":{"x":"a"}}', /two inputs are called "A"/],
  ])("are no lines like %s", async (line, message) => {
    writeFileSync(join(folder, "bad.jsonl"), line);
    await expect(findItems([join(folder, "bad.jsonl")])).rejects.toThrow(message);
  });

  it("are there", async () => {
    await expect(findItems([join(folder, "none*.npy")])).rejects.toThrow(/names no file/);
    await expect(findItems([join(folder, "none.jsonl")])).rejects.toThrow(/no such file/);
  });
});
