import type { KnownValue, Node } from "../graph.ts";
import type { Call } from "./call.ts";
import { checkWindow, resolveTransposed, resolveWindow, type Window } from "./window.ts";

/** Where the channels are: second in ONNX, last in the bitbasis twins. */
export type Form = "first" | "last";

export function formOf(call: Call): Form {
  return call.node.domain === "bitbasis" ? "last" : "first";
}

/** Of an input that a window moves over. */
const MOST_RANK = 5;

export interface Extents {
  readonly batch: number;
  readonly channels: number;
  readonly spatial: readonly number[];
}

export function extents(call: Call): Extents {
  const shape = call.shape(0);
  if (shape.length < 3) throw call.fail("the input expected at least three dimensions");
  return formOf(call) === "first"
    ? { batch: shape[0]!, channels: shape[1]!, spatial: shape.slice(2) }
    : { batch: shape[0]!, channels: shape.at(-1)!, spatial: shape.slice(1, -1) };
}

export function arrange(call: Call, { batch, channels, spatial }: Extents): KnownValue {
  const shape = formOf(call) === "first" ? [batch, channels, ...spatial] : [batch, ...spatial, channels];
  return { type: call.type(0), shape };
}

/**
 * The window of a pool. One that lies in the padding altogether has no largest element and no mean: pads below the kernel's extents rule that out, which
 * is onnxruntime's condition too.
 */
function resolvePool(call: Call): Window {
  const kernel = call.list("kernel_shape") ?? [];
  checkWindow(call, call.shape(0).length - 2, kernel);
  const pads = call.text("auto_pad", "NOTSET") === "NOTSET" ? (call.list("pads") ?? []) : [];
  if (pads.some((pad, i) => pad >= kernel[i % kernel.length]!))
    throw call.fail(`"pads" [${pads}] expected less than the kernel [${kernel}]`);
  const { spatial } = extents(call);
  if (spatial.some((d) => d < 1)) throw call.fail("a pool over an empty axis has no elements");
  return resolveWindow(call, spatial, kernel);
}

/** The kernel of a Conv or ConvTranspose, once its attributes and weights have been found to fit each other, which holds for all inputs. */
export function kernelOf(call: Call): readonly number[] {
  const weights = call.shape(1);
  const kernel = formOf(call) === "first" ? weights.slice(2) : weights.slice(1, -1);
  const declared = call.list("kernel_shape");
  if (declared !== undefined && declared.length > 0 && declared.join() !== kernel.join()) {
    throw call.fail(`"kernel_shape" [${declared}] is not that of the weights`);
  }
  checkWindow(call, weights.length - 2, kernel);
  return kernel;
}

/** The window of a Conv, ConvTranspose or pool node, either form. */
export function windowOf(call: Call): Window {
  if (call.shape(0).length > MOST_RANK)
    throw call.fail(`a window expected at most three spatial axes, got ${call.shape(0).length - 2}`, "UNSUPPORTED");
  const { op } = call.node;
  if (!op.startsWith("Conv")) return resolvePool(call);
  const kernel = kernelOf(call);
  const { spatial } = extents(call);
  return op === "ConvTranspose" ? resolveTransposed(call, spatial, kernel) : resolveWindow(call, spatial, kernel);
}

/** Windows get explicit kernel_shape, strides, dilations and pads; auto_pad and output_shape go. */
export function settleWindow(call: Call): Node {
  const { kernel, strides, dilations, pads } = windowOf(call);
  const { auto_pad: _auto, output_shape: _shape, output_padding: _padding, ...rest } = call.node.attributes;
  return { ...call.node, attributes: { ...rest, kernel_shape: kernel, strides, dilations, pads } };
}

export const WINDOW_ATTRIBUTES = {
  auto_pad: ["NOTSET", "VALID", "SAME_UPPER", "SAME_LOWER"],
  dilations: "ints",
  kernel_shape: "ints",
  pads: "ints",
  strides: "ints",
} as const;
