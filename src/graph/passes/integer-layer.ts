import { type ElementType, Tensor } from "../../tensor/index.ts";
import type { Attribute, Graph, Node } from "../graph.ts";
import { BYTES } from "../operators/integer.ts";
import { blockLayer } from "./block-layer.ts";
import { applyRules, type Editor, key, type Rule } from "./editor.ts";
import { foldConstants } from "./fold-constants.ts";
import { transposed } from "./layout.ts";
import { normalize } from "./normalize.ts";
import { hasPlainScales } from "./tie-bytes.ts";

/** The graph with its layers on bytes and on weights in blocks; before the other passes, since weights are floats once constants are folded. */
export function integerLayers(graph: Graph): Graph {
  const folded = foldConstants(normalize(graph), [DEQUANTIZE]);
  return folded.nodes.some(({ op }) => op === DEQUANTIZE) ? applyRules(folded, [integerLayer, blockLayer]) : folded;
}

/** What its rules begin with. */
const DEQUANTIZE = "DequantizeLinear";

/** A DequantizeLinear of bytes. */
interface Dequantized {
  readonly bytes: string;
  readonly scale: string;
  /** "": 0. */
  readonly zero: string;
}

/** Constant weights that are dequantized, with their output channels on the axis that their scales are for. */
interface Weights extends Dequantized {
  readonly tensor: Tensor;
  /** Whether there is a scale per channel. */
  readonly isRow: boolean;
}

/**
 * A linear layer between dequantized operands, as networks that come quantized write it, is the layer on their bytes: f32(S)·f32(scaleX·scaleW) + bias with
 * the exact S = Σ (x − zeroX)(w − zeroW), where the operators one by one would round every product and sum.
 */
const integerLayer: Rule = (node, editor) => {
  const layer = key(node);
  if (layer !== "Conv" && layer !== "MatMul" && layer !== "Gemm") return false;
  const x = dequantized(node.inputs[0], editor);
  if (x === undefined || !isOne(x, editor)) return false;
  if (layer === "Gemm" && !isPlainGemm(node, editor)) return false;
  // Output channels: of a convolution and of transposed weights first.
  const turned = layer === "MatMul" ? editor.madeBy(node.inputs[1], "Transpose") : undefined;
  const isTurned = turned?.attributes["perm"]?.toString() === "1,0";
  const rowsFirst = layer === "Conv" || isTurned || node.attributes["transB"] === 1;
  const weights = weightsOf(isTurned ? turned?.inputs[0] : node.inputs[1], rowsFirst ? 0 : 1, editor);
  if (weights === undefined || (layer === "Conv" ? weights.tensor.dims.length < 3 : weights.tensor.dims.length !== 2))
    return false;
  const { nodes, op } = maker(node, editor);
  const zeros = [x.zero, weights.zero];
  const spatial = layer === "Conv" ? new Array<number>(weights.tensor.dims.length - 2).fill(1) : [];
  const perChannel = (value: string): string =>
    spatial.length === 0 ? value : op("Reshape", [value, shapeOf([-1, ...spatial], node, editor)]);
  const sum =
    layer === "Conv"
      ? op("ConvInteger", [x.bytes, weights.bytes, ...zeros], node.attributes)
      : op("bitbasis/MatMulInteger", [x.bytes, rows(weights, rowsFirst, node, editor), ...zeros], { transB: 1 });
  const product = op("Mul", [x.scale, weights.scale]);
  const scale = weights.isRow ? perChannel(product) : product;
  const bias = node.inputs[2] ?? "";
  const scaled = op("Mul", [op("Cast", [sum], { to: 1 }), scale]);
  const last = bias === "" ? op("Identity", [scaled]) : op("Add", [scaled, perChannel(bias)]);
  const made = nodes.map((one) => (one.outputs[0] === last ? { ...one, name: node.name, outputs: node.outputs } : one));
  editor.replace(node, ...made);
  return true;
};

/** Makes the nodes that stand for one. */
function maker(node: Node, editor: Editor) {
  const nodes: Node[] = [];
  const op = (
    name: string,
    inputs: readonly string[],
    attributes: Readonly<Record<string, Attribute>> = {},
  ): string => {
    const [domain, own] = name.includes("/") ? (name.split("/") as [string, string]) : ["", name];
    const output = editor.newValue(`${node.outputs[0]}/${own.toLowerCase()}`);
    nodes.push({ name: output, op: own, domain, inputs, outputs: [output], attributes });
    return output;
  };
  return { nodes, op };
}

/** [N, K], which an integer product has its weights in. */
function rows(weights: Weights, rowsFirst: boolean, node: Node, editor: Editor): string {
  if (rowsFirst) return weights.bytes;
  return editor.addInitializer(`${node.name}/weights`, transposed(weights.tensor, [1, 0]));
}

function shapeOf(dims: readonly number[], node: Node, editor: Editor): string {
  return editor.addInitializer(`${node.name}/channels`, new Tensor("int64", [...dims]));
}

/** What a DequantizeLinear of bytes reads, whose type its zero point, the constant or the QuantizeLinear before it tells. */
function dequantized(value: string | undefined, editor: Editor): Dequantized | undefined {
  const node = editor.madeBy(value, "DequantizeLinear");
  if (node === undefined || !hasPlainScales(node)) return undefined;
  const [bytes = "", scale = "", zero = ""] = node.inputs;
  const before = editor.madeBy(bytes, "QuantizeLinear");
  const fallback: ElementType | undefined =
    before === undefined || "output_dtype" in before.attributes ? undefined : "uint8";
  const type = (editor.constant(zero) ?? editor.constant(bytes) ?? editor.constant(before?.inputs[2]))?.type;
  const known = type ?? ((before?.inputs[2] ?? "") === "" ? fallback : undefined);
  return known !== undefined && BYTES.includes(known) ? { bytes, scale, zero } : undefined;
}

/** Whether all elements have one constant scale and zero point. */
function isOne({ scale, zero }: Dequantized, editor: Editor): boolean {
  const point = editor.constant(zero);
  return editor.scalar(scale) !== undefined && (zero === "" || point?.size === 1);
}

/** @param axis - of the output channels */
function weightsOf(value: string | undefined, axis: 0 | 1, editor: Editor): Weights | undefined {
  const found = dequantized(value, editor);
  const tensor = editor.constant(found?.bytes);
  const scale = editor.constant(found?.scale);
  const zero = editor.constant(found?.zero);
  if (found === undefined || tensor === undefined || scale?.type !== "float32" || tensor.size === 0) return undefined;
  if (found.zero !== "" && zero?.size !== scale.size) return undefined;
  const { dims } = tensor;
  const channels = dims[axis] ?? 0;
  if (scale.size === 1) return { ...found, tensor, isRow: false };
  const given = (editor.maker(value)?.attributes["axis"] as number | undefined) ?? 1;
  const own = given < 0 ? given + dims.length : given;
  return own === axis && scale.dims.length === 1 && scale.size === channels
    ? { ...found, tensor, isRow: true }
    : undefined;
}

function isPlainGemm(gemm: Node, editor: Editor): boolean {
  const { alpha = 1, beta = 1, transA = 0 } = gemm.attributes;
  return alpha === 1 && beta === 1 && transA === 0 && editor.rank(gemm.inputs[0]!) === 2;
}
