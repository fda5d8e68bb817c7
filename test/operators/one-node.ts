import { expect } from "vitest";
import type { Attribute, Graph } from "../../src/graph/index.ts";
import { writeOnnx } from "../../src/onnx/index.ts";
import { InferenceSession } from "../../src/session/session.ts";
import { type ElementType, Tensor } from "../../src/tensor/index.ts";
import { build } from "../graph/build.ts";

export type Feeds = Record<string, Tensor>;

/** What a graph gives in the preset, which is the same in both builds. */
export async function both(graph: Graph, feeds: Feeds, preset: "float32" | "compact" = "float32"): Promise<Tensor[]> {
  const results: Tensor[][] = [];
  for (const build of ["scalar", "simd"] as const) {
    const session = await InferenceSession.create(writeOnnx(graph), { preset, build });
    const made = await session.run(feeds);
    results.push(graph.outputs.map(({ name }) => made[name]!));
    await session.release();
  }
  expect(results[0]!.map(({ data }) => data)).toEqual(results[1]!.map(({ data }) => data));
  return results[1]!;
}

interface Case {
  constants?: Feeds;
  attributes?: Record<string, Attribute>;
  outputs?: string[];
  preset?: "float32" | "compact";
}

/** One node, whose inputs are named in the order of the alphabet; `constants` are initializers, the others feeds. */
export async function run(op: string, inputs: Feeds, about: Case = {}): Promise<Tensor[]> {
  const { constants = {}, attributes = {}, outputs = ["y"], preset = "float32" } = about;
  const io = Object.fromEntries(Object.entries(inputs).map(([name, { type, dims }]) => [name, { type, shape: dims }]));
  const names = [...new Set([...Object.keys(inputs), ...Object.keys(constants)])].sort();
  return both(build(io, constants, [[op, names, outputs, attributes]], outputs, 21), inputs, preset);
}

export const tensor = (type: ElementType, data: readonly number[], dims: readonly number[] = [data.length]): Tensor =>
  new Tensor(type, [...data] as never, dims);
