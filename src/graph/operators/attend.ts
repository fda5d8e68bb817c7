import { type ElementType, Tensor } from "../../tensor/index.ts";
import type { Maker } from "./maker.ts";

/** ONNX numbers of the types that attention computes with. */
const FLOAT = 1;

/** What scaled dot product attention reads; all values are float32 but for a boolean mask. */
export interface Attending {
  /** [batch, heads, queries, size] */
  readonly q: string;
  /** [batch, groups, keys, size]; heads are a multiple of groups. */
  readonly k: string;
  /** [batch, groups, keys, valueSize] */
  readonly v: string;
  readonly batch: number;
  readonly heads: number;
  readonly groups: number;
  readonly queries: number;
  readonly keys: number;
  readonly size: number;
  readonly valueSize: number;
  /** Factor of the products of queries and keys. */
  readonly scale: number;
  /** Bound of scores by tanh; 0: none. */
  readonly softcap: number;
  /** Added to the scores, broadcast to [batch, heads, queries, keys]; −∞ where a key may not be seen. */
  readonly bias: readonly string[];
}

/** The stages of attention, each [batch, heads, queries, keys] but for the result [batch, heads, queries, valueSize]. */
export interface Attended {
  readonly scores: string;
  readonly capped: string;
  readonly biased: string;
  readonly weights: string;
  readonly result: string;
}

/**
 * softmax(scale·q·kᵀ + bias)·v. Queries of the heads that share keys are rows of one product, so keys and values are never repeated. Rows that may
 * see no key at all have weights 0.
 */
export function attend(make: Maker, a: Attending): Attended {
  const rows = (a.heads / a.groups) * a.queries;
  // Both sides take the root of the scale, as ONNX's definition does.
  const root = make.tensor("scale", "float32", Math.sqrt(a.scale));
  // Without keys to share, a group is a head: nothing changes its form.
  const shaped = (x: string, dims: readonly number[]): string =>
    a.heads === a.groups ? x : make.op("Reshape", [x, shape(make, dims)]);
  const q = shaped(make.op("Mul", [a.q, root]), [a.batch, a.groups, rows, a.size]);
  const k = make.op("Mul", [make.op("Transpose", [a.k], { perm: [0, 1, 3, 2] }), root]);
  const scores = shaped(make.op("MatMul", [q, k]), [a.batch, a.heads, a.queries, a.keys]);
  let capped = scores;
  if (a.softcap !== 0) {
    const cap = make.tensor("softcap", "float32", a.softcap);
    capped = make.op("Mul", [make.op("Tanh", [make.op("Div", [scores, cap])]), cap]);
  }
  const bias = a.bias.length === 0 ? undefined : a.bias.reduce((left, right) => make.op("Add", [left, right]));
  const biased = bias === undefined ? capped : make.op("Add", [capped, bias]);
  let weights = make.op("Softmax", [biased], { axis: -1 });
  if (bias !== undefined) {
    const most = make.op("ReduceMax", [bias, make.integers("keys", [-1])], { keepdims: 1 });
    const none = make.op("Equal", [most, infinite(make)]);
    weights = make.op("Where", [none, make.tensor("nothing", "float32", 0), weights]);
  }
  const packed = shaped(weights, [a.batch, a.groups, rows, a.keys]);
  const result = shaped(make.op("MatMul", [packed, a.v]), [a.batch, a.heads, a.queries, a.valueSize]);
  return { scores, capped, biased, weights, result };
}

export function shape(make: Maker, dims: readonly number[]): string {
  return make.shape(dims);
}

function infinite(make: Maker): string {
  return make.tensor("masked", "float32", Number.NEGATIVE_INFINITY);
}

/** The value as float32. */
export function toFloat(make: Maker, value: string, type: ElementType): string {
  return type === "float32" ? value : make.op("Cast", [value], { to: FLOAT });
}

/** 0 where `seen` (a boolean value) is true, −∞ elsewhere. */
export function biasOf(make: Maker, seen: string): string {
  return make.op("Where", [seen, make.tensor("seen", "float32", 0), infinite(make)]);
}

/** Which keys a query may see by their places. */
export interface Window {
  /** Queries see only keys up to their own place. */
  readonly causal: boolean;
  /** Most keys before its own place that a query sees; −1: all. */
  readonly left: number;
  /** Most keys after it; −1: all. */
  readonly right: number;
}

/** Elements of a bias that is a constant. */
const MOST_HIDDEN = 2 ** 22;

/**
 * The bias that a window makes, undefined where it hides nothing. Query i stands at i + offset among the keys.
 *
 * @param offset - a number, or an int64 value of shape [batch, 1, 1, 1]
 */
export function windowBias(
  make: Maker,
  queries: number,
  keys: number,
  offset: number | string,
  { causal, left, right }: Window,
): string | undefined {
  const after = causal ? 0 : right;
  if (after < 0 && left < 0) return undefined;
  // A larger one is computed by the core, in memory that counts against the limits of the session.
  if (typeof offset === "number" && queries * keys <= MOST_HIDDEN) {
    const data = new Float32Array(queries * keys);
    let hides = false;
    for (let i = 0; i < queries; i++) {
      for (let j = 0; j < keys; j++) {
        const distance = i + offset - j;
        const seen = (after < 0 || -distance <= after) && (left < 0 || distance <= left);
        if (seen) continue;
        data[i * keys + j] = Number.NEGATIVE_INFINITY;
        hides = true;
      }
    }
    if (!hides) return undefined;
    return make.add("window", new Tensor("float32", data, [queries, keys]));
  }
  const start = typeof offset === "number" ? make.tensor("offset", "int64", offset) : offset;
  const own = make.op("Reshape", [iota(make, queries), shape(make, [queries, 1])]);
  const at = make.op("Sub", [make.op("Add", [own, start]), iota(make, keys)]);
  const tests = [
    ...(after < 0 ? [] : [make.op("GreaterOrEqual", [at, make.tensor("after", "int64", -after)])]),
    ...(left < 0 ? [] : [make.op("LessOrEqual", [at, make.tensor("before", "int64", left)])]),
  ];
  return biasOf(
    make,
    tests.reduce((a, b) => make.op("And", [a, b])),
  );
}

export function range(count: number): number[] {
  return Array.from({ length: count }, (_, i) => i);
}

/** 0, 1, …, count − 1 as int64: a node, which a program for a range of sizes can run. */
export function iota(make: Maker, count: number): string {
  const [start, limit, delta] = [0, count, 1].map((value, i) => make.tensor(`places${i}`, "int64", value)) as [
    string,
    string,
    string,
  ];
  return make.op("Range", [start, limit, delta]);
}

/** [batch, length, heads·size] → [batch, heads, length, size] */
export function splitHeads(make: Maker, x: string, [batch, length, width]: readonly number[], heads: number): string {
  const apart = make.op("Reshape", [x, shape(make, [batch!, length!, heads, width! / heads])]);
  return make.op("Transpose", [apart], { perm: [0, 2, 1, 3] });
}
