import { type ElementType, sizeOf } from "../../../tensor/index.ts";
import { range, shape } from "../attend.ts";
import { typeAttribute, typeCode } from "../cast.ts";
import type { Maker } from "../maker.ts";
import { FLOATS, INDEX, type Operator } from "../operator.ts";

const REALS: readonly ElementType[] = ["float32", "float64"];

/** Places of samples between −1 and 1: in the middles of equal parts, or from end to end. */
function ticks(length: number, corners: boolean): number[] {
  if (!corners) return range(length).map((i) => (2 * i + 1 - length) / length);
  return range(length).map((i) => (length === 1 ? 0 : (2 * i) / (length - 1) - 1));
}

/** Places of one axis are a list. */
const LONGEST = 2 ** 22;

/** An affine map of the places of all samples: [batch, …size, axes], x first. */
const affineGrid: Operator["expands"] = (call, make) => {
  const size = call.needed(1);
  const [batch = 0, , ...spatial] = size;
  const axes = spatial.length;
  const wanted = [batch, axes, axes + 1];
  if ((axes !== 2 && axes !== 3) || size.some((d) => d < 0) || call.shape(0).join() !== wanted.join())
    throw call.fail(`theta expected shape [${wanted}] for the size [${size}] of 4 or 5 extents`);
  const corners = call.number("align_corners", 0) !== 0;
  if (spatial.some((length) => length > LONGEST))
    throw call.fail(`a grid of more than ${LONGEST} places along an axis`, "UNSUPPORTED");
  const type = call.type(0);
  const all = shape(make, [1, sizeOf(spatial)]);
  const row = (places: readonly number[], dims: readonly number[]): string => {
    const spread = make.op("Expand", [make.tensor("ticks", type, places, dims), shape(make, spatial)]);
    return make.op("Reshape", [spread, all]);
  };
  // Rows x, y, (z,) 1 of the matrix of places, which may be larger than JavaScript's lists.
  const along = range(axes).map((at) => {
    const axis = axes - 1 - at;
    return row(ticks(spatial[axis]!, corners), [spatial[axis]!, ...new Array<number>(at).fill(1)]);
  });
  const grid = make.op("Concat", [...along, row([1], [1])], { axis: 0 });
  const moved = make.op("Transpose", [make.op("MatMul", [call.node.inputs[0]!, grid])], { perm: [0, 2, 1] });
  return make.end("Reshape", [moved, shape(make, [batch, ...spatial, axes])]);
};

/** Values back at the places that MaxPool took them from; zeros elsewhere. */
const maxUnpool: Operator["expands"] = (call, make) => {
  if (call.list("kernel_shape") === undefined) throw call.fail('"kernel_shape" is missing');
  const dims = call.shape(0);
  const axes = dims.length - 2;
  const list = (name: string, count: number, fallback: number): readonly number[] => {
    const given = call.list(name) ?? range(count).map(() => fallback);
    if (given.length !== count || given.some((v) => v < fallback))
      throw call.fail(`"${name}" expected ${count} integers ≥ ${fallback}, got [${given}]`);
    return given;
  };
  const [kernel, strides, pads] = [list("kernel_shape", axes, 1), list("strides", axes, 1), list("pads", 2 * axes, 0)];
  if (axes < 1 || call.shape(1).join() !== dims.join())
    throw call.fail("indices of the shape of the input are expected");
  const spatial = kernel.map((size, i) => (dims[i + 2]! - 1) * strides[i]! - pads[i]! - pads[i + axes]! + size);
  const inner = [dims[0]!, dims[1]!, ...spatial];
  const whole = call.has(2) ? call.needed(2) : inner;
  if (inner.some((d) => d < 0) || whole.length !== inner.length || whole.some((d, i) => d < inner[i]!))
    throw call.fail(`output_shape expected [${inner}] or more, got [${whole}]`);
  const flat = (i: number): string => make.op("Reshape", [call.node.inputs[i]!, shape(make, [sizeOf(dims)])]);
  const zeros = make.op("Expand", [make.tensor("zero", call.type(0), 0), shape(make, [sizeOf(inner)])]);
  const filled = make.op("ScatterElements", [zeros, flat(1), flat(0)], { axis: 0 });
  const unpooled = make.op("Reshape", [filled, shape(make, inner)]);
  const ends = whole.map((d, i) => d - inner[i]!);
  return make.end("Pad", [unpooled, shape(make, [...inner.map(() => 0), ...ends])]);
};

