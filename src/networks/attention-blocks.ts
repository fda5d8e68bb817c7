import { checkHolds, wrongKind } from "../core/index.ts";
import type { Graph, Node } from "../graph/graph.ts";

/** Where an attention block keeps what its queries and keys are. */
export interface AttentionBlock {
  /** Name of the softmax's node, or of the fused operator's. */
  readonly name: string;
  /** Name of the node that multiplies queries and keys; the fused operator's own. */
  readonly product: string;
  /** Operators that make it up, in order. */
  readonly operators: readonly string[];
  /** Value [.., queries, d]; for a fused operator [batch, queries, heads·d] or [batch, heads, queries, d]. */
  readonly queries: string;
  /** Value [.., d, keys] of a primitive block (right operand of the MatMul); as for the queries of a fused one. */
  readonly keys: string;
  /** Value [.., queries, keys]: output of the softmax. Absent for a fused operator. */
  readonly weights?: string;
  /** Value [.., keys, d′] that the weights are multiplied with, or as for the keys of a fused operator. */
  readonly values?: string;
  /** Factor of the scores in the softmax, where constants of the graph give it. */
  readonly scale?: number;
  /** Something is added to the scores or selected among them: queries may not see all keys. */
  readonly masked: boolean;
  /** Heads of a fused operator, by its attributes. */
  readonly heads?: {
    /** Of the queries. */
    readonly queries: number;
    /** Of keys and values; queries of several heads share one where these are fewer. */
    readonly keys: number;
  };
}

/** What may stand between the product of queries and keys and the softmax, simulated rounding included; the numbers tell which inputs carry scores. */
const BEFORE: Readonly<Record<string, readonly number[]>> = {
  Mul: [0, 1],
  Div: [0],
  Add: [0, 1],
  Sub: [0],
  Where: [1, 2],
  Max: [0, 1],
  Min: [0, 1],
  Clip: [0],
  Tanh: [0],
  Abs: [0],
  Sign: [0],
  Floor: [0],
  Round: [0],
  QuantizeLinear: [0],
  DequantizeLinear: [0],
  Cast: [0],
  Identity: [0],
  Dropout: [0],
  Reshape: [0],
  Squeeze: [0],
  Unsqueeze: [0],
};
/** What may stand between the softmax and the product with the values. */
const AFTER = new Set(
  (
    "Add Mul Where Clip Abs Sign Floor Round QuantizeLinear DequantizeLinear Cast Identity Dropout Reshape Squeeze " +
    "Unsqueeze"
  ).split(" "),
);
const DEPTH = 12;

function checkGraph(graph: Graph): void {
  checkHolds("graph", "a graph", graph, "nodes");
  if (!(graph.initializers instanceof Map)) throw wrongKind("graph.initializers", "a Map", graph.initializers);
  for (const [n, node] of graph.nodes.entries()) checkHolds(`graph.nodes[${n}]`, "a node", node, "inputs", "outputs");
}

/**
 * Finds softmax attention: MatMul(queries, keys) → scale, mask → Softmax → MatMul(·, values), where no operand is a constant; or a fused
 * Attention (ONNX) or MultiHeadAttention (com.microsoft). A Softmax written out as Exp(x) / ReduceSum(Exp(x)) counts. Subgraphs of If and Loop
 * are not looked into.
 *
 * @returns the blocks in the order of the graph; none is a valid answer
 */
export function findAttention(graph: Graph): AttentionBlock[] {
  checkGraph(graph);
  const producers = new Map<string, Node>();
  const consumers = new Map<string, Node[]>();
  for (const node of graph.nodes) {
    for (const output of node.outputs) producers.set(output, node);
    for (const input of node.inputs) {
      const list = consumers.get(input);
      if (list === undefined) consumers.set(input, [node]);
      else list.push(node);
    }
  }
  const constant = constants(graph);
  const blocks: AttentionBlock[] = [];
  for (const node of graph.nodes) {
    const fused = fusedBlock(node);
    if (fused !== undefined) blocks.push(fused);
    const logits = softmaxInput(node, producers);
    if (logits === undefined) continue;
    const before = findProduct(logits, producers, graph, constant);
    const after = before && reachesProduct(node.outputs[0]!, consumers, constant);
    if (before === undefined || after === undefined) continue;
    blocks.push({
      name: node.name || node.outputs[0]!,
      product: before.product.name,
      operators: [
        "MatMul",
        ...before.operators,
        node.op === "Div" ? "Exp/ReduceSum" : node.op,
        ...after.path,
        "MatMul",
      ],
      queries: before.product.inputs[0]!,
      keys: before.product.inputs[1]!,
      weights: node.outputs[0]!,
      values: after.values,
      ...(before.scale !== undefined && { scale: before.scale }),
      masked: before.masked,
    });
  }
  return blocks;
}

/** Values that do not depend on an input of the graph. */
function constants(graph: Graph): ReadonlySet<string> {
  const known = new Set<string>(graph.initializers.keys());
  known.add("");
  for (const node of graph.nodes) {
    if (node.inputs.every((input) => known.has(input)) && !node.op.startsWith("Random")) {
      for (const output of node.outputs) known.add(output);
    }
  }
  return known;
}

