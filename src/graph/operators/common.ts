import { elementwiseOperators } from "./binary.ts";
import { casts } from "./cast.ts";
import { concats } from "./concat.ts";
import { convolutions } from "./conv.ts";
import { depths } from "./depth.ts";
import { expansions } from "./expand.ts";
import { gathers } from "./gather.ts";
import { products } from "./linear.ts";
import { normalizations } from "./normalization.ts";
import { pools } from "./pool.ts";
import { reductions } from "./reduce.ts";
import { reshapes } from "./reshape.ts";
import { shapes } from "./shape.ts";
import { slicing } from "./slice.ts";
import { transposes } from "./transpose.ts";
import { unary } from "./unary.ts";

/** Operators that most networks are made of, and whatever these become; none of them becomes one of another table. */
export const COMMON = {
  ...unary,
  ...elementwiseOperators,
  ...casts,
  ...reshapes,
  ...transposes,
  ...concats,
  ...slicing,
  ...expansions,
  ...gathers,
  ...shapes,
  ...reductions,
  ...products,
  ...convolutions,
  ...pools,
  ...normalizations,
  ...depths,
};
