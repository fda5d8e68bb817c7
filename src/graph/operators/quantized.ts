import { type ElementType, elementBits, holdsBits, kindOf, type NumericType, sizeOf } from "../../tensor/index.ts";
import type { Node } from "../graph.ts";
import { toFirst, toLast } from "../passes/layout.ts";
import { range, shape, toFloat } from "./attend.ts";
import type { Call } from "./call.ts";
import { typeAttribute, typeCode } from "./cast.ts";
import { elementsOf } from "./elements.ts";
import { centred, EXACT_ATTRIBUTE, exactProduct, isExactSum, LARGEST } from "./exact.ts";
import type { Maker } from "./maker.ts";
import { type Evaluate, type Operator, sameRank } from "./operator.ts";
import { type Rewrite, sameAs } from "./rewrite.ts";
import { WINDOW_ATTRIBUTES } from "./spatial.ts";

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
const BYTES: readonly ElementType[] = ["int8", "uint8"];

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

/** (x − zero)·scale, per tensor, per axis or per block; the constants of quantized models. */
const evaluate: Evaluate = (call, [output]) => {
  if (output!.type !== "float32" || [0, 1].some((i) => holdsBits(call.type(i)))) return undefined;
  const { shape: dims } = output!;
  const axis = axisOf(call);
  const block = call.number("block_size", 0);
  const scale = elementsOf(call.constant(1)!.data);
  const zero = call.has(2) ? elementsOf(call.constant(2)!.data) : undefined;
  const from = elementsOf(call.constant(0)!.data);
  const to = new Float32Array(from.length);
  const inner = sizeOf(dims.slice(axis + 1));
  const extent = dims[axis] ?? 1;
  const groups = block > 0 ? Math.ceil(extent / block) : extent;
  for (let i = 0; i < from.length; i++) {
    const along = Math.floor(i / inner) % extent;
    let at = scale.length === 1 ? 0 : along;
    if (block > 0) at = (Math.floor(i / (inner * extent)) * groups + Math.floor(along / block)) * inner + (i % inner);
    to[i] = (Number(from[i]) - Number(zero?.[at] ?? 0)) * (scale[at] as number);
  }
  return [to];
};

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

function dequantize(call: Call, make: Maker): readonly Node[] {
  const x = toFloat(make, call.node.inputs[0]!, call.type(0));
  const moved = call.has(2) ? make.op("Sub", [x, spread(call, make, 2)]) : x;
  const to = typeAttribute(call, "output_dtype", call.type(1) === "float8e8m0" ? "float32" : call.type(1));
  return make.end("Cast", [make.op("Mul", [moved, spread(call, make, 1)])], { to: typeCode(to) });
}

/** Rounded half to even after the division, saturated. */
function quantize(call: Call, make: Maker): readonly Node[] {
  checkScales(call);
  const type = call.has(2) ? call.type(2) : typeAttribute(call, "output_dtype", "uint8");
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
  return make.end("Cast", [make.op("Clip", [moved, ...bounds])], to);
}

/** One scale and zero point for all, from the least and largest value and 0. */
function dynamic(call: Call, make: Maker): readonly Node[] {
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
  make.output(1, "Identity", [scale]);
  make.output(2, "Identity", [point]);
  return make.end("QuantizeLinear", [x, scale, point]);
}

/** x − zero in float32: integers of magnitude ≤ 255. A zero point per row stands before the last axis. */
function shifted(make: Maker, x: string, zero: string | undefined): string {
  const value = make.op("Cast", [x], FLOAT);
  if (zero === undefined || zero === "") return value;
  const constant = make.constant(zero);
  const rows = constant !== undefined && constant.size > 1;
  const point = make.op("Cast", [rows ? make.op("Reshape", [zero, make.integers("rows", [-1, 1])]) : zero], FLOAT);
  return make.op("Sub", [value, point]);
}

/** The weights of an integer operator, which must be constants; undefined while they are none. */
function weightsOf(node: Node, make: Maker, axis: (rank: number) => number) {
  const [weights, zeros] = [make.constant(node.inputs[1]), make.constant(node.inputs[3])];
  if (weights === undefined || ((node.inputs[3] ?? "") !== "" && zeros === undefined)) return undefined;
  if (!BYTES.includes(weights.type))
    throw make.fail(`the weights expected int8 or uint8, got ${weights.type}`, "MODEL");
  if (weights.dims.length < 1) throw make.fail("the weights expected at least one dimension", "MODEL");
  return { dims: weights.dims, data: centred(make, weights, zeros, axis(weights.dims.length)) };
}

const convInteger: Rewrite = (node, make) => {
  const weights = weightsOf(node, make, () => 0);
  if (weights === undefined) return undefined;
  const { dims, data } = weights;
  const perRow = sizeOf(dims.slice(1));
  const outputs = { count: dims[0]!, stride: perRow };
  const x = shifted(make, node.inputs[0] ?? "", node.inputs[2]);
  return make.end("Identity", [exactProduct(make, "Conv", x, data, dims, outputs, node.attributes)]);
};

