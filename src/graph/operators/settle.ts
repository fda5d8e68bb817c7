import type { KnownValue, Node } from "../graph.ts";
import type { Call } from "./call.ts";

/** The node as Identity of its first input, when the shape that it makes is the one that came and `moves` does not say that elements change. */
export function settleUnmoved(moves: (call: Call, output: KnownValue) => boolean = () => false) {
  return (call: Call, [output]: readonly KnownValue[]): Node => {
    const { node } = call;
    const several = node.outputs.filter((name) => name !== "").length > 1;
    if (several || call.shape(0).join() !== output!.shape.join() || moves(call, output!)) return node;
    return { ...node, op: "Identity", domain: "", inputs: node.inputs.slice(0, 1), attributes: {} };
  };
}
