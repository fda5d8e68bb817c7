import { floats, type Operation, type Operator, type Operators } from "./operation.ts";
import { axisOf, type Element, flat, generate, indices, isFloat, Refusal, type Value } from "./value.ts";

/** One tap of an axis: which input position and how much of it. */
interface Tap {
  readonly at: number;
  readonly weight: number;
}

interface Axis {
  readonly input: number;
  readonly output: number;
  readonly scale: number;
  readonly roi: readonly [number, number];
}

/** The input coordinate that an output position asks for. */
function coordinate(x: number, { input, output, scale, roi }: Axis, mode: string): number {
  switch (mode) {
    case "half_pixel":
      return (x + 0.5) / scale - 0.5;
    case "half_pixel_symmetric": {
      const adjustment = output / (scale * input);
      const offset = (input / 2) * (1 - adjustment);
      return offset + (x + 0.5) / scale - 0.5;
    }
    case "pytorch_half_pixel":
      return output > 1 ? (x + 0.5) / scale - 0.5 : 0;
    case "align_corners":
      return output === 1 ? 0 : (x * (input - 1)) / (output - 1);
    case "asymmetric":
      return x / scale;
    case "tf_half_pixel_for_nn":
      return (x + 0.5) / scale;
    case "tf_crop_and_resize":
      return output > 1
        ? roi[0] * (input - 1) + (x * (roi[1] - roi[0]) * (input - 1)) / (output - 1)
        : 0.5 * (roi[0] + roi[1]) * (input - 1);
    default:
      throw new Refusal(`coordinates ${mode}`);
  }
}

function nearest(x: number, mode: string): number {
  switch (mode) {
    case "round_prefer_floor":
      return Math.ceil(x - 0.5);
    case "round_prefer_ceil":
      return Math.floor(x + 0.5);
    case "floor":
      return Math.floor(x);
    case "ceil":
      return Math.ceil(x);
    default:
      throw new Refusal(`nearest_mode ${mode}`);
  }
}

function cubic(distance: number, a: number): number {
  const d = Math.abs(distance);
  if (d <= 1) return (a + 2) * d ** 3 - (a + 3) * d ** 2 + 1;
  return d < 2 ? a * d ** 3 - 5 * a * d ** 2 + 8 * a * d - 4 * a : 0;
}

/** Taps before clamping to the input. */
function kernel(x: number, scale: number, op: Operation, mode: string): Tap[] {
  const antialias = op.number("antialias", 0) === 1 && scale < 1;
  const stretch = antialias ? scale : 1;
  const [reach, f] =
    mode === "cubic"
      ? [2, (d: number) => cubic(d, op.number("cubic_coeff_a", -0.75))]
      : [1, (d: number) => Math.max(0, 1 - Math.abs(d))];
  const taps: Tap[] = [];
  for (
    let at = Math.floor(x - reach / stretch) + (antialias ? 0 : 1);
    at <= Math.floor(x) + Math.ceil(reach / stretch);
    at++
  ) {
    const weight = f((at - x) * stretch);
    if (weight !== 0) taps.push({ at, weight });
  }
  const total = taps.reduce((sum, t) => sum + t.weight, 0);
  return antialias ? taps.map(({ at, weight }) => ({ at, weight: weight / total })) : taps;
}

/** Every tap of an output position on one axis; undefined where the extrapolation value is due. */
function taps(x: number, axis: Axis, op: Operation, mode: string, coordinates: string): Tap[] | undefined {
  const { input } = axis;
  const from = coordinate(x, axis, coordinates);
  if (coordinates === "tf_crop_and_resize" && (from < 0 || from > input - 1)) return undefined;
  const clamp = (at: number): number => Math.min(Math.max(at, 0), input - 1);
  if (mode === "nearest")
    return [{ at: clamp(nearest(from, op.text("nearest_mode", "round_prefer_floor"))), weight: 1 }];
  let list = kernel(from, axis.scale, op, mode);
  if (op.number("exclude_outside", 0) === 1) {
    list = list.filter(({ at }) => at >= 0 && at < input);
    const total = list.reduce((sum, t) => sum + t.weight, 0);
    list = list.map(({ at, weight }) => ({ at, weight: weight / total }));
  }
  return list.map(({ at, weight }) => ({ at: clamp(at), weight }));
}

function extents(op: Operation, x: Value, names: { scales: number; sizes: number }): Axis[] {
  const axes = (op.list("axes") ?? x.dims.map((_, i) => i)).map((a) => axisOf(a, x.dims.length));
  const scales = op.list("scales") ?? (op.numbers(names.scales)?.length ? op.numbers(names.scales) : undefined);
  const sizes = op.numbers(names.sizes);
  const roi = op.text("coordinate_transformation_mode", "") === "tf_crop_and_resize" ? op.numbers(1)! : undefined;
  if ((scales === undefined) === (sizes === undefined) || (scales ?? sizes)!.length !== axes.length)
    throw new Refusal("scales or sizes");
  const result = x.dims.map((d): Axis => ({ input: d, output: d, scale: 1, roi: [0, 1] }));
  const policy = op.text("keep_aspect_ratio_policy", "stretch");
  const ratios = axes.map((a, i) => (sizes === undefined ? scales![i]! : sizes[i]! / x.dims[a]!));
  const common = policy === "not_larger" ? Math.min(...ratios) : Math.max(...ratios);
  axes.forEach((a, i) => {
    const input = x.dims[a]!;
    const scale = sizes !== undefined && policy !== "stretch" ? common : ratios[i]!;
    const kept = sizes !== undefined && policy === "stretch" ? sizes[i]! : undefined;
    const output = kept ?? (sizes === undefined ? Math.floor(input * scale) : Math.floor(input * scale + 0.5));
    if (!(output >= 0) || (input === 0) !== (output === 0)) throw new Refusal(`${input} to ${output}`);
    result[a] = { input, output, scale, roi: roi === undefined ? [0, 1] : [roi[i]!, roi[axes.length + i]!] };
  });
  return result;
}

