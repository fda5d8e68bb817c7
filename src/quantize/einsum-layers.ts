import type { Graph, Node } from "../graph/index.ts";
import { isIdentity } from "../graph/passes/layout.ts";
import { Names } from "../graph/passes/names.ts";
import { type Ranks, ranksOf } from "../graph/ranks.ts";
import { sizeOf, Tensor } from "../tensor/index.ts";

/**
 * An Einsum with a constant that shares no axis with the result, but for those that it alone has, is a layer: its weights are a matrix, also where they have an axis of heads ("abc,cde->abde", as
 * layers of Keras and XLNet are written). Other products become one once shapes are known, which plans do not see; nor are those whose input may be of another rank than the equation's, which the
 * operator refuses.
 */
export function einsumLayers(graph: Graph): Graph {
  const initializers = new Map(graph.initializers);
  const [ranks, names] = [ranksOf(graph), new Names(graph)];
  const nodes = graph.nodes.flatMap((node) => {
    return (node.op === "Einsum" && layerOf(node, ranks, names, initializers)) || [node];
  });
  return { ...graph, nodes, initializers };
}

function layerOf(node: Node, ranks: Ranks, names: Names, initializers: Map<string, Tensor>): Node[] | undefined {
  const terms = /^([a-z]+),([a-z]+)->([a-z]+)$/i.exec(String(node.attributes["equation"]).replaceAll(" ", ""));
  if (terms === null) return undefined;
  const at = initializers.has(node.inputs[1]!) ? 1 : 0;
  const [own, fed, result] = [terms[1 + at]!, terms[2 - at]!, terms[3]!];
  const [name, x] = [node.inputs[at]!, node.inputs[1 - at]!];
  const { type, dims = [] } = initializers.get(name) ?? {};
  const extents = new Map([...own].map((letter, axis) => [letter, dims[axis]!]));
  const inner = [...fed].filter((letter) => extents.has(letter));
  const columns = [...own].filter((letter) => !inner.includes(letter));
  const rows = [...fed].filter((letter) => !inner.includes(letter));
  const isOnce = [own, fed, result].every((letters) => new Set(letters).size === letters.length);
  const isWhole =
    result.length === rows.length + columns.length && [...rows, ...columns].every((l) => result.includes(l));
  const isLayer =
    type === "float32" &&
    ranks.rank(x) === fed.length &&
    dims.length === own.length &&
    inner.length > 0 &&
    columns.length > 0;
  if (!isOnce || !isWhole || !isLayer || dims.includes(0) || inner.some((l) => extents.get(l) === 1)) return undefined;
  const made: Node[] = [];
  const op = (op: string, inputs: readonly string[], attributes: Node["attributes"] = {}): string => {
    const own = names.unique(`${node.name}/product`);
    // Plans and reports know the layer by the name of the Einsum.
    const name = op === "MatMul" ? node.name : own;
    made.push({ name, op, domain: "", inputs, outputs: [own], attributes });
    return own;
  };
  const integers = (list: readonly number[]): string => {
    const own = names.unique(`${node.name}/shape`);
    initializers.set(own, new Tensor("int64", BigInt64Array.from(list, BigInt), [list.length]));
    return own;
  };
  const turned = (name: string, from: readonly string[], to: readonly string[]): string => {
    const perm = to.map((letter) => from.indexOf(letter));
    return isIdentity(perm) ? name : op("Transpose", [name], { perm });
  };
  const sizes = (letters: readonly string[]): number[] => letters.map((letter) => extents.get(letter)!);
  const kept = rows.map(() => 0);
  // An axis of 1 may be fed in the place of a longer one.
  const whole = op("Expand", [x, integers([...fed].map((letter) => extents.get(letter) ?? 1))]);
  const left = turned(whole, [...fed], [...rows, ...inner]);
  const flat = inner.length === 1 ? left : op("Reshape", [left, integers([...kept, sizeOf(sizes(inner))])]);
  const matrix = turned(name, [...own], [...inner, ...columns]);
  const right = op("Reshape", [matrix, integers([sizeOf(sizes(inner)), sizeOf(sizes(columns))])]);
  const sums = op("MatMul", [flat, right]);
  const spread = columns.length === 1 ? sums : op("Reshape", [sums, integers([...kept, ...sizes(columns)])]);
  const last = turned(spread, [...rows, ...columns], [...result]);
  return [...made, { ...node, name: `${node.name}/result`, op: "Identity", inputs: [last], attributes: {} }];
}
