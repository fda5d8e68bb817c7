import type { Node } from "../graph.ts";
import { type Editor, key, type Rule } from "./editor.ts";
import { substitute, withScalar } from "./fuse-activation.ts";

/** A ReduceMean over the last axis that keeps it. */
function meanOf(value: string | undefined, editor: Editor): Node | undefined {
  const node = editor.madeBy(value, "ReduceMean");
  if (node === undefined || (node.attributes["keepdims"] ?? 1) !== 1) return undefined;
  const axes = editor.numbers(node.inputs[1]);
  const rank = editor.rank(node.inputs[0]!);
  return axes?.length === 1 && (axes[0] === -1 || axes[0] === (rank ?? 0) - 1) ? node : undefined;
}

/** x², written as Pow or as Mul. */
function squareOf(node: Node | undefined, editor: Editor): string | undefined {
  if (node?.op === "Pow") return editor.scalarOf(node, 1) === 2 ? node.inputs[0] : undefined;
  return node?.op === "Mul" && node.inputs[0] === node.inputs[1] ? node.inputs[0] : undefined;
}

/**
 * (x − mean)/√(mean((x − mean)²) + ε)·γ + β over the last axis, γ and β vectors, is LayerNormalization; β may be absent.
 * `node` is the last operation, so a match with β is looked for before one without.
 */
export const fuseLayerNorm: Rule = (node, editor) => {
  let [scaled, shift]: [Node | undefined, string | undefined] = [node, undefined];
  if (key(node) === "Add") {
    const at = editor.constant(node.inputs[1])?.dims.length === 1 ? 1 : 0;
    shift = node.inputs[at];
    scaled = editor.madeBy(node.inputs[1 - at], "Mul");
    if (editor.constant(shift)?.dims.length !== 1) return false;
  }
  if (scaled === undefined || key(scaled) !== "Mul") return false;
  if (shift === undefined && isShifted(scaled, editor)) return false;
  const at = editor.constant(scaled.inputs[1])?.dims.length === 1 ? 1 : 0;
  const scale = scaled.inputs[at]!;
  const divided = editor.madeBy(scaled.inputs[1 - at], "Div");
  if (editor.constant(scale)?.dims.length !== 1 || divided === undefined) return false;
  const root = editor.madeBy(divided.inputs[1], "Sqrt");
  const sum = editor.madeBy(root?.inputs[0], "Add");
  const parts = withScalar(sum, editor);
  const variance = meanOf(parts?.[0], editor);
  const square = editor.maker(variance?.inputs[0]);
  const centred = squareOf(square, editor);
  const difference = editor.madeBy(centred, "Sub");
  const mean = meanOf(difference?.inputs[1], editor);
  if (mean === undefined || centred !== divided.inputs[0] || mean.inputs[0] !== difference!.inputs[0]) return false;
  const size = editor.constant(scale)!.size;
  // One γ for a row of any length is a broadcast, which LayerNormalization does not have.
  if (size === 1) return false;
  if (shift !== undefined && editor.constant(shift)!.size !== size) return false;
  const all = new Set([node, scaled, divided, root!, sum!, variance!, square!, difference!, mean]);
  const inputs = [mean.inputs[0]!, scale, ...(shift === undefined ? [] : [shift])];
  const attributes = { axis: -1, epsilon: parts![1] };
  return substitute(node, [...all], { op: "LayerNormalization", domain: "", inputs, attributes }, editor);
};

/** Whether β is added next, so that the match should begin there. */
function isShifted(scaled: Node, editor: Editor): boolean {
  const reader = editor.onlyReader(scaled.outputs[0]!);
  if (reader === undefined || key(reader) !== "Add") return false;
  return reader.inputs.some((name) => editor.constant(name)?.dims.length === 1);
}

/**
 * x/√(mean(x²) + ε)·γ over the last axis, γ a vector, is RMSNormalization; instead of the quotient there may be a product with the inverse. One step instead
 * of seven: a quarter of those of a decoder that is exported in plain operators.
 */
export const fuseRmsNorm: Rule = (node, editor) => {
  if (key(node) !== "Mul") return false;
  const at = editor.constant(node.inputs[1])?.dims.length === 1 ? 1 : 0;
  const scale = node.inputs[at]!;
  const gain = editor.constant(scale);
  // One γ for a row of any length is a broadcast, as above.
  if (gain?.dims.length !== 1 || gain.size === 1) return false;
  const scaled = editor.madeBy(node.inputs[1 - at], "Mul", "Div");
  if (scaled === undefined) return false;
  const orders = scaled.op === "Div" ? [scaled.inputs] : [scaled.inputs, [...scaled.inputs].reverse()];
  for (const [x, divisor] of orders as [string, string][]) {
    const inverse = scaled.op === "Mul" ? editor.madeBy(divisor, "Div", "Reciprocal") : undefined;
    if (scaled.op === "Mul" && inverse === undefined) continue;
    // What a mean has been taken from is a LayerNormalization, or nearly one.
    if (meanOf(editor.madeBy(x, "Sub")?.inputs[1], editor) !== undefined) continue;
    if (inverse?.op === "Div" && editor.scalarOf(inverse, 0) !== 1) continue;
    const root = editor.madeBy(inverse === undefined ? divisor : inverse.inputs.at(-1), "Sqrt");
    const sum = editor.madeBy(root?.inputs[0], "Add");
    const parts = withScalar(sum, editor);
    const mean = meanOf(parts?.[0], editor);
    const square = editor.maker(mean?.inputs[0]);
    if (square === undefined || squareOf(square, editor) !== x) continue;
    const all = [node, scaled, ...(inverse === undefined ? [] : [inverse]), root!, sum!, mean!, square];
    const attributes = { axis: -1, epsilon: parts![1] };
    return substitute(node, all, { op: "RMSNormalization", domain: "", inputs: [x, scale], attributes }, editor);
  }
  return false;
};
