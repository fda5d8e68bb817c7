import { BlockProductStep, QuantizeBlocksStep } from "./abi/blocks.ts";
import { BytesStep, PackBytesStep, PackWeightsStep } from "./abi/bytes.ts";
import { ConvStep, KeptStep, PackRightStep, QuantizeStep } from "./abi/conv.ts";
import { StackDigitsStep } from "./abi/digits.ts";
import { BinaryStep, CanonicalizeStep, CastStep, UnaryStep, WhereStep } from "./abi/elementwise.ts";
import { CopyStep, FillStep, GatherElementsStep, GatherStep, SequenceStep, TriluStep } from "./abi/movement.ts";
import { NarrowStep } from "./abi/narrow.ts";
import { Opcode } from "./abi/opcode.ts";
import { MaxPoolStep, PoolStep, ResizeStep } from "./abi/pool.ts";
import { ProductStep } from "./abi/product.ts";
import { RecurrentStep } from "./abi/recurrent.ts";
import { ArgStep, CumulateStep, LayerNormStep, ReduceStep, SoftmaxStep, TopKStep } from "./abi/reduce.ts";
import { RotateStep } from "./abi/rotary.ts";
import {
  DeformColumnsStep,
  DeterminantStep,
  FoldStep,
  GridSampleStep,
  MaxRoiPoolStep,
  RoiAlignStep,
} from "./abi/spatial.ts";
import type { Step } from "./steps.ts";

/** What the words of a step are, beside plain numbers. */
export interface Words {
  /** Addresses that it reads. */
  readonly reads: readonly number[];
  /** Addresses that it writes, and may read again once it has. */
  readonly writes: readonly number[];
  /** Windows that move over an axis. */
  readonly windows: readonly Window[];
}

/** Positions of the words about one axis of a window. */
interface Window {
  readonly out: number;
  readonly kernel: number;
  readonly stride: number;
  readonly dilation: number;
  readonly pad: number;
}

/** The words by name; a layout that moves a window names them all alike: outHeight, kernelHeight, strideHeight, dilationHeight, padTop. */
function words<Layout extends object>(
  layout: Layout,
  reads: readonly (keyof Layout & string)[],
  writes: readonly (keyof Layout & string)[],
): Words {
  const named = layout as Readonly<Record<string, number | undefined>>;
  const positions = (names: readonly string[]): number[] => names.map((name) => named[name]!);
  const windows = [
    ["Depth", "padFront"],
    ["Height", "padTop"],
    ["Width", "padLeft"],
  ].flatMap(([axis, before]) => {
    const [out, kernel, stride] = [named[`out${axis}`], named[`kernel${axis}`], named[`stride${axis}`]];
    const [dilation, pad] = [named[`dilation${axis}`], named[before!]];
    const all = { out, kernel, stride, dilation, pad };
    return Object.values(all).includes(undefined) ? [] : [all as Window];
  });
  return { reads: positions(reads), writes: positions(writes), windows };
}

const CONV = words(
  ConvStep,
  ["input", "weights", "bias", "scales", "columnSums", "parameters", "mask", "turns", "addend"],
  ["output", "scratch"],
);
/** A Quantize step may be behind the words of a linear one. */
function linear(step: readonly unknown[]): Words {
  if (step[ConvStep.handsOver] !== 1) return CONV;
  const behind = (positions: readonly number[]): number[] => positions.map((word) => ConvStep.length + word);
  return {
    reads: CONV.reads,
    writes: [...CONV.writes, ...behind([QuantizeStep.output, QuantizeStep.parameters, QuantizeStep.mask])],
    windows: CONV.windows,
  };
}
const BYTES = words(BytesStep, ["input", "scales", "zeros"], ["output"]);
const COMPARE = words(BinaryStep, ["a", "b"], ["output"]);

/** The other way round: `data` is written, `output` are the updates. */
const SCATTER = words(GatherStep, ["output", "indices"], ["data"]);
const SCATTER_ELEMENTS = words(GatherElementsStep, ["output", "indices"], ["data"]);
const GATHER = words(GatherStep, ["data", "indices"], ["output"]);
const GATHER_ELEMENTS = words(GatherElementsStep, ["data", "indices"], ["output"]);

const RECURRENT = words(
  RecurrentStep,
  ["input", "extra", "lengths"],
  ["output", "state", "cell", "gates", "reset", "candidate", "copies"],
);
/** A row of a state finds its own range. */
const QUANTIZE = words(QuantizeStep, ["input"], ["output", "parameters", "mask"]);

/** A Recurrent step holds the steps of its products behind its own words. */
function recurrent(step: readonly unknown[]): Words {
  const all = { reads: [...RECURRENT.reads], writes: [...RECURRENT.writes], windows: [] };
  const quantize = [{ inner: QUANTIZE, length: QuantizeStep.length }];
  const product = [...(step[RecurrentStep.quantized] === 1 ? quantize : []), { inner: CONV, length: ConvStep.length }];
  let at: number = RecurrentStep.length;
  for (let i = 0; i < Number(step[RecurrentStep.products]); i++) {
    for (const { inner, length } of product) {
      all.reads.push(...inner.reads.map((word) => at + word));
      all.writes.push(...inner.writes.map((word) => at + word));
      at += length;
    }
  }
  return all;
}

