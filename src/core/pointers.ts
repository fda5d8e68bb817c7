import { ConvStep, PackRightStep, QuantizeStep } from "./abi/conv.ts";
import { BinaryStep, CanonicalizeStep, CastStep, UnaryStep, WhereStep } from "./abi/elementwise.ts";
import { CopyStep, FillStep, GatherElementsStep, GatherStep, SequenceStep } from "./abi/movement.ts";
import { Opcode } from "./abi/opcode.ts";
import { PoolStep, ResizeStep } from "./abi/pool.ts";
import { ProductStep } from "./abi/product.ts";
import { ArgStep, CumulateStep, LayerNormStep, ReduceStep, SoftmaxStep, TopKStep } from "./abi/reduce.ts";

/** Which words of a step are addresses: what it reads, and what it writes (and may read again once it has). */
export interface Pointers {
  readonly reads: readonly number[];
  readonly writes: readonly number[];
}

function pointers<Layout extends object>(
  layout: Layout,
  reads: readonly (keyof Layout & string)[],
  writes: readonly (keyof Layout & string)[],
): Pointers {
  const words = (names: readonly (keyof Layout & string)[]): number[] => names.map((name) => layout[name] as number);
  return { reads: words(reads), writes: words(writes) };
}

const CONV: Pointers = pointers(
  ConvStep,
  ["input", "weights", "bias", "scales", "columnSums", "parameters", "mask"],
  ["output", "scratch"],
);
const COMPARE = pointers(BinaryStep, ["a", "b"], ["output"]);

/** By opcode; a step of Gather or GatherElements that scatters writes `data` and reads `output`: see `pointersOf`. */
const POINTERS: { readonly [name in Exclude<keyof typeof Opcode, number>]: Pointers } = {
  Range: pointers(QuantizeStep, ["input"], ["partials"]),
  Quantize: pointers(QuantizeStep, ["input", "partials"], ["output", "parameters", "mask"]),
  PackRight: pointers(PackRightStep, ["input", "partials"], ["output", "scales", "columnSums"]),
  ConvI16: CONV,
  ConvF32: CONV,
  DepthwiseI16: CONV,
  DepthwiseF32: CONV,
  PackF32: pointers(PackRightStep, ["input"], ["output"]),
  Unary: pointers(UnaryStep, ["input"], ["output"]),
  Binary: COMPARE,
  Compare: COMPARE,
  Where: pointers(WhereStep, ["condition", "a", "b"], ["output"]),
  Cast: pointers(CastStep, ["input"], ["output"]),
  Pool: pointers(PoolStep, ["input"], ["output"]),
  Reduce: pointers(ReduceStep, ["input"], ["output"]),
  Softmax: pointers(SoftmaxStep, ["input"], ["output"]),
  LayerNorm: pointers(LayerNormStep, ["input", "scale", "bias"], ["output", "mean", "inverse"]),
  Copy: pointers(CopyStep, ["input"], ["output"]),
  Gather: pointers(GatherStep, ["data", "indices"], ["output"]),
  Fill: pointers(FillStep, [], ["output"]),
  Resize: pointers(ResizeStep, ["input", "rows", "columns"], ["output"]),
  Canonicalize: pointers(CanonicalizeStep, [], ["data"]),
  GatherElements: pointers(GatherElementsStep, ["data", "indices"], ["output"]),
  Sequence: pointers(SequenceStep, ["start", "delta"], ["output"]),
  Arg: pointers(ArgStep, ["input"], ["output"]),
  Cumulate: pointers(CumulateStep, ["input"], ["output"]),
  TopK: pointers(TopKStep, ["input"], ["values", "indices"]),
  Product: pointers(ProductStep, ["a", "b"], ["output"]),
};

const SCATTER: { readonly [opcode in Opcode]?: { readonly flag: number; readonly pointers: Pointers } } = {
  [Opcode.Gather]: { flag: GatherStep.scatter, pointers: pointers(GatherStep, ["output", "indices"], ["data"]) },
  [Opcode.GatherElements]: {
    flag: GatherElementsStep.scatter,
    pointers: pointers(GatherElementsStep, ["output", "indices"], ["data"]),
  },
};

/** Which words of this step are addresses; `words` may hold anything where a scatter does not ask. */
export function pointersOf(opcode: Opcode, words: readonly unknown[]): Pointers {
  const scatter = SCATTER[opcode];
  if (scatter !== undefined && words[scatter.flag] !== 0) return scatter.pointers;
  const found = POINTERS[Opcode[opcode] as keyof typeof POINTERS];
  if (found === undefined) throw new RangeError(`"opcode" expected one of the core's, got ${opcode}`);
  return found;
}
