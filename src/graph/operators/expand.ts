import { broadcast, sizeOf, stridesOf } from "../../tensor/index.ts";
import type { Call } from "./call.ts";
import { allocate, broadcastStrides, copyStrided, dataOf, elementsOf } from "./elements.ts";
import { ANY, type Evaluate, largest, type Operator, sameRank } from "./operator.ts";
import { like } from "./reshape.ts";
import { settleUnmoved } from "./settle.ts";

const expand: Evaluate = (call, [output]) => {
  const strides = broadcastStrides(call.shape(0), output!.shape);
  return [copyStrided(call.constant(0)!.data, output!.type, output!.shape, strides)];
};

const tile: Evaluate = (call, [output]) => {
  const [own, from, to] = [stridesOf(call.shape(0)), call.shape(0), output!.shape];
  const data = elementsOf(call.constant(0)!.data);
  const result = allocate(output!.type, sizeOf(to));
  const strides = stridesOf(to);
  for (let at = 0; at < result.length; at++) {
    let offset = 0;
    for (let i = 0; i < to.length; i++) offset += ((Math.floor(at / strides[i]!) % to[i]!) % from[i]!) * own[i]!;
    result[at] = data[offset]!;
  }
  return [dataOf(result)];
};

const repeats = {
  inputs: "T int64",
  types: { T: ANY },
  settle: settleUnmoved(),
  elements: "moved",
  sizes: "polynomial",
  steps: true,
} as const;

/** Tensors repeated. */
export const expansions = {
  "/Expand": {
    ...repeats,
    since: 8,
    rank: (_, { rank, length }) => largest([rank(0), length(1)]),
    shape: (call: Call) => {
      const target = call.needed(1);
      const shape = target.some((d) => d < 0) ? undefined : broadcast(call.shape(0), target);
      if (shape === undefined) throw call.fail(`cannot expand to [${target}]`);
      return like(call, shape);
    },
    evaluate: expand,
  },
  "/Tile": {
    ...repeats,
    since: 6,
    rank: sameRank,
    shape: (call: Call) => {
      const counts = call.needed(1);
      const shape = call.shape(0);
      if (counts.length !== shape.length || counts.some((r) => r < 0))
        throw call.fail(`cannot repeat [${counts}] times`);
      return like(
        call,
        shape.map((d, i) => d * counts[i]!),
      );
    },
    evaluate: tile,
  },
} as const satisfies Readonly<Record<string, Operator>>;
