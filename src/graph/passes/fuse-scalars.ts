import { Tensor } from "../../tensor/index.ts";
import type { Node } from "../graph.ts";
import { type Editor, key, type Rule } from "./editor.ts";

/** The data input and the scalar of x·s, x/s, x + s or x − s, when the constant does not raise the rank of x. */
function scalarOperation(node: Node | undefined, editor: Editor): { x: string; s: number } | undefined {
  if (node === undefined || !["Mul", "Div", "Add", "Sub"].includes(key(node))) return undefined;
  const second = editor.scalar(node.inputs[1]);
  const commutes = node.op === "Mul" || node.op === "Add";
  const at = second !== undefined ? 0 : 1;
  const s = second ?? (commutes ? editor.scalar(node.inputs[0]) : undefined);
  if (s === undefined || editor.constant(node.inputs[at]) !== undefined) return undefined;
  const own = editor.constant(node.inputs[1 - at])!.dims.length;
  if (own > 0 && own > (editor.rank(node.inputs[at]!) ?? 0)) return undefined;
  return { x: node.inputs[at]!, s };
}

/** x·1, x/1, x + 0 and x − 0 are x. */
export const dropNeutral: Rule = (node, editor) => {
  const operation = scalarOperation(node, editor);
  if (operation === undefined) return false;
  const neutral = node.op === "Mul" || node.op === "Div" ? 1 : 0;
  return operation.s === neutral && editor.bypass(node, operation.x);
};

/** Two products by constants in a row are one; so are two sums. */
export const joinScalars: Rule = (node, editor) => {
  const outer = scalarOperation(node, editor);
  if (outer === undefined) return false;
  const inner = editor.maker(outer.x);
  const before = scalarOperation(inner, editor);
  if (before === undefined || editor.onlyReader(outer.x) !== node) return false;
  const product = (op: string): boolean => op === "Mul" || op === "Div";
  if (product(node.op) !== product(inner!.op)) return false;
  const value = (op: string, s: number): number => (op === "Div" ? 1 / s : op === "Sub" ? -s : s);
  const [a, b] = [value(inner!.op, before.s), value(node.op, outer.s)];
  const joined = Math.fround(product(node.op) ? a * b : a + b);
  if (!Number.isFinite(joined) || (product(node.op) && joined === 0)) return false;
  const constant = editor.addInitializer(`${node.name}/scalar`, new Tensor("float32", [joined], []));
  editor.remove(inner!);
  editor.replace(node, { ...node, op: product(node.op) ? "Mul" : "Add", inputs: [before.x, constant] });
  return true;
};
