import type { Graph, ValueInfo } from "../graph/graph.ts";
import { allocateData, sizeOf, Tensor } from "../tensor/index.ts";

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
  const random = mulberry32(seed);
  const feeds: Record<string, Tensor> = {};
  for (const input of graph.inputs) {
    if (graph.initializers.has(input.name)) continue;
    feeds[input.name] = generateTensor(
      input,
      shapes[input.name] ?? defaultShape(input),
      rowsIndexed(graph, input.name),
      random,
    );
  }
  return feeds;
}

function defaultShape({ name, shape }: ValueInfo): number[] {
  if (shape === undefined)
    throw new RangeError(`"shapes" expected the shape of input "${name}", of which the model does not tell the rank`);
  return shape.map((d, i) => (typeof d === "number" && d > 0 ? d : i === 0 ? BATCH : FREE));
}

function generateTensor({ type }: ValueInfo, shape: readonly number[], rows: number, random: () => number): Tensor {
  const data = allocateData(type, sizeOf(shape));
  if (data instanceof Float32Array || data instanceof Float64Array) {
    for (let i = 0; i < data.length; i++) {
      let sum = -6;
      for (let k = 0; k < 12; k++) sum += random();
      data[i] = sum;
    }
  } else if (data instanceof BigInt64Array || data instanceof BigUint64Array) {
    for (let i = 0; i < data.length; i++) data[i] = BigInt(Math.floor(random() * rows));
  } else if (!Array.isArray(data)) {
    for (let i = 0; i < data.length; i++) data[i] = Math.floor(random() * rows);
  }
  return new Tensor(type, data as Float32Array, shape);
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

function mulberry32(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let t = Math.imul(state ^ (state >>> 15), state | 1);
    t ^= t + Math.imul(t ^ (t >>> 7), t | 61);
    return ((t ^ (t >>> 14)) >>> 0) / 2 ** 32;
  };
}
