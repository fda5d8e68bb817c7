import { Opcode } from "../../core/abi/opcode.ts";
import { ResizeStep } from "../../core/abi/pool.ts";
import { step } from "../../core/index.ts";
import { sizeOf } from "../../tensor/index.ts";
import type { Lower, Lowering } from "../lowering.ts";
import { throughChannelsLast } from "./pool.ts";
import { inFloat32, opset, type Source } from "./support.ts";

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
}

/** Position in the input of output coordinate `i`. */
function position(l: Lowering, coordinates: string, i: number, scale: number, input: number, output: number): number {
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

/** Weights of the taps at floor(x) − before …, for a fraction t of the way to the next (Keys 1981 for the cubic ones). */
function weightsOf(mode: Mode, t: number): number[] {
  if (mode.mode === "linear") return [1 - t, t];
  const a = mode.cubic;
  const near = (d: number): number => ((a + 2) * d - (a + 3)) * d * d + 1;
  const far = (d: number): number => ((d - 5) * d + 8) * d * a - 4 * a;
  return [far(t + 1), near(t), near(1 - t), far(2 - t)];
}

/** The table of one axis; indices are clamped to the input, which repeats its border. */
function tapsOf(l: Lowering, mode: Mode, input: number, output: number, scale: number): Taps {
  const identity = input === output && scale === 1;
  const count = mode.mode === "nearest" || identity ? 1 : mode.mode === "linear" ? 2 : 4;
  const view = new DataView(new ArrayBuffer(8 * count * output));
  for (let i = 0; i < output; i++) {
    const x = position(l, mode.coordinates, i, scale, input, output);
    const first =
      count === 1 ? (identity ? i : nearestIndex(l, mode.nearest, x)) : Math.floor(x) - (count === 4 ? 1 : 0);
    let weights = count === 1 ? [1] : weightsOf(mode, x - Math.floor(x));
    if (mode.excludeOutside && count > 1) {
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

/** Scales of the axes: given, or the ratio of the extents. */
function scalesOf(l: Lowering, x: Source, out: Source): readonly number[] {
  const upsample = l.node.op === "Upsample" || opset(l) === 10;
  const at = upsample ? 1 : 2;
  const ratios = x.shape.map((e, i) => out.shape[i]! / e);
  const given = l.integers("scales") ?? (l.optional(at) === undefined ? [] : l.constantNumbers(at)!);
  if (given.length === 0) return ratios;
  const axes = l.integers("axes");
  if (axes === undefined) return given;
  return ratios.map((_, i) => {
    const j = axes.findIndex((a) => (a < 0 ? a + ratios.length : a) === i);
    return j < 0 ? 1 : given[j]!;
  });
}

function modeOf(l: Lowering): Mode {
  // Upsample and opset 10 have no modes of coordinates: asymmetric and floor
  const old = l.node.op === "Upsample" || opset(l) === 10;
  if (l.attribute("antialias", 0) === 1) throw l.unsupported("antialias");
  return {
    mode: l.text("mode", "nearest").replace("bilinear", "linear"),
    coordinates: old ? "asymmetric" : l.text("coordinate_transformation_mode", "half_pixel"),
    nearest: old ? "floor" : l.text("nearest_mode", "round_prefer_floor"),
    cubic: l.attribute("cubic_coeff_a", -0.75),
    excludeOutside: l.attribute("exclude_outside", 0) === 1,
  };
}

/** `scales` of the spatial axes; x and out channels last. */
function emitResize(l: Lowering, x: Source, out: Source, scales: readonly number[]): void {
  if (sizeOf(out.shape) === 0) return;
  const mode = modeOf(l);
  const spatial = x.shape.length - 2;
  const two = (shape: readonly number[]): [number, number] => (spatial === 1 ? [1, shape[1]!] : [shape[1]!, shape[2]!]);
  const [inHeight, inWidth] = two(x.shape);
  const [outHeight, outWidth] = two(out.shape);
  const [scaleY, scaleX] = spatial === 1 ? [1, scales[0]!] : [scales[0]!, scales[1]!];
  const rows = tapsOf(l, mode, inHeight, outHeight, scaleY);
  const columns = tapsOf(l, mode, inWidth, outWidth, scaleX);
  l.emit(
    step(Opcode.Resize, ResizeStep, {
      input: x.at,
      output: out.at,
      batch: x.shape[0]!,
      inHeight,
      inWidth,
      outHeight,
      outWidth,
      channels: x.shape.at(-1)!,
      rows: l.own(rows.table),
      columns: l.own(columns.table),
      tapsY: rows.count,
      tapsX: columns.count,
    }),
    { kernel: `resize_${mode.mode}`, bytes: 4 * (sizeOf(x.shape) + sizeOf(out.shape)) },
  );
}

function resize(channelsLast: boolean): Lower {
  return (l) =>
    inFloat32(l, l.input(0), l.output(), (x, out) => {
      const scales = scalesOf(l, x, out);
      const rank = x.shape.length;
      const keeps = (axis: number): boolean => x.shape[axis] === out.shape[axis] && scales[axis] === 1;
      if (channelsLast) {
        if (rank < 3 || rank > 4) throw l.unsupported(`${rank - 2} spatial axes`);
        if (!keeps(0) || !keeps(rank - 1)) throw l.unsupported("other axes than the spatial ones");
        return emitResize(l, x, out, scales.slice(1, -1));
      }
      if (x.shape.slice(0, -2).every((_, i) => keeps(i))) {
        // all that is not resized is one batch of single channels when there are few, else the lanes
        const flat = (v: Source): Source => ({ ...v, shape: [1, sizeOf(v.shape.slice(0, -2)), ...v.shape.slice(-2)] });
        return throughChannelsLast(l, flat(x), flat(out), (a, b) => emitResize(l, a, b, scales.slice(-2)));
      }
      if (rank !== 3 || !keeps(0) || !keeps(1)) throw l.unsupported("axes other than the last two");
      throughChannelsLast(l, x, out, (a, b) => emitResize(l, a, b, scales.slice(2)));
    });
}

export const RESIZE = {
  "/Resize": resize(false),
  "bitbasis/Resize": resize(true),
} satisfies Readonly<Record<string, Lower>>;
