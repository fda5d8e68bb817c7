import { ActivationParameters, ConvStep } from "../core/abi/conv.ts";
import { Opcode } from "../core/abi/opcode.ts";
import { type Core, isFloatKernel, KERNELS, type Kernel, layerOf, now, type Step, step } from "../core/index.ts";
import { NO_ACTIVATION } from "../program/operators/linear.ts";

/** What every kernel takes for one shape of a linear layer. */
export interface KernelTimes {
  /** Output rows of all samples × products of one sum × output channels of a group, and groups where there are more than one. */
  readonly rows: number;
  readonly depth: number;
  readonly columns: number;
  readonly groups: number;
  /** Positions of the kernel, 1 for a matrix product. */
  readonly taps: number;
  /** Layers of the network that have this shape and kernel. */
  readonly count: number;
  /** The one that runs. */
  readonly chosen: string;
  /** Least time of one run by kernel, milliseconds. */
  readonly milliseconds: Readonly<Record<string, number>>;
}

/** Each kernel runs so often and so long at least. */
const LEAST_RUNS = 5;
const LEAST_MILLISECONDS = 20;
/** Names of the words that make two steps one shape. */
const GEOMETRY = [
  ...["batch", "inDepth", "inHeight", "inWidth", "outDepth", "outHeight", "outWidth"],
  ...["kernelDepth", "kernelHeight", "kernelWidth", "strideDepth", "strideHeight", "strideWidth"],
  ...["dilationDepth", "dilationHeight", "dilationWidth", "padFront", "padTop", "padLeft"],
  ...["groups", "channels", "outChannels", "rowsPerParameter"],
] as const satisfies readonly (keyof typeof ConvStep)[];

type Geometry = Record<(typeof GEOMETRY)[number], number>;

/**
 * Times all kernels of a build on the shapes of linear steps, in turns, on operands of no meaning. Sums fit int32, but those of a step whose sums do not: it keeps
 * its weights and their turns.
 *
 * @param steps - the words of the steps of a run
 */
export function kernelTimes(core: Core, steps: readonly Int32Array[]): KernelTimes[] {
  const shapes = new Map<string, { words: Int32Array; count: number }>();
  for (const words of steps) {
    const key = [words[0], ...GEOMETRY.map((name) => words[ConvStep[name]])].join();
    const shape = shapes.get(key) ?? { words, count: 0 };
    shapes.set(key, { ...shape, count: shape.count + 1 });
  }
  return [...shapes.values()].map(({ words, count }) => {
    const g = Object.fromEntries(GEOMETRY.map((name) => [name, words[ConvStep[name]]!])) as Geometry;
    const taps = g.kernelDepth * g.kernelHeight * g.kernelWidth;
    const kernel = words[0] as Kernel;
    const milliseconds = race(core, g, candidates(core, kernel, g), words);
    const rows = g.batch * g.outDepth * g.outHeight * g.outWidth;
    const [depth, columns, groups] = [taps * g.channels, g.outChannels, g.groups];
    return { rows, depth, columns, groups, taps, count, chosen: KERNELS[kernel], milliseconds };
  });
}

/** The kernels that a layer may have under some plan. */
function candidates(core: Core, chosen: Kernel, { outChannels }: Geometry): Kernel[] {
  if (chosen === Opcode.DepthwiseI16 || chosen === Opcode.DepthwiseF32)
    return [Opcode.DepthwiseF32, Opcode.DepthwiseI16];
  const narrow = outChannels > 8 ? [Opcode.ConvI4 as const] : [];
  const tiled = chosen === Opcode.WinogradI16 || chosen === Opcode.WinogradF32 ? [chosen] : [];
  const quads = core.build === "simd" ? [] : [Opcode.ConvU7 as const];
  return [Opcode.ConvF32, Opcode.ConvI16, Opcode.ConvI8, ...tiled, ...narrow, ...quads];
}

