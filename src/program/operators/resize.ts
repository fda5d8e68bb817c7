import { Opcode } from "../../core/abi/opcode.ts";
import { ResizeStep } from "../../core/abi/pool.ts";
import { step } from "../../core/index.ts";
import { sizeOf, stridesOf } from "../../tensor/index.ts";
import type { Lower, Lowering } from "../lowering.ts";
import { emitWhere } from "./binary.ts";
import { throughChannelsLast } from "./pool.ts";
import { constant, inFloat32, type Source, temporary } from "./support.ts";

/** What one output coordinate reads. */
interface Taps {
  readonly count: number;
  /** Pairs of i32 index and f32 weight. */
  readonly table: Uint8Array;
}

interface Mode {
  readonly mode: string;
  readonly coordinates: string;
  readonly nearest: string;
  readonly cubic: number;
  readonly excludeOutside: boolean;
  readonly antialias: boolean;
}

/** One axis: its extents, its scale, and the part of it that is cut out, in extents. */
interface Axis {
  readonly input: number;
  readonly output: number;
  readonly scale: number;
  readonly start: number;
  readonly end: number;
}

/** Position in the input of output coordinate `i`. */
function position(l: Lowering, coordinates: string, i: number, { input, output, scale, start, end }: Axis): number {
  switch (coordinates) {
    case "half_pixel":
      return (i + 0.5) / scale - 0.5;
    case "pytorch_half_pixel":
      return output > 1 ? (i + 0.5) / scale - 0.5 : 0;
    case "half_pixel_symmetric": {
      const centre = input / 2;
      return centre * (1 - output / (input * scale)) + (i + 0.5) / scale - 0.5;
    }
    case "align_corners":
      return output > 1 ? (i * (input - 1)) / (output - 1) : 0;
    case "asymmetric":
      return i / scale;
    case "tf_crop_and_resize": {
      const length = (end - start) * (input - 1);
      return start * (input - 1) + (output > 1 ? (i * length) / (output - 1) : length / 2);
    }
    case "tf_half_pixel_for_nn":
      return (i + 0.5) / scale;
    default:
      throw l.unsupported(`coordinate_transformation_mode "${coordinates}"`);
  }
}

function nearestIndex(l: Lowering, nearest: string, x: number): number {
  switch (nearest) {
    case "round_prefer_floor":
      return Math.ceil(x - 0.5);
    case "round_prefer_ceil":
      return Math.floor(x + 0.5);
    case "floor":
      return Math.floor(x);
    case "ceil":
      return Math.ceil(x);
    default:
      throw l.unsupported(`nearest_mode "${nearest}"`);
  }
}

/** The kernel of a cubic resize (Keys 1981) at distances up to 1, and from 1 to 2. */
function cubic(a: number): { near: (d: number) => number; far: (d: number) => number } {
  return {
    near: (d) => ((a + 2) * d - (a + 3)) * d * d + 1,
    far: (d) => ((d - 5) * d + 8) * d * a - 4 * a,
  };
}

/** Weights of the taps at floor(x) − before …, for a fraction t of the way to the next; `scale` < 1: the kernel is stretched over as many pixels as become one. */
function weightsOf(mode: Mode, t: number, scale: number): { before: number; weights: number[] } {
  const isLinear = mode.mode === "linear";
  const { near, far } = cubic(mode.cubic);
  if (scale === 1 && isLinear) return { before: 0, weights: [1 - t, t] };
  if (scale === 1) return { before: 1, weights: [far(t + 1), near(t), near(1 - t), far(2 - t)] };
  const before = Math.ceil((isLinear ? 1 : 2) / scale) - 1;
  const weights = Array.from({ length: 2 * before + 2 }, (_, i) => {
    const d = Math.abs(i - before - t) * scale;
    if (isLinear) return Math.max(0, 1 - d);
    return d <= 1 ? near(d) : d < 2 ? far(d) : 0;
  });
  const sum = weights.reduce((s, w) => s + w, 0);
  return { before, weights: weights.map((w) => w / sum) };
}

/** Whether a crop reads beyond the input, where the extrapolation value stands. */
function isOutside(l: Lowering, { coordinates }: Mode, i: number, axis: Axis): boolean {
  if (coordinates !== "tf_crop_and_resize") return false;
  const x = position(l, coordinates, i, axis);
  return x < 0 || x > axis.input - 1;
}