/** By opcode; a function where the words of a step decide what they are. */
const WORDS: { readonly [name in keyof typeof Opcode]: Words | ((step: readonly unknown[]) => Words) } = {
  Range: words(QuantizeStep, ["input"], ["partials"]),
  Quantize: words(QuantizeStep, ["input", "partials"], ["output", "parameters", "mask"]),
  PackRight: words(PackRightStep, ["input", "partials"], ["output", "scales", "columnSums"]),
  PackKept: words(KeptStep, ["input"], ["output", "scales", "columnSums", "record"]),
  ConvI16: linear,
  ConvI8: linear,
  ConvI4: linear,
  ConvU7: linear,
  WinogradI16: linear,
  Narrow: words(NarrowStep, ["input"], ["output"]),
  ConvF32: CONV,
  WinogradF32: CONV,
  DepthwiseI16: linear,
  DepthwiseF32: CONV,
  PackF32: words(PackRightStep, ["input"], ["output"]),
  Unary: words(UnaryStep, ["input"], ["output"]),
  Binary: COMPARE,
  Compare: COMPARE,
  Where: words(WhereStep, ["condition", "a", "b"], ["output"]),
  Cast: words(CastStep, ["input"], ["output"]),
  Pool: words(PoolStep, ["input"], ["output"]),
  Reduce: words(ReduceStep, ["input"], ["output"]),
  Softmax: words(SoftmaxStep, ["input"], ["output"]),
  LayerNorm: words(LayerNormStep, ["input", "scale", "bias"], ["output", "mean", "inverse"]),
  Copy: words(CopyStep, ["input"], ["output"]),
  Gather: (step) => (step[GatherStep.scatter] === 0 ? GATHER : SCATTER),
  Fill: words(FillStep, [], ["output"]),
  Resize: words(ResizeStep, ["input", "rows", "columns"], ["output"]),
  Canonicalize: words(CanonicalizeStep, [], ["data"]),
  GatherElements: (step) => (step[GatherElementsStep.scatter] === 0 ? GATHER_ELEMENTS : SCATTER_ELEMENTS),
  Sequence: words(SequenceStep, ["start", "delta"], ["output"]),
  Arg: words(ArgStep, ["input"], ["output"]),
  Cumulate: words(CumulateStep, ["input"], ["output"]),
  TopK: words(TopKStep, ["input"], ["values", "indices"]),
  Product: words(ProductStep, ["a", "b"], ["output"]),
  Recurrent: recurrent,
  MaxPool: words(MaxPoolStep, ["input"], ["output", "indices"]),
  GridSample: words(GridSampleStep, ["input", "grid"], ["output", "scratch"]),
  RoiAlign: words(RoiAlignStep, ["input", "regions", "batchIndices"], ["output"]),
  MaxRoiPool: words(MaxRoiPoolStep, ["input", "regions"], ["output"]),
  DeformColumns: words(DeformColumnsStep, ["input", "offsets", "mask"], ["output", "scratch"]),
  Fold: words(FoldStep, ["input"], ["output"]),
  StackDigits: words(StackDigitsStep, ["input", "parameters"], ["output"]),
  QuantizeBytes: BYTES,
  DequantizeBytes: BYTES,
  PackBytes: words(PackBytesStep, ["input", "zeros", "scale"], ["output", "parameters"]),
  PackWeights: words(PackWeightsStep, ["input", "zeros"], ["output", "columnSums", "scales"]),
  QuantizeBlocks: words(QuantizeBlocksStep, ["input"], ["output"]),
  BlockProduct: words(BlockProductStep, ["input", "weights", "scales", "zeros", "bias"], ["output", "scratch"]),
  Trilu: words(TriluStep, ["input"], ["output"]),
  Rotate: words(RotateStep, ["input", "cosines", "sines"], ["output"]),
  Determinant: words(DeterminantStep, ["input"], ["output", "scratch"]),
};

/** What the words of this step are. */
export function wordsOf(opcode: Opcode, step: readonly unknown[]): Words {
  const found = WORDS[Opcode[opcode] as keyof typeof Opcode];
  if (found === undefined) throw new RangeError(`"opcode" expected one of the core's, got ${opcode}`);
  return typeof found === "function" ? found(step) : found;
}

/** The core counts in int32; half of that leaves room for the sum of two. */
const LARGEST = 2 ** 30;

/** Why the core could not count with the words of a step, or undefined: numbers are int32, addresses uint32, and windows end well inside of int32. */
export function uncountable({ opcode, words: step }: Step): string | undefined {
  const { reads, writes, windows } = wordsOf(opcode, step);
  for (let i = 0; i < step.length; i++) {
    const word = step[i]!;
    // Most words are: the lowering asks this of some thousand steps.
    if (typeof word !== "number" || word === (word | 0)) continue;
    const end = reads.includes(i) || writes.includes(i) ? 2 ** 32 : 2 ** 31;
    if (!Number.isInteger(word)) return `a number of its step expected an integer, got ${word}`;
    if (word < -(2 ** 31) || word >= end) return `its step needs the number ${word}, and the core counts in int32`;
  }
  const at = (position: number): number => Number(step[position]);
  for (const { out, kernel, stride, dilation, pad } of windows) {
    const reach = Math.max(0, at(out) - 1) * at(stride) + Math.max(0, at(kernel) - 1) * at(dilation);
    const largest = Math.max(reach, at(stride), at(dilation), Math.abs(at(pad)));
    if (largest > LARGEST)
      return `its window reaches over ${largest} elements, more than the ${LARGEST} that the core counts`;
  }
  return undefined;
}
