import { type ElementType, Tensor } from "../../tensor/index.ts";
import type { Node } from "../graph.ts";
import { iota, range, shape } from "./attend.ts";
import type { Call } from "./call.ts";
import { typeAttribute, typeCode } from "./cast.ts";
import type { Maker } from "./maker.ts";
import { INDEX, type Operator, sameRank } from "./operator.ts";
import type { Rewrite } from "./rewrite.ts";

const FLOATS: readonly ElementType[] = ["float32", "float64"];
const DOUBLE = { to: typeCode("float64") };
/** The matrix of a transform of this length has 2 · 4096² entries; longer ones are not written out. */
const LONGEST = 4096;

/** cos and sin of 2π·i / length for i = 0 … length − 1, computed in float64 and rounded once. */
function circle(make: Maker, length: number, type: ElementType): { cos: string; sin: string } {
  const step = make.tensor("step", "float64", (2 * Math.PI) / Math.max(1, length));
  const angles = make.op("Mul", [make.op("Cast", [make.integers("places", range(length))], DOUBLE), step]);
  const rounded = (op: string): string => make.op("Cast", [make.op(op, [angles])], { to: typeCode(type) });
  return { cos: rounded("Cos"), sin: rounded("Sin") };
}

/**
 * The discrete Fourier transform of rows as one product of matrices.
 *
 * @param x - [rows, parts, length]: real parts, and imaginary ones where parts is 2
 * @returns [rows, bins, 2]
 */
function transform(make: Maker, x: string, { rows, parts, length, bins, inverse, type }: Transform): string {
  const { cos, sin } = circle(make, length, type);
  const turns = Int32Array.from({ length: length * bins }, (_, i) => (Math.floor(i / bins) * (i % bins)) % length);
  const places = make.add("turns", new Tensor("int32", turns, [length, bins]));
  const [c, s] = [cos, sin].map((table) => make.op("Gather", [table, places], { axis: 0 })) as [string, string];
  const negative = make.op("Neg", [s]);
  // e^(∓ix) = cos x ∓ i·sin x, times a + ib
  const [plus, minus] = inverse ? [negative, s] : [s, negative];
  const pairs =
    parts === 1
      ? [[c, minus]]
      : [
          [c, minus],
          [plus, c],
        ];
  const blocks = pairs.map((pair) => {
    const columns = pair.map((matrix) => make.op("Unsqueeze", [matrix, make.integers("last", [2])]));
    return make.op("Reshape", [make.op("Concat", columns, { axis: 2 }), shape(make, [length, 2 * bins])]);
  });
  const matrix = blocks.length === 1 ? blocks[0]! : make.op("Concat", blocks, { axis: 0 });
  let sums = make.op("MatMul", [make.op("Reshape", [x, shape(make, [rows, parts * length])]), matrix]);
  if (inverse) sums = make.op("Div", [sums, make.tensor("length", type, length)]);
  return make.op("Reshape", [sums, shape(make, [rows, bins, 2])]);
}

interface Transform {
  readonly rows: number;
  readonly parts: number;
  readonly length: number;
  readonly bins: number;
  readonly inverse: boolean;
  readonly type: ElementType;
}

function lengthOf(call: Call, length: number): number {
  if (!(length >= 1)) throw call.fail(`the length expected integer ≥ 1, got ${length}`);
  if (length > LONGEST) throw call.fail(`a transform of ${length} is longer than ${LONGEST}`, "UNSUPPORTED");
  return length;
}

/** The input cut, or padded with zeros, to `length` places of an axis. */
function fitted(call: Call, make: Maker, axis: number, length: number): string {
  const x = call.node.inputs[0]!;
  const dims = call.shape(0);
  if (length < dims[axis]!)
    return make.op("Slice", [x, ...[[0], [length], [axis]].map((one) => make.integers("cut", one))]);
  if (length === dims[axis]!) return x;
  const pads = [...dims.map(() => 0), ...dims.map((d, i) => (i === axis ? length - d : 0))];
  return make.op("Pad", [x, make.integers("pads", pads)]);
}

