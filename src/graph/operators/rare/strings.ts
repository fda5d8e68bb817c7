import { broadcast, bytesIn, sizeOf, stridesOf, type Tensor } from "../../../tensor/index.ts";
import type { Call } from "../call.ts";
import { broadcastStrides } from "../elements.ts";
import { inPieces, PIECE } from "../memo.ts";
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

/** Texts that are worked on between two turns, and characters: some milliseconds. */
const TEXTS = 1024;
const CHARACTERS = 2 ** 15;

/** Engines have no texts much longer: V8 ends at 2^29. */
const LONGEST = 2 ** 28;

const concatenated = inPieces(function* (call): Generator<undefined, string[]> {
  const [a, b] = [textsOf(call, 0), textsOf(call, 1)];
  const shape = bothShape(call);
  const own = stridesOf(shape);
  const [left, right] = [0, 1].map((i) => {
    const strides = broadcastStrides(call.shape(i), shape);
    return (at: number): number =>
      strides.reduce((sum, stride, axis) => sum + stride * (Math.floor(at / own[axis]!) % shape[axis]!), 0);
  }) as [(at: number) => number, (at: number) => number];
  call.hold(bytesIn("string", sizeOf(shape)));
  const result = new Array<string>(sizeOf(shape));
  for (let at = 0; at < result.length; at++) {
    if (at % TEXTS === 0) yield;
    const [first, second] = [a[left(at)]!, b[right(at)]!];
    const length = first.length + second.length;
    if (length > LONGEST) throw call.fail(`a text of ${length} characters is longer than ${LONGEST}`);
    call.hold(textBytes(length));
    result[at] = first + second;
  }
  return result;
});

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
    if (pieces.length % TEXTS !== 0) continue;
    hold(TEXTS * textBytes(0));
    yield;
  }
  pieces.push(rest);
  return pieces;
}

const pieces = inPieces(function* (call) {
  const [most, delimiter] = [call.number("maxsplit", Number.POSITIVE_INFINITY), call.text("delimiter", "")];
  const all: string[][] = [];
  let longest = 0;
  for (const text of textsOf(call, 0)) {
    const own = yield* split(text, delimiter, most, call);
    longest = Math.max(longest, own.length);
    all.push(own);
    if (all.length % TEXTS === 0) yield;
  }
  call.hold(bytesIn("string", all.length * longest));
  const texts: string[] = [];
  for (const own of all) {
    for (let i = 0; i < longest; i++) texts.push(own[i] ?? "");
    if (texts.length % PIECE < longest) yield;
  }
  return { longest, texts, counts: BigInt64Array.from(all, ({ length }) => BigInt(length)) };
});

function splitShape(call: Call) {
  const shape = call.shape(0);
  return [
    { type: "string", shape: [...shape, pieces(call).longest] },
    { type: "int64", shape },
  ] as const;
}

/** One code point for one, so that no engine's rules for whole words come in. */
function* changed(text: string, action: string): Generator<undefined, string> {
  if (action === "NONE") return text;
  const one = (c: string): string => {
    const other = action === "LOWER" ? c.toLowerCase() : c.toUpperCase();
    return [...other].length === 1 ? other : c;
  };
  let result = "";
  for (let at = 0; ; yield) {
    // Two units of one character stay together.
    const end = at + CHARACTERS + (text.codePointAt(at + CHARACTERS - 1)! > 0xffff ? 1 : 0);
    result += Array.from(text.slice(at, end), one).join("");
    if (end >= text.length) return result;
    at = end;
  }
}

const normalized = inPieces(function* (call): Generator<undefined, string[]> {
  const shape = call.shape(0);
  if (!(shape.length === 1 || (shape.length === 2 && shape[0] === 1)))
    throw call.fail("the input expected shape [count] or [1, count]");
  const action = call.text("case_change_action", "NONE");
  const sensitive = call.number("is_case_sensitive", 0) !== 0;
  const compared = sensitive ? "NONE" : "LOWER";
  const stops = new Set<string>();
  for (const word of (call.node.attributes["stopwords"] ?? []) as readonly string[])
    stops.add(yield* changed(word, compared));
  const kept: string[] = [];
  for (const [i, text] of textsOf(call, 0).entries()) {
    call.hold(textBytes(5 * text.length));
    if (!stops.has(yield* changed(text, compared))) kept.push(yield* changed(text, action));
    if (i % TEXTS === 0) yield;
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
    evaluate: (call: Call) => [concatenated(call)],
    work: concatenated.pieces,
  },
  "/StringSplit": {
    since: 20,
    inputs: "string",
    attributes: { delimiter: "text", maxsplit: "int" },
    shape: splitShape,
    evaluate: (call: Call) => {
      const { texts, counts } = pieces(call);
      return [texts, counts];
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
