import { shown } from "../core/index.ts";
import { absolute, compare, type Dyadic, dyadic, shift, subtract, toNumberUp, ZERO } from "./dyadic.ts";
import { nearestInteger } from "./encode.ts";
import { checkNetwork, type DyadicNetwork } from "./network.ts";

/**
 * The network with every weight and bias rounded to the nearest multiple of 2^-bits, ties to even: not the same function any more.
 *
 * @param bits 0 … 60
 * @returns the network and the largest change of a weight
 */
export function roundNetwork(
  network: DyadicNetwork,
  bits: number,
): {
  /** Every weight and bias a multiple of 2^-bits. */
  network: DyadicNetwork;
  /** Of a weight or bias, at most 2^-(bits + 1). */
  largestChange: number;
} {
  checkNetwork(network);
  if (!Number.isSafeInteger(bits) || bits < 0 || bits > 60)
    throw new RangeError(`"bits" expected an integer in 0..60, got ${shown(bits)}`);
  let largest = ZERO;
  const rounded = (value: Dyadic): Dyadic => {
    if (value.exponent <= bits) return value;
    const result = dyadic(nearestInteger(shift(value, bits)), bits);
    const change = absolute(subtract(result, value));
    if (compare(change, largest) > 0) largest = change;
    return result;
  };
  const layers = network.layers.map((layer) =>
    layer.map(({ bias, indices, weights }) => {
      const entries = indices
        .map((index, k) => [index, rounded(weights[k]!)] as const)
        .filter(([, weight]) => weight.numerator !== 0n);
      return {
        bias: rounded(bias),
        indices: entries.map(([index]) => index),
        weights: entries.map(([, weight]) => weight),
      };
    }),
  );
  return { network: { inputs: network.inputs, layers }, largestChange: toNumberUp(largest) };
}
