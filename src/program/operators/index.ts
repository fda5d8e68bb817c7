import type { Lower } from "../lowering.ts";
import { BINARY } from "./binary.ts";
import { lowerConv } from "./conv.ts";
import { lowerChannelsFirst, lowerConvTranspose } from "./conv-transpose.ts";
import { GATHER } from "./gather.ts";
import { lowerGemm, lowerMatMul } from "./matmul.ts";
import { MOVEMENT } from "./movement.ts";
import { NORMALIZE } from "./normalize.ts";
import { POOL } from "./pool.ts";
import { REDUCE } from "./reduce.ts";
import { lowerReshape } from "./reshape.ts";
import { RESIZE } from "./resize.ts";
import { UNARY } from "./unary.ts";

/** Operators that run, by `domain/op` (ONNX's own domain is empty: `/Relu`). */
export const OPERATORS: Readonly<Record<string, Lower>> = {
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
  ...UNARY,
  ...BINARY,
  ...MOVEMENT,
  ...GATHER,
  ...POOL,
  ...RESIZE,
  ...REDUCE,
  ...NORMALIZE,
};
