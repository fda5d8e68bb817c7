import { ConvStep, QuantizeStep } from "../core/abi/conv.ts";
import { Opcode } from "../core/abi/opcode.ts";
import { type Argument, type CoreExports, KERNELS, type Kernel, type Step } from "../core/index.ts";
import { exactnessOfProduct } from "./kernel.ts";

/** A word that follows from other words of its step, which begins at `step` in a program: what the layout of a kernel makes of sizes. */
export type LayoutRule = (words: Int32Array, step: number) => number;

/** The step's words by position. */
type Read = (word: number) => number;

/** Words that the core's own answers (assembly/layout.ts) give, for a kernel. */
type Rules = Readonly<Record<number, (read: Read) => number>>;

/** What an integer kernel reads: a depthwise one takes the pixels of its activations for one run of channels. */
function quantizeRules({ groupStride, pixelStride }: CoreExports): readonly Rules[] {
  const { channels, groups } = QuantizeStep;
  return [
    {
      [QuantizeStep.groupStride]: (read) => groupStride(Opcode.ConvI16, read(channels)),
      [QuantizeStep.pixelStride]: (read) => pixelStride(Opcode.ConvI16, read(groups), read(channels)),
    },
    {
      [QuantizeStep.groupStride]: (read) => groupStride(Opcode.DepthwiseI16, read(channels)),
      [QuantizeStep.pixelStride]: (read) => pixelStride(Opcode.DepthwiseI16, read(channels), 1),
    },
  ];
}

function linearRules(exports: CoreExports, kernel: Kernel): Rules {
  const { channels, groups, outChannels } = ConvStep;
  const pixelStride = (read: Read): number => exports.pixelStride(kernel, read(groups), read(channels));
  const taps = (read: Read): number =>
    read(ConvStep.kernelDepth) * read(ConvStep.kernelHeight) * read(ConvStep.kernelWidth);
  const pixels = (read: Read): number => read(ConvStep.outDepth) * read(ConvStep.outHeight) * read(ConvStep.outWidth);
  return {
    [ConvStep.groupStride]: (read) => exports.groupStride(kernel, read(channels)),
    [ConvStep.pixelStride]: pixelStride,
    [ConvStep.batchStride]: (read) =>
      read(ConvStep.inDepth) * read(ConvStep.inHeight) * read(ConvStep.inWidth) * pixelStride(read),
    [ConvStep.weightsBatchStride]: (read) => exports.panelBytes(kernel, 1, read(outChannels), 1, read(channels)),
    [ConvStep.scalesBatchStride]: (read) => exports.paddedRows(kernel, read(outChannels)),
    [ConvStep.scratchBytes]: (read) =>
      exports.scratchBytes(kernel, read(groups), taps(read), read(channels), pixels(read)),
  };
}

/** The rule that gives word `j` of a step in all of these, its forms at several sizes, the largest first; undefined: none does. */
export function layoutRule(exports: CoreExports, steps: readonly Step[], j: number): LayoutRule | undefined {
  const rule = candidates(exports, steps[0]!.opcode, j)
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

function candidates(exports: CoreExports, opcode: Opcode, j: number): readonly ((read: Read) => number)[] {
  if (!isLinear(opcode))
    return opcode === Opcode.Quantize ? quantizeRules(exports).flatMap((rules) => rules[j] ?? []) : [];
  if (j === ConvStep.exactInInt32) return EXACT;
  return [linearRules(exports, opcode)[j] ?? []].flat();
}

function isLinear(opcode: Opcode): opcode is Kernel {
  return opcode in KERNELS;
}

/** The proof of a product of two activations of 2…16 bits; which, the length of its blocks tells. */
const EXACT = Array.from({ length: 15 }, (_, i) => (read: Read): number => {
  const { exactInInt32, pairsPerBlock } = exactnessOfProduct(read(ConvStep.channels), i + 2);
  return pairsPerBlock === read(ConvStep.pairsPerBlock) ? Number(exactInInt32) : Number.NaN;
});

/** Words of a step that has no place yet: an address counts as 0, and no rule reads one. */
function numbers(words: readonly Argument[]): Int32Array {
  return Int32Array.from(words, (word) => (typeof word === "number" ? word : 0));
}