/** Whether an axis stays as it is. */
function isKept({ coordinates }: Mode, { input, output, scale, start, end }: Axis): boolean {
  return input === output && (coordinates === "tf_crop_and_resize" ? start === 0 && end === 1 : scale === 1);
}

/** The table of one axis; indices are clamped to the input, which repeats its border. */
function tapsOf(l: Lowering, mode: Mode, axis: Axis): Taps {
  const { input, output, scale } = axis;
  const identity = isKept(mode, axis);
  const isOne = identity || mode.mode === "nearest";
  const stretch = mode.antialias ? Math.min(scale, 1) : 1;
  const count = isOne ? 1 : weightsOf(mode, 0, stretch).weights.length;
  const view = new DataView(new ArrayBuffer(8 * count * output));
  for (let i = 0; i < output; i++) {
    const x = position(l, mode.coordinates, i, axis);
    let first = identity ? i : nearestIndex(l, mode.nearest, x);
    let weights = [1];
    if (!isOne) {
      const taps = weightsOf(mode, x - Math.floor(x), stretch);
      first = Math.floor(x) - taps.before;
      weights = taps.weights;
    }
    if (mode.excludeOutside && !isOne) {
      weights = weights.map((w, j) => (first + j < 0 || first + j >= input ? 0 : w));
      const sum = weights.reduce((s, w) => s + w, 0);
      weights = weights.map((w) => w / sum);
    }
    weights.forEach((w, j) => {
      view.setInt32(8 * (count * i + j), Math.min(Math.max(first + j, 0), input - 1), true);
      view.setFloat32(8 * (count * i + j) + 4, w, true);
    });
  }
  return { count, table: new Uint8Array(view.buffer) };
}

/** The axes with their scales, given or the ratio of the extents, and the regions of a crop. */
function axesOf(l: Lowering, x: Source, out: Source): Axis[] {
  const rank = x.shape.length;
  const named = l.integers("axes")?.map((axis) => (axis < 0 ? axis + rank : axis)) ?? x.shape.map((_, i) => i);
  const list = (i: number): readonly number[] => (l.optional(i) === undefined ? [] : l.constantNumbers(i)!);
  const scales = list(2);
  const crops = l.text("coordinate_transformation_mode", "half_pixel") === "tf_crop_and_resize";
  const region = crops ? list(1) : [];
  if (crops && region.length !== 2 * named.length)
    throw l.unsupported(`roi of ${region.length} numbers for ${named.length} axes`);
  return x.shape.map((input, i) => {
    const output = out.shape[i]!;
    const at = named.indexOf(i);
    const scale = scales.length === 0 ? output / input : (scales[at] ?? 1);
    const [start, end] = at < 0 || !crops ? [0, 1] : [region[at]!, region[at + named.length]!];
    return { input, output, scale, start, end };
  });
}

function modeOf(l: Lowering): Mode {
  return {
    mode: l.text("mode", "nearest"),
    coordinates: l.text("coordinate_transformation_mode", "half_pixel"),
    nearest: l.text("nearest_mode", "round_prefer_floor"),
    cubic: l.attribute("cubic_coeff_a", -0.75),
    excludeOutside: l.attribute("exclude_outside", 0) === 1,
    antialias: l.attribute("antialias", 0) === 1,
  };
}

/** One or two axes of x and out, [batch, axes…, channels]. */
function emitResize(l: Lowering, mode: Mode, x: Source, out: Source, axes: readonly Axis[]): void {
  if (sizeOf(out.shape) === 0) return;
  const last = axes.at(-1)!;
  const first = axes.length === 1 ? ONE : axes[0]!;
  const [rows, columns] = [tapsOf(l, mode, first), tapsOf(l, mode, last)];
  const [batch, channels] = [x.shape[0]!, x.shape.at(-1)!];
  const together = first.output * rows.count * columns.count;
  const apart = first.input * columns.count + first.output * rows.count;
  // What is made between is no larger than the input or the output.
  if ((first.input > first.output && last.output > last.input) || apart >= together) {
    emitTaps(l, mode, x, out, { batch, channels, first, last, rows, columns });
    return;
  }
  // A row of the input goes into several of the output, or many into one of which each has many taps: what its columns give is made once, and then rows are so
  // many channels; no element takes more work than the taps of one axis. The same operations, since a
  // sum of one tap of weight 1 is that tap.
  const middle = temporary(l, "float32", [batch, first.input, last.output, channels]);
  const kept = { ...ONE, input: first.input, output: first.input };
  const one = tapsOf(l, mode, ONE);
  emitTaps(l, mode, x, middle, { batch, channels, first: kept, last, rows: tapsOf(l, mode, kept), columns });
  emitTaps(l, mode, middle, out, { batch, channels: last.output * channels, first, last: ONE, rows, columns: one });
}

