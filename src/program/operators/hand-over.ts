import { Activation, ConvStep } from "../../core/abi/conv.ts";
import { Opcode } from "../../core/abi/opcode.ts";
import { type Argument, isFloatKernel, isKernel, type Ref, type Step } from "../../core/index.ts";
import { activationWidth } from "../../series/index.ts";
import type { LoweredStep, Lowering, Operand } from "../lowering.ts";

/** Bytes of f32 outputs that a thread has room for: half of a small second-level cache. */
const HELD_BYTES = 131072;

/**
 * The step that can write the integers of a value in place of the value: a convolution on integers whose outputs one other convolution reads, and nobody else. Undefined: there is none.
 *
 * @param pixelStride - bytes of a pixel of the integers
 */
export function makerOf(l: Lowering, x: Operand, pixelStride: number): number | undefined {
  const index = l.makers.get(x.name);
  const isRead = l.isReadOnce(x.name) && l.node.op === "Conv" && l.node.domain === "bitbasis";
  if (index === undefined || !isRead || l.panels.isElsewhere) return undefined;
  const word = (of: ConvStep): Argument => l.steps[index]!.step.words[of]!;
  const channels = Number(word(ConvStep.groups)) * Number(word(ConvStep.outChannels));
  // Pixels without gaps between them, so that all of a run is one loop.
  const isRun = pixelStride === 2 * channels && word(ConvStep.outPixelStride) === 4 * channels;
  const isClip = word(ConvStep.activation) === Activation.Clip && word(ConvStep.addend) === 0;
  return isRun && isClip && givesNumbers(l, l.steps[index]!) ? index : undefined;
}

/**
 * Whether finite inputs give nothing but numbers, which a Clip makes finite: an integer times a finite scale, plus a finite bias. The scale of an activation is below 2^128 under two bits and more,
 * and so is its product by one of at most 1.
 */
function givesNumbers(l: Lowering, { from }: LoweredStep): boolean {
  const [, weights = "", bias = ""] = from.inputs;
  const plan = l.planned.layers.get(from.name);
  const scales = l.planned.weights.get(weights)?.scales;
  const shift = bias === "" ? [] : (l.graph.constants.get(bias)?.data as Float32Array | undefined);
  if (plan === undefined || activationWidth(plan) < 2 || scales === undefined || shift === undefined) return false;
  return scales.every((scale) => scale <= 1) && shift.every((value) => Number.isFinite(value));
}

/** Puts a Quantize step behind the words of the step that makes its input, whose f32 outputs are gone then. */
export function handOver(l: Lowering, index: number, quantize: Step): void {
  const words = [...l.steps[index]!.step.words];
  const pixelBytes = Number(words[ConvStep.outPixelStride]);
  const pixels =
    Number(words[ConvStep.outDepth]) * Number(words[ConvStep.outHeight]) * Number(words[ConvStep.outWidth]);
  // Three more than there are: sizes of a range grow evenly, and a block is of whole tiles of four.
  const held = Math.min(Math.max(HELD_BYTES, 4 * pixelBytes), (pixels + 3) * pixelBytes);
  const output = l.allocate(held * l.threads, index);
  l.buffers[output.buffer]!.last = index;
  const unread = words[ConvStep.output] as Ref;
  words[ConvStep.output] = output;
  words[ConvStep.outBatchStride] = held;
  words[ConvStep.handsOver] = 1;
  l.replace(index, [...words, ...quantize.words], unread);
}

/** Notes that the last step makes a value. */
export function noteMaker(l: Lowering, y: Operand): void {
  const index = l.steps.length - 1;
  const made = l.steps[index];
  if (made?.from !== l.node || !isKernel(made.step.opcode) || isFloatKernel(made.step.opcode)) return;
  // Its tiles are of two lines.
  if (made.step.opcode === Opcode.WinogradI16) return;
  const at = made.step.words[ConvStep.output];
  if (typeof at === "object" && typeof y.at === "object" && at.buffer === y.at.buffer) l.makers.set(y.name, index);
}
