import { clamp, maximum } from "../fixed-point/arithmetic.ts";
import { canonicalString, type State, type Step, stateCount } from "./accumulator.ts";
import { gridPoint, gridSize, integerIn } from "./checks.ts";
import type { Kind } from "./gamma.ts";

/** An embedding, by table (row = index of the symbol) or by function. Codes are integers in −(2^bits − 1)…2^bits − 1, `width` of them. */
export type Embedding =
  | readonly (readonly number[])[]
  | ((symbol: readonly number[], index: number) => readonly number[]);

/** A model of the token class: whatever follows the embedding does not matter. */
export interface TokenModel {
  /** Bits of a code, default p − 1. */
  readonly bits?: number;
  /** Numbers in a code, default d. */
  readonly width?: number;
  /** Embedding of the symbols A_i in lexicographic order of the grid points i. */
  readonly embedding: Embedding;
  /** Embedding of the symbols B_j; default: anything, no two alike. */
  readonly embeddingB?: Embedding;
}

/** What one token adds to the state, by position and by symbol (+e_1, −e_1, +e_2, …); the sum saturates at 2^bits − 1, the denominator at 0 below. */
export type UpdateTable = readonly (readonly {
  readonly numerator: readonly number[];
  readonly denominator: number;
}[])[];

/** A model of the accumulator class: how the state changes with a token. Scores, values, embeddings, positions and readout do not matter. */
export interface AccumulatorModel {
  /** Bits of the numbers in the state, default p − 1. */
  readonly bits?: number;
  /** A table with at least d·(2^p − 1) positions, or a function that returns the next state within the range. */
  readonly update: UpdateTable | ((state: State, token: Step, position: number) => State);
}

interface CertificateBase {
  readonly p: number;
  readonly d: number;
  /** Bits of the given model. */
  readonly bits: number;
  /** More inputs to tell apart than codes: every model of this class fails, not only this one. */
  readonly impossible: boolean;
  /** Wrong answers among all pairs that every model of this class gives at least. */
  readonly leastWrong: bigint;
  /** The proof, a sentence each. */
  readonly argument: readonly string[];
  /** What the statement does not say. */
  readonly caveat: string;
}

export interface TokenCertificate extends CertificateBase {
  readonly kind: "token";
  readonly width: number;
  /** N, symbols of Γ_{p,d}. */
  readonly alphabet: bigint;
  /** (2^{bits+1} − 1)^width, the codes there are. */
  readonly capacity: bigint;
  /** Two symbols that the embedding does not tell apart; inputs (A_first, B_first) and (A_second, B_first) then get the same answer, and Γ's are 1 and 0. */
  readonly collision?: {
    readonly first: number;
    readonly second: number;
    readonly symbols: readonly [readonly number[], readonly number[]];
    readonly code: readonly number[];
  };
  /** Wrong answers among N² that this embedding forces, whatever follows it. */
  readonly wrong: bigint;
}

export interface AccumulatorCertificate extends CertificateBase {
  readonly kind: "accumulator";
  /** Vectors of counts that must be told apart. */
  readonly rows: bigint;
  /** States of `bits` bits. */
  readonly states: bigint;
  /** Prefixes x and x′ that end in the same state, and y with counts −u(x): inputs x|y and x′|y get the same answer, and Γ's are 1 and 0. */
  readonly collision?: {
    readonly x: readonly Step[];
    readonly other: readonly Step[];
    readonly y: readonly Step[];
    readonly counts: readonly [readonly number[], readonly number[]];
    readonly state: State;
  };
  /** Wrong answers among rows² canonical inputs that this machine forces, whatever reads the state. */
  readonly wrong: bigint;
}

export type Certificate = TokenCertificate | AccumulatorCertificate;

/** Symbols or count vectors that `certify` goes through. */
const MOST_ROWS = 2 ** 22;

/**
 * Shows that a model of too few bits cannot compute Γ_{p,d}: two inputs that it cannot tell apart though Γ does, and how many wrong answers
 * counting forces. For a model of enough bits it says so, and still finds a collision if there is one.
 *
 * @param model the embedding (kind `token`) or the update rule (kind `accumulator`), as a table or a function
 * @param options p 2…16 and d 1…64 of Γ, and the kind, default `token`
 * @throws TypeError, RangeError for codes or states outside the range, tables of the wrong size, p or d out of range, and more than 2^22 symbols
 * @example
 * const c = certify({ embedding: (symbol) => symbol.map((v) => Math.sign(v)) }, { p: 2, d: 1, kind: "token" });
 * console.log(c.collision, c.leastWrong); // { first: 0, second: 1, … }, 5n
 */
export function certify(model: TokenModel, options: { p: number; d: number; kind?: "token" }): TokenCertificate;
export function certify(
  model: AccumulatorModel,
  options: { p: number; d: number; kind: "accumulator" },
): AccumulatorCertificate;
export function certify(
  model: TokenModel | AccumulatorModel,
  options: { p: number; d: number; kind?: Kind },
): Certificate;
export function certify(
  model: TokenModel | AccumulatorModel,
  { p, d, kind = "token" }: { p: number; d: number; kind?: Kind },
): Certificate {
  integerIn("p", p, 2, 16);
  integerIn("d", d, 1, 64);
  const bits = integerIn("bits", model.bits ?? p - 1, 1, 16);
  if (gridSize(p, d) > MOST_ROWS) {
    throw new RangeError(`"p" and "d" expected at most ${MOST_ROWS} symbols to go through, got ${gridSize(p, d)}`);
  }
  if (kind === "token" && "embedding" in model) return certifyToken(model, p, d, bits);
  if (kind === "accumulator" && "update" in model) return certifyAccumulator(model, p, d, bits);
  if (kind !== "token" && kind !== "accumulator") {
    throw new RangeError(`"kind" expected "token" or "accumulator", got ${JSON.stringify(kind)}`);
  }
  throw new TypeError(`"model" expected ${kind === "token" ? '"embedding"' : '"update"'} for kind "${kind}"`);
}

