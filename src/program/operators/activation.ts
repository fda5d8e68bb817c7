import { ActivationParameters, QuantizeStep } from "../../core/abi/conv.ts";
import { Opcode } from "../../core/abi/opcode.ts";
import { type Argument, f32Bits, type Kernel, type Ref, step } from "../../core/index.ts";
import type { Lowering, Operand } from "../lowering.ts";
import { isStatic } from "../static-range.ts";
import { handOver, makerOf } from "./hand-over.ts";

/** Activations as int16 with their parameters. */
export interface QuantizedOperand {
  readonly at: Ref;
  readonly parameters: Ref;
  readonly mask: Argument;
}

/** How a layer reads its quantized input. */
export interface ActivationLayout {
  /** Pieces with a scale of their own: samples of a convolution, rows of a matrix. */
  readonly samples: number;
  readonly rowsPerSample: number;
  readonly groups: number;
  /** Per group. */
  readonly channels: number;
  /** Outputs of a sample do not all see all of it, so that a mask must tell which of them see a value that is not finite; else a sample is one row. */
  readonly masked: boolean;
  readonly border?: Border;
}

/** The words of a Quantize step that surround the pixels of a sample by zero points. */
export type Border = Readonly<Record<"lineWidth" | "outWidth" | "outHeight" | "padTop" | "padLeft", number>>;

const NO_BORDER: Border = { lineWidth: 0, outWidth: 0, outHeight: 0, padTop: 0, padLeft: 0 };

/** Emits range and quantize, in one step where a sample is a row; a value that several layers read in one layout is quantized once. */
export function quantizeActivation(
  l: Lowering,
  x: Operand,
  kernel: Kernel,
  layout: ActivationLayout,
  bits: number,
): QuantizedOperand {
  const { samples, rowsPerSample, masked, border } = layout;
  const { exports } = l.constants.core;
  const words = border ?? NO_BORDER;
  const pixels = border === undefined ? rowsPerSample : border.outWidth * border.outHeight;
  const pixelStride = exports.pixelStride(kernel, layout.groups, layout.channels);
  // The pixels of a depthwise layer are one run of channels, whatever its groups.
  const depthwise = kernel === Opcode.DepthwiseI16;
  const [channels, groups] = depthwise ? [layout.groups, 1] : [layout.channels, layout.groups];
  const groupStride = exports.groupStride(kernel, channels);
  const maskChannels = layout.channels;
  const kind = [bits, samples, pixelStride, groupStride, maskChannels, masked, ...Object.values(words)].join(":");
  return l.once(`quantize:${x.name}:${kind}`, () => {
    const range = masked && isStatic(bits) ? l.staticRange(x.name) : undefined;
    const maker = range === undefined ? undefined : makerOf(l, x, pixelStride);
    const partials =
      masked && maker === undefined
        ? l.once(`range:${x.name}:${samples}`, () => {
            const ranges = l.allocate(l.threads * samples * ActivationParameters.bytes);
            emitRange(l, x, { partials: ranges, samples, rowsPerSample, channels, groups, bits });
            return ranges;
          })
        : 0;
    const parameters = l.allocate(samples * ActivationParameters.bytes, maker);
    const at = l.allocate(samples * pixels * pixelStride, maker);
    const mask = masked ? l.allocate((samples * pixels * groups * channels) / maskChannels, maker) : 0;
    const quantize = step(Opcode.Quantize, QuantizeStep, {
      ...{ input: maker === undefined ? x.at : 0, output: at, partials, parameters, samples, rowsPerSample },
      ...{ channels, groups, pixelStride, groupStride, bits, mask, maskChannels, slots: l.threads },
      ...{ low: f32Bits(range?.low ?? 0), high: f32Bits(range?.high ?? 0) },
      ...words,
    });
    if (maker === undefined) {
      l.emit(quantize, { kernel: "quantize_f32_i16", bytes: 6 * samples * rowsPerSample * groups * channels });
    } else handOver(l, maker, quantize);
    return { at, parameters, mask };
  });
}

/** Emits the range pass over `samples` samples of `rowsPerSample` rows. */
export function emitRange(
  l: Lowering,
  x: Operand,
  v: { partials: Argument; samples: number; rowsPerSample: number; channels: number; groups: number; bits: number },
): void {
  const { partials, samples, rowsPerSample, channels, groups, bits } = v;
  l.emit(
    step(Opcode.Range, QuantizeStep, {
      ...{ input: x.at, output: 0, partials, parameters: 0, samples, rowsPerSample, channels, groups },
      ...{
        pixelStride: 0,
        groupStride: 0,
        bits,
        mask: 0,
        maskChannels: 1,
        slots: l.threads,
        low: 0,
        high: 0,
        ...NO_BORDER,
      },
    }),
    { kernel: "range_f32", bytes: 4 * samples * rowsPerSample * channels * groups },
  );
}
