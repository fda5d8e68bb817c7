import {
  type ElementType,
  elementBits,
  holdsBits,
  kindOf,
  type NumericType,
  sizeOf,
  type TensorData,
} from "../../tensor/index.ts";
import type { Node } from "../graph.ts";
import { range, shape, toFloat } from "./attend.ts";
import type { Call } from "./call.ts";
import { typeAttribute, typeCode } from "./cast.ts";
import { elementsOf } from "./elements.ts";
import { BYTES } from "./integer.ts";
import { axisLayout, type LayoutRule, unaryLayout } from "./layout-rules.ts";
import type { Maker } from "./maker.ts";
import { type Evaluate, type Operator, sameRank } from "./operator.ts";
import { type Rewrite, sameAs } from "./rewrite.ts";

const FLOAT = { to: 1 };
const SMALL_FLOATS: readonly ElementType[] = [
  "float8e4m3fn",
  "float8e4m3fnuz",
  "float8e5m2",
  "float8e5m2fnuz",
  "float4e2m1",
];
const SMALL_INTEGERS: readonly ElementType[] = ["int8", "uint8", "int16", "uint16", "int4", "uint4", "int2", "uint2"];
const STORED: readonly ElementType[] = [...SMALL_INTEGERS, "int32", ...SMALL_FLOATS];
const SCALES: readonly ElementType[] = ["float32", "float16", "bfloat16", "float8e8m0"];

/** Least and largest number of an integer type of at most 32 bits. */
function boundsOf(type: ElementType): readonly [number, number] {
  const bits = elementBits(type as NumericType);
  return kindOf(type) === "unsigned" ? [0, 2 ** bits - 1] : [-(2 ** (bits - 1)), 2 ** (bits - 1) - 1];
}

/** The axis of the scales, 0 where one is for all. */
function axisOf(call: Call): number {
  const { length } = call.shape(0);
  return call.shape(1).every((d) => d === 1) && call.number("block_size", 0) === 0
    ? 0
    : call.axis(call.number("axis", 1), length);
}

function checkScales(call: Call): void {
  const [x, scale] = [call.shape(0), call.shape(1)];
  const block = call.number("block_size", 0);
  const axis = axisOf(call);
  const points = call.has(2) ? call.shape(2) : scale;
  if (points.join() !== scale.join() && !(sizeOf(points) === 1 && sizeOf(scale) === 1))
    throw call.fail("scale and zero point expected one shape");
  if (block > 0) {
    const expected = x.map((d, i) => (i === axis ? Math.ceil(d / block) : d));
    if (expected.join() !== scale.join()) throw call.fail(`the scale expected shape [${expected}]`);
  } else if (sizeOf(scale) !== 1 && (scale.length !== 1 || scale[0] !== x[axis])) {
    throw call.fail(`the scale expected shape [] or [${x[axis]}]`);
  }
}

/** Every element of a constant with its scale and zero point: per tensor, per axis or per block. */
function eachElement(call: Call, make: (x: number, scale: number, zero: number) => number, to: TensorData): TensorData {
  const dims = call.shape(0);
  const axis = axisOf(call);
  const block = call.number("block_size", 0);
  const scale = elementsOf(call.constant(1)!.data);
  const zero = call.has(2) ? elementsOf(call.constant(2)!.data) : undefined;
  const from = elementsOf(call.constant(0)!.data);
  const inner = sizeOf(dims.slice(axis + 1));
  const extent = dims[axis] ?? 1;
  const groups = block > 0 ? Math.ceil(extent / block) : extent;
  const made = to as Float32Array;
  // Elements that lie together have one scale, or in blocks scales that lie together.
  for (let start = 0, line = 0; start < from.length; start += inner, line++) {
    const along = line % extent;
    let at = scale.length === 1 ? 0 : along;
    if (block > 0) at = (Math.floor(line / extent) * groups + Math.floor(along / block)) * inner;
    const step = block > 0 ? 1 : 0;
    for (let i = start; i < start + inner; i++, at += step)
      made[i] = make(Number(from[i]), scale[at] as number, Number(zero?.[at] ?? 0));
  }
  return to;
}

/** (x − zero)·scale: the constants of quantized models. */
const evaluate: Evaluate = (call, [output]) => {
  if (output!.type !== "float32" || [0, 1].some((i) => holdsBits(call.type(i)))) return undefined;
  const to = new Float32Array(sizeOf(output!.shape));
  return [eachElement(call, (x, scale, zero) => (x - zero) * scale, to)];
};

/** Constants of networks that were trained for it, which quantize their weights themselves. */
const evaluateQuantize: Evaluate = (call, [output]) => {
  if (!isPlainQuantize(call)) return undefined;
  const { type, shape: dims } = output!;
  const [low, high] = boundsOf(type);
  const to = type === "int8" ? new Int8Array(sizeOf(dims)) : new Uint8Array(sizeOf(dims));
  const one = (x: number, scale: number, zero: number): number => {
    const q = Math.fround(nearestEven(Math.fround(x / scale)) + zero);
    return low < q ? Math.min(q, high) : low;
  };
  return [eachElement(call, one, to)];
};

