import { checkList, wrongKind } from "../core/index.ts";
import { maximum } from "../fixed-point/arithmetic.ts";
import type { Embedding, TokenCertificate, TokenModel } from "./certificate.ts";
import { gridPoint, gridSize, integerIn } from "./checks.ts";

/** See `certify`; options are checked there. */
export function certifyToken(model: TokenModel, p: number, d: number, bits: number): TokenCertificate {
  const width = integerIn("width", model.width ?? d, 1, 4096);
  const alphabet = gridSize(p, d);
  const capacity = gridSize(bits, width);
  const n = Number(alphabet);
  const codes = embed("embedding", model.embedding, n, p, d, bits, width);
  const classes = classesOf(codes);
  const second = classes.findIndex((c, i) => c !== i);
  const collision = second < 0 ? undefined : { first: classes[second]!, second };
  const other =
    model.embeddingB === undefined
      ? classes.map((_, i) => i)
      : classesOf(embed("embeddingB", model.embeddingB, n, p, d, bits, width));
  const impossible = alphabet > capacity;
  const leastWrong = impossible ? alphabet - capacity + 1n : 0n;
  return {
    kind: "token",
    p,
    d,
    bits,
    width,
    alphabet,
    capacity,
    impossible,
    leastWrong,
    ...(collision && {
      collision: {
        ...collision,
        symbols: [gridPoint(collision.first, p, d), gridPoint(collision.second, p, d)] as const,
        code: codes[second]!.slice(),
      },
    }),
    wrong: leastWrongPairs(classes, other),
    argument: tokenArgument(alphabet, capacity, bits, width),
    caveat:
      `The statement counts width·log2(2^(bits+1) - 1) and holds at width ${width} and ${bits} bits for one embedding per symbol; ` +
      `a width of ${leastWidth(alphabet, bits)} is enough for ${bits}-bit numbers, and so is a symbol spelled with several tokens.`,
  };
}

function embed(
  name: string,
  embedding: Embedding,
  n: number,
  p: number,
  d: number,
  bits: number,
  width: number,
): readonly (readonly number[])[] {
  const limit = maximum(bits);
  if (typeof embedding !== "function") checkList(name, embedding);
  if (typeof embedding !== "function" && embedding.length !== n) {
    throw new RangeError(`"${name}" expected a table of ${n} rows, got ${embedding.length}`);
  }
  return Array.from({ length: n }, (_, i) => {
    const code = typeof embedding === "function" ? embedding(gridPoint(i, p, d), i) : embedding[i]!;
    if (code.length !== width)
      throw new RangeError(`"${name}" expected ${width} numbers per code, got ${code.length} at ${i}`);
    for (const v of code) integerIn(`${name}[${i}]`, v, -limit, limit);
    return code;
  });
}

/** For each code the index of the first equal one. */
function classesOf(codes: readonly (readonly number[])[]): number[] {
  const seen = new Map<string, number>();
  return codes.map((code, i) => {
    const key = code.map((v) => v + 0).join();
    const first = seen.get(key);
    if (first === undefined) seen.set(key, i);
    return first ?? i;
  });
}

/**
 * The least number of pairs (i, j) on which an answer that depends only on the classes a[i] and b[j] differs from 1[i = j]: every block of
 * equal answers contributes the smaller of its equal and its unequal pairs.
 */
export function leastWrongPairs(a: readonly number[], b: readonly number[]): bigint {
  for (const [name, list] of [["a", a] as const, ["b", b] as const]) {
    checkList(name, list);
    for (const [i, value] of list.entries())
      if (!Number.isFinite(value)) throw wrongKind(`${name}[${i}]`, "a number", value);
  }
  if (a.length !== b.length) throw new RangeError(`"b" expected ${a.length} numbers, got ${b.length}`);
  const sizes = (classes: readonly number[]) => {
    const size = new Map<number, number>();
    for (const c of classes) size.set(c, (size.get(c) ?? 0) + 1);
    return size;
  };
  const sizeA = sizes(a);
  const sizeB = sizes(b);
  const blocks = new Map<string, { equal: number; pairs: number }>();
  a.forEach((ca, i) => {
    const cb = b[i]!;
    const key = `${ca},${cb}`;
    const block = blocks.get(key) ?? { equal: 0, pairs: sizeA.get(ca)! * sizeB.get(cb)! };
    block.equal++;
    blocks.set(key, block);
  });
  let wrong = 0n;
  for (const { equal, pairs } of blocks.values()) wrong += BigInt(Math.min(equal, pairs - equal));
  return wrong;
}

function leastWidth(alphabet: bigint, bits: number): number {
  let width = 1;
  while (gridSize(bits, width) < alphabet) width++;
  return width;
}

function tokenArgument(alphabet: bigint, capacity: bigint, bits: number, width: number): string[] {
  if (alphabet <= capacity) {
    return [
      `${bits} bits and width ${width} leave ${capacity} codes for ${alphabet} symbols: counting forbids nothing, a layer that answers every pair exists.`,
    ];
  }
  return [
    `${bits} bits and width ${width} leave (2^${bits + 1} - 1)^${width} = ${capacity} codes for ${alphabet} symbols, so two symbols i and i' share a code.`,
    "On the inputs (A_i, B_i) and (A_i', B_i) everything after the embedding sees the same numbers, whatever the weights, scale, depth and readout; the answers are equal, and should be 1 and 0.",
    "In a class of c ≥ 2 symbols with one code, each of the c columns B_i of the class has at least one wrong answer.",
    `At most ${capacity} - 1 symbols can have a code of their own, so at least ${alphabet} - ${capacity} + 1 = ${alphabet - capacity + 1n} of the ${alphabet * alphabet} answers are wrong.`,
  ];
}