function race(core: Core, g: Geometry, kernels: readonly Kernel[], own: Int32Array): Record<string, number> {
  const blocks: number[] = [];
  const allocate = (bytes: number): number => {
    const at = core.allocate(bytes);
    blocks.push(at);
    core.u8(at, bytes).fill(0);
    return at;
  };
  try {
    const programs = kernels.map((kernel) => core.write([stepOf(core, kernel, g, own, allocate)]));
    blocks.push(...programs);
    const least = kernels.map(() => Number.POSITIVE_INFINITY);
    const end = now() + LEAST_MILLISECONDS * kernels.length;
    for (let run = 0; run < LEAST_RUNS || now() < end; run++) {
      for (const [i, program] of programs.entries()) {
        const start = now();
        core.run(program, 0, 1);
        least[i] = Math.min(least[i]!, now() - start);
      }
    }
    return Object.fromEntries(kernels.map((kernel, i) => [KERNELS[kernel], least[i]!]));
  } finally {
    for (const at of blocks) core.release(at);
  }
}

/** The step of a kernel over zeros: no kernel goes by values. */
function stepOf(core: Core, kernel: Kernel, g: Geometry, own: Int32Array, allocate: (bytes: number) => number): Step {
  const { exports } = core;
  const taps = g.kernelDepth * g.kernelHeight * g.kernelWidth;
  const layer = layerOf({ kernel, groups: g.groups, rows: g.outChannels, taps, channels: g.channels });
  const [inPixels, pixels] = [g.inDepth * g.inHeight * g.inWidth, g.outDepth * g.outHeight * g.outWidth];
  const pixelStride = exports.pixelStride(kernel, g.groups, g.channels);
  const scratchBytes = exports.scratchBytes(kernel, g.groups, taps, g.channels, pixels);
  const outPixelStride = 4 * g.groups * g.outChannels;
  const integer = !isFloatKernel(kernel);
  const entries = 8 * exports.paddedRows(kernel, g.groups * g.outChannels);
  const panels = exports.panelBytes(...layer);
  const turns = panels / exports.panelBytes(kernel, 1, 1, taps, g.channels);
  const words = {
    ...g,
    input: allocate(g.batch * inPixels * pixelStride),
    output: allocate(g.batch * pixels * outPixelStride),
    weights: allocate(panels),
    bias: 0,
    scales: integer ? allocate(entries) : 0,
    columnSums: integer ? allocate(entries) : 0,
    parameters: integer ? allocate(Math.ceil((g.batch * pixels) / g.rowsPerParameter) * ActivationParameters.bytes) : 0,
    mask: 0,
    ...{ batchStride: inPixels * pixelStride, pixelStride, groupStride: exports.groupStride(kernel, g.channels) },
    ...{ outBatchStride: pixels * outPixelStride, outRowStride: g.outWidth * outPixelStride, outPixelStride },
    ...{ weightsBatchStride: 0, scalesBatchStride: 0, panelStride: 0 },
    ...{ exactInInt32: 1, pairsPerBlock: TYPICAL_TURN, turns: 0 },
    ...NO_ACTIVATION,
    ...{ scratch: allocate(scratchBytes), scratchBytes, slots: 1 },
  };
  if (kernel === Opcode.ConvU7 && !core.dots?.sums32) {
    words.turns = allocate(turns);
    core.u8(words.turns, turns).fill(TYPICAL_TURN);
  }
  if (kernel === own[0] && own[ConvStep.exactInInt32] === 0 && own[ConvStep.weightsBatchStride] === 0) {
    for (const name of ["exactInInt32", "pairsPerBlock", "weights", "turns"] as const)
      words[name] = own[ConvStep[name]]!;
  }
  return step(kernel, ConvStep, words);
}

/** Words of depth between two ends of a turn: of 4-bit weights under activations of 5 bits in ConvI4, and of 5-bit weights in ConvU7. */
const TYPICAL_TURN = 9;
