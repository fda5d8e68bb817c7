// How a random call of each layer is made: convolutions, pools, products, normalizations, resizing.
import type { GraphBuilder } from "./builder.ts";
import { axis, float, maybe, some, type Template } from "./draws.ts";

export const spatialInput = (b: GraphBuilder, channels: number, axesCount: number): string =>
  b.pick(
    (v) => v.type === "float32" && v.dims.length === axesCount + 2 && v.dims[1] === channels,
    () =>
      b.fresh("float32", [
        b.random.integer(1, 2),
        channels,
        ...Array.from({ length: axesCount }, () => b.random.integer(3, 9)),
      ]),
  );

function windowAttributes(
  b: GraphBuilder,
  n: number,
  kernel: readonly number[],
  dilates = true,
): Record<string, number[] | string> {
  const { random } = b;
  const attributes: Record<string, number[] | string> = {};
  if (maybe(b)) attributes["strides"] = Array.from({ length: n }, () => random.integer(1, 3));
  if (dilates && random.integer(0, 2) === 0)
    attributes["dilations"] = Array.from({ length: n }, () => random.integer(1, 2));
  const auto = random.integer(0, 5);
  if (auto < 3) attributes["pads"] = [...kernel, ...kernel].map((k) => random.integer(0, k - 1));
  else if (auto === 3) attributes["auto_pad"] = random.pick(["SAME_UPPER", "SAME_LOWER", "VALID"]);
  return attributes;
}

export const conv: Template = (b) => {
  const { random } = b;
  const n = random.pick([1, 2, 2, 2]);
  const group = random.pick([1, 1, 1, 2, 3]);
  const perGroup = random.integer(1, 3);
  const outputs = group * random.pick([1, 2, 3, 9]);
  const kernel = Array.from({ length: n }, () => random.integer(1, 3));
  const x = spatialInput(b, group * perGroup, n);
  const w = b.fresh("float32", [outputs, perGroup, ...kernel], random.integer(0, 4) > 0);
  const bias = maybe(b) ? [b.fresh("float32", [outputs], random.integer(0, 4) > 0)] : [];
  return { op: "Conv", inputs: [x, w, ...bias], attributes: { group, ...windowAttributes(b, n, kernel) } };
};

export const convTranspose: Template = (b) => {
  const { random } = b;
  const n = random.pick([1, 2, 2]);
  const group = random.pick([1, 1, 2, 4]);
  const [inGroup, outGroup] = [random.integer(1, 2), random.integer(1, 3)];
  const kernel = Array.from({ length: n }, () => random.integer(1, 3));
  const x = spatialInput(b, group * inGroup, n);
  const w = b.fresh("float32", [group * inGroup, outGroup, ...kernel], random.integer(0, 4) > 0);
  const attributes: Record<string, number[] | string | number> = { group, ...windowAttributes(b, n, kernel) };
  const strides = (attributes["strides"] as number[] | undefined) ?? kernel.map(() => 1);
  if (maybe(b)) attributes["output_padding"] = strides.map((s) => random.integer(0, s - 1));
  return { op: "ConvTranspose", inputs: [x, w], attributes };
};

export const pool =
  (op: string): Template =>
  (b) => {
    const n = b.random.pick([1, 2, 2]);
    const kernel = Array.from({ length: n }, () => b.random.integer(1, 3));
    const x = spatialInput(b, b.random.integer(1, 9), n);
    const dilates = op === "MaxPool" ? b.opset >= 10 : b.opset >= 19;
    const attributes: Record<string, number[] | string | number> = {
      kernel_shape: kernel,
      ...windowAttributes(b, n, kernel, dilates),
    };
    if (b.opset >= 10 && maybe(b)) attributes["ceil_mode"] = 1;
    if (op === "AveragePool" && maybe(b)) attributes["count_include_pad"] = 1;
    return { op, inputs: [x], attributes };
  };

export const matmul: Template = (b) => {
  const a = float(b, 1, 4);
  const { dims } = b.get(a);
  const k = dims.at(-1)!;
  const n = b.random.pick([1, 2, 5, 9]);
  const shape = b.random.pick([[k, n], [k], [...dims.slice(0, -2).map((d) => (maybe(b) ? d : 1)), k, n]]);
  return { op: "MatMul", inputs: [a, b.fresh("float32", shape)] };
};

