import { sizeOf } from "../../tensor/index.ts";
import type { Node } from "../graph.ts";
import { shape } from "./attend.ts";
import type { Call } from "./call.ts";
import type { Maker } from "./maker.ts";
import { NUMBERS, type Operator } from "./operator.ts";

/** A value whose axes have letters; each letter once. */
interface Labelled {
  readonly name: string;
  readonly letters: string;
}

/** Letters that stand for the axes of "...", aligned at the last one. */
const DOTS = "0123456789";

class Equation {
  readonly extents = new Map<string, number>();
  readonly terms: readonly string[];
  readonly result: string;

  constructor(private readonly call: Call) {
    const text = call.text("equation", "").replaceAll(" ", "");
    if (!/^[a-zA-Z.,]*(->[a-zA-Z.]*)?$/.test(text)) throw call.fail(`equation "${text}" is not one`);
    const [left = "", right] = text.split("->");
    const terms = left.split(",");
    if (terms.length !== call.count) throw call.fail(`equation "${text}" has ${terms.length} terms`);
    this.terms = terms.map((term, i) => this.term(term, i));
    const dots = DOTS.slice(0, Math.max(0, ...this.terms.map((term) => [...term].filter(isDot).length)));
    this.result = right === undefined ? this.implied(dots) : this.spelled(right, dots);
    for (const letter of this.result) {
      if (!this.extents.has(letter)) throw call.fail(`"${letter}" of the result is in no term`);
    }
    if (new Set(this.result).size !== this.result.length) throw call.fail("the result names a letter twice");
  }

  private term(term: string, i: number): string {
    const dims = this.call.shape(i);
    const named = term.replace("...", "").length;
    if (term.includes(".") ? !/^[^.]*\.\.\.[^.]*$/.test(term) || named > dims.length : named !== dims.length)
      throw this.call.fail(`term "${term}" does not fit input ${i}`);
    const missing = dims.length - named;
    if (missing > DOTS.length) throw this.call.fail(`"..." of term "${term}" stands for more than ${DOTS.length} axes`);
    // The last axis of every "..." has the same letter.
    const letters = term.replace("...", [...DOTS.slice(0, missing)].reverse().join(""));
    [...letters].forEach((letter, axis) => {
      const [own, before] = [dims[axis]!, this.extents.get(letter) ?? 1];
      if (own !== before && own !== 1 && before !== 1) throw this.call.fail(`"${letter}" has two extents`);
      this.extents.set(letter, Math.max(own === 0 ? 0 : own, before === 1 ? own : before));
    });
    return letters;
  }

  private spelled(right: string, dots: string): string {
    return right.replace("...", [...dots].reverse().join(""));
  }

  /** Without "->": "..." and the letters that stand once, in order. */
  private implied(dots: string): string {
    const all = this.terms.join("");
    const once = [...new Set(all)].filter((letter) => !isDot(letter) && all.split(letter).length === 2).sort();
    return [...dots].reverse().join("") + once.join("");
  }
}

function isDot(letter: string): boolean {
  return DOTS.includes(letter);
}

/** The diagonal where a letter stands twice: the elements at equal places, gathered from the flattened axes. */
function diagonal(make: Maker, name: string, letters: string, extents: ReadonlyMap<string, number>): Labelled {
  for (let i = 0; i < letters.length; i++) {
    const j = letters.indexOf(letters[i]!, i + 1);
    if (j < 0) continue;
    const order = [...[...letters].keys()].filter((axis) => axis !== i && axis !== j);
    const n = extents.get(letters[i]!)!;
    const rest = order.map((axis) => letters[axis]!);
    const moved = make.op("Transpose", [name], { perm: [...order, i, j] });
    const dims = rest.map((letter) => extents.get(letter)!);
    const flat = make.op("Reshape", [moved, shape(make, [...dims, n * n])]);
    const places = make.integers(
      "diagonal",
      Array.from({ length: n }, (_, at) => at * (n + 1)),
    );
    const taken = make.op("Gather", [flat, places], { axis: dims.length });
    return diagonal(make, taken, [...rest, letters[i]!].join(""), extents);
  }
  return { name, letters };
}

/** The value with its letters in this order; letters that it lacks are axes of 1. */
function arranged(make: Maker, value: Labelled, letters: string): string {
  const own = [...letters].filter((letter) => value.letters.includes(letter));
  const perm = own.map((letter) => value.letters.indexOf(letter));
  const moved = perm.every((axis, i) => axis === i) ? value.name : make.op("Transpose", [value.name], { perm });
  const missing = [...letters].flatMap((letter, i) => (value.letters.includes(letter) ? [] : [i]));
  return missing.length === 0 ? moved : make.op("Unsqueeze", [moved, make.integers("axes", missing)]);
}

/** Sums over the letters that nobody needs any more. */
function summed(make: Maker, value: Labelled, needed: string): Labelled {
  const axes = [...value.letters].flatMap((letter, i) => (needed.includes(letter) ? [] : [i]));
  if (axes.length === 0) return value;
  const letters = [...value.letters].filter((letter) => needed.includes(letter)).join("");
  return { name: make.op("ReduceSum", [value.name, make.integers("axes", axes)], { keepdims: 0 }), letters };
}

