import { bytesIn, sizeOf, type Tensor } from "../tensor/index.ts";
import { nodeError } from "./errors.ts";
import type { Node } from "./graph.ts";
import { Call } from "./operators/call.ts";
import { outputsOf } from "./operators/contract.ts";
import { evaluate } from "./operators/evaluate.ts";
import { operatorOf } from "./operators/index.ts";

/** Whether a session runs the node between programs. */
export function runsBetween(node: Node): boolean {
  return operatorOf(node)?.between === true;
}

/** Whether a node is evaluated in TypeScript: it has no steps, or there are strings in it, which live in JavaScript. */
export function runsOnHost(node: Node, call: Call): boolean {
  const operator = operatorOf(node);
  if (operator?.evaluate === undefined || operator.evaluatesShapes || operator.expands !== undefined) return false;
  if (operator.steps === undefined) return true;
  for (let i = 0; i < call.count; i++) if (call.has(i) && call.type(i) === "string") return true;
  return false;
}

/**
 * The outputs of a node whose inputs are all there, computed in TypeScript.
 *
 * @param inputs - by position; undefined for an absent one
 * @param turn - is waited for after every piece of work
 * @param hold - hears of the bytes that are about to be taken, and throws where they are too many
 * @throws BitbasisError UNSUPPORTED for an operator that has no evaluator for these types
 */
export async function evaluateNode(
  node: Node,
  opsets: Readonly<Record<string, number>>,
  inputs: readonly (Tensor | undefined)[],
  turn: () => Promise<void>,
  hold: (bytes: number) => void,
): Promise<readonly Tensor[]> {
  const known = inputs.map((tensor) => tensor && { type: tensor.type, shape: tensor.dims });
  const call = new Call(node, opsets, known, inputs, hold);
  const operator = operatorOf(node);
  for (const _ of operator?.work?.(call) ?? []) await turn();
  const outputs = operator && outputsOf(call, operator);
  // What works in pieces has held its results already.
  if (operator?.work === undefined) for (const { type, shape } of outputs ?? []) hold(bytesIn(type, sizeOf(shape)));
  const made = operator && evaluate(call, operator, outputs!, Number.POSITIVE_INFINITY);
  if (made === undefined) {
    const types = known.map((value) => value?.type ?? "–").join(", ");
    throw nodeError(node, opsets, `this operator is not supported for ${types}`);
  }
  return made;
}