function resample(op: Operation, x: Value, axes: readonly Axis[], mode: string, coordinates: string): Value {
  if (mode !== "nearest" && !isFloat(x.type)) throw new Refusal(`${mode} of ${x.type}`);
  const extrapolation = op.number("extrapolation_value", 0);
  const lists = axes.map((axis) =>
    Array.from({ length: axis.output }, (_, i) =>
      axis.input === axis.output && axis.scale === 1 && coordinates !== "tf_crop_and_resize"
        ? [{ at: i, weight: 1 }]
        : taps(i, axis, op, mode, coordinates),
    ),
  );
  return generate(
    x.type,
    axes.map(({ output }) => output),
    (place): Element => {
      const chosen = place.map((i, axis) => lists[axis]![i]);
      if (chosen.some((list) => list === undefined)) return extrapolation;
      const known = chosen as Tap[][];
      if (mode === "nearest")
        return x.data[
          flat(
            x.dims,
            known.map((list) => list[0]!.at),
          )
        ]!;
      let sum = 0;
      for (const j of indices(known.map((list) => list.length))) {
        const weight = j.reduce((product, k, axis) => product * known[axis]![k]!.weight, 1);
        sum +=
          weight *
          floats(x)[
            flat(
              x.dims,
              j.map((k, axis) => known[axis]![k]!.at),
            )
          ]!;
      }
      return sum;
    },
  );
}

const resize: Operator = (op) => {
  const x = op.x();
  const mode = op.text("mode", "nearest");
  if (op.opset < 11) {
    const axes = extents(op, x, { scales: 1, sizes: 99 });
    return [resample(floorMode(op), x, axes, mode === "bilinear" ? "linear" : mode, "asymmetric")];
  }
  const axes = extents(op, x, { scales: 2, sizes: 3 });
  return [resample(op, x, axes, mode, op.text("coordinate_transformation_mode", "half_pixel"))];
};

/** Before opset 11 an output position reads input position ⌊x / scale⌋. */
function floorMode(op: Operation): Operation {
  const floor = Object.create(op) as Operation;
  floor.text = (name, fallback) => (name === "nearest_mode" ? "floor" : op.text(name, fallback));
  return floor;
}

/** Bilinear, nearest or bicubic samples at coordinates in −1 … 1. */
const gridSample: Operator = (op) => {
  const [x, grid] = [op.x(0), op.x(1)];
  const mode = op.text("mode", "linear").replace(/^bi/, "");
  const padding = op.text("padding_mode", "zeros");
  const aligned = op.number("align_corners", 0) === 1;
  const spatial = x.dims.slice(2);
  const place = (v: number, d: number): number => (aligned ? ((v + 1) / 2) * (d - 1) : ((v + 1) * d - 1) / 2);
  const reflect = (v: number, d: number): number => {
    const [low, high] = aligned ? [0, d - 1] : [-0.5, d - 0.5];
    const range = high - low;
    if (range === 0) return 0;
    const at = (((v - low) % (2 * range)) + 2 * range) % (2 * range);
    return low + (at <= range ? at : 2 * range - at);
  };
  const inside = (v: number, d: number): number =>
    padding === "border" ? Math.min(Math.max(v, 0), d - 1) : padding === "reflection" ? reflect(v, d) : v;
  return [
    generate(x.type, [...x.dims.slice(0, 2), ...grid.dims.slice(1, -1)], ([n, c, ...at]) => {
      const coordinates = spatial.map((d, axis) => {
        const v = floats(grid)[flat(grid.dims, [n!, ...at, spatial.length - 1 - axis])]!;
        return place(v, d);
      });
      const list = coordinates.map((v, axis): Tap[] => {
        const d = spatial[axis]!;
        if (mode === "nearest") return [{ at: Math.round(nearestEven(inside(v, d))), weight: 1 }];
        if (mode === "cubic") {
          const floor = Math.floor(v);
          return [-1, 0, 1, 2].map((k) => ({ at: floor + k, weight: cubic(v - floor - k, -0.75) }));
        }
        const w = inside(v, d);
        const floor = Math.floor(w);
        return [
          { at: floor, weight: floor + 1 - w },
          { at: floor + 1, weight: w - floor },
        ];
      });
      let sum = 0;
      for (const j of indices(list.map((taps) => taps.length))) {
        const chosen = j.map((k, axis) => list[axis]![k]!);
        const position = chosen.map((t, axis) => Math.round(inside(t.at, spatial[axis]!)));
        const weight = chosen.reduce((product, t) => product * t.weight, 1);
        if (weight === 0 || position.some((p, axis) => p < 0 || p >= spatial[axis]!)) continue;
        sum += weight * floats(x)[flat(x.dims, [n!, c!, ...position])]!;
      }
      return sum;
    }),
  ];
};

function nearestEven(x: number): number {
  const floor = Math.floor(x);
  return x - floor === 0.5 ? floor + (floor % 2 === 0 ? 0 : 1) : Math.round(x);
}

export const resizes: Operators = { Resize: resize, Upsample: resize, GridSample: gridSample };