/** Two factors as one product of matrices: letters that both have and the result needs are the batch, others that both have are summed. */
function contracted(make: Maker, a: Labelled, b: Labelled, needed: string, { extents }: Equation): Labelled {
  const both = [...a.letters].filter((letter) => b.letters.includes(letter));
  const batch = both.filter((letter) => needed.includes(letter)).join("");
  const inner = both.filter((letter) => !needed.includes(letter)).join("");
  const rows = [...a.letters].filter((letter) => !both.includes(letter)).join("");
  const columns = [...b.letters].filter((letter) => !both.includes(letter)).join("");
  const size = (letters: string): number => sizeOf([...letters].map((letter) => extents.get(letter)!));
  const dims = [...batch].map((letter) => extents.get(letter)!);
  const left = make.op("Reshape", [
    arranged(make, a, batch + rows + inner),
    shape(make, [...dims, size(rows), size(inner)]),
  ]);
  const right = make.op("Reshape", [
    arranged(make, b, batch + inner + columns),
    shape(make, [...dims, size(inner), size(columns)]),
  ]);
  const letters = batch + rows + columns;
  const all = [...letters].map((letter) => extents.get(letter)!);
  return { name: make.op("Reshape", [make.op("MatMul", [left, right]), shape(make, all)]), letters };
}

function expands(call: Call, make: Maker): readonly Node[] {
  const equation = new Equation(call);
  const { extents, terms, result } = equation;
  let value: Labelled | undefined;
  terms.forEach((term, i) => {
    const later = terms.slice(i + 1).join("") + result;
    let own = call.node.inputs[i]!;
    const dims = [...term].map((letter) => extents.get(letter)!);
    if (dims.join() !== call.shape(i).join()) own = make.op("Expand", [own, shape(make, dims)]);
    const next = summed(make, diagonal(make, own, term, extents), (value?.letters ?? "") + later);
    if (value === undefined) value = summed(make, next, later);
    else value = contracted(make, value, next, later, equation);
  });
  return make.end("Identity", [arranged(make, value!, result)]);
}

/** Where the letters of one order lie in another; undefined where that is the same. */
function turned(from: readonly string[], to: readonly string[]): number[] | undefined {
  return from.join("") === to.join("") ? undefined : to.map((letter) => from.indexOf(letter));
}

/**
 * A product with a constant that shares no axis with the result, but for those that it alone has, is a layer: its weights are a matrix, also where they have an axis of heads ("abc,cde->abde", as
 * layers of Keras and XLNet are written). It is found when the graph is read, so that plans know of it.
 */
function becomes(node: Node, make: Maker): readonly Node[] | undefined {
  const text = String(node.attributes["equation"]).replaceAll(" ", "");
  const terms = /^([a-zA-Z]+),([a-zA-Z]+)->([a-zA-Z]+)$/
    .exec(text)
    ?.slice(1)
    .map((term) => [...term]);
  if (terms === undefined) return undefined;
  const at = make.constant(node.inputs[1]) === undefined ? 0 : 1;
  const [own, fed, result] = [terms[at]!, terms[1 - at]!, terms[2]!];
  const [weights, x] = [make.constant(node.inputs[at]), node.inputs[1 - at]!];
  const inner = fed.filter((letter) => own.includes(letter));
  const columns = own.filter((letter) => !fed.includes(letter));
  const rows = fed.filter((letter) => !own.includes(letter));
  const isWhole = [...rows, ...columns].sort().join("") === [...result].sort().join("");
  const isOnce = new Set(own).size === own.length && new Set(fed).size === fed.length;
  if (weights?.type !== "float32" || weights.dims.length !== own.length || make.rank(x) !== fed.length)
    return undefined;
  const extents = (letters: readonly string[]) => letters.map((letter) => weights.dims[own.indexOf(letter)]!);
  if (!isWhole || !isOnce || inner.length === 0 || columns.length === 0) return undefined;
  if (extents(own).includes(0) || extents(inner).includes(1)) return undefined;
  const move = (name: string, perm: number[] | undefined) => (perm ? make.op("Transpose", [name], { perm }) : name);
  const kept = rows.map(() => 0);
  const flat = (name: string, dims: readonly number[]) => make.op("Reshape", [name, make.integers("shape", dims)]);
  const [deep, wide] = [sizeOf(extents(inner)), sizeOf(extents(columns))];
  // An axis of 1 may be fed in the place of a longer one.
  const whole = make.op("Expand", [
    x,
    make.integers(
      "shape",
      fed.map((letter) => (own.includes(letter) ? extents([letter])[0]! : 1)),
    ),
  ]);
  const left = move(whole, turned(fed, [...rows, ...inner]));
  const right = flat(move(node.inputs[at]!, turned(own, [...inner, ...columns])), [deep, wide]);
  const sums = make.op("MatMul", [inner.length === 1 ? left : flat(left, [...kept, deep]), right]);
  const spread = columns.length === 1 ? sums : flat(sums, [...kept, ...extents(columns)]);
  return make.end("Identity", [move(spread, turned([...rows, ...columns], result))]);
}

export const einsum = {
  "/Einsum": {
    since: 12,
    inputs: "T...",
    types: { T: NUMBERS },
    attributes: { equation: "text" },
    rank: ({ attributes }) =>
      /^[^.]*->([a-zA-Z]*)$/.exec(String(attributes["equation"]).replaceAll(" ", ""))?.[1]!.length,
    sizes: "polynomial",
    becomes,
    expands,
  },
} as const satisfies Readonly<Record<string, Operator>>;
