import { NarrowStep } from "../../core/abi/narrow.ts";
import { Opcode } from "../../core/abi/opcode.ts";
import { type Kernel, step } from "../../core/index.ts";
import type { Lowering, Operand } from "../lowering.ts";
import { type ActivationLayout, type QuantizedOperand, quantizeActivation } from "./activation.ts";

/** The quantized input of a layer in the type that its kernel reads: int16 as it is written, or int8 made of it. */
export function narrowedActivation(
  l: Lowering,
  x: Operand,
  kernel: Kernel,
  layout: ActivationLayout,
  bits: number,
): QuantizedOperand {
  if (kernel !== Opcode.ConvU7) return quantizeActivation(l, x, kernel, layout, bits);
  const q = quantizeActivation(l, x, Opcode.ConvI8, layout, bits);
  const { samples, rowsPerSample, groups, channels, border } = layout;
  const { exports } = l.constants.core;
  const inBytes = exports.groupStride(Opcode.ConvI8, channels);
  const outBytes = exports.groupStride(kernel, channels);
  const units = samples * (border ? border.outWidth * border.outHeight : rowsPerSample) * groups;
  const { buffer, offset } = q.at;
  return l.once(`narrow:${buffer}:${offset}`, () => {
    const output = l.allocate(units * outBytes);
    l.emit(step(Opcode.Narrow, NarrowStep, { input: q.at, output, units, inBytes, outBytes }), {
      kernel: "narrow_i16_i8",
      bytes: units * (inBytes + outBytes),
    });
    return { ...q, at: output };
  });
}
