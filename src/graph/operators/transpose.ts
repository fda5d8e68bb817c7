import { stridesOf } from "../../tensor/index.ts";
import type { KnownValue, Node } from "../graph.ts";
import { isIdentity, lastAxis } from "../passes/layout.ts";
import { normalizedAxes } from "./axes.ts";
import type { Call } from "./call.ts";
import { copyStrided } from "./elements.ts";
import type { LayoutRule } from "./layout-rules.ts";
import { ANY, type Evaluate, type Operator, sameRank } from "./operator.ts";
import { like } from "./reshape.ts";

/** The permutation of a Transpose, the reversal by default. */
export function permutation(call: Call): readonly number[] {
  const rank = call.shape(0).length;
  const perm = call.list("perm") ?? Array.from({ length: rank }, (_, i) => rank - 1 - i);
  const sorted = normalizedAxes(perm, rank);
  if (perm.length !== rank || sorted === undefined || perm.some((axis) => axis < 0))
    throw call.fail(`perm [${perm}] does not fit`);
  return perm;
}

const evaluate: Evaluate = (call, [output]) => {
  const strides = stridesOf(call.shape(0));
  const moved = permutation(call).map((axis) => strides[axis]!);
  return [copyStrided(call.constant(0)!.data, output!.type, output!.shape, moved)];
};

/** A Transpose of a value that is channels-last: the permutations are composed. */
const layout: LayoutRule = (node, at) => {
  const x = node.inputs[0]!;
  const rank = at.rank(x);
  const perm = node.attributes["perm"] as readonly number[] | undefined;
  if (rank === undefined || perm?.length !== rank || !at.hasLast(x)) return false;
  const composed = perm.map((axis) => lastAxis(axis, rank));
  const inputs = [at.toLast(x, rank)];
  if (isIdentity(composed)) at.emit({ ...node, op: "Identity", inputs, attributes: {} });
  else at.emit({ ...node, inputs, attributes: { perm: composed } });
  return true;
};

/** One that keeps the order of elements is a Reshape, whose shape input is left out: the shape of its output is known. */
function settle(call: Call, _: readonly KnownValue[]): Node {
  const moved = permutation(call).filter((axis) => call.shape(0)[axis] !== 1);
  const ordered = moved.every((axis, i) => i === 0 || moved[i - 1]! < axis);
  return ordered ? { ...call.node, op: "Reshape", attributes: {} } : call.node;
}

export const transposes = {
  "/Transpose": {
    since: 1,
    inputs: "T",
    types: { T: ANY },
    attributes: { perm: "ints" },
    rank: sameRank,
    shape: (call: Call) =>
      like(
        call,
        permutation(call).map((axis) => call.shape(0)[axis]!),
      ),
    evaluate,
    layout,
    settle,
    elements: "moved",
    sizes: "polynomial",
    steps: true,
  },
} as const satisfies Readonly<Record<string, Operator>>;
