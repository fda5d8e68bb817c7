import { bytesIn, type ElementType } from "../../../tensor/index.ts";
import type { Node } from "../../graph.ts";
import type { Call } from "../call.ts";
import { type Elements, elementsOf } from "../elements.ts";
import { inPieces, PIECE } from "../memo.ts";
import type { Operator } from "../operator.ts";

type Fail = (why: string) => Error;

/** The n-grams that are looked for: of n tokens by these tokens, one after the other. */
interface Grams {
  /** Places of n-grams in the order of the pool; tokens with a character between them that no token has. */
  readonly places: ReadonlyMap<string, number>;
  readonly columns: readonly number[];
  readonly weights: readonly number[] | undefined;
  readonly width: number;
  /** Tokens of the longest ones. */
  readonly longest: number;
}

const known = new WeakMap<Node["attributes"], Grams>();

function gramsOf({ attributes }: Node, fail: Fail): Grams {
  let grams = known.get(attributes);
  if (grams === undefined) {
    grams = readGrams(attributes, fail);
    known.set(attributes, grams);
  }
  return grams;
}

/** Texts by JSON, in which no two lists of tokens look alike. */
const keyOf = (tokens: readonly (string | number | bigint)[]): string => JSON.stringify(tokens.map(String));

function readGrams(attributes: Node["attributes"], fail: Fail): Grams {
  const list = (name: string): readonly number[] => (attributes[name] ?? []) as readonly number[];
  const pool = (attributes["pool_strings"] ?? attributes["pool_int64s"] ?? []) as readonly (string | number)[];
  const starts = list("ngram_counts");
  const columns = list("ngram_indexes");
  const places = new Map<string, number>();
  let place = 0;
  starts.forEach((start, i) => {
    const [end, n] = [starts[i + 1] ?? pool.length, i + 1];
    if (!(start >= 0 && start <= end && end <= pool.length && (end - start) % n === 0))
      throw fail(`"ngram_counts" expected starts of n-grams in a pool of ${pool.length}, got [${starts}]`);
    for (let at = start; at < end; at += n) places.set(keyOf(pool.slice(at, at + n)), place++);
  });
  if (columns.length !== place) throw fail(`"ngram_indexes" expected ${place} integers, got ${columns.length}`);
  for (const column of columns)
    if (!(column >= 0 && column < 2 ** 24)) throw fail(`"ngram_indexes" expected integers in 0..2^24, got ${column}`);
  const weights = "weights" in attributes ? list("weights") : undefined;
  if (weights !== undefined && weights.length !== place)
    throw fail(`"weights" expected ${place} numbers, got ${weights.length}`);
  const width = columns.reduce((most, column) => Math.max(most, column + 1), 0);
  return { places, columns, weights, width, longest: starts.length };
}

function lengthsOf(node: Node, fail: Fail): { least: number; most: number; skips: number } {
  const int = (name: string): number => (node.attributes[name] ?? 0) as number;
  const [least, most, skips] = [int("min_gram_length"), int("max_gram_length"), int("max_skip_count")];
  if (!(least >= 1 && most >= least && skips >= 0))
    throw fail(`lengths in 1..max_gram_length and skips ≥ 0 are expected, got ${least}, ${most} and ${skips}`);
  return { least, most, skips };
}

/** How often each n-gram is in a row: of tokens side by side, and with up to `skips` others between them. Single tokens are counted once. */
function* count(
  all: Elements,
  [first, length]: readonly [number, number],
  call: Call,
  grams: Grams,
  visit: (place: number) => void,
): Generator<undefined, void> {
  const { least, most, skips } = lengthsOf(call.node, (why) => call.fail(why));
  for (let distance = 1; distance <= skips + 1; distance++) {
    if (distance > 1 && (most === 1 || distance >= length)) break;
    for (let start = 0; start < length; start++) {
      if (start % (PIECE / 64) === 0) yield;
      for (let n = distance === 1 ? least : Math.max(2, least); n <= Math.min(most, grams.longest); n++) {
        if (start + distance * (n - 1) >= length) break;
        const place = grams.places.get(keyOf(Array.from({ length: n }, (_, i) => all[first + start + distance * i]!)));
        if (place !== undefined) visit(place);
      }
    }
  }
}

const vectorize = inPieces(function* (call): Generator<undefined, Float32Array[]> {
  const grams = gramsOf(call.node, (why) => call.fail(why));
  const { columns, weights, width } = grams;
  const mode = call.text("mode", "TF");
  const shape = call.shape(0);
  const tokens = shape.at(-1)!;
  const all = elementsOf(call.constant(0)!.data);
  const rows = shape.length === 1 ? 1 : shape[0]!;
  call.hold(bytesIn("float32", rows * width));
  const result = new Float32Array(rows * width);
  for (let row = 0; row < rows; row++) {
    const counts = new Map<number, number>();
    yield* count(all, [row * tokens, tokens], call, grams, (place) => counts.set(place, (counts.get(place) ?? 0) + 1));
    for (const [place, times] of counts) {
      const weight = mode === "TF" ? 1 : (weights?.[place] ?? 1);
      result[row * width + columns[place]!]! += weight * (mode === "IDF" ? 1 : times);
    }
  }
  return [result];
});

const TOKENS: readonly ElementType[] = ["string", "int32", "int64"];

export const tfidf = {
  "/TfIdfVectorizer": {
    since: 9,
    inputs: "T",
    types: { T: TOKENS },
    attributes: {
      max_gram_length: "int",
      max_skip_count: "int",
      min_gram_length: "int",
      mode: ["TF", "IDF", "TFIDF"],
      ngram_counts: "ints",
      ngram_indexes: "ints",
      pool_int64s: "ints",
      pool_strings: "texts",
      weights: "floats",
    },
    becomes: (node, make) => {
      const fail: Fail = (why) => make.fail(why, "MODEL");
      lengthsOf(node, fail);
      gramsOf(node, fail);
      return undefined;
    },
    shape: (call: Call) => {
      const shape = call.shape(0);
      if (shape.length !== 1 && shape.length !== 2)
        throw call.fail("the input expected shape [tokens] or [rows, tokens]");
      const { width } = gramsOf(call.node, (why) => call.fail(why));
      return [{ type: "float32", shape: [...shape.slice(0, -1), width] }];
    },
    evaluate: (call: Call) => vectorize(call),
    work: vectorize.pieces,
  },
} as const satisfies Readonly<Record<string, Operator>>;
