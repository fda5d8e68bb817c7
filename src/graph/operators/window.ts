import type { Call } from "./call.ts";

/** A convolution or pooling window with every number known. */
export interface Window {
  readonly kernel: readonly number[];
  readonly strides: readonly number[];
  readonly dilations: readonly number[];
  /** Begin of every spatial axis, then end of every one, as in ONNX. */
  readonly pads: readonly number[];
  readonly output: readonly number[];
}

/** Refuses a window over `n` spatial axes whose attributes make none over any extents; without looking at these. */
export function checkWindow(call: Call, n: number, kernel: readonly number[]): void {
  const { op } = call.node;
  if (n < 1) throw call.fail(`a window expected at least three dimensions, got ${n + 2}`);
  for (const name of ["strides", "dilations"]) list(call, name, n, 1, 1);
  list(call, "pads", 2 * n, 0, 0);
  if (op === "ConvTranspose") list(call, "output_padding", n, 0, 0);
  autoPad(call);
  if (kernel.length !== n || kernel.some((k) => k < 1))
    throw call.fail(`kernel [${kernel}] does not fit ${n} spatial axes`);
}

/** Strides, dilations, pads and output extents of a Conv or pool over `spatial` extents. */
export function resolveWindow(call: Call, spatial: readonly number[], kernel: readonly number[]): Window {
  const n = spatial.length;
  const strides = list(call, "strides", n, 1, 1);
  const dilations = list(call, "dilations", n, 1, 1);
  if (kernel.length !== n || kernel.some((k) => k < 1))
    throw call.fail(`kernel [${kernel}] does not fit ${n} spatial axes`);
  const reach = kernel.map((k, i) => (k - 1) * dilations[i]! + 1);
  const auto = autoPad(call);
  let pads = list(call, "pads", 2 * n, 0, 0);
  if (auto === "VALID") pads = new Array<number>(2 * n).fill(0);
  else if (auto === "SAME_UPPER" || auto === "SAME_LOWER") {
    const total = spatial.map((d, i) => Math.max(0, (Math.ceil(d / strides[i]!) - 1) * strides[i]! + reach[i]! - d));
    pads = split(total, larger(auto));
  }
  const ceil = call.number("ceil_mode", 0) === 1;
  const output = spatial.map((d, i) => {
    const room = d + pads[i]! + pads[n + i]! - reach[i]!;
    const whole = Math.floor(room / strides[i]!) + 1;
    if (!ceil) return whole;
    const rounded = Math.ceil(room / strides[i]!) + 1;
    // The last window must begin inside the input or its leading pad.
    return (rounded - 1) * strides[i]! >= d + pads[i]! ? rounded - 1 : rounded;
  });
  if (output.some((d) => d < 1)) throw call.fail(`the window [${reach}] is larger than the padded input [${spatial}]`);
  return { kernel, strides, dilations, pads, output };
}

/**
 * As `resolveWindow`, for ConvTranspose. Where a total padding is odd, one side gets the larger half: with `output_shape` the start, unless
 * auto_pad is SAME_UPPER (so the ONNX text and onnxruntime); with auto_pad alone, the end for SAME_UPPER and the start for SAME_LOWER.
 */
export function resolveTransposed(call: Call, spatial: readonly number[], kernel: readonly number[]): Window {
  const n = spatial.length;
  const strides = list(call, "strides", n, 1, 1);
  const dilations = list(call, "dilations", n, 1, 1);
  const extra = list(call, "output_padding", n, 0, 0);
  if (kernel.length !== n || kernel.some((k) => k < 1))
    throw call.fail(`kernel [${kernel}] does not fit ${n} spatial axes`);
  if (extra.some((e, i) => e >= Math.max(strides[i]!, dilations[i]!)))
    throw call.fail(
      `"output_padding" [${extra}] expected less than the strides [${strides}] or dilations [${dilations}]`,
    );
  const full = spatial.map((d, i) => strides[i]! * (d - 1) + extra[i]! + (kernel[i]! - 1) * dilations[i]! + 1);
  const auto = autoPad(call);
  const wanted = call.list("output_shape")?.slice(-n);
  let pads = list(call, "pads", 2 * n, 0, 0);
  if (wanted !== undefined && wanted.length > 0) {
    if (spatial.some((d) => d < 1)) throw call.fail('an empty axis cannot have the size of "output_shape"');
    // Without output_padding, an extent leaves open up to stride − 1 elements that the input does not reach.
    const most = full.map((d, i) => Math.max(d, d - extra[i]! + strides[i]! - 1));
    if (wanted.length !== n || wanted.some((d, i) => d < 1 || d > most[i]!))
      throw call.fail(`"output_shape" [${wanted}] expected ${n} extents in 1..[${most}]`);
    pads = split(
      full.map((d, i) => Math.max(0, d - wanted[i]!)),
      auto === "SAME_UPPER" ? "end" : "start",
    );
  } else if (auto === "SAME_UPPER" || auto === "SAME_LOWER") {
    pads = split(
      full.map((d, i) => Math.max(0, d - spatial[i]! * strides[i]!)),
      larger(auto),
    );
  } else if (auto === "VALID") pads = new Array<number>(2 * n).fill(0);
  const output = full.map((d, i) => Math.max(d - pads[i]! - pads[n + i]!, wanted?.[i] ?? 0));
  if (output.some((d) => d < 1)) throw call.fail("the pads are larger than the output");
  return { kernel, strides, dilations, pads, output };
}

function autoPad(call: Call): string {
  const auto = call.text("auto_pad", "NOTSET");
  if (!["NOTSET", "VALID", "SAME_UPPER", "SAME_LOWER"].includes(auto))
    throw call.fail(`auto_pad expected NOTSET, VALID, SAME_UPPER or SAME_LOWER, got ${auto}`);
  return auto;
}

/** The side that gets the larger half of an odd padding. */
function larger(auto: "SAME_UPPER" | "SAME_LOWER"): "start" | "end" {
  return auto === "SAME_UPPER" ? "end" : "start";
}

/** Pads of which the first half of the list is for the starts. */
function split(total: readonly number[], largerAt: "start" | "end"): number[] {
  const less = total.map((t) => Math.floor(t / 2));
  const more = total.map((t, i) => t - less[i]!);
  return largerAt === "start" ? [...more, ...less] : [...less, ...more];
}

function list(call: Call, name: string, length: number, fallback: number, least = Number.NEGATIVE_INFINITY): number[] {
  const given = call.list(name);
  if (given === undefined || (given.length === 0 && fallback === 0)) return new Array<number>(length).fill(fallback);
  if (given.length !== length || given.some((v) => v < least)) {
    throw call.fail(
      `"${name}" expected ${length} integers${Number.isFinite(least) ? ` ≥ ${least}` : ""}, got [${given}]`,
    );
  }
  return [...given];
}
