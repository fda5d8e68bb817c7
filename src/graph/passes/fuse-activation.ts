import type { Attribute, Node } from "../graph.ts";
import { type Editor, key, type Rule } from "./editor.ts";

const near = (value: number | undefined, wanted: number): boolean =>
  value !== undefined && Math.abs(value - wanted) <= 1e-6 * Math.abs(wanted);

/** The two inputs of a commutative node as [value, scalar]; the result has the shape of the value. */
export function withScalar(node: Node | undefined, editor: Editor): [string, number] | undefined {
  if (node === undefined) return undefined;
  const [a, b] = [editor.scalarOf(node, 0), editor.scalarOf(node, 1)];
  if (b !== undefined && a === undefined) return [node.inputs[0]!, b];
  return a !== undefined && b === undefined ? [node.inputs[1]!, a] : undefined;
}

/** Factors of a product, through products that are read only here; `scalar` collects the constants (a Div by one included). */
interface Product {
  readonly factors: string[];
  scalar: number;
  readonly nodes: Node[];
}

/** The patterns have at most four products; a longer chain is looked at this far only, so that n products take n steps. */
const MOST_PRODUCTS = 8;

function productOf(node: Node, editor: Editor): Product {
  const product: Product = { factors: [], scalar: 1, nodes: [node] };
  const add = (from: Node, i: 0 | 1): void => {
    const value = from.inputs[i]!;
    const inverse = i === 1 && from.op === "Div";
    const scalar = editor.scalarOf(from, i);
    const inner = editor.madeBy(value, "Mul", "Div");
    if (scalar !== undefined) product.scalar *= inverse ? 1 / scalar : scalar;
    else if (
      inner !== undefined &&
      product.nodes.length < MOST_PRODUCTS &&
      editor.onlyReader(value) !== undefined &&
      isProduct(inner, editor)
    ) {
      product.nodes.push(inner);
      add(inner, 0);
      add(inner, 1);
    } else product.factors.push(value);
  };
  add(node, 0);
  add(node, 1);
  return product;
}

/** A product, or a quotient by a constant. */
function isProduct(node: Node, editor: Editor): boolean {
  return key(node) === "Mul" || (key(node) === "Div" && editor.scalarOf(node, 1) !== undefined);
}

/** Bounds of Relu and of Clip with constant bounds; undefined for anything else. */
export function clipBounds(
  node: Node | undefined,
  editor: Editor,
): { value: string; min: number; max: number } | undefined {
  if (node === undefined) return undefined;
  const value = node.inputs[0]!;
  if (key(node) === "Relu") return { value, min: 0, max: Number.POSITIVE_INFINITY };
  if (key(node) !== "Clip") return undefined;
  const bound = (name: string | undefined, absent: number): number => (name ? (editor.scalar(name) ?? NaN) : absent);
  const min = bound(node.inputs[1], Number.NEGATIVE_INFINITY);
  const max = bound(node.inputs[2], Number.POSITIVE_INFINITY);
  // A bound of the wrong infinity makes every value infinite: rare enough to be left as it is.
  return min < Number.POSITIVE_INFINITY && max > Number.NEGATIVE_INFINITY ? { value, min, max } : undefined;
}

/** The argument of clip(x + 3, 0, 6), or of HardSigmoid with slope 1/6, with the factor that makes it clip(x/6 + 1/2, 0, 1). */
function gateOf(value: string, editor: Editor): { x: string; factor: number; nodes: Node[] } | undefined {
  const node = editor.maker(value);
  if (node === undefined) return undefined;
  if (key(node) === "HardSigmoid") {
    const { alpha = 0.2, beta = 0.5 } = node.attributes as Record<string, number>;
    return near(alpha, 1 / 6) && near(beta, 0.5) ? { x: node.inputs[0]!, factor: 1, nodes: [node] } : undefined;
  }
  const clip = clipBounds(node, editor);
  if (clip === undefined || clip.min !== 0 || clip.max !== 6) return undefined;
  const sum = editor.madeBy(clip.value, "Add");
  const parts = withScalar(sum, editor);
  return parts?.[1] === 3 ? { x: parts[0], factor: 1 / 6, nodes: [node, sum!] } : undefined;
}

/** x·clip(x + 3, 0, 6)/6 in any order of writing, and x·HardSigmoid(x), are HardSwish. */
export const fuseHardSwish: Rule = (node, editor) => {
  if (!isProduct(node, editor)) return false;
  const { factors, scalar, nodes } = productOf(node, editor);
  if (factors.length !== 2) return false;
  for (const [x, other] of [factors, [...factors].reverse()] as [string, string][]) {
    const gate = gateOf(other, editor);
    if (gate === undefined || gate.x !== x || !near(scalar, gate.factor)) continue;
    return substitute(
      node,
      [...nodes, ...gate.nodes],
      { op: "HardSwish", domain: "", inputs: [x], attributes: {} },
      editor,
    );
  }
  return false;
};

