import type { Call } from "./call.ts";
import { ANY, type Operator, sameRank } from "./operator.ts";

/** [N, C, H, W] and the number of pixels on a side of a block. */
function blocks(call: Call): { n: number; c: number; h: number; w: number; b: number } {
  const b = call.number("blocksize", 0);
  if (call.shape(0).length !== 4) throw call.fail("the input expected four dimensions");
  if (b < 1) throw call.fail(`"blocksize" expected integer ≥ 1, got ${b}`);
  const [n, c, h, w] = call.shape(0);
  return { n: n!, c: c!, h: h!, w: w!, b };
}

const common = { since: 1, inputs: "T", types: { T: ANY }, rank: sameRank, sizes: "polynomial", steps: true } as const;

/** Channels that become pixels, and the way back. */
export const depths = {
  "/DepthToSpace": {
    ...common,
    attributes: { blocksize: "int", mode: ["DCR", "CRD"] },
    shape: (call: Call) => {
      const { n, c, h, w, b } = blocks(call);
      if (c % (b * b) !== 0) throw call.fail(`"blocksize" = ${b} does not divide ${c} channels`);
      return [{ type: call.type(0), shape: [n, c / (b * b), h * b, w * b] }];
    },
  },
  "/SpaceToDepth": {
    ...common,
    attributes: { blocksize: "int", mode: ["DCR", "CRD"] },
    shape: (call: Call) => {
      const { n, c, h, w, b } = blocks(call);
      if (h % b !== 0 || w % b !== 0) throw call.fail(`"blocksize" = ${b} does not divide ${h} × ${w}`);
      return [{ type: call.type(0), shape: [n, c * b * b, h / b, w / b] }];
    },
  },
} as const satisfies Readonly<Record<string, Operator>>;
