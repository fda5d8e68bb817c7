import { type Activation, ConvStep } from "../../core/abi/conv.ts";
import { Opcode } from "../../core/abi/opcode.ts";
import {
  type Argument,
  chooseKernel,
  type FloatMatrices,
  KERNELS,
  type Kernel,
  layerOf,
  packFloats,
  packStep,
  type Ref,
  step,
  tapsBehind,
} from "../../core/index.ts";
import type { Shape } from "../../tensor/index.ts";
import type { Lowering, Operand } from "../lowering.ts";
import { stackOf } from "../stack.ts";
import { selectTaps, type TapSelection } from "../taps.ts";
import { noteMaker } from "./hand-over.ts";
import {
  biasOf,
  borderOf,
  fusedActivation,
  type Geometry,
  integerOperands,
  isTiled,
  layerShape,
  macsOf,
  pixelsOf,
  roundedActivation,
  surrounded,
  taps,
} from "./linear.ts";

/** bitbasis/Conv: [N, spatial…, C] by [O, kernel…, I/g], spatial rank 1 to 3. */
export function lowerConv(l: Lowering): void {
  const [x, y] = [l.input(0), l.output()];
  const weights = weightsOf(l, x, y);
  convolve(l, x, weights, y, convGeometry(l, x, weights.shape, y));
  noteMaker(l, y);
}

/** The weights of a layer, in the form of the channels-last operators: [O, kernel…, I/g]. */
export interface LayerWeights {
  readonly name: string;
  readonly shape: Shape;
  /** Weights that are computed while the model runs. */
  readonly computed?: Operand;
  /** The taps that `shape` counts, of a constant kernel that has more. */
  readonly selection?: TapSelection;
}

/** Input 1 of the node. */
export function weightsOf(l: Lowering, x: Operand, y: Operand): LayerWeights {
  const name = l.node.inputs[1] ?? "";
  const shape = l.shapeOf(name);
  const type = l.graph.values.get(name)?.type ?? "float32";
  for (const given of [x.type, type, y.type]) {
    if (given !== "float32") throw l.unsupported(`a convolution of ${given}`);
  }
  if (l.planned.weights.has(name) || l.floats(name) !== undefined) return { name, shape };
  return { name, shape, computed: l.input(1) };
}

/** The steps of a convolution, on integers where the plan says so. */
export function convolve(
  l: Lowering,
  x: Operand,
  w: LayerWeights,
  y: Operand,
  g: Geometry,
  bias: Argument = biasOf(l, l.optional(2)),
  places: Partial<OutputStrides> = {},
): void {
  const depthwise = g.channels === 1 && g.outChannels === 1 && g.groups > 1 && w.computed === undefined;
  const plan = l.planned.layers.get(l.node.name);
  const series = l.planned.weights.get(w.name);
  if (g.batch === 0 || y.shape.includes(0)) return;

  const pixels = g.inDepth * g.inHeight * g.inWidth;
  const layout = { samples: g.batch, rowsPerSample: pixels, channels: g.channels, groups: g.groups, masked: true };
  const rounds = plan !== undefined && plan.activationTerms > 0 && w.computed === undefined;
  if (series !== undefined && rounds) {
    // The phases of a transposed convolution read one quantized input, each with padding of its own.
    const whole = w.selection === undefined && stackOf(series, plan) === undefined;
    const border = whole ? borderOf(g) : undefined;
    const inside = surrounded(g, border);
    const operands = integerOperands(
      l,
      x,
      series,
      plan,
      border ? { ...layout, border } : layout,
      depthwise,
      inside,
      w.selection,
    );
    const { kernel, q, channels, ...right } = operands;
    emitConv(
      l,
      kernel,
      { ...inside, channels },
      { ...{ input: q.at, output: y.at, bias, parameters: q.parameters, mask: q.mask }, ...right, ...places },
    );
    return;
  }
  const kernel = chooseKernel({
    ...{ depthwise, weightBits: 0, activationBits: 0, exactInInt32: false, largestSum: 0 },
    ...layerShape(g),
    // What is not quantized keeps the sums of its products in order.
    isTiled: series !== undefined && w.selection === undefined && isTiled(g),
  });
  const { at: input } = rounds ? roundedActivation(l, x, plan, layout) : x;
  emitConv(l, kernel, g, {
    input,
    output: y.at,
    bias,
    weights: floatPanels(l, w, g, kernel),
    ...NO_INTEGERS,
    ...places,
  });
}

/** Arguments that only int16 steps read. */
export const NO_INTEGERS = {
  scales: 0,
  columnSums: 0,
  parameters: 0,
  mask: 0,
  exactInInt32: 0,
  pairsPerBlock: 0,
  turns: 0,
} as const;

