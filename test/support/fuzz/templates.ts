// How a random call of each operator is made: inputs that mostly fit, attributes at and around their edges. A template need not be valid: the builder drops what the
// oracle refuses.
import type { Attribute } from "../../../src/graph/graph.ts";
import { isFloat } from "../oracle/value.ts";
import type { GraphBuilder, Spec } from "./builder.ts";
import {
  anyOf,
  anything,
  axes,
  axis,
  binary,
  type Draft,
  FLOATS,
  float,
  INTEGERS,
  maybe,
  number,
  partner,
  reduce,
  some,
  type Template,
  unary,
  withAxes,
} from "./draws.ts";
import { conv, convTranspose, gemm, matmul, normalization, pool, resize, spatialInput } from "./layer-templates.ts";

const slice: Template = (b) => {
  const x = anything(b, 1, 4);
  const list = axes(b, x);
  const { dims } = b.get(x);
  const bound = (a: number): number => {
    const d = dims.at(a < 0 ? a : a) ?? 1;
    return b.random.pick([
      0,
      1,
      -1,
      d,
      -d,
      d - 1,
      -d - 1,
      d + 1,
      b.random.integer(-d - 2, d + 2),
      2 ** 31 - 1,
      -(2 ** 31),
    ]);
  };
  const [starts, ends] = [list.map(bound), list.map(bound)];
  if (b.opset < 10) return { op: "Slice", inputs: [x], attributes: { starts, ends, axes: list } };
  const steps = list.map(() => b.random.pick([1, 1, 2, 3, -1, -2, -7]));
  return { op: "Slice", inputs: [x, b.int64(...starts), b.int64(...ends), b.int64(...list), b.int64(...steps)] };
};

const pad: Template = (b) => {
  const x = float(b, 1, 4);
  const { dims } = b.get(x);
  const mode = b.random.pick(["constant", "constant", "reflect", "edge"]);
  const amounts = [...dims, ...dims].map((d) =>
    b.random.integer(mode === "reflect" ? 0 : -1, mode === "reflect" ? Math.min(2, d - 1) : 2),
  );
  if (b.opset < 11)
    return { op: "Pad", inputs: [x], attributes: { mode, pads: amounts, ...some(b, "value", [0, 1.5]) } };
  const inputs = [x, b.int64(...amounts), ...(mode === "constant" && maybe(b) ? [b.scalar("float32", 2)] : [])];
  return { op: "Pad", inputs, attributes: { mode } };
};

const reshape: Template = (b) => {
  const x = anything(b, 0, 4);
  const elements = b.get(x).data.length;
  const list = b.random.pick([[-1], [elements], [1, -1], [0, -1], [-1, 2], [2, -1, 1], [3, -1], [1, elements, 1]]);
  return { op: "Reshape", inputs: [x, b.int64(...list)] };
};

const split: Template = (b) => {
  const x = anything(b, 1, 4);
  const a = axis(b, x);
  const extent = b.get(x).dims.at(a)!;
  const count = b.random.integer(1, 3);
  const parts = Array.from({ length: count }, () => 0);
  for (let i = 0; i < extent; i++) parts[b.random.integer(0, count - 1)]!++;
  if (b.opset < 13) return { op: "Split", inputs: [x], attributes: { axis: a, split: parts }, outputs: count };
  return { op: "Split", inputs: [x, b.int64(...parts)], attributes: { axis: a }, outputs: count };
};

const concat: Template = (b) => {
  const x = anything(b, 1, 4);
  const { type, dims } = b.get(x);
  const a = axis(b, x);
  const at = a < 0 ? a + dims.length : a;
  const parts = Array.from({ length: b.random.integer(0, 2) }, () =>
    b.fresh(
      type,
      dims.map((d, i) => (i === at ? b.random.integer(0, 3) : d)),
    ),
  );
  return { op: "Concat", inputs: [x, ...parts].sort(() => b.random.integer(-1, 1)), attributes: { axis: a } };
};

/** Indices within an axis, some from its end. */
function within(b: GraphBuilder, dims: readonly number[], extent: number, types = ["int64", "int32"]): string {
  const type = b.random.pick(types);
  const { type: t, dims: d, data } = b.data(type, dims);
  const v = {
    type: t,
    dims: d,
    data: data.map(() => BigInt(b.random.integer(-extent, Math.max(extent - 1, -extent)))),
  };
  return b.place(v, maybe(b));
}