/** A real signal of the one side of its spectrum, as one product: the bins that have a mirror image count twice. */
function fromOneSide(call: Call, make: Maker, axis: number): readonly Node[] {
  const dims = call.shape(0);
  if (dims.at(-1) !== 2) throw call.fail("an inverse transform of one side expected complex inputs");
  const length = lengthOf(call, call.has(1) ? call.single(1) : 2 * (dims[axis]! - 1));
  const bins = Math.floor(length / 2) + 1;
  const type = call.type(0);
  const { cos, sin } = circle(make, length, type);
  const turns = range(bins).flatMap((k) => range(length).map((n) => (n * k) % length));
  const places = make.tensor("turns", "int64", turns, [bins, length]);
  const factors = range(bins).map((k) => (k === 0 || 2 * k === length ? 1 : 2));
  const factor = make.tensor("factors", type, factors, [bins, 1]);
  const [c, s] = [cos, sin].map((table) => make.op("Mul", [make.op("Gather", [table, places]), factor])) as [
    string,
    string,
  ];
  const matrix = make.op("Concat", [c, make.op("Neg", [s])], { axis: 0 });
  const others = range(dims.length - 1).filter((i) => i !== axis);
  const rows = others.reduce((size, i) => size * dims[i]!, 1);
  const moved = make.op("Transpose", [fitted(call, make, axis, bins)], { perm: [...others, dims.length - 1, axis] });
  const sums = make.op("MatMul", [make.op("Reshape", [moved, shape(make, [rows, 2 * bins])]), matrix]);
  const scaled = make.op("Div", [sums, make.tensor("length", type, length)]);
  const apart = make.op("Reshape", [scaled, shape(make, [...others.map((i) => dims[i]!), length, 1])]);
  const order = [...others, axis];
  return make.end("Transpose", [apart], {
    perm: [...range(dims.length - 1).map((i) => order.indexOf(i)), dims.length - 1],
  });
}

function dft(call: Call, make: Maker): readonly Node[] {
  const dims = call.shape(0);
  const rank = dims.length;
  const parts = dims.at(-1);
  if (rank < 2 || (parts !== 1 && parts !== 2)) throw call.fail("the input expected a last axis of 1 or 2");
  const axis = call.axis(call.has(2) ? call.single(2) : -2, rank);
  if (axis === rank - 1) throw call.fail("the last axis holds real and imaginary parts");
  const [inverse, half] = [call.number("inverse", 0) !== 0, call.number("onesided", 0) !== 0];
  if (inverse && half) return fromOneSide(call, make, axis);
  if (half && parts === 2) throw call.fail("one side is of real inputs");
  const length = lengthOf(call, call.has(1) ? call.single(1) : dims[axis]!);
  const x = fitted(call, make, axis, length);
  const others = range(rank - 1).filter((i) => i !== axis);
  const moved = make.op("Transpose", [x], { perm: [...others, rank - 1, axis] });
  const rows = others.reduce((size, i) => size * dims[i]!, 1);
  const bins = half ? Math.floor(length / 2) + 1 : length;
  const done = transform(make, moved, { rows, parts, length, bins, inverse, type: call.type(0) });
  const apart = make.op("Reshape", [done, shape(make, [...others.map((i) => dims[i]!), bins, 2])]);
  const order = [...others, axis];
  return make.end("Transpose", [apart], { perm: [...range(rank - 1).map((i) => order.indexOf(i)), rank - 1] });
}

