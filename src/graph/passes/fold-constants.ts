import { atOnce } from "../../core/turns.ts";
import { sizeOf, type Tensor } from "../../tensor/index.ts";
import { contentName, sampleName } from "../digest.ts";
import type { Graph, Node } from "../graph.ts";
import { halfInputs } from "../half.ts";
import { Call } from "../operators/call.ts";
import { outputsOf } from "../operators/contract.ts";
import { evaluate, FoldBudget, takesLong } from "../operators/evaluate.ts";
import { operatorOf } from "../operators/index.ts";
import { subgraphs } from "../order.ts";
import { madeOnce } from "../sharing.ts";
import { applyRules, Editor, needed } from "./editor.ts";
import { tieWeights } from "./fuse-linear.ts";
import { normalize } from "./normalize.ts";
import { tieBytes } from "./tie-bytes.ts";

/** Constants made by folding may be this large, or as large as what they are made of: a folded graph should not be a larger file. */
const SMALL = 4096;

/**
 * Evaluates every node whose inputs are all constants; the results are initializers under the names of the values. Tables that are also multiplied
 * stay one.
 *
 * @param kept - operators of ONNX whose nodes stay
 */
export function foldConstants(graph: Graph, kept: readonly string[] = []): Graph {
  return atOnce(folding(graph, kept));
}

/** The same in pieces: it yields after every node that it has evaluated. */
export function* folding(graph: Graph, kept: readonly string[]): Generator<undefined, Graph> {
  const normal = applyRules(normalize(graph), [tieWeights, tieBytes]);
  const editor = new Editor(normal);
  let given = 0;
  for (const { size } of normal.initializers.values()) given += size;
  const budget = new FoldBudget(4 * given + 2 ** 20, 64 * given + 2 ** 26);
  let some = false;
  for (const node of normal.nodes) {
    if (budget.spent) break;
    if (node.domain === "" && kept.includes(node.op)) continue;
    const outputs = fold(node, normal, editor, budget);
    if (outputs === undefined) continue;
    for (const [i, tensor] of outputs.entries()) {
      const name = node.outputs[i] ?? "";
      if (name !== "") editor.initializers.set(name, tensor);
    }
    editor.remove(node);
    some = true;
    yield undefined;
  }
  return some ? editor.finish() : normal;
}

function fold(node: Node, graph: Graph, editor: Editor, budget: FoldBudget): readonly Tensor[] | undefined {
  for (const name of node.inputs) if (name !== "" && !editor.initializers.has(name)) return undefined;
  const operator = operatorOf(node);
  if (operator?.shape === undefined || subgraphs(node).length > 0) return undefined;
  const constants = node.inputs.map((name) => editor.constant(name));
  const values = constants.map((tensor) => tensor && { type: tensor.type, shape: tensor.dims });
  const call = new Call(node, graph.opsets, values, constants);
  if (halfInputs(call, operator).length > 0 || takesLong(call, operator)) return undefined;
  const outputs = outputsOf(call, operator);
  // A constant that is read twice counts once: concatenations with itself would double it without end.
  const given = [...new Set(constants)].reduce((sum, tensor) => sum + (tensor?.size ?? 0), 0);
  const made = outputs.reduce((sum, output) => sum + sizeOf(output.shape), 0);
  if (made > Math.max(SMALL, given)) return undefined;
  const compute = (): readonly Tensor[] | undefined => evaluate(call, operator, outputs, Number.POSITIVE_INFINITY);
  const large = constants.find((tensor) => tensor !== undefined && tensor.size >= SMALL);
  const folded = large === undefined ? compute() : madeOnce(large, constants, wayOf(node), compute);
  if (folded !== undefined) budget.count(call, folded);
  return folded;
}

/** What a node does to its constants, but for their names. */
function wayOf({ domain, op, attributes, outputs }: Node): string {
  const spelled = (_: string, value: unknown): unknown => (typeof value === "bigint" ? `${value}n` : value);
  return `${domain}/${op} ${JSON.stringify(attributes, spelled)} ${outputs.map((name) => name !== "")}`;
}

/** Initializers of equal type, shape and bits become one. */
export function shareInitializers(graph: Graph): Graph {
  const first = new Map<string, string>();
  const names = new Map<string, string>();
  const outputs = new Set(graph.outputs.map((output) => output.name));
  // Hardly any two agree in a few elements: only those are read whole.
  const samples = new Map([...graph.initializers].map(([name, tensor]) => [name, sampleName(tensor)]));
  const counts = new Map<string, number>();
  for (const sample of samples.values()) counts.set(sample, (counts.get(sample) ?? 0) + 1);
  for (const [name, tensor] of graph.initializers) {
    if (counts.get(samples.get(name)!) === 1) continue;
    const content = contentName(tensor);
    const same = first.get(content);
    if (same === undefined) first.set(content, name);
    else if (!outputs.has(name) && equal(tensor, graph.initializers.get(same)!)) names.set(name, same);
  }
  // What a subgraph captures keeps its name.
  const nodes = graph.nodes.map((node) => ({ ...node, inputs: node.inputs.map((name) => names.get(name) ?? name) }));
  return needed({ ...graph, nodes });
}

function equal(a: Tensor, b: Tensor): boolean {
  if (a === b) return true;
  const [x, y] = [a.data, b.data] as [{ [i: number]: unknown; length: number }, { [i: number]: unknown }];
  for (let i = 0; i < x.length; i++) if (!Object.is(x[i], y[i])) return false;
  return true;
}