export const gemm: Template = (b) => {
  const a = float(b, 2, 2);
  const [transA, transB] = [b.random.integer(0, 1), b.random.integer(0, 1)];
  const [rows, columns] = b.get(a).dims as [number, number];
  const [m, k] = transA ? [columns, rows] : [rows, columns];
  const n = b.random.pick([1, 3, 8]);
  const c = b.random.pick([[], [n], [1, n], [m, 1], [m, n]]);
  const inputs = [a, b.fresh("float32", transB ? [n, k] : [k, n])];
  if (b.opset < 11 || maybe(b)) inputs.push(b.fresh("float32", c));
  return {
    op: "Gemm",
    inputs,
    attributes: { transA, transB, ...some(b, "alpha", [0.5, 1, -2]), ...some(b, "beta", [0.5, 0, 3]) },
  };
};

export const normalization: Record<string, Template> = {
  BatchNormalization: (b) => {
    const x = float(b, 2, 4);
    const c = b.get(x).dims[1]!;
    const vector = (): string => b.fresh("float32", [c]);
    const { dims } = b.get(x);
    const variance = b.place({
      type: "float32",
      dims: [c],
      data: Array.from({ length: c }, () => Math.fround(b.random.uniform(0.25, 2))),
    });
    return {
      op: "BatchNormalization",
      inputs: [x, vector(), vector(), vector(), variance],
      attributes: dims.length > 1 ? { epsilon: 1e-3 } : {},
    };
  },
  InstanceNormalization: (b) => {
    const x = spatialInput(b, b.random.integer(1, 5), b.random.pick([1, 2]));
    const c = b.get(x).dims[1]!;
    return {
      op: "InstanceNormalization",
      inputs: [x, b.fresh("float32", [c]), b.fresh("float32", [c])],
      attributes: { epsilon: 1e-2 },
    };
  },
  LayerNormalization: (b) => {
    const x = float(b, 1, 4);
    const a = axis(b, x);
    const rest = b.get(x).dims.slice(a);
    const bias = maybe(b) ? [b.fresh("float32", rest)] : [];
    return {
      op: "LayerNormalization",
      inputs: [x, b.fresh("float32", rest), ...bias],
      attributes: { axis: a, epsilon: 1e-2 },
    };
  },
};

export const resize: Template = (b) => {
  const x = spatialInput(b, b.random.integer(1, 3), 2);
  const { dims } = b.get(x);
  const mode = b.random.pick(["nearest", "linear", "cubic"]);
  const scale = (): number => b.random.pick([0.5, 1, 1.5, 2, 3, 0.75]);
  const coordinates = b.random.pick(["half_pixel", "pytorch_half_pixel", "align_corners", "asymmetric"]);
  if (b.opset < 11)
    return {
      op: b.opset < 10 ? "Upsample" : "Resize",
      inputs: [
        x,
        b.place({ type: "float32", dims: [4], data: [1, 1, b.random.pick([1, 2, 3]), b.random.pick([1, 2])] }),
      ],
      attributes: { mode: b.random.pick(["nearest", "linear"]) },
    };
  const attributes = {
    mode,
    coordinate_transformation_mode: coordinates,
    ...(mode === "nearest" && {
      nearest_mode: b.random.pick(["floor", "ceil", "round_prefer_floor", "round_prefer_ceil"]),
    }),
    ...(mode === "cubic" && some(b, "exclude_outside", [0, 1])),
  };
  if (maybe(b)) {
    const sizes = [dims[0]!, dims[1]!, b.random.integer(1, 9), b.random.integer(1, 9)];
    return { op: "Resize", inputs: [x, "", "", b.int64(...sizes)], attributes };
  }
  const scales = b.place({ type: "float32", dims: [4], data: [1, 1, scale(), scale()] });
  return {
    op: "Resize",
    inputs: [x, b.opset < 13 ? b.place({ type: "float32", dims: [0], data: [] }) : "", scales],
    attributes,
  };
};
