// Two inputs: a scan over the nodes of a square grid, with constant width and a constant number of bits per node.
//
// A function that is straight on the triangles of the grid cut along (1, 1) is, with X = N·x, Y = N·y and f⁺ = ReLU(f),
//   g(X, Y) = g₀₀ + Σ_i a_i (X−i)⁺ + Σ_j b_j (Y−j)⁺ + Σ_ij c_ij min((X−i)⁺, (Y−j)⁺),
// a and b the second differences on the axes, and c the change along the diagonal of D(i,j) = g(i,j) − g(i−1,j) − g(i,j−1) + g(i−1,j−1):
// c_ij = D(i+1,j+1) − D(i,j), with D = 0 on the axes. Neighbouring nodes differ by at most one unit, so |D| ≤ 2 and |c| ≤ 4: a constant
// number of bits per node, where storing node values would take log N. And min(p, q) = p − ReLU(p − q).
import { type Form, NetworkBuilder } from "../builder.ts";
import { type Dyadic, dyadic, shift, subtract, trailingZeros } from "../dyadic.ts";
import { roundHalfEven } from "../encode.ts";
import type { DyadicNetwork } from "../network.ts";
import { leaveCells } from "./common.ts";

/**
 * Width 5, depth about N² + 3N, N = 2^n; weights up to 4 in steps of 1/2.
 *
 * For |f(x) − f(y)| ≤ unit·N·max(|x₁ − y₁|, |x₂ − y₂|) the error is at most 15/14 unit: rounding to the nearest unit costs 1/2, and
 * straight interpolation on a triangle at most max Σ λ_v‖x − v‖ = 4/7 of a cell, at barycentric coordinates (2/7, 2/7, 3/7).
 *
 * @param nodes nodes[i][j], the value at (i/N, j/N), (N+1)² in all
 * @param p the unit is 2^-p
 */
export function planeNetwork(nodes: readonly (readonly Dyadic[])[], p: number): DyadicNetwork {
  const cells = nodes.length - 1;
  const n = trailingZeros(BigInt(cells));
  // Partial sums stay within 10N units of g₀₀ (the differences of a sum of complete rows are at most 3, a part of a row adds at most 4N).
  const lift = 16 * cells;
  const origin = shift(nodes[0]![0]!, p);
  const base = roundHalfEven(origin);
  const g = nodes.map((row) => row.map((value) => roundHalfEven(shift(value, p)) - base));
  const mixed = (i: number, j: number): number =>
    i === 0 || j === 0 ? 0 : g[i]![j]! - g[i - 1]![j]! - g[i]![j - 1]! + g[i - 1]![j - 1]!;
  const corner = (i: number, j: number): number => mixed(i + 1, j + 1) - mixed(i, j);
  const bend = (at: (k: number) => number, k: number): number => at(k + 1) - at(k) - (k === 0 ? 0 : at(k) - at(k - 1));

  const net = new NetworkBuilder(["x", "y"]);
  if (!Number.isInteger(n) || n < 1)
    throw new RangeError(`"nodes" expected 2^n + 1 rows with n at least 1, got ${nodes.length}`);
  // X, Y by doubling; B starts at the lift, which doubles along.
  let X: Form = { x: 2 };
  let Y: Form = { y: 2 };
  let B: Form = { _: 4 };
  for (let size = 4, k = 0; k < Math.max(n, 1) || size < lift; k++) {
    net.add({ X, Y, B });
    const grow = k + 1 < n;
    X = { X: grow ? 2 : 1 };
    Y = { Y: grow ? 2 : 1 };
    const more = size < lift;
    B = { B: more ? 2 : 1 };
    if (more) size *= 2;
  }
  net.add({ X, Y, q: Y, B });
  for (let j = 0; j < cells; j++) {
    const last = j === cells - 1;
    const b = bend((k) => g[0]![k]!, j);
    net.add({ X: { X: 1 }, Y: { Y: 1 }, ...(last ? {} : { q: { q: 1, _: -1 } }), B: { B: 1, q: b } });
  }
  let pending: Form = { B: 1 };
  for (let i = 0; i < cells; i++) {
    const enter: Form = i === 0 ? { X: 1 } : { p: 1, _: -1 };
    net.add({ p: enter, Y: { Y: 1 }, q: { Y: 1 }, B: pending });
    const a = bend((k) => g[k]![0]!, i);
    for (let j = 0; j < cells; j++) {
      const c = j === 0 ? 0 : corner(i, j - 1);
      net.add({
        p: { p: 1 },
        Y: { Y: 1 },
        ...(j < cells - 1 ? { q: { q: 1, _: -1 } } : {}),
        r: { p: 1, q: -1 },
        B: j === 0 ? { B: 1, p: a } : { B: 1, p: c, r: -c },
      });
    }
    const c = corner(i, cells - 1);
    pending = { B: 1, p: c, r: -c };
  }
  const offset = subtract(dyadic(BigInt(lift), p), dyadic(BigInt(base), p));
  leaveCells(net, pending, -p, offset, { a: 2, b: 1 });
  return net.build();
}
