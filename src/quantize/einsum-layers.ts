import type { Graph, Node } from "../graph/index.ts";
import { Maker, type Surroundings } from "../graph/operators/maker.ts";
import { isIdentity } from "../graph/passes/layout.ts";
import { Names } from "../graph/passes/names.ts";
import { NEWEST, surroundings } from "../graph/passes/surroundings.ts";
import { ranksOf } from "../graph/ranks.ts";
import { sizeOf } from "../tensor/index.ts";

/**
 * An Einsum with a constant that shares no axis with the result, but for those that it alone has, is a layer: its weights are a matrix, also where they have an axis of heads ("abc,cde->abde", as
 * layers of Keras and XLNet are written). Other products become one once shapes are known, which plans do not see; nor are those whose input may be of another rank than the equation's, which the
 * operator refuses.
 */
export function einsumLayers(graph: Graph): Graph {
  const initializers = new Map(graph.initializers);
  const around = surroundings(graph, initializers, new Names(graph), ranksOf(graph), (name) => initializers.get(name));
  const nodes = graph.nodes.flatMap((node) => (node.op === "Einsum" && layerOf(node, around)) || [node]);
  return { ...graph, nodes, initializers };
}

function layerOf(node: Node, around: Surroundings): readonly Node[] | undefined {
  const terms = /^([a-z]+),([a-z]+)->([a-z]+)$/i.exec(String(node.attributes["equation"]).replaceAll(" ", ""));
  if (terms === null) return undefined;
  const at = around.constant(node.inputs[1]!) === undefined ? 0 : 1;
  const [own, fed, result] = [terms[1 + at]!, terms[2 - at]!, terms[3]!];
  const [name, x] = [node.inputs[at]!, node.inputs[1 - at]!];
  const { type, dims = [] } = around.constant(name) ?? {};
  const extents = new Map([...own].map((letter, axis) => [letter, dims[axis]!]));
  const inner = [...fed].filter((letter) => extents.has(letter));
  const columns = [...own].filter((letter) => !inner.includes(letter));
  const rows = [...fed].filter((letter) => !inner.includes(letter));
  const isOnce = [own, fed, result].every((letters) => new Set(letters).size === letters.length);
  const isWhole =
    result.length === rows.length + columns.length && [...rows, ...columns].every((l) => result.includes(l));
  const isLayer =
    type === "float32" &&
    around.rank(x) === fed.length &&
    dims.length === own.length &&
    inner.length > 0 &&
    columns.length > 0;
  if (!isOnce || !isWhole || !isLayer || dims.includes(0) || inner.some((l) => extents.get(l) === 1)) return undefined;
  const make = new Maker(node, NEWEST, around);
  const turned = (name: string, from: readonly string[], to: readonly string[]): string => {
    const perm = to.map((letter) => from.indexOf(letter));
    return isIdentity(perm) ? name : make.op("Transpose", [name], { perm });
  };
  const reshaped = (name: string, ...dims: readonly number[]): string => {
    return make.op("Reshape", [name, make.integers("shape", dims)]);
  };
  const sizes = (letters: readonly string[]): number[] => letters.map((letter) => extents.get(letter)!);
  const kept = rows.map(() => 0);
  // An axis of 1 may be fed in the place of a longer one.
  const full = [...fed].map((letter) => extents.get(letter) ?? 1);
  const whole = make.op("Expand", [x, make.integers("shape", full)]);
  const left = turned(whole, [...fed], [...rows, ...inner]);
  const flat = inner.length === 1 ? left : reshaped(left, ...kept, sizeOf(sizes(inner)));
  const matrix = turned(name, [...own], [...inner, ...columns]);
  const right = reshaped(matrix, sizeOf(sizes(inner)), sizeOf(sizes(columns)));
  const sums = make.op("MatMul", [flat, right]);
  const spread = columns.length === 1 ? sums : reshaped(sums, ...kept, ...sizes(columns));
  const made = make.end("Identity", [turned(spread, [...rows, ...columns], [...result])]);
  // Plans and reports know the layer by the name of the Einsum.
  const product = made.find(({ op }) => op === "MatMul")!;
  const renamed = new Map([
    [product.name, node.name],
    [node.name, product.name],
  ]);
  return made.map((one) => ({ ...one, name: renamed.get(one.name) ?? one.name }));
}
