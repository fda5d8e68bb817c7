import type { Lattice } from "../core/index.ts";
import { clamp, maximum, rdiv } from "./arithmetic.ts";

/** Whether first-layer neurons x → a(clamp(round(b + wx))) tell all inputs apart; if not, two inputs that none tells apart. */
export interface Separation {
  readonly separates: boolean;
  /** In units of 1/s. */
  readonly unseparated?: readonly [number, number];
}

/**
 * Decides separation in O(M) steps beyond the table, with a fallback of O(M²) for the few pairs that ties leave open.
 *
 * A constant table separates nothing, s > 2M leaves 0 and 1 together (|w/s| < 1/2), s ≤ M shifts exactly (w = s), and a table that every shift
 * leaves unchanged is constant. For M < s ≤ 2M and M ≥ 3, inputs that differ by 2 or more are told apart with w = M, or w = M − 1 where both are
 * ties under w = M, except −1 and 1 at s = 2M; so neighbours and that pair remain. Neighbours are told apart whenever some w puts a rounding
 * boundary strictly between them; where only ties do, the table decides and every weight and bias is tried. (Proof: docs/fixed-point.md.)
 */
export function separation(table: Int32Array, p: number, s: number): Separation {
  const m = maximum(p);
  if (table.every((value) => value === table[0])) return { separates: false, unseparated: [-1, 0] };
  if (s > 2 * m) return { separates: false, unseparated: [0, 1] };
  if (s <= m) return { separates: true };
  const pairs: [number, number][] =
    m === 1
      ? [
          [-1, 0],
          [0, 1],
          [-1, 1],
        ]
      : s === 2 * m
        ? [[-1, 1]]
        : [];
  if (m > 1) for (const x of undecidedNeighbours(m, s)) pairs.push([x, x + 1], [-x - 1, -x]);
  for (const pair of pairs) if (!toldApart(table, m, s, ...pair)) return { separates: false, unseparated: pair };
  return { separates: true };
}

/** x ≥ 0 for which no weight puts a rounding boundary strictly between wx/s and w(x + 1)/s; the mirrored pairs behave alike. */
function undecidedNeighbours(m: number, s: number): number[] {
  const undecided: number[] = [];
  for (let x = 0; x < m; x++) {
    let found = false;
    for (let w = m; w >= 1 && !found; w--) {
      // Boundaries are the odd multiples of s/2: the first one beyond wx.
      const boundary = 2 * Math.floor((2 * w * x + s) / (2 * s)) + 1;
      found = boundary * s > 2 * w * x && boundary * s < 2 * w * (x + 1);
    }
    if (!found) undecided.push(x);
  }
  return undecided;
}

function toldApart(table: Int32Array, m: number, s: number, x: number, y: number): boolean {
  const at = (t: number): number => table[clamp(rdiv(t, s), m) + m]!;
  for (let w = m; w >= -m; w--) {
    // Outside these biases both neurons saturate.
    const reach = Math.ceil((Math.abs(w) * Math.max(Math.abs(x), Math.abs(y))) / s) + m + 1;
    for (let b = -reach; b <= reach; b++) if (at(s * b + w * x) !== at(s * b + w * y)) return true;
  }
  return false;
}

/** The number of pairs of inputs that no neuron tells apart, from the definition: every weight, every bias. Meant for p ≤ 5. */
export function countUnseparated(lattice: Lattice, table: Int32Array, p: number, s: number): number {
  const m = maximum(p);
  const n = 2 * m + 1;
  const at = [lattice.place(table), lattice.allocate(4 * n), lattice.allocate(n * n)] as const;
  const count = lattice.exports.separate(at[0], m, s, at[1], at[2]);
  for (const block of at) lattice.release(block);
  return count;
}