/** Weights that are computed: cut into digits by what sums of their number could reach. */
function computedConv(call: Call, make: Maker): readonly Node[] {
  const [weights, rank] = [call.shape(1), call.shape(1).length];
  if (rank < 3 || call.shape(0).length !== rank)
    throw call.fail("input and weights expected the same rank, at least 3");
  const centre = (i: 0 | 1): string => {
    const value = make.op("Cast", [call.node.inputs[i]!], FLOAT);
    if (!call.has(i + 2)) return value;
    const point = make.op("Cast", [call.node.inputs[i + 2]!], FLOAT);
    const wide = sizeOf(call.shape(i + 2)) === 1 ? [] : [weights[0]!, ...new Array<number>(rank - 1).fill(1)];
    return make.op("Sub", [value, make.op("Reshape", [point, shape(make, wide)])]);
  };
  const depth = sizeOf(weights.slice(1));
  const [x, w] = [make.op("Transpose", [centre(0)], { perm: toLast(rank) }), centre(1)];
  const product = (plane: string): string => {
    const last = make.op("Transpose", [plane], { perm: toLast(rank) });
    const sum = make.op("bitbasis/Conv", [x, last], { ...call.node.attributes, [EXACT_ATTRIBUTE]: 1 });
    return make.op("Cast", [make.op("Transpose", [sum], { perm: toFirst(rank) })], { to: 6 });
  };
  if (isExactSum(depth * LARGEST)) return make.end("Identity", [product(w)]);
  if (!isExactSum(depth * 8)) throw call.fail(`a sum of ${depth} products is not exact in float32`, "UNSUPPORTED");
  const [half, base] = [make.tensor("half", "float32", 8), make.tensor("base", "float32", 16)];
  const high = make.op("Floor", [make.op("Div", [make.op("Add", [w, half]), base])]);
  const low = make.op("Sub", [w, make.op("Mul", [high, base])]);
  return make.end("Add", [make.op("Mul", [product(high), make.tensor("base", "int32", 16)]), product(low)]);
}

/** By exact float products where the weights are constants, else by the core's product of int32. */
const matMulInteger: Rewrite = (node, make) => {
  const weights = weightsOf(node, make, (rank) => rank - 1);
  if (weights === undefined || weights.dims.length !== 2) return undefined;
  const { dims, data } = weights;
  const outputs = { count: dims[1]!, stride: 1 };
  const x = shifted(make, node.inputs[0] ?? "", node.inputs[2]);
  return make.end("Identity", [exactProduct(make, "MatMul", x, data, dims, outputs, {})]);
};

function integerProduct(call: Call, make: Maker): readonly Node[] {
  const operand = (i: 0 | 1): string => {
    const value = make.op("Cast", [call.node.inputs[i]!], { to: 6 });
    if (!call.has(i + 2)) return value;
    const dims = call.shape(i + 2);
    const point = make.op("Cast", [call.node.inputs[i + 2]!], { to: 6 });
    // Of A there is one per row, of B one per column.
    const rows = i === 0 && dims.length === 1 && dims[0]! > 1;
    return make.op("Sub", [value, rows ? make.op("Reshape", [point, shape(make, [dims[0]!, 1])]) : point]);
  };
  return make.end("MatMul", [operand(0), operand(1)]);
}

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
    sizes: "polynomial",
    expands: quantize,
  },
  "/DequantizeLinear": {
    since: 10,
    inputs: "T S T?",
    types: { T: STORED, S: SCALES },
    attributes: SCALED,
    rank: sameRank,
    shape: (call: Call) => {
      checkScales(call);
      const type = typeAttribute(call, "output_dtype", call.type(1) === "float8e8m0" ? "float32" : call.type(1));
      return [{ type, shape: call.shape(0) }];
    },
    evaluate,
    sizes: "polynomial",
    expands: dequantize,
  },
  "/DynamicQuantizeLinear": {
    since: 11,
    inputs: "float32",
    rank: (_, { rank }, output) => (output === 0 ? rank(0) : 0),
    sizes: "polynomial",
    expands: dynamic,
  },
  "/ConvInteger": {
    since: 10,
    inputs: "A B A? B?",
    types: { A: BYTES, B: BYTES },
    attributes: { ...WINDOW_ATTRIBUTES, group: "int" },
    becomes: convInteger,
    expands: computedConv,
  },
  "/MatMulInteger": {
    since: 10,
    inputs: "A B A? B?",
    types: { A: BYTES, B: BYTES },
    becomes: matMulInteger,
    expands: integerProduct,
  },
  "/QLinearConv": { since: 10, others: "auto_pad dilations group kernel_shape pads strides", becomes: qLinearConv },
  "/QLinearMatMul": { since: 10, becomes: qLinearMatMul },
  "com.microsoft/QuantizeLinear": { since: 1, others: "axis", becomes: sameAs("QuantizeLinear") },
  "com.microsoft/DequantizeLinear": { since: 1, others: "axis", becomes: sameAs("DequantizeLinear") },
} as const satisfies Readonly<Record<string, Operator>>;