/** clip(x + 3, 0, 6)/6 is HardSigmoid with slope 1/6. */
export const fuseHardSigmoid: Rule = (node, editor) => {
  if (!isProduct(node, editor)) return false;
  const { factors, scalar, nodes } = productOf(node, editor);
  const gate = factors.length === 1 ? gateOf(factors[0]!, editor) : undefined;
  if (gate === undefined || gate.factor === 1 || !near(scalar, gate.factor)) return false;
  const attributes = { alpha: Math.fround(1 / 6), beta: 0.5 };
  return substitute(
    node,
    [...nodes, ...gate.nodes],
    { op: "HardSigmoid", domain: "", inputs: [gate.x], attributes },
    editor,
  );
};

/** x·Sigmoid(x) is bitbasis/Silu. */
export const fuseSilu: Rule = (node, editor) => {
  if (key(node) !== "Mul") return false;
  for (const [x, other] of [node.inputs, [...node.inputs].reverse()] as [string, string][]) {
    const gate = editor.madeBy(other, "Sigmoid");
    if (gate?.inputs[0] !== x) continue;
    return substitute(node, [node, gate], { op: "Silu", domain: "bitbasis", inputs: [x], attributes: {} }, editor);
  }
  return false;
};

/** x·(1 + Erf(x/√2))/2 in any order of writing is bitbasis/Gelu. */
export const fuseGelu: Rule = (node, editor) => {
  if (!isProduct(node, editor)) return false;
  const { factors, scalar, nodes } = productOf(node, editor);
  if (factors.length !== 2 || !near(scalar, 0.5)) return false;
  for (const [x, other] of [factors, [...factors].reverse()] as [string, string][]) {
    const sum = editor.madeBy(other, "Add");
    const parts = withScalar(sum, editor);
    const erf = editor.madeBy(parts?.[0], "Erf");
    const inner = editor.madeBy(erf?.inputs[0], "Mul", "Div");
    if (parts?.[1] !== 1 || inner === undefined || !isProduct(inner, editor)) continue;
    const argument = productOf(inner, editor);
    if (argument.factors.length !== 1 || argument.factors[0] !== x || !near(argument.scalar, Math.SQRT1_2)) continue;
    const all = [...nodes, sum!, erf!, ...argument.nodes];
    const gelu = { op: "Gelu", domain: "bitbasis", inputs: [x], attributes: { approximate: "none" } };
    return substitute(node, all, gelu, editor);
  }
  return false;
};

/** Puts one node in the place of several, when nobody else reads what they make. */
export function substitute(
  last: Node,
  all: readonly Node[],
  by: { op: string; domain: string; inputs: readonly string[]; attributes: Record<string, Attribute> },
  editor: Editor,
): boolean {
  if (!editor.closed(all, last.outputs[0]!)) return false;
  editor.replace(last, { ...by, name: last.name, outputs: last.outputs });
  editor.remove(...new Set(all.filter((node) => node !== last)));
  return true;
}

const TAKES_ACTIVATION = ["Conv", "ConvTranspose", "MatMul", "ConvInteger", "MatMulInteger"].map(
  (op) => `bitbasis/${op}`,
);

/** Relu, Clip and HardSwish after a linear layer are computed by the layer. */
export const fuseActivation: Rule = (node, editor) => {
  const layer = editor.madeBy(node.inputs[0], ...TAKES_ACTIVATION);
  if (layer === undefined || editor.onlyReader(node.inputs[0]!) !== node) return false;
  if (layer.op.endsWith("Integer") && layer.attributes["to"] !== 1) return false;
  const clip = clipBounds(node, editor);
  const attributes: Record<string, Attribute> = { ...layer.attributes };
  if (clip !== undefined) {
    const { activation = "Clip", min = Number.NEGATIVE_INFINITY, max = Number.POSITIVE_INFINITY } = attributes;
    if (activation !== "Clip") return false;
    // clip(clip(x, a, b), c, d) = clip(x, clip(a, c, d), clip(b, c, d)).
    const inside = (bound: number): number => Math.min(Math.max(bound, clip.min), clip.max);
    delete attributes["min"];
    delete attributes["max"];
    attributes["activation"] = "Clip";
    if (Number.isFinite(inside(min as number))) attributes["min"] = inside(min as number);
    if (Number.isFinite(inside(max as number))) attributes["max"] = inside(max as number);
  } else if (key(node) === "HardSwish" && !("activation" in attributes)) attributes["activation"] = "HardSwish";
  else return false;
  editor.remove(node);
  editor.replace(layer, { ...layer, attributes, outputs: node.outputs });
  return true;
};

/** MatMul by constant float32 weights followed by an activation takes it as bitbasis/MatMul. */
export const adoptMatMul: Rule = (node, editor) => {
  if (clipBounds(node, editor) === undefined && key(node) !== "HardSwish") return false;
  const layer = editor.madeBy(node.inputs[0], "MatMul");
  const weights = editor.constant(layer?.inputs[1]);
  if (layer === undefined || weights?.type !== "float32" || weights.dims.length !== 2) return false;
  if (editor.onlyReader(node.inputs[0]!) !== node) return false;
  editor.replace(layer, { ...layer, domain: "bitbasis" });
  return true;
};