function certifyToken(model: TokenModel, p: number, d: number, bits: number): TokenCertificate {
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

function certifyAccumulator(model: AccumulatorModel, p: number, d: number, bits: number): AccumulatorCertificate {
  const rows = gridSize(p, d);
  const states = stateCount(bits, d);
  const seen = new Map<string, { counts: readonly number[]; state: State; size: number }>();
  let collision: AccumulatorCertificate["collision"];
  visitPrefixes(stepper(model.update, bits, p, d), p, d, (counts, state) => {
    const key = `${state.numerator.map((v) => v + 0).join()};${state.denominator + 0}`;
    const first = seen.get(key);
    if (first === undefined) {
      seen.set(key, { counts: counts.slice(), state, size: 1 });
      return;
    }
    first.size++;
    collision ??= {
      x: canonicalString(first.counts),
      other: canonicalString(counts),
      y: canonicalString(first.counts.map((v) => -v)),
      counts: [first.counts, counts.slice()],
      state: first.state,
    };
  });
  let wrong = 0n;
  for (const { size } of seen.values()) if (size > 1) wrong += BigInt(size);
  const impossible = rows > states;
  return {
    kind: "accumulator",
    p,
    d,
    bits,
    rows,
    states,
    impossible,
    leastWrong: impossible ? rows - states + 1n : 0n,
    ...(collision && { collision }),
    wrong,
    argument: accumulatorArgument(rows, states, bits, d),
    caveat:
      "The statement is about one head whose state is a numerator of value dimension d and a denominator, rounded after every token; " +
      "a wider value dimension, several heads, a second layer or wider accumulators are outside of it. A running maximum in the state multiplies the states by at most " +
      `${2 * maximum(bits) + 1}.`,
  };
}

function accumulatorArgument(rows: bigint, states: bigint, bits: number, d: number): string[] {
  if (rows <= states) {
    return [`${bits} bits leave ${states} states for ${rows} vectors of counts: counting forbids nothing at d = ${d}.`];
  }
  return [
    `Two prefixes x and x' with different counts must end in different states: followed by a y that cancels x, the answers should be 1 and 0.`,
    `There are ${rows} vectors of counts and (2^${bits + 1} - 1)^${d}·2^${bits} = ${states} states of ${bits} bits, so two of them share a state.`,
    "Scores, values, embeddings, positions and the readout are arbitrary: only the state passes from x to y.",
    `At least ${rows} - ${states} + 1 = ${rows - states + 1n} of the ${rows * rows} canonical inputs are answered wrongly.`,
  ];
}

function stepper(
  update: AccumulatorModel["update"],
  bits: number,
  p: number,
  d: number,
): (state: State, token: Step, position: number) => State {
  const limit = maximum(bits);
  if (typeof update === "function") {
    return (state, token, position) => {
      const next = update(state, token, position);
      if (next.numerator.length !== d) {
        throw new RangeError(`"update" expected ${d} numerators, got ${next.numerator.length}`);
      }
      for (const v of next.numerator) integerIn("update numerator", v, -limit, limit);
      integerIn("update denominator", next.denominator, 0, limit);
      return next;
    };
  }
  if (update.length < d * maximum(p)) {
    throw new RangeError(`"update" expected a table of at least ${d * maximum(p)} positions, got ${update.length}`);
  }
  update.forEach((row, i) => {
    if (row.length !== 2 * d || row.some((entry) => entry.numerator.length !== d)) {
      throw new RangeError(`"update" expected ${2 * d} symbols of ${d} numerators at position ${i}`);
    }
    for (const entry of row)
      for (const v of [...entry.numerator, entry.denominator]) integerIn("update", v, -limit, limit);
  });
  return (state, token, position) => {
    const entry = update[position]![2 * token.axis + (token.sign < 0 ? 1 : 0)]!;
    return {
      numerator: state.numerator.map((n, j) => clamp(n + entry.numerator[j]!, limit)),
      denominator: Math.max(0, clamp(state.denominator + entry.denominator, limit)),
    };
  };
}

/** Runs every canonical string once, sharing prefixes; `visit` must copy `counts` to keep them. */
function visitPrefixes(
  next: (state: State, token: Step, position: number) => State,
  p: number,
  d: number,
  visit: (counts: number[], state: State) => void,
): void {
  const counts = new Array<number>(d).fill(0);
  const walk = (axis: number, start: State, position: number) => {
    if (axis === d) {
      visit(counts, start);
      return;
    }
    for (const sign of [1, -1] as const) {
      let state = start;
      for (let count = sign === 1 ? 0 : 1; count <= maximum(p); count++) {
        if (count > 0) state = next(state, { axis, sign }, position + count - 1);
        counts[axis] = count === 0 ? 0 : sign * count;
        walk(axis + 1, state, position + count);
      }
    }
    counts[axis] = 0;
  };
  walk(0, { numerator: new Array<number>(d).fill(0), denominator: 0 }, 0);
}