const gather: Template = (b) => {
  const x = anything(b, 1, 4);
  const a = axis(b, x);
  return { op: "Gather", inputs: [x, within(b, b.dims(0, 2), b.get(x).dims.at(a)!)], attributes: { axis: a } };
};

const gatherElements: Template = (b) => {
  const x = anything(b, 1, 3);
  const a = axis(b, x);
  const { dims } = b.get(x);
  const at = a < 0 ? a + dims.length : a;
  const shape = dims.map((d, i) => (i === at ? b.random.integer(1, 4) : b.random.integer(Math.min(1, d), d)));
  return { op: "GatherElements", inputs: [x, within(b, shape, dims[at]!)], attributes: { axis: a } };
};

const scatterElements: Template = (b) => {
  const x = float(b, 1, 3);
  const { dims } = b.get(x);
  const a = axis(b, x);
  const at = a < 0 ? a + dims.length : a;
  const shape = dims.map((d) => b.random.integer(Math.min(1, d), d));
  const reduction =
    b.opset >= 16 && maybe(b)
      ? { reduction: b.random.pick(b.opset >= 18 ? ["add", "mul", "min", "max"] : ["add", "mul"]) }
      : {};
  return {
    op: "ScatterElements",
    inputs: [x, within(b, shape, dims[at]!), b.fresh("float32", shape)],
    attributes: { axis: a, ...reduction },
  };
};

const tuples =
  (op: "GatherND" | "ScatterND"): Template =>
  (b) => {
    const x = float(b, 1, 3);
    const { dims } = b.get(x);
    const depth = b.random.integer(1, dims.length);
    const smallest = Math.min(...dims.slice(0, depth));
    const lead = b.dims(0, 2);
    const at = within(b, [...lead, depth], smallest, ["int64"]);
    if (op === "GatherND") return { op, inputs: [x, at] };
    const reduction = b.opset >= 16 && maybe(b) ? { reduction: b.random.pick(["add", "mul"]) } : {};
    return { op, inputs: [x, at, b.fresh("float32", [...lead, ...dims.slice(depth)])], attributes: reduction };
  };

const comparable = anyOf(["float32", ...INTEGERS]);
const boolean = anyOf(["bool"]);

