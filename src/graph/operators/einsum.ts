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

export const einsum = {
  "/Einsum": {
    since: 12,
    inputs: "T...",
    types: { T: NUMBERS },
    attributes: { equation: "text" },
    rank: ({ attributes }) => /->([a-z ]*)$/i.exec(String(attributes["equation"]))?.[1]!.replaceAll(" ", "").length,
    sizes: "polynomial",
    expands,
  },
} as const satisfies Readonly<Record<string, Operator>>;
