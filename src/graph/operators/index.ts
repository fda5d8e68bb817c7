import type { Node } from "../graph.ts";
import { attention } from "./attention.ts";
import { elementwiseOperators } from "./binary.ts";
import { blockProducts } from "./blocks.ts";
import { casts } from "./cast.ts";
import { composites } from "./composite.ts";
import { concats } from "./concat.ts";
import { controls } from "./control.ts";
import { convolutions } from "./conv.ts";
import { depths } from "./depth.ts";
import { determinants } from "./determinant.ts";
import { einsum } from "./einsum.ts";
import { expansions } from "./expand.ts";
import { folds } from "./fold.ts";
import { gathers } from "./gather.ts";
import { integerProducts } from "./integer.ts";
import { products } from "./linear.ts";
import { normalizations } from "./normalization.ts";
import type { Operator } from "./operator.ts";
import { pads } from "./pad.ts";
import { places } from "./places.ts";
import { pools } from "./pool.ts";
import { quantized } from "./quantized.ts";
import { recurrent } from "./recurrent.ts";
import { reductions } from "./reduce.ts";
import { reshapes } from "./reshape.ts";
import { resizing } from "./resize.ts";
import { samples } from "./sample.ts";
import { selections } from "./selection.ts";
import { shapes } from "./shape.ts";
import { slicing } from "./slice.ts";
import { transposes } from "./transpose.ts";
import { unary } from "./unary.ts";

/** Every operator that is known, by `domain/op`; ONNX's own domain is empty: `/Relu`. */
const RECORDS = {
  ...unary,
  ...elementwiseOperators,
  ...casts,
  ...reshapes,
  ...transposes,
  ...concats,
  ...slicing,
  ...pads,
  ...expansions,
  ...gathers,
  ...shapes,
  ...recurrent,
  ...reductions,
  ...products,
  ...convolutions,
  ...pools,
  ...resizing,
  ...samples,
  ...folds,
  ...determinants,
  ...normalizations,
  ...depths,
  ...quantized,
  ...integerProducts,
  ...blockProducts,
  ...attention,
  ...composites,
  ...einsum,
  ...places,
  ...controls,
  ...selections,
};

export const OPERATORS: Readonly<Record<string, Operator>> = RECORDS;

type Records = typeof RECORDS;

/** The operators that run as steps: each has a lowering in src/program/operators, or the project does not compile. */
export type Stepped = {
  [Key in keyof Records]: Records[Key] extends { readonly steps: true } ? Key : never;
}[keyof Records];

/** Records by domain and name: a key that is put together at every look-up took 3 % of lowering a decoder. */
const byDomain = new Map<string, Map<string, Operator>>();
addOperators(OPERATORS);

/** Adds the records of a chunk that has been imported; see chunks.ts. Like every module they stay, and mean the same to all. */
export function addOperators(records: Readonly<Record<string, Operator>>): void {
  for (const [key, record] of Object.entries(records)) {
    const [domain, op] = key.split("/") as [string, string];
    let names = byDomain.get(domain);
    if (names === undefined) {
      names = new Map();
      byDomain.set(domain, names);
    }
    if (!names.has(op)) names.set(op, record);
  }
}

/** The record of a node's operator. */
export function operatorOf({ domain, op }: Pick<Node, "domain" | "op">): Operator | undefined {
  return byDomain.get(domain)?.get(op);
}
