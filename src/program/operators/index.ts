import type { Node } from "../../graph/graph.ts";
import type { Stepped } from "../../graph/operators/index.ts";
import type { Lower } from "../lowering.ts";
import { BINARY } from "./binary.ts";
import { BLOCKS } from "./blocks.ts";
import { lowerConv } from "./conv.ts";
import { lowerChannelsFirst, lowerConvTranspose } from "./conv-transpose.ts";
import { DETERMINANT } from "./determinant.ts";
import { FOLD } from "./fold.ts";
import { GATHER } from "./gather.ts";
import { INTEGER } from "./integer.ts";
import { lowerGemm, lowerMatMul } from "./matmul.ts";
import { MOVEMENT } from "./movement.ts";
import { NORMALIZE } from "./normalize.ts";
import { PAD } from "./pad.ts";
import { POOL } from "./pool.ts";
import { lowerPow } from "./pow.ts";
import { RECURRENT } from "./recurrent.ts";
import { REDUCE } from "./reduce.ts";
import { lowerReshape } from "./reshape.ts";
import { RESIZE } from "./resize.ts";
import { ROTARY } from "./rotary.ts";
import { SAMPLE } from "./sample.ts";
import { UNARY } from "./unary.ts";

/** Refuses a row that no record asks for, as a missing one is refused. */
function exactly<Rows extends Readonly<Record<Stepped, Lower>>>(
  rows: Rows & { readonly [Key in Exclude<keyof Rows, Stepped>]: never },
): Readonly<Record<Stepped, Lower>> {
  return rows;
}

/** The lowering of every operator whose record says that it runs as steps, by `domain/op`; one more or less does not compile. */
const LOWERINGS = exactly({
  "/Reshape": lowerReshape,
  "/Flatten": lowerReshape,
  "/Squeeze": lowerReshape,
  "/Unsqueeze": lowerReshape,
  "/Identity": lowerReshape,
  "/Gemm": lowerGemm,
  "/MatMul": lowerMatMul,
  "bitbasis/Conv": lowerConv,
  "bitbasis/ConvTranspose": lowerConvTranspose,
  "/ConvTranspose": lowerChannelsFirst,
  "bitbasis/MatMul": lowerMatMul,
  ...INTEGER,
  ...BLOCKS,
  ...UNARY,
  ...BINARY,
  "/Pow": lowerPow,
  ...MOVEMENT,
  ...PAD,
  ...GATHER,
  ...POOL,
  ...SAMPLE,
  ...FOLD,
  ...DETERMINANT,
  ...RESIZE,
  ...ROTARY,
  ...RECURRENT,
  ...REDUCE,
  ...NORMALIZE,
});

export function loweringOf({ domain, op }: Pick<Node, "domain" | "op">): Lower | undefined {
  const key = `${domain}/${op}`;
  return Object.hasOwn(LOWERINGS, key) ? LOWERINGS[key as Stepped] : undefined;
}
