// Values and runs of graphs whose nodes have graphs in them: control flow, sequences.
import { expect } from "vitest";
import { InferenceSession, Tensor } from "../../src/entries/index.ts";
import type { Graph } from "../../src/graph/index.ts";
import { writeOnnx } from "../../src/onnx/index.ts";

export type Feeds = Record<string, Tensor>;
export type Outputs = Record<string, Tensor>;

export const INT: { type: "int64"; shape: [] } = { type: "int64", shape: [] };
export const BOOL: { type: "bool"; shape: [] } = { type: "bool", shape: [] };

export function int(value: number): Tensor {
  return new Tensor("int64", [value], []);
}

export function bool(value: boolean): Tensor {
  return new Tensor("bool", [value], []);
}

export function vector(...data: number[]): Tensor {
  return new Tensor("float32", data);
}

/** Answers of both builds, each asked twice: what is compiled for the first run serves the second. */
export async function run(graph: Graph, feeds: Feeds): Promise<Outputs> {
  const all: Outputs[] = [];
  for (const build of ["scalar", "simd"] as const) {
    const session = await InferenceSession.create(writeOnnx(graph), { preset: "float32", build });
    for (let i = 0; i < 2; i++) all.push(await session.run(feeds));
    await session.release();
  }
  for (const other of all.slice(1)) expect(other).toEqual(all[0]);
  return all[0]!;
}

export function numbers(tensor: Tensor | undefined): number[] {
  return Array.from(tensor!.data as ArrayLike<number | bigint>, Number);
}

export async function refused(graph: Graph, feeds: Feeds): Promise<Error> {
  try {
    const session = await InferenceSession.create(writeOnnx(graph), { preset: "float32" });
    await session.run(feeds);
  } catch (error) {
    return error as Error;
  }
  throw new Error("expected an error");
}
