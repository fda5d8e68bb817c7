// An interpreter of ONNX graphs in their own form: original opsets, channels first, written from the operators' definitions alone. It shares nothing with what it judges:
// no shape rule, no folding, no kernel, only the reader's graph and the Tensor. Floats are computed in double precision and rounded once per operator.
import type { Graph, Node } from "../../../src/graph/graph.ts";
import type { Tensor } from "../../../src/tensor/index.ts";
import { Random } from "../random.ts";
import { bitbasis } from "./bitbasis.ts";
import { control } from "./control.ts";
import { contribElementwise, elementwise } from "./elementwise.ts";
import { indexing } from "./indexing.ts";
import { linear } from "./linear.ts";
import { movement } from "./movement.ts";
import { Operation, type Operators } from "./operation.ts";
import { recurrents } from "./recurrent.ts";
import { reductions } from "./reduce.ts";
import { resizes } from "./resize.ts";
import { fromTensor, isFloat, Refusal, toTensor, type Value, value } from "./value.ts";
import { windows } from "./window.ts";

export { Refusal } from "./value.ts";

/** Operators of each domain. */
export const ORACLE: Readonly<Record<string, Operators>> = {
  "": {
    ...elementwise,
    ...movement,
    ...indexing,
    ...reductions,
    ...windows,
    ...resizes,
    ...linear,
    ...recurrents,
    ...control,
  },
  "com.microsoft": contribElementwise,
  bitbasis,
};

/** Operators whose float32 error is a share of the largest term rather than of the result. */
const SUMS =
  /^(Conv|ConvTranspose|MatMul|Gemm|Einsum|Reduce|.*Normalization|.*Pool|Resize|Upsample|GridSample|CumSum|RNN|GRU|LSTM|LRN|Add|Sub|Sum|Mean|Det)/;
/** Operators that only move elements, which no rounding can touch. */
const MOVES = new Set([
  ...Object.keys(movement),
  ...Object.keys(indexing),
  ...Object.keys(control),
  "Where",
  "Max",
  "Min",
  "Relu",
  "Clip",
]);
for (const name of ["CumSum", "CumProd"]) MOVES.delete(name);
/** Operators whose magnitudes of what they sum they give themselves when their inputs have no signs; of Gelu these are 1 and the erf, whose sum is 0 in float32 from −5.5 down. */
const LINEAR = new Set([
  ...["MatMul", "Gemm", "Conv", "ConvTranspose", "Einsum", "Add", "Sub", "Sum", "Mean", "CumSum"],
  ...["ReduceSum", "ReduceMean", "ReduceLogSum", "AveragePool", "GlobalAveragePool", "Gelu"],
]);

export interface InterpretOptions {
  /** Adds noise of a few float32 roundings to every float result: what this moves much, float32 cannot know. */
  readonly noise?: number;
}

/** Share of a result that the noise may change: four roundings of float32. */
const NOISE = 2 ** -22;

/**
 * @param graph - as read, not normalized
 * @returns every value of the graph by name
 * @throws Refusal for what the standard forbids, leaves undefined, or the oracle does not know
 */
export function interpret(
  graph: Graph,
  feeds: Readonly<Record<string, Tensor>>,
  options: InterpretOptions = {},
): Map<string, Tensor> {
  const values = new Map<string, Value>();
  for (const [name, tensor] of graph.initializers) values.set(name, fromTensor(tensor));
  for (const [name, tensor] of Object.entries(feeds)) values.set(name, fromTensor(tensor));
  const random = options.noise === undefined ? undefined : new Random(options.noise);
  runNodes(graph, values, graph.opsets, random);
  return new Map([...values].map(([name, v]) => [name, toTensor(v)]));
}

/** Runs nodes in order and adds their outputs to `values`. */
export function runNodes(
  graph: Pick<Graph, "nodes">,
  values: Map<string, Value>,
  opsets: Graph["opsets"],
  random: Random | undefined,
): void {
  for (const node of graph.nodes) {
    const inputs = node.inputs.map((name) => {
      if (name === "") return undefined;
      const found = values.get(name);
      if (found === undefined) throw new Refusal(`"${name}" has no value`);
      return found;
    });
    const operation = new Operation(node, opsets[node.domain] ?? 1, inputs, (body, given) =>
      runBody(body, given, values, opsets, random),
    );
    const results = operatorOf(node)(operation);
    for (const [i, name] of node.outputs.entries()) {
      if (name === "") continue;
      const result = results[i];
      if (result === undefined) throw new Refusal(`output ${i} of ${node.op}`);
      values.set(name, random === undefined ? result : noisy(operation, result, random));
    }
  }
}

function operatorOf(node: Node): Operators[string] {
  const domain = ORACLE[node.domain];
  if (domain === undefined || !Object.hasOwn(domain, node.op))
    throw new Refusal(`${node.domain} ${node.op} is not known`);
  return domain[node.op]!;
}

function runBody(
  body: Graph,
  given: readonly Value[],
  outer: ReadonlyMap<string, Value>,
  opsets: Graph["opsets"],
  random: Random | undefined,
): Value[] {
  const values = new Map(outer);
  for (const [name, tensor] of body.initializers) values.set(name, fromTensor(tensor));
  body.inputs.forEach(({ name }, i) => {
    const value = given[i];
    if (value === undefined) throw new Refusal(`a body without input ${name}`);
    values.set(name, value);
  });
  runNodes(body, values, opsets, random);
  return body.outputs.map(({ name }) => {
    const found = values.get(name);
    if (found === undefined) throw new Refusal(`a body without output ${name}`);
    return found;
  });
}

function noisy(operation: Operation, v: Value, random: Random): Value {
  const { op } = operation.node;
  if (!isFloat(v.type) || MOVES.has(op)) return v;
  const data = v.data as readonly number[];
  const finite = data.filter(Number.isFinite).map(Math.abs);
  const largest = finite.reduce((a, b) => Math.max(a, b), 0);
  const step = SUMS.test(op);
  const summed = LINEAR.has(op) && operation.node.domain === "" ? magnitudes(operation, data) : undefined;
  return value(
    v.type,
    v.dims,
    data.map((x, i) => x + NOISE * random.uniform(-1, 1) * Math.max(step ? largest : Math.abs(x), summed?.[i] ?? 0)),
  );
}

/** What rounding is a share of where terms cancel: Σ|a·b|, however small Σa·b has become; of the logarithm of a sum that much over the sum. */
function magnitudes(operation: Operation, data: readonly number[]): readonly number[] {
  const { node, opset, inputs, body } = operation;
  const unsigned = inputs.map((x, i) => {
    if (x === undefined || !isFloat(x.type)) return x;
    const sign = node.op === "Sub" && i === 1 ? -1 : 1;
    return value(
      x.type,
      x.dims,
      (x.data as readonly number[]).map((one) => sign * Math.abs(one)),
    );
  });
  const sums = operatorOf(node)(new Operation(node, opset, unsigned, body))[0]!.data as readonly number[];
  if (node.op === "ReduceLogSum") return sums.map((log, i) => finiteOf(Math.exp(log - data[i]!)));
  return sums.map((sum) => finiteOf(Math.abs(sum)));
}

/** An overflow of what is summed is told by the result itself. */
const finiteOf = (v: number): number => (Number.isFinite(v) ? v : 0);