const DRAFTS: Readonly<Record<string, Template>> = {
  ...Object.fromEntries(
    "Ceil Floor Round Exp Tanh Sigmoid Erf Softplus Softsign Sin Cos".split(" ").map((op) => [op, unary(op)]),
  ),
  ...Object.fromEntries(
    "Abs Neg Sign".split(" ").map((op) => [op, unary(op, undefined, anyOf([...FLOATS, "int8", "int32", "int64"]))]),
  ),
  Relu: unary("Relu", undefined, float),
  Sqrt: (b) => ({ op: "Sqrt", inputs: [float(b)] }),
  Reciprocal: unary("Reciprocal"),
  Log: unary("Log"),
  HardSwish: unary("HardSwish"),
  Mish: unary("Mish"),
  Gelu: unary("Gelu", (b) => (maybe(b) ? {} : { approximate: "tanh" })),
  HardSigmoid: unary("HardSigmoid", (b) => ({ ...some(b, "alpha", [0.5, 0.1]), ...some(b, "beta", [0, 0.25]) })),
  LeakyRelu: unary("LeakyRelu", (b) => some(b, "alpha", [0.1, 2, -1])),
  Elu: unary("Elu", (b) => some(b, "alpha", [0.5, 2])),
  Selu: unary("Selu"),
  Celu: unary("Celu", (b) => some(b, "alpha", [0.5, 2])),
  ThresholdedRelu: unary("ThresholdedRelu", (b) => some(b, "alpha", [0, 0.5])),
  Shrink: unary("Shrink", (b) => ({ ...some(b, "bias", [0.25]), ...some(b, "lambd", [0, 1]) })),
  ...Object.fromEntries("Add Sub Mul Div".split(" ").map((op) => [op, binary(op)])),
  Pow: (b) => {
    const x = float(b);
    return { op: "Pow", inputs: [x, b.scalar("float32", b.random.pick([0, 0.5, 1, 2, 3, -1]))] };
  },
  Mod: binary("Mod", anyOf(INTEGERS), (b) => some(b, "fmod", [0, 1])),
  PRelu: binary("PRelu", float),
  Max: binary("Max"),
  Min: binary("Min"),
  Sum: binary("Sum", float),
  Mean: binary("Mean", float),
  Equal: binary("Equal", comparable),
  Less: binary("Less", comparable),
  Greater: binary("Greater", comparable),
  LessOrEqual: binary("LessOrEqual", comparable),
  GreaterOrEqual: binary("GreaterOrEqual", comparable),
  And: binary("And", boolean),
  Or: binary("Or", boolean),
  Xor: binary("Xor", boolean),
  Not: unary("Not", undefined, boolean),
  BitwiseAnd: binary("BitwiseAnd", anyOf(INTEGERS)),
  BitShift: binary("BitShift", anyOf(["uint8", "uint32", "uint64"]), (b) => ({
    direction: b.random.pick(["LEFT", "RIGHT"]),
  })),
  IsNaN: unary("IsNaN"),
  IsInf: unary("IsInf", (b) => some(b, "detect_negative", [0, 1])),
  Where: (b) => {
    const x = anything(b);
    return { op: "Where", inputs: [b.fresh("bool", b.get(x).dims), x, partner(b, x)] };
  },
  Clip: (b) => {
    const x = b.opset < 12 ? float(b) : number(b);
    const { type } = b.get(x);
    if (b.opset < 11) return { op: "Clip", inputs: [x], attributes: { min: -0.5, ...some(b, "max", [0.5, 6]) } };
    const bound = (v: number): string => (maybe(b) ? b.scalar(type, v) : "");
    return { op: "Clip", inputs: [x, bound(isFloat(type) ? -0.5 : 1), bound(isFloat(type) ? 0.75 : 4)] };
  },
  Cast: (b) => ({
    op: "Cast",
    inputs: [anything(b)],
    attributes: { to: b.random.pick([1, 1, 2, 3, 5, 6, 7, 9, 10, 11, 12, 13]) },
  }),
  Reshape: reshape,
  Flatten: (b) => {
    const x = float(b, 1, 4);
    return {
      op: "Flatten",
      inputs: [x],
      attributes: { axis: b.random.integer(b.opset < 11 ? 0 : -b.get(x).dims.length, b.get(x).dims.length) },
    };
  },
  Squeeze: (b) => {
    const x = anything(b, 1, 4);
    const ones = b.get(x).dims.flatMap((d, i) => (d === 1 ? [i] : []));
    return withAxes(b, "Squeeze", x, maybe(b) ? ones.slice(0, 2) : [], 13);
  },
  Unsqueeze: (b) => {
    const x = anything(b, 0, 3);
    const rank = b.get(x).dims.length;
    return withAxes(b, "Unsqueeze", x, b.random.pick([[0], [rank], [0, rank + 1], [rank === 0 ? 0 : 1]]), 13);
  },
  Transpose: (b) => {
    const x = anything(b, 1, 4);
    const perm = b
      .get(x)
      .dims.map((_, i) => i)
      .sort(() => b.random.integer(-1, 1));
    return { op: "Transpose", inputs: [x], attributes: maybe(b) ? { perm } : {} };
  },
  Concat: concat,
  Split: split,
  Slice: slice,
  Pad: pad,
  Expand: (b) => {
    const x = float(b, 0, 3);
    const own = b.get(x).dims.map((d) => (d === 1 && maybe(b) ? 3 : d));
    return { op: "Expand", inputs: [x, b.int64(...(maybe(b) ? [2] : []), ...own)] };
  },
  Tile: (b) => {
    const x = anything(b, 1, 3);
    return { op: "Tile", inputs: [x, b.int64(...b.get(x).dims.map(() => b.random.pick([0, 1, 1, 2, 3])))] };
  },
  ConstantOfShape: (b) => ({ op: "ConstantOfShape", inputs: [b.int64(...b.dims(0, 3))] }),
  Range: (b) => {
    const type = b.random.pick(["int64", "int32", "float32"]);
    return {
      op: "Range",
      inputs: [0, b.random.integer(-4, 6), b.random.pick([1, 2, -1])].map((v) => b.scalar(type, v)),
    };
  },
  DepthToSpace: (b) => ({
    op: "DepthToSpace",
    inputs: [spatialInput(b, b.random.pick([4, 8, 9]), 2)],
    attributes: { blocksize: b.random.pick([1, 2, 3]), ...(b.opset >= 11 && maybe(b) && { mode: "CRD" }) },
  }),
  SpaceToDepth: (b) => ({
    op: "SpaceToDepth",
    inputs: [b.fresh("float32", [1, 3, 4, 6])],
    attributes: { blocksize: 2 },
  }),
  Trilu: (b) => {
    const x = anything(b, 2, 3);
    return {
      op: "Trilu",
      inputs: [x, ...(maybe(b) ? [b.scalar("int64", b.random.integer(-3, 3))] : [])],
      attributes: some(b, "upper", [0, 1]),
    };
  },
  Shape: (b) => ({
    op: "Shape",
    inputs: [anything(b)],
    attributes: b.opset >= 15 ? { ...some(b, "start", [-1, 0, 1, -9]), ...some(b, "end", [-1, 1, 9]) } : {},
  }),
  Size: unary("Size", undefined, anything),
  Identity: unary("Identity", undefined, anything),
  Gather: gather,
  GatherElements: gatherElements,
  GatherND: tuples("GatherND"),
  ScatterElements: scatterElements,
  ScatterND: tuples("ScatterND"),
  TopK: (b) => {
    const x = float(b, 1, 3);
    const a = axis(b, x);
    const k = b.random.integer(0, b.get(x).dims.at(a)!);
    if (b.opset < 10) return { op: "TopK", inputs: [x], attributes: { axis: a, k }, outputs: 2 };
    return { op: "TopK", inputs: [x, b.int64(k)], attributes: { axis: a, ...some(b, "largest", [0, 1]) }, outputs: 2 };
  },
  ...Object.fromEntries(
    ["ArgMax", "ArgMin"].map((op) => [
      op,
      (b: GraphBuilder): Draft => {
        const x = float(b, 1, 4);
        return {
          op,
          inputs: [x],
          attributes: {
            axis: axis(b, x),
            ...some(b, "keepdims", [0, 1]),
            ...(b.opset >= 12 && some(b, "select_last_index", [0, 1])),
          },
        };
      },
    ]),
  ),
  CumSum: (b) => {
    const x = float(b, 1, 3);
    return {
      op: "CumSum",
      inputs: [x, b.scalar("int64", axis(b, x))],
      attributes: { ...some(b, "exclusive", [0, 1]), ...some(b, "reverse", [0, 1]) },
    };
  },
  ...Object.fromEntries(
    "Sum Mean Max Min Prod L1 L2 LogSum LogSumExp SumSquare"
      .split(" ")
      .map((op) => [`Reduce${op}`, reduce(`Reduce${op}`)]),
  ),
  ...Object.fromEntries(
    ["Softmax", "LogSoftmax"].map((op) => [
      op,
      (b: GraphBuilder): Draft => {
        const x = float(b, 1, 4);
        return {
          op,
          inputs: [x],
          attributes: maybe(b)
            ? {}
            : { axis: b.opset < 11 ? b.random.integer(0, b.get(x).dims.length - 1) : axis(b, x) },
        };
      },
    ]),
  ),
  ...normalization,
  MatMul: matmul,
  Gemm: gemm,
  Conv: conv,
  ConvTranspose: convTranspose,
  MaxPool: pool("MaxPool"),
  AveragePool: pool("AveragePool"),
  GlobalAveragePool: (b) => ({ op: "GlobalAveragePool", inputs: [spatialInput(b, 3, 2)] }),
  GlobalMaxPool: (b) => ({ op: "GlobalMaxPool", inputs: [spatialInput(b, 5, b.random.pick([1, 2]))] }),
  Resize: resize,
};

