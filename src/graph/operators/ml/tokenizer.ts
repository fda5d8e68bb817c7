import { bytesIn } from "../../../tensor/index.ts";
import type { Call } from "../call.ts";
import { inPieces, PIECE } from "../memo.ts";
import { type Operator, plus } from "../operator.ts";
import { type Fail, textsOf } from "./attributes.ts";
import { Pattern } from "./pattern.ts";

/** How a text is cut: at what lies between tokens, or by what tokens look like. */
interface Cut {
  readonly patterns: readonly Pattern[];
  readonly isBetween: boolean;
}

const cuts = new WeakMap<Call["node"]["attributes"], Cut>();

function cutOf({ attributes }: Call["node"], fail: Fail): Cut {
  let cut = cuts.get(attributes);
  if (cut === undefined) {
    const { tokenexp } = attributes;
    const separators = textsOf(attributes, "separators");
    if ((separators.length === 0) === (tokenexp === undefined))
      throw fail('one of "separators" and "tokenexp" is expected');
    // One separator of no characters, or what a token looks like is a dot: each character is a token.
    const isEach = tokenexp === "." || (separators.length > 0 && separators.join("") === "");
    const isBetween = tokenexp === undefined && !isEach;
    const sources = isBetween ? separators : [isEach ? "[^\\n]|\\n" : String(tokenexp)];
    cut = { patterns: sources.map((source) => new Pattern(source, fail)), isBetween };
    cuts.set(attributes, cut);
  }
  return cut;
}

type Range = readonly [number, number];

/** Where tokens of a text lie. Each separator cuts what those before it have left. */
function* tokensOf(text: readonly number[], { patterns, isBetween }: Cut): Generator<undefined, readonly Range[]> {
  let ranges: Range[] = [[0, text.length]];
  for (const pattern of patterns) {
    const next: Range[] = [];
    for (const [begin, end] of ranges) {
      let at = begin;
      for (const match of pattern.matches(text.slice(begin, end))) {
        if (match === undefined) {
          yield;
          continue;
        }
        const [first, last] = [begin + match[0], begin + match[1]];
        next.push(isBetween ? [at, first] : [first, last]);
        at = last;
      }
      if (isBetween) next.push([at, end]);
    }
    ranges = next;
  }
  return ranges;
}

/** Marks of begin and end of a text. */
const [START, END] = ["\u0002", "\u0003"];

const tokenized = inPieces(function* (call): Generator<undefined, { texts: string[]; longest: number }> {
  const cut = cutOf(call.node, (why) => call.fail(why));
  const least = Math.max(1, call.number("mincharnum", 1));
  const all: string[][] = [];
  let longest = 0;
  for (const text of call.constant(0)!.data as readonly string[]) {
    const characters = Array.from(text);
    call.hold(16 * text.length);
    const ranges = yield* tokensOf(
      characters.map((one) => one.codePointAt(0)!),
      cut,
    );
    const own = ranges
      .filter(([begin, end]) => end - begin >= least)
      .map((range) => characters.slice(...range).join(""));
    longest = Math.max(longest, own.length);
    all.push(own);
    yield;
  }
  const isMarked = call.number("mark", 0) !== 0 && longest > 0;
  const width = longest + (isMarked ? 2 : 0);
  call.hold(bytesIn("string", all.length * width));
  const texts: string[] = [];
  for (const own of all) {
    if (isMarked) texts.push(START);
    texts.push(...own);
    if (isMarked) texts.push(END);
    for (let i = own.length; i < longest; i++) texts.push(call.text("pad_value", ""));
    if (texts.length % PIECE < width) yield;
  }
  return { texts, longest: width };
});

/** What pipelines of scikit-learn cut texts with, before TfIdfVectorizer. */
export const tokenizers = {
  "com.microsoft/Tokenizer": {
    since: 1,
    inputs: "string",
    attributes: { mark: "int", mincharnum: "int", pad_value: "text", separators: "texts", tokenexp: "text" },
    becomes: (node, make) => {
      cutOf(node, (why) => make.fail(why, "MODEL"));
      return undefined;
    },
    rank: (_, { rank }) => plus(rank(0), 1),
    shape: (call: Call) => {
      if (call.constant(0) === undefined) throw call.dependsOn(0);
      return [{ type: "string", shape: [...call.shape(0), tokenized(call).longest] }];
    },
    evaluate: (call: Call) => [tokenized(call).texts],
    work: tokenized.pieces,
  },
} as const satisfies Readonly<Record<string, Operator>>;
