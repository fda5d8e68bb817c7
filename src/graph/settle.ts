import { sizeOf } from "../tensor/index.ts";
import type { KnownValue, Node } from "./graph.ts";
import type { Call } from "./shapes/call.ts";
import { permutation } from "./shapes/movement.ts";
import { windowOf } from "./shapes/spatial.ts";

const WINDOWS = new Set(["Conv", "ConvTranspose", "MaxPool", "AveragePool", "LpPool"]);
/** Operators that only rename memory when the shape does not change. */
const MAY_DO_NOTHING = new Set(["Expand", "Slice", "Pad", "Tile", "Concat", "Resize", "Split"]);

/**
 * The node with what its shapes decide: windows get explicit kernel_shape, strides, dilations and pads (auto_pad and output_shape go), what
 * moves nothing becomes Identity, and a Transpose that keeps the order of elements becomes Reshape (whose shape input is left out: the shape of
 * its output is known).
 */
export function settle(call: Call, outputs: readonly KnownValue[]): Node {
  const { node } = call;
  if (WINDOWS.has(node.op)) {
    const { kernel, strides, dilations, pads } = windowOf(call);
    const { auto_pad: _auto, output_shape: _shape, output_padding: _padding, ...rest } = node.attributes;
    return { ...node, attributes: { ...rest, kernel_shape: kernel, strides, dilations, pads } };
  }
  const from = call.has(0) ? call.shape(0) : [];
  const to = outputs[0]!.shape;
  if (node.domain === "" && node.op === "Transpose") {
    const moved = permutation(call).filter((axis) => from[axis] !== 1);
    const ordered = moved.every((axis, i) => i === 0 || moved[i - 1]! < axis);
    if (ordered) return { ...node, op: "Reshape", attributes: {} };
  }
  if (node.op === "Cast" && node.domain === "" && call.type(0) === outputs[0]!.type) {
    return { ...node, op: "Identity", attributes: {} };
  }
  if (
    MAY_DO_NOTHING.has(node.op) &&
    sizeOf(from) === sizeOf(to) &&
    from.join() === to.join() &&
    call.type(0) === outputs[0]!.type
  ) {
    const negative = node.op === "Slice" && (call.numbers(4) ?? []).some((step) => step < 0);
    const crops = node.op === "Pad" && (call.numbers(1) ?? []).some((amount) => amount !== 0);
    // A scale of 1.1 may round to the same extent and still move pixels.
    const scales =
      node.op === "Resize" &&
      !(call.has(3) ? call.needed(3) : call.needed(2)).every((v, i) => v === (call.has(3) ? to[i] : 1));
    const inputs = node.op === "Concat" ? node.inputs.filter((_, i) => sizeOf(call.shape(i)) > 0) : node.inputs;
    const several = node.outputs.filter((name) => name !== "").length > 1;
    if (!negative && !crops && !scales && !several && inputs.length > 0) {
      return { ...node, op: "Identity", domain: "", inputs: [inputs[0]!], attributes: {} };
    }
  }
  return node;
}
