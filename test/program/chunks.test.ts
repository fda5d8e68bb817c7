// Operators are known in chunks: what a network does not have is not downloaded, and what an operator becomes is known when it is.
import { readFileSync } from "node:fs";
import { dirname, resolve } from "node:path";
import { fileURLToPath } from "node:url";
import { describe, expect, it } from "vitest";
import { writeOnnx } from "../../src/onnx/index.ts";
import { CHUNKS } from "../../src/program/operators/chunks.ts";
import { build, f32 } from "../graph/build.ts";

const OPERATORS = fileURLToPath(new URL("../../src/graph/operators/", import.meta.url));

/** The file with the table of each chunk, and the chunks that are there when it is. */
const TABLES: Readonly<Record<keyof typeof CHUNKS, readonly [file: string, ...before: (keyof typeof CHUNKS)[]]>> = {
  common: ["common.ts"],
  uncommon: ["uncommon.ts", "common"],
  rare: ["rare/index.ts", "common", "uncommon"],
  contrib: ["contrib/index.ts", "common", "uncommon"],
  ml: ["ml/index.ts", "common", "uncommon"],
};

/** What records of both kinds of convolution ask for, and make none of; and what `later` imports. */
const ASKED_FOR = ["CastText", "ConvTranspose", "TrainingBatchNormalization", "TrainingDropout"];

/** The sources of a table, of its families and of what these import of this folder. */
function sources(file: string, seen = new Set<string>()): Set<string> {
  if (seen.has(file) || !file.startsWith(OPERATORS)) return seen;
  seen.add(file);
  for (const [, path] of readFileSync(file, "utf8").matchAll(/^import (?!type )[^;]*?from "(\.[^"]+)"/gm))
    sources(resolve(dirname(file), path!), seen);
  return seen;
}

const names = async (chunk: keyof typeof CHUNKS): Promise<string[]> =>
  Object.keys((await CHUNKS[chunk]()).records).map((key) => key.slice(key.lastIndexOf("/") + 1));

describe("the records of a chunk", () => {
  it.each(Object.keys(TABLES) as (keyof typeof CHUNKS)[])(
    "%s name no operator that is not there yet",
    async (chunk) => {
      const [file, ...before] = TABLES[chunk];
      const there = new Set((await Promise.all([chunk, ...before].map(names))).flat());
      const later = new Set((await Promise.all((Object.keys(CHUNKS) as (typeof chunk)[]).map(names))).flat());
      const named = [...sources(OPERATORS + file)].flatMap((path) =>
        [...readFileSync(path, "utf8").matchAll(/"([A-Z]\w*)"/g)].map(([, name]) => name!),
      );
      expect(named.filter((name) => there.has(name)).length).toBeGreaterThan(1);
      expect(named.filter((name) => later.has(name) && !there.has(name) && !ASKED_FOR.includes(name))).toEqual([]);
    },
  );
});

describe("the modules of the package", () => {
  type Entry = typeof import("../../src/entries/index.ts");
  type Known = typeof import("../../src/program/operators/index.ts");
  const load = <Module>(path: string): Promise<Module> =>
    import(/* @vite-ignore */ new URL(`../../dist/${path}`, import.meta.url).href);
  const sampled = writeOnnx(
    build({ x: [1, 1, 2, 2], grid: [1, 3, 3, 2] }, {}, [["GridSample", ["x", "grid"], ["y"]]], ["y"]),
  );

  it("know the common operators, and others once a model names them", async () => {
    const { InferenceSession } = await load<Entry>("entries/index.js");
    const { loweringOf } = await load<Known>("program/operators/index.js");
    expect(loweringOf({ domain: "", op: "MatMul" })).toBeDefined();
    expect(loweringOf({ domain: "", op: "GridSample" })).toBeUndefined();
    const session = await InferenceSession.create(sampled);
    const { y } = await session.run({ x: f32([1, 1, 2, 2]), grid: f32([1, 3, 3, 2]) });
    expect(y!.dims).toEqual([1, 1, 3, 3]);
    expect(loweringOf({ domain: "", op: "GridSample" })).toBeDefined();
    await session.release();
  });

  it("know what an operator may become once a node of it may", async () => {
    const { InferenceSession } = await load<Entry>("entries/index.js");
    const trains = writeOnnx(
      build(
        { x: [6, 2] },
        { v: f32([2]) },
        [["BatchNormalization", ["x", "v", "v", "v", "v"], ["y"], { training_mode: 1 }]],
        ["y"],
      ),
    );
    const session = await InferenceSession.create(trains);
    const { y } = await session.run({ x: f32([6, 2]) });
    expect(y!.dims).toEqual([6, 2]);
    await session.release();
  });
});
