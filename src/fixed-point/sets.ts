import { Lattice } from "../core/index.ts";
import { type Activation, activationTable } from "./activations.ts";
import { checkFormat, clamp, maximum } from "./arithmetic.ts";

/** The two numbers that decide which outputs exist: gcd of the differences and gcd of the values of an activation table, in units of 1/s. */
export interface Gcds {
  readonly g: number;
  readonly h: number;
}

/** V, S_b and N_b of one bias b = B/s, in units of 1/s, ascending. */
export interface Sets {
  /** V: differences a(x) − a(y). */
  readonly gaps: number[];
  /** S_b: what b + Σ w·v rounds to, v in V, w in Q, any number of summands. */
  readonly s: number[];
  /** N_b: the same with v among the values a(x). */
  readonly n: number[];
}

export function gcds(lattice: Lattice, table: Int32Array): Gcds {
  const at = lattice.place(table);
  const out = lattice.allocate(8);
  lattice.exports.gcds(at, table.length, out);
  const [g, h] = lattice.i32(out, 2);
  lattice.release(at);
  lattice.release(out);
  return { g: g!, h: h! };
}

/**
 * Theorem 1: for sums from gZ some bias reaches all of Q if and only if g ≥ 1 and left < right, with left = 2(M − 1)(g − s) and right = s;
 * then bias 0 does.
 */
export function criterion(g: number, p: number, s: number): { left: number; right: number; holds: boolean } {
  const left = 2 * (maximum(p) - 1) * (g - s);
  return { left, right: s, holds: g >= 1 && left < s };
}

/** {clamp(round(B + t·g/s)) : t integer} as a byte per value of Q, by the closed form. */
export function reachable(lattice: Lattice, g: number, bias: number, p: number, s: number): Uint8Array {
  const m = maximum(p);
  const reached = new Uint8Array(2 * m + 1);
  if (g === 0) {
    reached[clamp(bias, m) + m] = 1;
    return reached;
  }
  const out = lattice.allocate(2 * m + 1);
  const offset = Number((((BigInt(bias) * BigInt(s)) % BigInt(g)) + BigInt(g)) % BigInt(g));
  lattice.exports.reach(g, offset, m, s, out);
  reached.set(lattice.u8(out, 2 * m + 1));
  lattice.release(out);
  return reached;
}

/** Values k of Q whose byte is `wanted`; at most `limit` of them. */
export function values(reached: Uint8Array, wanted: 0 | 1, limit = Number.POSITIVE_INFINITY): number[] {
  const m = (reached.length - 1) / 2;
  const list: number[] = [];
  for (let i = 0; i < reached.length && list.length < limit; i++) if (reached[i] === wanted) list.push(i - m);
  return list;
}

/**
 * The sets of arXiv 2409.00297 for one output bias: V, the gaps between outputs of the activation; S_b, what sums of weighted gaps reach; N_b, what sums of weighted
 * outputs reach.
 *
 * @param activation name, table of 2^(p+1) − 1 integers, or function of reals
 * @param bias b in units of 1/s, any integer; default 0, which reaches all of Q if any bias does
 * @returns integers in units of 1/s, ascending; `gaps` has up to 4M + 1 of them
 * @throws TypeError, RangeError for bad formats, activations and biases
 * @example
 * const { gaps, s, n } = await sets("5*hardtanh", 3, 1); // −10 −5 0 5 10, and −7 −5 0 5 7 twice
 */
export async function sets(activation: Activation, p: number, s: number, bias = 0): Promise<Sets> {
  checkFormat(p, s);
  if (!Number.isSafeInteger(bias)) throw new RangeError(`"bias" expected an integer, got ${bias}`);
  return setsOf(await Lattice.create(), activationTable(activation, p, s), p, s, bias);
}

/** V, S_b, N_b by the closed form. |V| can be 4M + 1. */
export function setsOf(lattice: Lattice, table: Int32Array, p: number, s: number, bias: number): Sets {
  const { g, h } = gcds(lattice, table);
  return {
    gaps: gapsOf(table),
    s: values(reachable(lattice, g, bias, p, s), 1),
    n: values(reachable(lattice, h, bias, p, s), 1),
  };
}