/** Of an f32, exact. */
function nearestEven(x: number): number {
  if (!(Math.abs(x) < 2 ** 23)) return x;
  return x + 1.5 * 2 ** 52 - 1.5 * 2 ** 52;
}

/** Whether the core has a step for it: bytes with a float32 scale for all or one per index of an axis. */
function isPlainQuantize(call: Call): boolean {
  return isPlain(call) && call.type(0) === "float32" && BYTES.includes(quantizedType(call));
}

function isPlainDequantize(call: Call): boolean {
  return isPlain(call) && BYTES.includes(call.type(0)) && dequantizedType(call) === "float32";
}

function isPlain(call: Call): boolean {
  return call.type(1) === "float32" && call.number("block_size", 0) === 0;
}

function quantizedType(call: Call): ElementType {
  return call.has(2) ? call.type(2) : typeAttribute(call, "output_dtype", "uint8");
}

function dequantizedType(call: Call): ElementType {
  return typeAttribute(call, "output_dtype", call.type(1) === "float8e8m0" ? "float32" : call.type(1));
}

/** Scales or zero points in float32, so that they broadcast to the values. */
function spread(call: Call, make: Maker, i: number): string {
  const [x, own] = [call.shape(0), call.shape(i)];
  const value = toFloat(make, call.node.inputs[i]!, call.type(i));
  const axis = axisOf(call);
  const block = call.number("block_size", 0);
  if (block > 0) {
    const groups = range(x[axis]!).map((at) => Math.floor(at / block));
    return make.op("Gather", [value, make.integers("blocks", groups)], { axis });
  }
  const wide = sizeOf(own) === 1 ? [] : x.map((d, at) => (at === axis ? d : 1));
  return make.op("Reshape", [value, shape(make, wide)]);
}

function dequantize(call: Call, make: Maker): readonly Node[] | undefined {
  if (isPlainDequantize(call)) return undefined;
  const x = toFloat(make, call.node.inputs[0]!, call.type(0));
  const moved = call.has(2) ? make.op("Sub", [x, spread(call, make, 2)]) : x;
  const to = typeCode(dequantizedType(call));
  return make.end("Cast", [make.op("Mul", [moved, spread(call, make, 1)])], { to });
}

/** Rounded half to even after the division, saturated. */
function quantize(call: Call, make: Maker): readonly Node[] | undefined {
  if (isPlainQuantize(call)) return undefined;
  checkScales(call);
  const type = quantizedType(call);
  if (!STORED.includes(type) || type === "int32") throw call.fail(`values of ${type} are not made here`, "UNSUPPORTED");
  const divided = make.op("Div", [toFloat(make, call.node.inputs[0]!, call.type(0)), spread(call, make, 1)]);
  const to = { to: typeCode(type) };
  if (SMALL_FLOATS.includes(type)) {
    // The zero point of a float type is 0, and adding it makes −0 into 0.
    const moved = make.op("Add", [divided, make.tensor("zero", "float32", 0)]);
    return make.end("Cast", [moved], { ...to, saturate: call.number("saturate", 1) });
  }
  const rounded = make.op("Round", [divided]);
  const moved = call.has(2) ? make.op("Add", [rounded, spread(call, make, 2)]) : rounded;
  const [low, high] = boundsOf(type);
  const bounds = [make.tensor("low", "float32", low), make.tensor("high", "float32", high)];
  let whole = make.op("Clip", [moved, ...bounds]);
  // A Cast makes NaN 0, which is the least value of unsigned types alone.
  if (low < 0) whole = make.op("Where", [make.op("IsNaN", [whole]), bounds[0]!, whole]);
  return make.end("Cast", [whole], to);
}

/** One scale and zero point for all, from the least and largest value and 0. */
function dynamicScale(call: Call, make: Maker): readonly Node[] {
  const x = call.node.inputs[0]!;
  const zero = make.tensor("zero", "float32", 0);
  const low = make.op("Min", [make.op("ReduceMin", [x], { keepdims: 0 }), zero]);
  const high = make.op("Max", [make.op("ReduceMax", [x], { keepdims: 0 }), zero]);
  const span = make.op("Sub", [high, low]);
  const even = make.op("Equal", [span, zero]);
  const one = make.tensor("one", "float32", 1);
  const scale = make.op("Where", [even, one, make.op("Div", [span, make.tensor("steps", "float32", 255)])]);
  const first = make.op("Round", [make.op("Div", [make.op("Sub", [zero, low]), scale])]);
  const bounds = [zero, make.tensor("high", "float32", 255)];
  const point = make.op("Cast", [make.op("Clip", [first, ...bounds])], { to: 2 });
  make.output(1, "Identity", [point]);
  return make.end("Identity", [scale]);
}

