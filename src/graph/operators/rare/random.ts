import { type ElementType, sizeOf } from "../../../tensor/index.ts";
import type { Node } from "../../graph.ts";
import { shape as shapeConstant } from "../attend.ts";
import type { Call } from "../call.ts";
import { typeAttribute, typeCode } from "../cast.ts";
import type { Maker } from "../maker.ts";
import { ANY, FLOATS, HALVES, type Operator } from "../operator.ts";

/** Largest number of elements: their places are computed. */
const MOST = 2 ** 28;

/** 2^64 over the golden ratio, and the two factors of the finalizer: SplitMix64 (Steele, Lea, Flood, "Fast splittable pseudorandom number generators", 2014). */
const STEP = 0x9e3779b97f4a7c15n;
const MIX = [
  [30n, 0xbf58476d1ce4e5b9n],
  [27n, 0x94d049bb133111ebn],
] as const;

/** The seed of a node: its attribute, or a fixed one, and the name of its output, by which nodes differ (FNV-1a). */
function seedOf({ attributes, outputs }: Node): bigint {
  const { seed } = attributes;
  let hash = 0xcbf29ce484222325n;
  for (const c of typeof seed === "number" ? `${seed}` : `unseeded ${outputs[0]}`)
    hash = BigInt.asUintN(64, (hash ^ BigInt(c.codePointAt(0)!)) * 0x100000001b3n);
  return hash;
}

/**
 * 53 random bits for each of `size` elements as float64 in 0..1 (1 excluded): the i-th is a function of the seed and of i, so that neither the build nor the order
 * of work shows.
 */
export function uniform(make: Maker, node: Node, size: number): string {
  if (size > MOST) throw make.fail(`more than ${MOST} random numbers in one tensor`);
  const number = (value: bigint): string => make.tensor("random", "uint64", [value] as never, []);
  const limits = [0, size, 1].map((value) => make.tensor("limit", "int64", value));
  const places = make.op("Cast", [make.op("Range", limits)], { to: typeCode("uint64") });
  let bits = make.op("Add", [make.op("Mul", [places, number(STEP)]), number(BigInt.asUintN(64, seedOf(node) + STEP))]);
  const folded = (by: bigint): string => {
    const high = make.op("BitShift", [bits, number(by)], { direction: "RIGHT" });
    return make.op("BitwiseXor", [bits, high]);
  };
  for (const [by, factor] of MIX) bits = make.op("Mul", [folded(by), number(factor)]);
  bits = make.op("BitShift", [folded(31n), number(11n)], { direction: "RIGHT" });
  const double = make.op("Cast", [bits], { to: typeCode("float64") });
  return make.op("Mul", [double, make.tensor("unit", "float64", 2 ** -53)]);
}

/** Normally distributed numbers of pairs of uniform ones, by Box and Muller; the first one of a pair is not 0. */
function normal(make: Maker, node: Node, size: number): string {
  const both = make.op("Reshape", [uniform(make, node, 2 * size), shapeConstant(make, [2, size])]);
  const [first, second] = make.several("Split", [both, make.integers("split", [1, 1])], 2, { axis: 0 }) as [
    string,
    string,
  ];
  const number = (value: number): string => make.tensor("number", "float64", value);
  const logs = make.op("Log", [make.op("Sub", [number(1), first])]);
  const lengths = make.op("Sqrt", [make.op("Mul", [logs, number(-2)])]);
  return make.op("Mul", [lengths, make.op("Cos", [make.op("Mul", [second, number(2 * Math.PI)])])]);
}

function end(make: Maker, values: string, dims: readonly number[], type: ElementType): readonly Node[] {
  return make.end("Cast", [make.op("Reshape", [values, shapeConstant(make, dims)])], { to: typeCode(type) });
}