function softmaxInput(node: Node, producers: ReadonlyMap<string, Node>): string | undefined {
  if (node.op === "Softmax") return node.inputs[0];
  if (node.op !== "Div") return undefined;
  const exp = producers.get(node.inputs[0] ?? "");
  const sum = producers.get(node.inputs[1] ?? "");
  if (exp?.op !== "Exp" || sum?.op !== "ReduceSum" || sum.inputs[0] !== exp.outputs[0]) return undefined;
  // The largest score is usually subtracted first.
  const shifted = producers.get(exp.inputs[0] ?? "");
  return shifted?.op === "Sub" ? shifted.inputs[0] : exp.inputs[0];
}

interface Path {
  readonly value: string;
  readonly operators: readonly string[];
  readonly masked: boolean;
  /** Product of the constant factors so far; undefined: one is not known. */
  readonly scale: number | undefined;
}

/** What a node multiplies its scores by: 1 where it does not. */
function factorOf(node: Node, graph: Graph): number | undefined {
  if (node.op !== "Mul" && node.op !== "Div") return 1;
  const known = node.inputs.map((input) => graph.initializers.get(input)).find((tensor) => tensor?.size === 1);
  if (known === undefined) return undefined;
  const value = Number(known.data[0]);
  return node.op === "Mul" ? value : 1 / value;
}

/** The nearest product of two values that are not constant, looking upwards through scaling and masking. */
function findProduct(
  value: string,
  producers: ReadonlyMap<string, Node>,
  graph: Graph,
  constant: ReadonlySet<string>,
): (Path & { readonly product: Node }) | undefined {
  let front: Path[] = [{ value, operators: [], masked: false, scale: 1 }];
  for (let depth = 0; depth < DEPTH && front.length > 0; depth++) {
    const next: Path[] = [];
    for (const path of front) {
      const node = producers.get(path.value);
      if (node === undefined || constant.has(path.value)) continue;
      if (node.op === "MatMul") {
        if (node.inputs.every((input) => !constant.has(input))) return { ...path, product: node };
        continue;
      }
      const masked = path.masked || masks(node, graph);
      const factor = factorOf(node, graph);
      const scale = path.scale === undefined || factor === undefined ? undefined : path.scale * factor;
      for (const i of BEFORE[node.op] ?? []) {
        const input = node.inputs[i];
        if (input !== undefined) next.push({ value: input, operators: [node.op, ...path.operators], masked, scale });
      }
    }
    front = next;
  }
  return undefined;
}

/** Whether a node between scores and softmax treats one key differently from another; adding one number to all does not. */
function masks(node: Node, graph: Graph): boolean {
  if (node.op === "Where" || node.op === "Max" || node.op === "Min") return true;
  if (node.op !== "Add" && node.op !== "Sub") return false;
  return !node.inputs.some((input) => graph.initializers.get(input)?.size === 1);
}

/** The operators between a value and a product with another value that is not constant, and that value; undefined when there is none. */
function reachesProduct(
  value: string,
  consumers: ReadonlyMap<string, readonly Node[]>,
  constant: ReadonlySet<string>,
): { path: string[]; values: string } | undefined {
  let front: { value: string; path: string[] }[] = [{ value, path: [] }];
  for (let depth = 0; depth < DEPTH && front.length > 0; depth++) {
    const next: { value: string; path: string[] }[] = [];
    for (const { value: at, path } of front) {
      for (const node of consumers.get(at) ?? []) {
        if (node.op === "MatMul" && node.inputs.every((input) => !constant.has(input)))
          return { path, values: node.inputs.find((input) => input !== at) ?? at };
        if (AFTER.has(node.op)) next.push({ value: node.outputs[0]!, path: [...path, node.op] });
      }
    }
    front = next;
  }
  return undefined;
}

/** Attention of ONNX 23 and MultiHeadAttention of com.microsoft, whose first two inputs are queries and keys. */
function fusedBlock(node: Node): AttentionBlock | undefined {
  const number = (name: string): number => {
    const value = node.attributes[name];
    return typeof value === "number" ? value : 0;
  };
  const standard = node.op === "Attention" && node.domain === "";
  const microsoft = node.op === "MultiHeadAttention" && node.domain === "com.microsoft";
  const [queries, keys] = node.inputs;
  if (!(standard || microsoft) || queries === undefined || keys === undefined || keys === "") return undefined;
  const heads = standard
    ? { queries: number("q_num_heads"), keys: number("kv_num_heads") }
    : { queries: number("num_heads"), keys: number("num_heads") };
  return {
    name: node.name || node.outputs[0]!,
    product: node.name,
    operators: [node.op],
    queries,
    keys,
    ...(node.inputs[2] && { values: node.inputs[2] }),
    masked: number("is_causal") !== 0 || number("unidirectional") !== 0 || (node.inputs[3] ?? "") !== "",
    heads,
  };
}
