import { COMMON as RECORDS } from "../../graph/operators/common.ts";
import { BINARY } from "./binary.ts";
import type { Chunk } from "./chunk.ts";
import { lowerConv } from "./conv.ts";
import { GATHER } from "./gather.ts";
import { lowered } from "./index.ts";
import { lowerGemm, lowerMatMul } from "./matmul.ts";
import { MOVEMENT } from "./movement.ts";
import { NORMALIZE } from "./normalize.ts";
import { POOL } from "./pool.ts";
import { lowerPow } from "./pow.ts";
import { REDUCE } from "./reduce.ts";
import { lowerReshape } from "./reshape.ts";
import { UNARY } from "./unary.ts";

/** Operators that most networks are made of. */
export const COMMON: Chunk = {
  records: RECORDS,
  lowerings: lowered<typeof RECORDS>()({
    "/Reshape": lowerReshape,
    "/Flatten": lowerReshape,
    "/Squeeze": lowerReshape,
    "/Unsqueeze": lowerReshape,
    "/Identity": lowerReshape,
    "/Gemm": lowerGemm,
    "/MatMul": lowerMatMul,
    "bitbasis/Conv": lowerConv,
    "bitbasis/MatMul": lowerMatMul,
    ...UNARY,
    ...BINARY,
    "/Pow": lowerPow,
    ...MOVEMENT,
    ...GATHER,
    ...POOL,
    ...REDUCE,
    ...NORMALIZE,
  }),
};