/** A call of each operator. */
export const TEMPLATES: Readonly<Record<string, (b: GraphBuilder) => Spec>> = Object.fromEntries(
  Object.entries(DRAFTS).map(([op, template]) => [
    op,
    (b) => {
      const draft = template(b);
      const attributes = Object.entries(draft.attributes ?? {}).filter(([, v]) => v !== undefined);
      return { ...draft, attributes: Object.fromEntries(attributes) as Record<string, Attribute> };
    },
  ]),
);

/** The first opset that has the operator, where that is not 7. */
export const SINCE: Readonly<Record<string, number>> = {
  Erf: 9,
  Sign: 9,
  Where: 9,
  IsNaN: 9,
  Shrink: 9,
  ConstantOfShape: 9,
  Mod: 10,
  ThresholdedRelu: 10,
  IsInf: 10,
  Resize: 7,
  BitShift: 11,
  CumSum: 11,
  Round: 11,
  Range: 11,
  ScatterElements: 11,
  GatherElements: 11,
  GatherND: 11,
  ScatterND: 11,
  Celu: 12,
  LessOrEqual: 12,
  GreaterOrEqual: 12,
  HardSwish: 14,
  Trilu: 14,
  LayerNormalization: 17,
  Mish: 18,
  BitwiseAnd: 18,
  Gelu: 20,
  Expand: 8,
  Max: 8,
  Min: 8,
  Sum: 8,
  Mean: 8,
};
