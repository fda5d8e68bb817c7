import { ConvStep, QuantizeStep } from "../core/abi/conv.ts";
import { Opcode } from "../core/abi/opcode.ts";
import { type Argument, convScratchBytes, pairsOf, type Step } from "../core/index.ts";
import { exactnessOfProduct } from "./kernel.ts";

/** A word that follows from other words of its step, which begins at `step` in a program: what the layout of a kernel makes of sizes. */
export type LayoutRule = (words: Int32Array, step: number) => number;

/** The step's words by position. */
type Read = (word: number) => number;

const padded = (count: number): number => 8 * Math.ceil(count / 8);
const pairBytes = (channels: number): number => 4 * pairsOf(channels);

const QUANTIZE: Readonly<Record<number, (read: Read) => number>> = {
  [QuantizeStep.groupStride]: (read) => pairBytes(read(QuantizeStep.channels)),
  [QuantizeStep.pixelStride]: (read) => read(QuantizeStep.groups) * pairBytes(read(QuantizeStep.channels)),
};

const pixelStride = (read: Read): number => read(ConvStep.groups) * pairBytes(read(ConvStep.channels));

const CONV_I16: Readonly<Record<number, (read: Read) => number>> = {
  [ConvStep.groupStride]: (read) => pairBytes(read(ConvStep.channels)),
  [ConvStep.pixelStride]: pixelStride,
  [ConvStep.batchStride]: (read) =>
    read(ConvStep.inDepth) * read(ConvStep.inHeight) * read(ConvStep.inWidth) * pixelStride(read),
  [ConvStep.weightsBatchStride]: (read) => padded(read(ConvStep.outChannels)) * pairBytes(read(ConvStep.channels)),
  [ConvStep.scalesBatchStride]: (read) => padded(read(ConvStep.outChannels)),
};

const CONV_F32: Readonly<Record<number, (read: Read) => number>> = {
  [ConvStep.weightsBatchStride]: (read) => padded(read(ConvStep.outChannels)) * 4 * read(ConvStep.channels),
};

/** The rule that gives word `j` of a step in all of these, its forms at several sizes, the largest first; undefined: none does. */
export function layoutRule(steps: readonly Step[], j: number): LayoutRule | undefined {
  const rule = candidates(steps[0]!.opcode, j)
    .map(
      (of): LayoutRule =>
        (words, step) =>
          of((word) => words[step + word]!),
    )
    .find((one) => steps.every(({ words }) => one(numbers(words), 0) === words[j]));
  if (rule === undefined || j !== ConvStep.scratchBytes || !isLinear(steps[0]!.opcode)) return rule;
  // A kernel goes slower with less scratch than it asks for; there is as much as the largest size has.
  const most = Number(steps[0]!.words[j]);
  return (words, step) => Math.min(most, rule(words, step));
}

/** Where the scratch of a linear step lies, which the largest size need not have most of; undefined: it has none. */
export function scratchBuffer({ opcode, words }: Step): number | undefined {
  const scratch = isLinear(opcode) ? words[ConvStep.scratch] : undefined;
  return typeof scratch === "object" ? scratch.buffer : undefined;
}

function candidates(opcode: Opcode, j: number): ((read: Read) => number)[] {
  if (opcode === Opcode.Quantize) return j in QUANTIZE ? [QUANTIZE[j]!] : [];
  if (!isLinear(opcode)) return [];
  if (j === ConvStep.scratchBytes) return [scratchBytes(opcode)];
  if (j === ConvStep.exactInInt32) return EXACT;
  const known = opcode === Opcode.ConvI16 ? CONV_I16 : CONV_F32;
  return j in known ? [known[j]!] : [];
}

function isLinear(opcode: Opcode): boolean {
  return [Opcode.ConvI16, Opcode.ConvF32, Opcode.DepthwiseI16, Opcode.DepthwiseF32].includes(opcode);
}

/** The proof of a product of two activations of 2…16 bits; which, the length of its blocks tells. */
const EXACT = Array.from({ length: 15 }, (_, i) => (read: Read): number => {
  const { exactInInt32, pairsPerBlock } = exactnessOfProduct(read(ConvStep.channels), i + 2);
  return pairsPerBlock === read(ConvStep.pairsPerBlock) ? Number(exactInInt32) : Number.NaN;
});

function scratchBytes(opcode: Opcode): (read: Read) => number {
  const depthwise = opcode === Opcode.DepthwiseI16 || opcode === Opcode.DepthwiseF32;
  const integer = opcode === Opcode.ConvI16 || opcode === Opcode.DepthwiseI16;
  return (read) => {
    const taps = read(ConvStep.kernelDepth) * read(ConvStep.kernelHeight) * read(ConvStep.kernelWidth);
    const pixels = read(ConvStep.outDepth) * read(ConvStep.outHeight) * read(ConvStep.outWidth);
    const [channels, groups] = [read(ConvStep.channels), read(ConvStep.groups)];
    const groupStride = read(ConvStep.groupStride);
    return convScratchBytes({ depthwise, integer, taps, channels, groups, groupStride, pixels });
  };
}

/** Words of a step that has no place yet: an address counts as 0, and no rule reads one. */
function numbers(words: readonly Argument[]): Int32Array {
  return Int32Array.from(words, (word) => (typeof word === "number" ? word : 0));
}