const dynamicQuantize: Rewrite = ({ inputs: [x = ""] }, make) => {
  const [scale = "", point = ""] = make.several("bitbasis/DynamicScale", [x], 2);
  make.output(1, "Identity", [scale]);
  make.output(2, "Identity", [point]);
  return make.end("QuantizeLinear", [x, scale, point]);
};

/** The least and largest value are the same in either form. */
const dynamicLayout: LayoutRule = (node, layout) => {
  const x = node.inputs[0]!;
  const rank = layout.rank(x);
  if (rank === undefined || !layout.hasLast(x)) return false;
  layout.emit({ ...node, inputs: [layout.toLast(x, rank)] });
  return true;
};

/** One scale for all, or one per index of an axis, which moves. */
const scaledLayout: LayoutRule = (node, layout) => {
  const rank = layout.rank(node.inputs[1]);
  if (rank === undefined || rank > 1 || (node.attributes["block_size"] ?? 0) !== 0) return false;
  return rank === 0 ? unaryLayout(node, layout) : axisLayout(1)(node, layout);
};

/** Rounds int32 sums to the scale of the result: f32(sum)·(scaleX·scaleW / scaleY), as the standard's reference does. */
function requantized(
  make: Maker,
  sum: string,
  [x = "", w = "", y = ""]: readonly string[],
  zero: string,
  wide: (scale: string) => string,
): readonly Node[] {
  const factor = make.op("Div", [make.op("Mul", [x, w]), y]);
  const scaled = make.op("Mul", [make.op("Cast", [sum], FLOAT), wide(make.op("Cast", [factor], FLOAT))]);
  return make.end("QuantizeLinear", [scaled, make.tensor("one", "float32", 1), zero]);
}

const qLinearConv: Rewrite = (node, make) => {
  const [x = "", xScale = "", xZero = "", w = "", wScale = "", wZero = "", yScale = "", yZero = "", bias = ""] =
    node.inputs;
  const rank = make.rank(w) ?? 4;
  const perChannel = (value: string): string =>
    make.op("Reshape", [value, make.integers("channels", [-1, ...new Array<number>(Math.max(0, rank - 2)).fill(1)])]);
  let sum = make.op("ConvInteger", [x, w, xZero, wZero], node.attributes);
  if (bias !== "") sum = make.op("Add", [sum, perChannel(bias)]);
  return requantized(make, sum, [xScale, wScale, yScale], yZero, perChannel);
};

const qLinearMatMul: Rewrite = (node, make) => {
  const [a = "", aScale = "", aZero = "", b = "", bScale = "", bZero = "", yScale = "", yZero = ""] = node.inputs;
  const sum = make.op("MatMulInteger", [a, b, aZero, bZero]);
  return requantized(make, sum, [aScale, bScale, yScale], yZero, (scale) => scale);
};

const SCALED = { axis: "int", block_size: "int", output_dtype: "int" } as const;

/** Networks that are quantized already. */
export const quantized = {
  "/QuantizeLinear": {
    since: 10,
    inputs: "T S Q?",
    types: { T: ["float32", "float16", "bfloat16", "int32"], S: [...SCALES, "int32"], Q: STORED },
    attributes: { ...SCALED, precision: "int", saturate: "int" },
    rank: sameRank,
    shape: (call: Call) => {
      checkScales(call);
      return [{ type: quantizedType(call), shape: call.shape(0) }];
    },
    evaluate: evaluateQuantize,
    layout: scaledLayout,
    sizes: "polynomial",
    expands: quantize,
    steps: true,
  },
  "/DequantizeLinear": {
    since: 10,
    inputs: "T S T?",
    types: { T: STORED, S: SCALES },
    attributes: SCALED,
    rank: sameRank,
    shape: (call: Call) => {
      checkScales(call);
      return [{ type: dequantizedType(call), shape: call.shape(0) }];
    },
    evaluate,
    layout: scaledLayout,
    sizes: "polynomial",
    expands: dequantize,
    steps: true,
  },
  "/DynamicQuantizeLinear": { since: 11, becomes: dynamicQuantize },
  "bitbasis/DynamicScale": {
    since: 1,
    inputs: "float32",
    rank: () => 0,
    layout: dynamicLayout,
    sizes: "polynomial",
    expands: dynamicScale,
  },
  "/QLinearConv": {
    since: 10,
    others: "auto_pad:text dilations:ints group:int kernel_shape:ints pads:ints strides:ints",
    becomes: qLinearConv,
  },
  "/QLinearMatMul": { since: 10, becomes: qLinearMatMul },
  "com.microsoft/QuantizeLinear": { since: 1, others: "axis:int", becomes: sameAs("QuantizeLinear") },
  "com.microsoft/DequantizeLinear": { since: 1, others: "axis:int", becomes: sameAs("DequantizeLinear") },
} as const satisfies Readonly<Record<string, Operator>>;
