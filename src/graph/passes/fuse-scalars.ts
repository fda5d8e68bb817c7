import { Tensor } from "../../tensor/index.ts";
import type { Node } from "../graph.ts";
import { subgraphs } from "../order.ts";
import { type Editor, key, type Rule } from "./editor.ts";

/** The data input and the scalar of x·s, x/s, x + s or x − s, when the constant does not raise the rank of x. */
interface ScalarOperation {
  readonly node: Node;
  readonly x: string;
  readonly s: number;
}

function scalarOperation(node: Node | undefined, editor: Editor): ScalarOperation | undefined {
  if (node === undefined || !["Mul", "Div", "Add", "Sub"].includes(key(node))) return undefined;
  const second = editor.scalarOf(node, 1);
  const commutes = node.op === "Mul" || node.op === "Add";
  const at = second !== undefined ? 0 : 1;
  const s = second ?? (commutes ? editor.scalarOf(node, 0) : undefined);
  const x = node.inputs[at];
  return s === undefined || x === undefined || editor.constant(x) !== undefined ? undefined : { node, x, s };
}

/** x·1, x/1, x + 0 and x − 0 are x. But −0 + 0 is 0: that sum stays where the sign of a zero can become that of an infinity. */
export const dropNeutral: Rule = (node, editor) => {
  const operation = scalarOperation(node, editor);
  if (operation === undefined || operation.s !== (isSum(node) ? 0 : 1)) return false;
  const exact = !isSum(node) || Object.is(termOf(operation), -0);
  return (exact || !editor.some(seesSignOfZero)) && editor.bypass(node, operation.x);
};

/** Whether the operator may tell −0 from 0 by more than a zero of its own. */
function seesSignOfZero(node: Node, editor: Editor): boolean {
  switch (key(node)) {
    case "Div":
      return editor.constant(node.inputs[1]) === undefined;
    case "Pow":
      return !editor.numbers(node.inputs[1])?.every((exponent) => exponent >= 0);
    case "Reciprocal":
    case "BitCast":
      return true;
  }
  return subgraphs(node).length > 0;
}

/** Two products by constants in a row are one; so are two sums. */
export const joinScalars: Rule = (node, editor) => {
  const outer = scalarOperation(node, editor);
  if (outer === undefined) return false;
  const inner = scalarOperation(editor.maker(outer.x), editor);
  if (inner === undefined || editor.onlyReader(outer.x) !== node) return false;
  if (isSum(node) !== isSum(inner.node)) return false;
  const [a, b] = [termOf(inner), termOf(outer)];
  if (!(isSum(node) ? maySum(a, b) : mayMultiply(a, b))) return false;
  const joined = Math.fround(isSum(node) ? a + b : a * b);
  const constant = editor.addInitializer(`${node.name}/scalar`, new Tensor("float32", [joined], []));
  editor.remove(inner.node);
  editor.replace(node, { ...node, op: isSum(node) ? "Add" : "Mul", inputs: [inner.x, constant] });
  return true;
};

function isSum({ op }: Node): boolean {
  return op === "Add" || op === "Sub";
}

/** The constant as one that is added or multiplied. */
function termOf({ node, s }: ScalarOperation): number {
  return node.op === "Div" ? 1 / s : node.op === "Sub" ? -s : s;
}

/** Constants of opposite signs may have been chosen to round x, as x + 3·2²² − 3·2²² does; and 3e38 + 3e38 is infinite, x − 3e38 − 3e38 is not always. */
function maySum(a: number, b: number): boolean {
  return a * b > 0 && Math.abs(a + b) < LARGEST;
}

/** (x·a)·b overflows where x·(a·b) does not when a grows and b shrinks; the other way round small x would lose digits. */
function mayMultiply(a: number, b: number): boolean {
  const [p, q] = [Math.abs(a), Math.abs(b)];
  const within = p > SMALLEST && q > SMALLEST && p < LARGEST && q < LARGEST && p * q > SMALLEST && p * q < LARGEST;
  return within && !(p > 1 && q < 1);
}

/** Far from where float32 overflows, or loses digits. */
const [SMALLEST, LARGEST] = [2 ** -64, 2 ** 64];

/** Whether x + c of the node is undone by the node before or after it, which is how a network rounds: nothing may be computed across it. */
export function isRounding(node: Node, editor: Editor): boolean {
  const own = scalarOperation(node, editor);
  if (own === undefined || !isSum(node)) return false;
  const neighbours = [editor.maker(own.x), ...editor.readers(node.outputs[0]!)];
  return neighbours.some((other) => {
    const operation = scalarOperation(other, editor);
    if (operation === undefined || !isSum(operation.node)) return false;
    const [a, b] = [termOf(own), termOf(operation)];
    return Math.abs(a + b) < Math.max(Math.abs(a), Math.abs(b)) / 16;
  });
}