function stft(call: Call, make: Maker): readonly Node[] {
  const dims = call.shape(0);
  const [batch = 0, samples = 0, parts = 1] = dims;
  if (dims.length < 2 || dims.length > 3 || (parts !== 1 && parts !== 2))
    throw call.fail("the signal expected shape [batch, length, 1 or 2]");
  const step = call.single(1);
  if (!call.has(2) && !call.has(3)) throw call.fail("window and frame_length are both missing");
  const length = lengthOf(call, call.has(3) ? call.single(3) : (call.shape(2)[0] ?? 0));
  if (call.has(2) && call.shape(2).join() !== `${length}`) throw call.fail(`the window expected shape [${length}]`);
  if (!(step >= 1)) throw call.fail(`frame_step expected integer ≥ 1, got ${step}`);
  const frames = Math.floor((samples - length) / step) + 1;
  if (frames < 1) throw call.fail(`a signal of ${samples} is shorter than the frame of ${length}`);
  const half = call.number("onesided", 1) !== 0;
  if (half && parts === 2) throw call.fail("one side is of real signals");
  const signal = make.op("Reshape", [call.node.inputs[0]!, shape(make, [batch, samples, parts])]);
  const starts = make.op("Mul", [iota(make, frames), make.tensor("step", "int64", step)]);
  const places = make.op("Add", [make.op("Reshape", [starts, shape(make, [frames, 1])]), iota(make, length)]);
  const framed = make.op("Gather", [signal, places], { axis: 1 });
  const moved = make.op("Transpose", [framed], { perm: [0, 1, 3, 2] });
  const windowed = call.has(2) ? make.op("Mul", [moved, call.node.inputs[2]!]) : moved;
  const bins = half ? Math.floor(length / 2) + 1 : length;
  const rows = batch * frames;
  const done = transform(make, windowed, { rows, parts, length, bins, inverse: false, type: call.type(0) });
  return make.end("Reshape", [done, shape(make, [batch, frames, bins, 2])]);
}

/** Σ weights[i]·cos(2πi·n / N) for n = 0 … size − 1, N being the size or, where both ends are equal, one less. */
function window(weights: readonly number[]) {
  return (call: Call, make: Maker): readonly Node[] => {
    const size = call.single(0);
    if (!(size >= 0 && size <= 2 ** 24)) throw call.fail(`the size expected integer in 0..2^24, got ${size}`);
    const period = Math.max(1, call.number("periodic", 1) !== 0 ? size : size - 1);
    const places = make.op("Cast", [iota(make, size)], DOUBLE);
    const terms = weights.map((weight, i) => {
      const angles = make.op("Mul", [places, make.tensor("step", "float64", (2 * Math.PI * i) / period)]);
      return make.op("Mul", [make.op("Cos", [angles]), make.tensor("weight", "float64", weight)]);
    });
    const sum = terms.reduce((a, b) => make.op("Add", [a, b]));
    return make.end("Cast", [sum], { to: typeCode(typeAttribute(call, "output_datatype", "float32")) });
  };
}

/** Before opset 20 the axis was an attribute, 1 by default. */
const dftBecomes: Rewrite = (node, make) => {
  if (make.opset >= 20) return undefined;
  const { axis = 1, ...attributes } = node.attributes;
  const [x = "", length = ""] = node.inputs;
  return make.end("DFT", [x, length, make.tensor("axis", "int64", axis as number)], attributes);
};

const windowed = {
  since: 17,
  inputs: "I",
  types: { I: INDEX },
  attributes: { output_datatype: "int", periodic: "int" },
} as const;

/** Spectra. */
export const signals = {
  "/DFT": {
    since: 17,
    inputs: "T I? J?",
    types: { T: FLOATS, I: INDEX, J: INDEX },
    attributes: { inverse: "int", onesided: "int" },
    others: "axis:int<20",
    becomes: dftBecomes,
    rank: sameRank,
    expands: dft,
  },
  "/STFT": {
    since: 17,
    inputs: "T I T? I?",
    types: { T: FLOATS, I: INDEX },
    attributes: { onesided: "int" },
    expands: stft,
  },
  "/HannWindow": { ...windowed, expands: window([0.5, -0.5]) },
  "/HammingWindow": { ...windowed, expands: window([25 / 46, -21 / 46]) },
  "/BlackmanWindow": { ...windowed, expands: window([0.42, -0.5, 0.08]) },
} as const satisfies Readonly<Record<string, Operator>>;
