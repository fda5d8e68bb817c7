import type { Graph, ValueInfo } from "../graph/graph.ts";
import { randomTensor, type Tensor, uniformNumbers } from "../tensor/index.ts";

/** What a free dimension is when nobody says: the first of an input is the batch. */
const BATCH = 1;
const FREE = 128;

/**
 * Inputs made up from a seed: floats roughly normal of unit variance, integers that index a table (Gather) uniform over its rows, other integers
 * and booleans 0 or 1.
 *
 * @param shapes of inputs, by name; free dimensions of the others are 1 for the first and 128 for the rest
 */
export function generateSample(
  graph: Graph,
  shapes: Readonly<Record<string, readonly number[]>>,
  seed: number,
): Record<string, Tensor> {
  const unknown = Object.keys(shapes).find((name) => !graph.inputs.some((input) => input.name === name));
  if (unknown !== undefined) {
    throw new RangeError(
      `"shapes" expected inputs of the model (${graph.inputs.map((i) => i.name).join(", ")}), got ${unknown}`,
    );
  }
  const random = uniformNumbers(seed);
  const feeds: Record<string, Tensor> = {};
  for (const input of graph.inputs) {
    if (graph.initializers.has(input.name)) continue;
    feeds[input.name] = randomTensor(
      input.type,
      shapes[input.name] ?? defaultShape(input),
      random,
      rowsIndexed(graph, input.name),
    );
  }
  return feeds;
}

function defaultShape({ name, shape }: ValueInfo): number[] {
  if (shape === undefined)
    throw new RangeError(`"shapes" expected the shape of input "${name}", of which the model does not tell the rank`);
  return shape.map((d, i) => (typeof d === "number" && d > 0 ? d : i === 0 ? BATCH : FREE));
}

/** Rows of the table that an input of integers picks from, directly or through a Cast; 2 when there is none. */
function rowsIndexed(graph: Graph, input: string): number {
  const names = new Set([input]);
  for (const node of graph.nodes) {
    if ((node.op === "Cast" || node.op === "Identity") && names.has(node.inputs[0] ?? "")) names.add(node.outputs[0]!);
    const table = graph.initializers.get(node.inputs[0] ?? "");
    if (node.op === "Gather" && table !== undefined && names.has(node.inputs[1] ?? "")) {
      const axis = node.attributes["axis"];
      return table.dims.at(typeof axis === "number" ? axis : 0) ?? 2;
    }
  }
  return 2;
}
