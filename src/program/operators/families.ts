import { alongAxis } from "../../graph/operators/along-axis.ts";
import { elementwiseOperators } from "../../graph/operators/binary.ts";
import { casts } from "../../graph/operators/cast.ts";
import { concats } from "../../graph/operators/concat.ts";
import { convolutions } from "../../graph/operators/conv.ts";
import { depths } from "../../graph/operators/depth.ts";
import { expansions } from "../../graph/operators/expand.ts";
import { gathers } from "../../graph/operators/gather.ts";
import { products as linear } from "../../graph/operators/linear.ts";
import { normalizations } from "../../graph/operators/normalization.ts";
import { pads } from "../../graph/operators/pad.ts";
import { pools } from "../../graph/operators/pool.ts";
import { reductions } from "../../graph/operators/reduce.ts";
import { reshapes } from "../../graph/operators/reshape.ts";
import { resizing } from "../../graph/operators/resize.ts";
import { scatters } from "../../graph/operators/scatter.ts";
import { shapes } from "../../graph/operators/shape.ts";
import { slicing } from "../../graph/operators/slice.ts";
import { transposes } from "../../graph/operators/transpose.ts";
import { unary } from "../../graph/operators/unary.ts";
import { ALONG_AXIS } from "./along-axis.ts";
import { BINARY } from "./binary.ts";
import type { Chunk } from "./chunk.ts";
import { lowerConv } from "./conv.ts";
import { GATHER } from "./gather.ts";
import { lowered } from "./index.ts";
import { lowerGemm, lowerMatMul } from "./matmul.ts";
import { MOVEMENT } from "./movement.ts";
import { NORMALIZE } from "./normalize.ts";
import { PAD } from "./pad.ts";
import { POOL } from "./pool.ts";
import { lowerPow } from "./pow.ts";
import { REDUCE } from "./reduce.ts";
import { lowerReshape } from "./reshape.ts";
import { RESIZE } from "./resize.ts";
import { SCATTER } from "./scatter.ts";
import { UNARY } from "./unary.ts";

const BASIC_RECORDS = {
  ...unary,
  ...elementwiseOperators,
  ...casts,
  ...reshapes,
  ...transposes,
  ...concats,
  ...slicing,
  ...expansions,
  ...shapes,
  ...depths,
};

/** Functions of elements, casts, and what moves or reshapes tensors: what every network has, and what all other families become. */
export const basics: Chunk = {
  records: BASIC_RECORDS,
  lowerings: lowered<typeof BASIC_RECORDS>()({
    "/Reshape": lowerReshape,
    "/Flatten": lowerReshape,
    "/Squeeze": lowerReshape,
    "/Unsqueeze": lowerReshape,
    "/Identity": lowerReshape,
    ...UNARY,
    ...BINARY,
    "/Pow": lowerPow,
    ...MOVEMENT,
  }),
};

/** Conv. */
export const convolution: Chunk = {
  records: convolutions,
  lowerings: lowered<typeof convolutions>()({ "bitbasis/Conv": lowerConv }),
};

/** MaxPool, AveragePool, LpPool, and the global ones. */
export const pooling: Chunk = { records: pools, lowerings: lowered<typeof pools>()(POOL) };

/** MatMul and Gemm. */
export const products: Chunk = {
  records: linear,
  lowerings: lowered<typeof linear>()({
    "/Gemm": lowerGemm,
    "/MatMul": lowerMatMul,
    "bitbasis/MatMul": lowerMatMul,
  }),
};

/** Softmax, and normalizations of batches, layers, groups and instances. */
export const normalization: Chunk = {
  records: normalizations,
  lowerings: lowered<typeof normalizations>()(NORMALIZE),
};

const REDUCTION_RECORDS = { ...reductions, ...alongAxis };

/** The reductions, ArgMax and ArgMin, TopK, running sums. */
export const reduction: Chunk = {
  records: REDUCTION_RECORDS,
  lowerings: lowered<typeof REDUCTION_RECORDS>()({ ...REDUCE, ...ALONG_AXIS }),
};

const GATHERING_RECORDS = { ...gathers, ...scatters };

/** Gather and Scatter in all their forms. */
export const gathering: Chunk = {
  records: GATHERING_RECORDS,
  lowerings: lowered<typeof GATHERING_RECORDS>()({ ...GATHER, ...SCATTER }),
};

/** Pad. */
export const padding: Chunk = { records: pads, lowerings: lowered<typeof pads>()(PAD) };

/** Resize and Upsample. */
export const resize: Chunk = { records: resizing, lowerings: lowered<typeof resizing>()(RESIZE) };
