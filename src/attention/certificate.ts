// What certify is given, and what it returns.
import type { State } from "./accumulator.ts";
import type { Positions, Step } from "./words.ts";

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

/**
 * What one token adds to the state, by position and by symbol (+e_1, −e_1, +e_2, …); the sum saturates at 2^bits − 1, the denominator at 0 below. One row for
 * positions `free`; 2d·(2^p − 1) or more, the length of x|y, for `known`.
 */
export type UpdateTable = readonly (readonly {
  /** Added to the numerator, one integer per axis, d of them. */
  readonly numerator: readonly number[];
  /** Added to the denominator. */
  readonly denominator: number;
}[])[];

/** A model of the accumulator class: how the state changes with a token. Scores, values, embeddings and readout do not matter. */
export interface AccumulatorModel {
  /** Bits of the numbers in the state, default p − 1. */
  readonly bits?: number;
  /** A table, or a pure function that returns the next state within the range; it is given the position for positions `known` only. */
  readonly update: UpdateTable | ((state: State, token: Step, position: number) => State);
}

interface CertificateBase {
  /** Bits of Γ_{p,d}, 2…16. */
  readonly p: number;
  /** Width of Γ_{p,d}, 1…64. */
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

/** What `certify` shows about a model of the token class: one embedding per symbol. */
export interface TokenCertificate extends CertificateBase {
  /** Tells the two certificates apart. */
  readonly kind: "token";
  /** Numbers in one embedding of the given model, 1…4096. */
  readonly width: number;
  /** N, symbols of Γ_{p,d}. */
  readonly alphabet: bigint;
  /** (2^{bits+1} − 1)^width, the codes there are. */
  readonly capacity: bigint;
  /** Two symbols that the embedding does not tell apart; inputs (A_first, B_first) and (A_second, B_first) then get the same answer, and Γ's are 1 and 0. */
  readonly collision?: {
    /** Index of the one symbol, 0…N−1; less than `second`. */
    readonly first: number;
    /** Index of the other. */
    readonly second: number;
    /** Both as grid points: d integers in units of 1/2. */
    readonly symbols: readonly [readonly number[], readonly number[]];
    /** The embedding that both get: `width` integers. */
    readonly code: readonly number[];
  };
  /** Wrong answers among N² that this embedding forces, whatever follows it. */
  readonly wrong: bigint;
}

/** What `certify` shows about a model of the accumulator class: how the state changes with a token. */
export interface AccumulatorCertificate extends CertificateBase {
  /** Tells the two certificates apart. */
  readonly kind: "accumulator";
  /** The class of machines that the statement is about. */
  readonly positions: Positions;
  /** Vectors of counts that must be told apart. */
  readonly rows: bigint;
  /** States of `bits` bits. */
  readonly states: bigint;
  /**
   * Prefixes x and x′ that end in the same state (of the same length, where positions are known), and y with counts −u(x): inputs x|y and x′|y end in `final`
   * both and get the same answer, and Γ's are 1 and 0.
   */
  readonly collision?: {
    /** The first prefix. */
    readonly x: readonly Step[];
    /** x′, the second prefix. */
    readonly other: readonly Step[];
    /** What follows either: it cancels the counts of x, not those of x′. */
    readonly y: readonly Step[];
    /** u(x) and u(x′): signed occurrences per axis. */
    readonly counts: readonly [readonly number[], readonly number[]];
    /** After x, and after x′. */
    readonly state: State;
    /** After x|y, and after x′|y. */
    readonly final: State;
  };
  /** Wrong answers among the rows² inputs that this machine gives at least, whatever reads its final state. */
  readonly wrong: bigint;
  /** `wrong` is what the best readout attains, by going through all inputs; else (more than 2^22 tokens) a bound from the colliding prefixes. */
  readonly exact: boolean;
}

/** What `certify` returns; `kind` tells which. */
export type Certificate = TokenCertificate | AccumulatorCertificate;
