import { expect } from "vitest";
import { InferenceSession } from "../../src/entries/index.ts";
import type { Attribute, Graph } from "../../src/graph/graph.ts";
import { normalize } from "../../src/graph/index.ts";
import { ranksOf } from "../../src/graph/ranks.ts";
import { writeOnnx } from "../../src/onnx/index.ts";
import { Tensor } from "../../src/tensor/index.ts";
import { disagreement } from "./fuzz/agree.ts";

export interface NodeCase {
  readonly op: string;
  readonly domain?: string;
  /** Default 21. */
  readonly opset?: number;
  /** "" for an input that is left out. */
  readonly inputs: readonly (Tensor | "")[];
  /** Positions of inputs that are initializers; the others are fed. */
  readonly constants?: readonly number[];
  readonly attributes?: Readonly<Record<string, Attribute>>;
  /** Default 1. */
  readonly outputs?: number;
}

/** A model of one node; names of the inputs are x0, x1, …, of the outputs y0, y1, …. Extents of inputs are left open. */
export function modelOf(c: NodeCase): { graph: Graph; feeds: Record<string, Tensor> } {
  const constants = new Map<string, Tensor>();
  const feeds: Record<string, Tensor> = {};
  const inputs = c.inputs.map((x, i) => {
    if (x === "") return "";
    if (c.constants?.includes(i)) constants.set(`x${i}`, x);
    else feeds[`x${i}`] = x;
    return `x${i}`;
  });
  const outputs = Array.from({ length: c.outputs ?? 1 }, (_, i) => `y${i}`);
  const domain = c.domain ?? "";
  const graph: Graph = {
    name: "node",
    opsets: { "": c.opset ?? 21, ...(domain !== "" && { [domain]: 1 }) },
    inputs: Object.entries(feeds).map(([name, { type, dims }]) => ({
      name,
      type,
      shape: dims.map((_, i) => `${name}_${i}`),
    })),
    outputs: outputs.map((name) => ({ name, type: "float32", shape: undefined })),
    nodes: [{ name: "node", op: c.op, domain, inputs, outputs, attributes: c.attributes ?? {} }],
    initializers: constants,
  };
  return { graph, feeds };
}

/**
 * Runs a node the way of every model: its bytes are read, shapes inferred, passes done, steps lowered and run, in both builds, which must give the same bits.
 * What is said of the outputs' ranks before shapes are known must hold.
 *
 * @returns the outputs
 */
export async function runModel(graph: Graph, feeds: Readonly<Record<string, Tensor>>): Promise<Record<string, Tensor>> {
  const results = [];
  for (const build of ["scalar", "simd"] as const) {
    const session = await InferenceSession.create(writeOnnx(graph), { preset: "float32", build });
    results.push(await session.run(feeds));
    await session.release();
  }
  expect(results[1], "simd against scalar").toEqual(results[0]);
  const ranks = ranksOf(normalize(graph));
  for (const [name, { dims }] of Object.entries(results[0]!)) {
    expect(ranks.rank(name) ?? dims.length, `the rank of "${name}"`).toBe(dims.length);
  }
  return results[0]!;
}

/** Outputs of one node; see runModel. */
export async function runNode(c: NodeCase): Promise<Tensor[]> {
  const { graph, feeds } = modelOf(c);
  const outputs = await runModel(graph, feeds);
  return graph.outputs.map(({ name }) => outputs[name]!);
}

/** A node gives what the interpreter of the tests gives, with its inputs fed and with all of them constant. */
export async function agreesNode(c: NodeCase): Promise<void> {
  const all = c.inputs.map((_, i) => i);
  for (const constants of c.constants === undefined ? [[], all] : [c.constants]) {
    const { graph, feeds } = modelOf({ ...c, constants });
    expect(
      disagreement(graph, feeds, await runModel(graph, feeds)),
      `${c.op}, constants [${constants}]`,
    ).toBeUndefined();
  }
}

/** float32. */
export function f32(dims: readonly number[], values?: readonly number[]): Tensor {
  const size = dims.reduce((a, b) => a * b, 1);
  return new Tensor("float32", values ?? Array.from({ length: size }, (_, i) => ((i * 7) % 11) - 5 + i / 16), dims);
}

/** int64 vector. */
export function i64(...values: number[]): Tensor {
  return new Tensor("int64", values.map(BigInt), [values.length]);
}
