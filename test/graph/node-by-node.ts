import { expect } from "vitest";
import { InferenceSession, type Tensor } from "../../src/entries/index.ts";
import type { Graph, Node } from "../../src/graph/index.ts";
import { writeOnnx } from "../../src/onnx/index.ts";

/** Runs a node in a graph of its own, so that no pass sees its neighbours; what is not its first input is a constant. */
export async function runAlone(
  node: Node,
  inputs: readonly (Tensor | undefined)[],
  opset: number,
): Promise<readonly Tensor[]> {
  const [x, ...others] = node.inputs.flatMap((name, i): [string, Tensor][] =>
    inputs[i] === undefined ? [] : [[name, inputs[i]]],
  ) as [[string, Tensor], ...[string, Tensor][]];
  const [name, tensor] = x;
  const graph: Graph = {
    name: node.op,
    opsets: { "": opset },
    inputs: [{ name, type: tensor.type, shape: undefined }],
    outputs: node.outputs.map((output) => ({ name: output, type: tensor.type, shape: undefined })),
    nodes: [node],
    initializers: new Map(others.filter(([other]) => other !== name)),
  };
  const session = await InferenceSession.create(writeOnnx(graph), { preset: "float32" });
  const results = await session.run({ [name]: tensor });
  await session.release();
  return node.outputs.map((output) => results[output]!);
}

/** What every value of a graph is when each node runs alone. */
export async function nodeByNode(graph: Graph, feeds: Record<string, Tensor>): Promise<Map<string, Tensor>> {
  const values = new Map([...graph.initializers, ...Object.entries(feeds)]);
  for (const node of graph.nodes) {
    const inputs = node.inputs.map((name) => values.get(name));
    const outputs = await runAlone(node, inputs, graph.opsets[""]!);
    for (const [i, name] of node.outputs.entries()) values.set(name, outputs[i]!);
  }
  return values;
}

/** Runs the whole graph, all passes included, and compares its outputs: relative to the largest, NaN and infinities exactly. */
export async function expectOutputs(
  graph: Graph,
  feeds: Record<string, Tensor>,
  expected: ReadonlyMap<string, Tensor>,
  tolerance = 1e-5,
): Promise<void> {
  const session = await InferenceSession.create(writeOnnx(graph), { preset: "float32" });
  const results = await session.run(feeds);
  await session.release();
  for (const { name } of graph.outputs) {
    const [got, wanted] = [results[name]!, expected.get(name)!];
    expect(got.dims, `${graph.name}: ${name}`).toEqual(wanted.dims);
    const [a, b] = [got.data as Float32Array, wanted.data as Float32Array];
    const largest = b.reduce((most, v) => (Number.isFinite(v) ? Math.max(most, Math.abs(v)) : most), 0);
    const at = b.findIndex((v, i) => !Object.is(v, a[i]) && !(Math.abs(v - a[i]!) <= tolerance * largest));
    if (at >= 0) expect.fail(`${graph.name}: ${name}[${at}] is ${a[at]}, not ${b[at]}`);
  }
}
