import { bytesOf } from "../core/index.ts";
import { everyBody, type Graph, type Node } from "../graph/index.ts";
import type { Tensor } from "../tensor/index.ts";
import { readersOf } from "./readers.ts";

/** Bytes below which a second copy is no matter. */
const SMALL = 256;

/**
 * The graph with one copy of what preparing it has computed twice, as for two branches of an If that transpose the same weights: silero's container under float32 was 1.4 times the ONNX file.
 * Copies are joined where the same operators read them in the same place, so that a series fits all of them; what the file itself holds twice keeps its names, which plans may use.
 *
 * @param given - names of the constants of the file
 */
export function shareConstants(graph: Graph, given: ReadonlySet<string>): Graph {
  const readers = readersOf(graph);
  const outputs = new Set(graph.outputs.map(({ name }) => name));
  const first = new Map<string, { name: string; tensor: Tensor }[]>();
  const same = new Map<string, string>();
  for (const [name, tensor] of graph.initializers) {
    if (given.has(name) || outputs.has(name) || tensor.type === "string" || dataOf(tensor).length < SMALL) continue;
    const places = (readers.get(name) ?? []).map(({ op, inputs }) => `${op} ${inputs.indexOf(name)}`);
    const kind = `${tensor.type} [${tensor.dims}] ${[...new Set(places)].sort().join()}`;
    const known = first.get(kind) ?? [];
    first.set(kind, known);
    const copy = known.find((one) => one.tensor === tensor || areEqual(dataOf(one.tensor), dataOf(tensor)));
    if (copy === undefined) known.push({ name, tensor });
    else same.set(name, copy.name);
  }
  if (same.size === 0) return graph;
  const renamed = (node: Node): Node =>
    node.inputs.some((input) => same.has(input))
      ? { ...node, inputs: node.inputs.map((input) => same.get(input) ?? input) }
      : node;
  const joined = everyBody(graph, (one) => ({ ...one, nodes: one.nodes.map(renamed) }));
  return { ...joined, initializers: new Map([...joined.initializers].filter(([name]) => !same.has(name))) };
}

function dataOf({ data }: Tensor): Uint8Array {
  return bytesOf(data as Float32Array);
}

function areEqual(a: Uint8Array, b: Uint8Array): boolean {
  if (a.length !== b.length) return false;
  for (let i = 0; i < a.length; i++) if (a[i] !== b[i]) return false;
  return true;
}
