import type { Node } from "../../graph.ts";
import { toFirst, toLast } from "../../passes/layout.ts";
import type { Call } from "../call.ts";
import type { Maker } from "../maker.ts";
import type { Operator } from "../operator.ts";

/** Makes the result of a node from its inputs, of which the first is channels-second. */
export type Body = (make: Maker, inputs: readonly string[], node: Node) => string;

/** An operator whose first input and result are channels-last, always or where an attribute says so; known once the rank is. */
export function lastOr(body: Body, always = false): Pick<Operator, "becomes" | "expands"> {
  const made = (node: Node, make: Maker, rank: number | undefined): readonly Node[] | undefined => {
    if (!always && node.attributes["channels_last"] !== 1) return make.end("Identity", [body(make, node.inputs, node)]);
    if (rank === undefined) return undefined;
    if (rank < 3) throw make.fail(`the input expected at least three dimensions, got ${rank}`, "MODEL");
    const [x = "", ...others] = node.inputs;
    const first = make.op("Transpose", [x], { perm: toFirst(rank) });
    return make.end("Transpose", [body(make, [first, ...others], node)], { perm: toLast(rank) });
  };
  return {
    becomes: (node, make) => made(node, make, make.rank(node.inputs[0])),
    expands: (call: Call, make) => made(call.node, make, call.shape(0).length),
  };
}