/**
 * V: the distinct differences, ascending. Outputs are bits of a row, and the row moved down by each of them has the differences from it: 32 pairs at
 * a time, since at p = 16 there are up to 2^34 pairs.
 */
export function gapsOf(table: Int32Array): number[] {
  const outputs = [...new Set(table)].sort((a, b) => a - b);
  const offsets = outputs.map((output) => output - outputs[0]!);
  const span = offsets.at(-1)!;
  // A word behind the row, so that a shift reads two words wherever it begins.
  const row = new Uint32Array((span >>> 5) + 2);
  for (const offset of offsets) row[offset >>> 5]! |= 1 << (offset & 31);
  const found = new Uint32Array(row.length);
  for (const offset of offsets) {
    const [skip, shift] = [offset >>> 5, offset & 31];
    for (let i = skip; i < row.length - 1; i++)
      found[i - skip]! |= (row[i]! >>> shift) | ((row[i + 1]! << 1) << (31 - shift));
    // Outputs without holes have every difference before the first shift.
    if (offset === 0 && offsets.length === span + 1) break;
  }
  const gaps: number[] = [];
  // Not −span: that of 0 is −0.
  for (let gap = 0 - span; gap <= span; gap++)
    if ((found[Math.abs(gap) >>> 5]! >>> (Math.abs(gap) & 31)) & 1) gaps.push(gap);
  return gaps;
}

/** The sums of one enumeration, readable for any bias in the range it was made for. */
export interface Enumeration {
  /** Most summands that any sum needs. */
  readonly rounds: number;
  /** A byte per value of Q: what b + sum rounds to, with b = bias/s. */
  reachable(bias: number): Uint8Array;
}

/**
 * The same sets from the definition, with no number theory: breadth-first closure, in bit sets, of the sums of w·v with w in −M … M and v among
 * `summands`. Exact for biases |B| ≤ `biases`, because every sum that matters has an order in which partial sums stay within the window.
 * Meant for p ≤ 5: the window has about 2s(M + biases) + 4M² bits.
 */
export function enumerate(
  lattice: Lattice,
  summands: Iterable<number>,
  p: number,
  s: number,
  biases: number,
): Enumeration {
  const m = maximum(p);
  const steps = new Set<number>();
  for (const v of summands) for (let w = 1; w <= m; w++) if (v !== 0) steps.add(Math.abs(w * v));
  const largest = Math.max(0, ...steps);
  const limit = s * (m + 1 + biases) + largest;
  const words = 2 * Math.ceil((2 * limit + 1) / 128);
  const pad = 8 * (Math.ceil(largest / 64) + 2);
  const rows = [0, 1, 2].map(() => lattice.allocate(8 * words + 2 * pad));
  const [all, frontier, next] = rows.map((at) => at + pad) as [number, number, number];
  for (const row of [all, frontier]) lattice.u8(row, 8 * words)[limit >> 3]! |= 1 << (limit & 7);
  const list = lattice.place(Int32Array.from(steps));
  const rounds = lattice.exports.closure(all, frontier, next, words, list, steps.size);
  const bits = lattice.u8(all, 8 * words).slice();
  for (const at of [...rows, list]) lattice.release(at);
  return {
    rounds,
    reachable(bias) {
      const reached = new Uint8Array(2 * m + 1);
      for (let t = -limit; t <= limit; t++) {
        const i = t + limit;
        if ((bits[i >> 3]! >> (i & 7)) & 1) reached[clamp(roundHalfAway(s * bias + t, s), m) + m] = 1;
      }
      return reached;
    },
  };
}

/** From the definition rather than from arithmetic.ts, so that the enumeration shares nothing with what it checks. */
function roundHalfAway(t: number, s: number): number {
  return Math.sign(t) * Math.floor((2 * Math.abs(t) + s) / (2 * s));
}
