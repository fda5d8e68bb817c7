import { allocateData, broadcast, bytesIn, sizeOf, type Tensor } from "../../../tensor/index.ts";
import type { Call } from "../call.ts";
import { broadcastStrides, walk } from "../elements.ts";
import { inPieces } from "../memo.ts";
import { broadcastRank, type Operator, sameRank } from "../operator.ts";

/** A text of its own, as engines keep it at most: a header, and two bytes for each character. */
function textBytes(length: number): number {
  return 32 + 2 * length;
}

function textsOf(call: Call, i: number): readonly string[] {
  const tensor = call.constant(i) as Tensor<"string"> | undefined;
  if (tensor === undefined) throw call.dependsOn(i);
  return tensor.data;
}

function bothShape(call: Call): number[] {
  const shape = broadcast(call.shape(0), call.shape(1));
  if (shape === undefined) throw call.fail("the inputs expected shapes that broadcast");
  return shape;
}

/** Engines have no texts much longer: V8 ends at 2^29. */
const LONGEST = 2 ** 28;

function concatenated(call: Call): readonly [string[]] {
  const [a, b] = [textsOf(call, 0), textsOf(call, 1)];
  const shape = bothShape(call);
  const result = new Array<string>(sizeOf(shape));
  const strides = [0, 1].map((i) => broadcastStrides(call.shape(i), shape));
  walk(shape, strides, (at, [left, right]) => {
    const length = a[left!]!.length + b[right!]!.length;
    if (length > LONGEST) throw call.fail(`a text of ${length} characters is longer than ${LONGEST}`);
    call.hold(textBytes(length));
    result[at] = a[left!]! + b[right!]!;
  });
  return [result];
}

/** The pieces of a text: at most `most` cuts. Without a delimiter between runs of white space, which begins and ends no piece. */
function* split(text: string, delimiter: string, most: number, { hold }: Call): Generator<undefined, string[]> {
  const pieces: string[] = [];
  let rest = delimiter === "" ? text.trim() : text;
  if (rest === "") return pieces;
  while (pieces.length < most) {
    const found = delimiter === "" ? /\s+/.exec(rest) : undefined;
    const at = found === undefined ? rest.indexOf(delimiter) : (found?.index ?? -1);
    if (at < 0) break;
    pieces.push(rest.slice(0, at));
    rest = rest.slice(at + (found === undefined ? delimiter.length : found![0].length));
    if (pieces.length % 1024 !== 0) continue;
    hold(1024 * textBytes(0));
    yield;
  }
  pieces.push(rest);
  return pieces;
}

const pieces = inPieces(function* (call): Generator<undefined, string[][]> {
  const [most, delimiter] = [call.number("maxsplit", Number.POSITIVE_INFINITY), call.text("delimiter", "")];
  const all: string[][] = [];
  for (const text of textsOf(call, 0)) {
    all.push(yield* split(text, delimiter, most, call));
    if (all.length % 1024 === 0) yield;
  }
  call.hold(bytesIn("string", sizeOf(call.shape(0)) * longestOf(all)));
  return all;
});

function longestOf(all: readonly (readonly string[])[]): number {
  return all.reduce((most, { length }) => Math.max(most, length), 0);
}

function splitShape(call: Call) {
  const longest = longestOf(pieces(call));
  const shape = call.shape(0);
  return [
    { type: "string", shape: [...shape, longest] },
    { type: "int64", shape },
  ] as const;
}

/** One code point for one, so that no engine's rules for whole words come in. */
function changed(text: string, action: string): string {
  if (action === "NONE") return text;
  return Array.from(text, (c) => {
    const other = action === "LOWER" ? c.toLowerCase() : c.toUpperCase();
    return [...other].length === 1 ? other : c;
  }).join("");
}

const normalized = inPieces(function* (call): Generator<undefined, string[]> {
  const shape = call.shape(0);
  if (!(shape.length === 1 || (shape.length === 2 && shape[0] === 1)))
    throw call.fail("the input expected shape [count] or [1, count]");
  const action = call.text("case_change_action", "NONE");
  const sensitive = call.number("is_case_sensitive", 0) !== 0;
  const compared = (text: string): string => (sensitive ? text : changed(text, "LOWER"));
  const stops = new Set((call.node.attributes["stopwords"] as readonly string[] | undefined)?.map(compared));
  const kept: string[] = [];
  for (const [i, text] of textsOf(call, 0).entries()) {
    // Its characters are texts in a list while they are changed.
    call.hold(textBytes(5 * text.length));
    if (!stops.has(compared(text))) kept.push(changed(text, action));
    if (i % 1024 === 0) yield;
  }
  return kept.length === 0 ? [""] : kept;
});

/** Operators of texts, which live in JavaScript. */
export const strings = {
  "/StringConcat": {
    since: 20,
    inputs: "string string",
    rank: broadcastRank,
    shape: (call: Call) => [{ type: "string", shape: bothShape(call) }],
    evaluate: concatenated,
  },
  "/StringSplit": {
    since: 20,
    inputs: "string",
    attributes: { delimiter: "text", maxsplit: "int" },
    shape: splitShape,
    evaluate: (call: Call) => {
      const all = pieces(call);
      const [{ shape }] = splitShape(call);
      const longest = shape.at(-1)!;
      const texts = allocateData("string", sizeOf(shape)) as string[];
      all.forEach((own, i) => {
        for (const [k, piece] of own.entries()) texts[i * longest + k] = piece;
      });
      return [texts, BigInt64Array.from(all, ({ length }) => BigInt(length))];
    },
    work: pieces.pieces,
  },
  "/StringNormalizer": {
    since: 10,
    inputs: "string",
    attributes: {
      case_change_action: ["NONE", "LOWER", "UPPER"],
      is_case_sensitive: "int",
      locale: "text",
      stopwords: "texts",
    },
    rank: sameRank,
    shape: (call: Call) => [{ type: "string", shape: [...call.shape(0).slice(0, -1), normalized(call).length] }],
    evaluate: (call: Call) => [[...normalized(call)]],
    work: normalized.pieces,
  },
  "/RegexFullMatch": {
    since: 20,
    others: "pattern:text",
    becomes: (_, make) => {
      throw make.fail("its patterns match in linear time, which those of JavaScript do not");
    },
  },
  "/ImageDecoder": {
    since: 20,
    others: "pixel_format:text",
    becomes: (_, make) => {
      throw make.fail("pictures are decoded by the host: feed their pixels");
    },
  },
} as const satisfies Readonly<Record<string, Operator>>;