/** Hertz as mel, 2595·log10(1 + f / 700), in float64: logarithms and powers are the core's. */
function mel(make: Maker, hertz: string): string {
  const number = (value: number): string => make.tensor("number", "float64", value);
  const ratio = make.op("Add", [number(1), make.op("Div", [hertz, number(700)])]);
  return make.op("Mul", [make.op("Log", [ratio]), number(2595 / Math.LN10)]);
}

/** Triangles that turn the bins of a spectrum into those of the mel scale: [dft_length / 2 + 1, bins]. */
const melWeights: Operator["expands"] = (call, make) => {
  const [bins, length, rate] = [0, 1, 2].map((i) => call.needed(i)[0] ?? 0) as [number, number, number];
  if (!(bins >= 1 && bins <= 65536 && length >= 0 && length <= 2 ** 22 && rate >= 1))
    throw call.fail(`bins ≥ 1, a length ≥ 0 and a rate ≥ 1 are expected, got ${bins}, ${length} and ${rate}`);
  const double = { to: typeCode("float64") };
  const number = (value: number): string => make.tensor("number", "float64", value);
  const edge = (i: number): string =>
    mel(make, make.op("Reshape", [make.op("Cast", [call.node.inputs[i]!], double), make.integers("vector", [1])]));
  const [low, high] = [edge(3), edge(4)];
  const step = make.op("Div", [make.op("Sub", [high, low]), number(bins + 2)]);
  const mels = make.op("Add", [make.op("Mul", [make.tensor("places", "float64", range(bins + 2)), step]), low]);
  const powers = make.op("Exp", [make.op("Mul", [mels, number(Math.LN10 / 2595)])]);
  const hertz = make.op("Mul", [make.op("Sub", [powers, number(1)]), number(700)]);
  const edges = make.op("Floor", [make.op("Div", [make.op("Mul", [hertz, number(length + 1)]), number(rate)])]);
  const [left, middle, right] = range(3).map((from) =>
    make.op("Slice", [edges, make.integers("from", [from]), make.integers("to", [from + bins])]),
  ) as [string, string, string];
  const at = make.tensor("bins", "float64", range(Math.floor(length / 2) + 1), [Math.floor(length / 2) + 1, 1]);
  const [rise, fall] = [make.op("Sub", [middle, left]), make.op("Sub", [right, middle])];
  const zero = number(0);
  const one = number(1);
  const over = (value: string, by: string): string =>
    make.op("Div", [value, make.op("Where", [make.op("Equal", [by, zero]), one, by])]);
  const up = over(make.op("Sub", [at, left]), rise);
  const down = over(make.op("Sub", [right, at]), fall);
  const within = (from: string, to: string, op: string): string =>
    make.op("And", [make.op("GreaterOrEqual", [at, from]), make.op(op, [at, to])]);
  // A triangle without a left side begins with 1; the right side begins where the left one ends.
  const begun = make.op("Where", [make.op("Equal", [rise, zero]), one, up]);
  const rising = make.op("Where", [within(left, middle, "LessOrEqual"), begun, zero]);
  const all = make.op("Where", [within(middle, right, "Less"), down, rising]);
  return make.end("Cast", [all], { to: typeCode(typeAttribute(call, "output_datatype", "float32")) });
};

export const spatials = {
  "/AffineGrid": {
    since: 20,
    inputs: "T int64",
    types: { T: REALS },
    attributes: { align_corners: "int" },
    expands: affineGrid,
  },
  "/MaxUnpool": {
    since: 9,
    inputs: "T int64 int64?",
    types: { T: FLOATS },
    attributes: { kernel_shape: "ints", pads: "ints", strides: "ints" },
    expands: maxUnpool,
  },
  "/MelWeightMatrix": {
    since: 17,
    inputs: "I I I F F",
    types: { I: INDEX, F: FLOATS },
    attributes: { output_datatype: "int" },
    expands: melWeights,
  },
} as const satisfies Readonly<Record<string, Operator>>;
