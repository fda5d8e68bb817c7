import { sizeOf, Tensor } from "../../tensor/index.ts";
import type { Node } from "../graph.ts";
import { Integer } from "../operators/integer.ts";
import { type Editor, key, type Rule } from "./editor.ts";

/** ONNX's number of float32. */
const FLOAT = 1;

/**
 * What scales the integer sums of a layer with constant weights is computed by the layer, operation by operation: Cast to float32, Mul by a scalar or by
 * constants per channel, Add of constants, before the Cast in integers. The bits stay: f32(S) · scale + bias is what the kernels end with.
 */
export const scaleInteger: Rule = (node, editor) => {
  if (!["Cast", "Mul", "Add"].includes(key(node))) return false;
  for (const i of key(node) === "Cast" ? [0] : [0, 1]) {
    const value = node.inputs[i]!;
    const layer = editor.madeBy(value, "bitbasis/ConvInteger", "bitbasis/MatMulInteger");
    if (layer === undefined || editor.onlyReader(value) !== node) continue;
    const scaled = taken(layer, node, node.inputs[1 - i], editor);
    if (scaled === undefined) continue;
    // Where the operation stood, behind what it reads.
    editor.remove(layer);
    editor.replace(node, { ...scaled, outputs: node.outputs });
    return true;
  }
  return false;
};

/** The layer with an operation on its result; undefined where it cannot take it over. */
function taken(layer: Node, node: Node, other: string | undefined, editor: Editor): Node | undefined {
  const weights = editor.constant(layer.inputs[1]);
  if (weights === undefined || sizeOf(weights.dims) === 0 || "activation" in layer.attributes) return undefined;
  const isFloat = layer.attributes["to"] === FLOAT;
  const channels = weights.dims[0]!;
  const has = (i: Integer): boolean => (layer.inputs[i] ?? "") !== "";
  // Of a matrix that is no constant, or one of many, the columns are not known.
  if (key(layer) === "bitbasis/MatMulInteger" && layer.attributes["transB"] !== 1) return undefined;
  if (key(node) === "Cast") {
    if (isFloat || node.attributes["to"] !== FLOAT) return undefined;
    return { ...layer, attributes: { ...layer.attributes, to: FLOAT } };
  }
  const holding = (i: Integer, name: string): Node => {
    const inputs = Array.from({ length: Math.max(layer.inputs.length, i + 1) }, (_, at) => layer.inputs[at] ?? "");
    inputs[i] = name;
    return { ...layer, inputs };
  };
  const constant = editor.constant(other);
  const row = constant && rowOf(constant, other!, node, channels, editor);
  if (key(node) === "Add") {
    // A bias in integers is added before the scale, one in float32 after it.
    const type = isFloat ? "float32" : "int32";
    if (row?.type !== type || has(Integer.bias)) return undefined;
    return holding(Integer.bias, editor.addInitializer(`${layer.name}/bias`, spread(row, channels)));
  }
  if (!isFloat || has(Integer.scale) || (has(Integer.bias) && biasType(layer, editor) === "float32")) return undefined;
  if (row?.type === "float32") return holding(Integer.scale, editor.addInitializer(`${layer.name}/scale`, row));
  if (constant !== undefined) return undefined;
  // A vector beside a matrix is one number, or one per column: anything else does not broadcast to the result.
  const isMatrix = layer.op === "MatMulInteger" && channels > 1 && (editor.rank(layer.outputs[0]!) ?? 0) > 0;
  const rank = editor.rank(other!);
  return rank === 0 || (rank === 1 && isMatrix) ? holding(Integer.scale, other!) : undefined;
}

function biasType(layer: Node, editor: Editor): string | undefined {
  return editor.constant(layer.inputs[Integer.bias])?.type;
}

/** A constant with one element, or one per channel along the last axis, that leaves the result of the layer its rank: as a vector. */
function rowOf(constant: Tensor, name: string, node: Node, channels: number, editor: Editor): Tensor | undefined {
  const { dims, size } = constant;
  const value = node.inputs.find((input) => input !== name);
  if (value === undefined || !editor.keepsRank(name, value)) return undefined;
  if (size !== 1 && (size !== channels || dims.at(-1) !== channels)) return undefined;
  return constant.reshape([size]) as Tensor;
}

function spread(row: Tensor, channels: number): Tensor {
  if (row.size === channels) return row;
  const all = new Array<number>(channels).fill((row.data as Float32Array)[0]!);
  return row.type === "int32" ? new Tensor("int32", all, [channels]) : new Tensor("float32", all, [channels]);
}
