import { Tensor } from "../../tensor/index.ts";
import { contentName } from "../digest.ts";
import type { Graph, Node } from "../graph.ts";
import { operatorOf } from "../operators/index.ts";
import { captures, subgraphs } from "../order.ts";
import { key, type Rule } from "./editor.ts";

/** Identity. */
export const dropIdentity: Rule = (node, editor) => key(node) === "Identity" && editor.bypass(node, node.inputs[0]!);

/** Two Transposes in a row are one; one that moves nothing is none. */
export const joinTransposes: Rule = (node, editor) => {
  if (key(node) !== "Transpose") return false;
  const perm = node.attributes["perm"] as readonly number[] | undefined;
  if (perm === undefined) return false;
  // A permutation of another rank is an error, which is found where shapes are known.
  const fits = editor.rank(node.inputs[0]!) === perm.length;
  if (fits && perm.every((axis, i) => axis === i)) return editor.bypass(node, node.inputs[0]!);
  const before = editor.madeBy(node.inputs[0], "Transpose");
  const inner = before?.attributes["perm"] as readonly number[] | undefined;
  if (before === undefined || inner?.length !== perm.length) return false;
  const joined = perm.map((axis) => inner[axis]!);
  editor.replace(node, { ...node, inputs: [before.inputs[0]!], attributes: { perm: joined } });
  return true;
};

const RESHAPES = ["Reshape", "Flatten", "Squeeze", "Unsqueeze"];

/** A Reshape of a reshaped value reads the original, unless its target copies dimensions or is written with its zeros. */
export const joinReshapes: Rule = (node, editor) => {
  if (key(node) !== "Reshape") return false;
  const before = editor.madeBy(node.inputs[0], ...RESHAPES);
  const target = editor.numbers(node.inputs[1]);
  if (before === undefined || target === undefined || target.includes(0)) return false;
  editor.replace(node, { ...node, inputs: [before.inputs[0]!, node.inputs[1]!] });
  return true;
};

/** ONNX numbers of types that hold 0 and 1: float32, int32, int64, float64. */
const WIDE = [1, 6, 7, 11];

const BOOLEAN = new Set("And Equal Greater GreaterOrEqual IsInf IsNaN Less LessOrEqual Not Or Xor".split(" "));

/** Cast(Cast(x)): the inner one goes when it only widened a comparison's result. */
export const joinCasts: Rule = (node, editor) => {
  if (key(node) !== "Cast") return false;
  const before = editor.madeBy(node.inputs[0], "Cast");
  if (before === undefined) return false;
  const first = before.attributes["to"] as number;
  const source = editor.maker(before.inputs[0]);
  if (source === undefined || !BOOLEAN.has(key(source)) || !WIDE.includes(first)) return false;
  editor.replace(node, { ...node, inputs: [before.inputs[0]!] });
  return true;
};

/** Equal operators on equal inputs become one. What a subgraph captures and graph outputs keep their names. */
export function shareNodes(graph: Graph): Graph {
  const kept = new Set(graph.outputs.map((output) => output.name));
  for (const node of graph.nodes) for (const body of subgraphs(node)) for (const name of captures(body)) kept.add(name);
  const names = new Map<string, string>();
  const first = new Map<string, Node>();
  const nodes: Node[] = [];
  for (const given of graph.nodes) {
    const node = { ...given, inputs: given.inputs.map((name) => names.get(name) ?? name) };
    const content = contentOf(node);
    const same = content === undefined ? undefined : first.get(content);
    if (
      same === undefined ||
      node.outputs.length !== same.outputs.length ||
      node.outputs.some((name) => kept.has(name))
    ) {
      if (content !== undefined && same === undefined) first.set(content, node);
      nodes.push(node);
    } else {
      for (const [i, name] of node.outputs.entries()) names.set(name, same.outputs[i]!);
    }
  }
  return { ...graph, nodes };
}

/** JSON has no −0, NaN and infinities. */
function spelled(_key: string, value: unknown): unknown {
  return typeof value === "number" && (Object.is(value, -0) || !Number.isFinite(value))
    ? { number: Object.is(value, -0) ? "-0" : String(value) }
    : value;
}

function contentOf(node: Node): string | undefined {
  if (operatorOf(node)?.random || subgraphs(node).length > 0) return undefined;
  const attributes = Object.entries(node.attributes)
    .sort(([a], [b]) => (a < b ? -1 : 1))
    .map(([name, value]) => `${name}=${value instanceof Tensor ? contentName(value) : JSON.stringify(value, spelled)}`);
  // Outputs that are absent in one of the two differ in what the operator makes.
  const made = node.outputs.map((name) => (name === "" ? 0 : 1)).join("");
  return `${key(node)}${made}${JSON.stringify(node.inputs)}${attributes.join(";")}`;
}
