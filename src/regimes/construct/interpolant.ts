// The plain two-layer interpolant: one hidden neuron per cell. Better than all the others for small networks and for smooth functions.
import { type Form, fraction, NetworkBuilder, type Value } from "../builder.ts";
import { add, type Dyadic, dyadic, negate, scaled, shift, subtract, trailingZeros } from "../dyadic.ts";
import { roundHalfEven } from "../encode.ts";
import type { DyadicNetwork } from "../network.ts";

/**
 * y = v_0 + Σ c_k·ReLU(x − k/2^n) with node values rounded to multiples of 2^-grid.
 *
 * For a function with |f(x) − f(y)| ≤ K|x − y|^α the error is at most K(2^-n/2)^α + 2^-(grid+1).
 *
 * @param nodes 2^n + 1 values at k/2^n, n ≥ 0
 * @param grid at most n + b bits, b = max(n, grid − n)
 */
export function interpolantNetwork(nodes: readonly Dyadic[], grid: number): DyadicNetwork {
  const n = trailingZeros(BigInt(nodes.length - 1));
  const b = Math.max(n, grid - n, 1);
  const values = nodes.map((value) => dyadic(BigInt(roundHalfEven(shift(value, grid))), grid));
  const hidden: Record<string, Form> = {};
  const y: Record<string, Value> = {};
  let slope = dyadic(0n);
  for (let k = 0; k < nodes.length - 1; k++) {
    const next = shift(subtract(values[k + 1]!, values[k]!), n);
    const change = subtract(next, slope);
    slope = next;
    // A node without a kink needs no neuron.
    if (change.numerator === 0n) continue;
    hidden[`r${k}`] = { x: 1, _: fraction(-k, n) };
    y[`r${k}`] = change;
  }
  // What a bias of b bits cannot say of v_0 comes from a constant neuron through a weight 2^-b.
  const first = values[0]!;
  const floor = dyadic(first.exponent > b ? first.numerator >> BigInt(first.exponent - b) : scaled(first, b), b);
  const rest = add(first, negate(floor));
  if (rest.numerator !== 0n) {
    hidden["one"] = { _: shift(rest, b) };
    y["one"] = fraction(1, b);
  }
  if (Object.keys(hidden).length === 0) hidden["one"] = { _: 0 };
  return new NetworkBuilder()
    .add(hidden)
    .add({ y: { ...y, _: floor } })
    .build();
}