/** The f32 weights of a convolution in the layout of its kernel: packed when the first program asks for them, or by a step. */
function floatPanels(l: Lowering, w: LayerWeights, g: Geometry, kernel: Kernel): Argument {
  const { name, computed, selection } = w;
  if (computed !== undefined) {
    const columns = g.outChannels;
    const rows = taps(g) * g.channels;
    return packF32(l, computed, { batch: g.groups, rows, columns, transposed: true });
  }
  const floats = l.floats(name)!;
  const { core } = l.constants;
  const { panelBytes, transformWeights } = core.exports;
  const layer = layerOf({ kernel, ...layerShape(g) });
  // A depthwise layer's weights are packed as those of a matrix.
  const [batch, columns] = kernel === Opcode.DepthwiseF32 ? [1, g.groups] : [g.groups, g.outChannels];
  const matrices = { batch, rows: taps(g) * g.channels, columns, transposed: true };
  const rows = g.groups * g.outChannels;
  const make = (): Float32Array =>
    selection === undefined ? floats() : selectTaps(floats(), rows / selection.sides.length, selection);
  return l.constants.place(name, make, {
    key: `${layer.join(":")}:${selection?.key}`,
    bytes: panelBytes(...layer),
    pack(from, to, part, parts) {
      const { offset } = kernel === Opcode.WinogradF32 ? tapsBehind(core, { kernel, ...layerShape(g) }) : { offset: 0 };
      packFloats(core, matrices, from, to + offset, part, parts);
      if (offset > 0 && part + 1 === parts) transformWeights(kernel, g.outChannels, g.channels, to);
    },
  });
}

/** Emits the step that makes f32 panels of `batch` matrices [rows, columns], or [columns, rows] when `transposed`. */
export function packF32(l: Lowering, matrix: Operand, m: FloatMatrices): Ref {
  return l.once(`packF32:${matrix.name}:${m.batch}:${m.columns}:${m.transposed}`, () => {
    const { panelBytes } = l.constants.core.exports;
    const output = l.allocate(m.batch * panelBytes(Opcode.ConvF32, 1, m.columns, 1, m.rows));
    const bytes = 8 * m.batch * m.rows * m.columns;
    l.emit(packStep(m, matrix.at, output), { kernel: "pack_f32_x8", bytes });
    return output;
  });
}

type OutputStrides = Pick<
  Record<keyof typeof ConvStep, Argument>,
  "outPixelStride" | "outRowStride" | "outBatchStride"
>;

type Operands = Pick<
  Record<keyof typeof ConvStep, Argument>,
  | "input"
  | "output"
  | "bias"
  | "weights"
  | "scales"
  | "columnSums"
  | "parameters"
  | "mask"
  | "exactInInt32"
  | "pairsPerBlock"
  | "turns"
> &
  Partial<OutputStrides> & {
    rowsPerParameter?: number;
    weightsBatchStride?: number;
    scalesBatchStride?: number;
    panelStride?: number;
    activation?: Activation;
  };

/** Emits one linear step, its output dense unless the operands say otherwise. */
export function emitConv(l: Lowering, kernel: Kernel, g: Geometry, operands: Operands): void {
  const { exports } = l.constants.core;
  const { groups, channels } = g;
  const bytes = exports.scratchBytes(kernel, groups, taps(g), channels, pixelsOf(g));
  const pixelStride = exports.pixelStride(kernel, groups, channels);
  const outPixelStride = 4 * groups * g.outChannels;
  l.emit(
    step(kernel, ConvStep, {
      rowsPerParameter: pixelsOf(g),
      ...{ pixelStride, groupStride: exports.groupStride(kernel, channels) },
      batchStride: g.inDepth * g.inHeight * g.inWidth * pixelStride,
      weightsBatchStride: 0,
      scalesBatchStride: 0,
      panelStride: 0,
      outPixelStride,
      outRowStride: g.outWidth * outPixelStride,
      outBatchStride: pixelsOf(g) * outPixelStride,
      ...g,
      ...fusedActivation(l),
      ...operands,
      scratch: l.allocate(bytes * l.threads),
      scratchBytes: bytes,
      slots: l.threads,
    }),
    { kernel: KERNELS[kernel], macs: macsOf(g) },
  );
}

export function convGeometry(l: Lowering, x: Operand, w: readonly number[], y: Operand): Geometry {
  const spatial = x.shape.length - 2;
  const axes = (values: readonly number[] | undefined, fallback: number) => volume(l, values, fallback, spatial);
  const [inDepth, inHeight, inWidth] = axes(x.shape.slice(1, -1), 1);
  const [outDepth, outHeight, outWidth] = axes(y.shape.slice(1, -1), 1);
  const [kernelDepth, kernelHeight, kernelWidth] = axes(w.slice(1, -1), 1);
  const [strideDepth, strideHeight, strideWidth] = axes(l.integers("strides"), 1);
  const [dilationDepth, dilationHeight, dilationWidth] = axes(l.integers("dilations"), 1);
  const [padFront, padTop, padLeft] = axes(l.integers("pads")?.slice(0, spatial), 0);
  const groups = l.attribute("group", 1);
  return {
    ...{ batch: x.shape[0] ?? 0, inDepth, inHeight, inWidth, outDepth, outHeight, outWidth },
    ...{ kernelDepth, kernelHeight, kernelWidth, strideDepth, strideHeight, strideWidth },
    ...{ dilationDepth, dilationHeight, dilationWidth, padFront, padTop, padLeft, groups },
    channels: (x.shape.at(-1) ?? 0) / groups,
    outChannels: (w[0] ?? 0) / groups,
  };
}

/** Values of one, two or three spatial axes as those of depth, height and width, which a row or a picture has not. */
export function volume(
  l: Lowering,
  values: readonly number[] | undefined,
  fallback: number,
  spatial: number,
): [number, number, number] {
  if (spatial < 1 || spatial > 3) throw l.unsupported(`${spatial} spatial dimensions`);
  const missing = new Array<number>(3 - spatial).fill(fallback);
  return [...missing, ...(values ?? new Array<number>(spatial).fill(fallback))] as [number, number, number];
}