/** low + u·(high − low), or mean + n·scale, in float64 and rounded once. */
function drawn(kind: "uniform" | "normal", dims: (call: Call) => readonly number[]): Operator["expands"] {
  return (call, make) => {
    const shape = dims(call);
    if (!shape.every((d) => d >= 0)) throw call.fail(`"shape" expected integers ≥ 0, got [${shape}]`);
    const fallback = call.count > 0 && FLOATS.includes(call.type(0)) ? call.type(0) : "float32";
    const type = typeAttribute(call, "dtype", fallback);
    const isUniform = kind === "uniform";
    const base = call.number(isUniform ? "low" : "mean", 0);
    const factor = isUniform ? call.number("high", 1) - base : call.number("scale", 1);
    const values = (isUniform ? uniform : normal)(make, call.node, sizeOf(shape));
    const scaled = make.op("Mul", [values, make.tensor("factor", "float64", factor)]);
    return end(make, make.op("Add", [scaled, make.tensor("base", "float64", base)]), shape, type);
  };
}

const bernoulli: Operator["expands"] = (call, make) => {
  const shape = call.shape(0);
  const values = make.op("Reshape", [uniform(make, call.node, sizeOf(shape)), shapeConstant(make, shape)]);
  const wide = make.op("Cast", [call.node.inputs[0]!], { to: typeCode("float64") });
  return make.end("Cast", [make.op("Less", [values, wide])], {
    to: typeCode(typeAttribute(call, "dtype", call.type(0))),
  });
};

/** Draws from rows of unnormalized logarithms: how many classes lie below a uniform number. */
const multinomial: Operator["expands"] = (call, make) => {
  const [rows = 0, classes = 0, ...more] = call.shape(0);
  const count = call.number("sample_size", 1);
  if (call.shape(0).length !== 2 || more.length > 0 || classes === 0)
    throw call.fail("the input expected shape [rows, classes]");
  if (!(count >= 0)) throw call.fail(`"sample_size" expected integer ≥ 0, got ${count}`);
  const wide = make.op("Cast", [call.node.inputs[0]!], { to: typeCode("float64") });
  const chances = make.op("Softmax", [wide], { axis: 1 });
  const sums = make.op("CumSum", [chances, make.tensor("axis", "int64", 1)]);
  // The last sum may round to less than 1, and is above every draw.
  const inner = make.op("Slice", [sums, ...[[0], [classes - 1], [1]].map((one) => make.integers("inner", one))]);
  const draws = make.op("Reshape", [uniform(make, call.node, rows * count), shapeConstant(make, [rows, count, 1])]);
  const below = make.op("LessOrEqual", [make.op("Unsqueeze", [inner, make.integers("middle", [1])]), draws]);
  const flags = make.op("Cast", [below], { to: typeCode("int32") });
  const places = make.op("ReduceSum", [flags, make.integers("last", [2])], { keepdims: 0 });
  return end(make, places, [rows, count], typeAttribute(call, "dtype", "int32"));
};

const SHARED = { dtype: "int", seed: "float" } as const;
const UNIFORM = { ...SHARED, low: "float", high: "float" } as const;
const NORMAL = { ...SHARED, mean: "float", scale: "float" } as const;
const made = { since: 1, random: true } as const;
const like = { ...made, inputs: "T", types: { T: ANY }, attributes: SHARED } as const;
const given = (call: Call): readonly number[] => call.list("shape") ?? [];
const same = (call: Call): readonly number[] => call.shape(0);

/** Seeded random numbers, the same in every run, runtime and build. */
export const random = {
  "/RandomUniform": { ...made, attributes: { ...UNIFORM, shape: "ints" }, expands: drawn("uniform", given) },
  "/RandomNormal": { ...made, attributes: { ...NORMAL, shape: "ints" }, expands: drawn("normal", given) },
  "/RandomUniformLike": { ...like, attributes: UNIFORM, expands: drawn("uniform", same) },
  "/RandomNormalLike": { ...like, attributes: NORMAL, expands: drawn("normal", same) },
  "/Bernoulli": { ...like, since: 15, types: { T: [...HALVES, "float64", "bfloat16"] }, expands: bernoulli },
  "/Multinomial": {
    ...like,
    since: 7,
    types: { T: [...HALVES, "float64", "bfloat16"] },
    attributes: { ...SHARED, sample_size: "int" },
    expands: multinomial,
  },
} as const satisfies Readonly<Record<string, Operator>>;
