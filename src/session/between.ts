// What runs between programs. A chunk of its own: networks without control flow and sequences never fetch it.
import { bodiesError } from "../graph/index.ts";
import { CONTROL, type RunControl } from "./control.ts";
import type { ControlNode } from "./control-node.ts";
import { LISTS } from "./lists.ts";
import { SCAN } from "./scan.ts";
import type { Value } from "./values.ts";

const BETWEEN: Readonly<Record<string, RunControl>> = { ...CONTROL, ...SCAN, ...LISTS };

/** What a tensor of a sequence counts each time that the sequence is made: some 20 ns. */
const ELEMENT_WORK = 2 ** 7;

/** The outputs of a node that is neither steps nor an evaluator. */
export async function runBetween(control: ControlNode): Promise<readonly Value[]> {
  const { node, opset } = control;
  const wrong = bodiesError(node, opset);
  if (wrong !== undefined) throw control.fail(wrong);
  const run = node.domain === "" ? BETWEEN[node.op] : undefined;
  if (run === undefined) throw control.fail("a sequence, or an optional that holds nothing, is no tensor");
  const made = await run(control);
  // A sequence is made anew with each tensor that a loop puts into it.
  for (const value of made) if (Array.isArray(value)) control.work(value.length * ELEMENT_WORK);
  return made;
}
