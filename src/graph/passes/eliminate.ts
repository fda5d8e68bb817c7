import { Tensor } from "../../tensor/index.ts";
import { contentName } from "../digest.ts";
import type { Graph, Node } from "../graph.ts";
import { operatorOf } from "../operators/index.ts";
import { captures, subgraphs } from "../order.ts";
import { key, type Rule } from "./editor.ts";

/** Identity, and Cast to the type that is there already. */
export const dropIdentity: Rule = (node, editor) => key(node) === "Identity" && editor.bypass(node, node.inputs[0]!);

/** Two Transposes in a row are one; one that moves nothing is none. */
export const joinTransposes: Rule = (node, editor) => {
  if (key(node) !== "Transpose") return false;
  const perm = node.attributes["perm"] as readonly number[] | undefined;
  if (perm === undefined) return false;
  if (perm.every((axis, i) => axis === i)) return editor.bypass(node, node.inputs[0]!);
  const before = editor.madeBy(node.inputs[0], "Transpose");
  const inner = before?.attributes["perm"] as readonly number[] | undefined;
  if (before === undefined || inner === undefined) return false;
  const joined = perm.map((axis) => inner[axis]!);
  editor.replace(node, { ...node, inputs: [before.inputs[0]!], attributes: { perm: joined } });
  return true;
};

const RESHAPES = ["Reshape", "Flatten", "Squeeze", "Unsqueeze"];

/** A Reshape of a reshaped value reads the original, unless its target copies dimensions. */
export const joinReshapes: Rule = (node, editor) => {
  if (key(node) !== "Reshape") return false;
  const before = editor.madeBy(node.inputs[0], ...RESHAPES);
  const target = editor.integers(node.inputs[1]);
  if (before === undefined || target === undefined || target.includes(0)) return false;
  editor.replace(node, { ...node, inputs: [before.inputs[0]!, node.inputs[1]!] });
  return true;
};

/** ONNX numbers of types that hold 0 and 1: float32, int32, int64, float64. */
const WIDE = [1, 6, 7, 11];

/** Cast(Cast(x)): the inner one goes when it only widened a comparison's result. */
export const joinCasts: Rule = (node, editor) => {
  if (key(node) !== "Cast") return false;
  const before = editor.madeBy(node.inputs[0], "Cast");
  if (before === undefined) return false;
  const first = before.attributes["to"] as number;
  const source = editor.maker(before.inputs[0]);
  const isBool = source !== undefined && /^(Equal|Not|And|Or|Xor|Less|Greater)/.test(source.op);
  if (!isBool || !WIDE.includes(first)) return false;
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

function contentOf(node: Node): string | undefined {
  if (operatorOf(node)?.random || subgraphs(node).length > 0) return undefined;
  const attributes = Object.entries(node.attributes)
    .sort(([a], [b]) => (a < b ? -1 : 1))
    .map(([name, value]) => `${name}=${value instanceof Tensor ? contentName(value) : JSON.stringify(value)}`);
  // Outputs that are absent in one of the two differ in what the operator makes.
  const made = node.outputs.map((name) => (name === "" ? 0 : 1)).join("");
  return `${key(node)}${made}${JSON.stringify(node.inputs)}${attributes.join(";")}`;
}
