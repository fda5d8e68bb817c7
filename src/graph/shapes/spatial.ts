import type { KnownValue } from "../graph.ts";
import type { Call, ShapeRule } from "./call.ts";
import { resolveTransposed, resolveWindow, type Window } from "./window.ts";

/** Where the channels are: second in ONNX, last in the bitbasis twins. */
type Layout = "first" | "last";

function extents(call: Call, layout: Layout): { batch: number; channels: number; spatial: readonly number[] } {
  const shape = call.shape(0);
  if (shape.length < 3) throw call.fail("the input expected at least three dimensions");
  return layout === "first"
    ? { batch: shape[0]!, channels: shape[1]!, spatial: shape.slice(2) }
    : { batch: shape[0]!, channels: shape.at(-1)!, spatial: shape.slice(1, -1) };
}

function arrange(call: Call, layout: Layout, batch: number, channels: number, spatial: readonly number[]): KnownValue {
  const shape = layout === "first" ? [batch, channels, ...spatial] : [batch, ...spatial, channels];
  return { type: call.type(0), shape };
}

/** The window of a Conv, ConvTranspose or pool node, either layout. */
export function windowOf(call: Call): Window {
  const layout = call.node.domain === "bitbasis" ? "last" : "first";
  const { spatial } = extents(call, layout);
  const { op } = call.node;
  if (op !== "Conv" && op !== "ConvTranspose") return resolveWindow(call, spatial, call.list("kernel_shape") ?? []);
  const weights = call.shape(1);
  const kernel = layout === "first" ? weights.slice(2) : weights.slice(1, -1);
  const declared = call.list("kernel_shape");
  if (declared !== undefined && declared.length > 0 && declared.join() !== kernel.join()) {
    throw call.fail(`"kernel_shape" [${declared}] is not that of the weights`);
  }
  return op === "Conv" ? resolveWindow(call, spatial, kernel) : resolveTransposed(call, spatial, kernel);
}

function conv(layout: Layout): ShapeRule {
  return (call) => {
    const { batch, channels } = extents(call, layout);
    const weights = call.shape(1);
    if (weights.length !== call.shape(0).length) throw call.fail("input and weights expected the same rank");
    const group = call.number("group", 1);
    const inner = layout === "first" ? weights[1]! : weights.at(-1)!;
    if (channels !== inner * group || weights[0]! % group !== 0) {
      throw call.fail(`${channels} channels do not fit the weights in ${group} groups`);
    }
    if (call.has(2)) bias(call, weights[0]!);
    return [arrange(call, layout, batch, weights[0]!, windowOf(call).output)];
  };
}

/** ONNX weights are [I, O/g, k…]; the channels-last twin has [O, k…, I/g] as Conv has. */
function convTranspose(layout: Layout): ShapeRule {
  return (call) => {
    const { batch, channels } = extents(call, layout);
    const weights = call.shape(1);
    if (weights.length !== call.shape(0).length) throw call.fail("input and weights expected the same rank");
    const group = call.number("group", 1);
    const [inputs, outputs] =
      layout === "first" ? [weights[0]!, weights[1]! * group] : [weights.at(-1)! * group, weights[0]!];
    if (channels !== inputs || outputs % group !== 0) {
      throw call.fail(`${channels} channels do not fit the weights in ${group} groups`);
    }
    if (call.has(2)) bias(call, outputs);
    return [arrange(call, layout, batch, outputs, windowOf(call).output)];
  };
}

function bias(call: Call, outputs: number): void {
  const shape = call.shape(2);
  if (shape.length !== 1 || shape[0] !== outputs) throw call.fail(`the bias expected shape [${outputs}]`);
}

function pool(layout: Layout): ShapeRule {
  return (call) => {
    const { batch, channels } = extents(call, layout);
    const value = arrange(call, layout, batch, channels, windowOf(call).output);
    return [value, { type: "int64", shape: value.shape }];
  };
}

function globalPool(layout: Layout): ShapeRule {
  return (call) => {
    const { batch, channels, spatial } = extents(call, layout);
    return [
      arrange(
        call,
        layout,
        batch,
        channels,
        spatial.map(() => 1),
      ),
    ];
  };
}

const resize: ShapeRule = (call) => {
  const shape = call.shape(0);
  const axes = call.list("axes") ?? shape.map((_, i) => i);
  const sizes = call.has(3) ? call.needed(3) : undefined;
  const scales = sizes === undefined ? call.needed(2) : undefined;
  const given = sizes ?? scales!;
  if (given.length !== axes.length) throw call.fail(`${given.length} sizes or scales for ${axes.length} axes`);
  const result = [...shape];
  const policy = call.text("keep_aspect_ratio_policy", "stretch");
  if (sizes !== undefined && policy !== "stretch") {
    const ratios = axes.map((axis, i) => sizes[i]! / shape[call.axis(axis, shape.length)]!);
    const ratio = policy === "not_larger" ? Math.min(...ratios) : Math.max(...ratios);
    for (const axis of axes) result[axis] = Math.floor(ratio * shape[axis]! + 0.5);
  } else {
    axes.forEach((given, i) => {
      const axis = call.axis(given, shape.length);
      // The product is a float, as in the reference implementation: 3 · 0.6666667 is 2.
      result[axis] = sizes === undefined ? Math.floor(Math.fround(shape[axis]! * scales![i]!)) : sizes[i]!;
    });
  }
  if (result.some((d, i) => d < 1 && !(d === 0 && shape[i] === 0))) throw call.fail(`the result has shape [${result}]`);
  return [{ type: call.type(0), shape: result }];
};

const depthToSpace: ShapeRule = (call) => {
  const [n, c, h, w] = call.shape(0) as [number, number, number, number];
  const b = call.number("blocksize", 1);
  if (call.shape(0).length !== 4 || c % (b * b) !== 0) throw call.fail(`blocksize ${b} does not fit`);
  return [{ type: call.type(0), shape: [n, c / (b * b), h * b, w * b] }];
};

const spaceToDepth: ShapeRule = (call) => {
  const [n, c, h, w] = call.shape(0) as [number, number, number, number];
  const b = call.number("blocksize", 1);
  if (call.shape(0).length !== 4 || h % b !== 0 || w % b !== 0) throw call.fail(`blocksize ${b} does not fit`);
  return [{ type: call.type(0), shape: [n, c * b * b, h / b, w / b] }];
};

const channels: ShapeRule = (call) => [call.value(0)];

export const spatial: Readonly<Record<string, ShapeRule>> = {
  "/Conv": conv("first"),
  "bitbasis/Conv": conv("last"),
  "/ConvTranspose": convTranspose("first"),
  "bitbasis/ConvTranspose": convTranspose("last"),
  ...Object.fromEntries(
    ["MaxPool", "AveragePool", "LpPool"].flatMap((op) => [
      [`/${op}`, pool("first")],
      [`bitbasis/${op}`, pool("last")],
    ]),
  ),
  ...Object.fromEntries(
    ["GlobalMaxPool", "GlobalAveragePool", "GlobalLpPool"].flatMap((op) => [
      [`/${op}`, globalPool("first")],
      [`bitbasis/${op}`, globalPool("last")],
    ]),
  ),
  "/Resize": resize,
  "bitbasis/Resize": resize,
  "/DepthToSpace": depthToSpace,
  "/SpaceToDepth": spaceToDepth,
  "/BatchNormalization": channels,
  "/InstanceNormalization": channels,
  "bitbasis/InstanceNormalization": channels,
  "/GroupNormalization": channels,
};
