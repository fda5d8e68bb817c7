import type { Call } from "./call.ts";
import type { Operator } from "./operator.ts";

export const determinants = {
  "/Det": {
    since: 11,
    inputs: "T",
    types: { T: ["float32"] },
    rank: (_, { rank }) => (rank(0) === undefined ? undefined : rank(0)! - 2),
    shape: (call: Call) => {
      const x = call.shape(0);
      if (x.length < 2 || x.at(-1) !== x.at(-2)) throw call.fail("the input expected square matrices");
      return [{ type: call.type(0), shape: x.slice(0, -2) }];
    },
    steps: true,
  },
} as const satisfies Readonly<Record<string, Operator>>;
