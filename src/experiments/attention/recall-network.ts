import { exp } from "../../fixed-point/elementary.ts";
import type { Graph } from "../../graph/graph.ts";
import { GraphBuilder } from "../../networks/graph-builder.ts";
import { Tensor, uniformNumbers } from "../../tensor/index.ts";

/** What attention is trained to do: `length` keys of `symbols`, each with a value; every one is asked for. */
export interface RecallTask {
  readonly name: "copy" | "recall";
  readonly symbols: number;
  readonly length: number;
  /** Numbers in a key or query: as few as the task can be learned with. */
  readonly width: number;
}

/** Copy: the keys are the positions. Recall: they are other symbols each time. */
export const TASKS: readonly RecallTask[] = [
  { name: "copy", symbols: 64, length: 64, width: 3 },
  { name: "recall", symbols: 128, length: 32, width: 4 },
];
/** Different values. */
export const VALUES = 16;

const STEPS = 2500;
const RATE = 0.3;

/** Embeddings of keys and queries, symbols × width. */
interface Tables {
  readonly keys: Float64Array;
  readonly queries: Float64Array;
}

/** Different symbols in random order, by the first steps of a shuffle. */
function drawSymbols({ symbols, length }: RecallTask, uniform: () => number): number[] {
  const all = Array.from({ length: symbols }, (_, i) => i);
  for (let i = 0; i < length; i++) {
    const j = i + Math.floor(uniform() * (symbols - i));
    [all[i], all[j]] = [all[j]!, all[i]!];
  }
  return all.slice(0, length);
}

/**
 * Embeddings by stochastic gradient descent on −log of the weight that a query gives to its own key, one sequence a step: additions, multiplications, divisions and our own
 * exponential in a fixed order, the same weights on every machine.
 */
function train(task: RecallTask, seed: number): Tables {
  const { width } = task;
  const uniform = uniformNumbers(seed);
  const draw = (): Float64Array => Float64Array.from({ length: task.symbols * width }, () => 2 * uniform() - 1);
  const [keys, queries] = [draw(), draw()];
  const weights = new Float64Array(task.length);
  for (let step = 0; step < STEPS; step++) {
    const chosen = drawSymbols(task, uniform);
    for (const [target, query] of chosen.entries()) {
      let most = Number.NEGATIVE_INFINITY;
      for (const [i, key] of chosen.entries()) {
        let score = 0;
        for (let k = 0; k < width; k++) score += queries[query * width + k]! * keys[key * width + k]!;
        weights[i] = score;
        most = Math.max(most, score);
      }
      let sum = 0;
      for (let i = 0; i < task.length; i++) sum += weights[i] = exp(weights[i]! - most);
      const back = new Float64Array(width);
      for (const [i, key] of chosen.entries()) {
        const slope = weights[i]! / sum - (i === target ? 1 : 0);
        for (let k = 0; k < width; k++) {
          back[k]! += slope * keys[key * width + k]!;
          keys[key * width + k]! -= RATE * slope * queries[query * width + k]!;
        }
      }
      for (let k = 0; k < width; k++) queries[query * width + k]! -= RATE * back[k]!;
    }
  }
  return { keys, queries };
}

/** Trained attention: inputs `keys`, `values` and `queries` int64 [batch, length]; `scores` [batch, length, VALUES] has the weight of every value at every query. */
export function trainedRecall(task: RecallTask, seed: number): Graph {
  const { keys, queries } = train(task, seed);
  const build = new GraphBuilder();
  const table = (values: Float64Array) => build.floats([task.symbols, task.width], (i) => values[i]!);
  const look = (rows: string, ids: string) => build.node("Gather", [rows, ids], { axis: 0 });
  const asked = look(table(queries), "queries");
  const known = build.node("Transpose", [look(table(keys), "keys")], { perm: [0, 2, 1] });
  const weights = build.node("Softmax", [build.node("MatMul", [asked, known])], { axis: -1 });
  const units = build.floats([VALUES, VALUES], (i) => (i % (VALUES + 1) === 0 ? 1 : 0));
  build.node("MatMul", [weights, look(units, "values")], {}, "scores");
  return {
    name: `attention-${task.name}`,
    opsets: { "": 17 },
    inputs: ["keys", "values", "queries"].map((name) => ({ name, type: "int64", shape: ["batch", task.length] })),
    outputs: [{ name: "scores", type: "float32", shape: ["batch", task.length, VALUES] }],
    nodes: build.nodes,
    initializers: build.initializers,
  };
}

/** Sequences with the values that are right, query by query: in order for a copy, shuffled for recall. */
export function recallSamples(task: RecallTask, count: number, seed: number) {
  const uniform = uniformNumbers(seed);
  return Array.from({ length: count }, () => {
    const keys = task.name === "copy" ? Array.from({ length: task.length }, (_, i) => i) : drawSymbols(task, uniform);
    const values = keys.map(() => Math.floor(uniform() * VALUES));
    const order =
      task.name === "copy" ? keys.map((_, i) => i) : drawSymbols({ ...task, symbols: task.length }, uniform);
    const ids = (list: readonly number[]) => new Tensor("int64", BigInt64Array.from(list, BigInt), [1, task.length]);
    return {
      feeds: { keys: ids(keys), values: ids(values), queries: ids(order.map((i) => keys[i]!)) },
      wanted: order.map((i) => values[i]!),
    };
  });
}