/** The axis that is not there. */
const ONE: Axis = { input: 1, output: 1, scale: 1, start: 0, end: 1 };

interface Resizing {
  readonly batch: number;
  readonly channels: number;
  readonly first: Axis;
  readonly last: Axis;
  readonly rows: Taps;
  readonly columns: Taps;
}

function emitTaps(l: Lowering, mode: Mode, x: Source, out: Source, about: Resizing): void {
  const { batch, channels, first, last, rows, columns } = about;
  l.emit(
    step(Opcode.Resize, ResizeStep, {
      ...{ input: x.at, output: out.at, batch, inHeight: first.input, inWidth: last.input },
      ...{ outHeight: first.output, outWidth: last.output, channels },
      ...{ rows: l.own(rows.table), columns: l.own(columns.table), tapsY: rows.count, tapsX: columns.count },
    }),
    { kernel: `resize_${mode.mode}`, bytes: 4 * (sizeOf(x.shape) + sizeOf(out.shape) * rows.count * columns.count) },
  );
}

/** Axes one after the other, the last one first; `x` where none changes. */
function emitAxes(l: Lowering, mode: Mode, x: Source, out: Source, axes: readonly Axis[]): void {
  const changed = axes.flatMap((axis, i) => (isKept(mode, axis) ? [] : [i])).reverse();
  // A resize of nothing copies.
  const order = changed.length === 0 ? [axes.length - 1] : changed;
  let from = x;
  for (const [n, at] of order.entries()) {
    const shape = from.shape.with(at, out.shape[at]!);
    const to = n === order.length - 1 ? out : temporary(l, "float32", shape);
    const flat = ({ shape: dims }: Source): number[] => [
      sizeOf(dims.slice(0, at)),
      dims[at]!,
      sizeOf(dims.slice(at + 1)),
    ];
    emitResize(l, mode, { ...from, shape: flat(from) }, { ...to, shape: flat({ ...to, shape }) }, [axes[at]!]);
    from = { ...to, shape };
  }
}

/** Writes the extrapolation value where a crop reads beyond its input. */
function extrapolate(l: Lowering, mode: Mode, out: Source, axes: readonly Axis[]): void {
  const outside = axes.map((axis) => Array.from({ length: axis.output }, (_, i) => isOutside(l, mode, i, axis)));
  if (!outside.some((axis) => axis.includes(true))) return;
  const condition = new Uint8Array(sizeOf(out.shape));
  const strides = stridesOf(out.shape);
  condition.forEach((_, i) => {
    condition[i] = outside.some((axis, at) => axis[Math.floor(i / strides[at]!) % axis.length]) ? 1 : 0;
  });
  const value = constant(l, "float32", l.attribute("extrapolation_value", 0));
  emitWhere(l, { at: l.own(condition), type: "bool", shape: out.shape }, value, out, out);
}

function resize(channelsLast: boolean): Lower {
  return (l) =>
    inFloat32(l, l.input(0), l.output(), (x, out) => {
      const mode = modeOf(l);
      const axes = axesOf(l, x, out);
      const rank = x.shape.length;
      const keeps = (axis: number): boolean => isKept(mode, axes[axis]!);
      if (channelsLast && rank < 5 && keeps(0) && keeps(rank - 1)) {
        emitResize(l, mode, x, out, axes.slice(1, -1));
      } else if (!channelsLast && rank > 1 && x.shape.slice(0, -2).every((_, i) => keeps(i))) {
        // all that is not resized is one batch of single channels when there are few, else the lanes
        const flat = (v: Source): Source => ({ ...v, shape: [1, sizeOf(v.shape.slice(0, -2)), ...v.shape.slice(-2)] });
        throughChannelsLast(l, flat(x), flat(out), (a, b) => emitResize(l, mode, a, b, axes.slice(-2)));
      } else emitAxes(l, mode, x, out, axes);
      extrapolate(l, mode, out, axes);
    });
}

export const RESIZE = {
  "/Resize": resize(false),
  "bitbasis/Resize": resize(true),
} satisfies Readonly<Record<string, Lower>>;
